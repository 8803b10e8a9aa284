import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  CONFIG_KEYS,
  defaultConfig,
  parseConfig,
  positionOf,
  readConfig,
} from "../../../lib/records/config.ts";
import { numberFrom } from "../../../lib/records/env.ts";
import { UserError } from "../../../lib/errors.ts";
import { seedConfig } from "../../../lib/records/seed.ts";
import { RUNS } from "../../properties.ts";

Deno.test("given the seeded config, when it is parsed, then it is the defaults and warns of nothing", () => {
  const { config, warnings } = parseConfig(seedConfig());
  ok(JSON.parse(seedConfig()), "looop 0.16 reads strict JSON only");
  deepStrictEqual(warnings, []);
  deepStrictEqual({ ...config, runners: {} }, { ...defaultConfig(), runners: {} });
  ok("pi" in config.runners && "shell" in config.runners);
});

Deno.test("given any text and an offset, when its position is computed, then line and column lead back to it", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", "\n", "{", '"', "é") }), fc.nat(40), (text, at) => {
      const offset = Math.min(at, text.length);
      const { line, column } = positionOf(text, offset);
      const lines = text.split("\n");
      const before = lines.slice(0, line - 1).reduce((sum, part) => sum + part.length + 1, 0);
      strictEqual(before + column - 1, offset);
    }),
    { numRuns: RUNS },
  );
});

/** Configs with `¦` at the fault, each with its message. */
const FAULTS: readonly (readonly [string, RegExp])[] = [
  ['{\n  "interval": ¦"fast"\n}\n', /"interval" is "fast", expected a number of seconds/],
  ['{\n  // a comment\n  "interval": ¦0\n}', /"interval" is 0, expected seconds > 0/],
  ['{ "sensor_concurrency": ¦1.5 }', /expected a whole number/],
  ['{ "default": "pi",\n\t"runners": { "a": { "interactive": ¦7 } } }', /"runners\.a\.interactive" is 7/],
  ['{ "gate": { "deny": ["x", ¦3] } }', /"gate\.deny\.1" is 3/],
  ['{ "runners": ¦[] }', /"runners"/],
  ["¦[]", /expected an object/],
  ["¦", /the file is empty/],
  ['{ "interval": 60\n  ¦"default": "pi" }', /comma expected/],
  ['{ "interval": ¦}', /value expected/],
];

for (const [marked, says] of FAULTS) {
  Deno.test(`given the config ${JSON.stringify(marked)}, when it is parsed, then the fault's place is named`, () => {
    const source = marked.replace("¦", "");
    const { line, column } = positionOf(source, marked.indexOf("¦"));
    throws(() => parseConfig(source), (error: UserError) => {
      ok(error.message.startsWith(`config.json:${line}:${column}: `), `${error.message} (${line}:${column})`);
      match(error.message, says);
      strictEqual(error.code, 1);
      return true;
    });
  });
}

Deno.test("given unknown keys, when the config is parsed, then each is a warning with its place and nearest match", () => {
  const { config, warnings } = parseConfig('{\n  "intervall": 5, // typo\n  "$schema": "x",\n  "zzz": 1,\n}');
  strictEqual(config.interval, 60);
  deepStrictEqual(warnings, [
    'config.json:2:3: unknown key "intervall"; did you mean "interval"?',
    'config.json:4:3: unknown key "zzz"',
  ]);
});

Deno.test("given any text, when it is parsed as config, then it is settings or one line that names file, line and column", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), jsonLike()), (source) => {
      try {
        const { config } = parseConfig(source);
        ok(config.interval > 0 && config.sensor_concurrency >= 1 && config.ask_redeliver > 0);
      } catch (error) {
        ok(error instanceof UserError, `${error}`);
        match(error.message, /^config\.json:[1-9]\d*:[1-9]\d*: /);
      }
    }),
    { numRuns: RUNS },
  );
});

/** Objects with known keys and any values. */
function jsonLike(): fc.Arbitrary<string> {
  const entry = fc.tuple(fc.constantFrom(...CONFIG_KEYS), fc.jsonValue({ maxDepth: 2 }));
  return fc.array(entry, { maxLength: 4 }).map((entries) =>
    JSON.stringify(Object.fromEntries(entries), null, 2)
  );
}

Deno.test("given no config file, when it is read, then the defaults hold", async () => {
  const dir = await Deno.makeTempDir();
  try {
    deepStrictEqual(readConfig(`${dir}/config.json`), { config: defaultConfig(), warnings: [] });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("given a number in a variable, when it is read, then what is no finite number counts as unset", () => {
  for (const text of [undefined, "", " ", "x", "1e999", "NaN", "1 2"]) {
    strictEqual(numberFrom(text), undefined, text);
  }
  for (const [text, value] of [["0", 0], [" 5 ", 5], ["-1", -1], ["0.5", 0.5]] as const) {
    strictEqual(numberFrom(text), value);
  }
});
