/** Situations of every HTTP sensor: good and empty answers, many pages, refusals, garbage, silence. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import {
  checkFailure,
  checkReading,
  closedPort,
  counted,
  EXIT,
  has,
  oddTitle,
  type Outcome,
  type Place,
  plainTitle,
  type Reading,
  type Scenario,
  SECRET,
  serve,
  told,
} from "./harness.ts";
import type { Service, World } from "./services.ts";

/** What the service saw during one scenario. */
interface Seen {
  requests: string[];
  unauthorized: number;
  commandLines: string;
}

/** Runs a sensor against a service with the given answers; returns what the service saw. */
async function observe(
  place: Place,
  service: Service,
  answer: (world: Omit<World, "count" | "title">) => Response,
  looksAtProcesses = false,
): Promise<Outcome & Seen> {
  const seen: Seen = { requests: [], unauthorized: 0, commandLines: "" };
  await using server = serve(async (request) => {
    const url = new URL(request.url);
    if (looksAtProcesses && seen.requests.length === 0 && has("ps")) {
      const { stdout } = await new Deno.Command("ps", { args: ["-A", "-ww", "-o", "args="] }).output();
      seen.commandLines = new TextDecoder().decode(stdout);
    }
    seen.requests.push(url.pathname + url.search);
    if (!service.authorized(request)) seen.unauthorized++;
    return answer({ url, body: await request.text(), request });
  });
  const outcome = await place.run(service.sensor, service.env(server.url));
  return { ...outcome, ...seen };
}

/** Runs a sensor twice; fails unless both signals are equal. */
async function twice(run: () => Promise<Outcome & Seen>): Promise<Outcome & Seen> {
  const [first, second] = [await run(), await run()];
  deepStrictEqual(signalOf(second), signalOf(first), "the signal of an unchanged world changed");
  return first;
}
const signalOf = ({ stdout, stderr }: Outcome) =>
  stdout === "" ? stderr : (JSON.parse(stdout) as Reading).signal;

