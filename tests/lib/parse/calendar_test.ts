/** The content of calendars: cases that a reader can check by hand, and oddly formed files. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type CalendarEvent, parseCalendar } from "../../../lib/parse/calendar.ts";
import { type CalendarCase, differenceOf } from "../../faults/calendars.ts";
import { parseMoment } from "../../../lib/parse/calendar_values.ts";
import { ianaZone, instantOf, wallOf, type Zone } from "../../../lib/parse/zones.ts";

const read = (name: string) => Deno.readTextFileSync(new URL(name, import.meta.url));
const ZONES = read("calendar_zones.ics");

interface Case {
  name: string;
  from: number;
  to: number;
  zone: Zone;
  lines: string[];
  gives: string[];
  bad: string | undefined;
}

function parseCase(block: string): Case {
  const lines = block.trim().split("\n");
  const [from = "", to = "", zoneName = ""] = take(lines, "in ").split(" ");
  const zone = ianaZone(zoneName)!;
  const instant = (text: string) =>
    instantOf(parseMoment(text, {}, { local: zone, byId: () => undefined }).wall, zone).instant;
  const gives = take(lines, "gives ");
  const bad = lines.some((line) => line.startsWith("bad ")) ? take(lines, "bad ") : undefined;
  return {
    name: lines.shift()!,
    from: instant(from),
    to: instant(to),
    zone,
    lines,
    gives: gives === "none" ? [] : gives.split(" "),
    bad,
  };
}

/** Removes the line with a prefix and returns that line without the prefix. */
function take(lines: string[], prefix: string): string {
  const at = lines.findIndex((line) => line.startsWith(prefix));
  return lines.splice(at, 1)[0]!.slice(prefix.length);
}

const file = (events: string[], before = "") =>
  `BEGIN:VCALENDAR\r\nVERSION:2.0\r\n${before.replaceAll("\n", "\r\n")}${
    events.map((event) => `BEGIN:VEVENT\r\n${event}\r\nEND:VEVENT\r\n`).join("")
  }END:VCALENDAR\r\n`;

/** An event in the form of the cases: its title, if it has one, and its start in the reader's zone. */
function shown({ title, start, all_day }: CalendarEvent, zone: Zone): string {
  const time = all_day ? start : new Date(wallOf(Date.parse(start), zone)).toISOString().slice(0, 16);
  return title === "" ? time : `${title}@${time}`;
}

const CASES = read("calendar_cases.txt").split(/^= /m).slice(1).map(parseCase);

for (const { name, from, to, zone, lines, gives, bad } of CASES) {
  Deno.test(`given a calendar with ${name}, when it is read, then the times are right`, async () => {
    const events = lines.join("\n").split("\n--\n").map((event) => event.replaceAll("\n", "\r\n"));
    const reading = (await parseCalendar(file(events, ZONES), { from, to }, zone))!;
    deepStrictEqual(reading.events.map((event) => shown(event, zone)), gives);
    if (bad === undefined) deepStrictEqual(reading.bad, []);
    else {
      strictEqual(reading.bad.length, 1);
      ok(reading.bad[0]!.reason.includes(bad), reading.bad[0]!.reason);
    }
  });
}

Deno.test("given the cases, when they are counted, then there are at least 60", () => {
  ok(CASES.length >= 60, `${CASES.length}`);
});

const UTC = ianaZone("UTC")!;
const march = { from: Date.UTC(2026, 2, 1), to: Date.UTC(2026, 3, 1) };
const titles = async (text: string) => {
  const reading = await parseCalendar(text, march, UTC);
  return reading && { titles: reading.events.map(({ title }) => title), bad: reading.bad };
};
const event = (title: string, ...more: string[]) =>
  [`DTSTART:20260310T090000Z`, `SUMMARY:${title}`, ...more].join("\r\n");

Deno.test("given lines ended by LF, by CR or with blanks at their ends, when a calendar is read, then it is the same", async () => {
  const crlf = file([event("a\\, b")]);
  for (
    const text of [
      crlf,
      crlf.replaceAll("\r\n", "\n"),
      crlf.replaceAll("\r\n", "\r"),
      crlf.replaceAll("\r\n", " \r\n"),
    ]
  ) {
    deepStrictEqual(await titles(text), { titles: ["a, b"], bad: [] });
  }
});

Deno.test("given folded lines, when a calendar is read, then they are whole", async () => {
  const text = file([
    event("one long\r\n  title\r\n\t, folded").replace("DTSTART:2026", "DTSTART:20\r\n 26"),
  ]);
  deepStrictEqual(await titles(text), { titles: ["one long title, folded"], bad: [] });
});

