/** `looop _ sensor …`: what is observed. */
import { printableJson } from "../lib/text/json.ts";
import { EXIT, UsageError, UserError } from "../lib/errors.ts";
import { checkId, isId } from "../lib/ids.ts";
import { nearest } from "../lib/text/nearest.ts";
import { absolute } from "../lib/paths.ts";
import { findProgram } from "../lib/process/programs.ts";
import {
  type Example,
  examplesOf,
  missingOf,
  parseSettings,
  withSettings,
} from "../lib/world/sensor_catalog.ts";
import { type Finding, judgeRuns, secretsOf, type TrialRun } from "../lib/world/sensor_check.ts";
import { sanitizeLine } from "../lib/text/style.ts";
import { recordMove } from "../lib/records/move.ts";
import { changePolicy, undoPath, withNewline, writePolicy } from "../lib/records/policy.ts";
import { openProfile } from "../lib/records/profile.ts";
import { childEnv } from "../lib/process/child_env.ts";
import { sensorLimits } from "../lib/world/sensors.ts";
import { isErrorReading, parseHeader, readingOf, type SensorOutcome } from "../lib/world/reading.ts";
import { readMarked } from "../lib/process/tree.ts";
import { runSensor, type SensorRun, sweepSensors } from "../lib/world/sensor_run.ts";
import { runStoppable, stoppedError } from "../lib/process/stop.ts";
import { exists, makeDir, moveKeepingBoth, readLinkedText, removeTree, replaceFile } from "../lib/store.ts";
import { bodyOf, type Context, defineVerb } from "../lib/cli/verb.ts";

export const write = defineVerb({
  declare: {
    path: "_ sensor write",
    summary: "write or rewrite one sensor; its syntax is checked first",
    audience: "root",
    args: [
      { name: "name", summary: "sensor", kind: "sensor" },
      {
        name: "script",
        summary: "a script with a #! line; from stdin when absent or -",
        optional: true,
        many: true,
      },
    ],
    mutating: true,
    example: "looop _ sensor write inbox <inbox.sh",
  },
  async run(context, input) {
    const name = checkId("sensor", input.word(0));
    const script = withNewline(await bodyOf(context, input.words.slice(1), "script"));
    await checkSyntax(script);
    openProfile(context.profile);
    const { sensors, undo } = context.profile;
    makeDir(sensors);
    const undoAt = { dir: undo, path: undoPath(context.profile, "sensor", name) };
    const path = `${sensors}/${name}.sh`;
    if (!changePolicy(context.profile, () => writePolicy(path, undoAt, script, 0o700))) {
      return { text: `write-sensor ${name} (unchanged)` };
    }
    recordMove(context, `write-sensor ${name}`);
    return { text: `write-sensor ${name}` };
  },
});

/** `bash -n` for what is a shell script. @throws {UsageError} with bash's own words. */
async function checkSyntax(script: string): Promise<void> {
  const first = script.split("\n", 1)[0] ?? "";
  const isShell = !first.startsWith("#!") || /\b(ba|da|k|z)?sh\b/.test(first);
  if (!isShell) return;
  const shell = /\bzsh\b/.test(first) ? "zsh" : "bash";
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(shell, { args: ["-n"], stdin: "piped", stdout: "null", stderr: "piped" })
      .spawn();
  } catch {
    return;
  }
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script)).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stderr } = await child.output();
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim().split("\n")[0] ?? "";
  throw new UsageError(`The script has a syntax error: ${said}`, {
    next: "nothing was written; mend that line",
  });
}

export const run = defineVerb({
  declare: {
    path: "_ sensor run",
    summary: "run one sensor once, exactly as the pulse would, and show its reading; writes nothing",
    audience: "root",
    args: [{ name: "name", summary: "sensor", kind: "sensor" }],
    options: [{ name: "json", summary: "reading, time and exit code as JSON" }],
    example: "looop _ sensor run today",
  },
  async run(context, input) {
    const name = checkId("sensor", input.word(0));
    const path = `${context.profile.sensors}/${name}.sh`;
    const script = readLinkedText(path);
    if (script === undefined) throw noSensor(name);
    const { reading, ms } = await runOnce(context, path, script);
    const ok = !isErrorReading(reading);
    return {
      text: `${printableJson(reading, 2)}\n${ok ? "ok" : "failed"} in ${ms} ms`,
      json: { name, ok, ms, reading },
      code: ok ? 0 : 1,
    };
  },
});

async function runOnce(
  context: Context,
  path: string,
  script: string,
): Promise<{ reading: unknown; ms: number }> {
  const { profile, env } = context;
  const limits = sensorLimits(parseHeader(script), env);
  const mark = `run.${Deno.pid}.${context.now()}`;
  const outcome = await runToItsEnd({
    path,
    cwd: profile.dir,
    env: childEnv(env, { bin: context.bin(), dataDir: profile.dir, config: profile.config }),
    mark,
    timeoutMs: limits.timeoutS * 1000,
    maxBytes: limits.maxBytes,
  });
  return { reading: readingOf(outcome, limits.maxBytes, limits.timeoutS), ms: outcome.ms };
}

