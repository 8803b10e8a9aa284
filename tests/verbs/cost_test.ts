import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { displayWidth } from "../../lib/text/style.ts";
import { type TestProfile, testProfile } from "../looop.ts";

const SPEC: readonly (readonly [string, string[]])[] = [
  ["not a number", ["session", "w1", "pi", "lots"]],
  ["NaN", ["session", "w1", "pi", "NaN"]],
  ["below zero", ["session", "w1", "pi", "-0.5"]],
  ["infinite", ["session", "w1", "pi", "Infinity"]],
  ["infinite by size", ["session", "w1", "pi", "1e999"]],
  ["hexadecimal", ["session", "w1", "pi", "0x10"]],
  ["empty", ["session", "w1", "pi", ""]],
  ["missing", ["session", "w1", "pi"]],
  ["one too many", ["session", "w1", "pi", "1", "2"]],
  ["a blank id", ["session", " ", "pi", "1"]],
  ["a newline in the runner", ["session", "w1", "p\ni", "1"]],
  ["an option as kind", ["--kind", "w1", "pi", "1"]],
];

/** Writes a ledger from rows of [time, kind, id, runner, dollars]. */
function ledger(p: TestProfile, rows: readonly (readonly [Date, string, string, string, number])[]): void {
  const lines = rows.map(([at, kind, id, runner, cost_usd]) =>
    JSON.stringify({ ts: `${at.toISOString().slice(0, 19)}Z`, kind, id, runner, cost_usd })
  );
  Deno.mkdirSync(p.profile.dir, { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(p.profile.cost, `${lines.join("\n")}\n`);
}

Deno.test("given a bad amount or word, when a cost is reported, then it is refused with 2 and nothing is written", async () => {
  await using p = await testProfile();
  await p.ok("_", "cost", "session", "w1", "pi", "0.5");
  const before = p.read("cost.jsonl");
  const replies = await Promise.all(SPEC.map(([, args]) => p.run("_", "cost", ...args)));
  for (const [n, [what]] of SPEC.entries()) {
    const { code, stdout, stderr } = replies[n]!;
    deepStrictEqual([what, code, stdout, stderr.trim().split("\n").length], [what, 2, "", 1]);
    match(stderr, /^looop _ cost: .+; .+/);
  }
  strictEqual(p.read("cost.jsonl"), before);
});

Deno.test("given reports, when costs are shown, then sums, coverage and the rows agree", async () => {
  await using p = await testProfile();
  await p.ok("_", "cost", "session", "w1", "pi", "0.25");
  await p.ok("_", "cost", "session", "w2", "claude", "1.5");
  await p.ok("_", "cost", "goal", "w1", "pi", "0");
  await Deno.mkdir(p.path("sessions/w1"), { recursive: true });
  await Deno.mkdir(p.path("sessions/w3~2"), { recursive: true });
  await Deno.writeTextFile(p.path("journal.md"), "- 2026-01-02 10:00 start-worker pruned (pi)\n- torn");
  await Deno.writeTextFile(
    p.path("events.jsonl"),
    '{"ts":"2026-01-02T10:00:00Z","event":"worker_ended","id":"silent","state":"exited"}\n',
  );
  const cost = await p.json("cost", "--json");
  strictEqual(cost.total_usd, 1.75);
  deepStrictEqual(cost.by_worker, [
    { name: "w2", usd: 1.5, calls: 1 },
    { name: "w1", usd: 0.25, calls: 2 },
  ]);
  deepStrictEqual(cost.coverage, {
    ran: 4,
    reported: 1,
    priced: 1,
    ratio: 0.25,
    without_cost: ["pruned", "silent", "w3"],
  });
  deepStrictEqual((await p.json("cost", "today", "--json")).coverage, {
    ran: 2,
    reported: 1,
    priced: 1,
    ratio: 0.5,
    without_cost: ["w3"],
  });
  const text = await p.ok("cost");
  match(text, /total: \$1\.75 {2}\(3 calls\)/);
  match(text, /coverage: 1 of 4 workers have a cost; none from pruned, silent, w3/);
});

Deno.test("given a ledger as 0.16 leaves it, torn at its end, when costs are shown, then today is the local day", async () => {
  await using p = await testProfile();
  const midnight = new Date(new Date().setHours(0, 0, 0, 0));
  const before = new Date(midnight.getTime() - 1000);
  ledger(p, [[before, "session", "old", "pi", 1], [midnight, "tick", "beat", "pi", 2]]);
  await Deno.writeTextFile(p.profile.cost, '{"ts":"2026', { append: true });
  await p.ok("_", "cost", "session", "w1", "pi", "4");
  const today = await p.json("cost", "today", "--json");
  deepStrictEqual([today.total_usd, today.skipped_lines], [6, 1]);
  strictEqual((await p.json("cost", "all", "--json")).total_usd, 7);
  match(await p.ok("cost", "today"), /^looop cost — today \(\d{4}-\d\d-\d\d local\)/);
});

Deno.test("given a worker, when it reports a cost, then it counts as ready", async () => {
  await using p = await testProfile();
  const brief = '"$LOOOP_BIN" _ cost session w1 shell 0.01; sleep 600';
  await p.ok("_", "worker", "start", "w1", "--runner", "shell", brief);
  await p.until("ready", async () => (await p.json("_", "worker", "list", "--json"))[0].ready);
});

Deno.test("given names with escape codes, when costs are shown, then no code reaches the terminal and lines fit", async () => {
  await using p = await testProfile();
  const rows = Array.from({ length: 40 }, (_, n) => {
    const at = new Date(Date.UTC(2026, 0, 1 + n));
    return [at, "session", `\x1b]0;owned\x07worker-${n}-${"long".repeat(20)}`, "漢字\x1b[2J", n] as const;
  });
  ledger(p, rows);
  for (const columns of [40, 80]) {
    const text = await p.okCall(["cost"], { env: { COLUMNS: String(columns) } });
    // deno-lint-ignore no-control-regex -- these must not be there
    strictEqual(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(text), false);
    strictEqual(text.includes("owned"), false);
    for (const line of text.split("\n")) ok(displayWidth(line) <= columns, line);
    match(text, /2026-02-09 +\$39\.00 +█+/);
  }
  const ascii = await p.okCall(["cost"], { env: { LANG: "C" } });
  match(ascii, /2026-02-09 +\$39\.00 +#+/);
});

Deno.test("given a large ledger, when status sums today, then it reads only its end and finds all of today", async () => {
  await using p = await testProfile();
  const old = Array.from(
    { length: 20_000 },
    (_, n) => [new Date(Date.UTC(2025, 0, 1) + n * 60_000), "session", `w${n % 50}`, "pi", 1] as const,
  );
  const start = new Date().setHours(0, 0, 0, 0);
  const now = Date.now();
  const fresh = Array.from(
    { length: 3000 },
    (_, n) => [new Date(start + (now - start) * (n / 3000)), "session", "w1", "pi", 0.5] as const,
  );
  ledger(p, [...old, ...fresh]);
  strictEqual((await p.json("cost", "today", "--json")).total_usd, 1500);
  strictEqual((await p.json("status", "--json")).spent_today_usd, 1500);
});

Deno.test("given one day, and then two, when costs are shown, then only two days have bars, and money has two decimals", async () => {
  await using p = await testProfile();
  const row = (day: string, cost_usd: number) =>
    `${JSON.stringify({ ts: `${day}T12:00:00Z`, kind: "session", id: "w1", runner: "pi", cost_usd })}\n`;
  await p.ok("_", "state");
  await Deno.writeTextFile(p.profile.cost, row("2026-01-01", 1));
  const env = { LANG: "C.UTF-8", TZ: "UTC" };
  const days = async () =>
    (await p.okCall(["cost"], { env })).split("\n").filter((line) => /^ +2026-01-/.test(line)).map((line) =>
      line.trim()
    );
  deepStrictEqual(await days(), ["2026-01-01  $1.00"]);
  await Deno.writeTextFile(p.profile.cost, row("2026-01-02", 0.5), { append: true });
  const [first = "", second = ""] = await days();
  match(first, /^2026-01-01 {2}\$1\.00 {2}█+$/);
  match(second, /^2026-01-02 {2}\$0\.50 {2}█+$/);
  strictEqual(first.split("█").length - 1, 2 * (second.split("█").length - 1));
});
