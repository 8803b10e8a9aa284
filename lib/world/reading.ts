/** The meaning of a sensor run: turns its outcome into a reading; header comments, signals. Pure. */
import { canonical, isExactNumber, isRecord, parseExact } from "../text/json.ts";

/** How one run of a sensor ended. Sizes in bytes. */
export interface SensorOutcome {
  stdout: Uint8Array;
  stderr: Uint8Array;
  exitCode: number;
  timedOut: boolean;
  tooLarge: boolean;
  /** Whether the script's first line ends in CRLF, which adds a carriage return to its interpreter's name. */
  crlf?: boolean;
  /** Wall time of the run, ms. */
  ms: number;
}

/** A sensor's reading: any JSON value; by convention `{signal, detail}`. */
export type Reading = unknown;

const STDERR_TAIL = 1024;
/** Depth beyond that of any sensible reading; a far deeper value would overflow the stack of whatever walks it. */
const MAX_DEPTH = 128;
const HEAD = 256;

/** The reading for an outcome, by the table of the contract. `lastGood` is kept in the detail of an error. */
export function readingOf(
  outcome: SensorOutcome,
  maxBytes: number,
  timeoutS: number,
  lastGood?: Reading,
): Reading {
  if (outcome.timedOut) {
    return exitError(124, `timed out after ${timeoutS} s`, outcome, lastGood);
  }
  if (outcome.tooLarge) {
    return contentError("too_large", `printed more than ${maxBytes} bytes`, outcome, lastGood);
  }
  if (outcome.exitCode !== 0) {
    return exitError(outcome.exitCode, failureOf(outcome), outcome, lastGood);
  }
  const value = parseOne(outcome.stdout);
  if (value !== undefined && holdsInfinity(value.value)) {
    return contentError("not_json", "printed a number that is larger than any can be", outcome, lastGood);
  }
  if (value === undefined) {
    const empty = outcome.stdout.length === 0 ? "printed nothing" : "did not print one JSON value";
    return contentError("not_json", empty, outcome, lastGood);
  }
  if (isDeeper(value.value, MAX_DEPTH)) {
    return contentError("too_large", `printed JSON of more than ${MAX_DEPTH} levels`, outcome, lastGood);
  }
  return wellFormed(value.value);
}

/** Whether a value holds a number that was too large to parse: in JSON it would silently become null. */
function holdsInfinity(value: unknown, levels = MAX_DEPTH): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  if (value === null || typeof value !== "object" || levels === 0) return false;
  return Object.values(value).some((part) => holdsInfinity(part, levels - 1));
}

/** The same value with lone surrogates (half of a cut emoji) replaced: other programs refuse to read them. */
function wellFormed(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (!isRecord(value) || isExactNumber(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key.toWellFormed(), wellFormed(part)]),
  );
}

function parseOne(bytes: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: parseExact(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) };
  } catch {
    return undefined;
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (value === null || typeof value !== "object") return false;
  return levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1));
}

function failureOf(outcome: SensorOutcome): string {
  if (outcome.crlf && outcome.exitCode >= 126) {
    return "cannot be executed: its first line ends in CRLF; take the carriage returns out with `tr -d '\\r'`";
  }
  const last = decode(outcome.stderr).trim().split("\n").at(-1) ?? "";
  const ending = outcome.exitCode === 126
    ? "cannot be executed"
    : outcome.exitCode === 127
    ? "not found: the script, its interpreter or a command in it"
    : `exit ${outcome.exitCode}`;
  return last === "" ? ending : `${ending}: ${last}`;
}

function exitError(exitCode: number, message: string, outcome: SensorOutcome, lastGood?: Reading): Reading {
  return {
    signal: { error: true, exit_code: exitCode },
    detail: { message, stderr: decode(tail(outcome.stderr)), ...goodPart(lastGood) },
  };
}

function contentError(reason: string, message: string, outcome: SensorOutcome, lastGood?: Reading): Reading {
  return {
    signal: { error: true, reason },
    detail: {
      message,
      bytes: outcome.stdout.length,
      head: decode(outcome.stdout.subarray(0, HEAD)),
      ...goodPart(lastGood),
    },
  };
}

function goodPart(lastGood: Reading): { last_good?: Reading } {
  return lastGood === undefined ? {} : { last_good: lastGood };
}

function tail(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(Math.max(0, bytes.length - STDERR_TAIL));
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The part of a reading that can wake an agent: its `.signal`, or the whole value when it has none. */
export function signalOf(reading: Reading): unknown {
  return isRecord(reading) && "signal" in reading ? reading["signal"] : reading;
}

/** Whether a reading reports a failed run. */
export function isErrorReading(reading: Reading): boolean {
  const signal = signalOf(reading);
  return isRecord(signal) && signal["error"] === true && ("exit_code" in signal || "reason" in signal);
}

/** The message of a failed run's reading, for people; "" for a run that did not fail. */
export function messageOf(reading: Reading): string {
  const detail = isRecord(reading) ? reading["detail"] : undefined;
  return isRecord(detail) && isErrorReading(reading) ? String(detail["message"] ?? "") : "";
}

/** Whether two signals are the same, by their canonical texts. */
export function sameSignal(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

/** Settings in a sensor's header comments: `# looop:interval=300`. */
export interface SensorHeader {
  /** Seconds between two runs; every beat when absent. */
  interval?: number;
  /** The longest time a run may take, seconds. */
  timeout?: number;
  summary?: string;
  needs: string[];
  env: string[];
  optional: string[];
}

/** Reads the header comments: comment lines at the top of a script, up to the first other line. */
export function parseHeader(script: string): SensorHeader {
  const header: SensorHeader = { needs: [], env: [], optional: [] };
  for (const line of script.slice(0, 8192).split("\n")) {
    if (line.trim() !== "" && !line.startsWith("#")) break;
    const match = /^#\s*looop:(\w+)=(.*)$/.exec(line);
    if (match !== null) applyHeader(header, match[1] ?? "", (match[2] ?? "").trim());
  }
  return header;
}

function applyHeader(header: SensorHeader, key: string, value: string): void {
  const list = value.split(",").map((item) => item.trim()).filter((item) => item !== "");
  const number = Number(value);
  const isTime = Number.isFinite(number) && number > 0;
  if (key === "interval" && isTime) header.interval = number;
  else if (key === "timeout" && isTime) header.timeout = number;
  else if (key === "summary") header.summary = value;
  else if (key === "needs") header.needs = list;
  else if (key === "env") header.env = list;
  else if (key === "optional") header.optional = list;
}