/** One run and the end of what it leaves behind, also when we are told to stop or nobody waits for us. */
async function runToItsEnd(run: SensorRun): Promise<SensorOutcome> {
  const { value, stoppedBy } = await runStoppable(async (stop) => {
    const outcome = await runSensor(run, stop);
    await sweepSensors([run.mark]);
    return outcome;
  });
  if (stoppedBy === undefined) return value;
  throw stoppedError(stoppedBy, "the sensor was ended too");
}

function noSensor(name: string): UserError {
  return new UserError(`There is no sensor "${name}"`, {
    next: "`ls` the folder sensors/ of the data dir",
    kind: "not_found",
  });
}

export const remove = defineVerb({
  declare: {
    path: "_ sensor remove",
    summary: "stop sensing it; the script moves to sensors/archive/",
    audience: "root",
    args: [{ name: "name", summary: "sensor", kind: "sensor" }],
    mutating: true,
    example: "looop _ sensor remove inbox",
  },
  run(context, input) {
    const name = checkId("sensor", input.word(0));
    const { sensors, sensorsArchive } = context.profile;
    if (!exists(`${sensors}/${name}.sh`)) throw noSensor(name);
    makeDir(sensorsArchive);
    const lock = `${context.profile.lockDir}/move`;
    const moved = moveKeepingBoth(`${sensors}/${name}.sh`, `${sensorsArchive}/${name}`, {
      suffix: ".sh",
      lock,
    });
    if (moved === undefined) throw noSensor(name);
    recordMove(context, `remove-sensor ${name}`);
    return Promise.resolve({ text: `remove-sensor ${name}` });
  },
});

export const examples = defineVerb({
  declare: {
    path: "_ sensor examples",
    summary: "the ready-made sensors and what they need; with a name, that script",
    audience: "root",
    args: [{ name: "name", summary: "one of them", optional: true, kind: "example" }],
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop _ sensor examples github-prs",
  },
  async run(context, input) {
    const all = await loadExamples();
    const name = input.words[0];
    if (name !== undefined) return { text: findExample(all, name).script };
    const rows = all.map(({ name, header }) => {
      const missing = missingOf(header, (program) => hasProgram(context, program), context.env);
      return {
        name,
        summary: header.summary ?? "",
        needs: header.needs,
        env: header.env,
        optional: header.optional,
        missing,
      };
    });
    const lines = rows.map((row) => {
      const lacks = [...row.missing.programs, ...row.missing.variables.map((variable) => `$${variable}`)];
      return `${lacks.length === 0 ? "ok  " : "    "} ${row.name.padEnd(22)} ${row.summary}${
        lacks.length === 0 ? "" : ` (missing: ${lacks.join(", ")})`
      }`;
    });
    return { text: lines.join("\n"), json: rows };
  },
});

async function loadExamples(): Promise<Example[]> {
  const { SENSOR_EXAMPLES } = await import("../lib/world/sensor_examples.ts");
  return examplesOf(SENSOR_EXAMPLES);
}

function findExample(all: readonly Example[], name: string): Example {
  const found = all.find((example) => example.name === name);
  if (found !== undefined) return found;
  const match = nearest(name, all.map((example) => example.name));
  throw new UsageError(`There is no example "${name}"`, {
    next: match === undefined ? "`looop _ sensor examples` lists them" : `did you mean "${match}"?`,
  });
}

function hasProgram(context: Context, program: string): boolean {
  return findProgram(program, context.env["PATH"] ?? "") !== undefined;
}

