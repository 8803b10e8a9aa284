/** Tries a sensor outside the pulse: its syntax, one run, or the conformance checker's runs. */
import { runSmall } from "../process/spawn.ts";
import { ownVariables } from "../records/home.ts";
import { UsageError, UserError } from "../errors.ts";
import { isPolicyName } from "../ids.ts";
import { absolute, type Profile } from "../paths.ts";
import { findExample, loadExamples, missingOf, onPath } from "./sensor_catalog.ts";
import { type Finding, judgeRuns, secretsOf, type TrialRun } from "./sensor_check.ts";
import { childEnv } from "../process/child_env.ts";
import { sensorLimits } from "./sensors.ts";
import { parseHeader, readingOf, type SensorOutcome } from "./reading.ts";
import { runSensor, type SensorRun, sweepSensors } from "./sensor_run.ts";
import { runStoppable, stoppedError } from "../process/stop.ts";
import { exists, makeDir, readLinkedText, removeTree, replaceFile } from "../store.ts";

/** The surroundings of a trial: profile, environment, looop's path and the clock. */
export interface TrialHost {
  profile: Profile;
  env: Readonly<Record<string, string>>;
  /** One executable path that starts looop. */
  bin: string;
  /** The current time, unix ms. */
  now(): number;
}

/** Runs `bash -n` on a shell script. @throws {UsageError} with bash's own message. */
export async function checkSyntax(script: string): Promise<void> {
  const first = script.split("\n", 1)[0] ?? "";
  const isShell = !first.startsWith("#!") || /\b(ba|da|k|z)?sh\b/.test(first);
  if (!isShell) return;
  const shell = /\bzsh\b/.test(first) ? "zsh" : "bash";
  const result = await runSmall(shell, ["-n"], { input: script }).catch(() => undefined);
  if (result === undefined || result.code === 0) return;
  const said = result.stderr.trim().split("\n")[0] ?? "";
  throw new UsageError(`The script has a syntax error: ${said}`, {
    next: "nothing was written; fix that line",
  });
}

/** Runs a sensor once, exactly as the pulse would; `ms` is the time it took. */
export async function runOnce(
  host: TrialHost,
  path: string,
  script: string,
): Promise<{ reading: unknown; ms: number }> {
  const { profile, env } = host;
  const limits = sensorLimits(parseHeader(script), env);
  const mark = `run.${Deno.pid}.${host.now()}`;
  const outcome = await runToItsEnd({
    path,
    cwd: profile.dir,
    env: childEnv(env, ownVariables(profile, host.bin)),
    mark,
    timeoutMs: limits.timeoutS * 1000,
    maxBytes: limits.maxBytes,
  });
  return { reading: readingOf(outcome, limits.maxBytes, limits.timeoutS), ms: outcome.ms };
}

/** Runs a sensor and ends the processes it leaves behind, also when a signal stops us or our caller has gone. */
async function runToItsEnd(run: SensorRun): Promise<SensorOutcome> {
  const { value, stoppedBy } = await runStoppable(async (stop) => {
    const outcome = await runSensor(run, stop);
    await sweepSensors([run.mark]);
    return outcome;
  });
  if (stoppedBy === undefined) return value;
  throw stoppedError(stoppedBy, "the sensor was ended too");
}

/** The error for a name that no sensor has. */
export function noSensor(name: string): UserError {
  return new UserError(`There is no sensor "${name}"`, {
    next: "`looop _ sensor list` lists them",
    kind: "not_found",
  });
}

const CHECK_RUNS = 2;

/**
 * Tries a sensor twice and judges its runs: an installed sensor in the data dir, or a file (relative to `cwd`) or an
 * example in a scratch folder.
 */
export async function checkSensor(host: TrialHost, what: string, cwd: string): Promise<Finding[]> {
  const { profile } = host;
  const installed = `${profile.sensors}/${what}.sh`;
  const scratch = await Deno.makeTempDir({ prefix: "looop-check-" });
  try {
    const path = exists(installed) && isPolicyName(what) ? installed : `${scratch}/sensor.sh`;
    const script = readLinkedText(path) ?? await scriptOf(what, cwd);
    const home = path === installed ? profile.dir : `${scratch}/data`;
    makeDir(`${scratch}/data`);
    makeDir(`${scratch}/tmp`);
    if (path !== installed) replaceFile(path, script, { mode: 0o700, durable: false });
    await checkSyntax(script);
    const header = parseHeader(script);
    const limits = sensorLimits(header, host.env);
    const env = childEnv(host.env, ownVariables(profile, host.bin), {
      LOOOP_DATA_DIR: home,
      TMPDIR: `${scratch}/tmp`,
    });
    const runs: TrialRun[] = [];
    for (let n = 0; n < CHECK_RUNS; n++) runs.push(await trial(path, home, env, limits));
    const left = [...Deno.readDirSync(`${scratch}/tmp`)].map((entry) => entry.name);
    const missing = missingOf(header, onPath(host.env), host.env);
    return judgeRuns(runs, header, limits, missing, secretsOf(host.env), left);
  } finally {
    removeTree(scratch);
  }
}

async function scriptOf(what: string, cwd: string): Promise<string> {
  const file = what.includes("/") || what.endsWith(".sh") ? readLinkedText(absolute(what, cwd)) : undefined;
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
    inspect: (count) => left = count,
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