Deno.test("given an event without an end, when a calendar is read, then only that event is lost and its line is named", async () => {
  const text = file([event("a"), event("b"), event("c")]).replace(/b\r\nEND:VEVENT\r\n/, "b\r\n");
  deepStrictEqual(await titles(text), {
    titles: ["a", "c"],
    bad: [{ line: 7, reason: "BEGIN:VEVENT has no END" }],
  });
});

Deno.test("given a calendar cut off in transfer, when it is read, then whole events count and the cut is named", async () => {
  const whole = file([event("a"), event("b")]);
  const cut = whole.slice(0, whole.indexOf("SUMMARY:b") + 9);
  deepStrictEqual(await titles(cut), {
    titles: ["a"],
    bad: [
      { line: 7, reason: "BEGIN:VEVENT has no END" },
      { line: 9, reason: "the file ends before END:VCALENDAR" },
    ],
  });
});

Deno.test("given several calendars in one file, when they are read, then each has its own zones", async () => {
  const zone = (offset: string) =>
    `BEGIN:VTIMEZONE\nTZID:Own\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:${offset}\nTZOFFSETTO:${offset}\nEND:STANDARD\nEND:VTIMEZONE\n`;
  const own = "DTSTART;TZID=Own:20260310T090000";
  const text = file([own], zone("+0100")) + file([own], zone("-0330"));
  const reading = (await parseCalendar(text, march, UTC))!;
  deepStrictEqual(reading.events.map(({ start }) => start), ["2026-03-10T08:00:00Z", "2026-03-10T12:30:00Z"]);
});

Deno.test("given a zone definition that is broken, when a calendar is read, then it is named and so are its events", async () => {
  const zone =
    "BEGIN:VTIMEZONE\nTZID:Own\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n";
  const reading =
    (await parseCalendar(file(["DTSTART;TZID=Own:20260310T090000", event("b")], zone), march, UTC))!;
  deepStrictEqual(reading.events.map(({ title }) => title), ["b"]);
  match(reading.bad[0]!.reason, /^time zone "Own": "" is no offset/);
  match(reading.bad[1]!.reason, /time zone "Own" is not known/);
});

Deno.test("given a calendar that names its zone, when it has times without one, then they are in that zone", async () => {
  const text = file(["DTSTART:20260310T090000"], "X-WR-TIMEZONE:Asia/Tokyo\n");
  const reading = (await parseCalendar(text, march))!;
  deepStrictEqual(reading.events.map(({ start, zone }) => ({ start, zone })), [
    { start: "2026-03-10T00:00:00Z", zone: null },
  ]);
});

Deno.test("given a cancellation, a list of tasks and a web page, when they are read, then none has an event", async () => {
  deepStrictEqual(await titles(file([event("a")], "METHOD:CANCEL\n")), { titles: [], bad: [] });
  const tasks = file([]).replace(
    "END:VCALENDAR",
    "BEGIN:VTODO\r\nDTSTART:20260310T090000Z\r\nEND:VTODO\r\nEND:VCALENDAR",
  );
  deepStrictEqual(await titles(tasks), { titles: [], bad: [] });
  strictEqual(await titles("<!doctype html><title>Log in</title>"), undefined);
});

Deno.test("given an event, when it is shown, then it has all its parts", async () => {
  const text = file([
    "UID:u@example\r\nDTSTART;TZID=Europe/Berlin:20260310T090000\r\nDURATION:PT1H30M\r\nSUMMARY;LANGUAGE=en:A\\; B\r\nLOCATION:Room 1\\, left\r\nURL:https://x.example/?a=1;b",
  ]);
  deepStrictEqual((await parseCalendar(text, march, UTC))!.events, [{
    uid: "u@example",
    title: "A; B",
    start: "2026-03-10T08:00:00Z",
    end: "2026-03-10T09:30:00Z",
    all_day: false,
    zone: "Europe/Berlin",
    location: "Room 1, left",
    url: "https://x.example/?a=1;b",
  }]);
});

Deno.test("given random calendars, when they are read, then their events are those that a second implementation found", async () => {
  // `tests/faults/calendars.py` recorded these; `deno task faults calendars` compares thousands of others.
  const cases = read("calendar_sample.jsonl").trim().split("\n").map((line) =>
    JSON.parse(line) as CalendarCase
  );
  ok(cases.length >= 200);
  for (const one of cases) strictEqual(await differenceOf(one), undefined);
});