/** All scenarios of one HTTP service. */
export function httpScenarios(service: Service): Scenario[] {
  const { paging } = service;
  const scenario = (
    circumstance: string,
    run: (place: Place) => Promise<Outcome & Seen>,
    check: (outcome: Outcome & Seen) => void,
  ): Scenario => ({ circumstance, run, check: (outcome) => check(outcome as Outcome & Seen) });
  const holding = (count: number, title: (n: number) => string, looks = false) => (place: Place) =>
    observe(place, service, (world) => service.answer({ ...world, count, title }), looks);
  const holdingStill = (count: number, title: (n: number) => string) => (place: Place) =>
    twice(() => holding(count, title, true)(place));
  const answering = (response: () => Response) => (place: Place) => observe(place, service, response);
  const failing = (circumstance: string, response: () => Response, code: number, says: RegExp) =>
    scenario(circumstance, answering(response), (outcome) => checkFailure(outcome, code, says));

  const scenarios = [
    scenario("good", holdingStill(3, plainTitle), (outcome) => {
      const reading = checkReading(outcome);
      ok(counted(reading) >= 2, JSON.stringify(reading.signal));
      strictEqual(reading.detail.cut, 0);
      match(JSON.stringify(reading.detail), /Ordinary thing number|Build \d/);
      strictEqual(outcome.unauthorized, 0, "requests without the token");
      ok(!outcome.commandLines.includes(SECRET), "the secret is on a command line");
      if (has("ps")) match(outcome.commandLines, /curl/);
    }),
    scenario("empty", holding(0, plainTitle), (outcome) => {
      const reading = checkReading(outcome);
      strictEqual(counted(reading), 0);
      deepStrictEqual(reading.detail.items, []);
      strictEqual(reading.detail.cut, 0);
    }),
    failing("401", service.unauthorized, EXIT.forbidden, /refuses the token/),
    failing("403", () => new Response("{}", { status: 403 }), EXIT.forbidden, /refuses the token/),
    scenario("429", answering(service.limited), (outcome) => {
      checkFailure(outcome, EXIT.limited, /rate limit/);
      match(outcome.stderr, service.resets);
    }),
    failing(
      "404",
      () => new Response("{}", { status: 404 }),
      EXIT.settings,
      /check the settings \(HTTP 404\)/,
    ),
    failing(
      "500",
      () => new Response("Internal Server Error", { status: 500 }),
      EXIT.unavailable,
      /failed \(HTTP 500\)/,
    ),
    scenario("huge", holding((paging?.most ?? 70) + 230, oddTitle), (outcome) => {
      const reading = checkReading(outcome);
      ok(reading.detail.items!.length > 0, "nothing is told");
      ok(reading.detail.cut > 100, `cut is ${reading.detail.cut}`);
      if (paging !== undefined) checkAllCounted(reading, paging);
    }),
    failing(
      "garbage",
      () =>
        new Response("<!DOCTYPE html>\n<html><body>Sign in</body></html>", {
          headers: { "content-type": "text/html" },
        }),
      EXIT.answer,
      /unexpected answer/,
    ),
    failing(
      "other JSON",
      () => Response.json({ message: "ok", status: "fine", ok: 1 }),
      EXIT.answer,
      /unexpected answer|answers with/,
    ),
    failing(
      "wrong types",
      () => Response.json([{ id: {}, number: "x", title: 1, status: [] }]),
      EXIT.answer,
      /unexpected answer/,
    ),
    failing("no content", () => new Response(null, { status: 204 }), EXIT.answer, /unexpected answer/),
    scenario(
      "cut off",
      (place) =>
        observe(place, service, (world) => {
          const answer = service.answer({ ...world, count: 3, title: plainTitle });
          return new Response(
            answer.body!.pipeThrough(
              new TransformStream({
                transform: (chunk: Uint8Array, to) =>
                  to.enqueue(chunk.subarray(0, Math.floor(chunk.length * 0.7))),
              }),
            ),
            { headers: answer.headers },
          );
        }),
      (outcome) => checkFailure(outcome, EXIT.answer, /unexpected answer/),
    ),
    failing(
      "moved",
      () => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/login" } }),
      service.sensor === "feed" || service.sensor === "calendar" ? EXIT.unavailable : EXIT.settings,
      /check the settings \(HTTP 302\)|no answer from/,
    ),
    {
      circumstance: "no network",
      run: (place: Place) => place.run(service.sensor, service.env(`http://127.0.0.1:${closedPort()}`)),
      check: (outcome: Outcome) =>
        checkFailure(outcome, EXIT.unavailable, /no answer from "127\.0\.0\.1:\d+": .*onnect/),
    },
    {
      circumstance: "a token with a line break",
      run: (place: Place) => {
        const env = service.env("http://127.0.0.1:9");
        const broken = Object.entries(env).map((
          [key, value],
        ) => [key, value.includes(SECRET) ? `${value}\nurl = "x` : value]);
        return place.run(service.sensor, Object.fromEntries(broken));
      },
      check: (outcome: Outcome) => {
        if (service.sensor === "jira-issues") checkFailure(outcome, EXIT.unavailable, /no answer from/);
        else checkFailure(outcome, EXIT.settings, /quote, backslash or line break/);
      },
    },
  ];
  if (paging === undefined) return scenarios;
  const pages = scenario("paging", holding(paging.size + 7, plainTitle), (outcome) => {
    const reading = checkReading(outcome);
    strictEqual(told(reading), paging.size + 7);
    strictEqual(counted(reading), paging.size + 7);
    strictEqual(outcome.unauthorized, 0, "requests without the token");
  });
  return [...scenarios, pages];

  /** Checks the counts of a reading with more pages than are read; some services report the total. */
  function checkAllCounted(reading: Reading, { most, total }: NonNullable<Service["paging"]>) {
    const known = total ? most + 230 : service.sensor === "slack-unread" ? most : most + 1;
    strictEqual(told(reading), known);
    strictEqual(counted(reading), known);
    if (!total) ok(reading.detail.more_pages === true || reading.detail.mentions_in_all === most + 230);
  }
}
