/** Time zones: conversion between wall-clock times and instants, for zones of the IANA database and of a calendar. */

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** A time zone. Times are milliseconds since 1970; a wall-clock time is written as if it were UTC. */
export interface Zone {
  name: string;
  /** The difference from UTC to wall-clock time at an instant, ms. */
  offsetAt(instant: number): number;
}

export const UTC: Zone = { name: "UTC", offsetAt: () => 0 };

/** A change of offset: its instant, the old and the new offset, all in ms. */
export interface Transition {
  at: number;
  from: number;
  to: number;
}

/**
 * The instant of a wall-clock time. For a time that occurs twice it is the first; a time that a clock change skips is
 * read with the offset before the change and marked `skipped` (RFC 5545, 3.3.5).
 */
export function instantOf(wall: number, zone: Zone): { instant: number; skipped: boolean } {
  const before = zone.offsetAt(wall - DAY_MS);
  if (zone.offsetAt(wall - before) === before) return { instant: wall - before, skipped: false };
  const after = zone.offsetAt(wall + DAY_MS);
  if (zone.offsetAt(wall - after) === after) return { instant: wall - after, skipped: false };
  return { instant: wall - before, skipped: true };
}

/** The wall-clock time of an instant. */
export function wallOf(instant: number, zone: Zone): number {
  return instant + zone.offsetAt(instant);
}

/** The zone of a list of transitions, in any order. Before the first one its `from` applies. */
export function zoneOfTransitions(name: string, transitions: readonly Transition[]): Zone {
  const sorted = transitions.toSorted((a, b) => a.at - b.at);
  return {
    name,
    offsetAt(instant) {
      let [low, high] = [0, sorted.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sorted[middle]!.at <= instant) low = middle + 1;
        else high = middle;
      }
      return low === 0 ? sorted[0]?.from ?? 0 : sorted[low - 1]!.to;
    },
  };
}

/** Time within which an offset is looked up once, ms: offsets change on the quarter hour. */
const SAME_OFFSET_MS = HOUR_MS / 4;
/** Time within which no zone changes its offset and back, ms: equal offsets at both ends hold throughout. */
const NO_TWO_CHANGES_MS = 8 * DAY_MS;

/** A zone of the IANA database (any name that the runtime knows), or undefined. */
export function ianaZone(name: string): Zone | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
  } catch {
    return undefined;
  }
  const known = new Map<number, number>();
  const look = (instant: number) => {
    const quarter = Math.floor(instant / SAME_OFFSET_MS);
    let offset = known.get(quarter);
    if (offset === undefined) known.set(quarter, offset = offsetIn(format, quarter * SAME_OFFSET_MS));
    return offset;
  };
  return {
    name,
    offsetAt(instant) {
      const start = Math.floor(instant / NO_TWO_CHANGES_MS) * NO_TWO_CHANGES_MS;
      const offset = look(start);
      return look(start + NO_TWO_CHANGES_MS) === offset ? offset : look(instant);
    },
  };
}

function offsetIn(format: Intl.DateTimeFormat, instant: number): number {
  const [month = 1, day = 1, year = 1970, hour = 0, minute = 0, second = 0] = format.format(instant)
    .match(/\d+/g)?.map(Number) ?? [];
  return Date.UTC(year, month - 1, day, hour, minute, second) - instant;
}

/** The zone of this machine (`TZ`, else the system's), by its IANA name. */
export function localZone(): Zone {
  return ianaZone(Intl.DateTimeFormat().resolvedOptions().timeZone) ?? UTC;
}

const FIXED = /^(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?$/i;
/** Names for UTC beyond the database's own; the second is Exchange's. */
const UTC_NAMES = /^(?:Z|tzone:\/\/Microsoft\/Utc)$/i;

/**
 * The zone that a calendar means by a `TZID`.
 *
 * A name of the IANA form wins over the calendar's own definition, which exporters often shorten to the current year.
 * Any other name is first looked up in the calendar itself ("EST" there may well have summer time); then come the
 * names the runtime knows, a database name after a vendor's prefix, a fixed offset, and last Windows' names.
 */
export function findZone(
  tzid: string,
  own: ReadonlyMap<string, Zone>,
  windows: (name: string) => string | undefined,
): Zone | undefined {
  if (UTC_NAMES.test(tzid)) return UTC;
  return (/^[A-Za-z_]+\//.test(tzid) ? ianaZone(tzid) : undefined) ?? own.get(tzid) ?? ianaZone(tzid) ??
    prefixedZone(tzid) ?? fixedZone(tzid) ?? ianaZone(windows(tzid) ?? "-");
}

/** `/mozilla.org/20050126_1/America/Argentina/Salta`: the last two or three parts name the zone. */
function prefixedZone(tzid: string): Zone | undefined {
  if (!tzid.startsWith("/")) return undefined;
  const parts = tzid.split("/");
  return ianaZone(parts.slice(-3).join("/")) ?? ianaZone(parts.slice(-2).join("/"));
}

function fixedZone(tzid: string): Zone | undefined {
  const [, sign, hours, minutes = "0"] = FIXED.exec(tzid) ?? [];
  if (sign === undefined) return undefined;
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === "-" ? -1 : 1);
  return { name: tzid, offsetAt: () => offset };
}
