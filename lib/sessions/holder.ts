/** The holders of leases: whether they live, and the leases of those that do not. */
import { isId } from "../ids.ts";
import type { Profile } from "../paths.ts";
import { exists } from "../store.ts";
import { runsOn } from "./notes.ts";
import { findSession, readFleet, type Session } from "./session.ts";
import { sessionDir } from "./run_files.ts";

/** The session that holds a lease, and its generation. */
interface Held {
  session: string;
  gen: string;
}

/** Whether a lease's holder has ended or is of another generation. Unknown is not gone. */
export async function isGone(
  profile: Profile,
  { session, gen }: Held,
  nowMs: number,
): Promise<boolean> {
  const holder = await findSession(profile, session, nowMs);
  // 0.16 and people claim under names without a session: nothing can be alive under such a name.
  if (holder === undefined) return !isUnreadable(profile, session);
  return await isOver(profile, holder, gen);
}

/** Whether the run that took a lease is over. A lost run is not, while its agent still works on the task. */
async function isOver(profile: Profile, holder: Session, gen: string): Promise<boolean> {
  if (gen !== "" && gen !== holder.gen) return true;
  return !holder.view.alive && !await runsOn(profile, holder);
}

/** Whether a session exists whose record cannot be read: it may well be alive. */
function isUnreadable(profile: Profile, session: string): boolean {
  return isId(session) && exists(sessionDir(profile, session));
}

/** Those of these leases whose holder has ended; liveness is checked anew, and an unknown one has not. */
export async function withoutHolder<L extends Held>(
  profile: Profile,
  leases: readonly L[],
  nowMs: number,
): Promise<L[]> {
  const fleet = await readFleet(profile, nowMs, [...new Set(leases.map((lease) => lease.session))]);
  const byId = new Map(fleet.map((session) => [session.view.id, session]));
  const stale: L[] = [];
  for (const lease of leases) {
    const holder = byId.get(lease.session);
    const over = holder === undefined
      ? lease.gen !== "" && !isUnreadable(profile, lease.session)
      : await isOver(profile, holder, lease.gen);
    if (over) stale.push(lease);
  }
  return stale;
}
