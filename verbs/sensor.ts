/** `looop _ sensor …`: what is observed. */
import { UsageError, UserError } from "../lib/errors.ts";
import { checkId } from "../lib/ids.ts";
import { recordMove } from "../lib/move.ts";
import { undoPath, withNewline, writePolicy } from "../lib/policy.ts";
import { openProfile } from "../lib/profile.ts";
import { childEnv } from "../lib/child_env.ts";
import { sensorLimits } from "../lib/pulse.ts";
import { isErrorReading, parseHeader, readingOf } from "../lib/reading.ts";
import { runSensor, sweepSensors } from "../lib/sensor.ts";
import { exists, makeDir, moveKeepingBoth, readText } from "../lib/store.ts";
import { bodyOf, type Context, defineVerb } from "../lib/verb.ts";

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
    if (!writePolicy(`${sensors}/${name}.sh`, undoAt, script, 0o700)) {
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
    const script = readText(path);
    if (script === undefined) throw noSensor(name);
    const { reading, ms } = await runOnce(context, path, script);
    const ok = !isErrorReading(reading);
    return {
      text: `${JSON.stringify(reading, null, 2)}\n${ok ? "ok" : "failed"} in ${ms} ms`,
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
  const outcome = await runSensor({
    path,
    cwd: profile.dir,
    env: childEnv(env, { bin: context.bin(), dataDir: profile.dir, config: profile.config }),
    mark,
    timeoutMs: limits.timeoutS * 1000,
    maxBytes: limits.maxBytes,
  });
  await sweepSensors([mark]);
  return { reading: readingOf(outcome, limits.maxBytes, limits.timeoutS), ms: outcome.ms };
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
    moveKeepingBoth(`${sensors}/${name}.sh`, `${sensorsArchive}/${name}`, ".sh");
    recordMove(context, `remove-sensor ${name}`);
    return Promise.resolve({ text: `remove-sensor ${name}` });
  },
});
