/** Peculiarities of single services, and how their sensors must treat them. */
import { deepStrictEqual, match, notDeepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { checkFailure, checkReading, EXIT, Place, plainTitle, SECRET } from "./harness.ts";
import { missing } from "./run_all.ts";
import { against, icsText, inMinutes, SERVICES } from "./services.ts";

const ignore = missing("bash", "jq", "curl").length > 0;
const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore, fn });
const service = (name: string) => SERVICES.find(({ sensor }) => sensor === name)!;

test("given a search that GitHub broke off, when github-prs runs, then it fails rather than tells half", async () => {
  const outcome = await against(
    "github-prs",
    () => Response.json({ total_count: 0, incomplete_results: true, items: [] }),
  );
  checkFailure(outcome, EXIT.unavailable, /the list is incomplete/);
});

test("given a secondary rate limit, when github-issues runs, then it says so and not that the token is wrong", async () => {
  const outcome = await against(
    "github-issues",
    () =>
      Response.json({ message: "You have exceeded a secondary rate limit. Please wait a few minutes." }, {
        status: 403,
      }),
  );
  checkFailure(outcome, EXIT.limited, /rate limit .* does not say when it resets/);
});

test("given pull requests among the issues, when github-issues runs, then it leaves them out", async () => {
  const issue = {
    number: 1,
    title: "An issue",
    html_url: "https://git.example/1",
    user: { login: "a" },
    labels: [],
    assignees: [],
  };
  const outcome = await against(
    "github-issues",
    () => Response.json([issue, { ...issue, number: 2, pull_request: { url: "x" } }]),
  );
  deepStrictEqual(checkReading(outcome).signal, { issues: ["#1"] });
});

test("given two runs of a workflow, when github-runs runs, then the later one counts", async () => {
  const run = {
    name: "CI",
    head_branch: "main",
    head_sha: "abc",
    run_number: 1,
    run_attempt: 1,
    display_title: "x",
  };
  const workflow_runs = [{ ...run, id: 2, conclusion: "failure" }, { ...run, id: 1, conclusion: "success" }];
  const outcome = await against("github-runs", () => Response.json({ total_count: 2, workflow_runs }));
  deepStrictEqual(checkReading(outcome).signal, { runs: ["CI main failure"] });
});

test("given a job queued just now, when github-queue runs, then it does not wake yet", async () => {
  const job = {
    id: 7,
    name: "build",
    status: "queued",
    labels: [],
    created_at: new Date().toISOString().replace(/\.\d+/, ""),
  };
  const outcome = await against(
    "github-queue",
    (url) =>
      url.pathname.endsWith("/jobs")
        ? Response.json({ total_count: 1, jobs: [job] })
        : Response.json({ total_count: 1, workflow_runs: [{ id: 1 }] }),
  );
  const reading = checkReading(outcome);
  deepStrictEqual(reading.signal, { jobs: [] });
  strictEqual(reading.detail.queued_now, 1);
});

test("given a token that Jira does not know, when jira-issues finds nothing, then it fails rather than says all is done", async () => {
  const stranger = (url: URL) =>
    url.pathname.endsWith("/myself")
      ? Response.json({ errorMessages: ["Client must be authenticated"] }, { status: 401 })
      : Response.json({ issues: [], isLast: true });
  checkFailure(await against("jira-issues", stranger), EXIT.forbidden, /refuses the token/);
  const told = () =>
    Response.json({ issues: [], isLast: true }, {
      headers: { "x-seraph-loginreason": "AUTHENTICATED_FAILED" },
    });
  checkFailure(await against("jira-issues", told), EXIT.forbidden, /as to a stranger/);
});

