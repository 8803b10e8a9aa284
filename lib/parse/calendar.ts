/** A calendar's content (iCalendar, RFC 5545) in a span of time: every occurrence of every event, as instants. */
import { type Bad, NotUnderstood } from "./bad.ts";
import { type Entry, readEntry } from "./calendar_entries.ts";
import { parseComponents, propertyOf } from "./calendar_lines.ts";
import { endOf, instantOfMoment, type Length, type Moment, wallIn } from "./calendar_values.ts";
import { zonesOf } from "./calendar_zones.ts";
import { occurrencesOf } from "./recurrence.ts";
import { DAY_MS, instantOf, type Zone } from "./zones.ts";

/** A span of time, ms since 1970; `to` is exclusive. */
export interface Span {
  from: number;
  to: number;
}

/** One occurrence of an event. */
export interface CalendarEvent {
  uid: string;
  title: string;
  /** `2026-03-01T08:00:00Z`, or `2026-03-01` for an all-day event. */
  start: string;
  /** The exclusive end, in the same form. */
  end: string;
  all_day: boolean;
  /** The zone in which it recurs; null for all-day events and for times without a zone. */
  zone: string | null;
  location: string;
  url: string;
}

/** The content of a calendar file. */
export interface CalendarReading {
  events: CalendarEvent[];
  bad: Bad[];
  /** How many events were understood, in or outside the span. */
  understood: number;
}

/**
 * Reads one or more calendars. An event that cannot be understood is left out alone; so is a part of one (an odd
 * rule, an exception in an unknown zone). Both are listed in `bad`. Cancelled events are left out.
 *
 * @param local The zone of times without one; by default the calendar's or this machine's.
 * @returns Undefined when the text is not a calendar at all.
 */
export async function parseCalendar(
  text: string,
  span: Span,
  local?: Zone,
): Promise<CalendarReading | undefined> {
  const { root, bad } = parseComponents(text);
  const calendars = root.components.filter(({ name }) => name === "VCALENDAR");
  if (calendars.length === 0) return undefined;
  const entries: Entry[] = [];
  for (const calendar of calendars) {
    const zones = await zonesOf(calendar, local, span.to + MARGIN_MS, bad);
    const cancelled = /^CANCEL$/i.test(propertyOf(calendar, "METHOD")?.value ?? "");
    for (const component of calendar.components) {
      if (component.name !== "VEVENT") continue;
      const entry = readEntry(component, zones, bad);
      if (entry !== undefined) entries.push(cancelled ? { ...entry, cancelled } : entry);
    }
  }
  const found = bySeries(entries).flatMap((series) => occurrencesOfSeries(series, span, bad));
  return { events: inOrder(found), bad: bad.toSorted((a, b) => a.line - b.line), understood: entries.length };
}

/** An event with all entries that replace single occurrences of it. */
interface Series {
  masters: Entry[];
  overrides: Entry[];
}

function bySeries(entries: readonly Entry[]): Series[] {
  const series = Map.groupBy(entries, ({ uid, line }) => uid === "" ? line : uid);
  return [...series.values()].map((all) => {
    const masters = all.filter(({ replaces }) => replaces === undefined);
    const newest = Math.max(...masters.map(({ sequence }) => sequence));
    const overrides = new Map<string, Entry>();
    for (const entry of all) {
      if (entry.replaces === undefined) continue;
      const id = `${instantOfMoment(entry.replaces)} ${entry.onwards}`;
      if ((overrides.get(id)?.sequence ?? 0) <= entry.sequence) overrides.set(id, entry);
    }
    return {
      masters: masters.filter(({ sequence }) => sequence === newest),
      overrides: [...overrides.values()],
    };
  });
}

/** Margin around the span, ms: a zone's offset can move a time in either direction. */
const MARGIN_MS = 2 * DAY_MS;

function occurrencesOfSeries({ masters, overrides }: Series, span: Span, bad: Bad[]): Found[] {
  const own = masters.filter(({ cancelled }) => !cancelled)
    .flatMap((master) => occurrencesOfMaster(master, overrides, span, bad));
  // Each stays where it was moved to, even when the occurrence that it replaced no longer exists.
  const moved = overrides.filter(({ cancelled }) => !cancelled)
    .map((entry) => foundAt(entry, entry.start.wall, entry.start.zone, entry.length));
  return [...own, ...moved].filter((found) =>
    found.begins < span.to && (found.ends > span.from || found.begins >= span.from)
  );
}

/** An occurrence with its instants. */
interface Found {
  begins: number;
  ends: number;
  event: CalendarEvent;
}

