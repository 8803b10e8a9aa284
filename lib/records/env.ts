/** Settings from environment variables; kept apart from config.ts, whose parsers the hot path does not load. */

/** The number in a variable; undefined when it is unset, empty or not a number. */
export function numberFrom(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

const DEFAULT_POLL_MS = 1_000;
const MIN_POLL_MS = 50;

/** A poll period in ms: the variable's value, at least 50; 1000 without one. */
export function pollMs(text: string | undefined): number {
  const wanted = numberFrom(text);
  return wanted === undefined ? DEFAULT_POLL_MS : Math.max(MIN_POLL_MS, wanted);
}

/**
 * Whether file watches are turned off (`LOOOP_NO_WATCH=1`), for tests and for file systems that report changes
 * wrongly.
 */
export function watchesOff(env: Readonly<Record<string, string>>): boolean {
  return env["LOOOP_NO_WATCH"] === "1";
}