test("given a metric that is gone, when prometheus-query runs, then the signal differs from nothing being over", async () => {
  const vector = (result: unknown[]) => () =>
    Response.json({ status: "success", data: { resultType: "vector", result } });
  const gone = checkReading(await against("prometheus-query", vector([])));
  const below = checkReading(
    await against(
      "prometheus-query",
      vector([{ metric: {}, value: [1, "-5"] }, { metric: {}, value: [1, "NaN"] }]),
    ),
  );
  deepStrictEqual([gone.signal, below.signal], [{ series: "none", matching: [] }, {
    series: "some",
    matching: [],
  }]);
  strictEqual(below.detail.not_a_number, 1);
});

test("given a query that Prometheus refuses, when prometheus-query runs, then the settings are named", async () => {
  const refused = () =>
    Response.json({ status: "error", errorType: "bad_data", error: "parse error" }, { status: 400 });
  checkFailure(await against("prometheus-query", refused), EXIT.settings, /check the settings/);
});

test("given messages that were read, when slack-unread runs, then only later ones count", async () => {
  const slack = service("slack-unread");
  const outcome = await against("slack-unread", (url, body) => {
    if (url.pathname.endsWith("conversations.info")) {
      const id = url.searchParams.get("channel");
      return Response.json({ ok: true, channel: { id, last_read: "1508284197.000004" } });
    }
    return slack.answer({ url, body, request: new Request(url), count: 6, title: plainTitle });
  });
  deepStrictEqual(checkReading(outcome).signal, {
    mentions: ["C00000000 1508284197.000005", "C00000001 1508284197.000006"],
  });
});

test("given what Slack refuses with HTTP 200, when slack-unread runs, then it tells tokens, limits and failures apart", async () => {
  const refusing = (refusal: Record<string, string>) =>
    against("slack-unread", () => Response.json({ ok: false, ...refusal }));
  const lacks = await refusing({ error: "missing_scope", needed: "im:read", provided: "search:read" });
  checkFailure(lacks, EXIT.forbidden, /refuses the token: missing_scope im:read /);
  checkFailure(await refusing({ error: "ratelimited" }), EXIT.limited, /rate limit .* does not say when/);
  checkFailure(await refusing({ error: "internal_error" }), EXIT.unavailable, /failed: internal_error/);
  checkFailure(
    await refusing({ error: "channel_not_found" }),
    EXIT.answer,
    /answers with an error: channel_/,
  );
});

test("given an alert beyond those the signal names, when its state changes, then the signal changes", async () => {
  const pagerduty = service("pagerduty-incidents");
  const signal = async (change: boolean) => {
    const outcome = await against("pagerduty-incidents", (url, body) => {
      const answer = pagerduty.answer({
        url,
        body,
        request: new Request(url),
        count: 400,
        title: plainTitle,
      });
      return new Response(
        answer.body!.pipeThrough(new TextDecoderStream()).pipeThrough(rename(change)).pipeThrough(
          new TextEncoderStream(),
        ),
      );
    });
    return checkReading(outcome).signal;
  };
  const rename = (change: boolean) =>
    new TransformStream<string, string>({
      transform: (text, to) =>
        to.enqueue(change ? text.replaceAll('"id":"PT4K399"', '"id":"PT4K399X"') : text),
    });
  const before = await signal(false);
  const after = await signal(true);
  ok(!JSON.stringify(before.incidents).includes("PT4K399 "), "the changed one is named: raise the count");
  notDeepStrictEqual(after, before);
});

const feed = async (body: string | Uint8Array<ArrayBuffer>) =>
  await against("feed", () => new Response(body));

