/**
 * When a schedule is due: the first line of `schedules/<id>.md`, and the due times that it describes. Pure.
 *
 * Cron expressions are read by croner, which is loaded only when a schedule needs it. A clock change neither drops
 * nor doubles a due time: a time that the clock skips is due as much later as the clock jumps, and a time that it
 * repeats is due the first time. Only a cron expression with `*` for the hour goes by elapsed time, as Vixie cron
 * does.
 */
import { UsageError } from "../errors.ts";

/** The rule of a schedule. Times are wall-clock times of `zone`, an IANA name. */
export type When =
  | { kind: "at"; time: string; zone: string }
  | { kind: "every"; every: string; from: string; zone: string }
  | { kind: "cron"; expr: string; zone: string };

/** The due times within a span of time, unix ms. */
export interface DueTimes {
  /** Their number; exact up to {@link MAX_COUNTED}. */
  count: number;
  /** The last one within the span. */
  last: number | undefined;
  /** The first one after the span. */
  next: number | undefined;
}

/** Number of due times of one span that are counted one by one. */
export const MAX_COUNTED = 10_000;

const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: DAY_MS,
  w: 7 * DAY_MS,
};
/** The shortest period of `every`, ms: anything less would be a clock, not a reminder. */
const MIN_EVERY_MS = 60_000;
/** Upper bound of a zone's offset from UTC and of a clock's jump, ms. */
const WIDEST_JUMP_MS = 3 * 3_600_000;

/** The first line of a schedule's file, without its newline. */
export function formatWhen(when: When): string {
  switch (when.kind) {
    case "at":
      return `when: at ${when.time} ${when.zone}`;
    case "every":
      return `when: every ${when.every} from ${when.from} ${when.zone}`;
    case "cron":
      return `when: cron "${when.expr}" ${when.zone}`;
  }
}

/** Parses the first line of a schedule's file; returns the reason when it cannot be used. */
export async function parseWhen(line: string): Promise<When | string> {
  const at = /^when: at (\S+) (\S+)$/.exec(line);
  const every = /^when: every (\S+) from (\S+) (\S+)$/.exec(line);
  const cron = /^when: cron "([^"]*)" (\S+)$/.exec(line);
  const when: When | undefined = at
    ? { kind: "at", time: at[1] as string, zone: at[2] as string }
    : every
    ? { kind: "every", every: every[1] as string, from: every[2] as string, zone: every[3] as string }
    : cron
    ? { kind: "cron", expr: cron[1] as string, zone: cron[2] as string }
    : undefined;
  if (when === undefined) {
    return 'line 1 is none of `when: at TIME ZONE`, `when: every DUR from TIME ZONE`, `when: cron "EXPR" ZONE`';
  }
  return await faultOf(when) ?? when;
}

/** Why a schedule can never be due, or undefined when it can. */
export async function faultOf(when: When): Promise<string | undefined> {
  if (!isZone(when.zone)) return `unknown time zone "${when.zone}"; use an IANA name such as Europe/Berlin`;
  switch (when.kind) {
    case "at":
      return isWallTime(when.time) ? undefined : `"${when.time}" is not a time such as 2026-03-01T09:00`;
    case "every":
      if (!isWallTime(when.from)) return `"${when.from}" is not a time such as 2026-03-01T09:00`;
      return durationFault(when.every);
    case "cron":
      return await cronFault(when.expr);
  }
}

function durationFault(text: string): string | undefined {
  const ms = parseDuration(text);
  if (ms === undefined) return `"${text}" is not a duration such as 90m, 2h, 1d or 1w`;
  return ms < MIN_EVERY_MS ? `"${text}" is shorter than a minute` : undefined;
}

/** The length of `90m`, `2h30m`, `1d` or `1w` in ms; undefined when the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d{1,6}[smhdw])+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+)([smhdw])/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit as string] ?? 0), 0);
}

async function cronFault(expr: string): Promise<string | undefined> {
  try {
    const job = await cronJob(expr, "UTC");
    return job.nextRun(new Date()) === null ? `cron "${expr}" is never due` : undefined;
  } catch (error) {
    return `cron "${expr}": ${(error as Error).message.replace(/^CronPattern: /, "").replace(/\.$/, "")}`;
  }
}

async function cronJob(expr: string, timezone: string) {
  const { Cron } = await import("croner");
  return new Cron(expr, { timezone, paused: true, mode: "5-part" });
}

/** Whether a name is a time zone that this machine knows. */
export function isZone(zone: string): boolean {
  try {
    return formatOf(zone) !== undefined;
  } catch {
    return false;
  }
}

