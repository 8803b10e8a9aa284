/** Helpers for tests of real hosts: the conformance kit, and a worker's whole life. */
import { ok, strictEqual } from "node:assert/strict";
import type { TestProfile } from "../looop.ts";
import { endedWorker, fileText, workerView } from "../workers.ts";
import { carriers, startThere } from "./host.ts";

/** Runs cases of `_ host check`; none may fail, and only those of `skipped` may be skipped. */
export async function kitHolds(
  p: TestProfile,
  host: string,
  cases: readonly number[],
  skipped: readonly number[] = [],
): Promise<void> {
  const { code, stdout } = await p.call(["_", "host", "check", host, ...cases.map(String)], {
    limitMs: 240_000,
  });
  strictEqual(code, 0, stdout);
  const skips = [...stdout.matchAll(/^skip +(\d+) /gm)].map(([, n]) => Number(n));
  ok(skips.every((n) => skipped.includes(n)), stdout);
  ok(stdout.includes(`${cases.length - skips.length} ok, ${skips.length} skipped, 0 failed`), stdout);
}

/** One worker asks, claims, reports its cost and a result, and ends; another is killed with its whole tree; then `down`. */
export async function livesThere(p: TestProfile, host: string): Promise<void> {
  await startThere(
    p,
    "w1",
    host,
    [
      '"$LOOOP_BIN" _ ready w1',
      '"$LOOOP_BIN" _ claim task',
      'a=$("$LOOOP_BIN" _ ask w1 --prompt "Which of A or B?" --options A,B); echo "got $a"',
      "echo result >reports/w1.md",
      '"$LOOOP_BIN" _ cost session w1 shell 0.25',
      "exit 5",
    ].join("\n"),
  );
  await startThere(
    p,
    "w2",
    host,
    `(trap "" TERM; setsid sleep 300) &\n(setsid sh -c "trap '' TERM HUP; sleep 300" &)\nsleep 300`,
  );
  await startThere(p, "w3", host, "sleep 300");
  await p.until("the question", () => fileText(p, "asks/w1-1.json").includes("Which of A or B?"), 60);
  await p.ok("_", "answer", "w1-1", "B");
  await p.until("its end", () => fileText(p, "sessions/w1/status.json").includes('"exited"'), 60);
  strictEqual((await endedWorker(p, "w1")).exit_code, 5);
  await p.until("its log", () => fileText(p, "sessions/w1/output.log").includes("got B"), 60);
  await p.until("its report", () => fileText(p, "reports/w1.md") === "result\n", 60);
  await p.until("its cost", () => fileText(p, "cost.jsonl").includes(`"host":"${host}"`), 60);
  await p.until("w2 runs", async () => (await workerView(p, "w2")).state === "running", 60);
  const killed = await p.run("_", "worker", "kill", "w2");
  ok(killed.code === 0 || killed.stderr.includes("not heard"), killed.stderr);
  strictEqual((await endedWorker(p, "w2")).state, "killed");
  await p.until("nothing of w2 is left", async () => await carriers(p, "w2") === 0, 60);
  await p.until("w3 runs", async () => (await workerView(p, "w3")).state === "running", 60);
  const down = await p.run("down");
  strictEqual(down.code, 0, down.stderr);
  ok(down.stdout.includes("(w3)"), down.stdout);
  strictEqual(await carriers(p, "w3"), 0);
}
