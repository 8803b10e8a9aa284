/**
 * The data that `looop watch` reads: the profile as `status` sees it, and the chosen worker's transcript or screen.
 */
import type { StoryHost } from "../../agents/story_source.ts";
import { spentByWorker } from "../../agents/ledger.ts";
import { journalTail } from "../../records/journal.ts";
import { settledStamp } from "../../store.ts";
import { LiveLog } from "../../workers/logs.ts";
import { readListener } from "../../world/listener.ts";
import { viewSensors } from "../../world/sensors.ts";
import { look } from "../../world/state.ts";
import { type Host, readHost } from "../machine.ts";
import { hostRows, type RankedWorker, rankWorkers } from "../status.ts";
import type { Context } from "../verb.ts";
import type { View, WorkerLog } from "./view.ts";

/**
 * How long findings that need a child process count, ms: who a process is, whose end each glance sees; and the free
 * space, whose lack the pulse reports, too.
 */
const TRUST_MS = 120_000;
const HOST_MS = 300_000;
/** Lines of the journal that a large screen can show. */
const JOURNAL_LINES = 60;

/** Looks at a profile again and again; what has not changed is not read again. */
export class Eyes {
  readonly #context: Context;
  #host: { facts: Host; at: number; key: string } | undefined;
  #spent: { key: string; sums: Map<string, number> } | undefined;
  #log: { name: string; live: LiveLog } | undefined;
  #isReading = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Everything but what the chosen worker shows. */
  async look(): Promise<Omit<View, "log">> {
    const { profile, caller } = this.#context;
    const nowMs = this.#context.now();
    const [snapshot, host, listener] = await Promise.all([
      look(profile, nowMs, TRUST_MS),
      this.#hostFacts(),
      readListener(profile, nowMs, TRUST_MS),
    ]);
    const workers = rankWorkers(snapshot, host);
    return {
      snapshot,
      host,
      listener,
      workers,
      spent: this.#spentBy(workers),
      sensors: await viewSensors(profile, snapshot.world, nowMs),
      machines: hostRows(snapshot),
      journal: journalTail(profile, JOURNAL_LINES),
      locked: caller.worker === "" ? undefined : `worker "${caller.worker}" may not answer: ask a person`,
    };
  }

  async #hostFacts(): Promise<Host> {
    const { profile, env, now } = this.#context;
    const at = performance.now();
    const key = [profile.cost, profile.config].map((path) => settledStamp(path, now())).join(" ");
    if (this.#host === undefined || at - this.#host.at > HOST_MS || key !== this.#host.key) {
      this.#host = { facts: await readHost(profile, env, now()), at, key };
    }
    return this.#host.facts;
  }

  /** Dollars of the living workers, read again when the ledger has grown. */
  #spentBy(workers: readonly RankedWorker[]): Map<string, number> {
    const { profile, now } = this.#context;
    const starts = workers.filter(({ worker }) => worker.alive).map(({ worker }) =>
      Date.parse(worker.started)
    );
    const since = Math.min(now(), ...starts);
    const key = `${settledStamp(profile.cost, now())} ${since}`;
    if (this.#spent?.key !== key || starts.length === 0) {
      this.#spent = { key, sums: starts.length === 0 ? new Map() : spentByWorker(profile, since) };
    }
    return this.#spent.sums;
  }

  /** Reads on in what a worker shows, "" for none; whether that is other than before. */
  async read(id: string): Promise<boolean> {
    if (this.#isReading) return false;
    this.#isReading = true;
    try {
      return await this.#readOn(id);
    } finally {
      this.#isReading = false;
    }
  }

  async #readOn(id: string): Promise<boolean> {
    const { profile, env } = this.#context;
    if (this.#log !== undefined && this.#log.name === id) return await this.#log.live.more();
    this.close();
    if (id === "") return false;
    const host: StoryHost = { profile, env, waiting: () => {} };
    const live = await LiveLog.open(host, id);
    if (live === undefined) return false;
    this.#log = { name: id, live };
    return true;
  }

  /** The text last read of a worker: its transcript where there is one, unless its screen is wanted. */
  logOf(id: string, isScreen: boolean): WorkerLog | undefined {
    if (this.#log === undefined || this.#log.name !== id) return undefined;
    const story = isScreen ? undefined : this.#log.live.story();
    return story === undefined
      ? { id, kind: "screen", lines: this.#log.live.screen() }
      : { id, kind: "transcript", lines: story };
  }

  /** Forgets what was being read. */
  close(): void {
    this.#log?.live.close();
    this.#log = undefined;
  }
}
