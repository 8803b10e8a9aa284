import { match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { endedWorker, HOLD, letGo, startWorker } from "../workers.ts";

const RACERS = 12;
const LIMIT = 3;

Deno.test("given a limit of workers, when many start at once, then exactly so many run and the others are refused", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, JSON.stringify({ default: "shell", max_workers: LIMIT }));
  const calls = Array.from(
    { length: RACERS },
    (_, n) => p.call(["_", "worker", "start", `w${n}`], { stdin: HOLD }),
  );
  const results = await Promise.all(calls);
  const refused = results.filter(({ code }) => code === 1);
  strictEqual(results.filter(({ code }) => code === 0).length, LIMIT);
  strictEqual(refused.length, RACERS - LIMIT);
  for (const { stderr } of refused) {
    match(stderr, /as many as it may \(max_workers 3\); wait until one ends, or raise max_workers/);
  }
  letGo(p);
  const started = results.flatMap(({ code }, n) => code === 0 ? [`w${n}`] : []);
  for (const id of started) await endedWorker(p, id);
  await startWorker(p, "later", "exit 0");
  await endedWorker(p, "later");
});

Deno.test("given a worker that serves a goal, when it starts and ends, then the goal has moved, and its timeout holds", async () => {
  await using p = await testProfile();
  await p.ok("_", "goal", "write", "ship", "# Ship it");
  await Deno.writeTextFile(
    p.profile.config,
    JSON.stringify({ default: "shell", goals: { ship: { timeout: 2 } } }),
  );
  await p.ok("up");
  await Deno.writeTextFile(p.profile.goalActivity, "{}\n");
  await startWorker(p, "w1", "sleep 300", { args: ["--goal", "ship"] });
  ok(JSON.parse(p.read(".goal-activity.json")).ship > 0);
  strictEqual((await endedWorker(p, "w1")).ended_by, "timeout");
  const unknown = await p.call(["_", "worker", "start", "w2", "--goal", "nope"], { stdin: "true" });
  strictEqual(unknown.code, 1);
  match(unknown.stderr, /There is no goal "nope"/);
});
