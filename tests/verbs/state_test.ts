import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { published } from "../published.ts";

/** All keys of a state. */
const KEYS = [
  "asks",
  "bad_files",
  "cursor",
  "data_dir",
  "flapping",
  "goals",
  "hosts",
  "journal_tail",
  "pulse",
  "readings",
  "schedules",
  "snapshots",
  "unread",
  "workers",
  "world_hash",
];

Deno.test("given a fresh profile without a pulse, when the state is asked for, then it is complete and no pulse is started", async () => {
  await using p = await testProfile();
  const state = await p.json("_", "state", "--json");
  deepStrictEqual(Object.keys(state).sort(), KEYS);
  strictEqual(state.data_dir, p.profile.dir);
  deepStrictEqual(state.goals, ["playbook-daily", "setup"]);
  deepStrictEqual(state.snapshots["sys-sessions"], { signal: [], detail: { count: 0 } });
  deepStrictEqual(state.snapshots["sys-goals"].signal, {});
  deepStrictEqual([state.pulse.wanted, state.pulse.alive, state.pulse.beat, state.pulse.age_s], [
    false,
    false,
    0,
    null,
  ]);
  match(state.world_hash, /^[0-9a-f]{64}$/);
  deepStrictEqual(await p.processes(), []);
  strictEqual((await Deno.stat(p.profile.dir)).mode! & 0o777, 0o700);
});

Deno.test("given an unchanged world, when its state is asked for with and without a pulse, then the hash is the same", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const alive = await p.json("_", "state", "--json");
  await p.ok("down");
  strictEqual((await p.json("_", "state", "--json")).world_hash, alive.world_hash);
  await p.ok("_", "goal", "write", "ship", "x");
  const changed = await p.json("_", "state", "--json");
  ok(changed.world_hash !== alive.world_hash, "without a pulse nothing shown is older than the files");
  deepStrictEqual(changed.goals, ["playbook-daily", "setup", "ship"]);
  await p.ok("_", "goal", "archive", "ship");
  strictEqual((await p.json("_", "state", "--json")).world_hash, alive.world_hash);
});

Deno.test("given moves, when the state is asked for, then the journal's last 20 lines and the goals' ages are in it", async () => {
  await using p = await testProfile();
  await p.ok("_", "goal", "write", "ship", "x");
  // A goal written by hand whose name is a member of every object.
  await Deno.writeTextFile(p.path("goals/valueOf.md"), "x\n");
  await Deno.writeTextFile(
    p.path("journal.md"),
    Array.from({ length: 30 }, (_, n) => `- 2026-01-01 00:00 move ${n}\n`).join(""),
  );
  await p.ok("_", "goal", "write", "ship", "y");
  const { journal_tail, snapshots } = await p.json("_", "state", "--json");
  strictEqual(journal_tail.length, 20);
  match(journal_tail.at(-1), /^- \d{4}-\d\d-\d\d \d\d:\d\d write-goal ship \[hand\]$/);
  strictEqual(journal_tail[0], "- 2026-01-01 00:00 move 11");
  const { goals } = snapshots["sys-goals"].detail;
  ok(goals.ship.last_acted_unix > 1_700_000_000 && goals.ship.age_s >= 0);
  deepStrictEqual(goals.setup, { last_acted_unix: null, age_s: null });
  deepStrictEqual(goals.valueOf, { last_acted_unix: null, age_s: null });
});

const GARBAGE: Record<string, string> = {
  "empty": "",
  "half": '{"v":1,"beat":',
  "a list": "[]",
  "another version": '{"v":99}',
  "null parts": '{"v":1,"readings":{"sensor-a":null},"goals":{"a":null},"settings":{},"fleet":{}}',
  "wrong parts":
    '{"v":1,"beat":1,"published_at":1,"world_hash":"x","playbook":"","goals":{},"readings":{},"flapping":5,"alerts":[null],"bad_files":null,"settings":{"interval_s":1},"fleet":{"dir_mtime":0,"workers":{}}}',
};

