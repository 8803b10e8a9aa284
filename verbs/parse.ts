/** `looop _ parse ics|feed|reading`: prints the content of a calendar or a feed, or a reading that fits, as JSON; sensors call it. */
import { type Context, defineVerb, type Input } from "../lib/cli/verb.ts";
import { EXIT, UsageError, UserError } from "../lib/errors.ts";
import { isRecord, printableJson } from "../lib/text/json.ts";
import { parseJson } from "../lib/store.ts";
import type { Found } from "../lib/parse/reading.ts";
import { type Bad, NotUnderstood } from "../lib/parse/bad.ts";
import { decodeDocument, Undecodable } from "../lib/parse/bytes.ts";
import { instantOfMoment, parseMoment } from "../lib/parse/calendar_values.ts";
import { DAY_MS, ianaZone, localZone, type Zone } from "../lib/parse/zones.ts";

/** Largest document on stdin, bytes. */
const MAX_BYTES = 48 * 1024 * 1024;
/** Span of a calendar that is shown by default, days. */
const USUAL_DAYS = 7;

export default defineVerb({
  declare: {
    path: "_ parse",
    summary: "a calendar (iCalendar) or feed (RSS, RDF, Atom, JSON Feed) on stdin as JSON",
    audience: "root",
    args: [{ name: "format", summary: "the format of stdin", choices: ["ics", "feed", "reading"] }],
    options: [
      {
        name: "from",
        value: "TIME",
        summary: "ics: start time, now by default; feed: leave older entries out",
      },
      { name: "to", value: "TIME", summary: `end time; ics: ${USUAL_DAYS} days later by default` },
      { name: "zone", value: "ZONE", summary: "zone of TIME and of times without one, e.g. Europe/Berlin" },
      { name: "limit", value: "N", summary: "only the first N; `left` counts the others" },
      {
        name: "name",
        value: "NAME",
        summary: "reading: what the signal calls the list; `list` by default",
      },
      { name: "charset", value: "NAME", summary: "encoding named by the HTTP header" },
    ],
    example: "looop _ parse ics --from 2026-03-01 --to 2026-03-08 <calendar.ics",
    details:
      "Prints {events: [{uid, title, start, end, all_day, zone, location, url}], bad: [{line, reason}]}: each\n" +
      "occurrence that overlaps the time from --from until before --to, in order; or\n" +
      "{format, title, entries: [{id, title, link, date, text}], bad}, the newest first. `bad` names what could\n" +
      "not be understood; the rest still counts. Exit 1 when nothing was understood.\n" +
      "A reading is given as {list: [{key, …} or {odd}], signal?, detail?, left?, unshown?}: the signal then names\n" +
      "the keys and counts the odd ones; what would be too long is cut and counted.",
  },
  async run(context, input) {
    if (input.word(0) === "reading") return await fitReading(context, input);
    const { parsed, bad, understood } = input.word(0) === "ics"
      ? await readCalendar(context, input)
      : await readFeed(context, input);
    const nothing = understood === 0 && bad.length > 0;
    if (nothing) context.note(`looop _ parse: Nothing in it was understood: ${bad[0]!.reason}`);
    const value = { ...parsed, bad };
    return { text: printableJson(value), json: value, code: nothing ? EXIT.failed : EXIT.ok };
  },
});

async function fitReading(context: Context, input: Input): Promise<{ text: string; json: unknown }> {
  const found = parseJson(await textOf(context, input), foundOf);
  if ("bad" in found) {
    throw new UserError(`This is nothing that a sensor has found: ${found.bad}`, {
      next: "give {list: [{key, …}], signal?, detail?, left?, unshown?}",
      kind: "unreadable",
    });
  }
  const { fittedReading } = await import("../lib/parse/reading.ts");
  const reading = fittedReading(input.text("name") ?? "list", found.value);
  return { text: printableJson(reading), json: reading };
}

function foundOf(value: unknown): Found | string {
  const isFound = isRecord(value) && Array.isArray(value["list"]) && value["list"].every(isRecord);
  return isFound ? value as unknown as Found : '"list" is no list of objects';
}

/** The output of the verb, besides `bad`. */
interface Parsed {
  parsed: Record<string, unknown>;
  bad: Bad[];
  understood: number;
}

/** Stdin as text, read once the options are known to be valid. */
async function textOf(context: Context, input: Input): Promise<string> {
  try {
    return await decodeDocument(await context.stdinBytes(MAX_BYTES), input.text("charset"));
  } catch (error) {
    if (!(error instanceof Undecodable)) throw error;
    throw new UserError(`Cannot read stdin: ${error.message}`, {
      next: "fetch it again",
      kind: "unreadable",
    });
  }
}

async function readCalendar(context: Context, input: Input): Promise<Parsed> {
  const zone = zoneOf(input);
  const from = timeOf(input, "from", zone) ?? context.now();
  const to = timeOf(input, "to", zone) ?? from + USUAL_DAYS * DAY_MS;
  if (to <= from) throw new UsageError("--to is not after --from", { next: "give a later time" });
  const text = await textOf(context, input);
  const { parseCalendar } = await import("../lib/parse/calendar.ts");
  const found = await parseCalendar(text, { from, to }, zone);
  if (found === undefined) throw notOne("calendar: it has no BEGIN:VCALENDAR", text);
  return { parsed: limited("events", found.events, input), bad: found.bad, understood: found.understood };
}

async function readFeed(context: Context, input: Input): Promise<Parsed> {
  const zone = zoneOf(input);
  const from = timeOf(input, "from", zone) ?? -Infinity;
  const to = timeOf(input, "to", zone) ?? Infinity;
  const text = await textOf(context, input);
  const { parseFeed } = await import("../lib/parse/feed.ts");
  const found = await parseFeed(text);
  if (found === undefined) throw notOne("feed: it is neither RSS, RDF, Atom nor JSON Feed", text);
  const { format, title, bad } = found;
  const entries = found.entries.filter(({ date }) => {
    const time = Date.parse(date);
    return Number.isNaN(time) || (time >= from && time < to);
  });
  return {
    parsed: { format, title, ...limited("entries", entries, input) },
    bad,
    understood: found.entries.length,
  };
}

function limited(name: string, items: readonly unknown[], input: Input): Record<string, unknown> {
  const limit = input.count("limit") ?? Infinity;
  return items.length <= limit
    ? { [name]: items }
    : { [name]: items.slice(0, limit), left: items.length - limit };
}

function zoneOf(input: Input): Zone | undefined {
  const name = input.text("zone");
  if (name === undefined) return undefined;
  const zone = ianaZone(name);
  if (zone !== undefined) return zone;
  throw new UsageError(`--zone is "${name}"`, {
    next: "give the name of a time zone, such as Europe/Berlin or UTC",
  });
}

function timeOf(input: Input, name: string, zone: Zone | undefined): number | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  try {
    return instantOfMoment(parseMoment(text, {}, { local: zone ?? localZone(), byId: () => undefined }));
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error;
    throw new UsageError(`--${name} is "${text}"`, {
      next: "give a date or time, e.g. 2026-03-01T09:00:00Z",
    });
  }
}

function notOne(what: string, text: string): UserError {
  const seen = text.trim() === ""
    ? "stdin is empty"
    : /^\s*<(!doctype html|html)\b/i.test(text)
    ? "it is a web page"
    : `it begins with ${JSON.stringify(text.trimStart().slice(0, 40))}`;
  return new UserError(`This is no ${what}; ${seen}`, {
    next: "check the address that it comes from",
    kind: "unreadable",
  });
}
