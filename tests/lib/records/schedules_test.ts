import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { parseWhen } from "../../../lib/records/schedule_times.ts";
import {
  fireSchedules,
  formatSchedule,
  type Known,
  noteGiven,
  readSchedules,
  removeSchedule,
  schedulePath,
} from "../../../lib/records/schedules.ts";
import { WHOLE } from "../../whole.ts";

const HOUR = 3_600_000;

/** A profile that is removed at the end. */
async function profileOf(): Promise<Profile & AsyncDisposable> {
  // In memory if possible, since a year makes thousands of durable writes.
  const inMemory = await Deno.stat("/dev/shm").then((info) => info.isDirectory, () => false);
  const dir = await Deno.makeTempDir({
    prefix: "looop-schedules-",
    ...(inMemory ? { dir: "/dev/shm" } : {}),
  });
  await Deno.mkdir(`${dir}/schedules`);
  await Deno.mkdir(`${dir}/.lock`);
  const end = async () => await Deno.remove(dir, { recursive: true });
  return { ...profileAt(dir), [Symbol.asyncDispose]: end };
}

async function write(profile: Profile, id: string, line: string, writtenMs: number): Promise<void> {
  const when = await parseWhen(`when: ${line}`);
  if (typeof when === "string") throw new Error(when);
  await Deno.writeTextFile(schedulePath(profile, id), formatSchedule(when, `do ${id}`));
  await Deno.utime(schedulePath(profile, id), writtenMs / 1000, writtenMs / 1000);
}

/** Random numbers in [0, 1), the same in every run. */
function numbers(seed: number): () => number {
  return () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}

const ZONES = ["Europe/Berlin", "America/New_York", "Australia/Sydney"];

for (const zone of WHOLE ? ZONES : ZONES.slice(0, 1)) {
  Deno.test(`given a year in ${zone} with a pulse that is dead at random, when schedules are due, then each due time is given once, late or not`, async () => {
    await using profile = await profileOf();
    const from = Date.parse("2026-01-01T12:00Z");
    const until = Date.parse("2027-01-01T12:00Z");
    await write(profile, "daily", `cron "30 2 * * *" ${zone}`, from);
    await write(profile, "weekdays", `cron "0 9 * * 1-5" ${zone}`, from);
    await write(profile, "six-hours", `every 6h from 2026-01-02T00:00 UTC`, from);
    await write(profile, "days", `every 1d from 2026-01-02T00:30 ${zone}`, from);
    const random = numbers(7);
    const given: Record<string, { due: number; missed: number; lateMs: number }[]> = {};
    const known: Known = new Map();
    for (let now = from, isLast = false; !isLast;) {
      isLast = now >= until;
      now = Math.min(now, until);
      const { firings } = await fireSchedules(profile, now, known);
      const fresh = Object.entries(firings).filter(([, firing]) => firing.due > firing.given);
      for (const [id, { due, missed }] of fresh) (given[id] ??= []).push({ due, missed, lateMs: now - due });
      noteGiven(profile, Object.fromEntries(fresh.map(([id, { due }]) => [id, due])));
      // Usually a beat of two hours; sometimes the machine is off for up to four days, and a new pulse starts.
      const isOff = random() < 0.02;
      if (isOff) known.clear();
      now += isOff ? random() * 96 * HOUR : 2 * HOUR;
    }
    const sum = (id: string) => (given[id] ?? []).reduce((all, { missed }) => all + 1 + missed, 0);
    strictEqual(sum("daily"), 365);
    strictEqual(sum("weekdays"), 261);
    strictEqual(sum("six-hours"), 1459);
    strictEqual(sum("days"), 365);
    for (const all of Object.values(given)) {
      deepStrictEqual(
        all.map(({ due }) => due),
        [...new Set(all.map(({ due }) => due))].sort((a, b) => a - b),
      );
      ok(all.every(({ lateMs }) => lateMs >= 0));
      ok(all.some(({ missed }) => missed > 0));
    }
  });
}

