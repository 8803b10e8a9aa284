import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { openProfile } from "../../lib/records/profile.ts";
import { postAsk } from "../../lib/records/mailbox.ts";
import { applyRetention } from "../../lib/pulse/retention.ts";
import { writeMonths } from "../months.ts";
import { testProfile } from "../looop.ts";

const DAY_S = 86_400;
const NOW = Date.now();

/** Writes a file that is `days` old. */
function put(path: string, text: string, days: number): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(path, text);
  const at = new Date(NOW - days * DAY_S * 1000);
  Deno.utimeSync(path, at, at);
}

function namesIn(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

const monthAgo = (days: number) => new Date(NOW - days * DAY_S * 1000).toISOString().slice(0, 7);

Deno.test("given records older than a year, when retention passes, then they go, people's stay, and no number is given out again", async () => {
  await using p = await testProfile();
  const { profile } = p;
  openProfile(profile);
  const [old, young] = [monthAgo(460), monthAgo(300)];
  for (const [month, days, n] of [[old, 460, 1], [old, 460, 2], [young, 300, 3]] as const) {
    const ask = { v: 1, id: `w1-${n}`, worker: "w1", prompt: "Go on?", ts: 1, gen: "" };
    put(`${profile.asksArchive}/${month}/w1-${n}.json`, JSON.stringify(ask), days);
    put(`${profile.asksArchive}/${month}/w1-${n}.answer.json`, '{"answer":"yes"}', days);
    put(`${profile.asksArchive}/${month}/once-${n}.json`, JSON.stringify({ ...ask, id: `once-${n}` }), days);
  }
  for (const [month, days] of [[old, 460], [young, 300]] as const) {
    put(`${profile.eventsHistory}/${month}.jsonl`, "{}\n", days);
    put(`${profile.schedulesArchive}/at-${days}.md`, "when: at …\nx\n", days);
    put(`${profile.journalHistory}/${month}.md`, "- 2026-01-01 00:00 move\n", days);
    put(`${profile.goalsArchive}/g-${days}.md`, "# done\n", days);
  }
  put(`${profile.goals}/ship.md`, "# Ship\n", 460);
  const seconds = Math.floor(NOW / 1000);
  const activity = { ship: seconds - 460 * DAY_S, "task-1": seconds - 8 * DAY_S, "task-2": seconds - DAY_S };
  put(profile.goalActivity, JSON.stringify(activity), 0);
  put(`${profile.tells}/gone/1.json`, "{}", 2);
  Deno.utimeSync(`${profile.tells}/gone`, new Date(NOW - 2 * DAY_S * 1000), new Date(NOW - 2 * DAY_S * 1000));
  put(
    profile.schedulesState,
    JSON.stringify({ v: 1, schedules: { over: { when: "when: at x", until: 1 } } }),
    0,
  );

  await applyRetention(profile, 3 * DAY_S, NOW);
  deepStrictEqual(namesIn(profile.asksArchive), [young, "numbers.json"]);
  deepStrictEqual(namesIn(profile.eventsHistory), [`${young}.jsonl`]);
  deepStrictEqual(namesIn(profile.schedulesArchive), ["at-300.md"]);
  strictEqual(namesIn(profile.journalHistory).length, 2);
  strictEqual(namesIn(profile.goalsArchive).length, 2);
  deepStrictEqual(Object.keys(JSON.parse(p.read(".goal-activity.json"))), ["ship", "task-2"]);
  deepStrictEqual(namesIn(profile.tells), []);
  deepStrictEqual(JSON.parse(p.read(".schedules.json")).schedules, {});
  // In the archive the questions 1 and 2 of "once" are gone, and 3 is there.
  for (const [worker, next] of [["w1", "w1-4"], ["once", "once-4"], ["new", "new-1"]] as const) {
    strictEqual((await postAsk(profile, { worker, prompt: "And now?" }, "", NOW)).id, next);
  }
  // A second pass finds nothing to do and keeps the numbers that the first has recorded.
  await applyRetention(profile, 3 * DAY_S, NOW);
  deepStrictEqual(JSON.parse(p.read("asks/archive/numbers.json")), { w1: 2, once: 2 });
});

Deno.test("given 90 days of work, when they are shown, then journal and cost cover rotated files and the page is small", async () => {
  await using p = await testProfile();
  await writeMonths(p.profile, 90, { nowMs: NOW });
  ok(namesIn(p.profile.journalHistory).length >= 3);
  const lines = (await p.ok("journal", "-n", "5000")).split("\n");
  const days = new Set(lines.map((line) => line.slice(2, 9)));
  ok(days.size >= 3, [...days].join(" "));
  deepStrictEqual(
    lines,
    [...lines].sort((a, b) => a.slice(2, 18) < b.slice(2, 18) ? -1 : a.slice(2, 18) > b.slice(2, 18) ? 1 : 0),
  );
  const cost = JSON.parse(await p.ok("cost", "--json"));
  // The rotated events name the workers, whose sessions are gone.
  strictEqual(cost.coverage.ran, 90 * 50);
  // JSON names only the most expensive workers instead of thousands.
  const { usd, count } = cost.other_workers;
  deepStrictEqual([cost.by_worker.length, count], [50, 90 * 50 - 50]);
  const named = cost.by_worker.reduce((sum: number, worker: { usd: number }) => sum + worker.usd, 0);
  ok(Math.abs(named + usd - cost.total_usd) < 1e-6);
  strictEqual(JSON.parse(await p.ok("cost", "all", "--json")).by_worker.length, 50);
  strictEqual(JSON.parse(await p.ok("cost", "--json", "--full")).by_worker.length, 90 * 50);
  ok(cost.by_day.length >= 90, `${cost.by_day.length} days`);
  const file = (await p.ok("page", "--days", "90")).trim();
  ok(Deno.statSync(file).size < 2_000_000, `${Deno.statSync(file).size} bytes`);
});

Deno.test("given a signal that changes, when the world is published, then the events have the change, but only once for one that never rests", async () => {
  await using p = await testProfile();
  p.sensor("still", `echo '{"signal":1}'`);
  p.sensor("restless", `echo "{\\"signal\\":$(date +%s%N)}"`);
  p.sensor("level", `cat "$LOOOP_DATA_DIR/level"`);
  await Deno.writeTextFile(p.path("level"), '{"signal":"low"}');
  await p.ok("up");
  const changed = (id: string) =>
    p.read("events.jsonl").split("\n").filter((line) =>
      line.includes('"signal_changed"') && line.includes(`"${id}"`)
    );
  const has = (id: string) => () =>
    Deno.stat(p.profile.events).then(() => changed(id).length > 0, () => false);
  await p.until("a change of restless", has("restless"), 40);
  await Deno.writeTextFile(p.path("level"), '{"signal":"high"}');
  await p.until("a change of level", has("level"), 40);
  match(changed("level")[0] ?? "", /^\{"ts":"[^"]+Z","event":"signal_changed","id":"level"\}$/);
  deepStrictEqual([changed("restless").length, changed("level").length, changed("still").length], [1, 1, 0]);
});
