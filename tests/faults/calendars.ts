/** Compares the reading of random calendars with a second implementation, in Python, where that is available. */
import { parseCalendar } from "../../lib/parse/calendar.ts";
import { UTC } from "../../lib/parse/zones.ts";
import { Tally } from "./lab.ts";

const COUNT = Deno.env.get("LOOOP_FAULTS") === "ci" ? 300 : 3_000;
const SEED = Number(Deno.env.get("LOOOP_SEED") ?? 1);
const PROGRAM = new URL("calendars.py", import.meta.url).pathname;
const PACKAGES = ["icalendar==7.3.2", "recurring-ical-events==3.8.2"];

/** A calendar, a span, and the starts that the second implementation finds in it. */
export interface CalendarCase {
  ics: string;
  from: string;
  to: string;
  starts: string[];
  /** Keys of {@link KNOWN} that apply to it. */
  kinds: string[];
}

/** Known differences between the two, each with what is right. */
export const KNOWN: Readonly<Record<string, string>> = {
  "BYDAY with and without a number": "it takes only days that fit both kinds; RFC 5545 means all of either",
  "BYWEEKNO without BYDAY": "it takes all days of the week; RFC 5545 takes the weekday of the start",
  "BYSETPOS of days that two parts limit": "looop does not compute these, and says so",
  "BYSETPOS in a week that began before the start":
    "it leaves days before the start out of that week's positions",
  "moved and excepted": "it drops one that is both; looop shows where it was moved to",
  "several on the day of one that moved": "it drops others of that day, too",
  "several on the day of one that is excepted": "it drops others of that day, too",
};

/** Starts that only one of the two has; undefined if they agree. */
export async function differenceOf({ ics, from, to, starts }: CalendarCase): Promise<string | undefined> {
  const found = (await parseCalendar(ics, { from: Date.parse(from), to: Date.parse(to) }, UTC))!;
  const ours = new Set(found.events.map(({ start }) => start));
  const theirs = new Set(starts);
  const extra = [...ours].filter((start) => !theirs.has(start));
  const missing = [...theirs].filter((start) => !ours.has(start));
  if (extra.length + missing.length + found.bad.length === 0) return undefined;
  return `extra ${extra.slice(0, 3)}, missing ${missing.slice(0, 3)}, bad ${
    JSON.stringify(found.bad)
  } in ${ics}`;
}

/** Calendars, rule by rule. */
export async function calendars(): Promise<Tally> {
  const tally = new Tally("calendars", ["different", "no calendar"]);
  const python = await pythonWithPackages();
  if (python === undefined) {
    tally.skip(`python3 with ${PACKAGES.join(" and ")} is not to be had`);
    return tally;
  }
  const lines = await output(python, [PROGRAM, String(SEED), String(COUNT)]);
  for (const line of lines?.trim().split("\n") ?? []) {
    const one = JSON.parse(line) as CalendarCase;
    const difference = await differenceOf(one);
    tally.add("calendars");
    if (difference === undefined) tally.add("equal");
    else if (one.kinds.length > 0) tally.add(one.kinds[0]!);
    else tally.fault("different", difference);
  }
  tally.demand(lines !== undefined, "no calendar", "the second implementation failed");
  return tally;
}

/** A Python with the packages: the machine's own, or one made in the cache folder. */
async function pythonWithPackages(): Promise<string | undefined> {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const venv = `${cache}/looop-tests/calendars`;
  const import_ = ["-c", "import icalendar, recurring_ical_events"];
  for (const python of ["python3", `${venv}/bin/python`]) {
    if (await output(python, import_) !== undefined) return python;
  }
  if (await output("python3", ["-m", "venv", venv]) === undefined) return undefined;
  await output(`${venv}/bin/python`, ["-m", "pip", "install", "--quiet", ...PACKAGES]);
  return await output(`${venv}/bin/python`, import_) === undefined ? undefined : `${venv}/bin/python`;
}

async function output(program: string, args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stdin: "null", stderr: "null" })
      .output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}
