/** Recurrence rules (RFC 5545, 3.3.10): an adapter to the library that computes them, on wall-clock time. */
import { RRuleTemporal } from "rrule-temporal";
import { NotUnderstood } from "./bad.ts";
import { DAY_MS } from "./zones.ts";

/** A checked rule; its end is kept apart from its pattern. */
export interface Rule {
  /** FREQ, INTERVAL, WKST and BY… parts, as text. */
  pattern: string;
  count?: number;
  /** `UNTIL` as written. */
  until?: string;
}

const list = (item: string) => new RegExp(`^${item}(,${item})*$`);
const upTo = (pattern: string) => list(`[+-]?0*(${pattern})`);
/**
 * The valid values of each part of a rule; the library drops parts that it does not know, which would change the
 * rule.
 */
const PARTS: Readonly<Record<string, RegExp>> = {
  FREQ: /^(SECONDLY|MINUTELY|HOURLY|DAILY|WEEKLY|MONTHLY|YEARLY)$/,
  INTERVAL: /^0*[1-9]\d{0,5}$/,
  COUNT: /^0*[1-9]\d{0,5}$/,
  UNTIL: /./,
  WKST: /^(MO|TU|WE|TH|FR|SA|SU)$/,
  BYSECOND: list("(60|[0-5]?\\d)"),
  BYMINUTE: list("[0-5]?\\d"),
  BYHOUR: list("(2[0-3]|[01]?\\d)"),
  BYDAY: list("([+-]?0*([1-9]|[1-4]\\d|5[0-3]))?(MO|TU|WE|TH|FR|SA|SU)"),
  BYMONTHDAY: upTo("[1-9]|[12]\\d|3[01]"),
  BYYEARDAY: upTo("[1-9]|[1-9]\\d|[12]\\d\\d|3[0-5]\\d|36[0-6]"),
  BYWEEKNO: upTo("[1-9]|[1-4]\\d|5[0-3]"),
  BYMONTH: list("0*([1-9]|1[0-2])"),
  BYSETPOS: upTo("[1-9]\\d{0,2}"),
  // Other calendars, and moving dates that do not exist, are not supported (RFC 7529).
  RSCALE: /^GREGORIAN$/,
  SKIP: /^OMIT$/,
};

/** Parses a rule. @throws {NotUnderstood} on a part that is unknown or out of its range. */
export function parseRule(text: string): Rule {
  const parts = text.toUpperCase().replace(/\s/g, "").split(";").filter((part) => part !== "")
    .map((part) => part.split("=") as [string, string]);
  const odd = parts.find(([name, value]) => PARTS[name]?.test(value ?? "") !== true);
  if (odd !== undefined) throw new NotUnderstood(`recurrence "${text}": ${odd.join("=")}`);
  const value = (name: string) => parts.find(([key]) => key === name)?.[1];
  if (value("FREQ") === undefined) throw new NotUnderstood(`recurrence "${text}" has no FREQ`);
  const numbered = /\d/.test(value("BYDAY") ?? "");
  const limited = value("BYYEARDAY")
    ? value("BYDAY") ?? value("BYMONTHDAY")
    : numbered && value("BYMONTHDAY");
  if (value("BYSETPOS") && limited) {
    throw new NotUnderstood(`recurrence "${text}": BYSETPOS of days that two parts limit`);
  }
  const [count, until] = [value("COUNT"), value("UNTIL")];
  return {
    pattern: parts.filter(([name]) => !["COUNT", "UNTIL", "RSCALE", "SKIP"].includes(name))
      .map((part) => part.join("=")).join(";"),
    ...(count === undefined ? {} : { count: Number(count) }),
    ...(until === undefined ? {} : { until }),
  };
}

/** The values of a part, split; undefined when the rule does not have it. */
function valuesOf(pattern: string, name: string): string[] | undefined {
  return new RegExp(`(?:^|;)${name}=([^;]*)`).exec(pattern)?.[1]?.split(",");
}

/**
 * Whether all parts of a rule allow a day: the library lets some days through that one part of several rules out (a
 * weekday beside BYYEARDAY, a 53rd Friday that is the next year's first).
 */