export const add = defineVerb({
  declare: {
    path: "_ sensor add",
    summary: "install a ready-made sensor with your settings, and show its first reading",
    audience: "root",
    args: [{ name: "example", summary: "as listed by `_ sensor examples`", kind: "example" }],
    options: [
      { name: "as", value: "NAME", summary: "its name here; the example's unless given" },
      {
        name: "set",
        value: "K=V",
        summary: "a setting; secrets are better left in the environment of `looop up`",
        many: true,
      },
    ],
    mutating: true,
    example: "looop _ sensor add git-repo --as site --set GIT_DIR_PATH=/home/me/site",
  },
  async run(context, input) {
    const example = findExample(await loadExamples(), input.word(0));
    const name = checkId("sensor", input.text("as") ?? example.name);
    const settings = parseSettings(input.many("set"), example.header);
    const lacks = missingOf(example.header, (program) => hasProgram(context, program), {
      ...context.env,
      ...settings,
    });
    if (lacks.programs.length > 0) {
      throw new UserError(`"${example.name}" needs ${lacks.programs.join(", ")}, not found on PATH`, {
        next: `install ${lacks.programs.join(", ")}, then try again`,
        kind: "missing",
      });
    }
    if (lacks.variables.length > 0) {
      throw new UserError(
        `"${example.name}" needs ${lacks.variables.map((variable) => `$${variable}`).join(", ")}`,
        {
          next: "export it before `looop up`, or give --set NAME=VALUE",
          kind: "missing",
        },
      );
    }
    openProfile(context.profile);
    const { sensors, undo } = context.profile;
    const path = `${sensors}/${name}.sh`;
    if (exists(path)) {
      throw new UserError(`There is a sensor "${name}" already`, {
        next: `choose another name with --as, or remove it with \`looop _ sensor remove ${name}\``,
        kind: "exists",
      });
    }
    makeDir(sensors);
    const script = withSettings(example.script, settings);
    const undoAt = { dir: undo, path: undoPath(context.profile, "sensor", name) };
    changePolicy(context.profile, () => writePolicy(path, undoAt, script, 0o700));
    recordMove(context, `add-sensor ${name} (${example.name})`);
    const { reading, ms } = await runOnce(context, path, script);
    return {
      text: `add-sensor ${name}\n${printableJson(reading, 2)}\n${
        isErrorReading(reading) ? "failed" : "ok"
      } in ${ms} ms`,
    };
  },
});

export const check = defineVerb({
  declare: {
    path: "_ sensor check",
    summary: "try a sensor twice and say whether it keeps the rules",
    audience: "root",
    args: [{ name: "sensor", summary: "a sensor's name, an example's name, or a file", kind: "sensor" }],
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop _ sensor check ./inbox.sh",
    details:
      "An installed sensor runs as the pulse would run it, a file or an example in a scratch folder. Exit 1 when\n" +
      "a rule is broken. A sensor that says it cannot tell here (no network, no token) is a warning.",
  },
  async run(context, input) {
    const findings = await checkSensor(context, input.word(0));
    const bad = findings.some((finding) => finding.level === "BAD");
    return {
      text: findings.map(({ level, text }) => `${level.padEnd(4)} ${sanitizeLine(text)}`).join("\n"),
      json: { ok: !bad, findings },
      code: bad ? EXIT.failed : EXIT.ok,
    };
  },
});

const CHECK_RUNS = 2;

async function checkSensor(context: Context, what: string): Promise<Finding[]> {
  const { profile } = context;
  const installed = `${profile.sensors}/${what}.sh`;
  const scratch = await Deno.makeTempDir({ prefix: "looop-check-" });
  try {
    const path = exists(installed) && isId(what) ? installed : `${scratch}/sensor.sh`;
    const script = readLinkedText(path) ?? await scriptOf(what);
    const home = path === installed ? profile.dir : `${scratch}/data`;
    makeDir(`${scratch}/data`);
    makeDir(`${scratch}/tmp`);
    if (path !== installed) replaceFile(path, script, { mode: 0o700, durable: false });
    await checkSyntax(script);
    const header = parseHeader(script);
    const limits = sensorLimits(header, context.env);
    const env = childEnv(context.env, { bin: context.bin(), dataDir: home, config: profile.config }, {
      TMPDIR: `${scratch}/tmp`,
    });
    const runs: TrialRun[] = [];
    for (let n = 0; n < CHECK_RUNS; n++) runs.push(await trial(path, home, env, limits));
    const left = [...Deno.readDirSync(`${scratch}/tmp`)].map((entry) => entry.name);
    const missing = missingOf(header, (program) => hasProgram(context, program), context.env);
    return judgeRuns(runs, header, limits, missing, secretsOf(context.env), left);
  } finally {
    removeTree(scratch);
  }
}

async function scriptOf(what: string): Promise<string> {
  const file = what.includes("/") || what.endsWith(".sh")
    ? readLinkedText(absolute(what, Deno.cwd()))
    : undefined;
  if (file !== undefined) return file;
  if (what.includes("/")) {
    throw new UserError(`There is no file "${what}"`, { next: "check the path", kind: "not_found" });
  }
  return findExample(await loadExamples(), what.replace(/\.sh$/, "")).script;
}

async function trial(
  path: string,
  cwd: string,
  env: Record<string, string>,
  limits: { timeoutS: number; maxBytes: number },
): Promise<TrialRun> {
  const mark = `check.${Deno.pid}.${performance.now()}`;
  let left = 0;
  const outcome = await runToItsEnd({
    path,
    cwd,
    env,
    mark,
    timeoutMs: limits.timeoutS * 1000,
    maxBytes: limits.maxBytes,
    inspect: async () => {
      left = (await readMarked([`LOOOP_SENSOR_RUN=${mark}`])).size;
    },
  });
  return {
    reading: readingOf(outcome, limits.maxBytes, limits.timeoutS),
    bytes: outcome.stdout.length,
    stdout: new TextDecoder().decode(outcome.stdout),
    exitCode: outcome.exitCode,
    ms: outcome.ms,
    left,
  };
}
