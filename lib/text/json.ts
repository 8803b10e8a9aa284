/** JSON in one canonical form: equal values have equal text, whatever the order of their keys. */

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The part of `JSON` that keeps a number as it was written; older Deno versions have no types for it. */
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON: (text: string) => unknown;
  isRawJSON: (value: unknown) => value is { rawJSON: string };
};

/**
 * Parses JSON without losing a digit: an integer that no double can hold (an id beyond 2^53) stays as it was written, so
 * that two such ids are never taken for one. It becomes a `JSON.rawJSON` value, which prints as the same number.
 *
 * @throws {SyntaxError} when the text is not JSON.
 */
export function parseExact(text: string): unknown {
  return /\d{16}/.test(text) ? JSON.parse(text, exactly) : JSON.parse(text);
}

/** Whether a value is a number that {@link parseExact} keeps as it was written. */
export function isExactNumber(value: unknown): boolean {
  return isRawJSON(value);
}

function exactly(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source ?? "";
  return typeof value === "number" && /^-?\d{16,}$/.test(source) && String(value) !== source
    ? rawJSON(source)
    : value;
}

/** Canonical JSON text: object keys sorted by code unit, no white space. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (isRawJSON(value)) return value.rawJSON;
  if (value !== null && typeof value === "object") {
    const record = value as Record<string, unknown>;
    const parts = Object.keys(record).filter((key) => record[key] !== undefined).sort()
      .map((key) => `${JSON.stringify(key)}:${canonical(record[key])}`);
    return `{${parts.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

const UNPRINTABLE = /[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/**
 * JSON text that is safe to print on a terminal. JSON itself escapes only the controls below U+0020; U+009B
 * opens a control sequence just as ESC [ does, and bidirectional overrides reorder what is read.
 */
export function printableJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent) ?? "null";
  return text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Whether a value is a plain JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** The value if it is a plain JSON object, else why it is not; for files whose fields are checked one by one. */
export function checkRecord(value: unknown): Record<string, unknown> | string {
  return isRecord(value) ? value : "not an object";
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

/** The object that a text is in JSON; undefined when it is anything else, such as a line that is being written. */
export function parseRecord(text: string): Record<string, unknown> | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
