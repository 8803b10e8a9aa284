import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { formatTable, type Report, type Row, seriesOf, slowerThan, verdictOf } from "./report.ts";

function row(change: Partial<Row>): Row {
  return {
    id: "a",
    what: "start",
    unit: "ms",
    value: 50,
    baseline: { name: "empty", value: 40 },
    ratio: 1.25,
    noise: 0.01,
    limits: { of: "ratio", bar: 1.35, aim: 1.15 },
    bar: "1.35 ×",
    aim: "1.15 ×",
    ...change,
  };
}

function report(rows: Row[]): Report {
  return { v: 1, version: "0.0.0", date: "", machine: { os: "linux", arch: "x", cpus: 2, load: 0 }, rows };
}

Deno.test("given runs of which one was disturbed, when they are summed up, then the median and its noise ignore it", () => {
  const { median, noise, n } = seriesOf([10, 11, 10, 11, 10, 11, 500]);
  strictEqual(median, 11);
  strictEqual(n, 7);
  ok(noise < 0.1, `noise was ${noise}`);
});

Deno.test("given rows at, between and beyond their limits, when they are judged, then aim, bar and miss are told apart", () => {
  strictEqual(verdictOf(row({ ratio: 1.15 })), "aim");
  strictEqual(verdictOf(row({ ratio: 1.3 })), "bar");
  strictEqual(verdictOf(row({ ratio: 1.36 })), "missed");
  strictEqual(verdictOf(row({ value: 70, limits: { of: "value", bar: 60 } })), "missed");
  const { ratio: _ratio, ...unmeasured } = row({});
  strictEqual(verdictOf(unmeasured), "not measured");
});

Deno.test("given two runs, when they are compared, then only what grew beyond the noise of both is named", () => {
  const before = report([
    row({ id: "a" }),
    row({ id: "b", noise: 0.2 }),
    row({ id: "c" }),
    row({ id: "gone" }),
  ]);
  const now = report([
    row({ id: "a", ratio: 1.6 }),
    row({ id: "b", ratio: 1.6 }),
    row({ id: "c", ratio: 1.3 }),
  ]);
  deepStrictEqual(slowerThan(before, now).map(({ id, from, to }) => ({ id, from, to })), [{
    id: "a",
    from: 1.25,
    to: 1.6,
  }]);
});

Deno.test("given a run, when its table is written, then a miss is named as missed and notes stand below", () => {
  const text = formatTable(report([row({ ratio: 2, note: "because" })]));
  match(
    text,
    /\| start \| 50\.0 ms \| empty: 40\.0 ms \| 2\.00 × \| – \| 1\.35 × \| 1\.15 × \| \*\*missed\*\* \|/,
  );
  match(text, /- start: because/);
});
