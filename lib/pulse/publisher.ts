/** The publisher: composes the next world and writes it, as one file for programs and as single ones for people. */
import type { BadFile } from "../store.ts";
import { listFiles, makeSubDir, removeFile, replaceFile } from "../store.ts";
import type { Profile } from "../paths.ts";
import type { Session } from "../sessions/session.ts";
import { readOwnState, readWorld } from "../world/state.ts";
import { isUnread, listScripts } from "../world/sensors.ts";
import { type Alert, isNews, withOwnState, type World, type WorldReading } from "../world/world.ts";

/** What the parts of the pulse know and the files of the profile do not say. */
export interface Parts {
  beat: number;
  sessions: readonly Session[];
  /** The time of `sessions/` that these were read at, as `Fleet` has it. */
  fleetStamp: number;
  /** Readings that were taken since the last publication, by sensor. */
  fresh: ReadonlyMap<string, WorldReading>;
  alerts: Alert[];
  /** Files that cannot be used, beside those that composing finds. */
  bad: readonly BadFile[];
  settings: World["settings"];
  /** How workers ended, and what is remembered of those that live. */
  ended: World["ended"];
  schedules: World["schedules"];
  watched: World["watched"];
}

/** Holds the world as it was last published. */
export class Publisher {
  readonly #profile: Profile;
  #world: World;

  constructor(profile: Profile, nowMs: number) {
    this.#profile = profile;
    this.#world = readWorld(profile, nowMs).world;
  }

  get world(): World {
    return this.#world;
  }

  /** The world as the profile's files and the given parts make it. */
  async compose(parts: Parts, nowMs: number): Promise<World> {
    const own = await readOwnState(this.#profile, nowMs, parts.sessions);
    return await withOwnState({
      ...this.#world,
      v: 1,
      beat: parts.beat,
      published_at: nowMs,
      readings: await this.#readings(parts.fresh),
      alerts: parts.alerts,
      bad_files: [...own.bad, ...parts.bad],
      settings: parts.settings,
      ended: parts.ended,
      schedules: parts.schedules,
      watched: parts.watched,
      fleet: {
        dir_mtime: parts.fleetStamp,
        workers: parts.sessions.map((session) => ({ ...session.view, gen: session.gen })),
      },
    }, own);
  }

  /** The readings of the sensors that there are; the fresh ones that are still those of their scripts come first. */
  async #readings(fresh: ReadonlyMap<string, WorldReading>): Promise<Record<string, WorldReading>> {
    const readings = (await listScripts(this.#profile)).map((script) => {
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

  /** Whether somebody who reads the world would find more than other times in it. */
  differs(next: World): boolean {
    return isNews(this.#world, next);
  }

  /** Publishes a world: all of it appears at once. */
  publish(next: World): void {
    replaceFile(this.#profile.world, `${JSON.stringify(next)}\n`, { durable: false });
    const before = this.#world;
    this.#world = next;
    this.#writeSnapshots(before, next);
  }

  /** Writes the readings as single files, for people and for old readers; only those that were taken anew. */
  #writeSnapshots(before: World, next: World): void {
    const { snapshots } = this.#profile;
    // Never the data dir itself: it may have been moved, and would come to lie in two places.
    makeSubDir(snapshots);
    for (const [name, reading] of Object.entries(next.readings)) {
      const known = before.readings[name];
      if (known?.hash === reading.hash && known.sensed_at === reading.sensed_at) continue;
      replaceFile(`${snapshots}/${name}.json`, `${JSON.stringify(reading.value, null, 2)}\n`, {
        durable: false,
      });
    }
    for (const file of listFiles(snapshots, ".json")) {
      if (!(file.slice(0, -".json".length) in next.readings)) {
        removeFile(`${snapshots}/${file}`, { durable: false });
      }
    }
  }
}
