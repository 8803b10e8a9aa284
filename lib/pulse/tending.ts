/** Tending: work on sessions outside the publishing path: ending, sweeping, leases, bounded output. */
import { noteActivity } from "../records/move.ts";
import type { Config } from "../records/config.ts";
import { isOver } from "./fleet.ts";
import { type PulseHost, say } from "./host.ts";
import { appendEvent, appendJournal } from "../records/journal.ts";
import { reapLeases } from "../sessions/lease.ts";
import { findTrees } from "../process/tree.ts";
import { treeOf } from "../sessions/notes.ts";
import { rotateOutput } from "../sessions/output_log.ts";
import type { Session } from "../sessions/session.ts";
import { endSession, killSessionTree } from "../workers/end.ts";

/** Age at the pulse's start beyond which a recorded end is not reported as an event, ms. */
const BEFORE_START_MS = 60_000;

/** Does the work that each session needs, once, and never twice at the same time. */
export class Tending {
  readonly #host: PulseHost;
  readonly #startedAt: number;
  readonly #config: () => Config;
  readonly #onDone: () => void;
  readonly #swept = new Set<string>();
  /** Ended sessions of which no process is left. */
  readonly #cleared = new Set<string>();
  readonly #busy = new Set<string>();
  #chores: Promise<void> = Promise.resolve();

  /** `onDone` is called when some work is done, so that the fleet is looked at again. */
  constructor(host: PulseHost, startedAt: number, config: () => Config, onDone: () => void) {
    this.#host = host;
    this.#startedAt = startedAt;
    this.#config = config;
    this.#onDone = onDone;
  }

  /** Resolves when no work is in progress. */
  get ended(): Promise<void> {
    return this.#chores;
  }

  /** Whether the processes that an ended session left behind are gone. */
  isSwept(session: Session): boolean {
    return this.#cleared.has(keyOf(session)) || this.#swept.has(keyOf(session));
  }

  /** Begins the work that the sessions need; returns at once. `due`: generations of those that have run long enough. */
  tend(sessions: readonly Session[], due: ReadonlySet<string>): void {
    boundOutputs(sessions);
    const open = sessions.filter((session) =>
      !this.#swept.has(keyOf(session)) && !this.#busy.has(keyOf(session))
    );
    for (const session of open.filter(({ view, beyond }) => view.alive && beyond === undefined)) {
      const overdue = due.has(session.gen);
      // A worker on another machine is ended over the line to it.
      if (session.host === undefined ? overdue || session.ending : overdue && !session.ending) {
        this.#chore([session], this.#end(session, overdue));
      }
    }
    const over = open.filter(isOver);
    if (over.length > 0) this.#chore(over, this.#sweep(over));
  }

  /** Tracks work on sessions that the pulse awaits only at its own end. */
  #chore(sessions: readonly Session[], work: Promise<void>): void {
    for (const session of sessions) this.#busy.add(keyOf(session));
    const ids = sessions.slice(0, 5).map((session) => session.view.id).join(", ");
    const done = work.catch((error) => this.#sayFailed(ids, error)).then(() => {
      for (const session of sessions) {
        this.#busy.delete(keyOf(session));
        if (isOver(session)) this.#swept.add(keyOf(session));
      }
      this.#onDone();
    });
    this.#chores = Promise.all([this.#chores, done]).then(() => {});
  }

  #sayFailed(ids: string, error: Error): void {
    say(this.#host, "error", "session.failed", `${ids}: ${error.message}`);
  }

  async #end(session: Session, overdue: boolean): Promise<void> {
    const { profile, now } = this.#host;
    const { id } = session.view;
    if (overdue && !session.ending) {
      appendJournal(profile, `timeout: worker ${id} ran past its time and was ended`, new Date(now()));
    }
    // If somebody has recorded the session's end, that record wins over the arguments here.
    await endSession(profile, session, "killed", overdue ? "timeout" : "root", now);
  }

  /** Makes sure that ended workers leave no process and no lease behind. One scan serves any number of them. */
  async #sweep(sessions: readonly Session[]): Promise<void> {
    this.#noteEnds(sessions);
    await this.#endLeftovers(sessions);
    await this.freeLeases();
    for (const session of sessions) this.#cleared.add(keyOf(session));
    if (sessions.some(({ check }) => check !== undefined)) this.#onDone();
    const { collectRun } = await import("../agents/spend.ts");
    const { NotAnswered } = await import("../agents/opencode.ts");
    for (const { view, dir, gen } of sessions) {
      try {
        await collectRun(this.#host, { id: view.id, dir, gen }, this.#config().prices);
      } catch (error) {
        if (!(error instanceof NotAnswered)) throw error; // upkeep tries again
      }
    }
  }

  #noteEnds(sessions: readonly Session[]): void {
    for (const { view, endedAt, goal } of sessions) {
      if (endedAt === undefined || endedAt * 1000 < this.#startedAt - BEFORE_START_MS) continue;
      const { id, state, exit_code, ended_by } = view;
      const at = new Date(this.#host.now());
      appendEvent(this.#host.profile, "worker_ended", { id, state, exit_code, ended_by }, at);
      if (goal !== undefined) noteActivity(this.#host.profile, goal, this.#host.now());
    }
  }

  async #endLeftovers(sessions: readonly Session[]): Promise<void> {
    const { profile, now } = this.#host;
    // Processes that a session of 0.16 left running were not looop's to end then.
    const marked = sessions.filter((session) => session.gen !== "" && session.host === undefined);
    const left = await findTrees(marked.map((session) => treeOf(profile, session.view.id, session)));
    for (const [n, session] of marked.entries()) {
      if ((left?.members[n] ?? []).length === 0) continue;
      await killSessionTree(profile, session, now).catch((error) => this.#sayFailed(session.view.id, error));
    }
  }

  /** Frees the leases of sessions that have ended. */
  async freeLeases(): Promise<void> {
    const { profile, now } = this.#host;
    for (const { name, session } of await reapLeases(profile, now())) {
      const msg = `freed claim ${name} of ${session}, which has ended`;
      say(this.#host, "info", "claim.reaped", msg, { claim: name, session });
      appendEvent(profile, "claim_reaped", { claim: `${name}.json`, session }, new Date(now()));
    }
  }
}

/** Limits the recorded output: a worker that prints without end could fill the disk before the next beat. */
function boundOutputs(sessions: readonly Session[]): void {
  for (const { view, dir } of sessions) {
    if (view.alive || view.state === "lost") rotateOutput(dir);
  }
}

function keyOf({ view, gen }: Session): string {
  return `${view.id}/${gen}`;
}
