import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";

/** The UTC wall-clock time this many seconds from now. */
function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString().slice(0, 19);
}

/** Waits as an agent until a schedule is due, past the news that it was written and past first readings. */
async function untilDue(p: TestProfile, name: string) {
  for (;;) {
    const woken = await p.wait("--as", name, "--timeout", "20");
    ok(woken.timed_out !== true, "nothing was due");
    const due = woken.changes.schedules?.find((one: { due?: string }) => one.due !== undefined);
    if (due !== undefined) return due;
  }
}

Deno.test("given a reminder, when it is due, then it wakes each agent once, with its text and times", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait("--as", "one");
  await p.wait("--as", "two");
  await p.ok("_", "schedule", "write", "call", "--at", inSeconds(3), "--zone", "UTC", "Call the dentist");
  for (const name of ["one", "two"]) {
    const { id, text, missed, late_s } = await untilDue(p, name);
    deepStrictEqual([id, text, missed], ["call", "Call the dentist", 0]);
    ok(late_s < 15);
    strictEqual((await p.wait("--as", name, "--timeout", "1")).timed_out, true);
  }
  ok((await Deno.stat(p.path("schedules/archive/call.md"))).isFile);
  // A later agent does not get a reminder that another agent has got.
  strictEqual((await p.wait("--as", "three")).changes.schedules, undefined);
});

Deno.test("given a reminder that was missed while the pulse was down, when it is up again, then it comes once and late", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait("--as", "me");
  await p.ok("down");
  await p.ok("_", "schedule", "write", "hourly", "--every", "1h", "--zone", "UTC", "Look at the queue");
  const path = p.path("schedules/hourly.md");
  const earlier = inSeconds(-10_900).slice(0, 16);
  await Deno.writeTextFile(path, `when: every 1h from ${earlier} UTC\nLook at the queue\n`);
  await Deno.utime(path, Date.now() / 1000 - 11_000, Date.now() / 1000 - 11_000);
  await p.ok("up");
  const due = await untilDue(p, "me");
  strictEqual(due.missed, 3);
  ok(due.late_s > 60);
  const state = await p.json("_", "state", "--json");
  deepStrictEqual(state.schedules.map(({ id }: { id: string }) => id), ["hourly"]);
});

Deno.test("given an agent's own schedule and a person's edit, when it waits, then only the edit is news", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait("--as", "me");
  const env = { LOOOP_AGENT: "me" };
  const write = [
    "_",
    "schedule",
    "write",
    "daily",
    "--cron",
    "0 9 * * *",
    "--zone",
    "Europe/Berlin",
    "Write it",
  ];
  await p.okCall(write, { env });
  strictEqual((await p.wait("--as", "me", "--timeout", "2")).timed_out, true);
  await Deno.writeTextFile(p.path("schedules/daily.md"), "when: every monday\nWrite it\n");
  const bad = await p.wait("--as", "me", "--timeout", "20");
  ok(bad.reason.some((reason: string) => reason.startsWith("bad_file:")), JSON.stringify(bad.reason));
  match(bad.changes.bad_files[0].reason, /line 1 is none of/);
});

Deno.test("given a call without a valid time, when a schedule is written, then exit 2 and nothing is written", async () => {
  await using p = await testProfile();
  for (
    const args of [
      ["s", "text"],
      ["s", "--at", "2020-01-01T00:00", "text"],
      ["s", "--cron", "61 * * * *", "text"],
      ["s", "--every", "2h", "--zone", "Mars/Base", "text"],
      ["s", "--every", "2h", "--at", "09:00", "text"],
      ["../s", "--every", "2h", "text"],
    ]
  ) {
    const { code, stderr } = await p.run("_", "schedule", "write", ...args);
    strictEqual(code, 2, args.join(" "));
    strictEqual(stderr.trim().split("\n").length, 1);
  }
  await Deno.stat(p.path("schedules")).then((info) => ok(info.isDirectory), () => {});
  strictEqual((await p.run("_", "schedule", "remove", "s")).code, 1);
});

Deno.test("given reminders, when status and the state are looked at, then they name the next ones, and the setup goal offers reminders", async () => {
  await using p = await testProfile();
  await p.ok("up");
  for (const [id, every] of [["later", "3h"], ["soon", "2h"], ["far", "2d"], ["next", "1h"]] as const) {
    await p.ok("_", "schedule", "write", id, "--every", every, "--zone", "UTC", `Do ${id}`);
  }
  await p.until("they are known", async () => (await p.json("_", "state", "--json")).schedules.length === 4);
  const screen = await p.ok("status");
  match(
    screen,
    /reminders due next, of 4\n +next +in \d+ m\w* .*\n +soon +in 1 h .*\n +later +in 2 h .*\n.* 1 more/,
  );
  match(await p.ok("_", "state"), /⏰ next is due at .*Z\n.*⏰ soon .*\n.*⏰ later /);
  match(p.read("goals/setup.md"), /looop _ schedule write/);
});
