/**
 * The pulse: one process per profile that senses at a fixed cadence and publishes one world.
 *
 * A beat reaps what is stale, runs the sensors that are due, and publishes all their readings together. A poke
 * (any event below the data dir) re-reads looop's own state and publishes at once. Everything is recomputed
 * from files, so a pulse that is killed at any moment and started again goes on where it was.
 */
import { WorkerAlerts } from "./alerts.ts";
import { type Config, defaultConfig, readConfig } from "../records/config.ts";
import { numberFrom } from "../records/env.ts";
import { isId } from "../ids.ts";
import { oneLine } from "../errors.ts";
import { appendEvent, appendJournal } from "../records/journal.ts";
import { reapLeases } from "../sessions/lease.ts";
import {
  type BadFile,
  listEntries,
  listFiles,
  makeDir,
  removeFile,
  replaceFile,
  STAMP_SETTLES_MS,
  statOf,
} from "../store.ts";
import { mendArchive } from "../records/mailbox.ts";
import { rotateOutput } from "../sessions/output_log.ts";
import type { Profile } from "../paths.ts";
import { formatLog, type LogLevel } from "./log.ts";
import { isUnwanted, type PulseRecord, readPulse, writePulse } from "../world/pulse_record.ts";
import { type Identity, readMarked, readMarkedAny } from "../process/tree.ts";
import { Sensing } from "./sensing.ts";
import { endOrphanRuns } from "../world/sensor_run.ts";
import { listSensors } from "../world/sensors.ts";
import { readFleet, type Session, sessionMarks } from "../sessions/session.ts";
import { readOwnState, readWorld } from "../world/state.ts";
import { Watch } from "../file_watch.ts";
import { type Alert, withOwnState, type World } from "../world/world.ts";
import { endSession, killSessionTree } from "../workers/worker.ts";

/** What the pulse is given. */
export interface PulseHost {
  profile: Profile;
  identity: Identity;
  version: string;
  /** One executable path that is looop, for sensors. */
  bin: string;
  /** The binary that would be an upgrade if it were replaced; "" where looop is run by deno. */
  exe: string;
  env: Readonly<Record<string, string>>;
  jsonLog: boolean;
  log(line: string): void;
  now(): number;
  /** Fires when the pulse is to stop. */
  stop: AbortSignal;
  /** Whether the single-instance lock is still ours: a data dir that was replaced may have another pulse. */
  holdsLock(): boolean;
}

/** What upkeep has found: for the world to tell. */
export interface UpkeepFindings {
  alerts: Alert[];
  bad: BadFile[];
}

/** Upkeep that needs more than the spine: called once a beat with the fleet as it is. */
export interface PulseUpkeep {
  (host: PulseHost, config: Config, sessions: readonly Session[]): Promise<UpkeepFindings>;
}

const MIN_INTERVAL_S = 1;
/** The first publication waits this long for the first beat, so that `up` is never slow. */
const FIRST_PUBLISH_MS = 2_000;
/** A verified supervisor is verified again this often; that it is there at all, at every look. */
const TRUST_MS = 5_000;
/** The slow look at everything, where watches work and where they do not. */
const POLL_WATCHED_MS = 5_000;
const POLL_BLIND_MS = 1_000;
/** Failed publications in a row that are told: once, a file may just have been in the way. */
const FAILURES_TOLD = 2;

export class Pulse {
  readonly #host: PulseHost;
  readonly #watch: Watch;
  readonly #sensors: Sensing;
  readonly #swept = new Set<string>();
  readonly #ended = new Map<string, Session>();
  readonly #ending = new Set<string>();
  readonly #alerts = new WorkerAlerts();
  readonly #abort = new AbortController();
  #world: World;
  #config: Config = defaultConfig();
  #configBad: BadFile[] = [];
  #warnings: string[] = [];
  #beat: number;
  #ready = false;
  /** Sensor runs of a pulse that was killed have been ended. */
  #alone = false;
  #sensing: Promise<void> | undefined;
  #chores: Promise<void> = Promise.resolve();
  readonly #upkeep: PulseUpkeep;
  #found: UpkeepFindings = { alerts: [], bad: [] };