function dayFilter(pattern: string): (wall: number) => boolean {
  const numbers = (name: string) => valuesOf(pattern, name)?.map(Number);
  const [months, monthDays, yearDays] = ["BYMONTH", "BYMONTHDAY", "BYYEARDAY"].map(numbers);
  const weekdays = valuesOf(pattern, "BYDAY")?.map((item) => ({
    number: Number(item.slice(0, -2)),
    day: WEEKDAYS.indexOf(item.slice(-2)),
  }));
  const isYearly = /FREQ=YEARLY/.test(pattern);
  const numbered = /FREQ=(YEARLY|MONTHLY)/.test(pattern);
  return (wall) => {
    const date = new Date(wall);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    const day = Math.floor(wall / DAY_MS);
    const inMonth = placeIn(day, Date.UTC(year, month), Date.UTC(year, month + 1));
    const inYear = placeIn(day, Date.UTC(year, 0), Date.UTC(year + 1, 0));
    const within = isYearly && months === undefined ? inYear : inMonth;
    return (months?.includes(month + 1) ?? true) &&
      (monthDays?.some((n) => inMonth.includes(n)) ?? true) &&
      (yearDays?.some((n) => inYear.includes(n)) ?? true) &&
      (weekdays?.some((weekday) =>
        weekday.day === date.getUTCDay() &&
        (weekday.number === 0 || !numbered || within.some((n) => weekOf(n) === weekday.number))
      ) ?? true);
  };
}

const WEEKDAYS = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];

/** The number of a day in a span, counted from its start (1, 2, …) and from its end (-1, -2, …). */
function placeIn(day: number, start: number, end: number): [number, number] {
  return [day - start / DAY_MS + 1, day - end / DAY_MS];
}

/** The ordinal, among days of its weekday, of the n-th day of a span, counted from the same end. */
function weekOf(n: number): number {
  return n > 0 ? Math.ceil(n / 7) : Math.floor(n / 7);
}

/** Steps after which the library gives up, so that even a rule that matches nothing ends in under a second. */
const MAX_STEPS = 100_000;

/**
 * The wall-clock times of a rule in a span, in order (ms, as if UTC), both ends included. The first is `start`
 * itself, which counts as an occurrence whether it fits the rule or not (RFC 5545, 3.8.5.3).
 *
 * `isSkipped` says which times no clock shows: these do not count (3.3.10).
 *
 * @throws {NotUnderstood} when there are more than 100,000 times, or more steps between two of them.
 */
export function occurrencesOf(
  rule: Rule,
  start: number,
  from: number,
  to: number,
  isSkipped: (wall: number) => boolean,
): number[] {
  if (to < start) return [];
  // BYSETPOS positions are counted before anything could be filtered.
  const isAllowed = rule.pattern.includes("BYSETPOS=") ? () => true : dayFilter(rule.pattern);
  const counts = (wall: number) => wall === start || (isAllowed(wall) && !isSkipped(wall));
  if (rule.count === undefined) return between(rule, start, Math.max(from, start), to).filter(counts);
  for (let count = rule.count;;) {
    const walls = between({ ...rule, count }, start, start, to);
    const others = walls.filter((wall) => !counts(wall)).length;
    if (count === rule.count + others) return walls.filter((wall) => wall >= from && counts(wall));
    count = rule.count + others;
  }
}

function between({ pattern, count }: Rule, start: number, from: number, to: number): number[] {
  const limit = count === undefined ? "" : `;COUNT=${count}`;
  try {
    const rule = new RRuleTemporal({
      rruleString: `DTSTART;TZID=UTC:${basicFormat(start)}\nRRULE:${pattern}${limit}`,
      includeDtstart: true,
      maxIterations: MAX_STEPS,
    });
    return rule.between(new Date(from), new Date(to), true).map(({ epochMilliseconds }) => epochMilliseconds);
  } catch (error) {
    const why = /exceeded/.test((error as Error).message) ? "too many steps" : (error as Error).message;
    throw new NotUnderstood(`recurrence "${pattern}${limit}": ${why}`);
  }
}

function basicFormat(wall: number): string {
  return new Date(wall).toISOString().slice(0, 19).replace(/[-:]/g, "");
}
