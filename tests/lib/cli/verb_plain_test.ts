import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { type Declaration, optionsOf, parseInput, parsePlain } from "../../../lib/cli/verb.ts";
import { UserError } from "../../../lib/errors.ts";

const DECLARE: Declaration = {
  path: "_ test",
  summary: "",
  audience: "internal",
  args: [{ name: "words", summary: "", optional: true, many: true }],
  options: [
    { name: "json", summary: "" },
    { name: "max-bytes", value: "N", summary: "" },
    { name: "env", value: "K=V", summary: "", many: true, short: "e" },
  ],
  example: "",
};
const NAMES = ["json", "max-bytes", "env", "help"];
const RUNS = 2000;

/** What parsing comes to, through type-flag alone: `=` for a value is nothing the plain way knows. */
function byTypeFlag(argv: readonly string[]): unknown {
  const forced = ["--max-bytes=0", ...argv];
  return shown(forced, (name, values) => name === "max-bytes" ? values.slice(1) : values);
}

function shown(
  argv: readonly string[],
  keep: (name: string, values: readonly string[]) => readonly string[],
) {
  try {
    const input = parseInput(DECLARE, argv);
    return { words: input.words, values: NAMES.map((name) => keep(name, input.many(name))) };
  } catch (error) {
    if (error instanceof UserError) return { error: error.message };
    throw error;
  }
}

Deno.test("given any command line, when the plain way can parse it, then it parses as type-flag does", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "--json",
      "--max-bytes",
      "--env",
      "--help",
      "-e",
      "--",
      "-",
      "--nope",
      "--env=a=b",
      "--json=x",
    ),
    fc.constantFrom("a", "w1", "5", "A=B", "", "true", "false", "=", "a b"),
  );
  let plain = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (argv) => {
      if (parsePlain(optionsOf(DECLARE), argv) === undefined) return;
      plain++;
      deepStrictEqual(shown(argv, (_name, values) => values), byTypeFlag(argv));
    }),
    { numRuns: RUNS },
  );
  ok(plain > RUNS / 10, `only ${plain} command lines were plain`);
});
