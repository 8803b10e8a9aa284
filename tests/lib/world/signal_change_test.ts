import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { canonical } from "../../../lib/text/json.ts";
import { signalChange } from "../../../lib/world/signal_change.ts";
import { anyJson, RUNS } from "../../properties.ts";

Deno.test("given two lists, when they are compared, then the change names what came and what went", () => {
  const prs = (...numbers: number[]) => numbers.map((number) => ({ number, title: `change ${number}` }));
  deepStrictEqual(signalChange(prs(1, 2, 3), prs(2, 3, 4)), { added: prs(4), removed: prs(1) });
  deepStrictEqual(signalChange(prs(1, 1, 1, 2), prs(1, 1, 2)), { added: [], removed: prs(1) });
});

Deno.test("given lists whose change would be longer, or that differ only in order, when they are compared, then both are shown", () => {
  deepStrictEqual(signalChange([1], [2]), { from: [1], to: [2] });
  deepStrictEqual(signalChange(["a", "b", "c"], ["c", "b", "a"]), {
    from: ["a", "b", "c"],
    to: ["c", "b", "a"],
  });
});

Deno.test("given two objects, when some keys changed, then only those are shown, and lists among them as lists", () => {
  const long = (...names: string[]) => names.map((name) => `a branch called ${name}`);
  deepStrictEqual(
    signalChange(
      { open: 1, same: "x", gone: true, branches: long("a", "b") },
      { open: 2, same: "x", fresh: null, branches: long("a", "b", "c") },
    ),
    {
      from: { open: 1, gone: true },
      to: { open: 2, fresh: null },
      branches: { added: long("c"), removed: [] },
    },
  );
  deepStrictEqual(signalChange({ a: null }, {}), { from: { a: null } });
});

Deno.test("given an object whose keys are the words of a change, when it changed, then it is shown whole", () => {
  deepStrictEqual(signalChange({ from: 1, x: 1 }, { from: 1, x: 2 }), {
    from: { from: 1, x: 1 },
    to: { from: 1, x: 2 },
  });
});

Deno.test("given any two signals, when their change is applied to the first, then the second comes out, order of lists aside", () => {
  fc.assert(
    fc.property(anyJson, anyJson, (from, to) => {
      const change = signalChange(from, to) as Record<string, unknown>;
      deepStrictEqual(unordered(applied(from, change)), unordered(to));
      ok(JSON.stringify(change).length <= JSON.stringify({ from, to }).length + 40);
    }),
    { numRuns: RUNS * 3 },
  );
});

type Change = Record<string, unknown>;

function applied(from: unknown, change: Change): unknown {
  if (Array.isArray(change["added"])) return appliedList(from as unknown[], change);
  const isObject = (value: unknown): value is Change =>
    value !== null && typeof value === "object" && !Array.isArray(value);
  const { from: before, to, ...lists } = change;
  const isWhole = canonical(before) === canonical(from) && "to" in change && "from" in change;
  if (!isObject(from) || isWhole) return to;
  const result: Change = { ...from };
  for (const key of Object.keys((before ?? {}) as Change)) delete result[key];
  Object.assign(result, to ?? {});
  for (const [key, list] of Object.entries(lists)) {
    result[key] = appliedList(from[key] as unknown[], list as Change);
  }
  return result;
}

function appliedList(from: unknown[], { added, removed }: Change): unknown[] {
  const left = [...from];
  for (const item of removed as unknown[]) {
    left.splice(left.findIndex((other) => canonical(other) === canonical(item)), 1);
  }
  return [...left, ...added as unknown[]];
}

function unordered(value: unknown): unknown {
  return Array.isArray(value)
    ? value.map(canonical).sort()
    : value !== null && typeof value === "object"
    ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, unordered(part)]))
    : value;
}
