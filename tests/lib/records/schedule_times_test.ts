import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import {
  chooseWhen,
  dueTimes,
  faultOf,
  formatWhen,
  MAX_COUNTED,
  parseWhen,
  type When,
} from "../../../lib/records/schedule_times.ts";
import { UsageError } from "../../../lib/errors.ts";

/** The first line of a schedule, a moment, and the next due times, which a reader can check by hand. */
const CASES: readonly (readonly [string, string, readonly string[]])[] = [
  ["at 2026-03-01T09:00 Europe/Berlin", "2026-01-01T00:00Z", ["2026-03-01T08:00"]],
  // The clock goes from 02:00 to 03:00; a skipped time is due an hour later.
  ["at 2026-03-29T02:30 Europe/Berlin", "2026-03-28T00:00Z", ["2026-03-29T01:30"]],
  // The clock goes from 03:00 back to 02:00; the first of the two times is due.
  ["at 2026-10-25T02:30 Europe/Berlin", "2026-10-24T00:00Z", ["2026-10-25T00:30"]],
  ['cron "30 2 * * *" Europe/Berlin', "2026-03-28T00:00Z", [
    "2026-03-28T01:30",
    "2026-03-29T01:30",
    "2026-03-30T00:30",
  ]],
  ['cron "0,30 2 * * *" Europe/Berlin', "2026-10-24T12:00Z", [
    "2026-10-25T00:00",
    "2026-10-25T00:30",
    "2026-10-26T01:00",
  ]],
  ['cron "0 * * * *" Europe/Berlin', "2026-10-24T23:30Z", [
    "2026-10-25T00:00",
    "2026-10-25T01:00",
    "2026-10-25T02:00",
  ]],
  ['cron "0 9 * * 1-5" America/New_York', "2026-03-06T00:00Z", [
    "2026-03-06T14:00",
    "2026-03-09T13:00",
    "2026-03-10T13:00",
  ]],
  ['cron "30 0 * * *" Australia/Lord_Howe', "2026-04-03T20:00Z", [
    "2026-04-04T13:30",
    "2026-04-05T14:00",
  ]],
  ["every 1d from 2026-03-27T02:30 Europe/Berlin", "2026-03-28T00:00Z", [
    "2026-03-28T01:30",
    "2026-03-29T01:30",
    "2026-03-30T00:30",
  ]],
  ["every 6h from 2026-03-28T22:00 Europe/Berlin", "2026-03-28T21:30Z", [
    "2026-03-29T03:00",
    "2026-03-29T09:00",
  ]],
  ["every 1w from 2026-03-23T09:00 Asia/Tokyo", "2026-03-23T00:00Z", ["2026-03-30T00:00"]],
  ["every 2h from 2030-01-01T00:00 UTC", "2026-01-01T00:00Z", ["2030-01-01T00:00", "2030-01-01T02:00"]],
];

async function whenOf(line: string): Promise<When> {
  const when = await parseWhen(`when: ${line}`);
  if (typeof when === "string") throw new Error(when);
  return when;
}

for (const [line, from, expected] of CASES) {
  Deno.test(`given "${line}", when its due times after ${from} are asked for, then they are the wall clock's`, async () => {
    const when = await whenOf(line);
    strictEqual(formatWhen(when), `when: ${line}`);
    const found: string[] = [];
    for (let at = Date.parse(from); found.length < expected.length;) {
      const { next } = await dueTimes(when, at, at);
      if (next === undefined) break;
      found.push(new Date(next).toISOString().slice(0, 16));
      at = next;
    }
    deepStrictEqual(found, expected);
  });
}

Deno.test("given a span, when due times are counted, then none is dropped at either end", async () => {
  const when = await whenOf('cron "0 9 * * *" Europe/Berlin');
  const [from, until] = [Date.parse("2026-01-01T08:00Z"), Date.parse("2026-01-31T08:00Z")];
  const { count, last, next } = await dueTimes(when, from, until);
  deepStrictEqual([count, last, next], [30, until, Date.parse("2026-02-01T08:00Z")]);
});

Deno.test("given more due times than are counted, when a span is asked for, then its last one is still right", async () => {
  const when = await whenOf('cron "* * * * *" Europe/Berlin');
  const until = Date.parse("2026-03-01T00:00Z");
  const { count, last, next } = await dueTimes(when, until - 20 * 86_400_000, until);
  deepStrictEqual([count, last, next], [MAX_COUNTED, until, until + 60_000]);
});

Deno.test("given a line without a valid time, when it is read, then the reason names the fault", async () => {
  for (
    const [line, reason] of [
      ["remind me", /line 1 is none of/],
      ["when: at 2026-02-30T09:00 UTC", /2026-02-30T09:00/],
      ["when: at 2026-03-01T09:00 Mars/Base", /unknown time zone "Mars\/Base"/],
      ["when: every 5x from 2026-01-01T00:00 UTC", /"5x" is not a duration/],
      ["when: every 10s from 2026-01-01T00:00 UTC", /shorter than a minute/],
      ['when: cron "61 * * * *" UTC', /Invalid value for minute: 61/],
      ['when: cron "* * * * * *" UTC', /5 parts/],
      ['when: cron "0 0 31 2 *" UTC', /never due/],
    ] as const
  ) {
    const read = await parseWhen(line);
    ok(typeof read === "string", line);
    match(read, reason);
  }
});

Deno.test("given the options of a call, when a schedule is chosen, then short times are the next such time and offsets are kept", async () => {
  const now = Date.parse("2026-03-01T12:00Z");
  const at = (text: string) =>
    chooseWhen({ at: text, every: undefined, cron: undefined }, "Europe/Berlin", now);
  deepStrictEqual(at("14:00"), { kind: "at", time: "2026-03-01T14:00", zone: "Europe/Berlin" });
  deepStrictEqual(at("09:00"), { kind: "at", time: "2026-03-02T09:00", zone: "Europe/Berlin" });
  deepStrictEqual(at("2026-03-05T09:00Z"), { kind: "at", time: "2026-03-05T10:00", zone: "Europe/Berlin" });
  deepStrictEqual(at("2026-03-05 09:00"), { kind: "at", time: "2026-03-05T09:00", zone: "Europe/Berlin" });
  match(await faultOf(at("tomorrow")) ?? "", /"tomorrow" is not a time/);
  for (
    const options of [{ at: "09:00", every: "2h", cron: undefined }, {
      at: undefined,
      every: undefined,
      cron: undefined,
    }]
  ) {
    let thrown: unknown;
    try {
      chooseWhen(options, "UTC", now);
    } catch (error) {
      thrown = error;
    }
    ok(thrown instanceof UsageError);
  }
});