for (const [what, text] of Object.entries(GARBAGE)) {
  Deno.test(`given a .world.json edited by hand into ${what}, when verbs look, then it is listed as bad and stops none of them`, async () => {
    await using p = await testProfile();
    await p.ok("_", "state");
    await Deno.writeTextFile(p.profile.world, text);
    const state = await p.json("_", "state", "--json");
    deepStrictEqual(state.bad_files.map((bad: { path: string }) => bad.path), [p.profile.world]);
    deepStrictEqual(state.goals, ["playbook-daily", "setup"]);
    match(await p.ok("status"), /\.world\.json/);
    strictEqual((await p.wait("--timeout", "5")).reason[0], "first");
    strictEqual(p.read(".world.json"), text, "it is never deleted");
  });
}

Deno.test("given state files that do not parse, when verbs look, then each is listed once, and none stops a verb or is removed", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const bad = [".goal-activity.json", "asks/w1-1.json", "claims/lease.json"];
  for (const name of [...bad, ".lock/wanted.json", ".lock/revivals.json"]) {
    await Deno.writeTextFile(p.path(name), "{ not JSON");
  }
  for (const round of ["no pulse", "pulse"]) {
    if (round === "pulse") await p.ok("up");
    const state = await p.json("_", "state", "--json");
    deepStrictEqual(
      state.bad_files.map((file: { path: string }) => file.path).sort(),
      bad.map((name) => p.path(name)),
      round,
    );
    ok(state.bad_files.every((file: { reason: string }) => file.reason.length > 0));
    await p.ok("status");
    await p.ok("_", "goal", "write", "g", round);
  }
  for (const name of bad) strictEqual(p.read(name), "{ not JSON");
});

Deno.test("given policy that cannot be read, when verbs look and the pulse beats, then it is listed and the rest goes on", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const absent = await p.json("_", "state", "--json");
  await Deno.remove(p.profile.playbook);
  await Deno.mkdir(p.profile.playbook);
  await Deno.mkdir(p.profile.goalActivity);
  p.sensor("count", "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) >n; echo $n");
  const state = () => p.json("_", "state", "--json");
  const unreadable = await state();
  const listed = [p.profile.goalActivity, p.profile.playbook];
  deepStrictEqual(unreadable.bad_files.map((bad: { path: string }) => bad.path), listed);
  ok(unreadable.world_hash !== absent.world_hash);
  await p.ok("up");
  await p.until("it goes on sensing", () => published(p).snapshots["sensor-count"] >= 2);
  deepStrictEqual((await state()).bad_files, unreadable.bad_files);
  for (const path of listed) await Deno.remove(path);
  await p.until("nothing is listed any more", () => published(p).bad_files.length === 0);
});

Deno.test("given a limit, when the state is asked for, then it fits and says where the rest is; without one nothing is elided", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.writeTextFile(p.path("journal.md"), `${"- 2026-01-01 00:00 long\n".repeat(200)}`);
  const whole = await p.ok("_", "state", "--json");
  strictEqual(JSON.parse(whole).journal_tail.length, 20);
  const short = await p.ok("_", "state", "--json", "--max-bytes", "1500");
  ok(short.length <= 1500, `${short.length}`);
  deepStrictEqual(Object.keys(JSON.parse(short)).sort(), KEYS);
  strictEqual(JSON.parse(short).journal_tail.file, p.profile.journal);
  strictEqual(
    JSON.parse(await p.ok("_", "state", "--json", "--max-bytes", "1500", "--full")).journal_tail.length,
    20,
  );
});

Deno.test("given a state for people, when it is shown, then it is a short text without JSON, and control characters are gone", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  using ask = p.start(["_", "ask", "w1", "--prompt", "Clear \u001b[2J the screen?"]);
  await ask.said("asked");
  const text = await p.ok("_", "state");
  match(text, /asks: 1 .* goals: 2 .* pulse: stopped/);
  match(text, /w1-1 \(w1\): Clear .*the screen\?/);
  ok(!text.includes("\u001b") && !text.includes("{"));
});

Deno.test("given a reader that goes away, when the state is printed, then the call ends quietly", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.writeTextFile(p.path("goals/big.md"), "x");
  const { looopCommand } = await import("../looop.ts");
  const { code, stderr } = await new Deno.Command("bash", {
    args: ["-c", 'set -o pipefail; "$@" _ state --json | head -c 10 >/dev/null', "bash", ...looopCommand()],
    env: p.env,
    clearEnv: true,
  }).output();
  deepStrictEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
});
