/** Values of iCalendar properties: times, durations, recurrence rules. Lenient about form, strict about meaning. */
import { NotUnderstood } from "./bad.ts";
import type { Property } from "./calendar_lines.ts";
import { DAY_MS, instantOf, UTC, wallOf, type Zone } from "./zones.ts";

/** A date or a time: its wall-clock time (ms, as if UTC) in a zone. A date's time is midnight. */
export interface Moment {
  wall: number;
  zone: Zone;
  isDate: boolean;
  /** Whether it has no zone of its own, so that `zone` is the reader's. */
  floating: boolean;
}

/** How to find a property's zone. */
export interface ZoneLookup {
  /** The zone of dates, and of times without a zone. */
  local: Zone;
  byId(tzid: string): Zone | undefined;
}

const TIME =
  /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ](\d{2}):?(\d{2})(?::?(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/i;

/** Parses one date or time of a property. @throws {NotUnderstood} */
export function parseMoment(text: string, params: Property["params"], zones: ZoneLookup): Moment {
  const [, year, month, day, hour, minute, second = "0", suffix] = TIME.exec(text.trim()) ?? [];
  const date = wallTime(Number(year), Number(month), Number(day));
  if (date === undefined) throw new NotUnderstood(`"${text}" is no date or time`);
  if (hour === undefined || params["VALUE"]?.toUpperCase() === "DATE") {
    return { wall: date, zone: zones.local, isDate: true, floating: true };
  }
  const [h, m, s] = [Number(hour), Number(minute), Math.min(59, Number(second))];
  if (h > 24 || m > 59 || Number(second) > 60) throw new NotUnderstood(`"${text}" is no date or time`);
  const wall = date + ((h * 60 + m) * 60 + s) * 1000;
  if (suffix !== undefined) {
    return { wall: wall - offsetOf(suffix), zone: UTC, isDate: false, floating: false };
  }
  const tzid = params["TZID"]?.trim() ?? "";
  if (tzid === "") return { wall, zone: zones.local, isDate: false, floating: true };
  const zone = zones.byId(tzid);
  if (zone === undefined) throw new NotUnderstood(`time zone "${tzid}" is not known`);
  return { wall, zone, isDate: false, floating: false };
}

function wallTime(year: number, month: number, day: number): number | undefined {
  const time = new Date(0);
  time.setUTCFullYear(year, month - 1, day);
  return time.getUTCMonth() === month - 1 && time.getUTCDate() === day ? time.getTime() : undefined;
}

const OFFSET = /^([+-])(\d{2}):?(\d{2})(?::?(\d{2}))?$/;

/** `Z`, `+0100` or `-033000` in ms. @throws {NotUnderstood} */
export function offsetOf(text: string): number {
  if (/^z$/i.test(text)) return 0;
  const [, sign, hours, minutes, seconds = "0"] = OFFSET.exec(text.trim()) ?? [];
  if (sign === undefined) throw new NotUnderstood(`"${text}" is no offset from UTC`);
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
  return sign === "-" ? -ms : ms;
}

/** The instant of a moment. */
export function instantOfMoment({ wall, zone }: Moment): number {
  return instantOf(wall, zone).instant;
}

/** A moment's wall-clock time as a clock in another zone shows it; a moment without a zone is the same everywhere. */
export function wallIn(moment: Moment, zone: Zone): number {
  if (moment.floating || moment.zone === zone) return moment.wall;
  return wallOf(instantOfMoment(moment), zone);
}

/** A duration: whole calendar days, then exact time. */
export interface Length {
  days: number;
  ms: number;
}

const DURATION =
  /^([+-])?P(?:(\d{1,5})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?$/i;

/** Parses a `DURATION`. @throws {NotUnderstood} */
export function parseDuration(text: string): Length {
  const parts = DURATION.exec(text.trim());
  if (parts === null || parts.slice(2).every((part) => part === undefined)) {
    throw new NotUnderstood(`"${text}" is no duration`);
  }
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(2).map((part) =>
    Number(part ?? 0)
  );
  const sign = parts[1] === "-" ? -1 : 1;
  return { days: sign * (weeks * 7 + days), ms: sign * ((hours * 60 + minutes) * 60 + seconds) * 1000 };
}

/** The instant of the end, for a start in wall-clock time: days are added on the calendar, the rest on the clock. */
export function endOf(wall: number, length: Length, zone: Zone): number {
  return instantOf(wall + length.days * DAY_MS, zone).instant + length.ms;
}
