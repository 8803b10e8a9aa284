/** The poke: one small write that tells the pulse, by its watch or its next poll, to look at once. */
import type { Profile } from "../paths.ts";
import { touchFile } from "../store.ts";

/** Touches `.poke`. What was done stands without it: a pulse that is not told finds it at its next look. */
export function poke(profile: Profile): void {
  try {
    touchFile(profile.poke);
  } catch {
    // A full disk, or something else in its place: only speed is lost.
  }
}
