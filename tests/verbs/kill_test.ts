import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { endedWorker, fileText, HOLD, letGo, startWorker, workerView } from "../workers.ts";

Deno.test("given a worker with helpers of every kind, when it ends itself, then all end, and it shows as exited 0 by itself", async () => {
  await using p = await testProfile();
  const helpers = "sleep 600 & setsid sleep 600 & (setsid sh -c 'sleep 600 & sleep 600' &)";
  await Promise.all([
    startWorker(p, "plain", `${helpers}; "$LOOOP_BIN" _ kill plain; sleep 600`),
    startWorker(p, "apart", `${helpers}; setsid sh -c '"$LOOOP_BIN" _ kill apart; sleep 600'; sleep 600`),
    startWorker(
      p,
      "detached",
      `${helpers}; (setsid sh -c '"$LOOOP_BIN" _ kill detached >reports/said; sleep 600' &); sleep 600`,
    ),
    startWorker(p, "bystander", "sleep 600"),
  ]);
  for (const id of ["plain", "apart", "detached"]) {
    const { state, exit_code, ended_by, alive } = await endedWorker(p, id);
    deepStrictEqual([state, exit_code, ended_by, alive], ["exited", 0, "self", false], id);
  }
  // Only the bystander is left: supervisor, script, shell and sleep.
  await p.until("the three trees are gone", async () => (await p.processes()).length <= 5);
  strictEqual((await workerView(p, "bystander")).state, "running");
  strictEqual(fileText(p, "reports/said"), "killed session detached\n");
  match(p.read("journal.md"), /kill plain: ended itself/);
});

Deno.test("given a worker that ignores every signal it can, when it ends itself, then it is ended all the same as exited 0", async () => {
  await using p = await testProfile();
  await startWorker(
    p,
    "w",
    `trap "" TERM HUP INT; (setsid sleep 600 &); "$LOOOP_BIN" _ kill w; while :; do sleep 1; done`,
  );
  await p.until("it has said so", () => fileText(p, "sessions/w/end") === "exited self\n");
  const { state, exit_code, ended_by } = await endedWorker(p, "w");
  deepStrictEqual([state, exit_code, ended_by], ["exited", 0, "self"]);
  await p.until("nobody is left", async () => (await p.processes()).length === 0);
});

Deno.test("given a worker whose folder is gone, when it claims, asks and ends itself, then each call works", async () => {
  await using p = await testProfile();
  const cwd = `${p.base}/work tree`;
  Deno.mkdirSync(cwd);
  const script = `rmdir "$PWD"; exec 2>"$LOOOP_DATA_DIR/reports/errors"
"$LOOOP_BIN" _ claim task && answer=$("$LOOOP_BIN" _ ask --prompt "Go on?") && echo "$answer" >"$LOOOP_DATA_DIR/reports/answer"
"$LOOOP_BIN" _ kill w; sleep 600`;
  await startWorker(p, "w", script, { args: ["--cwd", cwd] });
  await p.until("it has asked", () => fileText(p, "asks/w-1.json") !== "");
  match(fileText(p, "claims/task.json"), /"session":"w"/);
  await p.ok("_", "answer", "w-1", "yes");
  const { state, exit_code, ended_by } = await endedWorker(p, "w");
  deepStrictEqual([state, exit_code, ended_by], ["exited", 0, "self"], fileText(p, "reports/errors"));
  strictEqual(fileText(p, "reports/answer"), "yes\n");
});

