/**
 * Turns a host's reports into files at home: the states of its workers, their logs and reports, their calls.
 *
 * A host speaks for the workers that were placed on it, in their present run, and for nothing else: a line about any
 * other worker changes nothing.
 */
import { type Call, type CallHost, type CallReply, carryOut, closeCall } from "../calls/carry.ts";
import { EXIT } from "../errors.ts";
import {
  endedStatusText,
  hasEnded,
  readSession,
  runningStatusText,
  type SessionRecord,
} from "../sessions/session.ts";
import { sessionDir } from "../sessions/run_files.ts";
import { exists, replaceFile } from "../store.ts";
import { delay } from "../process/tree.ts";
import { Mirror } from "./mirror.ts";
import { type CallLine, type FarLine, type FarState, type RunName, say } from "./protocol.ts";

/** The desk's surroundings: those of calls, and how to reach the pulse. */
export interface DeskHost extends CallHost {
  /** Notifies the pulse of a change. */
  changed(): void;
  /** Writes into the pulse's log. */
  warn(message: string): void;
}

/** The desk's replies to its host. */
export interface Say {
  (line: string): void;
}

/** Most open calls of one worker; further ones are ignored. */
const MAX_OPEN_CALLS = 32;
/** Calls of one worker that are carried out in a row; after that, one per second. */
const BURST = 20;
const CALLS_PER_S = 10;

type WorkerLine = Extract<FarLine, { kind: "worker" }>;

/** One worker's calls, carried out one after the other and not too fast. */
class Lane {
  #last: Promise<void> = Promise.resolve();
  #credit = BURST;
  #at = performance.now();
  waiting = 0;

