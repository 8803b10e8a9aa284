/** This home as its hosts know it: its data dir by a random id, and its machine. */
import type { Profile } from "../paths.ts";
import { machineAtHand } from "../process/place.ts";

/** The surroundings in which hosts are reached. */
export interface PlaceHost {
  profile: Profile;
  env: Readonly<Record<string, string>>;
  now(): number;
}

/** This machine's id; "-" where it cannot be determined without a child process. */
export function machineId(): string {
  return machineAtHand() ?? "-";
}
