import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";
import { writeExecutable } from "../executable.ts";
import { fileText, workerView } from "../workers.ts";

/** Writes a data dir in the file formats of looop 0.16. */
async function oldProfile(p: TestProfile): Promise<void> {
  const files: Record<string, string> = {
    "PLAYBOOK.md": "# my playbook\n",
    "goals/ship.md": "# ship\n",
    "goals/archive/setup.md": "# setup\n",
    "sensors/old.sh": '#!/bin/sh\necho \'{"signal":{"n":1},"detail":{}}\'\n',
    "snapshots/sensor-old.json": '{"signal":{"n":1},"detail":{}}',
    "snapshots/sensor-old.err": "",
    "asks/w1-1.json": JSON.stringify(
      { id: "w1-1", worker: "w1", prompt: "Old question?", options: ["a", "b"], ts: 1767225600 },
      null,
      2,
    ),
    "asks/w1-2.json": JSON.stringify(
      { id: "w1-2", worker: "w1", prompt: "Pending?", reference: "x.md", ts: 1767225601 },
      null,
      2,
    ),
    "answers/w1-1.json": JSON.stringify({ answer: "a", ts: 1767225700 }, null, 2),
    "claims/task.json": '{"session":"w1","name":"task"}',
    "journal.md": "- 2026-01-01 09:00 write-goal ship\n- 2026-01-01 09:01 start-worker w1\n",
    "cost.jsonl": '{"ts":"2026-01-01T09:00:00Z","kind":"session","id":"w1","runner":"pi","cost_usd":0.25}\n',
    "events.jsonl": '{"ts":"2026-01-01T09:00:00Z","event":"tick_start"}\n',
    ".goal-activity.json": '{"ship":1767225600,"w1":1767225600}',
    ".action-wal.json": '{"kind":"run","fingerprint":"abc","ts":1767225600}',
    "config.json":
      '{"default":"sh","interval":60,"runners":{"sh":{"interactive":"sh -c \\"cat >/dev/null; echo old\\" <{{prompt_file}} | looop _ fmt"},"claude":{"interactive":"claude \\"$(cat {{prompt_file}})\\""}}}',
    "sessions/w1/meta.json": JSON.stringify({
      id: "w1",
      cmd: ["bash", "-c", "pi"],
      babysit_pid: 999999,
      started_at: 1767225600,
    }),
    "sessions/w1/status.json": JSON.stringify({
      state: "exited",
      child_pid: 999998,
      exit_code: 0,
      last_change: 1767225660,
    }),
    "sessions/w1/output.log": "hello\r\n",
    "sessions/w2/meta.json": JSON.stringify({
      id: "w2",
      cmd: ["bash"],
      babysit_pid: Deno.pid,
      started_at: "2026-01-01T00:00:00Z",
    }),
    "sessions/w2/status.json": JSON.stringify({
      state: "running",
      child_pid: Deno.pid,
      exit_code: null,
      last_change: 1767225660000,
    }),
    "prompts/w1.md": "brief\n",
    "runs/.keep": "",
  };
  for (const [name, text] of Object.entries(files)) {
    const path = p.path(name);
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (name.endsWith(".sh")) writeExecutable(path, text);
    else await Deno.writeTextFile(path, text);
  }
  await Deno.mkdir(p.path("reports"));
}

/** A time in the form of 0.16. */
const NANO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;

Deno.test("given a data dir of looop 0.16, when it is read, then everything is there and no file is bad", async () => {
  await using p = await testProfile();
  await oldProfile(p);
  await p.ok("up");
  const state = await p.json("_", "state", "--json");
  deepStrictEqual(state.asks.map((ask: { id: string; reference?: string }) => [ask.id, ask.reference]), [[
    "w1-2",
    "x.md",
  ]]);
  deepStrictEqual(state.goals, ["ship"]);
  deepStrictEqual(state.bad_files, []);
  deepStrictEqual(state.journal_tail.slice(0, 2), [
    "- 2026-01-01 09:00 write-goal ship",
    "- 2026-01-01 09:01 start-worker w1",
  ]);
  deepStrictEqual(state.snapshots["sensor-old"], { signal: { n: 1 }, detail: {} });
  const byId = Object.fromEntries(state.workers.map((worker: { id: string }) => [worker.id, worker]));
  deepStrictEqual([byId.w1.state, byId.w1.exit_code, byId.w1.ended], ["exited", 0, "2026-01-01T00:01:00Z"]);
  strictEqual(byId.w2.state, "lost", "a process of unknown identity is reported, never trusted");
  strictEqual(p.read("PLAYBOOK.md"), "# my playbook\n");
  strictEqual(p.read("config.json").includes("looop _ fmt"), true, "a person's file is not rewritten");
  ok(!state.goals.includes("setup"), "nothing is seeded into a profile that is in use");
  for (const args of [["status"], ["_", "worker", "list"], ["_", "worker", "log", "w1"], ["down"]]) {
    strictEqual((await p.run(...args)).code, 0, args.join(" "));
  }
});

