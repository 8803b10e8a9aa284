/** JSON in one canonical form, so that equal values have equal text whatever the order of their keys. */

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Canonical JSON text: object keys sorted by code unit, no white space. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const record = value as Record<string, unknown>;
    const parts = Object.keys(record).filter((key) => record[key] !== undefined).sort()
      .map((key) => `${JSON.stringify(key)}:${canonical(record[key])}`);
    return `{${parts.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** Whether a value is a plain JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Whether a value is a plain JSON object whose values all pass. */
export function isRecordOf(value: unknown, fits: (part: unknown) => boolean): boolean {
  return isRecord(value) && Object.values(value).every(fits);
}

/** Whether a value is a list whose items all pass. */
export function isListOf(value: unknown, fits: (part: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}

/** Whether a value is text. */
export function isText(value: unknown): value is string {
  return typeof value === "string";
}
