/**
 * Detects that an agent CLI's account or model is used up for now: a fact about the worker, with the time at which it
 * ends where the CLI names it. Pure.
 *
 * Each CLI's words are those that its users report in its public issue tracker. A worker may write about rate limits,
 * too, so a row matches only the CLI's own sentence.
 */
import { toInstant, wallTime } from "../records/schedule_times.ts";

/** A limit that an agent has reached. */
export interface Limit {
  /** When it ends, unix ms; undefined where the CLI does not say. */
  until: number | undefined;
  /** The CLI's own line. */
  line: string;
  /** Number of lines below it. */
  after: number;
}

/** Sentences by preset; those under `""` are of model services, which any CLI may show. */
const SENTENCES: Readonly<Record<string, readonly RegExp[]>> = {
  claude: [
    /you['’]ve hit your (session|weekly|usage|\w+) limit/i,
    /\b(claude )?(usage|5-hour|weekly|opus|session) limit reached\b/i,
    /your limit will reset at/i,
  ],
  codex: [
    /you['’]ve hit your usage limit/i,
    /exceeded retry limit, last status: 429/i,
  ],
  gemini: [
    /you have exhausted your (capacity|daily quota)/i,
    /your quota will reset after/i,
    /\bRESOURCE_EXHAUSTED\b/,
    /\b(usage limit|quota) (reached|exceeded) for/i,
  ],
  qwen: [/quota exceeded\b/i, /free daily quota has been reached/i, /allocated quota exceeded/i],
  copilot: [
    /you['’]ve (hit|reached|exceeded) your .{0,40}(rate|request|premium|usage|session|weekly) ?(limit|requests|allowance|quota)/i,
    /"code":"rate_limited"/,
    /\brate limit exceeded\b/i,
  ],
  opencode: [/usage limit (has been )?reached/i, /\bretrying in \d+\s?[smh]/i, /quota exceeded\b/i],
  pi: [/usage limit/i, /\bretrying \(\d+\/\d+\)/i, /quota exceeded\b/i],
  "": [
    /\brate_limit_error\b/,
    /\binsufficient_quota\b/,
    /\b429\b.{0,40}(too many requests|rate.?limit)/i,
    /\bstatus: 429\b/i,
  ],
};

/** Number of a screen's last lines that may hold the agent's last message. */
const LAST_LINES = 12;
/** Length at which a kept line is cut, characters. */
const MAX_LINE = 200;
/** Number of lines after the sentence on which a wrapped reset time may be. */
const WRAPPED_LINES = 2;

/**
 * The limit that the last lines of a worker's screen or transcript report, or undefined.
 *
 * @param preset the runner's preset; "" for a program that looop does not know.
 * @param lines plain text, oldest first.
 * @param zone the machine's time zone, for times without one.
 */
export function limitOf(
  preset: string,
  lines: readonly string[],
  nowMs: number,
  zone: string,
): Limit | undefined {
  const last = lines.filter((line) => line.trim() !== "").slice(-LAST_LINES);
  const rows = [...SENTENCES[preset] ?? [], ...SENTENCES[""] ?? []];
  for (let at = last.length - 1; at >= 0; at--) {
    const line = last[at] ?? "";
    if (!rows.some((row) => row.test(line))) continue;
    const text = last.slice(at, at + 1 + WRAPPED_LINES).join(" ");
    return {
      until: resetTime(text, nowMs, zone),
      line: line.trim().slice(0, MAX_LINE),
      after: last.length - 1 - at,
    };
  }
  return undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
};
/** `2 days 17 hours 14 minutes`, `8h44m7s`, `60 seconds`, `~32 min`. */
const DURATION =
  /(?:in|after)\s+(?:about |~)?((?:\d+(?:\.\d+)?\s*(?:days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|[dhms])[\s,]*)+)/i;
/** `resets 8:30pm (Asia/Tokyo)`, `reset at 3pm`, `try again at 2:51 PM`. */
const CLOCK =
  /(?:resets?|again|until)\s+(?:at\s+)?(?:([A-Z][a-z]{2})\w* (\d{1,2})(?:st|nd|rd|th)?(?:,? (\d{4}))?(?:,)?(?: at)? )?(\d{1,2})(?::(\d{2}))?\s*([ap]m)?(?:\s*\(([A-Za-z_]+\/[A-Za-z_/+-]+|UTC|GMT)\))?/i;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The time at which a limit ends, as a CLI's sentence names it; undefined when it names none. */
export function resetTime(text: string, nowMs: number, zone: string): number | undefined {
  const unix = /\|(\d{10})\b/.exec(text)?.[1];
  if (unix !== undefined) return Number(unix) * 1000;
  const iso = /\b(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))/.exec(text)?.[1];
  if (iso !== undefined) return Date.parse(iso);
  return clockTime(text, nowMs, zone) ?? durationTime(text, nowMs);
}

function durationTime(text: string, nowMs: number): number | undefined {
  const found = DURATION.exec(text)?.[1];
  if (found === undefined) return undefined;
  const parts = [...found.matchAll(/(\d+(?:\.\d+)?)\s*([dhms])/gi)];
  return nowMs +
    parts.reduce(
      (sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[(unit ?? "").toLowerCase()] ?? 0),
      0,
    );
}

function clockTime(text: string, nowMs: number, zone: string): number | undefined {
  const found = CLOCK.exec(text);
  if (found === null) return undefined;
  const [, month, day, year, hourText, minute, half, named] = found;
  // "try again in 3 hours" has no clock; a bare number is one only with minutes or am/pm.
  if (minute === undefined && half === undefined) return undefined;
  const hour = hourOf(Number(hourText), half?.toLowerCase());
  if (hour === undefined) return undefined;
  const two = (n: number) => String(n).padStart(2, "0");
  const time = `T${two(hour)}:${minute ?? "00"}`;
  const where = isKnownZone(named) ? named : zone;
  const today = wallTime(nowMs, where);
  if (month !== undefined && MONTHS.includes(month)) {
    const date = `${year ?? today.slice(0, 4)}-${two(MONTHS.indexOf(month) + 1)}-${two(Number(day))}`;
    const instant = toInstant(`${date}${time}`, where);
    return Number.isNaN(instant) ? undefined : instant;
  }
  const instant = toInstant(`${today.slice(0, 10)}${time}`, where);
  return instant > nowMs ? instant : instant + UNIT_MS["d"]!;
}

function hourOf(hour: number, half: string | undefined): number | undefined {
  if (half === undefined) return hour < 24 ? hour : undefined;
  if (hour < 1 || hour > 12) return undefined;
  return hour % 12 + (half === "pm" ? 12 : 0);
}

function isKnownZone(zone: string | undefined): zone is string {
  if (zone === undefined) return false;
  try {
    wallTime(0, zone);
    return true;
  } catch {
    return false;
  }
}
