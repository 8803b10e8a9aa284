/** Opens a profile that exists, without what is needed to make one. */
import type { Profile } from "../paths.ts";
import { exists, makeDir } from "../store.ts";
import { ensureHome } from "./home.ts";
import { checkProfile, refuseLinks } from "./profile_check.ts";

/**
 * Checks the data dir, unless that was done; false when its layout or seeds are missing. @throws {UserError} as
 * `openProfile` does.
 */
export function openExisting(profile: Profile, isChecked = false): boolean {
  if (!isChecked) checkProfile(profile);
  refuseLinks(profile);
  makeDir(profile.dir);
  if (!exists(profile.format) || !exists(profile.config)) return false;
  nameHome(profile);
  return true;
}

/** Gives the data dir its id. One that is read-only at the moment can still be read. */
function nameHome(profile: Profile): void {
  try {
    ensureHome(profile);
  } catch {
    // The next thing that needs to write reports the fault.
  }
}
