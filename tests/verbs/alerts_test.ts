import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { passBeats, start, up, wokenBy } from "../alerts.ts";
import { testProfile } from "../looop.ts";
import { crashPulse, pulsePid } from "../published.ts";

Deno.test("given a goal on which nobody moves, when goal_idle_after passes, then it wakes once, and again after another move", async () => {
  await using p = await testProfile();
  await up(p, { goal_idle_after: 2 });
  await p.ok("_", "goal", "write", "ship", "Ship it");
  const { woken } = await wokenBy(p, "goal_idle:ship");
  ok(
    woken.changes.alerts.some((alert: object) =>
      JSON.stringify(alert) === '{"kind":"goal_idle","id":"ship"}'
    ),
  );
  await passBeats(p, 3);
  // The seeded goals are idle by now, too.
  for (
    let next = await p.wait("--timeout", "0.1");
    !next.timed_out;
    next = await p.wait("--timeout", "0.1")
  ) {
    ok(!next.reason.includes("goal_idle:ship"), `woken again by ${next.reason}`);
  }
  await passBeats(p, 3);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
  await p.ok("_", "goal", "write", "ship", "Ship it now");
  await wokenBy(p, "goal_idle:ship");
});

Deno.test("given limits of 0, when time passes, then no alert comes", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 0, ready_timeout: 0, goal_idle_after: 0 });
  await start(p, "mute", "exec sleep 600");
  await passBeats(p, 3);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
  deepStrictEqual(
    (await p.json("status", "--json")).problems.filter(({ id }: { id: string }) => id === "mute"),
    [],
  );
});

Deno.test("given a config that breaks and is mended, when the pulse runs on, then it wakes once with the place, but not when it is mended", async () => {
  await using p = await testProfile();
  await p.okCall(["up"], { env: { LOOOP_INTERVAL: "3600" } });
  await p.wait();
  const config = p.read("config.json");
  await Deno.writeTextFile(p.profile.config, '{ "interval": }');
  const { woken } = await wokenBy(p, "config");
  match(woken.changes.config, /^config.json:1:15: /);
  await Deno.writeTextFile(p.profile.config, config);
  await p.until("it is read", () => JSON.parse(p.read(".world.json")).bad_files.length === 0);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
});

Deno.test("given a file that becomes bad, when it has been bad for a moment, then it wakes once with the file and the reason", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait();
  await Deno.writeTextFile(p.path("asks/w-1.json"), "{");
  const reason = `bad_file:${p.path("asks/w-1.json")}`;
  const { woken } = await wokenBy(p, reason);
  deepStrictEqual(woken.changes.bad_files.map(({ path }: { path: string }) => path), [
    p.path("asks/w-1.json"),
  ]);
  strictEqual((await p.wait("--timeout", "2")).timed_out, true);
});

Deno.test("given a pulse that is stopped by a signal, when it has missed two beats, then that wakes once, and its next stall wakes again", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait();
  for (let round = 0; round < 2; round++) {
    while ((await p.wait("--timeout", "0.1")).timed_out !== true);
    const pid = pulsePid(p);
    Deno.kill(pid, "SIGSTOP");
    try {
      const { woken } = await wokenBy(p, "pulse_stalled");
      deepStrictEqual(woken.changes.pulse, { from: "alive", to: "stalled" });
      strictEqual((await p.wait("--timeout", "1.5")).timed_out, true);
    } finally {
      Deno.kill(pid, "SIGCONT");
    }
    await p.until("it beats", async () => !(await p.json("_", "state", "--json")).pulse.stalled);
  }
});

Deno.test("given a stalled pulse and calls too short to notice it, when they add up to two intervals, then one of them reports it", async () => {
  await using p = await testProfile();
  await p.okCall(["up"], { env: { LOOOP_INTERVAL: "2" } });
  await p.wait();
  const pid = pulsePid(p);
  Deno.kill(pid, "SIGSTOP");
  try {
    const reasons: string[] = [];
    for (let calls = 0; calls < 20 && reasons.length === 0; calls++) {
      reasons.push(...(await p.wait("--timeout", "1")).reason);
    }
    deepStrictEqual(reasons, ["pulse_stalled"]);
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
});

Deno.test("given a pulse that is dead, stopped or starting for ever, when wait has a time limit, then it returns within it", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait();
  const timed = async () => {
    const started = performance.now();
    await p.ok("_", "wait", "--json", "--timeout", "1");
    return performance.now() - started;
  };
  const pid = pulsePid(p);
  Deno.kill(pid, "SIGSTOP");
  ok(await timed() < 3_500);
  Deno.kill(pid, "SIGCONT");
  await crashPulse(p);
  // As if another process that starts the pulse held the lock for ever.
  const held = await Deno.open(p.path(".lock/revive"), { read: true, write: true, create: true });
  await held.lock(true);
  ok(await timed() < 3_500);
  held.close();
});

Deno.test("given a large world and a long question, when a wait ends, then it fits, the question is cut, and --full has all", async () => {
  await using p = await testProfile();
  await up(p, {});
  for (const n of [1, 2, 3]) {
    p.sensor(`big${n}`, `echo "{\\"signal\\":1,\\"detail\\":\\"$(printf 'x%.0s' $(seq 1 3000))\\"}"`);
  }
  await p.until("sensed", async () => "sensor-big3" in (await p.json("_", "state", "--json")).snapshots);
  await p.wait();
  const question = "Which way? ".repeat(2000);
  using _ask = p.start(["_", "ask", "w9", "--prompt", question]);
  const woken = await p.call(["_", "wait", "--json", "--timeout", "20"]);
  ok(new TextEncoder().encode(woken.stdout).length <= 8000, `${woken.stdout.length} bytes`);
  const state = JSON.parse(woken.stdout);
  deepStrictEqual(Object.keys(state).slice(0, 2), ["reason", "changes"]);
  const [ask] = state.asks;
  ok(ask.prompt.startsWith("Which way? Which way?") && ask.prompt.length < 2_100);
  strictEqual(JSON.parse(Deno.readTextFileSync(ask.file)).prompt, question);
  deepStrictEqual(state.changes.asks, ["w9-1"]);

  const full = await p.json("_", "wait", "--json", "--fresh", "--full");
  strictEqual(full.asks[0].prompt, question);
  strictEqual(full.snapshots["sensor-big1"].detail.length, 3000);
  const limited = await p.run("_", "state", "--json", "--max-bytes", "26000");
  ok(new TextEncoder().encode(limited.stdout).length <= 26_001, `${limited.stdout.length} bytes`);
  strictEqual((await p.json("_", "state", "--json")).snapshots["sensor-big2"].detail.length, 3000);
});