function occurrencesOfMaster(master: Entry, overrides: readonly Entry[], span: Span, bad: Bad[]): Found[] {
  const { start } = master;
  const onwards = overrides.filter((entry) => entry.onwards).map((entry) => shiftOf(entry, start.zone))
    .sort((a, b) => b.from - a.from);
  const reach = Math.max(...[master, ...overrides].map(({ length }) => length.days * DAY_MS + length.ms)) +
    Math.max(0, ...onwards.map(({ by }) => Math.abs(by))) + MARGIN_MS;
  const isOut = exclusions(start, [
    ...master.excluded,
    ...overrides.flatMap(({ replaces }) => replaces ?? []),
  ]);
  return times(master, span.from - reach, span.to + reach, bad).flatMap(({ wall, length }) => {
    if (isOut(wall)) return [];
    const shift = onwards.find(({ from }) => wall >= from);
    if (shift === undefined) return [foundAt(master, wall, start.zone, length)];
    if (shift.entry.cancelled) return [];
    return [foundAt(shift.entry, wall + shift.by, start.zone, shift.entry.length)];
  });
}

/** The wall-clock time from which an entry replaces all occurrences, and how far it moves each, ms. */
function shiftOf(entry: Entry, zone: Zone) {
  const from = wallIn(entry.replaces!, zone);
  return { entry, from, by: wallIn(entry.start, zone) - from };
}

/** The wall-clock times of an event within a span of wall-clock time: those of its rules and those added. */
function times(master: Entry, from: number, to: number, bad: Bad[]): { wall: number; length: Length }[] {
  const { start, length } = master;
  const isSkipped = (wall: number) =>
    !start.isDate && wall !== start.wall && instantOf(wall, start.zone).skipped;
  const found = new Map<number, Length>();
  if (master.rules.length === 0) found.set(start.wall, length);
  for (const { rule, until, line } of master.rules) {
    const last = until === undefined ? Infinity : lastWall(until, start);
    try {
      for (const wall of occurrencesOf(rule, start.wall, from, Math.min(to, last), isSkipped)) {
        found.set(wall, length);
      }
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      bad.push({ line, reason: `event "${master.title.slice(0, 80)}": ${error.message}` });
      found.set(start.wall, length);
    }
  }
  for (const { moment, length } of master.added) found.set(wallAs(moment, start), length);
  return [...found].filter(([wall]) => wall >= from && wall <= to).map(([wall, length]) => ({
    wall,
    length,
  }));
}

/** The last wall-clock time that an `UNTIL` admits: the whole day when it is a date (RFC 5545, 3.3.10). */
function lastWall(until: Moment, start: Moment): number {
  if (until.isDate) return until.wall + (start.isDate ? 0 : DAY_MS - 1);
  return wallIn(until, start.zone);
}

/**
 * A time as one of an event's own: a date gets the event's time of day; for an all-day event only the date counts.
 */
function wallAs(moment: Moment, start: Moment): number {
  const wall = wallIn(moment, start.zone);
  if (start.isDate) return midnight(wall);
  return moment.isDate ? wall + (start.wall - midnight(start.wall)) : wall;
}

function midnight(wall: number): number {
  return Math.floor(wall / DAY_MS) * DAY_MS;
}

/** Whether an occurrence is excluded. A date excludes its whole day. */
function exclusions(start: Moment, moments: readonly Moment[]): (wall: number) => boolean {
  const whole = new Set<number>();
  const exact = new Set<number>();
  for (const moment of moments) {
    const wall = wallIn(moment, start.zone);
    if (moment.isDate || start.isDate) whole.add(midnight(wall));
    else exact.add(wall);
  }
  return (wall) => exact.has(wall) || whole.has(midnight(wall));
}

function foundAt(entry: Entry, wall: number, zone: Zone, length: Length): Found {
  const { start, uid, title, location, url } = entry;
  const begins = instantOf(wall, zone).instant;
  const ends = endOf(wall, length, zone);
  const text = start.isDate ? dateText : instantText;
  const [from, to] = start.isDate ? [wall, wall + length.days * DAY_MS] : [begins, ends];
  return {
    begins,
    ends,
    event: {
      uid,
      title,
      start: text(from),
      end: text(to),
      all_day: start.isDate,
      zone: start.floating ? null : start.zone.name,
      location,
      url,
    },
  };
}

function dateText(wall: number): string {
  return new Date(wall).toISOString().slice(0, 10);
}

function instantText(instant: number): string {
  return new Date(instant).toISOString().replace(".000", "");
}

/** Sorts by time and removes duplicates: a file may hold the same event twice. */
function inOrder(found: readonly Found[]): CalendarEvent[] {
  const sorted = found.toSorted((a, b) => a.begins - b.begins || a.event.title.localeCompare(b.event.title));
  const seen = new Set<string>();
  return sorted.map(({ event }) => event).filter(({ uid, start, title }) => {
    const key = JSON.stringify([uid, start, title]);
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}
