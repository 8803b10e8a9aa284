/** The conformance checker: does a sensor keep the rules? It judges runs that are made elsewhere. Pure. */
import { canonical, isRecord } from "../text/json.ts";
import type { Missing } from "./sensor_catalog.ts";
import { isErrorReading, type Reading, type SensorHeader, signalOf } from "./reading.ts";

/** One run of the sensor under test. */
export interface TrialRun {
  reading: Reading;
  /** Size of stdout, bytes. */
  bytes: number;
  stdout: string;
  exitCode: number;
  ms: number;
  /** Number of processes that were still there afterwards. */
  left: number;
}

/** One line of the report. */
export interface Finding {
  level: "ok" | "warn" | "BAD";
  text: string;
}

/** Exit codes by which a sensor reports that it cannot work here and now (sysexits.h). */
const CANNOT_TELL: readonly number[] = [69, 73, 75, 77, 78];

/** Judges two or more runs. */
export function judgeRuns(
  runs: readonly TrialRun[],
  header: SensorHeader,
  limits: { timeoutS: number; maxBytes: number },
  missing: Missing,
  secrets: Readonly<Record<string, string>>,
  leftFiles: readonly string[],
): Finding[] {
  return [
    ...needsFindings(missing),
    ...outcomeFindings(runs),
    sizeFinding(runs, limits.maxBytes),
    timeFinding(runs, header.timeout ?? limits.timeoutS),
    ...stabilityFindings(runs),
    leftFinding(runs, leftFiles),
    secretFinding(runs, secrets),
  ];
}

function needsFindings(missing: Missing): Finding[] {
  const lacks = [...missing.programs, ...missing.variables.map((name) => `$${name}`)];
  return lacks.length === 0
    ? [{ level: "ok", text: "everything it says it needs is here" }]
    : [{ level: "warn", text: `not here: ${lacks.join(", ")}` }];
}

function outcomeFindings(runs: readonly TrialRun[]): Finding[] {
  const failed = runs.find((run) => isErrorReading(run.reading));
  if (failed === undefined) {
    const odd = runs.find((run) => !isRecord(run.reading) || !("signal" in run.reading));
    return odd === undefined
      ? [{ level: "ok", text: "prints one JSON object with a signal" }]
      : [{ level: "warn", text: 'prints no {"signal": …}: the whole value wakes, details included' }];
  }
  const message = messageOf(failed.reading);
  if (CANNOT_TELL.includes(failed.exitCode)) return [{ level: "warn", text: `cannot work here: ${message}` }];
  return [{ level: "BAD", text: message }];
}

function messageOf(reading: Reading): string {
  const detail = isRecord(reading) ? reading["detail"] : undefined;
  return isRecord(detail) ? String(detail["message"] ?? "failed") : "failed";
}

function sizeFinding(runs: readonly TrialRun[], maxBytes: number): Finding {
  const bytes = Math.max(...runs.map((run) => run.bytes));
  return bytes >= maxBytes
    ? { level: "BAD", text: `prints ${bytes} bytes, the limit is ${maxBytes}` }
    : { level: bytes > maxBytes * 0.9 ? "warn" : "ok", text: `${bytes} bytes of ${maxBytes}` };
}

function timeFinding(runs: readonly TrialRun[], timeoutS: number): Finding {
  const ms = Math.max(...runs.map((run) => run.ms));
  return { level: ms > timeoutS * 500 ? "warn" : "ok", text: `${ms} ms of ${timeoutS} s` };
}

function stabilityFindings(runs: readonly TrialRun[]): Finding[] {
  if (runs.some((run) => isErrorReading(run.reading))) return [];
  const signals = new Set(runs.map((run) => canonical(signalOf(run.reading))));
  return signals.size === 1 ? [{ level: "ok", text: `same signal in ${runs.length} runs` }] : [{
    level: "BAD",
    text: "the signal changes from run to run: it would wake for nothing; move the changing parts to detail",
  }];
}

function leftFinding(runs: readonly TrialRun[], leftFiles: readonly string[]): Finding {
  const left = runs.reduce((sum, run) => sum + run.left, 0);
  if (left > 0) return { level: "BAD", text: `leaves ${left} process${left === 1 ? "" : "es"} behind` };
  if (leftFiles.length > 0) {
    return { level: "warn", text: `leaves files behind: ${leftFiles.slice(0, 5).join(", ")}` };
  }
  return { level: "ok", text: "leaves nothing behind" };
}

function secretFinding(runs: readonly TrialRun[], secrets: Readonly<Record<string, string>>): Finding {
  const leaked = Object.keys(secrets).find((name) =>
    runs.some((run) => run.stdout.includes(secrets[name] ?? "\0"))
  );
  return leaked === undefined
    ? { level: "ok", text: "no secret in the output" }
    : { level: "BAD", text: `prints the value of ${leaked}` };
}

/** Variables of an environment that look like secrets and are long enough not to appear by chance. */
export function secretsOf(env: Readonly<Record<string, string>>): Record<string, string> {
  const looks = /(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|AUTH)/i;
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) => looks.test(name) && value.length >= 8),
  );
}
