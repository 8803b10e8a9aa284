import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { canonical, parseExact } from "../../../lib/text/json.ts";
import { readingOf } from "../../../lib/world/reading.ts";
import { nextReading } from "../../../lib/world/world.ts";
import { anyJson, reordered, RUNS } from "../../properties.ts";

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

Deno.test("given any JSON value, when it is parsed exactly, then it is what JSON.parse makes of it and prints as it was", () => {
  fc.assert(
    fc.property(fc.tuple(anyJson, fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })), ([value, id]) => {
      const text = `[${JSON.stringify(value)},${id}]`;
      strictEqual(JSON.stringify(parseExact(text)), text.replace(/-0(?=,-?\d+]$)/, "0"));
      deepStrictEqual(JSON.parse(canonical(parseExact(text))), JSON.parse(canonical(JSON.parse(text))));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given ids that are equal as doubles, when sensors print them, then their signals differ", async () => {
  const hashes = await Promise.all(["9223372036854775806", "9223372036854775807"].map(async (id) => {
    const stdout = new TextEncoder().encode(`{"signal":{"id":${id}}}`);
    const outcome = {
      stdout,
      stderr: new Uint8Array(),
      exitCode: 0,
      timedOut: false,
      tooLarge: false,
      ms: 1,
    };
    return (await nextReading(undefined, readingOf(outcome, 8192, 60), 0)).hash;
  }));
  notStrictEqual(hashes[0], hashes[1]);
});
