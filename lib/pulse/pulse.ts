/**
 * The pulse: one process per profile that senses at a fixed cadence and publishes one world.
 *
 * A beat reaps what is stale, runs the sensors that are due, and publishes all their readings together. A poke (any
 * event below the data dir) re-reads looop's own state and publishes at once. Everything is recomputed from files, so
 * a pulse that is killed at any moment and started again continues where it was.
 */
import { watchesOff } from "../records/env.ts";
import { Watch } from "../file_watch.ts";
import { Links } from "../hosts/links.ts";
import { Fleet } from "./fleet.ts";
import { type PulseHost, type PulseUpkeep, say } from "./host.ts";
import { OwnRecord } from "./own_record.ts";
import { Reconciler } from "./reconciler.ts";
import { mendArchive } from "../records/mailbox.ts";
import { Notices } from "./notices.ts";
import { type Pace, runsNotesPath, Sensing } from "./sensing.ts";
import { Settings } from "./settings.ts";
import { STAMP_SETTLES_MS } from "../store.ts";
import { Tending } from "./tending.ts";
import { Verifying } from "./verifying.ts";
import { delay } from "../process/tree.ts";
import { readNotes } from "../records/notes.ts";
import { isUnwanted } from "../world/pulse_record.ts";
import { endOrphanRuns } from "../world/sensor_run.ts";

/** Longest time that the first publication waits for the first beat, so that `up` is never slow, ms. */
const FIRST_PUBLISH_MS = 2_000;
/** Interval of the slow look at everything, where watches work and where they do not, ms. */
const POLL_WATCHED_MS = 5_000;
const POLL_BLIND_MS = 1_000;
/** Longest rest after a look, ms. */
const REST_MS = 50;

/** The loop: when to beat, when to look, when to stop. */
export class Pulse {
  readonly #host: PulseHost;
  readonly #upkeep: PulseUpkeep;
  readonly #abort = new AbortController();
  readonly #watch: Watch;
  readonly #settings: Settings;
  readonly #record: OwnRecord;
  readonly #fleet: Fleet;
  readonly #sensors: Sensing;
  readonly #tending: Tending;
  readonly #verifying: Verifying;
  readonly #links: Links;
  readonly #notices: Notices;
  readonly #reconciler: Reconciler;
  #beat: number;
  /** Whether the sensor runs of a killed pulse have been ended. */
  #alone = false;
  /** The beat in progress. */
  #beating: Promise<void> | undefined;
  /** When to look at the config again, unix ms. */
  #configAt = Infinity;

