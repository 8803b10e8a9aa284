/** Sensing: the runs of one pulse's sensors, several at once, none twice at once, late ones on their own. */
import { ownVariables } from "../records/home.ts";
import { childEnv } from "../process/child_env.ts";
import { type PulseHost, say } from "./host.ts";
import { readingOf } from "../world/reading.ts";
import { PULSE_RUN, runSensor, sweepSensors } from "../world/sensor_run.ts";
import { listSensors, type SensorFile, sensorLimits } from "../world/sensors.ts";
import { nextReading, type WorldReading } from "../world/world.ts";

/** How long a sensor may hold its beat's publication, ms; one that runs longer joins a later one. */
const LATE_AFTER_MS = 5_000;

/** The readings as last published, by their names in the world. */
export type Readings = Readonly<Record<string, WorldReading>>;

/** How fast to go. */
export interface Pace {
  /** Seconds from beat to beat. */
  intervalS: number;
  /** Runs at once, at most. */
  concurrency: number;
}

/** The runs of one pulse's sensors. */
export class Sensing {
  readonly #host: PulseHost;
  readonly #stop: AbortSignal;
  readonly #onLate: () => void;
  readonly #running = new Map<string, number>();
  readonly #finished = new Map<string, WorldReading>();
  #runs = 0;
  #late: Promise<void> = Promise.resolve();

  /** `onLate` is called when a late sensor has ended: its reading can be published. */
  constructor(host: PulseHost, stop: AbortSignal, onLate: () => void) {
    this.#host = host;
    this.#stop = stop;
    this.#onLate = onLate;
  }

  /** The readings that are finished and not yet published, by sensor. */
  get finished(): ReadonlyMap<string, WorldReading> {
    return new Map(this.#finished);
  }

  /** Forgets readings that are published now. */
  drop(published: ReadonlyMap<string, WorldReading>): void {
    for (const [name, reading] of published) {
      if (this.#finished.get(name) === reading) this.#finished.delete(name);
    }
  }

  /** Resolves when no late run is under way. */
  get ended(): Promise<void> {
    return this.#late;
  }

  /** Runs every sensor that is due; waits for those that are not late. */
  async beat(readings: Readings, pace: Pace): Promise<{ ok: number; failed: string[] }> {
    const due = listSensors(this.#host.profile).filter((sensor) =>
      !this.#running.has(sensor.name) && isDue(sensor, readings, pace.intervalS, this.#host.now())
    );
    const queue = [...due];
    const marks: string[] = [];
    const worker = async () => {
      for (let sensor = queue.shift(); sensor !== undefined; sensor = queue.shift()) {
        if (this.#stop.aborted) return;
        await this.#runUntilLate(sensor, readings, marks);
      }
    };
    const slots = Math.max(1, pace.concurrency - this.#running.size);
    await Promise.all(Array.from({ length: Math.min(slots, queue.length) }, worker));
    await sweepSensors(marks);
    const names = due.map((sensor) => sensor.name).filter((name) => this.#finished.has(name));
    const failed = names.filter((name) => this.#finished.get(name)?.error === true);
    return { ok: names.length - failed.length, failed };
  }

  /** Ends when the sensor has ended, or when it has become late and goes on alone. */
  async #runUntilLate(sensor: SensorFile, readings: Readings, marks: string[]): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let late = false;
    const mark = `${this.#host.identity.pid}.${this.#host.identity.start}.${++this.#runs}`;
    const run = this.#runOne(sensor, readings, mark).then(async () => {
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
    if (late) {
      this.#late = Promise.all([this.#late, run.catch((error) => this.#sayFailed(sensor, error))])
        .then(() => {});
    }
  }

  /** A late run that fails has no beat to fail: it is logged, and the sensor runs again when it is due. */
  #sayFailed(sensor: SensorFile, error: unknown): void {
    say(this.#host, "error", "sensor.failed", `${sensor.name}: ${(error as Error).message}`);
  }

  async #runOne(sensor: SensorFile, readings: Readings, mark: string): Promise<void> {
    const { profile, env, bin } = this.#host;
    this.#running.set(sensor.name, performance.now());
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
      }, this.#stop);
      if (this.#stop.aborted) return;
      const before = readings[`sensor-${sensor.name}`];
      const lastGood = before?.error ? before.last_good : before?.value;
      const value = readingOf(outcome, limits.maxBytes, limits.timeoutS, lastGood);
      this.#finished.set(sensor.name, await nextReading(before, value, this.#host.now(), outcome.ms));
    } finally {
      this.#running.delete(sensor.name);
    }
  }
}

/** Whether a sensor's own cadence asks for a run at this beat. Pure. */
function isDue(sensor: SensorFile, readings: Readings, intervalS: number, nowMs: number): boolean {
  const interval = sensor.header.interval;
  const before = readings[`sensor-${sensor.name}`];
  if (interval === undefined || before === undefined) return true;
  const elapsed = nowMs - before.sensed_at;
  // Half a beat early is on time; a clock that was set back makes it due rather than never.
  return elapsed < 0 || elapsed >= interval * 1000 - (intervalS * 1000) / 2;
}
