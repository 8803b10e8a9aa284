/** Checks the work of workers that have ended, off the publishing path: each once, or its verdict is `unknown`. */
import { type PulseHost, say } from "./host.ts";
import { appendEvent, appendJournal } from "../records/journal.ts";
import { numberFrom } from "../records/env.ts";
import { delay } from "../process/tree.ts";
import type { Session } from "../sessions/session.ts";
import { verdictWords, type Verification } from "../sessions/verdict.ts";
import { beginVerification, concludeVerification, isVerificationOpen } from "../sessions/verification.ts";
import { abandonCheck, failed, runCheck } from "../workers/verify.ts";

/** Longest time that a check runs, s; `LOOOP_VERIFY_TIMEOUT` overrides it. */
const TIMEOUT_S = 120;
/** Number of checks at once: each may be a whole build. */
const CHECKS_AT_ONCE = 2;
/** Time after which recording a verdict is tried again, ms. */
const RETRY_MS = 1_000;

/** The checks of one pulse. */
export class Verifying {
  readonly #host: PulseHost;
  readonly #stop: AbortSignal;
  readonly #onDone: () => void;
  /** Generations whose check this pulse has taken up. */
  readonly #taken = new Set<string>();
  readonly #queue: Session[] = [];
  #running = 0;
  #chores: Promise<void> = Promise.resolve();

  /** `onDone` is called when a verdict is there. */
  constructor(host: PulseHost, stop: AbortSignal, onDone: () => void) {
    this.#host = host;
    this.#stop = stop;
    this.#onDone = onDone;
  }

  /** Resolves when no check is in progress. */
  get ended(): Promise<void> {
    return this.#chores;
  }

  /** Begins the checks that are due; returns at once. A worker's own processes must be gone first. */
  look(sessions: readonly Session[], isSwept: (session: Session) => boolean): void {
    const due = sessions.filter((session) =>
      session.view.verify === "running" && !this.#taken.has(session.gen) && isSwept(session)
    );
    for (const session of due) this.#taken.add(session.gen);
    this.#queue.push(...due);
    while (this.#running < CHECKS_AT_ONCE && this.#queue.length > 0) {
      this.#running++;
      this.#chores = Promise.all([this.#chores, this.#workOff()]).then(() => {});
    }
  }

  async #workOff(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (this.#stop.aborted) break;
      const { id } = next.view;
      await this.#check(next).catch((error: Error) => {
        // Not begun: the next look takes it up again. Begun: that look finds it in doubt.
        this.#taken.delete(next.gen);
        say(this.#host, "error", "verify.failed", `verify ${id}: ${error.message}`);
      });
      this.#onDone();
    }
    this.#running--;
  }

  async #check(session: Session): Promise<void> {
    const { profile, now } = this.#host;
    const run = { id: session.view.id, gen: session.gen };
    // An earlier pulse began it, or the original of this copy.
    if (isVerificationOpen(session.dir) || session.isAnothers) {
      await abandonCheck(profile, session);
      this.#tell(session, "unknown");
    } else if (await beginVerification(profile, run, now())) {
      const verdict = await this.#run(session);
      await this.#conclude(session, verdict);
      this.#tell(session, verdict);
    }
  }

  async #run(session: Session): Promise<Verification | "unknown"> {
    const timeoutS = numberFrom(this.#host.env["LOOOP_VERIFY_TIMEOUT"]) ?? TIMEOUT_S;
    try {
      return await runCheck(this.#host, session, timeoutS, this.#stop);
    } catch (error) {
      return failed(null, [`it cannot be run: ${(error as Error).message}`]);
    }
  }

  /** A disk that was full for a while must not cost the verdict. */
  async #conclude({ view: { id }, gen }: Session, verdict: Verification | "unknown"): Promise<void> {
    for (;;) {
      try {
        return await concludeVerification(this.#host.profile, { id, gen }, verdict);
      } catch (error) {
        if (this.#stop.aborted) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  #tell({ view: { id }, check }: Session, verdict: Verification | "unknown"): void {
    const { profile, now } = this.#host;
    const at = new Date(now());
    const shown = typeof verdict === "string" ? { verify: verdict } : { ok: verdict.ok, code: verdict.code };
    appendJournal(profile, `${verdictWords(verdict)}: ${id}: ${check?.line ?? ""}`, at);
    appendEvent(profile, "worker_verified", { id, ...shown }, at);
  }
}
