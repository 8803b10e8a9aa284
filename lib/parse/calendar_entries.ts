/** One event of a calendar (`VEVENT`) as written: the rules of its occurrences, not yet their times. */
import { type Bad, NotUnderstood } from "./bad.ts";
import { type Component, type Property, propertyOf, textOf } from "./calendar_lines.ts";
import {
  instantOfMoment,
  type Length,
  type Moment,
  parseDuration,
  parseMoment,
  type ZoneLookup,
} from "./calendar_values.ts";
import { parseRule, type Rule } from "./recurrence.ts";
import { DAY_MS } from "./zones.ts";

/** One `VEVENT`. */
export interface Entry {
  line: number;
  uid: string;
  sequence: number;
  title: string;
  location: string;
  url: string;
  cancelled: boolean;
  start: Moment;
  length: Length;
  rules: { rule: Rule; until: Moment | undefined; line: number }[];
  added: { moment: Moment; length: Length }[];
  excluded: Moment[];
  /** The occurrence that it replaces; with `onwards`, all later ones, too. */
  replaces: Moment | undefined;
  onwards: boolean;
}

/** An event, or undefined when it has no start that is understood. Parts that are not understood go into `bad`. */
export function readEntry(component: Component, zones: ZoneLookup, bad: Bad[]): Entry | undefined {
  const title = textOf(propertyOf(component, "SUMMARY"));
  const uid = propertyOf(component, "UID")?.value ?? "";
  const name = `event "${(title || uid || "without a title").slice(0, 80)}"`;
  /**
   * The result of `read` for each value of these properties; values it does not understand are reported and left out.
   */
  const each = <T>(names: string, read: (value: string, property: Property) => T): T[] =>
    component.properties.filter((property) => names.split(" ").includes(property.name))
      .flatMap((property) =>
        valuesOf(property).flatMap((value) => {
          try {
            return [read(value, property)];
          } catch (error) {
            if (!(error instanceof NotUnderstood)) throw error;
            bad.push({ line: property.line, reason: `${name}: ${property.name}: ${error.message}` });
            return [];
          }
        })
      );
  const moment = (value: string, { params }: Property) => parseMoment(value, params, zones);
  const start = each("DTSTART", moment)[0];
  if (start === undefined) {
    if (propertyOf(component, "DTSTART") === undefined) {
      bad.push({ line: component.line, reason: `${name}: has no DTSTART` });
    }
    return undefined;
  }
  const length = each("DTEND", moment).map((end) => lengthBetween(start, end))[0] ??
    each("DURATION", (value) => lengthFrom(start, parseDuration(value)))[0] ?? lengthBetween(start, start);
  each("EXRULE", () => {
    throw new NotUnderstood("exceptions by a rule are no part of iCalendar any more");
  });
  const replaced =
    each("RECURRENCE-ID", (value, property) => ({ moment: moment(value, property), property }))[0];
  return {
    line: component.line,
    uid,
    sequence: Number(propertyOf(component, "SEQUENCE")?.value) || 0,
    title,
    location: textOf(propertyOf(component, "LOCATION")),
    url: propertyOf(component, "URL")?.value ?? "",
    cancelled: /^CANCELLED$/i.test(propertyOf(component, "STATUS")?.value ?? ""),
    start,
    length,
    rules: each("RRULE", (value, { line }) => readRule(value, line, zones)),
    added: each("RDATE", (value, { params }) => readPeriod(value, params, length, zones)),
    excluded: each("EXDATE", moment),
    replaces: replaced?.moment,
    onwards: /^THISANDFUTURE$/i.test(replaced?.property.params["RANGE"] ?? ""),
  };
}

/** Properties that hold several values. */
const LISTS = ["RDATE", "EXDATE"];

function valuesOf({ name, value }: Property): string[] {
  return LISTS.includes(name) ? value.split(",").filter((part) => part.trim() !== "") : [value];
}

function readRule(value: string, line: number, zones: ZoneLookup) {
  const rule = parseRule(value);
  return { rule, line, until: rule.until === undefined ? undefined : parseMoment(rule.until, {}, zones) };
}

function readPeriod(value: string, params: Property["params"], usual: Length, zones: ZoneLookup) {
  const [begin = "", end] = value.split("/");
  const moment = parseMoment(begin, params, zones);
  if (end === undefined) return { moment, length: usual };
  const length = /^[+-]?P/i.test(end)
    ? lengthFrom(moment, parseDuration(end))
    : lengthBetween(moment, parseMoment(end, params, zones));
  return { moment, length };
}

/** The time between two moments: in whole days, at least one, between dates; otherwise exact, and never negative. */
function lengthBetween(start: Moment, end: Moment): Length {
  if (start.isDate) return { days: Math.max(1, Math.round((end.wall - start.wall) / DAY_MS)), ms: 0 };
  return { days: 0, ms: Math.max(0, instantOfMoment(end) - instantOfMoment(start)) };
}

function lengthFrom(start: Moment, { days, ms }: Length): Length {
  return start.isDate ? { days: Math.max(1, days + Math.floor(ms / DAY_MS)), ms: 0 } : { days, ms };
}
