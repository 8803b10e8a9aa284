/** Who this home is to its hosts: its data dir by a random id, and its machine. */
import type { Profile } from "../paths.ts";
import { machineAtHand } from "../process/identity.ts";

/** The surroundings in which hosts are reached. */
export interface PlaceHost {
  profile: Profile;
  env: Readonly<Record<string, string>>;
  now(): number;
}

/** This machine's id; "-" where it cannot be had without a child. */
export function machineId(): string {
  return machineAtHand() ?? "-";
}
