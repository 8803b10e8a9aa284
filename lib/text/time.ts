/** Times as text. Pure. */

/** A time as ISO 8601 UTC with whole seconds: `2026-03-01T09:00:00Z`. */
export function isoSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** A time as a file's name that sorts by age: ISO 8601 UTC with milliseconds, without colons. */
export function fileStamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll(":", "-");
}

/** The month of a time in UTC, `2026-03`: the name of an archive's folder. */
export function utcMonth(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}