Deno.test("given a data dir of looop 0.16, when it is worked on, then what we write keeps its formats", async () => {
  await using p = await testProfile();
  await oldProfile(p);
  await p.ok("_", "answer", "w1-2", "fine");
  const answer = JSON.parse(p.read("answers/w1-2.json"));
  deepStrictEqual([answer.answer, typeof answer.ts], ["fine", "number"]);
  // The worker's next number is the one that 0.16 would give.
  using ask = p.start(["_", "ask", "w1", "--prompt", "Third?", "--ref", "r", "--options", "x, y"]);
  await ask.said("w1-3");
  const third = JSON.parse(p.read("asks/w1-3.json"));
  deepStrictEqual(
    [third.id, third.worker, third.prompt, third.reference, third.options, Number.isInteger(third.ts)],
    ["w1-3", "w1", "Third?", "r", ["x", "y"], true],
  );
  await p.ok("_", "answer", "w1-3", "y");
  strictEqual((await ask.result).stdout, "y\n");
  await p.ok("_", "claim", "task", "--session", "w9");
  const claim = JSON.parse(p.read("claims/task.json"));
  deepStrictEqual([claim.session, claim.name, p.read("claims/task.json").trim().includes("\n")], [
    "w9",
    "task",
    false,
  ]);
  await p.ok("_", "goal", "write", "ship", "# ship it");
  const activity = JSON.parse(p.read(".goal-activity.json"));
  ok(activity.ship > 1767225600 && activity.w1 === 1767225600);
  match(
    p.read("journal.md").trim().split("\n").at(-1) ?? "",
    /^- \d{4}-\d\d-\d\d \d\d:\d\d write-goal ship \[hand\]$/,
  );
});

Deno.test("given a question that 0.16 has answered, when a session that looop has started asks the same, then it is asked anew", async () => {
  await using p = await testProfile();
  await oldProfile(p);
  const { prompt } = JSON.parse(p.read("asks/w1-1.json"));
  const brief = `"$LOOOP_BIN" _ ask w1 --prompt '${prompt}' >"$LOOOP_DATA_DIR/reports/said"; sleep 600`;
  await p.ok("_", "worker", "start", "w1", "--runner", "shell", brief);
  const asks = async () => (await p.json("_", "state", "--json")).asks.map((ask: { id: string }) => ask.id);
  await p.until("it is asked", async () => (await asks()).includes("w1-3"));
  await p.ok("_", "answer", "w1-3", "now");
  await p.until("it is answered", () => fileText(p, "reports/said") !== "");
  strictEqual(p.read("reports/said"), "now\n");
});

Deno.test("given a worker that 0.16 has started and that still runs, when looop takes over, then it counts as alive and can be ended", async () => {
  await using p = await testProfile();
  await oldProfile(p);
  // The process that 0.16 recorded is alive, and processes that it started carry the session's marks.
  const agent = new Deno.Command("sleep", {
    args: ["600"],
    env: { LOOOP_SESSION_ID: "w2", LOOOP_DATA_DIR: p.profile.dir },
    detached: true,
    stdout: "null",
    stderr: "null",
  }).spawn();
  await Deno.writeTextFile(p.path("claims/task.json"), '{"session":"w2","name":"task"}');
  await p.ok("up");
  strictEqual((await workerView(p, "w2")).state, "running");
  match((await p.run("_", "claim", "task", "--session", "w9")).stderr, /held by "w2"/);
  match((await p.run("_", "worker", "start", "w2", "--command", "true", "x")).stderr, /alive already/);
  strictEqual(await p.ok("_", "worker", "kill", "w2"), "killed worker w2");
  strictEqual((await agent.status).signal, "SIGTERM");
  const { state, ended_by } = await workerView(p, "w2");
  deepStrictEqual([state, ended_by], ["killed", "root"]);
  strictEqual(await p.ok("_", "claim", "task", "--session", "w9"), "claimed task");
});

Deno.test("given a 0.16 runner with a pipe into the old formatter, when a worker starts, then the template works without it", async () => {
  await using p = await testProfile();
  await oldProfile(p);
  await p.ok("_", "worker", "start", "w3", "a brief");
  await p.until("w3 has ended", async () => {
    const workers = await p.json("_", "worker", "list", "--json");
    return workers.find((worker: { id: string }) => worker.id === "w3").state === "exited";
  });
  match(await p.ok("_", "worker", "log", "w3"), /^old$/m);
  const status = JSON.parse(p.read("sessions/w3/status.json"));
  deepStrictEqual([status.state, status.exit_code, status.child_pid], ["exited", 0, null]);
  match(status.last_change, NANO_TIME);
  const meta = JSON.parse(p.read("sessions/w3/meta.json"));
  deepStrictEqual([meta.id, Array.isArray(meta.cmd), meta.babysit_pid > 0], ["w3", true, true]);
  match(meta.started_at, NANO_TIME);
});
