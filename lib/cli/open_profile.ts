/** Opens the profile for the calls that must be short. */
import type { Profile } from "../paths.ts";
import { openExisting } from "../records/profile_open.ts";

/**
 * Does the work of `openProfile` for a verb of an agent, whose data dir the dispatch has checked; the seeds are loaded
 * only where something is missing. @throws {UserError} as `openProfile` does.
 */
export async function openQuickly(profile: Profile): Promise<void> {
  if (openExisting(profile, true)) return;
  const { openProfile } = await import("../records/profile.ts");
  openProfile(profile);
}
