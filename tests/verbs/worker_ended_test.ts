import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";

Deno.test("given a worker that writes a report, reports its cost and fails, when it has ended, then one wake has all of that", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait("--fresh");
  const brief =
    `"$LOOOP_BIN" _ cost session w1 self 0.25; mkdir -p reports; echo x >reports/w1.md; echo bye; exit 3`;
  await p.ok("_", "worker", "start", "w1", "--runner", "shell", "--verify", "false", brief);
  const { reason, changes: { workers: [worker] } } = await p.wait("--timeout", "30");
  deepStrictEqual(reason, ["worker:w1"], "nor its start, which is a move of one's own");
  deepStrictEqual([worker.to, worker.exit_code, worker.ended_by], ["exited", 3, "self"]);
  deepStrictEqual([worker.verify.ok, worker.verify.code, worker.cost], [false, 1, 0.25]);
  strictEqual(worker.last_lines.at(-1), "bye");
  match(JSON.stringify(worker.reports), /w1\.md/);
});

Deno.test("given nobody who listens, and then an agent that waits, when status is asked, then it says which is the case", async () => {
  await using p = await testProfile();
  await p.ok("up");
  match((await p.ok("status")).replace(/\s+/g, " "), /nobody listens; start one and say: Run `looop help`/);
  await p.ok("_", "wait", "--json", "--fresh", "--as", "tester");
  using waiting = p.start(["_", "wait", "--json", "--as", "tester", "--timeout", "60"]);
  await p.until("it is seen to listen", async () => /tester listens/.test(await p.ok("status")), 30);
  waiting.kill("SIGTERM");
});
