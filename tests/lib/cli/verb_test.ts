import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../../lib/errors.ts";
import { type Declaration, type Input, optionsOf, parseInput, usageOf } from "../../../lib/cli/verb.ts";

const DECLARE: Declaration = {
  path: "_ try",
  summary: "for tests",
  audience: "root",
  args: [{ name: "id", summary: "" }, { name: "body", summary: "", optional: true, many: true }],
  options: [
    { name: "free", summary: "" },
    { name: "timeout", value: "S", summary: "" },
    { name: "lines", short: "n", value: "N", summary: "" },
    { name: "env", value: "K=V", summary: "", many: true },
  ],
  mutating: true,
  example: "looop _ try x",
};
const PASS: Declaration = { ...DECLARE, args: [{ name: "cmd", summary: "", many: true }], passthrough: true };

function parsed(argv: string[], declare = DECLARE): Record<string, unknown> {
  const input: Input = parseInput(declare, argv);
  const names = optionsOf(declare).map((option) => option.name);
  const given = names.filter((name) => input.flag(name)).map((name) => [name, input.many(name)]);
  return { words: input.words, ...Object.fromEntries(given) };
}

Deno.test("given the words of a call, when they are parsed, then options, values and words are distinguished", () => {
  const cases: [string[], Record<string, unknown>][] = [
    [["x"], { words: ["x"] }],
    [["x", "a b", ""], { words: ["x", "a b", ""] }],
    [["x", "-"], { words: ["x", "-"] }],
    [["--free", "x"], { words: ["x"], free: [""] }],
    [["x", "--timeout", "5", "y"], { words: ["x", "y"], timeout: ["5"] }],
    [["x", "--timeout=5"], { words: ["x"], timeout: ["5"] }],
    [["x", "--timeout=-5"], { words: ["x"], timeout: ["-5"] }],
    [["x", "-n", "3"], { words: ["x"], lines: ["3"] }],
    [["x", "--env", "A=1", "--env", "B=a=b"], { words: ["x"], env: ["A=1", "B=a=b"] }],
    [["x", "--", "--free", "-n"], { words: ["x", "--free", "-n"] }],
    [["--", "x", "--", "y"], { words: ["x", "--", "y"] }],
    [["x", "--journal", "done"], { words: ["x"], journal: ["done"] }],
    [["--help"], { words: [], help: [""] }],
    [["-h", "x"], { words: ["x"], help: [""] }],
  ];
  for (const [argv, want] of cases) deepStrictEqual(parsed(argv), want, argv.join(" "));
});

Deno.test("given a verb that passes a command on, when it is parsed, then options end where the command begins", () => {
  const cases: [string[], Record<string, unknown>][] = [
    [["git", "push", "--force", "--free"], { words: ["git", "push", "--force", "--free"] }],
    [["--free", "--timeout", "5", "ls", "-n", "--help"], {
      words: ["ls", "-n", "--help"],
      free: [""],
      timeout: ["5"],
    }],
    [["--timeout=5", "--", "--weird", "x"], { words: ["--weird", "x"], timeout: ["5"] }],
    [["sh", "-c", "a -- b", "--", "c"], { words: ["sh", "-c", "a -- b", "--", "c"] }],
  ];
  for (const [argv, want] of cases) deepStrictEqual(parsed(argv, PASS), want, argv.join(" "));
});

