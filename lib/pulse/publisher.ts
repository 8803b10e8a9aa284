/** The publisher: composes the next world and writes it, as one file for programs and as single files for people. */
import type { BadFile } from "../store.ts";
import { exists, listFiles, makeSubDir, removeFile, replaceFile } from "../store.ts";
import { appendEvent } from "../records/journal.ts";
import type { Profile } from "../paths.ts";
import { type LiveSign, liveSignOf, type Session } from "../sessions/session.ts";
import { readOwnState, readWorld } from "../world/state.ts";
import { isUnread, listScripts, type SensorScript } from "../world/sensors.ts";
import { type Alert, isNews, withOwnState, type World, type WorldReading } from "../world/world.ts";

/** The facts that the pulse's parts know and the profile's files do not show. */
export interface Parts {
  beat: number;
  sessions: readonly Session[];
  /** The time of `sessions/` when these were read, from `Fleet`. */
  fleetStamp: number;
  /** Readings taken since the last publication, by sensor. */
  fresh: ReadonlyMap<string, WorldReading>;
  alerts: Alert[];
  /** Files that cannot be used, in addition to those that composing finds. */
  bad: readonly BadFile[];
  settings: World["settings"];
  /** How workers ended, and the pulse's memory of those that live. */
  ended: World["ended"];
  schedules: World["schedules"];
  watched: World["watched"];
}

/** A sensor's changes are noted at most this often, ms: 90 days of one that never rests are one megabyte. */
const CHANGE_EVERY_MS = 600_000;

/** Holds the world as it was last published. */
export class Publisher {
  readonly #profile: Profile;
  #world: World;
  /** The texts of the single files about looop's own state. */
  readonly #written = new Map<string, string>();
  /** When a change of each sensor's signal was last noted, unix ms. */
  readonly #changedAt = new Map<string, number>();

  constructor(profile: Profile, nowMs: number) {
    this.#profile = profile;
    this.#world = readWorld(profile, nowMs).world;
  }

  get world(): World {
    return this.#world;
  }

  /** The world that the profile's files and the given parts make up. */
  async compose(parts: Parts, nowMs: number): Promise<World> {
    const own = await readOwnState(this.#profile, nowMs, parts.sessions);
    const scripts = await listScripts(this.#profile, nowMs);
    const readings = this.#readings(scripts, parts.fresh);
    return await withOwnState({
      ...this.#world,
      v: 1,
      beat: parts.beat,
      published_at: nowMs,
      readings,
      scripts: stampsOf(scripts, readings),
      alerts: parts.alerts,
      bad_files: [...own.bad, ...parts.bad],
      settings: parts.settings,
      ended: parts.ended,
      schedules: parts.schedules,
      watched: parts.watched,
      fleet: {
        dir_mtime: parts.fleetStamp,
        workers: parts.sessions.map((session) => ({ ...session.view, gen: session.gen })),
        live: liveSigns(parts.sessions),
      },
    }, own);
  }

  /** The readings of the existing sensors; fresh ones come first, if they are still of the current script. */
  #readings(
    scripts: readonly SensorScript[],
    fresh: ReadonlyMap<string, WorldReading>,
  ): Record<string, WorldReading> {
    const readings = scripts.map((script) => {
      const name = `sensor-${script.name}`;
      const next = fresh.get(script.name);
      return [
        name,
        next !== undefined && !isUnread(script, next) ? next : this.#world.readings[name],
      ] as const;
    });
    return Object.fromEntries(
      readings.filter((entry): entry is [string, WorldReading] => entry[1] !== undefined),
    );
  }

  /** Whether a reader of the world would find more than new times in it. */
  differs(next: World): boolean {
    return isNews(this.#world, next);
  }

  /** Publishes a world; all of it appears at once. */
  publish(next: World): void {
    replaceFile(this.#profile.world, `${JSON.stringify(next)}\n`, { durable: false });
    const before = this.#world;
    this.#world = next;
    this.#writeSnapshots(before, next);
    this.#noteChanges(before, next);
  }

  /** Notes in the events whose signal has changed, for people who look back; what flaps does not count. */
  #noteChanges(before: World, { readings, published_at: nowMs }: World): void {
    for (const [name, { wake }] of Object.entries(readings)) {
      const known = before.readings[name]?.wake;
      if (known === undefined || known === wake || !name.startsWith("sensor-")) continue;
      if (Math.abs(nowMs - (this.#changedAt.get(name) ?? -Infinity)) < CHANGE_EVERY_MS) continue;
      this.#changedAt.set(name, nowMs);
      try {
        appendEvent(this.#profile, "signal_changed", { id: name.slice("sensor-".length) }, new Date(nowMs));
      } catch {
        // The world is published; that looking back shows less must not count as a failure.
      }
    }
  }

  /** Writes the readings as single files, for people and for old readers; only the new ones. */
  #writeSnapshots(before: World, next: World): void {
    const { snapshots } = this.#profile;
    // Never creates the data dir itself: it may have been moved, and would then exist in two places.
    makeSubDir(snapshots);
    for (const [name, reading] of Object.entries(next.readings)) {
      const known = before.readings[name];
      if (known?.hash === reading.hash && known.sensed_at === reading.sensed_at) continue;
      const path = `${snapshots}/${name}.json`;
      const text = `${JSON.stringify(reading.value, null, 2)}\n`;
      // looop's own state is read anew at each look, but is mostly the same.
      if (this.#written.get(name) === text && exists(path)) continue;
      replaceFile(path, text, { durable: false });
      if (name.startsWith("sys-")) this.#written.set(name, text);
    }
    for (const file of listFiles(snapshots, ".json")) {
      if (!(file.slice(0, -".json".length) in next.readings)) {
        removeFile(`${snapshots}/${file}`, { durable: false });
      }
    }
  }
}

/** The stamps of the scripts that have been read, by which readers can skip their texts. */
function stampsOf(
  scripts: readonly SensorScript[],
  readings: Readonly<Record<string, WorldReading>>,
): Record<string, string> {
  const stamps: Record<string, string> = {};
  for (const script of scripts) {
    const isRead = !isUnread(script, readings[`sensor-${script.name}`]);
    if (isRead && script.stamp !== undefined) stamps[script.name] = script.stamp;
  }
  return stamps;
}

function liveSigns(sessions: readonly Session[]): Record<string, LiveSign> {
  const signs: Record<string, LiveSign> = {};
  for (const session of sessions) {
    const sign = session.view.alive ? liveSignOf(session) : undefined;
    if (sign !== undefined) signs[session.view.id] = sign;
  }
  return signs;
}