  constructor(host: PulseHost, upkeep: PulseUpkeep) {
    this.#host = host;
    this.#upkeep = upkeep;
    const { dir, goals, sensors, schedules, claims, sessions } = host.profile;
    this.#watch = new Watch({
      dirs: [dir, goals, sensors, schedules, claims, sessions],
      pollMs: POLL_WATCHED_MS,
      ignore: [".world.json"],
      off: watchesOff(host.env),
    });
    const look = () => this.#watch.poke();
    this.#settings = new Settings(host);
    this.#record = new OwnRecord(host, () => this.#sign());
    this.#fleet = new Fleet(host.profile, host.version);
    this.#sensors = new Sensing(host, this.#abort.signal, look);
    this.#tending = new Tending(host, this.#record.startedAt, () => this.#settings.config, look);
    this.#verifying = new Verifying(host, this.#abort.signal, look);
    this.#links = new Links({
      profile: host.profile,
      env: host.env,
      now: () => host.now(),
      parse: host.parse,
      changed: look,
      warn: (message) => this.#say("warn", "host", message),
    });
    this.#notices = new Notices(host, look);
    this.#reconciler = new Reconciler(
      host,
      {
        settings: this.#settings,
        record: this.#record,
        fleet: this.#fleet,
        sensors: this.#sensors,
        notices: this.#notices,
      },
      look,
    );
    this.#beat = this.#reconciler.world.beat;
  }

  /** Beats until it is stopped. */
  async run(): Promise<void> {
    this.#host.stop.addEventListener("abort", () => this.#stop());
    const interval = this.#settings.intervalS;
    this.#say("ok", "pulse.start", `pulse started, a beat every ${interval} s`, {
      interval,
      data_dir: this.#host.profile.dir,
    });
    const started = performance.now();
    let nextBeat = started;
    let intervalMs = interval * 1000;
    while (!this.#isStopping() && !this.#mustStop()) {
      const now = performance.now();
      if (now >= nextBeat && this.#beating === undefined) {
        this.#settings.read();
        intervalMs = this.#settings.intervalS * 1000;
        nextBeat = nextOnGrid(nextBeat, now, intervalMs);
        this.#beginBeat();
      }
      const lookedAt = performance.now();
      await this.#links.look();
      if (this.#reconciler.isReady) await this.#lookAgain();
      else if (now - started >= FIRST_PUBLISH_MS) {
        await this.#reconciler.reconcile(this.#beat, new Map(), true);
      }
      const wantedMs = this.#settings.intervalS * 1000;
      // A beat that was planned an hour ahead must not put a new interval off for that hour.
      if (wantedMs !== intervalMs) nextBeat = nextOnGrid(nextBeat - intervalMs, performance.now(), wantedMs);
      intervalMs = wantedMs;
      // A worker that calls again at once is served between two looks, of which its calls make many.
      await delay(Math.min(REST_MS, performance.now() - lookedAt));
      await this.#watch.next(this.#pause(nextBeat, started));
    }
    await this.#beating;
    await this.#sensors.ended;
    await this.#tending.ended;
    await this.#verifying.ended;
    await this.#reconciler.ended;
    await this.#notices.ended;
    await this.#links.close();
    this.#watch.close();
    if (this.#host.holdsLock()) this.#record.end();
    this.#say("ok", "pulse.stop", "pulse stopped");
  }

  #stop(): void {
    this.#abort.abort();
    this.#watch.poke();
  }

  #isStopping(): boolean {
    return this.#host.stop.aborted || this.#abort.signal.aborted;
  }

  /** Whether the lock is gone or `down` was called; if so, logs it and stops. */
  #mustStop(): boolean {
    if (this.#host.holdsLock()) return this.#retires();
    this.#say("error", "pulse.lock_lost", "the lock or the whole data dir was taken away: stopping");
    this.#abort.abort();
    return true;
  }

  /**
   * Whether `down` wants this pulse to stop. `down` ends a pulse that has recorded itself; one that was only starting
   * then, or whose record is broken, finds `down`'s own record, as each writes first and reads after. So none
   * outlives a `down`.
   */
  #retires(): boolean {
    if (!isUnwanted(this.#host.profile)) return false;
    this.#say("warn", "pulse.unwanted", "`looop down` was called: stopping");
    this.#abort.abort();
    return true;
  }

  /** Milliseconds until something is due. */
  #pause(nextBeat: number, started: number): number {
    const now = performance.now();
    return Math.max(
      1,
      Math.min(
        this.#watch.armed ? POLL_WATCHED_MS : POLL_BLIND_MS,
        this.#reconciler.isReady ? Infinity : FIRST_PUBLISH_MS - (now - started),
        this.#beating === undefined ? nextBeat - now : Infinity,
        this.#fleet.isSettled ? Infinity : STAMP_SETTLES_MS,
        this.#sensors.msToNext(this.#host.now()),
        this.#reconciler.msToNext(this.#host.now()),
        this.#notices.msToNext(this.#host.now()),
        Math.max(50, this.#configAt - this.#host.now()),
      ),
    );
  }

  #say(...[level, event, msg, fields]: Tail<Parameters<typeof say>>): void {
    say(this.#host, level, event, msg, fields);
  }

  #sign() {
    const { intervalS, warnings } = this.#settings;
    return { beat: this.#beat, intervalS, ready: this.#reconciler.isReady, warnings };
  }

  // --- the beat -------------------------------------------------------------------------------------------

  #beginBeat(): void {
    this.#beating = this.#doBeat().finally(() => {
      this.#beating = undefined;
      this.#watch.poke();
    });
  }

  async #doBeat(): Promise<void> {
    this.#beat++;
    const started = performance.now();
    try {
      this.#record.write();
      if (this.#retires()) return;
      await this.#reap();
      const { ok, failed } = await this.#sense();
      if (this.#abort.signal.aborted) return;
      await this.#reconciler.reconcile(this.#beat, this.#sensors.finished(false), true);
      this.#saySensed(ok, failed, performance.now() - started);
      await this.#fleet.save();
    } catch (error) {
      // A full disk or a vanished folder must not end the pulse: the next beat tries again.
      this.#say("error", "beat.failed", `beat ${this.#beat}: ${(error as Error).message}`);
      this.#record.noteFailure(error);
      this.#reconciler.goOnAsPublished();
    }
  }

  async #reap(): Promise<void> {
    const { profile, now } = this.#host;
    await this.#tending.freeLeases();
    await mendArchive(profile);
    const sessions = await this.#fleet.read(now());
    const { clock } = this.#reconciler;
    this.#reconciler.found = await this.#upkeep(this.#host, this.#settings.config, sessions, clock.isInDoubt);
    if (!this.#alone) await endOrphanRuns(profile.dir, readNotes(runsNotesPath(profile)));
    this.#alone = true;
  }

  #sense(): Promise<{ ok: number; failed: string[] }> {
    return this.#sensors.beat(this.#reconciler.world.readings, this.#pace());
  }

  #pace(): Pace {
    return { intervalS: this.#settings.intervalS, concurrency: this.#settings.config.sensor_concurrency };
  }

  #saySensed(ok: number, failed: readonly string[], ms: number): void {
    const secs = Math.round(ms / 100) / 10;
    const total = ok + failed.length;
    const some = failed.length === 0 ? "" : `, failed: ${failed.join(", ")}`;
    const level = failed.length > 0 ? "warn" : "info";
    this.#say(level, "sense", `sensed ${total} in ${secs} s${some}`, { ok, total, failed, secs });
  }

  // --- the poke -------------------------------------------------------------------------------------------

  /** The poke: looks at everything that is looop's own; if publishing fails now, it is tried again. */
  async #lookAgain(): Promise<void> {
    try {
      this.#configAt = this.#settings.readChanged();
      // A beat's readings are never published in part, while others are still being sensed.
      const fresh = this.#sensors.finished(this.#beating !== undefined);
      const sessions = await this.#reconciler.reconcile(this.#beat, fresh, false);
      const { concurrency } = this.#pace();
      await this.#sensors.noticeEdits(this.#reconciler.world.readings, concurrency);
      this.#record.keep();
      this.#tending.tend(sessions, this.#reconciler.overdue);
      this.#verifying.look(sessions, (session) => this.#tending.isSwept(session));
      const { config } = this.#settings;
      await this.#notices.look({ config, world: this.#reconciler.world, sessions });
      this.#links.tend(this.#settings.config, sessions, () => {
        this.#settings.read();
        return this.#settings.config;
      });
    } catch (error) {
      this.#say("error", "publish.failed", (error as Error).message);
      this.#record.noteFailure(error);
    }
  }
}

type Tail<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : never;

/** The next beat on the fixed grid after now: no missed beat is made up for, none is doubled. Pure. */
export function nextOnGrid(planned: number, now: number, intervalMs: number): number {
  const missed = Math.floor((now - planned) / intervalMs);
  return planned + (Math.max(0, missed) + 1) * intervalMs;
}