Deno.test("given wrong words, when they are parsed, then the fault and the way out are named", () => {
  const cases: [string[], RegExp, RegExp][] = [
    [[], /Missing <id>/, /looop _ try x/],
    [["x", "--fre"], /Unknown option --fre/, /did you mean --free\?/],
    [["x", "--timout", "5"], /Unknown option --timout/, /did you mean --timeout\?/],
    [["x", "--zzzzzzzz"], /Unknown option --zzzzzzzz/, /looop help _ try/],
    [["x", "-q"], /Unknown option -q/, /after --/],
    [["x", "--timeout"], /--timeout needs a value/, /--timeout=S/],
    [["x", "--timeout", "-1"], /--timeout needs a value/, /--timeout=S/],
    [["x", "--timeout", ""], /--timeout needs a value/, /--timeout S/],
    [["x", "--timeout="], /--timeout needs a value/, /--timeout S/],
    [["x", "--__proto__"], /Unknown option --__proto__/, /help/],
  ];
  for (const [argv, message, next] of cases) {
    throws(() => parseInput(DECLARE, argv), (error) => {
      ok(error instanceof UsageError, argv.join(" "));
      ok(message.test(error.message), `${argv.join(" ")}: ${error.message}`);
      ok(next.test(error.next ?? ""), `${argv.join(" ")}: ${error.next}`);
      strictEqual(error.code, 2);
      return true;
    });
  }
});

Deno.test("given too many words or a word that is no choice, when they are parsed, then usage or the nearest choice is shown", () => {
  const strict: Declaration = {
    ...DECLARE,
    args: [{ name: "shell", summary: "", choices: ["zsh", "bash"] }],
  };
  throws(() => parseInput(strict, ["zsh", "more"]), /Unexpected argument "more"/);
  throws(
    () => parseInput(strict, ["bsah"]),
    (error: UsageError) => /did you mean "bash"/.test(error.next ?? ""),
  );
  throws(() => parseInput(strict, ["powershell"]), (error: UsageError) => /zsh, bash/.test(error.next ?? ""));
  strictEqual(parseInput(strict, ["--help"]).flag("help"), true);
});

Deno.test("given option values that are no numbers, when they are read, then they are refused", () => {
  const read = (argv: string[]) => parseInput(DECLARE, ["x", ...argv]);
  strictEqual(read([]).seconds("timeout"), undefined);
  strictEqual(read(["--timeout", "0.5"]).seconds("timeout"), 0.5);
  strictEqual(read(["--lines", "0"]).count("lines"), 0);
  for (const bad of ["0", "-1", "NaN", "Infinity", "1s", " ", "five"]) {
    throws(() => read([`--timeout=${bad}`]).seconds("timeout"), UsageError, bad);
  }
  for (const bad of ["-1", "1.5", "x", "Infinity"]) {
    throws(() => read([`--lines=${bad}`]).count("lines"), UsageError, bad);
  }
});

Deno.test("given any words after --, when they are parsed, then they come back as they are", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 5 }), (words) => {
      deepStrictEqual(parseInput(DECLARE, ["--", ...words]).words, words);
    }),
    { examples: [[["--help"]], [["--", "-"]], [["-n5", "--journal=x"]]] },
  );
});

Deno.test("given any words at all, when they are parsed, then the outcome is an input or a usage error", () => {
  const word = fc.oneof(
    fc.constantFrom(
      "--",
      "-",
      "--free",
      "--timeout",
      "-n",
      "-nn",
      "--=",
      "--=x",
      "---",
      "--no-free",
      "-h",
      "=",
      "",
    ),
    fc.string({ unit: "grapheme", maxLength: 6 }),
    fc.string({ unit: "grapheme", maxLength: 6 }).map((text) => `--${text}`),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), fc.boolean(), (argv, pass) => {
      try {
        parseInput(pass ? PASS : DECLARE, argv);
      } catch (error) {
        ok(error instanceof UsageError, `${JSON.stringify(argv)}: ${error}`);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("given a declaration, when its usage is shown, then optional, repeated and valued parts are distinguished", () => {
  strictEqual(
    usageOf(DECLARE),
    "looop _ try <id> [body…] [--free] [--timeout S] [--lines N] [--env K=V]…",
  );
  strictEqual(usageOf({ ...PASS, options: [{ name: "free", summary: "" }] }), "looop _ try [--free] <cmd…>");
  const say = { name: "say", value: "TEXT", summary: "", required: true };
  strictEqual(usageOf({ ...PASS, options: [say] }), "looop _ try --say TEXT <cmd…>");
});