test("given an Atom feed, when feed runs, then ids, links and texts are right", async () => {
  const reading = checkReading(
    await feed(`<?xml version='1.0' encoding='utf-8'?><!DOCTYPE feed>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/">
<title type="html">Releases &amp;amp; more</title><link rel="self" href="https://news.example/atom"/>
<entry><id>tag:one</id><media:title>not this</media:title><title type="html"><![CDATA[One <b>bold</b> & "two"
lines <!-- kept]]></title><link rel="edit" href="https://news.example/edit"/>
<link rel="alternate" type="text/html" href="https://news.example/?a=1&amp;b=2"/><updated>2026-01-05T00:00:00Z</updated>
<summary>&lt;p&gt;caf&#233; &#x1F692;&lt;/p&gt;</summary></entry>
<entry><id>tag:two</id><title/><updated>2026-01-06T00:00:00Z</updated><link href='https://news.example/two'/></entry>
</feed>`),
  );
  deepStrictEqual(reading.signal, { entries: ["tag:one", "tag:two"] });
  deepStrictEqual(reading.detail.items, [
    { title: "", url: "https://news.example/two", at: "2026-01-06T00:00:00Z", text: "" },
    {
      title: 'One bold & "two" lines <!-- kept',
      url: "https://news.example/?a=1&b=2",
      at: "2026-01-05T00:00:00Z",
      text: "café 🚒",
    },
  ]);
});

