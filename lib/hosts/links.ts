/** All the pulse's lines to hosts: one for each host, or job of an engine, on which something of ours runs. */
import type { ParseCall } from "../calls/carry.ts";
import { isId } from "../ids.ts";
import type { Profile } from "../paths.ts";
import type { Config } from "../records/config.ts";
import { readHost, writeHost } from "../records/hosts.ts";
import { endedStatusText, hasEnded, readSession, type Session } from "../sessions/session.ts";
import { isFetched, sessionDir } from "../sessions/run_files.ts";
import { exists, removeFile, replaceFile, statOf } from "../store.ts";
import type { Job } from "./driver.ts";
import type { PlaceHost } from "./home.ts";
import { Link } from "./link.ts";
import { dropStart, keptStart, Place } from "./place.ts";
import type { RunName } from "./protocol.ts";

/** The surroundings of the lines: those of a place, the call parser, and how to reach the pulse. */
export interface LinksHost extends PlaceHost {
  parse: ParseCall;
  changed(): void;
  warn(message: string): void;
}

/** Interval between two looks at an engine's jobs, ms. */
const LIST_MS = { busy: 2_000, calm: 10_000 };

/** A run on a host with which home is not finished. */
interface OpenRun extends RunName {
  startedMs: number;
  state: string;
}

/** Path of the file that makes the next line take a host over from another home. */
export function takeFile(profile: Profile, name: string): string {
  return `${profile.dir}/hosts/${name}.take`;
}

