import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { canonical } from "../../lib/canonical.ts";
import { anyJson, reordered, RUNS } from "../properties.ts";

Deno.test("given any JSON value, when its keys come in another order, then its canonical text is the same", () => {
  fc.assert(
    fc.property(anyJson, (value) => strictEqual(canonical(reordered(value)), canonical(value))),
    { numRuns: RUNS },
  );
});

Deno.test("given any JSON value, when its canonical text is parsed, then it is that value", () => {
  fc.assert(
    fc.property(
      anyJson,
      (value) => deepStrictEqual(JSON.parse(canonical(value)), JSON.parse(JSON.stringify(value))),
    ),
    { numRuns: RUNS },
  );
});

Deno.test("given two values that differ, when they are made canonical, then their texts differ", () => {
  fc.assert(
    fc.property(anyJson, anyJson, (a, b) => {
      fc.pre(JSON.stringify(a) !== JSON.stringify(b));
      const same = canonical(a) === canonical(b);
      if (same) deepStrictEqual(a, b);
    }),
    { numRuns: RUNS },
  );
  notStrictEqual(canonical(["1"]), canonical([1]));
  notStrictEqual(canonical({ a: null }), canonical({}));
});
