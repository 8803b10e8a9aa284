/** Composes the next world from the present files, and publishes it when it differs. */
import { workerAlerts } from "./alerts.ts";
import { ClockWatch, type Jump, jumpText } from "./clock.ts";
import { EndedRuns } from "./ended.ts";
import type { Fleet } from "./fleet.ts";
import { goalAlerts } from "./goal_alerts.ts";
import { type PulseHost, say, type UpkeepFindings } from "./host.ts";
import { hostAlerts } from "./host_alerts.ts";
import { LimitWatch } from "./limited.ts";
import type { Notices } from "./notices.ts";
import type { OwnRecord } from "./own_record.ts";
import { Publisher } from "./publisher.ts";
import { Schedules } from "./schedules.ts";
import type { Sensing } from "./sensing.ts";
import type { Session } from "../sessions/session.ts";
import type { Settings } from "./settings.ts";
import type { Alert, World, WorldReading } from "../world/world.ts";

/** The parts of the pulse from which a look takes its facts. */
interface Sources {
  settings: Settings;
  record: OwnRecord;
  fleet: Fleet;
  sensors: Sensing;
  notices: Notices;
}

/** Holds the world as it was last published, and everything that is computed on the way to the next. */
export class Reconciler {
  readonly #host: PulseHost;
  readonly #from: Sources;
  readonly #ended: EndedRuns;
  readonly #schedules: Schedules;
  readonly #limits: LimitWatch;
  readonly #publisher: Publisher;
  /** Notices that the clock jumps. */
  readonly clock: ClockWatch;
  /** The findings of the last upkeep. */
  found: UpkeepFindings;
  /** Generations of workers that had run for as long as they may at the last look. */
  overdue: ReadonlySet<string> = new Set();
  /** When the next alert is due if nothing changes, unix ms. */
  #alertAt = Infinity;
  /** The reconciliation in progress. */
  #turn: Promise<unknown> = Promise.resolve();
  #ready = false;

  /** `look` asks the pulse to look again. */
  constructor(host: PulseHost, from: Sources, look: () => void) {
    this.#host = host;
    this.#from = from;
    this.#schedules = new Schedules(host.profile);
    this.#limits = new LimitWatch(host);
    this.#ended = new EndedRuns(host, look);
    this.#publisher = new Publisher(host.profile, host.now());
    this.clock = new ClockWatch({
      wall: () => host.now(),
      awake: () => performance.now(),
      up: () => Deno.osUptime() * 1000,
    });
    // Reported interruptions stay in the world until the first upkeep.
    const { alerts } = this.world;
    this.found = { alerts: alerts.filter((alert) => alert.kind === "interrupted"), bad: [] };
  }

  /** The world as it was last published. */
  get world(): World {
    return this.#publisher.world;
  }

  /** Whether the first publication is done. */
  get isReady(): boolean {
    return this.#ready;
  }

  /** Resolves when the last lines of all ended workers have been read. */
  get ended(): Promise<void> {
    return this.#ended.ended;
  }

  /** Called after a failed beat: a world that an earlier pulse has published is still kept up to date. */
  goOnAsPublished(): void {
    this.#ready ||= this.world.published_at > 0;
  }

  /** Milliseconds until a schedule or an alert is due. */
  msToNext(nowMs: number): number {
    return Math.min(this.#schedules.msToNext(nowMs), Math.max(50, this.#alertAt - nowMs));
  }

  /**
   * Composes the next world and publishes it when it differs, or in any case; returns the fleet. Calls run one after
   * the other: a look that began before a beat's end must not take its readings back.
   */
  reconcile(
    beat: number,
    fresh: ReadonlyMap<string, WorldReading>,
    always: boolean,
  ): Promise<readonly Session[]> {
    const turn = this.#turn.then(() => this.#reconcileNow(beat, fresh, always));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #reconcileNow(
    beat: number,
    fresh: ReadonlyMap<string, WorldReading>,
    always: boolean,
  ): Promise<readonly Session[]> {
    const { now } = this.#host;
    const { settings, record, fleet, notices } = this.#from;
    const sessions = await fleet.read(now());
    const { schedules, bad } = await this.#schedules.look(now());
    const time = this.clock.look();
    const next = await this.#publisher.compose({
      beat,
      sessions,
      fleetStamp: fleet.stamp,
      fresh,
      ...await this.#lookForAlerts(sessions, time),
      bad: [...settings.bad, ...this.found.bad, ...notices.bad, ...bad],
      schedules,
      settings: { interval_s: settings.intervalS, ask_redeliver_s: settings.config.ask_redeliver },
      ended: this.#ended.facts(sessions, this.world.ended, now()),
    }, now());
    if (always || this.#publisher.differs(next)) this.#publish(next, fresh);
    if (time.jump !== undefined) this.#settle(time.jump);
    record.noteSuccess();
    return sessions;
  }

  /** All present alerts; remembers when the next is due. */
  async #lookForAlerts(
    sessions: readonly Session[],
    time: { nowMs: number; jump?: Jump },
  ): Promise<{ alerts: Alert[]; watched: World["watched"] }> {
    const { profile, now } = this.#host;
    const { config } = this.#from.settings;
    const hosts = hostAlerts(profile, sessions, config, this.world.alerts, now());
    const goals = goalAlerts(profile, config.goal_idle_after, now());
    const workers = await workerAlerts(this.#host, sessions, config, this.world, this.#limits, time);
    this.overdue = workers.overdue;
    this.#alertAt = Math.min(now() + hosts.nextMs, goals.nextAt, workers.nextAt);
    const alerts = [...this.found.alerts, ...hosts.alerts, ...workers.alerts, ...goals.alerts];
    return { alerts, watched: workers.watched };
  }

  /** A jump is done with once the world holds what it means to the workers. */
  #settle(jump: Jump): void {
    this.clock.settle(jump);
    say(this.#host, "warn", "clock.jumped", `${jumpText(jump)}; workers' time limits do not count it`);
  }

  #publish(next: World, fresh: ReadonlyMap<string, WorldReading>): void {
    this.#publisher.publish(next);
    this.#from.sensors.drop(fresh);
    if (this.#ready) return;
    this.#ready = true;
    this.#from.record.write();
  }
}
