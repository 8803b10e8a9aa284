/** A sensor's reading that fits: what it has found, cut to the size that a reading may have, and the rest counted. Pure. */
import { isRecord, printableJson } from "../text/json.ts";

/** A sensor's findings, as the ready-made sensors pass them to their function `report`. */
export interface Found {
  /** Things with the `key` that wakes; or `odd`, what could not be understood. */
  list: Record<string, unknown>[];
  signal?: Record<string, unknown>;
  detail?: Record<string, unknown>;
  /** How many more things there are that were not looked at. */
  left?: number;
  /** How many of them are old, so that they neither wake nor show. */
  unshown?: number;
}

/** Bytes for the keys in the signal, for what was not understood, and for the whole: a reading may have 8192. */
const ROOM = { keys: 2400, odd: 1000, reading: 7700 } as const;
/** Characters of a key; a longer one ends in the sum of it all. */
const KEY_CHARS = 120;
/** Things that the detail may show. */
const MOST_ITEMS = 120;

/**
 * The reading: the signal names the keys, the detail shows the things. What would be too long is cut and counted, and
 * the signal sums up what it has cut, so that a change there wakes, too.
 */
export function fittedReading(
  name: string,
  found: Found,
): { signal: Record<string, unknown>; detail: Record<string, unknown> } {
  const { left = 0, unshown = 0 } = found;
  const odd = found.list.flatMap((one) => typeof one["odd"] === "string" ? [one["odd"]] : []);
  const list = found.list.filter((one) => typeof one["odd"] !== "string");
  const keys = [...new Set(list.flatMap(({ key }) => typeof key === "string" ? [shortKey(key)] : []))].sort();
  const told = fit(keys, ROOM.keys);
  const rest = keys.slice(told.length);
  const more = rest.length + left;
  const signal = {
    ...found.signal,
    [name]: told.map(tidy),
    ...(odd.length > 0 ? { not_understood: odd.length } : {}),
    ...(more > 0 ? { more: { count: more, sum: sumOf(rest) } } : {}),
  };
  const detail = {
    ...tidy(found.detail ?? {}) as Record<string, unknown>,
    ...(odd.length > 0 ? { not_understood: fit(odd.map(tidy), ROOM.odd) } : {}),
  };
  const shown = list.slice(0, MOST_ITEMS).map(({ key: _key, ...item }) => tidy(item));
  const items = fit(shown, ROOM.reading - sizeOf([signal, detail]));
  return { signal, detail: { ...detail, items, cut: list.length - items.length + left + unshown } };
}

function shortKey(key: string): string {
  return key.length > KEY_CHARS ? `${[...key].slice(0, KEY_CHARS - 20).join("")}~${sumOf(key)}` : key;
}

/** As many of the first values as fit into so many bytes of JSON. */
function fit<T>(values: readonly T[], bytes: number): T[] {
  let used = 2;
  const end = values.findIndex((value) => (used += sizeOf(value) + 1) > bytes);
  return end < 0 ? [...values] : values.slice(0, end);
}

function sizeOf(value: unknown): number {
  return new TextEncoder().encode(printableJson(value)).length;
}

/** A number that changes with the value. */
function sumOf(value: unknown): number {
  let sum = 7;
  for (const char of JSON.stringify(value)) sum = (sum * 31 + char.codePointAt(0)!) % 2147483647;
  return sum;
}

/** No control characters, and nothing long: texts of 200 characters, lists of 10, objects of 16. */
function tidy(value: unknown): unknown {
  if (typeof value === "string") return [...value].slice(0, 200).join("").replace(/\p{Cc}/gu, " ");
  if (Array.isArray(value)) {
    return value.slice(0, 10).map(tidy).map((one) => typeof one === "string" ? one.slice(0, 60) : one);
  }
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).slice(0, 16).map(([name, one]) => [name, tidy(one)]));
}
