/**
 * Sensing: the runs of one pulse's sensors: several at once, no sensor twice at once, and late ones on their own.
 *
 * A beat runs the sensors that are due, and all their readings are published together. A new or edited script is run
 * in between, as soon as it has settled; a run of the previous text is ended, and its reading never published.
 */
import type { Profile } from "../paths.ts";
import { childEnv } from "../process/child_env.ts";
import { type PulseHost, say } from "./host.ts";
import type { TreeNotes } from "../process/tree.ts";
import { ownVariables } from "../records/home.ts";
import { joinNotes, writeNotes } from "../records/notes.ts";
import { readingOf } from "../world/reading.ts";
import { PULSE_RUN, runSensor, sweepSensors } from "../world/sensor_run.ts";
import { isUnread, listScripts, sensorLimits, type SensorScript } from "../world/sensors.ts";
import { nextReading, type WorldReading } from "../world/world.ts";

/** Time for which a sensor may hold back its beat's publication, ms; a slower one joins a later publication. */
const LATE_AFTER_MS = 5_000;
/** Time for which a script must be unchanged before it is run, ms: it may be half written. */
const SETTLE_MS = 300;
/** Least time between two runs of one sensor because of edits, ms. */
const EDIT_RUN_EVERY_MS = 2_000;
/** Time after which a script that found all places taken is tried again, ms. */
const CROWDED_MS = 200;

/** Where a pulse records the processes of its current sensor runs. */
export function runsNotesPath(profile: Profile): string {
  return `${profile.sessions}/pulse/noted`;
}

/** The readings as last published, by their names in the world. */
export type Readings = Readonly<Record<string, WorldReading>>;

/** The pace of sensing. */
export interface Pace {
  /** Seconds between beats. */
  intervalS: number;
  /** Most runs at once. */
  concurrency: number;
}

/** A run in progress. */
interface Run {
  hash: string;
  /** Ends the run when its script has changed. */
  abort: AbortController;
}

/** The runs of one pulse's sensors. */
export class Sensing {
  readonly #host: PulseHost;
  readonly #stop: AbortSignal;
  readonly #onLate: () => void;
  readonly #running = new Map<string, Run>();
  /** The processes of the current runs, by mark. */
  readonly #noted = new Map<string, TreeNotes>();
  /** Whether the first beat has begun. */
  #hasBeaten = false;
  /** Sensors that the beat in progress still has to run. */
  #queued = new Set<string>();
  /** Readings of the beat in progress, and those that belong to no beat; neither are published yet. */
  readonly #ofBeat = new Map<string, WorldReading>();
  readonly #ofEdits = new Map<string, WorldReading>();
  /** Sensor → when it was last run because of an edit, unix ms. */
  readonly #editRunAt = new Map<string, number>();
  /** When to look at a script again, unix ms. */
  #nextEditAt = Infinity;
  #runs = 0;
  #late: Promise<void> = Promise.resolve();

  /** `onLate` is called when a reading that belongs to no beat can be published. */
  constructor(host: PulseHost, stop: AbortSignal, onLate: () => void) {
    this.#host = host;
    this.#stop = stop;
    this.#onLate = onLate;
  }

