/** The pulse's schedules: fires those that are due, and says when to look again. */
import { fireSchedules, type Known, type ScheduleView } from "../records/schedules.ts";
import { sha256 } from "../text/bytes.ts";
import type { Profile } from "../paths.ts";
import type { BadFile } from "../store.ts";
import type { World } from "../world/world.ts";

/** Longest time to the next look, ms: a machine that slept, or a clock that was set, is noticed by then. */
const LONGEST_MS = 60_000;

/** Remembers the files between two looks, so that a look costs only a few stats. */
export class Schedules {
  readonly #profile: Profile;
  readonly #known: Known = new Map();
  #next = Infinity;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** Fires the schedules that are due; returns their entry in the world, and the files that cannot be used. */
  async look(nowMs: number): Promise<{ schedules: World["schedules"]; bad: BadFile[] }> {
    const view = await fireSchedules(this.#profile, nowMs, this.#known);
    const times = view.schedules.flatMap(({ next }) => next ?? []);
    this.#next = Math.min(Infinity, ...times);
    return { schedules: await worldPart(view), bad: view.bad };
  }

  /** Milliseconds until a schedule is due; Infinity without schedules. */
  msToNext(nowMs: number): number {
    return this.#next === Infinity ? Infinity : Math.min(LONGEST_MS, Math.max(50, this.#next - nowMs));
  }
}

async function worldPart({ schedules, firings }: ScheduleView): Promise<World["schedules"]> {
  const files: World["schedules"]["files"] = {};
  for (const { id, next, file } of schedules) {
    files[id] = { hash: await sha256(file), ...(next === undefined ? {} : { next }) };
  }
  return { files, firings };
}