  /** Does `work` after everything that came before it. */
  then(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work);
    return this.#last;
  }

  /** Waits until the next call is due. */
  async pace(): Promise<void> {
    const now = performance.now();
    this.#credit = Math.min(BURST, this.#credit + (now - this.#at) * CALLS_PER_S / 1000);
    this.#at = now;
    // Between two of a burst, too, the pulse gets a turn: each waits for its file to be on disk.
    await delay(Math.max(0, 1 - this.#credit) * 1000 / CALLS_PER_S);
    this.#credit--;
  }
}

/** The desk of one host. */
export class Desk {
  readonly #host: DeskHost;
  readonly #name: string;
  readonly #mirrors = new Map<string, Mirror>();
  readonly #lanes = new Map<string, Lane>();
  /** Calls whose questions have no answer yet, and calls that could not be carried out. */
  readonly #open = new Map<string, CallLine>();
  /** Number of these per run. */
  readonly #waiting = new Map<string, number>();
  /** Runs named since the line was opened. */
  readonly #named = new Map<string, WorkerLine>();
  /** Stops sent on this line. */
  readonly #stopped = new Map<string, number>();
  /** Runs over there that are not ours. */
  readonly strays = new Set<string>();
  /** Whether the host has reported everything since the line was opened. */
  #complete = false;

  constructor(host: DeskHost, name: string) {
    this.#host = host;
    this.#name = name;
  }

  /** Called for a new line, on which the host reports everything anew. */
  opened(): void {
    this.#complete = false;
    this.#named.clear();
    this.#stopped.clear();
    this.#open.clear();
    this.#waiting.clear();
    this.strays.clear();
    for (const mirror of this.#mirrors.values()) mirror.reset();
  }

  get complete(): boolean {
    return this.#complete;
  }

  /** Takes one line; false when it concerns nothing of ours. */
  take(line: FarLine, speak: Say): boolean {
    switch (line.kind) {
      case "worker":
        if (this.#own(line) !== undefined) this.#named.set(runKey(line), line);
        return this.#hear(line, speak, () => this.#worker(line, speak));
      case "call":
        return this.#call(line, speak);
      case "ack":
        return this.#hear(line, speak, async () => {
          await closeCall(this.#host, line.id, line.n, line.read);
          this.#drop(callKey(line), line);
          speak(say.forget(line, line.n));
        });
      case "report":
        return this.#hear(
          line,
          speak,
          () => tell(speak, this.#mirror(line)?.offered(line.name, line.stamp, line.size)),
        );
      case "record":
        return this.#hear(line, speak, () => tell(speak, this.#mirror(line)?.recorded(line.name, line.size)));
      case "data":
        return this.#hear(line, speak, () => this.#data(line, speak));
      case "heartbeat":
        this.#complete = true;
        return true;
      default:
        return true;
    }
  }

  /** Sends the outcomes of questions and the runs to end. */
  async look(speak: Say): Promise<void> {
    for (const [key, call] of this.#open) {
      if (this.#lanes.get(runKey(call))?.waiting) continue;
      await this.#retry(key, call, speak);
    }
    for (const line of this.#named.values()) {
      // A lost run's agent may still be there to be ended.
      const isGone = line.state === "exited" || line.state === "killed";
      if (isGone || !exists(`${sessionDir(this.#host.profile, line.id)}/end`)) continue;
      const record = this.#own(line);
      if (record !== undefined) this.#stopIfEnding(record, line, speak);
    }
  }

  /** The runs among these that the host does not name even though it has reported everything. */
  unnamed(runs: readonly RunName[]): RunName[] {
    if (!this.#complete) return [];
    return runs.filter((run) => (this.#named.get(runKey(run))?.state ?? "none") === "none");
  }

  /**
   * Has the host end what is left of a run that it does not know, as its folder was deleted: once that `isSure`, or
   * when the run is to end anyway. Home concludes nothing before it is told that nothing is left.
   */
  sweep(run: RunName, isSure: boolean, speak: Say): void {
    const record = this.#own(run);
    const end = record?.end ?? (isSure ? { state: "killed", by: "host" } : undefined);
    if (record !== undefined && end !== undefined) this.#stop(run, end, speak);
  }

  #own({ id, gen }: RunName): SessionRecord | undefined {
    const record = readSession(this.#host.profile, id);
    return record?.meta.gen === gen && record.meta.host === this.#name ? record : undefined;
  }

  #mirror(run: RunName): Mirror | undefined {
    const key = runKey(run);
    if (this.#own(run) === undefined) {
      this.#mirrors.delete(key);
      return undefined;
    }
    let mirror = this.#mirrors.get(key);
    if (mirror === undefined) this.#mirrors.set(key, mirror = new Mirror(this.#host.profile, run));
    return mirror;
  }

  #lane(run: RunName): Lane {
    const key = runKey(run);
    let lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, lane = new Lane());
    return lane;
  }

  /** Does what a line about one of our runs asks for, after everything that came before. */
  #hear(run: RunName, speak: Say, work: () => Promise<void> | void): boolean {
    if (this.#own(run) === undefined) return this.#foreign(run, speak);
    this.#lane(run).then(async () => {
      try {
        await work();
      } catch (error) {
        // A full disk: it is reported again on the next line.
        this.#host.warn(`${this.#name}: ${run.id}: ${(error as Error).message}`);
      }
    });
    return true;
  }

  /** Handles a run that home does not know: an ended one may be removed after a while; a living one is reported. */
  #foreign(run: RunName & Partial<WorkerLine>, speak: Say): boolean {
    if (isOver(run.state) && (run.ageS ?? 0) > FORGET_S) speak(say.gone(run));
    else if (run.state !== undefined && run.state !== "none" && !isOver(run.state)) {
      this.strays.add(`${run.id}.${run.gen}`);
    }
    return run.kind === "worker" || this.#isOurs(run);
  }

  /** Whether a worker with that id was placed there, in any run. */
  #isOurs({ id }: RunName): boolean {
    return readSession(this.#host.profile, id)?.meta.host === this.#name;
  }

  #worker(line: WorkerLine, speak: Say): void {
    const record = this.#own(line);
    const mirror = this.#mirror(line);
    if (record === undefined || mirror === undefined || line.state === "none") return;
    // One that is being ended is not lost when its supervisor died first: the stop looks again, and says what is left.
    const isBeingEnded = line.state === "lost" && record.end !== undefined;
    if (isOver(line.state) && !isBeingEnded && !hasEnded(record) && record.status?.state !== line.state) {
      this.#writeEnd(record, line.state, line.code, line.by, line.ageS);
    } else if (line.state === "running" && record.status === undefined) {
      replaceFile(`${record.dir}/status.json`, runningStatusText(this.#host.now()));
      this.#host.changed();
    }
    this.#stopIfEnding(record, line, speak);
    tell(speak, mirror.grown(line.length));
    this.#finish(line, speak);
  }

  #stopIfEnding({ end, id }: SessionRecord, line: WorkerLine, speak: Say): void {
    if (end !== undefined && line.state !== "exited" && line.state !== "killed") {
      this.#stop({ id, gen: line.gen }, end, speak);
    }
  }

  #stop(run: RunName, end: { state: string; by: string }, speak: Say): void {
    const last = this.#stopped.get(runKey(run)) ?? -Infinity;
    if (performance.now() - last < STOP_AGAIN_MS) return;
    this.#stopped.set(runKey(run), performance.now());
    speak(say.stop(run, end.state, end.by));
  }

  /** The end recorded at home wins over the one that the host reports. */
  #writeEnd(record: SessionRecord, state: string, code: number | null, by: string, ageS: number): void {
    const own = state === "lost" ? undefined : record.end;
    const end = {
      state: own?.state ?? state,
      by: own?.by ?? (state === "lost" ? "host" : by === "-" ? "crash" : by),
    };
    const exit = end.state === "exited" ? (own === undefined ? code : 0) : null;
    const text = endedStatusText(end, exit, this.#host.now() - ageS * 1000);
    replaceFile(`${record.dir}/status.json`, text);
    this.#host.changed();
  }

  #data(line: Extract<FarLine, { kind: "data" }>, speak: Say): void {
    tell(speak, this.#mirror(line)?.take(line.name, line.offset, line.bytes));
    this.#finish(line, speak);
  }

  /** Once an ended run has nothing more to give, home needs no line to it. */
  #finish(run: RunName, speak: Say): void {
    const last = this.#named.get(runKey(run));
    const mirror = this.#mirror(run);
    if (!isOver(last?.state) || mirror === undefined || !mirror.complete) return;
    if (!mirror.fetched) {
      mirror.close();
      this.#host.changed();
    }
    speak(say.fetched(run));
  }

  #call(line: CallLine, speak: Say): boolean {
    const key = callKey(line);
    const count = this.#waiting.get(runKey(line)) ?? 0;
    // Checked first, since it costs nothing: a host may repeat this 10,000 times a second.
    if (count >= MAX_OPEN_CALLS && !this.#open.has(key)) return false;
    if (this.#own(line) === undefined) {
      speak(say.reply(line, line.n, ANOTHER_RUN));
      return this.#isOurs(line);
    }
    const lane = this.#lane(line);
    this.#keepOpen(key, line);
    lane.waiting++;
    lane.then(async () => {
      await lane.pace();
      await this.#retry(key, line, speak);
      lane.waiting--;
      this.#host.changed();
    });
    return true;
  }

  #keepOpen(key: string, line: CallLine): void {
    if (!this.#open.has(key)) this.#waiting.set(runKey(line), (this.#waiting.get(runKey(line)) ?? 0) + 1);
    this.#open.set(key, line);
  }

  #drop(key: string, run: RunName): void {
    if (this.#open.delete(key)) this.#waiting.set(runKey(run), (this.#waiting.get(runKey(run)) ?? 1) - 1);
  }

  /** Carries a call out; without a result it stays open. */
  async #retry(key: string, line: CallLine, speak: Say): Promise<void> {
    try {
      const reply = await carryOut(this.#host, this.#asCall(line));
      if (reply === undefined || !this.#open.has(key)) return;
      this.#drop(key, line);
      speak(say.reply(line, line.n, reply));
    } catch (error) {
      this.#host.warn(`${this.#name}: a call of ${line.id}: ${(error as Error).message}`);
    }
  }

  #asCall({ id, gen, n, words, ref }: CallLine): Call {
    return { id, gen, n, words, host: this.#name, ...(ref === undefined ? {} : { ref }) };
  }
}

/** Interval after which a stop is sent again, ms. */
const STOP_AGAIN_MS = 15_000;
/** Time after which an ended run that home no longer knows is removed from the host, s. */
const FORGET_S = 3 * 86_400;
const ANOTHER_RUN: CallReply = {
  code: EXIT.failed,
  out: "",
  err: "looop: this run of the worker is over; another run has its name by now: stop\n",
};

function isOver(state: FarState | undefined): boolean {
  return state === "exited" || state === "killed" || state === "lost";
}

function tell(speak: Say, line: string | undefined): void {
  if (line !== undefined) speak(line);
}

function runKey({ id, gen }: RunName): string {
  return `${id}/${gen}`;
}

function callKey({ id, gen, n }: RunName & { n: string }): string {
  return `${id}/${gen}/${n}`;
}