/** Whether a text is a wall-clock time `YYYY-MM-DDTHH:MM[:SS]` of a day that exists. */
function isWallTime(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/.test(text)) return false;
  const ms = Date.parse(`${text}Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** The due times in (`afterMs`, `untilMs`], and the first one after. */
export async function dueTimes(when: When, afterMs: number, untilMs: number): Promise<DueTimes> {
  switch (when.kind) {
    case "at":
      return countTimes([toInstant(when.time, when.zone)], afterMs, untilMs);
    case "every":
      return periodTimes(when, afterMs, untilMs);
    case "cron":
      return await cronTimes(when, afterMs, untilMs);
  }
}

function countTimes(times: readonly number[], afterMs: number, untilMs: number): DueTimes {
  const due = times.filter((time) => time > afterMs && time <= untilMs);
  return {
    count: due.length,
    last: due.at(-1),
    next: times.find((time) => time > Math.max(afterMs, untilMs)),
  };
}

/**
 * The due times of `every`: days and weeks keep their time of day over a clock change; hours and minutes go by
 * elapsed time.
 */
function periodTimes(
  { every, from, zone }: Extract<When, { kind: "every" }>,
  afterMs: number,
  untilMs: number,
): DueTimes {
  const step = parseDuration(every) ?? DAY_MS;
  const first = toInstant(from, zone);
  const wall = Date.parse(`${from}Z`);
  const timeOf = /^(\d+[dw])+$/.test(every)
    ? (n: number) => toInstant(wallText(wall + n * step), zone)
    : (n: number) => first + n * step;
  const last = lastNumber(timeOf, first, step, untilMs);
  const before = lastNumber(timeOf, first, step, afterMs);
  return {
    count: Math.max(0, last - before),
    last: last > before ? timeOf(last) : undefined,
    next: timeOf(Math.max(last, before) + 1),
  };
}

/** The number of the last due time that is not after `ms`; -1 when there is none. */
function lastNumber(timeOf: (n: number) => number, first: number, step: number, ms: number): number {
  if (ms < first) return -1;
  let n = Math.floor((ms - first) / step) + 1;
  while (n > 0 && timeOf(n) > ms) n--;
  return n;
}

async function cronTimes(
  { expr, zone }: Extract<When, { kind: "cron" }>,
  afterMs: number,
  untilMs: number,
): Promise<DueTimes> {
  const byElapsedTime = expr.trim().split(/\s+/)[1] === "*" || expr.trim() === "@hourly";
  const job = await cronJob(expr, byElapsedTime ? zone : "UTC");
  const after = byElapsedTime
    ? (ms: number) => job.nextRun(new Date(ms))?.getTime()
    : (ms: number) => nextByWall((wall) => job.nextRun(new Date(wall))?.getTime(), zone, ms);
  let count = 0;
  let last: number | undefined;
  let next = after(afterMs);
  while (next !== undefined && next <= untilMs && count < MAX_COUNTED) {
    count++;
    last = next;
    next = after(next);
  }
  // Too many to count one by one: the last one is searched for near the end.
  if (next !== undefined && next <= untilMs) {
    for (let at = after(untilMs - DAY_MS); at !== undefined && at <= untilMs; at = after(at)) last = at;
    next = after(untilMs);
  }
  return { count, last, next };
}

/** The first instant after `ms` among the wall-clock times that `nextWall` lists, each as if it were UTC. */
function nextByWall(
  nextWall: (wall: number) => number | undefined,
  zone: string,
  ms: number,
): number | undefined {
  let wall = nextWall(toWall(ms, zone) - WIDEST_JUMP_MS);
  while (wall !== undefined) {
    const instant = toInstant(wallText(wall), zone);
    if (instant > ms) return instant;
    wall = nextWall(wall);
  }
  return undefined;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  formats.set(zone, made);
  return made;
}

/** An instant's wall-clock time in a zone, as the ms of the same time in UTC. */
function toWall(ms: number, zone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(ms)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** `YYYY-MM-DDTHH:MM[:SS]` for a wall-clock time in ms; seconds only when they are not 0. */
function wallText(wall: number): string {
  const text = new Date(wall).toISOString();
  return text.slice(17, 19) === "00" ? text.slice(0, 16) : text.slice(0, 19);
}

/** The wall-clock text of an instant in a zone. */
export function wallTime(ms: number, zone: string): string {
  return wallText(toWall(ms, zone));
}

/** The instant of a wall-clock time: the first of two where the clock repeats it, later where it skips it. */
export function toInstant(time: string, zone: string): number {
  const wall = Date.parse(`${time}Z`);
  const offsets = [wall - DAY_MS, wall + DAY_MS].map((near) => toWall(near, zone) - near);
  const instants = offsets.map((offset) => wall - offset).sort((a, b) => a - b);
  return instants.find((instant) => toWall(instant, zone) === wall) ?? instants.at(-1) as number;
}

/** The zone of this machine, as `TZ` or the system has it. */
export function machineZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** The options of `_ schedule write` that set the time. */
export interface WhenOptions {
  at: string | undefined;
  every: string | undefined;
  cron: string | undefined;
}

/**
 * The schedule that a call asks for; {@link faultOf} still has to check its fields.
 *
 * @throws {UsageError} for none or several of the options.
 */
export function chooseWhen({ at, every, cron }: WhenOptions, zone: string, nowMs: number): When {
  if ([at, every, cron].filter((option) => option !== undefined).length !== 1) {
    throw new UsageError("A schedule needs one of --at, --every and --cron", {
      next: 'as in `looop _ schedule write standup --cron "0 9 * * 1-5" "Write the report"`',
    });
  }
  if (!isZone(zone)) {
    throw new UsageError(`Unknown time zone "${zone}"`, { next: "use an IANA name such as Europe/Berlin" });
  }
  if (cron !== undefined) return { kind: "cron", expr: cron.trim().replace(/\s+/g, " "), zone };
  if (every !== undefined) return { kind: "every", every, from: wallTime(nowMs, zone).slice(0, 16), zone };
  return { kind: "at", time: wallTimeOf(at ?? "", zone, nowMs), zone };
}

/**
 * `09:00` becomes the next such time, a time with an offset that instant in `zone`; any other text stays as it is.
 */
function wallTimeOf(text: string, zone: string, nowMs: number): string {
  const time = text.trim().replace(/^(\d{4}-\d{2}-\d{2}) (?=\d)/, "$1T");
  if (/^\d{2}:\d{2}$/.test(time)) {
    const today = `${wallTime(nowMs, zone).slice(0, 10)}T${time}`;
    if (!isWallTime(today) || toInstant(today, zone) > nowMs) return today;
    return `${wallText(Date.parse(`${today}Z`) + DAY_MS).slice(0, 10)}T${time}`;
  }
  const hasOffset = /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/.test(time);
  const instant = hasOffset ? Date.parse(time) : NaN;
  return Number.isNaN(instant) ? time : wallTime(instant, zone);
}