Deno.test("given a reminder that was missed while everything was down, when the pulse is back, then it comes once and its file is archived", async () => {
  await using profile = await profileOf();
  const written = Date.parse("2026-03-01T00:00Z");
  await write(profile, "call", "at 2026-03-01T09:00 UTC", written);
  const early = (await fireSchedules(profile, written + HOUR)).schedules;
  deepStrictEqual(early.map(({ id, next }) => [id, next]), [["call", Date.parse("2026-03-01T09:00Z")]]);
  const late = await fireSchedules(profile, written + 20 * HOUR);
  deepStrictEqual(late.schedules, []);
  deepStrictEqual(late.firings["call"], {
    due: Date.parse("2026-03-01T09:00Z"),
    at: written + 20 * HOUR,
    missed: 0,
    text: "do call",
    given: 0,
  });
  ok(Deno.statSync(`${profile.schedulesArchive}/call.md`).isFile);
  deepStrictEqual((await fireSchedules(profile, written + 30 * HOUR)).firings, late.firings);
});

Deno.test("given firings that no agent was given, when the next is due, then it says how many were missed", async () => {
  await using profile = await profileOf();
  const written = Date.parse("2026-03-01T00:00Z");
  await write(profile, "hourly", "every 1h from 2026-03-01T00:00 UTC", written);
  await fireSchedules(profile, written + HOUR);
  await fireSchedules(profile, written + 2 * HOUR);
  strictEqual((await fireSchedules(profile, written + 5 * HOUR)).firings["hourly"]?.missed, 4);
  noteGiven(profile, { hourly: written + 5 * HOUR });
  const next = (await fireSchedules(profile, written + 6 * HOUR)).firings["hourly"];
  deepStrictEqual([next?.missed, next?.given], [0, written + 5 * HOUR]);
});

for (
  const { name, backMs, due } of [
    { name: "a day", backMs: 24 * HOUR, due: [3] },
    { name: "an hour", backMs: HOUR, due: [] },
  ]
) {
  Deno.test(`given a clock that was ahead by ${name}, when it is set right, then hourly reminders go on, none twice`, async () => {
    await using profile = await profileOf();
    const known: Known = new Map();
    const written = Date.parse("2026-03-01T00:00Z");
    await write(profile, "hourly", "every 1h from 2026-03-01T00:00 UTC", written);
    const fired = async (nowMs: number) => {
      const { due = 0, given = 0 } = (await fireSchedules(profile, nowMs, known)).firings["hourly"] ?? {};
      noteGiven(profile, { hourly: due });
      return due > given ? [(due - written) / HOUR] : [];
    };
    deepStrictEqual(await fired(written + 2.5 * HOUR), [2]);
    strictEqual((await fired(written + 2.5 * HOUR + backMs)).length, 1);
    deepStrictEqual(await fired(written + 2.5 * HOUR), []);
    deepStrictEqual(await fired(written + 3 * HOUR), due);
    deepStrictEqual(await fired(written + 4 * HOUR), [4]);
  });
}

Deno.test("given a schedule that a person edited, when it cannot be used, then it is reported and the others are fired", async () => {
  await using profile = await profileOf();
  const written = Date.parse("2026-03-01T00:00Z");
  await write(profile, "good", "every 1h from 2026-03-01T00:00 UTC", written);
  await Deno.writeTextFile(schedulePath(profile, "bad"), "every monday\nWrite it.\n");
  await Deno.writeTextFile(schedulePath(profile, "empty"), 'when: cron "0 9 * * *" UTC\n\n');
  const { bad, firings } = await fireSchedules(profile, written + HOUR);
  match(bad.map(({ reason }) => reason).join("; "), /line 1 is none of .*; there is no text after line 1/);
  ok("good" in firings);
});

Deno.test("given a schedule, when it is removed or written anew, then its past due times do not come back", async () => {
  await using profile = await profileOf();
  const written = Date.parse("2026-03-01T00:00Z");
  await write(profile, "s", "every 1h from 2026-03-01T00:00 UTC", written);
  await fireSchedules(profile, written + HOUR);
  noteGiven(profile, { s: written + HOUR });
  ok(removeSchedule(profile, "s"));
  strictEqual(removeSchedule(profile, "s"), false);
  deepStrictEqual((await readSchedules(profile)).schedules, []);
  await write(profile, "s", "every 2h from 2026-03-01T00:00 UTC", written + 3.5 * HOUR);
  const { firings, schedules } = await fireSchedules(profile, written + 3.6 * HOUR);
  deepStrictEqual([firings["s"]?.due, schedules[0]?.next], [written + HOUR, written + 4 * HOUR]);
});
