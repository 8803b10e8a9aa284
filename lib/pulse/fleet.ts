/** Reads the fleet for the pulse, look after look, at a cost that depends on the living workers. */
import type { Profile } from "../paths.ts";
import { FolderMemory } from "../sessions/folder_memory.ts";
import { readFleet, type Session, sessionIdsNow, statusPath } from "../sessions/session.ts";
import { settledStamp, STAMP_SETTLES_MS, statOf } from "../store.ts";

/** Time for which a verified supervisor is trusted, ms; every look checks that its process exists. */
const TRUST_MS = 5_000;
/** A value that no folder's time can have. */
const UNSETTLED = -1;

/** Reads the sessions; those known to have ended are not read again while their folders are unchanged. */
export class Fleet {
  readonly #profile: Profile;
  readonly #ended: FolderMemory<Session>;
  #stamp = 0;
  #isRunningSettled = true;

  /** @param version The program's, since another one may see more in the same files. */
  constructor(profile: Profile, version: string) {
    this.#profile = profile;
    this.#ended = new FolderMemory(profile, {
      path: `${profile.cache}/ended.json`,
      of: `${version} ${profile.dir}`,
      isKept: (session) => isOver(session) && session.isAnothers === undefined,
    });
  }

  /** Keeps what is known of ended sessions for the next pulse. */
  async save(): Promise<void> {
    await this.#ended.save();
  }

  /** The time of `sessions/` at the last look, unix ms, 0 when there is none. */
  get stamp(): number {
    return this.#stamp;
  }

  /**
   * Whether any change after the last look would have left a different time, on the folder and on running sessions.
   */
  get isSettled(): boolean {
    return this.#stamp !== UNSETTLED && this.#isRunningSettled;
  }

  /** All workers, sorted by id. */
  async read(nowMs: number): Promise<Session[]> {
    this.#stamp = fleetStamp(this.#profile, nowMs);
    await this.#ended.refresh(nowMs);
    const ids = sessionIdsNow(this.#profile, nowMs);
    const open = ids.filter((id) => this.#ended.get(id) === undefined);
    const stamps = new Map(open.map((id) => [id, settledStamp(statusPath(this.#profile, id), nowMs)]));
    const read = await readFleet(this.#profile, nowMs, open, TRUST_MS);
    for (const session of read) {
      const stamp = stamps.get(session.view.id);
      if (stamp !== undefined) session.statusStamp = stamp;
    }
    this.#isRunningSettled = read.every(({ view, statusStamp }) =>
      view.state !== "running" || statusStamp !== undefined
    );
    // The verdict on a worker's work comes after its end.
    const isSettled = (session: Session) => isOver(session) && session.view.verify !== "running";
    for (const session of read.filter(isSettled)) this.#ended.offer(session.view.id, session, nowMs);
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