/** The pulse's lines. */
export class Links {
  readonly #host: LinksHost;
  readonly #links = new Map<string, Link>();
  readonly #engines = new Map<string, Engine>();
  /** The wiring of each line's host at the time it was opened. */
  readonly #wirings = new Map<string, string>();
  /** Lines that are being closed. */
  readonly #leaving = new Set<string>();
  readonly #done = new Set<string>();
  #open = new Map<string, OpenRun[]>();
  #closing: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(host: LinksHost) {
    this.#host = host;
  }

  /** Opens and closes lines to match the fleet; returns at once. `reread` gives a freshly read config. */
  tend(before: Config, sessions: readonly Session[], reread: () => Config): void {
    this.#open = this.#openRuns(sessions);
    const isKnown = [...this.#open.keys()].every((name) => Object.hasOwn(before.hosts, name));
    const config = isKnown ? before : reread();
    for (const [name, runs] of this.#open) {
      const wired = Object.hasOwn(config.hosts, name) ? config.hosts[name] : undefined;
      if (wired === undefined) this.#noteMissing(name);
      else if (wired.driver === undefined) {
        this.#placeLink(new Place(this.#host, name, wired));
      } else this.#engine(new Place(this.#host, name, wired)).tend(runs);
    }
    for (const [key, link] of this.#links) {
      const runs = this.#open.get(link.name);
      const isNeeded = runs !== undefined &&
        (key === link.name || runs.some((run) => key.endsWith(`/${run.gen}`)));
      if (!isNeeded) this.#close(key, link, "idle");
    }
  }

  /** Reacts to a change at home. */
  async look(): Promise<void> {
    for (const link of this.#links.values()) await link.look();
  }

  /** Closes all lines; everything over there continues to run. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const [key, link] of this.#links) {
      this.#links.delete(key);
      this.#closing = Promise.all([this.#closing, link.close("down")]);
    }
    for (const engine of this.#engines.values()) engine.close();
    await this.#closing;
  }

  /** Runs on hosts that are not over, or whose results have not all come home, by host. */
  #openRuns(sessions: readonly Session[]): Map<string, OpenRun[]> {
    const open = new Map<string, OpenRun[]>();
    for (const { view, gen, dir, host, startedAt } of sessions) {
      if (host === undefined || this.#done.has(gen)) continue;
      const over = view.state === "exited" || view.state === "killed";
      if (over && isFetched(dir)) {
        this.#done.add(gen);
        continue;
      }
      const run = { id: view.id, gen, startedMs: startedAt * 1000, state: view.state };
      open.set(host, [...open.get(host) ?? [], run]);
    }
    return open;
  }

  #noteMissing(name: string): void {
    const record = readHost(this.#host.profile, name);
    const error = "config.json does not name it any more";
    if (record === undefined || record.error === error) return;
    writeHost(this.#host.profile, { ...record, state: "down", since: this.#host.now(), error });
  }

  /** Opens a line, or opens it anew when its host's wiring has changed. */
  #ensure(key: string, wiring: string, make: () => Link): void {
    if (this.#closed || this.#leaving.has(key)) return;
    const before = this.#links.get(key);
    if (before !== undefined && this.#wirings.get(key) === wiring) return;
    // The next look opens it, since two lines at once would write the same log.
    if (before !== undefined) return this.#close(key, before, undefined);
    this.#wirings.set(key, wiring);
    this.#links.set(key, make());
  }

  #close(key: string, link: Link, state: "idle" | undefined): void {
    this.#links.delete(key);
    this.#leaving.add(key);
    const closed = link.close(state).then(() => {
      this.#leaving.delete(key);
      this.#host.changed();
    });
    this.#closing = Promise.all([this.#closing, closed]);
  }

  /** The line to a place, or to the folder of an engine, which tends its runs itself. */
  #placeLink(place: Place): Link | undefined {
    const { name } = place;
    const isEngine = place.driver !== undefined;
    this.#ensure(name, JSON.stringify(place.config), () =>
      new Link(name, {
        ...this.#common(),
        open: () => place.open(exists(takeFile(this.#host.profile, name))),
        heard: () => tookOver(this.#host.profile, name),
        quiet: isEngine,
        start: (run) => this.#startAgain(place, run),
        runs: () => isEngine ? [] : this.#open.get(name) ?? [],
      }));
    return this.#links.get(name);
  }

  #common() {
    const { profile, now, parse, changed, warn } = this.#host;
    return { profile, now: () => now(), parse, changed, warn };
  }

  async #startAgain(place: Place, run: RunName): Promise<void> {
    const kept = keptStart(this.#host.profile, run);
    try {
      if (kept === undefined) throw new Error("its start was not kept");
      await place.start(kept);
      dropStart(this.#host.profile, run.id);
    } catch (error) {
      const { kind, message } = error as Error & { kind?: string };
      if (kept !== undefined && kind !== "host_refused") throw error;
      endRun(this.#host, run, message);
    }
  }

  #engine(place: Place): Engine {
    const key = `${place.name} ${JSON.stringify(place.config)}`;
    let engine = this.#engines.get(key);
    if (engine === undefined) {
      engine = new Engine(place, this.#host, {
        attach: (job, run) =>
          this.#ensure(`${place.name}/${run.gen}`, "", () =>
            new Link(place.name, {
              ...this.#common(),
              open: () => place.open(false, job),
              heard: () => {},
              quiet: true,
              start: () => Promise.resolve(),
              runs: () => [],
            })),
        folder: () => this.#placeLink(place),
        start: (run) => this.#startAgain(place, run),
      });
      this.#engines.set(key, engine);
    }
    return engine;
  }
}

/** The actions to which an engine's jobs lead. */
interface EngineActs {
  /** Opens the line into a running job. */
  attach(job: Job, run: RunName): void;
  /** Opens the line to the engine's folder, where calls come home through one. */
  folder(): Link | undefined;
  /** Starts a run whose start may not have happened. */
  start(run: RunName): Promise<void>;
}

/** One engine: its list of jobs is watched while something of ours is there. */
class Engine {
  readonly #place: Place;
  readonly #host: LinksHost;
  readonly #acts: EngineActs;
  #runs: readonly OpenRun[] = [];
  #looking: Promise<void> | undefined;
  #next = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Runs that a list did not name, or named as over, once. */
  readonly #gone = new Set<string>();
  /** Runs whose end was seen to be recorded at home. */
  readonly #ending = new Set<string>();
  /** Whether calls come home through a folder, and the line to it. */
  #isFolder = false;
  #folder: Link | undefined;

  constructor(place: Place, host: LinksHost, acts: EngineActs) {
    this.#place = place;
    this.#host = host;
    this.#acts = acts;
  }

  tend(runs: readonly OpenRun[]): void {
    this.#runs = runs;
    if (this.#looking !== undefined || (performance.now() < this.#next && !this.#isAsked(runs))) return;
    this.#looking = this.#look().catch((error) => this.#host.warn(`${this.#place.name}: ${error.message}`))
      .finally(() => {
        this.#looking = undefined;
        const busy = this.#runs.some(({ state }) => state === "starting");
        const pause = this.#isAsked(this.#runs) ? 0 : busy ? LIST_MS.busy : LIST_MS.calm;
        this.#next = performance.now() + pause;
        this.#timer = setTimeout(() => this.#host.changed(), pause);
      });
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** Whether a run is to end that was not to at the look before. */
  #isAsked(runs: readonly OpenRun[]): boolean {
    const asked = runs.filter(({ id, gen }) =>
      !this.#ending.has(gen) && exists(`${sessionDir(this.#host.profile, id)}/end`)
    );
    for (const { gen } of asked) this.#ending.add(gen);
    return asked.length > 0;
  }

  async #look(): Promise<void> {
    const jobs = await this.#place.driver?.list();
    if (jobs === undefined) return this.#note("its driver does not list its jobs");
    this.#isFolder = await this.#place.driver?.isFolder() === true;
    if (this.#isFolder) this.#folder = this.#acts.folder();
    const living = jobs.filter(({ state }) => state === "running").map(({ name }) => name);
    this.#note(this.#folder?.error ?? "", living.filter((name) => this.#isStray(name)));
    const byName = new Map(jobs.map((job) => [job.name, job]));
    for (const run of this.#runs) await this.#settle(run, byName.get(this.#place.jobName(run)));
  }

  /** Whether a job is none of the present runs'. */
  #isStray(name: string): boolean {
    const [, id = "", gen = ""] = /^looop-[^-]+-(.+)-([0-9a-f]+)$/.exec(name) ?? [];
    return !isId(id) || readSession(this.#host.profile, id)?.meta.gen !== gen;
  }

  /** Records how it stands; `strays` are living jobs of this home that it knows no run of. */
  #note(error: string, strays: string[] = []): void {
    const { profile, now } = this.#host;
    const before = readHost(profile, this.#place.name);
    const state = error === "" ? "up" as const : "down" as const;
    const since = before?.state === state ? before.since : now();
    const seen = error === "" ? now() : before?.seen ?? 0;
    const rest = { boot: "", skew_s: 0, bad_lines: before?.bad_lines ?? 0, strays: strays.slice(0, 20) };
    writeHost(profile, { v: 1, name: this.#place.name, state, since, seen, error, ...rest });
  }

  async #settle(run: OpenRun, job: Job | undefined): Promise<void> {
    const record = readSession(this.#host.profile, run.id);
    if (record === undefined || record.meta.gen !== run.gen) return;
    if (job?.state === "running" && !this.#isFolder) this.#acts.attach(job, run);
    if (record.end !== undefined && (job?.state === "running" || job?.state === "queued")) {
      // The line into the job ends it more gently, and brings its last words home.
      const asked = statOf(`${record.dir}/end`)?.mtime?.getTime() ?? 0;
      if (job.state === "queued" || this.#isFolder || Date.now() - asked > LINE_STOPS_MS) {
        const over = await this.#place.stop([{ ...run, ...record.end }], 60_000);
        if (this.#isFolder && over.length > 0) {
          this.#gone.add(run.gen);
          this.#over(run, undefined, record);
        }
      }
      return;
    }
    if (job?.state === "running") return;
    if (job === undefined && record.status === undefined && record.end === undefined) {
      if (this.#host.now() - run.startedMs > STARTER_MS) await this.#acts.start(run);
    } else if (job?.state !== "queued") this.#over(run, job, record);
  }

  /** A job that has ended may still be sending its last words on its own line: the second list counts. */
  #over(run: OpenRun, job: Job | undefined, record: NonNullable<ReturnType<typeof readSession>>): void {
    if (!this.#gone.has(run.gen)) {
      this.#gone.add(run.gen);
      return;
    }
    const own = record.end;
    const state = own?.state ?? (job === undefined ? "lost" : job.state);
    const by = own?.by ?? (job?.state === "exited" ? ((job.code ?? 0) < 128 ? "self" : "crash") : "host");
    const code = state === "exited" ? (own === undefined ? job?.code ?? null : 0) : null;
    // Its folder is still there, and may know better how it has ended.
    if (this.#isFolder && this.#folder?.over(run, { state, by, code })) return;
    const isUnread = this.#isFolder && this.#folder?.up !== true;
    if (isUnread && own === undefined) return;
    if (!hasEnded(record)) {
      const text = endedStatusText({ state, by }, code, this.#host.now());
      replaceFile(`${record.dir}/status.json`, text);
    }
    if (isUnread) return this.#host.changed();
    // The place is gone, along with everything that had not come home.
    replaceFile(`${record.dir}/mirror.json`, `${JSON.stringify({ v: 1, fetched: true })}\n`, {
      durable: false,
    });
    this.#host.changed();
  }
}

/** Time that the line into a job has to end it before the engine is asked to, ms. */
const LINE_STOPS_MS = 12_000;
/** Time during which a requested start belongs to its starter, ms. */
const STARTER_MS = 20_000;

/** Ends a run that its host refuses. */
function endRun({ profile, now, warn, changed }: LinksHost, run: RunName, why: string): void {
  const record = readSession(profile, run.id);
  if (record === undefined || record.meta.gen !== run.gen || hasEnded(record)) return;
  warn(`${run.id}: ${why}`);
  replaceFile(`${record.dir}/status.json`, endedStatusText({ state: "exited", by: "host" }, 126, now()));
  replaceFile(`${record.dir}/mirror.json`, `${JSON.stringify({ v: 1, fetched: true })}\n`, {
    durable: false,
  });
  changed();
}

/** Removes the sign once the host has been taken over. */
function tookOver(profile: Profile, name: string): void {
  removeFile(takeFile(profile, name));
}
