/** Opens the profile for the calls that must be short. */
import type { Profile } from "../paths.ts";
import { openExisting } from "../records/profile_open.ts";

/** Does the work of `openProfile`; the seeds are loaded only where something is missing. @throws {UserError} as that does. */
export async function openQuickly(profile: Profile): Promise<void> {
  if (openExisting(profile)) return;
  const { openProfile } = await import("../records/profile.ts");
  openProfile(profile);
}
