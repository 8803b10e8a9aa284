import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { CostSum, localDay, startOfLocalDay } from "../../../lib/agents/cost.ts";
import { costSummaryJson, formatUsd, showCost } from "../../../lib/cli/cost_view.ts";
import { checkAmount, type CostRow, formatRow, parseRow } from "../../../lib/agents/cost_row.ts";
import { UsageError } from "../../../lib/errors.ts";
import { displayWidth } from "../../../lib/text/style.ts";
import { runs } from "../../whole.ts";

const RUNS = runs(100);
const encoder = new TextEncoder();
const NOON = Date.UTC(2026, 5, 1, 12);
const HOUR = 3_600_000;
const utcDay = (ms: number) => new Date(ms).toISOString().slice(0, 10);

function row(changes: Partial<CostRow> = {}): CostRow {
  return { v: 1, tsMs: NOON, kind: "session", id: "w-1", runner: "pi", costUsd: 0.5, ...changes };
}

function sumOf(rows: readonly CostRow[], sinceMs?: number): CostSum {
  const sum = new CostSum({ dayOf: utcDay, ...(sinceMs === undefined ? {} : { sinceMs }) });
  for (const each of rows) sum.pushLine(formatRow(each));
  return sum;
}

/** Rows whose amounts are exact binary fractions, so that sums can be compared. */
const anyRow = fc.record({
  v: fc.constant(1),
  tsMs: fc.integer({ min: 0, max: 4_000_000_000 }).map((s) => s * 1000),
  kind: fc.constantFrom("session", "beat", 'a"b', "\0"),
  id: fc.oneof(fc.constantFrom("w-1", "w-2", "漢"), fc.string()),
  runner: fc.constantFrom("pi", "claude", "x\\y"),
  costUsd: fc.integer({ min: 0, max: 1_000_000 }).map((n) => n / 1024),
});

Deno.test("given a row, when it is written, then it has the fixed shape", () => {
  strictEqual(
    formatRow(row()),
    '{"v":1,"ts":"2026-06-01T12:00:00Z","kind":"session","id":"w-1","runner":"pi","cost_usd":0.5}',
  );
  ok(formatRow(row({ source: "runner" })).endsWith('"cost_usd":0.5,"source":"runner"}'));
});

Deno.test("given any row, when it is written and read, then it is the same row", () => {
  const withExtras = fc.tuple(anyRow, fc.constantFrom({}, { source: "runner" }, { tokens: { input: 3 } }))
    .map(([each, extra]) => ({ ...each, ...extra }));
  fc.assert(
    fc.property(withExtras, (each) => deepStrictEqual(parseRow(formatRow(each)), each)),
    { numRuns: RUNS },
  );
});

Deno.test("given rows of older versions, when they are read, then Unix seconds and missing fields are accepted", () => {
  const { v: _, ...old } = row();
  const words = '"kind":"session","id":"w-1","runner":"pi","cost_usd":0.5';
  deepStrictEqual(parseRow(`{"ts":${NOON / 1000},${words}}`), old);
  deepStrictEqual(parseRow(`{"ts":"2026-06-01T12:00:00Z",${words}}`), old);
  deepStrictEqual(parseRow(`{"ts":"2026-06-01T14:00:00+02:00",${words}, "other":[1]}`), old);
});

Deno.test("given lines that are no rows, when they are summed, then they are skipped and counted, and nothing throws", () => {
  const good = formatRow(row());
  const bad = [
    good.slice(0, -1),
    good.slice(5),
    "null",
    "[]",
    "{}",
    "hello",
    good.replace("0.5", "-0.5"),
    good.replace("0.5", "1e999"),
    good.replace("0.5", '"0.5"'),
    good.replace("0.5", "NaN"),
    good.replace("2026-06-01T12", "2026-06-01T99"),
    good.replace('"session"', "7"),
    good.replace("w-1", "w\t1"),
    `{"ts":1e300,${good.slice(36)}`,
  ];
  const sum = sumOf([row()]);
  for (const line of ["", "  ", ...bad]) sum.pushLine(line);
  const { total, skippedLines } = sum.summary();
  deepStrictEqual({ total, skippedLines }, { total: { usd: 0.5, calls: 1 }, skippedLines: bad.length });
  for (const line of bad) strictEqual(parseRow(line), undefined, line);
});

