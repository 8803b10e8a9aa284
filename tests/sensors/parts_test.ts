/** A part that is odd, gone or hidden must not hide the rest from a sensor; it is counted and reported. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { checkFailure, checkReading, EXIT, Place, plainTitle, type Reading } from "./harness.ts";
import { missing } from "./run_all.ts";
import { against, SERVICES } from "./services.ts";

const ignore = missing("bash", "jq", "curl").length > 0;
const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore, fn });
const list = (reading: Reading) => Object.values(reading.signal).find(Array.isArray) as string[];

/** Services whose answer is, or contains, one list of things. */
const LISTS: readonly string[] = [
  "alertmanager",
  "grafana-alerts",
  "github-issues",
  "github-notifications",
  "github-prs",
  "gitlab-mrs",
  "jira-issues",
  "pagerduty-incidents",
  "sentry-issues",
  "slack-unread",
  "linear-issues",
  "github-my-prs",
  "buildkite-queue",
  "github-runs",
];

/** Puts a thing of another form at the front of an answer's longest list. */
async function withOddThing(answer: Response): Promise<Response> {
  const value = await answer.json();
  const lists: unknown[][] = [];
  const look = (inner: unknown, depth: number) => {
    if (Array.isArray(inner)) lists.push(inner);
    else if (depth < 4 && typeof inner === "object" && inner !== null) {
      for (const part of Object.values(inner)) look(part, depth + 1);
    }
  };
  look(value, 0);
  lists.sort((a, b) => b.length - a.length)[0]?.unshift({ odd_thing: "of no documented form" });
  return Response.json(value, { status: answer.status, headers: answer.headers });
}

for (const name of LISTS) {
  test(`given a thing of another form in the list, when ${name} runs, then the others are there and it is counted`, async () => {
    const service = SERVICES.find(({ sensor }) => sensor === name)!;
    await using place = await Place.make();
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        const answer = service.answer({
          url: new URL(request.url),
          body: await request.text(),
          request,
          count: 3,
          title: plainTitle,
        });
        return await withOddThing(answer);
      },
    );
    const reading = checkReading(await place.run(name, service.env(`http://127.0.0.1:${server.addr.port}`)));
    ok(list(reading).length >= 1, JSON.stringify(reading.signal));
    strictEqual(reading.signal.not_understood, 1);
    match(JSON.stringify(reading.detail.not_understood), /odd_thing/);
  });
}

test("given an organization behind single sign-on, when github-my-prs runs, then the others are there and it is told", async () => {
  const service = SERVICES.find(({ sensor }) => sensor === "github-my-prs")!;
  const outcome = await against("github-my-prs", (url, body) => {
    const answer = service.answer({ url, body, request: new Request(url), count: 2, title: plainTitle });
    return new Response(
      answer.body!.pipeThrough(new TextDecoderStream()).pipeThrough(
        new TransformStream<string, string>({
          transform(text, to) {
            const value = JSON.parse(text);
            value.data.search.nodes.unshift(null);
            value.errors = [{
              type: "FORBIDDEN",
              path: ["search", "nodes", 0],
              message: "Resource protected by organization SAML enforcement.",
            }];
            to.enqueue(JSON.stringify(value));
          },
        }),
      ).pipeThrough(new TextEncoderStream()),
    );
  });
  const reading = checkReading(outcome);
  strictEqual(list(reading).length, 2);
  strictEqual(reading.signal.not_seen, 1);
  deepStrictEqual(reading.detail.not_seen, [
    "FORBIDDEN: Resource protected by organization SAML enforcement.",
  ]);
});

test("given a list that single sign-on shortens, when github-notifications runs, then the header's word is told", async () => {
  const outcome = await against(
    "github-notifications",
    () =>
      Response.json([], { headers: { "x-github-sso": "partial-results; organizations=21955855,20582480" } }),
  );
  const reading = checkReading(outcome);
  strictEqual(reading.signal.not_seen, 1);
  match(String(reading.detail.not_seen), /single sign-on.*organizations=21955855,20582480/);
});

test("given nothing but errors, when github-my-prs runs, then it fails", async () => {
  const outcome = await against(
    "github-my-prs",
    () => Response.json({ data: { search: null }, errors: [{ type: "FORBIDDEN", message: "no" }] }),
  );
  checkFailure(outcome, EXIT.forbidden, /FORBIDDEN/);
});

test("given a channel that is gone, when slack-unread runs, then its mentions count as unread and it is told", async () => {
  const service = SERVICES.find(({ sensor }) => sensor === "slack-unread")!;
  const reading = checkReading(
    await against(
      "slack-unread",
      (url, body) =>
        url.pathname.endsWith("conversations.info") && url.searchParams.get("channel") === "C00000000"
          ? Response.json({ ok: false, error: "channel_not_found" })
          : service.answer({ url, body, request: new Request(url), count: 6, title: plainTitle }),
    ),
  );
  strictEqual(list(reading).length, 6);
  strictEqual(reading.signal.not_seen, 1);
  match(String(reading.detail.not_seen), /channel_not_found/);
});

test("given a run that is gone, when github-queue runs, then the jobs of the others are there", async () => {
  const service = SERVICES.find(({ sensor }) => sensor === "github-queue")!;
  let first = "";
  const reading = checkReading(
    await against("github-queue", (url, body) => {
      const run = /runs\/(\d+)\/jobs/.exec(url.pathname)?.[1] ?? "";
      if (first === "") first = run;
      return run !== "" && run === first
        ? Response.json({ message: "Not Found" }, { status: 404 })
        : service.answer({ url, body, request: new Request(url), count: 3, title: plainTitle });
    }),
  );
  ok(list(reading).length >= 1, JSON.stringify(reading.signal));
  strictEqual(reading.signal.not_seen, 1);
});

