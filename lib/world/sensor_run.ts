/** Runs one sensor in a session of its own, with a deadline and a byte limit; none of its processes survive. */
import { quietText, readLinkedText } from "../store.ts";
import { spawnChild } from "../process/spawn.ts";
import { joined } from "../text/bytes.ts";
import { drain, PipeReader } from "../process/pipe_reader.ts";
import { RunNotes } from "../process/run_notes.ts";
import { readMarked, readMarkedAny } from "../process/table.ts";
import { findTrees, killTree, signal, type TreeNotes } from "../process/tree.ts";
import type { SensorOutcome } from "./reading.ts";

/** The run of one sensor: what to start, where, and its limits. */
export interface SensorRun {
  path: string;
  cwd: string;
  env: Record<string, string>;
  /** Value of `LOOOP_SENSOR_RUN` for this run alone. */
  mark: string;
  timeoutMs: number;
  maxBytes: number;
  /** Called when the script has ended, with the number of processes it left behind, before these are ended. */
  inspect?: (left: number) => void;
  /** Called during the run with the processes that belong to it, where they must be noted ({@link RunNotes}). */
  onNoted?: (notes: TreeNotes) => void;
}

/** Time between TERM and KILL for a sensor, ms. */
const SENSOR_GRACE_MS = 2_000;
const STDERR_MAX = 64 * 1024;

/** Runs the sensor to its end; never throws, whatever the script does. */
export async function runSensor(run: SensorRun, abort?: AbortSignal): Promise<SensorOutcome> {
  const started = performance.now();
  // The shell in between gives "not executable" and "no interpreter" their usual codes, 126 and 127.
  const env = { ...run.env, LOOOP_SENSOR_RUN: run.mark };
  const child = spawnChild({ argv: [run.path], cwd: run.cwd, env, output: "piped" });
  const ending = new Ending(child.pid, run.onNoted);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    ending.begin();
  }, run.timeoutMs);
  const onAbort = () => ending.begin();
  abort?.addEventListener("abort", onAbort);
  const out = new Head(child.stdout, run.maxBytes, () => ending.begin());
  const err = new Head(child.stderr, STDERR_MAX, () => {});
  const status = await child.status;
  clearTimeout(timer);
  await drain([out.reader, err.reader]);
  abort?.removeEventListener("abort", onAbort);
  if (run.inspect !== undefined) run.inspect(await ending.left(run.mark));
  await ending.finish();
  return {
    stdout: out.bytes(),
    stderr: err.bytes(),
    exitCode: status.code,
    timedOut,
    tooLarge: out.overflowed,
    crlf: status.code >= 126 && endsInCrlf(run.path),
    ms: Math.round(performance.now() - started),
  };
}

/** Whether the first line of a script ends in a carriage return, as in files written on Windows. */
function endsInCrlf(path: string): boolean {
  const text = quietText(path, readLinkedText) ?? "";
  return text.slice(0, text.indexOf("\n")).endsWith("\r");
}

/**
 * Ends a run: TERM to the group, KILL after the grace, a last KILL once the leader is reaped, and the noted strays.
 */
class Ending {
  readonly #pid: number;
  readonly #notes: RunNotes;
  #begun = false;
  #over = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(pid: number, onNoted?: (notes: TreeNotes) => void) {
    this.#pid = pid;
    this.#notes = new RunNotes(pid, onNoted);
  }

  /** How many processes the run has left behind. */
  async left(mark: string): Promise<number> {
    return await this.#notes.left(await readMarked([`LOOOP_SENSOR_RUN=${mark}`]));
  }

  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#notes.look().catch(() => {}).then(() => {
      if (this.#over) return;
      signal(-this.#pid, "SIGTERM");
      this.#timer = setTimeout(() => signal(-this.#pid, "SIGKILL"), SENSOR_GRACE_MS);
    });
  }

  /** The group id stays reserved while a member lives, so this cannot hit a stranger. */
  async finish(): Promise<void> {
    this.#over = true;
    clearTimeout(this.#timer);
    signal(-this.#pid, "SIGKILL");
    await this.#notes.end(SENSOR_GRACE_MS);
  }
}

/** The first bytes of a pipe, up to a limit; one byte more is an overflow. */
class Head {
  readonly reader: PipeReader;
  overflowed = false;
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  constructor(stream: ReadableStream<Uint8Array>, cap: number, onOverflow: () => void) {
    this.reader = new PipeReader(stream, (part) => {
      const kept = part.subarray(0, cap - this.#size);
      this.#parts.push(kept);
      this.#size += kept.length;
      this.overflowed = kept.length < part.length;
      if (this.overflowed) onOverflow();
      return !this.overflowed;
    });
  }

  bytes(): Uint8Array {
    return joined(this.#parts);
  }
}

/**
 * Ends the processes that sensor runs have left behind, wherever they went: all that carry one of the marks. One scan
 * serves any number of runs. Returns how many processes were found.
 */
export async function sweepSensors(marks: readonly string[], graceMs = SENSOR_GRACE_MS): Promise<number> {
  const found = await readMarkedAny(marks.map((mark) => `LOOOP_SENSOR_RUN=${mark}`));
  found.delete(Deno.pid);
  if (found.size === 0) return 0;
  await Promise.all(
    marks.map((mark) => killTree({ roots: [], marks: [`LOOOP_SENSOR_RUN=${mark}`], graceMs })),
  );
  return found.size;
}

/** Marks a run as a pulse's, unlike one of `_ sensor run`. */
export const PULSE_RUN = { LOOOP_PULSE: "sensor" } as const;

/**
 * Ends the sensor runs that an earlier pulse of this data dir left behind when it was killed; `noted` are the
 * processes that it saw of them.
 */
export async function endOrphanRuns(dataDir: string, noted?: TreeNotes): Promise<void> {
  const marks = [`LOOOP_DATA_DIR=${dataDir}`, `LOOOP_PULSE=${PULSE_RUN.LOOOP_PULSE}`];
  const tree = { roots: [], marks, ...(noted === undefined ? {} : { noted }) };
  const found = await findTrees([tree]);
  if ((found?.members[0] ?? []).length > 0) await killTree({ ...tree, graceMs: SENSOR_GRACE_MS });
}
