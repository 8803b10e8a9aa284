import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { writeExecutable } from "../executable.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { crashPulse, pulsePid } from "../published.ts";

async function up(p: TestProfile, config: Record<string, unknown>): Promise<void> {
  await Deno.mkdir(p.profile.dir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, JSON.stringify(config));
  await p.ok("up");
  await p.wait();
}

async function start(p: TestProfile, id: string, brief: string): Promise<void> {
  await p.okCall(["_", "worker", "start", id, "--runner", "shell"], { stdin: brief });
}

/** Waits until a reason of this kind comes; returns what that call printed and all reasons on the way. */
// deno-lint-ignore no-explicit-any -- tests look into it freely
async function wokenBy(p: TestProfile, reason: string): Promise<{ woken: any; before: string[] }> {
  const before: string[] = [];
  const deadline = performance.now() + 60_000;
  for (;;) {
    const woken = await p.wait("--timeout", "20");
    if (woken.reason?.includes(reason)) return { woken, before };
    if (woken.timed_out || performance.now() > deadline) {
      throw new Error(`never woken by ${reason}, but by ${before.join(" ")}`);
    }
    before.push(...woken.reason);
  }
}

/** Beats of the pulse so far. */
function beats(p: TestProfile): number {
  return JSON.parse(p.read(".world.json")).beat;
}

async function passBeats(p: TestProfile, count: number): Promise<void> {
  const from = beats(p);
  await p.until(`${count} beats`, () => beats(p) >= from + count);
}

Deno.test("given a worker that goes silent, when silent_after passes, then it is told once, and again after it spoke", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 1 });
  await start(
    p,
    "quiet",
    `"$LOOOP_BIN" _ ready quiet
echo 'the last words'
while [ ! -e reports/speak ]; do sleep 0.05; done
echo 'and more'
sleep 600`,
  );
  const { woken } = await wokenBy(p, "silent:quiet");
  const [alert] = woken.changes.alerts;
  deepStrictEqual([alert.kind, alert.id, alert.screen.at(-1)], ["silent", "quiet", "the last words"]);
  await passBeats(p, 3);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true, "one silence is told once");
  await Deno.writeTextFile(p.path("reports/speak"), "");
  const again = await wokenBy(p, "silent:quiet");
  strictEqual(again.woken.changes.alerts[0].screen.at(-1), "and more");
});

Deno.test("given an agent that prints nothing but writes its record, when silent_after passes, then it is told once that has ended", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 1 });
  Deno.mkdirSync(`${p.base}/bin`);
  writeExecutable(
    `${p.base}/bin/pi`,
    `#!/bin/sh
"$LOOOP_BIN" _ ready w1 >/dev/null
mkdir -p "$HOME/.pi/agent/sessions/x"
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
  echo '{}' >>"$HOME/.pi/agent/sessions/x/t_$2.jsonl"
  sleep 0.25
done
: >"$LOOOP_DATA_DIR/reports/stopped"
exec sleep 600
`,
  );
  const env = { PATH: `${p.base}/bin:${p.env["PATH"]}` };
  await p.okCall(["_", "worker", "start", "w1", "--runner", "pi", "--headless", "brief"], { env });
  await wokenBy(p, "silent:w1");
  ok([...Deno.readDirSync(p.profile.reports)].some(({ name }) => name === "stopped"));
});

Deno.test("given a worker that asks, when silent_after passes, then it is not silent, nor right after the answer", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 2 });
  await start(
    p,
    "asker",
    `"$LOOOP_BIN" _ ask asker --prompt 'Go on?' >/dev/null 2>&1; : >reports/answered; sleep 600`,
  );
  await wokenBy(p, "ask:asker-1");
  await passBeats(p, 4);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true, "a question is no silence");
  const answered = performance.now();
  await p.ok("_", "answer", "asker-1", "yes");
  const { woken } = await wokenBy(p, "silent:asker");
  ok(performance.now() - answered >= 1_900, "silence begins with the answer");
  deepStrictEqual(woken.changes.alerts.map(({ id }: { id: string }) => id), ["asker"]);
  await passBeats(p, 3);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true, "one silence is told once");
});

Deno.test("given a worker that never begins, when ready_timeout passes, then its last 20 screen lines are told once", async () => {
  await using p = await testProfile();
  await up(p, { ready_timeout: 4 });
  await start(
    p,
    "stuck",
    `printf '\\033[2J\\033[H\\033[1mWelcome\\033[0m\\n'
for n in $(seq 1 30); do echo "line $n"; done
printf 'Do you trust this folder? \\033[7m No, exit \\033[0m'
sleep 600`,
  );
  const { woken } = await wokenBy(p, "not_ready:stuck");
  const [alert] = woken.changes.alerts;
  deepStrictEqual([alert.kind, alert.id, alert.screen.length], ["not_ready", "stuck", 20]);
  deepStrictEqual(alert.screen.slice(0, 2), ["line 12", "line 13"]);
  match(alert.screen.at(-1), /^Do you trust this folder\? {2}No, exit/);
  strictEqual(woken.workers[0].ready, false);
  await passBeats(p, 3);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
});