Deno.test("given a worker whose agent records its last reply late, when it ends itself, then the agent has time for that", async () => {
  await using p = await testProfile();
  const sessions = `${p.base}/home/.codex/sessions/2026/06/01`;
  Deno.mkdirSync(sessions, { recursive: true });
  // As the real CLIs do it: codex records during the call, opencode after the call has returned.
  const codex = `record='${sessions}/rollout-1-thread.jsonl'
echo '{"type":"response_item","payload":{"type":"function_call","call_id":"call_1"}}' >"$record"
CODEX_THREAD_ID=thread CODEX_TOOL_CALL_ID=call_1 "$LOOOP_BIN" _ kill codex &
until [ -f "$LOOOP_DATA_DIR/sessions/codex/end" ]; do sleep 0.02; done
sleep 0.4
echo '{"type":"token_usage_record","payload":{"response_id":"r","usage":{"output_tokens":150}}}' >>"$record"
sleep 600`;
  const opencode = `cd "$LOOOP_DATA_DIR/sessions/opencode" && >holding
OPENCODE=1 "$LOOOP_BIN" _ kill opencode
sleep 0.4
echo recorded >"$LOOOP_DATA_DIR/reports/opencode.md"
>held
sleep 600`;
  await Promise.all([startWorker(p, "codex", codex), startWorker(p, "opencode", opencode)]);
  for (const id of ["codex", "opencode"]) {
    const { state, ended_by, exit_code } = await endedWorker(p, id);
    deepStrictEqual([state, ended_by, exit_code], ["exited", "self", 0], id);
  }
  strictEqual(fileText(p, "reports/opencode.md"), "recorded\n");
  await p.ok("cost");
  deepStrictEqual(JSON.parse(p.read("cost.jsonl")).tokens.output, 150);
  await p.until("nobody is left", async () => (await p.processes()).length === 0);
});

Deno.test("given an agent that never records its last reply, when its worker ends itself, then it is ended all the same", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", 'CODEX_THREAD_ID=t CODEX_TOOL_CALL_ID=call_1 "$LOOOP_BIN" _ kill w; sleep 600');
  const { state, ended_by } = await endedWorker(p, "w");
  deepStrictEqual([state, ended_by], ["exited", "self"]);
});

Deno.test("given a worker that has ended, when it is ended again from anywhere, then nothing changes and that is no failure", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", "exit 4");
  await endedWorker(p, "w");
  const before = [p.read("sessions/w/status.json"), p.read("journal.md")];
  strictEqual(await p.ok("_", "kill", "w"), "killed session w");
  strictEqual(await p.ok("_", "worker", "kill", "w"), "worker w had ended already");
  deepStrictEqual([p.read("sessions/w/status.json"), p.read("journal.md")], before);
});

Deno.test("given a worker that ends itself while it is being killed, when both are done, then the first record stands and no process is left", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", "sleep 600");
  const results = await Promise.all([
    p.run("_", "kill", "w"),
    p.run("_", "worker", "kill", "w"),
    p.run("_", "kill", "w"),
  ]);
  for (const { code, stderr } of results) strictEqual(code, 0, stderr);
  const [state, by] = p.read("sessions/w/end").trim().split(" ");
  const view = await endedWorker(p, "w");
  deepStrictEqual([view.state, view.ended_by], [state, by]);
  await p.until("nobody is left", async () => (await p.processes()).length === 0);
});

Deno.test("given a worker and a pulse, when the worker ends itself, then a blocked wait returns that", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await startWorker(p, "w", `${HOLD}; "$LOOOP_BIN" _ kill w; sleep 600`);
  await p.wait();
  while ((await p.wait("--timeout", "0.2")).timed_out !== true);
  using waiting = p.start(["_", "wait", "--json", "--full", "--timeout", "15"]);
  letGo(p);
  let seen = JSON.parse((await waiting.result).stdout);
  while (seen.workers[0].alive) seen = await p.wait("--timeout", "15");
  deepStrictEqual([seen.workers[0].state, seen.workers[0].exit_code], ["exited", 0]);
  ok(seen.timed_out !== true);
});

Deno.test("given agents whose shell tools refuse the word kill, when a worker is done, then that ends it as kill does", async () => {
  await using p = await testProfile();
  await Promise.all([
    startWorker(p, "named", '"$LOOOP_BIN" _ done named; sleep 600'),
    startWorker(p, "itself", '"$LOOOP_BIN" _ done; sleep 600'),
  ]);
  for (const id of ["named", "itself"]) {
    const { state, ended_by, exit_code } = await endedWorker(p, id);
    deepStrictEqual([state, ended_by, exit_code], ["exited", "self", 0]);
  }
  strictEqual((await p.run("_", "done")).code, 2);
  strictEqual((await p.run("_", "done", "nobody")).code, 1);
  strictEqual((await p.run("_", "done", "pulse")).code, 2);
});
