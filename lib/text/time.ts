/** Times as text, and back. Pure. */

/** The last second of the year 9999, Unix seconds; a later time has no ISO text. */
const LAST_SECOND = 253_402_300_799;

/** A time as ISO 8601 UTC with whole seconds: `2026-03-01T09:00:00Z`. */
export function isoSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** A time as a file name that sorts by age: ISO 8601 UTC with milliseconds, without colons. */
export function fileStamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll(":", "-");
}

/** A time in the machine's zone, `2026-03-01 09:00`; `toLocaleString` takes a hundred times as long. */
export function localMinute(ms: number): string {
  const at = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${
    two(at.getMinutes())
  }`;
}

/** The month of a time in UTC, `2026-03`: the name of an archive's folder. */
export function utcMonth(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

/** RFC 3339 in UTC with nanoseconds, as 0.16 writes its times in `sessions/`. */
export function nanoTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000000Z");
}

/** Unix seconds of a time that another program wrote as seconds, milliseconds or text; 0 when it is no time. */
export function unixSeconds(value: unknown): number {
  const number = typeof value === "string" && value.includes("-") ? Date.parse(value) : Number(value);
  if (!Number.isFinite(number) || number <= 0) return 0;
  const seconds = number > 1e11 ? number / 1000 : number;
  return Math.floor(Math.min(seconds, LAST_SECOND));
}