test("given RSS 1.0, and RSS in Latin-1, when feed runs, then both are read", async () => {
  const rdf = checkReading(
    await feed(
      `<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<channel rdf:about="https://news.example"><title>RDF</title><items><rdf:Seq><rdf:li resource="https://news.example/1"/></rdf:Seq></items></channel>
<item rdf:about="https://news.example/1"><title>One</title><link>https://news.example/1</link><dc:date>2026-01-05</dc:date></item></rdf:RDF>`,
    ),
  );
  deepStrictEqual(rdf.detail.items, [{
    title: "One",
    url: "https://news.example/1",
    at: "2026-01-05",
    text: "",
  }]);
  const text =
    '<?xml version="1.0" encoding="ISO-8859-1"?><rss version="2.0"><channel><title>x</title><item><title>caf\u00e9</title><guid>1</guid></item></channel></rss>';
  const latin = checkReading(await feed(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  strictEqual(latin.detail.items?.[0]?.title, "café");
});

/** A calendar of events, each given by its lines. */
const ics = (events: string[][], before = "") =>
  `BEGIN:VCALENDAR\r\nVERSION:2.0\r\n${before}${
    events.map((lines, n) =>
      `BEGIN:VEVENT\r\n${lines.some((line) => line.startsWith("UID")) ? "" : `UID:e${n}\r\n`}${
        lines.join("\r\n")
      }\r\nEND:VEVENT\r\n`
    ).join("")
  }END:VCALENDAR\r\n`;
const calendar = async (text: string, more: Record<string, string> = {}) =>
  checkReading(await against("calendar", () => new Response(text), { TZ: "UTC", ...more }));
const titles = (reading: ReturnType<typeof checkReading>) => reading.detail.items?.map(({ title }) => title);
const DAY = 24 * 60;
/** The wall time of a zone this many minutes from now, in iCalendar form. */
const wall = (zone: string, minutes: number) =>
  new Date(Math.floor(Date.now() / 60_000) * 60_000 + minutes * 60_000)
    .toLocaleString("sv-SE", { timeZone: zone }).replace(/[-:]/g, "").replace(" ", "T");

test("given single events, when calendar runs, then those that begin within the window count", async () => {
  const reading = await calendar(
    ics([
      [`DTSTART:${inMinutes(30)}`, icsText("SUMMARY", "Soon, very; soon").trimEnd()],
      [`DTSTART:${inMinutes(90)}`, "SUMMARY:Later"],
      [`DTSTART:${inMinutes(-5)}`, "SUMMARY:Just begun"],
      [`DTSTART:${inMinutes(-30)}`, "SUMMARY:Over"],
      [`DTSTART:${inMinutes(20)}`, "STATUS:CANCELLED", "SUMMARY:Called off"],
      [`DTSTART;VALUE=DATE:${inMinutes(0).slice(0, 8)}`, "SUMMARY:All day"],
      [`DTSTART;TZID=America/New_York:${wall("America/New_York", 40)}`, "SUMMARY:In New York"],
      [`DTSTART:${wall("Asia/Tokyo", 50)}`, "SUMMARY:Floating, taken as Tokyo time"],
    ]),
    { TZ: "Asia/Tokyo" },
  );
  deepStrictEqual(titles(reading), [
    "Just begun",
    "Soon, very; soon",
    "In New York",
    "Floating, taken as Tokyo time",
  ]);
});

test("given recurring events, when calendar runs, then today's instances are found and the others are not", async () => {
  const soon = (days: number) => inMinutes(30 + days * DAY);
  const when = new Date(Date.now() + 30 * 60_000);
  const weekday = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"][when.getUTCDay()]!;
  const nth = Math.ceil(when.getUTCDate() / 7);
  const daysInMonth = new Date(Date.UTC(when.getUTCFullYear(), when.getUTCMonth() + 1, 0)).getUTCDate();
  const fromEnd = Math.ceil((daysInMonth - when.getUTCDate() + 1) / 7);
  const yearAgo = soon(-365).replace(/^\d{8}/, `${when.getUTCFullYear() - 1}0101`);
  const yes: [string, string[]][] = [
    ["weekly", [`DTSTART:${soon(-14)}`, "RRULE:FREQ=WEEKLY"]],
    ["every other week", [`DTSTART:${soon(-28)}`, `RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=${weekday};WKST=SU`]],
    ["daily, counted", [`DTSTART:${soon(-4)}`, "RRULE:FREQ=DAILY;COUNT=5"]],
    ["daily until today", [`DTSTART:${soon(-4)}`, `RRULE:FREQ=DAILY;UNTIL=${soon(0)}`]],
    ["monthly on the nth weekday", [`DTSTART:${yearAgo}`, `RRULE:FREQ=MONTHLY;BYDAY=${nth}${weekday}`]],
    ["monthly on the nth weekday from the end", [
      `DTSTART:${yearAgo}`,
      `RRULE:FREQ=MONTHLY;BYDAY=-${fromEnd}${weekday}`,
    ]],
    ["monthly by position", [`DTSTART:${yearAgo}`, `RRULE:FREQ=MONTHLY;BYDAY=${weekday};BYSETPOS=${nth}`]],
    ["monthly on the day", [`DTSTART:${yearAgo}`, `RRULE:FREQ=MONTHLY;BYMONTHDAY=${when.getUTCDate()}`]],
    ["yearly", [
      `DTSTART:${yearAgo}`,
      `RRULE:FREQ=YEARLY;BYMONTH=${when.getUTCMonth() + 1};BYMONTHDAY=${when.getUTCDate()}`,
    ]],
    ["in a zone", [
      `DTSTART;TZID=Europe/Berlin:${wall("Europe/Berlin", 30).replace(/^\d{8}/, "20250101")}`,
      "RRULE:FREQ=DAILY",
    ]],
    ["moved to now", [`UID:m`, `RECURRENCE-ID:${soon(-1)}`, `DTSTART:${soon(0)}`]],
  ];
  const no: [string, string[]][] = [
    ["the other week", [`DTSTART:${soon(-21)}`, "RRULE:FREQ=WEEKLY;INTERVAL=2"]],
    ["counted out", [`DTSTART:${soon(-5)}`, "RRULE:FREQ=DAILY;COUNT=5"]],
    ["ended", [`DTSTART:${soon(-5)}`, `RRULE:FREQ=DAILY;UNTIL=${soon(-1)}`]],
    ["excepted", [`DTSTART:${soon(-5)}`, "RRULE:FREQ=DAILY", `EXDATE:${soon(-1)},${soon(0)}`]],
    ["moved away", [`UID:a`, `DTSTART:${soon(-5)}`, "RRULE:FREQ=DAILY"]],
    ["the other nth", [`DTSTART:${yearAgo}`, `RRULE:FREQ=MONTHLY;BYDAY=${nth === 1 ? 2 : 1}${weekday}`]],
    ["not begun", [`DTSTART:${soon(1)}`, "RRULE:FREQ=DAILY"]],
    ["another month", [
      `DTSTART:${yearAgo}`,
      `RRULE:FREQ=YEARLY;BYMONTH=${(when.getUTCMonth() + 1) % 12 + 1}`,
    ]],
  ];
  const events = [...yes, ...no].map(([name, lines]) => [...lines, `SUMMARY:${name}`]);
  const moved = [`UID:a`, `RECURRENCE-ID:${soon(0)}`, `DTSTART:${soon(2)}`, "SUMMARY:moved, later"];
  const reading = await calendar(ics([...events, moved]));
  deepStrictEqual(titles(reading)?.sort(), yes.map(([name]) => name).sort());
  strictEqual(reading.signal.not_understood, undefined);
});

test("given a zone known to the calendar alone, and rules beyond the sensor, when calendar runs, then one is used and the others are told", async () => {
  const zone = (id: string) =>
    `BEGIN:VTIMEZONE\r\nTZID:${id}\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\n` +
    `BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n`;
  const reading = await calendar(ics([
    [`DTSTART;TZID="(UTC+01:00) Amsterdam":${wall("Europe/Amsterdam", 15)}`, "SUMMARY:Quoted"],
    [`DTSTART;TZID=W. Europe Standard Time:${wall("Europe/Berlin", 20)}`, "SUMMARY:Named"],
    [`DTSTART;TZID=Nowhere/Land:${wall("UTC", 20)}`, "SUMMARY:Lost"],
    [`DTSTART:${inMinutes(20 - DAY)}`, "RRULE:RSCALE=CHINESE;FREQ=YEARLY", "SUMMARY:Odd rule"],
  ], zone("W. Europe Standard Time") + zone("(UTC+01:00) Amsterdam")));
  deepStrictEqual(titles(reading), ["Quoted", "Named"]);
  strictEqual(reading.signal.not_understood, 2);
  const told = reading.detail.not_understood as string[];
  match(told[0]!, /^line \d+: event "Lost": DTSTART: time zone "Nowhere\/Land" is not known$/);
  match(told[1]!, /event "Odd rule": RRULE: .*RSCALE=CHINESE$/);
});

test("given a sensor that waits for its service, when it is told to end, then it leaves no file and no process", async () => {
  await using place = await Place.make();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const child = new Deno.Command("sh", {
    args: ["-c", "exec ./grafana-alerts.sh"],
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      TMPDIR: `${place.root}/tmp`,
      GRAFANA_URL: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
      GRAFANA_TOKEN: SECRET,
    },
    cwd: new URL("../../sensors_examples/", import.meta.url).pathname,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  using connection = await listener.accept();
  const buffer = new Uint8Array(4096);
  await connection.read(buffer);
  Deno.kill(-child.pid, "SIGTERM");
  await child.status;
  strictEqual(await connection.read(buffer), null, "curl still holds its connection");
  place.checkClean();
});

test("given a program or setting that is missing, when a sensor runs, then it names it", async () => {
  await using place = await Place.make();
  for (const name of ["bash", "env", "sed", "tr", "cut"]) {
    const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${name}`] }).output();
    await Deno.symlink(new TextDecoder().decode(stdout).trim(), `${place.root}/bin/${name}`);
  }
  checkFailure(
    await place.run("grafana-alerts", {}, `${place.root}/bin`),
    EXIT.settings,
    /^"curl" is not installed/,
  );
  checkFailure(
    await place.run("grafana-alerts", { GRAFANA_URL: "http://x" }),
    EXIT.settings,
    /^GRAFANA_TOKEN is not set/,
  );
  const path = await place.program("gh", "#!/bin/sh\nexit 1\n");
  checkFailure(
    await place.run("github-prs", {}, path),
    EXIT.settings,
    /^no GitHub token: set GH_TOKEN, or log in/,
  );
  match(
    (await place.run("github-issues", { REPO: "nonsense", GH_TOKEN: "x" })).stderr,
    /^REPO is "nonsense", expected owner\/name\n$/,
  );
});
