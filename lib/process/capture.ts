/**
 * Runs one command to its end, in a session of its own, with a deadline, keeping the tails of its output. None of its
 * processes survive, neither after a timeout nor after a normal end.
 */
import { spawnChild } from "./spawn.ts";
import { joined } from "../text/bytes.ts";
import { drain, PipeReader } from "./pipe_reader.ts";
import { identityOf } from "./identity.ts";
import { RunNotes } from "./run_notes.ts";
import { type ProcessFact, readSystem } from "./table.ts";
import { delay, killTree, signal, STOP_GRACE_MS, type TreeNotes } from "./tree.ts";

/** The command to run, and its limits. */
export interface CommandSpec {
  argv: readonly string[];
  cwd: string;
  /** The whole environment; the mark is added to it. */
  env: Readonly<Record<string, string>>;
  /** A variable that only this run's processes carry. */
  mark: { name: string; value: string };
  timeoutMs: number;
  /** How much of the end of each stream is kept, bytes. */
  tailBytes: number;
  /** Called during the run with the processes that belong to it, where they must be noted ({@link RunNotes}). */
  onNoted?: (notes: TreeNotes) => void;
}

/** The end of a stream, and how many bytes of it came before. */
export interface Tail {
  bytes: Uint8Array;
  cut: number;
}

/** How a command ended. */
export interface CommandOutcome {
  /** Its own exit code; 128+n for signal n. */
  code: number;
  /** `self`: the command ended by itself; otherwise the deadline or the caller's signal ended it. */
  endedBy: "self" | "timeout" | "stop";
  stdout: Tail;
  stderr: Tail;
  ms: number;
  /** Processes that survived even SIGKILL. */
  survivors: ProcessFact[];
}

/** How long to wait for processes that survive SIGKILL, ms. */
const GIVE_UP_MS = 100;
/** Time between TERM and KILL for the leftovers of a command that has ended by itself, ms. */
const LEFTOVER_GRACE_MS = 2_000;
/** The longest timer that the runtime supports, ms (about 24 days). */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs the command; `stop` ends its whole tree early.
 *
 * @throws what `Deno.Command` throws when no process can be started.
 */
export async function runCommand(spec: CommandSpec, stop?: AbortSignal): Promise<CommandOutcome> {
  const started = performance.now();
  const env = { ...spec.env, [spec.mark.name]: spec.mark.value };
  const child = spawnChild({ argv: spec.argv, cwd: spec.cwd, env, output: "piped" });
  const mark = `${spec.mark.name}=${spec.mark.value}`;
  const notes = new RunNotes(child.pid, spec.onNoted);
  const tails = [new TailBuffer(spec.tailBytes), new TailBuffer(spec.tailBytes)] as const;
  const readers = [child.stdout, child.stderr].map((stream, n) =>
    new PipeReader(stream, (part) => {
      tails[n as 0 | 1].push(part);
      return true;
    })
  );
  let endedBy: CommandOutcome["endedBy"] = "self";
  let ending: Promise<ProcessFact[]> | undefined;
  const ended = Promise.withResolvers<void>();
  let patience: ReturnType<typeof setTimeout> | undefined;
  const end = (by: "timeout" | "stop") => {
    if (ending !== undefined) return;
    endedBy = by;
    ending = endTree(child, mark, notes);
    // A process that survives SIGKILL must not be waited for either.
    const giveUp = () => patience = setTimeout(ended.resolve, GIVE_UP_MS);
    ending.then(giveUp, giveUp);
  };
  const onStop = () => end("stop");
  const timer = setTimeout(() => end("timeout"), Math.min(spec.timeoutMs, MAX_TIMER_MS));
  stop?.addEventListener("abort", onStop);
  if (stop?.aborted) end("stop");
  const status = await Promise.race([child.status, ended.promise]);
  clearTimeout(timer);
  stop?.removeEventListener("abort", onStop);
  const left = ending === undefined ? await endLeftovers(child.pid, mark) : await ending;
  const survivors = [...left, ...await notes.end(LEFTOVER_GRACE_MS)];
  clearTimeout(patience);
  await drain(readers);
  return {
    code: status?.code ?? 137,
    endedBy,
    stdout: tails[0].tail(),
    stderr: tails[1].tail(),
    ms: Math.round(performance.now() - started),
    survivors,
  };
}

async function endTree(child: Deno.ChildProcess, mark: string, notes: RunNotes): Promise<ProcessFact[]> {
  const [root] = await Promise.all([identityOf(child.pid), notes.look()]);
  if (root === undefined) return await endGroup(child, notes);
  return await killTree({ roots: [root], marks: [mark], graceMs: STOP_GRACE_MS });
}

/** Ends the command when processes cannot be listed: until its exit is awaited, its group id cannot be reused. */
async function endGroup(child: Deno.ChildProcess, notes: RunNotes): Promise<ProcessFact[]> {
  for (const name of ["SIGTERM", "SIGKILL"] as const) {
    signal(-child.pid, name);
    notes.signalStrays(name);
    await Promise.race([child.status, delay(STOP_GRACE_MS)]);
  }
  signal(-child.pid, "SIGKILL");
  return [];
}

/**
 * Ends the processes that the command left in its session or elsewhere: a session id stays taken while any live in
 * it.
 */
async function endLeftovers(pid: number, mark: string): Promise<ProcessFact[]> {
  const { table, marks } = await readSystem();
  const marked = marks.withAll([mark]);
  const left = [...table.processes.values()].filter((fact) =>
    fact.state !== "Z" && fact.pid !== pid && (fact.pgid === pid || fact.sid === pid || marked.has(fact.pid))
  );
  if (left.length === 0) return [];
  const roots = left.map((fact) => ({ pid: fact.pid, start: fact.start, boot: table.boot }));
  return await killTree({ roots, marks: [mark], graceMs: LEFTOVER_GRACE_MS });
}

/** Keeps the last `cap` bytes of the data pushed. */
export class TailBuffer {
  readonly #cap: number;
  #parts: Uint8Array[] = [];
  #held = 0;
  #total = 0;

  constructor(cap: number) {
    this.#cap = cap;
  }

  push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#held += part.length;
    this.#total += part.length;
    let drop = 0;
    while (this.#held - (this.#parts[drop]?.length ?? 0) >= this.#cap && drop < this.#parts.length - 1) {
      this.#held -= this.#parts[drop]?.length ?? 0;
      drop++;
    }
    if (drop > 0) this.#parts = this.#parts.slice(drop);
  }

  /** Bytes in memory: at most the cap and one more piece, however much was pushed. */
  get held(): number {
    return this.#held;
  }

  /** The last bytes, beginning at a whole UTF-8 character, and the number of bytes before them. */
  tail(): Tail {
    const whole = joined(this.#parts);
    let from = Math.max(0, whole.length - this.#cap);
    if (from > 0 || this.#total > this.#held) {
      for (let skipped = 0; skipped < 3 && ((whole[from] ?? 0) & 0xc0) === 0x80; skipped++) from++;
    }
    return { bytes: whole.subarray(from), cut: this.#total - (whole.length - from) };
  }
}
