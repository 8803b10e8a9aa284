/** The poke: one small write that tells the pulse, by its watch or its next poll, to look at once. */
import type { Profile } from "./paths.ts";
import { fault } from "./store.ts";

/** Touches `.poke`. */
export function poke(profile: Profile): void {
  try {
    Deno.writeTextFileSync(profile.poke, "\n", { mode: 0o600 });
  } catch (error) {
    throw fault("write", profile.poke, error);
  }
}