test("given a histogram and a warning, when prometheus-query runs, then the other series count and both are told", async () => {
  const reading = checkReading(
    await against("prometheus-query", () =>
      Response.json({
        status: "success",
        warnings: ["some store\n could not be asked"],
        infos: ["metric might not be a counter"],
        data: {
          resultType: "vector",
          result: [
            { metric: { job: "h" }, histogram: [1, { count: "3", sum: "4", buckets: [[0, "1", "2", "3"]] }] },
            { metric: { job: "a" }, value: [1, "5"] },
          ],
        },
      })),
  );
  deepStrictEqual(reading.signal, { series: "some", histograms: 1, matching: ["job=a"], not_seen: 1 });
  deepStrictEqual(reading.detail.not_seen, ["some store could not be asked"]);
});

test("given answers compressed though nobody asked, when sensors run, then they read them", async () => {
  const packed = (text: string, headers: Record<string, string> = {}) => () =>
    new Response(
      new Blob([text]).stream().pipeThrough(new CompressionStream("gzip")),
      { headers: { "content-encoding": "gzip", ...headers } },
    );
  deepStrictEqual(checkReading(await against("github-issues", packed("[]"))).signal, { issues: [] });
  const rss = "<rss version='2.0'><channel><title>N</title><item><guid>1</guid></item></channel></rss>";
  deepStrictEqual(checkReading(await against("feed", packed(rss))).signal, { entries: ["1"] });
  // A compressed file comes without that header.
  deepStrictEqual(
    checkReading(await against("feed", packed(rss, { "content-encoding": "identity" }))).signal,
    {
      entries: ["1"],
    },
  );
});

test("given an encoding that the header alone tells, when feed runs, then titles are right", async () => {
  const text =
    "<?xml version='1.0'?><rss version='2.0'><channel><item><guid>1</guid><title>caf\u00e9 \u00b5</title></item></channel></rss>";
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  const reading = checkReading(
    await against(
      "feed",
      () => new Response(bytes, { headers: { "Content-Type": 'text/xml; charset="ISO-8859-2"' } }),
    ),
  );
  strictEqual(reading.detail.items?.[0]?.title, "caf\u00e9 \u013e");
});

test("given more entries than shown, when one comes at the end, then it wakes unless its date says that it is old", async () => {
  const signal = async (count: number, dated: boolean) => {
    const item = (n: number) =>
      `<item><guid>g${n}</guid>${dated ? `<pubDate>${n + 1} Jan 2020 00:00:00 GMT</pubDate>` : ""}</item>`;
    const items = Array.from({ length: count }, (_, n) => item(n));
    const text = `<rss version="2.0"><channel><title>N</title>${items.join("")}</channel></rss>`;
    return checkReading(await against("feed", () => new Response(text), { FEED_ENTRIES: "2" })).signal;
  };
  deepStrictEqual((await signal(5, true)).entries, ["g3", "g4"]);
  ok(JSON.stringify(await signal(5, false)) !== JSON.stringify(await signal(6, false)));
});

test("given events that are not understood, when calendar runs, then the others are there and each is told", async () => {
  const soon = new Date(Date.now() + 1_800_000).toISOString().replace(/[-:]|\.\d+/g, "");
  const event = (...lines: string[]) => `BEGIN:VEVENT\r\n${lines.join("\r\n")}\r\nEND:VEVENT\r\n`;
  const text = `BEGIN:VCALENDAR\r\n${event(`DTSTART:${soon}`, "UID:a", "SUMMARY:Here")}${
    event("DTSTART;TZID=No/Where:20260101T000000", "SUMMARY:There")
  }${event("DTSTART:garbage", "SUMMARY:Never")}END:VCALENDAR\r\n`;
  const reading = checkReading(await against("calendar", () => new Response(text)));
  deepStrictEqual(reading.detail.items?.map(({ title }) => title), ["Here"]);
  strictEqual(reading.signal.not_understood, 2);
  match(JSON.stringify(reading.detail.not_understood), /line 8: event .*There.*line 12: event .*Never/);
});

test("given a certificate for another host, when tls-expiry runs, then it does not read ok", async () => {
  if (missing("openssl").length > 0) return;
  await using place = await Place.make();
  const state = async (names: string) => {
    const [key, cert] = [`${place.root}/key.pem`, `${place.root}/cert.pem`];
    const { success } = await new Deno.Command("openssl", {
      args: [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "400",
      ]
        .concat([
          "-keyout",
          key,
          "-out",
          cert,
          "-subj",
          "/CN=localhost",
          "-addext",
          `subjectAltName=${names}`,
        ]),
      stderr: "null",
    }).output();
    ok(success);
    await using server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      cert: await Deno.readTextFile(cert),
      key: await Deno.readTextFile(key),
    }, () => new Response(""));
    const outcome = await place.run("tls-expiry", {
      TLS_HOSTS: `localhost:${server.addr.port}`,
      SSL_CERT_FILE: cert,
    });
    return checkReading(outcome).detail.items?.[0]?.state;
  };
  strictEqual(await state("DNS:other.example,DNS:*.localhost"), "for another host");
  strictEqual(await state("DNS:other.example,DNS:localhost"), "ok");
});