Deno.test("given a headless agent that prints events and then a question, when it never begins, then the question is told too", async () => {
  await using p = await testProfile();
  await up(p, { ready_timeout: 4 });
  const event = { type: "assistant", message: { content: [{ type: "text", text: "I look." }] } };
  Deno.writeTextFileSync(`${p.base}/out`, `${JSON.stringify(event)}\nPassword: `);
  const command = `cat '${p.base}/out'; sleep 600; : --output-format stream-json`;
  await p.ok("_", "worker", "start", "mute", "--command", command, "Go.");
  const { woken } = await wokenBy(p, "not_ready:mute");
  deepStrictEqual(woken.changes.alerts[0].screen, ["I look.", "Password:"]);
});

Deno.test("given workers that call back in any way, when ready_timeout passes, then nobody is told of them", async () => {
  await using p = await testProfile();
  await up(p, { ready_timeout: 1 });
  await start(p, "ready", `"$LOOOP_BIN" _ ready ready; sleep 600`);
  await start(p, "claims", `"$LOOOP_BIN" _ claim thing; sleep 600`);
  await p.until("both are ready", async () => {
    const { workers } = await p.json("_", "state", "--json");
    return workers.every((worker: { ready: boolean }) => worker.ready);
  });
  await passBeats(p, 3);
  const reasons = (await p.wait("--timeout", "0.1")).reason;
  ok(!reasons.some((reason: string) => reason.startsWith("not_ready:")), reasons.join(" "));
});

Deno.test("given alerts that were told, when the pulse is killed and started again, then none is told again", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 3, ready_timeout: 1 });
  await start(p, "asked", `"$LOOOP_BIN" _ ask asked --prompt 'Go on?' >/dev/null 2>&1; exec sleep 600`);
  await wokenBy(p, "ask:asked-1");
  await start(p, "quiet", `"$LOOOP_BIN" _ ready quiet; echo 'last words'; exec sleep 600`);
  await wokenBy(p, "silent:quiet");
  await p.ok("_", "answer", "asked-1", "yes");
  await wokenBy(p, "silent:asked");
  await start(p, "mute", "echo 'a login?'; exec sleep 600");
  await wokenBy(p, "not_ready:mute");
  await crashPulse(p);
  await p.wait("--timeout", "5");
  await passBeats(p, 4);
  const after = await p.wait("--timeout", "0.1");
  deepStrictEqual([after.timed_out, after.reason], [true, []]);
});

Deno.test("given a silent worker that draws the same screen again, when it is silent again, then that is the same silence", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 1 });
  await start(
    p,
    "redraws",
    `"$LOOOP_BIN" _ ready redraws
draw() { printf '\\033[2J\\033[Hworking'; }
draw; while [ ! -e reports/redraw ]; do sleep 0.05; done
draw; : >reports/drawn; exec sleep 600`,
  );
  await wokenBy(p, "silent:redraws");
  await Deno.writeTextFile(p.path("reports/redraw"), "");
  await p.until("it is drawn again", () => [...Deno.readDirSync(p.path("reports"))].length === 2);
  await passBeats(p, 4);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
});

Deno.test("given a worker that never began, when it is silent too, then only the first of both is told", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 3, ready_timeout: 2 });
  await start(p, "stuck", "echo 'Do you trust this folder?'; exec sleep 600");
  await wokenBy(p, "not_ready:stuck");
  await passBeats(p, 4);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
});

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
  await wokenBy(p, "goal_idle:setup").catch(() => {});
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
  await p.ok("_", "goal", "write", "ship", "Ship it now");
  await wokenBy(p, "goal_idle:ship");
});

Deno.test("given limits that are 0, when time passes, then nobody is told of anything", async () => {
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

Deno.test("given a config that breaks and is mended, when the pulse runs on, then it wakes once with the place, and not as it is mended", async () => {
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

Deno.test("given a file that becomes bad, when it has been so for a moment, then it wakes once with the file and the reason", async () => {
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

Deno.test("given a pulse that is stopped by a signal, when it has missed two beats, then that wakes once, and its next silence again", async () => {
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

Deno.test("given a stalled pulse and calls that are too short to tell, when they add up to two intervals, then one of them tells it", async () => {
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

Deno.test("given a pulse that is dead, stopped or starting for ever, when wait is given a time, then it comes back in it", async () => {
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
  // Somebody who starts it holds the lock and does not come to an end.
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
