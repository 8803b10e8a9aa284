/** Settings from environment variables; not in config.ts, whose parsers the hot path does not load. */

/** A number, or undefined when the variable is unset, empty or no number. */
export function numberFrom(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

const DEFAULT_POLL_MS = 1_000;
const MIN_POLL_MS = 50;

/** A poll period in ms: what the variable says, at least 50, 1000 when it says nothing. */
export function pollMs(text: string | undefined): number {
  const wanted = numberFrom(text);
  return wanted === undefined ? DEFAULT_POLL_MS : Math.max(MIN_POLL_MS, wanted);
}

/** Whether file watches are not to be used (`LOOOP_NO_WATCH=1`), for tests and for file systems that lie. */
export function watchesOff(env: Readonly<Record<string, string>>): boolean {
  return env["LOOOP_NO_WATCH"] === "1";
}
