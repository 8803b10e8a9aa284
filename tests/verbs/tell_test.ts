import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { endedWorker, HOLD, letGo, startWorker, textOf } from "../workers.ts";

Deno.test("given a running worker, when it is told something, then its next call says so and _ told prints it once", async () => {
  await using p = await testProfile();
  await startWorker(
    p,
    "w1",
    `${HOLD}
"$LOOOP_BIN" _ ready w1 2>"$LOOOP_DATA_DIR/reports/said"
"$LOOOP_BIN" _ told >"$LOOOP_DATA_DIR/reports/told"
"$LOOOP_BIN" _ told >"$LOOOP_DATA_DIR/reports/again"
"$LOOOP_BIN" _ done`,
  );
  match(await p.ok("_", "tell", "w1", "Leave", "the parser", "alone"), /kept until it reads it/);
  await p.okCall(["_", "tell", "w1"], { stdin: "And\nbe quick\n" });
  letGo(p);
  await endedWorker(p, "w1");
  match(await textOf(p, "reports/said"), /read it with `looop _ told`/);
  strictEqual(p.read("reports/told"), "hand: Leave the parser alone\n\nhand: And\nbe quick\n");
  strictEqual(p.read("reports/again"), "");
  match(p.read("journal.md"), /tell w1: Leave the parser alone \[hand\]/);
});

Deno.test("given a worker that ends without reading, when an agent is woken, then it gets the unread texts", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait("--as", "me");
  await startWorker(p, "w1", `${HOLD}\nexit 0`);
  await p.ok("_", "tell", "w1", "Wait for me");
  letGo(p);
  for (;;) {
    const woken = await p.wait("--as", "me", "--timeout", "20");
    if (!woken.reason?.includes("worker:w1")) {
      strictEqual(woken.timed_out, undefined);
      continue;
    }
    deepStrictEqual(woken.changes.workers[0].untold, ["Wait for me"]);
    break;
  }
  const late = await p.run("_", "tell", "w1", "Too late");
  strictEqual(late.code, 1);
  match(late.stderr, /has ended/);
});

Deno.test("given an unknown worker or an empty text, when it is told, then that is refused and nothing is kept", async () => {
  await using p = await testProfile();
  strictEqual((await p.run("_", "tell", "nobody", "x")).code, 1);
  strictEqual((await p.call(["_", "tell", "../w", "x"])).code, 2);
  await startWorker(p, "w1", HOLD);
  strictEqual((await p.call(["_", "tell", "w1"], { stdin: "" })).code, 2);
  letGo(p);
  await endedWorker(p, "w1");
});
