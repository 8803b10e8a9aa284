/** Reads the fleet for the pulse, look after look, at a cost that depends on the living workers. */
import { isId } from "../ids.ts";
import type { Profile } from "../paths.ts";
import { readFleet, type Session } from "../sessions/session.ts";
import { listEntries, STAMP_SETTLES_MS, statOf } from "../store.ts";

/** Time for which a verified supervisor is trusted, ms; every look checks that its process exists. */
const TRUST_MS = 5_000;
/** A value that no folder's time can have. */
const UNSETTLED = -1;

/** Reads the sessions; those known to have ended are not read again while `sessions/` is unchanged. */
export class Fleet {
  readonly #profile: Profile;
  readonly #ended = new Map<string, Session>();
  #stamp = 0;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** The time of `sessions/` at the last look, unix ms, 0 when there is none. */
  get stamp(): number {
    return this.#stamp;
  }

  /** Whether any change after the last look would have left a different time. */
  get isSettled(): boolean {
    return this.#stamp !== UNSETTLED;
  }

  /** All workers, sorted by id. */
  async read(nowMs: number): Promise<Session[]> {
    const stamp = fleetStamp(this.#profile, nowMs);
    if (stamp !== this.#stamp) this.#ended.clear();
    this.#stamp = stamp;
    const ids = sessionIds(this.#profile);
    const open = ids.filter((id) => !this.#ended.has(id));
    const read = await readFleet(this.#profile, nowMs, open, TRUST_MS);
    // The verdict on a worker's work comes after its end.
    const isSettled = (session: Session) => isOver(session) && session.view.verify !== "running";
    for (const session of read.filter(isSettled)) this.#ended.set(session.view.id, session);
    const byId = new Map(read.map((session) => [session.view.id, session]));
    return ids.map((id) => byId.get(id) ?? this.#ended.get(id)).filter((session) => session !== undefined);
  }
}

/** Whether a session's end is recorded; a lost one's is not. Pure. */
export function isOver({ view }: Session): boolean {
  return view.state === "exited" || view.state === "killed";
}

function fleetStamp(profile: Profile, nowMs: number): number {
  const mtime = statOf(profile.sessions)?.mtime?.getTime() ?? 0;
  return Math.abs(nowMs - mtime) < STAMP_SETTLES_MS ? UNSETTLED : mtime;
}

function sessionIds(profile: Profile): string[] {
  return listEntries(profile.sessions)
    .filter(({ name, isDirectory }) => isDirectory && isId(name) && name !== "pulse")
    .map(({ name }) => name).sort();
}