  constructor(host: PulseHost, upkeep: PulseUpkeep) {
    this.#host = host;
    this.#upkeep = upkeep;
    this.#exeStamp = stampOf(host.exe);
    const { profile } = host;
    this.#watch = new Watch({
      dirs: [profile.dir, profile.goals, profile.sensors, profile.claims, profile.sessions],
      pollMs: POLL_WATCHED_MS,
      ignore: [".world.json"],
    });
    this.#sensors = new Sensing(host, this.#abort.signal, () => this.#watch.poke());
    this.#world = readWorld(profile, host.now()).world;
    this.#beat = this.#world.beat;
    // Until the first upkeep: what was there to be told is not taken back meanwhile.
    this.#found.alerts = this.#world.alerts.filter((alert) => alert.kind === "interrupted");
  }

  /** Beats until told to stop. */
  async run(): Promise<void> {
    const { stop } = this.#host;
    stop.addEventListener("abort", () => {
      this.#abort.abort();
      this.#watch.poke();
    });
    this.#say("ok", "pulse.start", `pulse started, a beat every ${this.#intervalS()} s`, {
      interval: this.#intervalS(),
      data_dir: this.#host.profile.dir,
    });
    const started = performance.now();
    let nextBeat = started;
    while (!stop.aborted && !this.#abort.signal.aborted) {
      if (!this.#host.holdsLock()) {
        this.#say("error", "pulse.lock_lost", "the lock or the whole data dir was taken away: stopping");
        this.#abort.abort();
        break;
      }
      if (this.#retires()) break;
      const now = performance.now();
      if (now >= nextBeat && this.#sensing === undefined) {
        this.#readConfig();
        nextBeat = nextOnGrid(nextBeat, now, this.#intervalS() * 1000);
        this.#sensing = this.#doBeat().finally(() => {
          this.#sensing = undefined;
          this.#watch.poke();
        });
      }
      if (!this.#ready && now - started >= FIRST_PUBLISH_MS) await this.#publish(false);
      else if (this.#ready) await this.#reconcile();
      await this.#watch.next(this.#pause(nextBeat, started));
    }
    await this.#sensing;
    await this.#sensors.ended;
    await this.#chores;
    this.#watch.close();
    this.#say("ok", "pulse.stop", "pulse stopped");
  }

  #pause(nextBeat: number, started: number): number {
    const now = performance.now();
    const poll = this.#watch.armed ? POLL_WATCHED_MS : POLL_BLIND_MS;
    const first = this.#ready ? Infinity : FIRST_PUBLISH_MS - (now - started);
    const beat = this.#sensing === undefined ? nextBeat - now : Infinity;
    const settle = this.#fleetStamp === UNSETTLED ? STAMP_SETTLES_MS : Infinity;
    return Math.max(1, Math.min(poll, first, beat, settle, this.#alerts.msToNext(this.#host.now())));
  }

  #intervalS(): number {
    const wanted = numberFrom(this.#host.env["LOOOP_INTERVAL"]) ?? this.#config.interval;
    return wanted >= MIN_INTERVAL_S ? wanted : MIN_INTERVAL_S;
  }

  #say(level: LogLevel, event: string, msg: string, fields: Record<string, unknown> = {}): void {
    this.#host.log(formatLog(this.#host.jsonLog, new Date(this.#host.now()), level, event, msg, fields));
  }

  // --- the beat -------------------------------------------------------------------------------------------

  async #doBeat(): Promise<void> {
    this.#beat++;
    const started = performance.now();
    try {
      this.#signOfLife();
      if (this.#retires()) return;
      await this.#reap();
      if (!this.#alone) await endOrphanRuns(this.#host.profile.dir);
      this.#alone = true;
      const { ok, failed } = await this.#sensors.beat(this.#world.readings, {
        intervalS: this.#intervalS(),
        concurrency: this.#config.sensor_concurrency,
      });
      if (this.#abort.signal.aborted) return;
      await this.#publish(true);
      const secs = Math.round((performance.now() - started) / 100) / 10;
      const total = ok + failed.length;
      this.#say(failed.length > 0 ? "warn" : "info", "sense", summary(ok, failed, secs), {
        ok,
        total,
        failed,
        secs,
      });
    } catch (error) {
      // A full disk or a folder that vanished must not end the pulse: the next beat tries again.
      this.#say("error", "beat.failed", `beat ${this.#beat}: ${(error as Error).message}`);
      this.#noteFailure(error);
      this.#ready ||= this.#world.published_at > 0;
    }
  }

  /** Re-reads the config; a broken one is reported, and the last good one stays in force. */
  #readConfig(): void {
    const { profile, env } = this.#host;
    const warnings: string[] = [];
    try {
      const read = readConfig(profile.config);
      this.#config = read.config;
      warnings.push(...read.warnings);
      this.#configBad = [];
    } catch (error) {
      this.#configBad = [{ path: profile.config, reason: (error as Error).message }];
      warnings.push((error as Error).message);
    }
    const wanted = numberFrom(env["LOOOP_INTERVAL"]) ?? this.#config.interval;
    if (!(wanted >= MIN_INTERVAL_S)) {
      warnings.push(`interval ${wanted} s is too short: beating every ${MIN_INTERVAL_S} s`);
    }
    if (this.#upgraded()) {
      warnings.push("looop was replaced by another version: `looop up` restarts the pulse with it");
    }
    for (const warning of warnings) {
      if (!this.#warnings.includes(warning)) this.#say("warn", "config.warning", warning);
    }
    this.#warnings = warnings;
  }

  readonly #exeStamp: string;

  /** Whether the binary at our path is not the one we were started from. */
  #upgraded(): boolean {
    const stamp = stampOf(this.#host.exe);
    return stamp !== "" && stamp !== this.#exeStamp;
  }

  #signOfLife(): void {
    const { identity, version, exe, profile } = this.#host;
    const record: PulseRecord = {
      v: 1,
      ...identity,
      version,
      exe,
      beat: this.#beat,
      uptime_s: Deno.osUptime(),
      interval_s: this.#intervalS(),
      ready: this.#ready,
      started_at: this.#startedAt,
      failing: this.#failures < FAILURES_TOLD ? "" : this.#failure,
      warnings: this.#warnings,
    };
    writePulse(profile, record);
  }

  #noteSuccess(): void {
    const wasTold = this.#failures >= FAILURES_TOLD;
    this.#failures = 0;
    if (wasTold) this.#signOfLife();
  }

  /** What keeps it from publishing, and how often in a row it did. */
  #failure = "";
  #failures = 0;

  /** Whoever waits would wait for ever: that nothing is published any more is told in the pulse's own record. */
  #noteFailure(error: unknown): void {
    const message = oneLine((error as Error).message);
    this.#failures++;
    const isNews = this.#failures === FAILURES_TOLD || message !== this.#failure;
    this.#failure = message;
    if (this.#failures < FAILURES_TOLD || !isNews) return;
    try {
      this.#signOfLife();
    } catch {
      // On a full disk not even this can be written: then its silence shows.
    }
  }

  /**
   * `down` ends what has written itself down; a pulse that was only starting then, or whose record is broken,
   * finds `down`'s own record, as each writes first and reads after. So none outlives a `down`.
   */
  #retires(): boolean {
    if (!isUnwanted(this.#host.profile)) return false;
    this.#say("warn", "pulse.unwanted", "`looop down` was called: stopping");
    this.#abort.abort();
    return true;
  }

  readonly #startedAt = Date.now();

  // --- publishing -----------------------------------------------------------------------------------------

  /**
   * Publishes looop's own state and, with `whole`, the readings that have been finished: all of a beat
   * together, never some of them while the others are still being sensed.
   */
  async #publish(whole: boolean): Promise<void> {
    const { profile } = this.#host;
    const sessions = await this.#fleet();
    const names = new Set(listSensors(profile).map((sensor) => `sensor-${sensor.name}`));
    const readings = Object.fromEntries(
      Object.entries(this.#world.readings).filter(([name]) => names.has(name)),
    );
    if (whole) {
      for (const [name, reading] of this.#sensors.take()) {
        if (names.has(`sensor-${name}`)) readings[`sensor-${name}`] = reading;
      }
    }
    const own = await readOwnState(profile, this.#host.now(), sessions);
    const next = await withOwnState({
      ...this.#world,
      v: 1,
      beat: this.#beat,
      published_at: this.#host.now(),
      readings,
      alerts: await this.#lookForAlerts(sessions),
      bad_files: this.#badFiles(own.bad),
      settings: { interval_s: this.#intervalS(), ask_redeliver_s: this.#config.ask_redeliver },
      fleet: {
        dir_mtime: this.#fleetStamp,
        workers: sessions.map((session) => ({ ...session.view, gen: session.gen })),
      },
    }, own);
    replaceFile(profile.world, `${JSON.stringify(next)}\n`, { durable: false });
    const before = this.#world;
    this.#world = next;
    this.#writeSnapshots(before, next);
    const isFirst = !this.#ready;
    this.#ready = true;
    if (isFirst) this.#signOfLife();
    this.#noteSuccess();
  }

  #badFiles(own: readonly BadFile[]): BadFile[] {
    return [...own, ...this.#configBad, ...this.#found.bad];
  }

  /** The readings as single files, for people and for old readers; only those that changed. */
  #writeSnapshots(before: World, next: World): void {
    const { profile } = this.#host;
    makeDir(profile.snapshots);
    for (const [name, reading] of Object.entries(next.readings)) {
      const path = `${profile.snapshots}/${name}.json`;
      if (
        before.readings[name]?.hash === reading.hash && before.readings[name]?.sensed_at === reading.sensed_at
      ) continue;
      replaceFile(path, `${JSON.stringify(reading.value, null, 2)}\n`, { durable: false });
    }
    for (const file of listFiles(profile.snapshots, ".json")) {
      if (!(file.slice(0, -".json".length) in next.readings)) removeFile(`${profile.snapshots}/${file}`);
    }
  }

  /** The poke: has anything of looop's own changed? Then publish. */
  async #reconcile(): Promise<void> {
    try {
      const sessions = await this.#fleet();
      const own = await readOwnState(this.#host.profile, this.#host.now(), sessions);
      const sensors = listSensors(this.#host.profile).map((sensor) => `sensor-${sensor.name}`);
      const gone = Object.keys(this.#world.readings).some((name) =>
        name.startsWith("sensor-") && !sensors.includes(name)
      );
      const finishedLate = this.#sensing === undefined && this.#sensors.hasFinished;
      const next = await withOwnState(this.#world, own);
      const alerts = await this.#lookForAlerts(sessions);
      const differs = next.world_hash !== this.#world.world_hash || gone || finishedLate ||
        JSON.stringify(alerts) !== JSON.stringify(this.#world.alerts) ||
        JSON.stringify(this.#badFiles(own.bad)) !== JSON.stringify(this.#world.bad_files) ||
        fleetKey(sessions) !== fleetKey(this.#world.fleet.workers.map((view) => ({ view, gen: view.gen }))) ||
        (this.#fleetStamp !== UNSETTLED && this.#fleetStamp !== this.#world.fleet.dir_mtime);
      if (differs) await this.#publish(this.#sensing === undefined);
      if (readPulse(this.#host.profile) === undefined) this.#signOfLife();
      this.#tend(sessions);
      this.#boundOutputs(sessions);
      this.#noteSuccess();
    } catch (error) {
      this.#say("error", "publish.failed", (error as Error).message);
      this.#noteFailure(error);
    }
  }

  // --- sessions -------------------------------------------------------------------------------------------

  #fleetStamp = 0;

  /** The fleet; sessions known to have ended are not read again while `sessions/` is unchanged. */
  async #fleet(): Promise<Session[]> {
    const { profile } = this.#host;
    const stamp = fleetStamp(profile, this.#host.now());
    if (stamp !== this.#fleetStamp) this.#ended.clear();
    this.#fleetStamp = stamp;
    const ids = sessionIdsOf(profile);
    const unsettled = ids.filter((id) => !this.#ended.has(id));
    const live = await readFleet(profile, this.#host.now(), unsettled, TRUST_MS);
    for (const session of live) {
      if (session.view.state === "exited" || session.view.state === "killed") {
        this.#ended.set(session.view.id, session);
      }
    }
    const byId = new Map(live.map((session) => [session.view.id, session]));
    return ids.map((id) => byId.get(id) ?? this.#ended.get(id)).filter((session) => session !== undefined);
  }

  /** A worker that prints without end could fill the disk before the next beat. */
  #boundOutputs(sessions: readonly Session[]): void {
    for (const { view, dir } of sessions) {
      if (view.alive || view.state === "lost") rotateOutput(dir);
    }
  }

  /** What sessions need done to them, off the publishing path: sweeping, ending, leases. */
  #tend(sessions: readonly Session[]): void {
    const over: Session[] = [];
    for (const session of sessions) {
      const key = keyOf(session);
      if (this.#swept.has(key) || this.#ending.has(key)) continue;
      const overdue = session.view.alive && session.deadline !== undefined &&
        this.#host.now() / 1000 >= session.deadline;
      if (isOver(session)) over.push(session);
      else if (overdue || (session.ending && session.view.alive)) {
        this.#chore([session], this.#end(session, overdue));
      }
    }
    if (over.length > 0) this.#chore(over, this.#sweep(over));
  }

  /** Work on sessions that the pulse does not wait for but at its own end. */
  #chore(sessions: readonly Session[], work: Promise<void>): void {
    const ids = sessions.slice(0, 5).map((session) => session.view.id).join(", ");
    for (const session of sessions) this.#ending.add(keyOf(session));
    const done = work.catch((error) => this.#say("error", "session.failed", `${ids}: ${error.message}`))
      .then(() => {
        for (const session of sessions) {
          this.#ending.delete(keyOf(session));
          if (isOver(session)) this.#swept.add(keyOf(session));
        }
        this.#watch.poke();
      });
    this.#chores = Promise.all([this.#chores, done]).then(() => {});
  }

  /** Workers that have ended leave no process and no lease behind. One scan serves any number of them. */
  async #sweep(sessions: readonly Session[]): Promise<void> {
    const { profile } = this.#host;
    for (const { view, endedAt } of sessions) {
      if (endedAt === undefined || endedAt * 1000 < this.#startedAt - 60_000) continue;
      const { id, state, exit_code, ended_by } = view;
      appendEvent(profile, "worker_ended", { id, state, exit_code, ended_by }, new Date(this.#host.now()));
    }
    // What a session of 0.16 has left running was not looop's to end then.
    const marked = sessions.filter((session) => session.gen !== "");
    const left = await readMarkedAny(marked.map((session) => `LOOOP_SESSION_GEN=${session.gen}`));
    for (const session of left.size > 0 ? marked : []) {
      const own = await readMarked(sessionMarks(profile, session.view.id, session.gen));
      if (own.size === 0) continue;
      await killSessionTree(profile, session, this.#host.now).catch((error) =>
        this.#say("error", "session.failed", `${session.view.id}: ${error.message}`)
      );
    }
    this.#sayFreed(await reapLeases(profile, this.#host.now()));
    const { collectRun } = await import("../agents/spend.ts");
    for (const session of sessions) {
      const run = { id: session.view.id, dir: session.dir, gen: session.gen };
      await collectRun(this.#host, run, this.#config.prices);
    }
  }

  async #end(session: Session, overdue: boolean): Promise<void> {
    const { profile } = this.#host;
    const { id } = session.view;
    if (overdue && !session.ending) {
      appendJournal(
        profile,
        `timeout: worker ${id} ran past its time and was ended`,
        new Date(this.#host.now()),
      );
    }
    // For a session whose end somebody has recorded, that record wins over what is passed here.
    await endSession(profile, session, "killed", overdue ? "timeout" : "root", this.#host.now);
  }

  /** What upkeep found and what the fleet shows: each told once. */
  async #lookForAlerts(sessions: readonly Session[]): Promise<Alert[]> {
    const { profile } = this.#host;
    const ofWorkers = await this.#alerts.look(
      profile,
      sessions,
      this.#config,
      this.#world.alerts,
      this.#host.now(),
    );
    return [...this.#found.alerts, ...ofWorkers];
  }

  // --- reaping --------------------------------------------------------------------------------------------

  async #reap(): Promise<void> {
    const { profile } = this.#host;
    this.#sayFreed(await reapLeases(profile, this.#host.now()));
    await mendArchive(profile);
    this.#found = await this.#upkeep(this.#host, this.#config, await this.#fleet());
  }

  #sayFreed(leases: readonly { name: string; session: string }[]): void {
    for (const { name, session } of leases) {
      this.#say("info", "claim.reaped", `freed claim ${name} of ${session}, which has ended`, {
        claim: name,
        session,
      });
      appendEvent(
        this.#host.profile,
        "claim_reaped",
        { claim: `${name}.json`, session },
        new Date(this.#host.now()),
      );
    }
  }
}

function summary(ok: number, failed: readonly string[], secs: number): string {
  const some = failed.length === 0 ? "" : `, failed: ${failed.join(", ")}`;
  return `sensed ${ok + failed.length} in ${secs} s${some}`;
}

/** The next beat on the fixed grid that is later than now: none is made up for, none is doubled. Pure. */
export function nextOnGrid(planned: number, now: number, intervalMs: number): number {
  const missed = Math.floor((now - planned) / intervalMs);
  return planned + (Math.max(0, missed) + 1) * intervalMs;
}

/** No time that a folder can have. */
const UNSETTLED = -1;

/** The time of `sessions/`, 0 when there is none, `UNSETTLED` while another change could still leave the same. */
function fleetStamp(profile: Profile, nowMs: number): number {
  const mtime = statOf(profile.sessions)?.mtime?.getTime() ?? 0;
  return Math.abs(nowMs - mtime) < STAMP_SETTLES_MS ? UNSETTLED : mtime;
}

function fleetKey(
  sessions: readonly { view: { id: string; state: string; ready: boolean }; gen: string }[],
): string {
  return sessions.map(({ view, gen }) => `${view.id}/${gen}/${view.state}/${view.ready}`).join(" ");
}

function sessionIdsOf(profile: Profile): string[] {
  return listEntries(profile.sessions).filter((entry) =>
    entry.isDirectory && isId(entry.name) && entry.name !== "pulse"
  )
    .map((entry) => entry.name).sort();
}

/** Tells one file at a path from another that replaced it. */
function stampOf(path: string): string {
  const info = path === "" ? undefined : statOf(path);
  return info === undefined ? "" : `${info.ino}/${info.size}/${info.mtime?.getTime() ?? 0}`;
}

function keyOf({ view, gen }: Session): string {
  return `${view.id}/${gen}`;
}

function isOver({ view }: Session): boolean {
  return view.state === "exited" || view.state === "killed";
}
