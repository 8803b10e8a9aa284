import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";

Deno.test("given a fresh profile, when the loop runs once, then sense, wait, start, ask, answer and report hold", async () => {
  await using p = await testProfile();
  match(await p.ok("up"), /^looop: pulse started/);
  const first = await p.wait();
  deepStrictEqual(first.reason, ["first"]);
  deepStrictEqual(first.goals, ["playbook-daily", "setup"]);
  strictEqual(first.snapshots["sensor-today"].signal.date.length, 10);

  await p.okCall(["_", "sensor", "write", "flag"], {
    stdin: '#!/bin/sh\n[ -e flag ] && echo \'{"signal":"up"}\' || echo \'{"signal":"down"}\'\n',
  });
  deepStrictEqual((await p.wait()).changes.signals, { "sensor-flag": { to: "down" } });
  await Deno.writeTextFile(p.path("flag"), "");
  deepStrictEqual((await p.wait()).changes.signals, { "sensor-flag": { from: "down", to: "up" } });

  const brief = `
"$LOOOP_BIN" _ ready w1
answer=$("$LOOOP_BIN" _ ask w1 --prompt 'Remove the flag?' --options yes,no)
[ "$answer" = yes ] && rm flag
echo "removed: $answer" >"$LOOOP_DATA_DIR/reports/w1.md"
"$LOOOP_BIN" _ kill w1
sleep 600`;
  await p.okCall(["_", "worker", "start", "w1", "--runner", "shell"], { stdin: brief });
  let woken = await p.wait();
  while (woken.asks.length === 0) woken = await p.wait();
  strictEqual(woken.asks[0].prompt, "Remove the flag?");
  strictEqual(woken.asks[0].worker_alive, true);
  await p.ok("_", "answer", "w1-1", "yes");
  while (woken.workers[0].alive) woken = await p.wait();
  deepStrictEqual([woken.workers[0].state, woken.workers[0].exit_code, woken.workers[0].ended_by], [
    "exited",
    0,
    "self",
  ]);
  strictEqual(p.read("reports/w1.md"), "removed: yes\n");
  while (woken.snapshots["sensor-flag"].signal !== "down") woken = await p.wait();
  ok(p.read("journal.md").split("\n").some((line) => line.endsWith("answer w1-1: yes [hand]")));
  match(await p.ok("down"), /pulse stopped/);
  deepStrictEqual(await p.processes(), []);
});
