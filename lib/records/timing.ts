/** Poll periods from the environment. */
import { numberFrom } from "./config_number.ts";

const DEFAULT_POLL_MS = 1_000;
const MIN_POLL_MS = 50;

/** A poll period in ms: what the variable says, at least 50, 1000 when it says nothing. */
export function pollMs(text: string | undefined): number {
  const wanted = numberFrom(text);
  return wanted === undefined ? DEFAULT_POLL_MS : Math.max(MIN_POLL_MS, wanted);
}