  /** The readings that can be published now, by sensor; those of a beat only once it is over. */
  finished(isBeating: boolean): ReadonlyMap<string, WorldReading> {
    return new Map([...(isBeating ? [] : this.#ofBeat), ...this.#ofEdits]);
  }

  /** Forgets readings that have now been published. */
  drop(published: ReadonlyMap<string, WorldReading>): void {
    for (const [name, reading] of published) {
      for (const readings of [this.#ofBeat, this.#ofEdits]) {
        if (readings.get(name) === reading) readings.delete(name);
      }
    }
  }

  /** Resolves when no run is left that belongs to no beat. */
  get ended(): Promise<void> {
    return this.#late;
  }

  /** Milliseconds until an edited script is to be looked at again; Infinity when there is none. */
  msToNext(nowMs: number): number {
    return this.#nextEditAt === Infinity ? Infinity : Math.max(1, this.#nextEditAt - nowMs);
  }

  /** Runs every sensor that is due; waits for those that are not late. */
  async beat(readings: Readings, pace: Pace): Promise<{ ok: number; failed: string[] }> {
    const now = this.#host.now();
    // The first beat also reads scripts that were seeded just now, so that `up` returns with a complete world.
    const isFirst = !this.#hasBeaten;
    this.#hasBeaten = true;
    const due = (await listScripts(this.#host.profile)).filter((sensor) =>
      !this.#running.has(sensor.name) && (isFirst || isSettled(sensor, now)) &&
      isDue(sensor, readings, pace.intervalS, now)
    );
    const queue = [...due];
    this.#queued = new Set(due.map(({ name }) => name));
    const marks: string[] = [];
    const worker = async () => {
      for (let sensor = queue.shift(); sensor !== undefined; sensor = queue.shift()) {
        this.#queued.delete(sensor.name);
        if (this.#stop.aborted) return;
        await this.#runUntilLate(sensor, readings, marks);
      }
    };
    const slots = Math.max(1, pace.concurrency - this.#running.size);
    await Promise.all(Array.from({ length: Math.min(slots, queue.length) }, worker));
    await sweepSensors(marks);
    const names = due.map((sensor) => sensor.name).filter((name) => this.#ofBeat.has(name));
    const failed = names.filter((name) => this.#ofBeat.get(name)?.error === true);
    return { ok: names.length - failed.length, failed };
  }

  /** Looks for scripts that differ from those of their readings, and runs them once they have settled. */
  async noticeEdits(readings: Readings, concurrency: number): Promise<void> {
    this.#nextEditAt = Infinity;
    for (const sensor of await listScripts(this.#host.profile)) {
      const { name, hash } = sensor;
      const run = this.#running.get(name);
      if (run !== undefined && run.hash !== hash) run.abort.abort();
      const reading = this.#ofEdits.get(name) ?? this.#ofBeat.get(name) ?? readings[`sensor-${name}`];
      if (isUnread(sensor, reading) && run?.hash !== hash && !this.#queued.has(name)) {
        this.#runEdit(sensor, readings, concurrency);
      }
    }
  }

  #runEdit(sensor: SensorScript, readings: Readings, concurrency: number): void {
    const now = this.#host.now();
    const last = this.#editRunAt.get(sensor.name) ?? -Infinity;
    const isCrowded = this.#running.size >= concurrency || this.#running.has(sensor.name);
    const dueAt = Math.max(
      isSettled(sensor, now) ? now : sensor.writtenMs + SETTLE_MS,
      last > now ? now : last + EDIT_RUN_EVERY_MS,
      isCrowded ? now + CROWDED_MS : now,
    );
    if (dueAt > now) {
      this.#nextEditAt = Math.min(this.#nextEditAt, dueAt);
      return;
    }
    this.#editRunAt.set(sensor.name, now);
    const mark = this.#newMark();
    this.#goOnAlone(
      sensor,
      this.#runOne(sensor, readings, mark, this.#ofEdits).then(async () => {
        await sweepSensors([mark]);
        this.#onLate();
      }),
    );
  }

  #newMark(): string {
    return `${this.#host.identity.pid}.${this.#host.identity.start}.${++this.#runs}`;
  }

  /** Such a run has no beat that could fail: a failure is logged, and the sensor runs again when it is due. */
  #goOnAlone(sensor: SensorScript, run: Promise<void>): void {
    const failed = (error: Error) =>
      say(this.#host, "error", "sensor.failed", `${sensor.name}: ${error.message}`);
    this.#late = Promise.all([this.#late, run.catch(failed)]).then(() => {});
  }

  /** Ends when the sensor has ended, or when it is late and continues on its own. */
  async #runUntilLate(sensor: SensorScript, readings: Readings, marks: string[]): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let late = false;
    const mark = this.#newMark();
    const run = this.#runOne(sensor, readings, mark, this.#ofBeat).then(async () => {
      if (!late) {
        marks.push(mark);
        return;
      }
      await sweepSensors([mark]);
      this.#onLate();
    });
    const lateness = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        late = true;
        resolve();
      }, LATE_AFTER_MS);
    });
    await Promise.race([run, lateness]);
    clearTimeout(timer);
    if (late) this.#goOnAlone(sensor, run);
  }

  async #runOne(
    sensor: SensorScript,
    readings: Readings,
    mark: string,
    finished: Map<string, WorldReading>,
  ): Promise<void> {
    const { profile, env, bin } = this.#host;
    const run: Run = { hash: sensor.hash, abort: new AbortController() };
    this.#running.set(sensor.name, run);
    const limits = sensorLimits(sensor.header, env);
    const own = ownVariables(profile, bin);
    try {
      const outcome = await runSensor({
        path: sensor.path,
        cwd: profile.dir,
        env: childEnv(env, own, PULSE_RUN),
        mark,
        timeoutMs: limits.timeoutS * 1000,
        maxBytes: limits.maxBytes,
        onNoted: (notes) => this.#note(mark, notes),
      }, AbortSignal.any([this.#stop, run.abort.signal]));
      if (this.#stop.aborted || run.abort.signal.aborted) return;
      const before = readings[`sensor-${sensor.name}`];
      const lastGood = before?.error ? before.last_good : before?.value;
      const value = readingOf(outcome, limits.maxBytes, limits.timeoutS, lastGood);
      const next = await nextReading(before, value, this.#host.now(), {
        ms: outcome.ms,
        script: sensor.hash,
      });
      finished.set(sensor.name, next);
    } finally {
      this.#running.delete(sensor.name);
      this.#note(mark, undefined);
    }
  }

  /** Records the processes of current runs, for the next pulse. */
  #note(mark: string, notes: TreeNotes | undefined): void {
    if (notes === undefined) {
      if (!this.#noted.delete(mark)) return;
    } else this.#noted.set(mark, notes);
    writeNotes(runsNotesPath(this.#host.profile), joinNotes([...this.#noted.values()]));
  }
}

/** Whether a script has been unchanged for a while; a time in the future counts, too. Pure. */
function isSettled({ writtenMs }: SensorScript, nowMs: number): boolean {
  return Math.abs(nowMs - writtenMs) >= SETTLE_MS;
}

/** Whether a sensor's own cadence asks for a run at this beat. Pure. */
function isDue(sensor: SensorScript, readings: Readings, intervalS: number, nowMs: number): boolean {
  const interval = sensor.header.interval;
  const before = readings[`sensor-${sensor.name}`];
  if (interval === undefined || before === undefined || isUnread(sensor, before)) return true;
  const elapsed = nowMs - before.sensed_at;
  // Half a beat early is on time; a clock that was set back makes it due rather than never.
  return elapsed < 0 || elapsed >= interval * 1000 - (intervalS * 1000) / 2;
}