Deno.test("given any rows in any pieces, when they are summed, then every group adds up to the lines", () => {
  fc.assert(
    fc.property(fc.array(anyRow), fc.integer({ min: 1, max: 300 }), (rows, size) => {
      const bytes = encoder.encode(rows.map((each) => `${formatRow(each)}\n`).join(""));
      const sum = new CostSum({ dayOf: utcDay });
      for (let from = 0; from < bytes.length; from += size) sum.push(bytes.slice(from, from + size));
      const { total, byDay, byKind, byRunner, byWorker, skippedLines } = sum.summary();
      const expected = rows.reduce((usd, each) => usd + each.costUsd, 0);
      ok(Math.abs(total.usd - expected) < 1e-6);
      strictEqual(skippedLines, 0);
      strictEqual(total.calls, rows.length);
      for (const group of [byDay, byKind, byRunner, byWorker]) {
        strictEqual(group.reduce((calls, each) => calls + each.calls, 0), rows.length);
        ok(Math.abs(group.reduce((usd, each) => usd + each.usd, 0) - expected) < 1e-6);
      }
      deepStrictEqual(new Set(byWorker.map((each) => each.name)), new Set(rows.map((each) => each.id)));
      deepStrictEqual(
        byDay.map((each) => each.day),
        [...new Set(rows.map((each) => utcDay(each.tsMs)))].sort(),
      );
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given rows as values or as lines, when they are summed, then the sums are the same", () => {
  const rows = [row(), row({ id: 'a"b' }), row({ id: "漢", kind: "beat" }), row({ source: "runner" })];
  const byValue = new CostSum({ dayOf: utcDay });
  for (const each of rows) byValue.add(each);
  deepStrictEqual(byValue.summary(), sumOf(rows).summary());
});

Deno.test("given a last row without line end, when it is summed, then a whole one counts and a torn one does not", () => {
  const text = `${formatRow(row())}\n${formatRow(row({ id: "w-2" }))}`;
  const whole = new CostSum();
  whole.push(encoder.encode(text));
  strictEqual(whole.summary().total.calls, 2);
  const torn = new CostSum();
  torn.push(encoder.encode(text.slice(0, -3)));
  deepStrictEqual([torn.summary().total.calls, torn.summary().skippedLines], [1, 1]);
});

Deno.test("given a line without end, when it is pushed, then it is dropped and the next row counts", () => {
  const sum = new CostSum();
  for (let i = 0; i < 100; i++) sum.push(encoder.encode("x".repeat(10_000)));
  sum.push(encoder.encode(`\n${formatRow(row())}\n`));
  deepStrictEqual([sum.summary().total.calls, sum.summary().skippedLines], [1, 1]);
});

Deno.test("given the runner's own figure of a session, when the worker has reported one, too, then only the runner's counts", () => {
  const rows = [
    row({ id: "a", costUsd: 1 }),
    row({ id: "a", costUsd: 0.25 }),
    row({ id: "b", costUsd: 2 }),
    row({ id: "a", costUsd: 1.5, source: "runner" }),
    row({ id: "a", costUsd: 0.125, kind: "review" }),
  ];
  for (const order of [rows, rows.toReversed()]) {
    const { total, counted, superseded, byWorker } = sumOf(order).summary();
    deepStrictEqual(total, { usd: 3.625, calls: 3 });
    strictEqual(counted, 3);
    deepStrictEqual(superseded, { usd: 1.25, calls: 2 });
    deepStrictEqual(byWorker, [{ name: "b", usd: 2, calls: 1 }, { name: "a", usd: 1.625, calls: 2 }]);
  }
});

Deno.test("given rows of several days, when only today is asked, then earlier rows are left out", () => {
  const rows = [row({ tsMs: NOON - 13 * HOUR }), row({ tsMs: NOON - 12 * HOUR }), row({ tsMs: NOON })];
  const { total, byDay } = sumOf(rows, NOON - 12 * HOUR).summary();
  deepStrictEqual(total, { usd: 1, calls: 2 });
  deepStrictEqual(byDay, [{ day: "2026-06-01", usd: 1, calls: 2 }]);
});

Deno.test("given a moment, when its local day is asked, then the day begins at local midnight", () => {
  const start = startOfLocalDay(NOON);
  strictEqual(localDay(start), localDay(NOON));
  ok(start <= NOON && localDay(start - 1) < localDay(start));
  const date = new Date(start);
  deepStrictEqual([date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds()], [
    0,
    0,
    0,
    0,
  ]);
});

Deno.test("given the workers that ran, when the ledger is summed, then those without a cost are named", () => {
  const { coverage } = sumOf([row({ id: "a" }), row({ id: "gone" })]).summary(["b", "a", "c", "b"]);
  deepStrictEqual(coverage, { ran: 3, withoutCost: ["b", "c"], priced: 1 });
});

Deno.test("given tokens without a price, when the ledger is summed, then they have no known dollars unless their session reported some", () => {
  const tokens = { input: 1, output: 2, cache_read: 0, cache_write: 0 };
  const unpriced = (id: string) => row({ id, costUsd: 0, source: "runner", tokens, unpriced: true });
  const rows = [
    unpriced("killed"),
    unpriced("told"),
    row({ id: "told" }),
    unpriced("resumed"),
    row({ id: "resumed", source: "runner" }),
    row({ id: "resumed" }),
    row({ id: "paid" }),
    unpriced("root"),
  ];
  const sum = new CostSum({ dayOf: () => "2026-06-01" });
  sum.push(new TextEncoder().encode(rows.map((each) => `${formatRow(each)}\n`).join("")));
  const summary = sum.summary(["killed", "told", "resumed", "paid"]);
  deepStrictEqual(summary.unpriced, ["killed", "resumed", "root"]);
  deepStrictEqual(summary.coverage, { ran: 4, withoutCost: [], priced: 2 });
  const text = showCost({ ...summary, roots: { seen: 2, known: 1 } }, {
    width: 200,
    unicode: false,
    colour: false,
  });
  match(text, /total: \$1\.50 and more/);
  match(text, /coverage: 4 of 4 workers have a cost, 2 of them in dollars\n/);
  match(text, /dollars not known, only tokens: killed, resumed, root;/);
  match(text, /root agents: the spend of 1 of 2 sessions is known/);
});

Deno.test("given replies without a record, when the ledger is summed, then it names them and says that the sums are too low", () => {
  const sum = new CostSum({ dayOf: () => "2026-06-01" });
  const rows = [
    row({ id: "b", unrecorded: 1 }),
    row({ id: "a", unrecorded: 2 }),
    row({ id: "b", unrecorded: 1 }),
  ];
  sum.push(new TextEncoder().encode(rows.map((each) => `${formatRow(each)}\n`).join("")));
  const summary = sum.summary();
  deepStrictEqual(summary.unrecorded, [{ name: "a", replies: 2 }, { name: "b", replies: 2 }]);
  const text = showCost(summary, { width: 200, unicode: false, colour: false });
  match(text, /total: \$1\.50 and more/);
  match(text, /in no record: 4 replies of a, b, cut off by a kill/);
});

Deno.test("given amounts, when they are shown, then they have at most four decimals and no trailing zeros", () => {
  const shown = [0, 0.5, 1.75, 10, 100, 0.12345, 0.00004, 0.1 + 0.2, 1234.5].map(formatUsd);
  deepStrictEqual(shown, [
    "$0.00",
    "$0.50",
    "$1.75",
    "$10.00",
    "$100.00",
    "$0.12",
    "<$0.01",
    "$0.30",
    "$1234.50",
  ]);
});

Deno.test("given amounts as text, when they are read, then a number of 0 or more passes and anything else is refused", () => {
  deepStrictEqual(["0", "0.25", ".5", "1.", "1e-3", "+2"].map(checkAmount), [0, 0.25, 0.5, 1, 0.001, 2]);
  for (
    const text of [
      "",
      " ",
      "NaN",
      "-1",
      "-0",
      "Infinity",
      "1e999",
      "0x10",
      "$1",
      "1,5",
      "1 2",
      "abc",
      "1\x1b[0m",
    ]
  ) {
    throws(
      () => checkAmount(text),
      (error: unknown) => error instanceof UsageError && !error.message.includes("\x1b"),
      text,
    );
  }
});

Deno.test("given a summary, when it is shown, then it reads as one screen", () => {
  const rows = [
    row({ costUsd: 1.25, runner: "claude" }),
    row({ tsMs: NOON + 24 * HOUR, id: "w-2" }),
    row({ tsMs: NOON + 24 * HOUR, id: "漢\x1b[31m", kind: "review", costUsd: 0.125 }),
    row({ id: "w-3" }),
    row({ id: "w-3", costUsd: 0.625, source: "runner" }),
  ];
  const sum = sumOf(rows);
  sum.pushLine("torn");
  const summary = sum.summary(["w-1", "w-2", "w-9"]);
  strictEqual(
    showCost(summary, { width: 60, unicode: false, colour: false }),
    `looop cost — all time
  total: $2.50  (4 calls)
  by day:
    2026-06-01  $1.88  #####################################
    2026-06-02  $0.63  ############
  by kind:
    session  $2.38  3 calls
    review   $0.13   1 call
  by runner:
    claude  $1.25   1 call
    pi      $1.25  3 calls
  by worker:
    w-1  $1.25  1 call
    w-3  $0.63  1 call
    w-2  $0.50  1 call
    漢   $0.13  1 call
  coverage: 2 of 3 workers have a cost; none from w-9
  not added: $0.50 of self-reports that the runner's own
  figures replace
  not read: 1 line of the ledger`,
  );
  const empty = showCost(new CostSum().summary(), {
    width: 40,
    unicode: true,
    colour: false,
    today: "2026-06-01",
  });
  strictEqual(empty, "looop cost — today (2026-06-01 local)\n  total: $0.00  (0 calls)");
});

Deno.test("given many days and workers, when they are shown at 40 and 80 columns, then every line fits and none is lost", () => {
  const rows = Array.from(
    { length: 60 },
    (_, i) =>
      row({ tsMs: NOON + i * 24 * HOUR, id: `a-worker-with-a-long-name-of-its-own-${i}`, costUsd: 1000 + i }),
  );
  const summary = sumOf(rows).summary(rows.map((each) => `${each.id}x`));
  for (const width of [40, 80]) {
    for (const unicode of [true, false]) {
      const lines = showCost(summary, { width, unicode, colour: true }).split("\n");
      for (const line of lines) ok(displayWidth(line) <= width, `${width}: ${line}`);
      ok(lines.some((line) => line.includes("50 more")) && lines.some((line) => line.includes("on 30 days")));
      strictEqual(lines.filter((line) => line.includes(unicode ? "█" : "#")).length, 30);
    }
  }
});

Deno.test("given a summary, when it is asked as JSON, then its keys are in snake_case and its amounts are numbers", () => {
  deepStrictEqual(costSummaryJson(sumOf([row()]).summary(["w-1"])), {
    total_usd: 0.5,
    calls: 1,
    by_day: [{ day: "2026-06-01", usd: 0.5, calls: 1 }],
    by_kind: [{ name: "session", usd: 0.5, calls: 1 }],
    by_runner: [{ name: "pi", usd: 0.5, calls: 1 }],
    by_worker: [{ name: "w-1", usd: 0.5, calls: 1 }],
    counted: 1,
    superseded: { usd: 0, calls: 0 },
    skipped_lines: 0,
    unpriced: [],
    unrecorded: [],
    coverage: { ran: 1, reported: 1, priced: 1, ratio: 1, without_cost: [] },
  });
});

Deno.test("given lines that are almost of our own shape, when they are summed as bytes, then as much counts as when read as text", () => {
  const good = formatRow(row({ costUsd: 0.25 }));
  const time = "2026-06-01T12:00:00Z";
  const times = [
    "2026-02-29T12:00:00Z",
    "2026-01-31T23:59:59Z",
    "2026-06-01T24:30:00Z",
    "2026-13-01T12:00:00Z",
  ];
  const amounts = [
    "0",
    "0.0",
    "00.5",
    "1.",
    ".5",
    "1e3",
    "-1",
    "1E-2",
    "123456789012345678",
    "0.30000000000000004",
  ];
  const lines = [
    good,
    formatRow(row({ source: "runner" })),
    formatRow(row({ source: "other" })),
    formatRow(row({ id: 'quote"d' })),
    formatRow(row({ id: "漢", runner: "" })),
    ...times.map((each) => good.replace(time, each)),
    ...amounts.map((each) => good.replace("0.25", each)),
    ...[...good].map((_, n) => good.slice(0, n) + good.slice(n + 1)),
    ...[...good].map((_, n) => good.slice(0, n)),
    good.replace('"id"', '"ID"'),
    good.replace('"kind":', '"kind": '),
    `${good} `,
    `${good}\r`,
  ];
  for (const line of lines) {
    const asBytes = new CostSum({ dayOf: utcDay });
    asBytes.push(encoder.encode(`${line}\n`));
    const asText = new CostSum({ dayOf: utcDay });
    asText.pushLine(line);
    deepStrictEqual(asBytes.summary(["w-1"]), asText.summary(["w-1"]), line);
  }
});
