/** `looop _ parse`: its output and exit codes. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";

const ics = (...events: string[]) =>
  `BEGIN:VCALENDAR\n${events.map((event) => `BEGIN:VEVENT\n${event}\nEND:VEVENT\n`).join("")}END:VCALENDAR\n`;
const rss = (...items: string[]) =>
  `<rss version="2.0"><channel><title>N</title>${
    items.map((item) => `<item>${item}</item>`).join("")
  }</channel></rss>`;

async function parse(stdin: string, ...args: string[]) {
  await using place = await testProfile();
  return await place.call(["_", "parse", ...args], { stdin });
}

Deno.test("given a calendar, when it is parsed, then its events and what is bad are printed, and the exit is 0", async () => {
  const text = ics(
    "UID:a\nDTSTART:20260302T090000\nRRULE:FREQ=DAILY\nSUMMARY:A",
    "UID:b\nDTSTART;TZID=No/Where:20260302T090000\nSUMMARY:B",
  );
  const { code, stdout, stderr } = await parse(
    text,
    ...["ics", "--from", "2026-03-03", "--to", "2026-03-05", "--zone", "Asia/Tokyo"],
  );
  deepStrictEqual([code, stderr], [0, ""]);
  const event = (start: string) => ({
    uid: "a",
    title: "A",
    start,
    end: start,
    all_day: false,
    zone: null,
    location: "",
    url: "",
  });
  deepStrictEqual(JSON.parse(stdout), {
    events: [event("2026-03-03T00:00:00Z"), event("2026-03-04T00:00:00Z")],
    bad: [{ line: 10, reason: 'event "B": DTSTART: time zone "No/Where" is not known' }],
  });
});

Deno.test("given no --from and --to, when a calendar is parsed, then the next seven days are shown", async () => {
  const { stdout } = await parse(ics("DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY"), "ics");
  strictEqual(JSON.parse(stdout).events.length, 7);
});

Deno.test("given more than --limit, when a feed is parsed, then the rest is counted", async () => {
  const text = rss(...["a", "b", "c"].map((id) => `<guid>${id}</guid>`));
  const { stdout } = await parse(text, "feed", "--limit", "2");
  const { entries, left, bad } = JSON.parse(stdout);
  deepStrictEqual([entries.map(({ id }: { id: string }) => id), left, bad], [["a", "b"], 1, []]);
});

Deno.test("given entries before --from, when a feed is parsed, then they are left out and those without a date are not", async () => {
  const dated = (id: string, date: string) => `<guid>${id}</guid><pubDate>${date} 00:00:00 GMT</pubDate>`;
  const text = rss(dated("new", "05 Mar 2026"), dated("old", "05 Feb 2026"), "<guid>undated</guid>");
  const { stdout } = await parse(text, "feed", "--from", "2026-03-01");
  deepStrictEqual(JSON.parse(stdout).entries.map(({ id }: { id: string }) => id), ["new", "undated"]);
});

Deno.test("given input of which nothing is understood, when it is parsed, then what is bad is printed and the exit is 1", async () => {
  const { code, stdout, stderr } = await parse(ics("SUMMARY:x"), "ics");
  strictEqual(code, 1);
  deepStrictEqual(JSON.parse(stdout), {
    events: [],
    bad: [{ line: 2, reason: 'event "x": has no DTSTART' }],
  });
  match(stderr, /^looop _ parse: Nothing in it was understood: event "x": has no DTSTART\n$/);
});

Deno.test("given another kind of document, when it is parsed, then it fails with one line that says what it is", async () => {
  const cases: [string, string, RegExp][] = [
    ["ics", "", /This is no calendar: .*; stdin is empty; /],
    ["ics", "<!DOCTYPE html><title>Log in</title>", /; it is a web page; /],
    ["feed", '{"error": 1}', /This is no feed: .*it begins with "{\\"error\\": 1}"/],
  ];
  for (const [format, text, says] of cases) {
    const { code, stdout, stderr } = await parse(text, format);
    deepStrictEqual([code, stdout, stderr.trimEnd().split("\n").length], [1, "", 1]);
    match(stderr, says);
  }
});

Deno.test("given options that are wrong, when something is parsed, then the exit is 2 and the right form is named", async () => {
  const wrong = [
    ["ics", "--zone", "Berlin"],
    ["ics", "--from", "tomorrow"],
    ["ics", "--from", "2026-03-02", "--to", "2026-03-01"],
    ["feed", "--limit", "-1"],
    ["rss"],
    [],
  ];
  for (const args of wrong) {
    const { code, stdout } = await parse(ics(), ...args);
    deepStrictEqual([code, stdout], [2, ""], args.join(" "));
  }
});

Deno.test("given 4 MB of a calendar with CRLF, when it is parsed, then that takes seconds", async () => {
  const event = (n: number) =>
    `UID:${n}\nDTSTART;TZID=Europe/Berlin:20${10 + n % 16}0302T090000\nDESCRIPTION:${"x".repeat(300)}\n${
      n % 20 === 0 ? "RRULE:FREQ=WEEKLY" : "SUMMARY:x"
    }`;
  const text = ics(...Array.from({ length: 10_000 }, (_, n) => event(n))).replaceAll("\n", "\r\n");
  const started = performance.now();
  const { stdout } = await parse(text, "ics", "--from", "2026-03-01");
  ok(JSON.parse(stdout).events.length > 400);
  ok(performance.now() - started < 20_000, `${performance.now() - started} ms`);
});

Deno.test("given what a sensor has found, when a reading is made of it, then it is printed on one line, and other input is refused", async () => {
  const found = JSON.stringify({
    list: [{ key: "b", n: 2 }, { key: "a", n: 1 }, { odd: "line 3" }],
    left: 1,
  });
  const { code, stdout, stderr } = await parse(found, "reading", "--name", "things");
  deepStrictEqual([code, stderr, stdout.split("\n").length], [0, "", 2]);
  const { signal, detail } = JSON.parse(stdout);
  deepStrictEqual([signal.things, signal.not_understood, signal.more.count], [["a", "b"], 1, 1]);
  deepStrictEqual(detail, { not_understood: ["line 3"], items: [{ n: 2 }, { n: 1 }], cut: 1 });
  for (const bad of ["", "[]", '{"list":[1]}', "{"]) {
    const reply = await parse(bad, "reading");
    strictEqual(reply.code, 1, bad);
    match(reply.stderr, /^looop _ parse: This is nothing that a sensor has found: [^\n]+\n$/);
  }
});
