/** Parsing of shell text: words, quotes, pipes, heredocs, compound commands. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { anyCharacter } from "../../properties.ts";
import { literalWord, parseShell } from "../../../lib/gate/shell.ts";
import { runs } from "../../whole.ts";

const RUNS = runs(100);

const words = (line: string) =>
  parseShell(line).commands.map((command) => command.words.map((word) => word.text));

/** Lines, each with the words of its commands after quote removal. */
const LINES: [string, string[][]][] = [
  ["", []],
  ["a b", [["a", "b"]]],
  ["a  'b c' \"d e\"", [["a", "b c", "d e"]]],
  ["a\\ b 'c'\"d\"e", [["a b", "cde"]]],
  ['a "b\\"c\\d" \'\'', [["a", 'b"c\\d', ""]]],
  ["$'a\\x62\\143\\u0064\\n' x", [["abcd\n", "x"]]],
  ["a \\\n b", [["a", "b"]]],
  ["a; b && c || d | e & f\ng", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"]]],
  ["a # b; c", [["a"]]],
  ["a#b", [["a#b"]]],
  ['a $(b `c`) "$(d)"', [["a", "$(b `c`)", "$(d)"], ["b", "`c`"], ["c"], ["d"]]],
  ["`a \\`b\\``", [["`a \\`b\\``"], ["a", "`b`"], ["b"]]],
  ["a '$(b)'", [["a", "$(b)"]]],
  ["(a; (b)) | { c; }", [["a"], ["b"], ["c"]]],
  ["f() { a; }; function g { b; }", [["a"], ["b"]]],
  ["if a; then b; elif c; then d; else e; fi", [["a"], ["b"], ["c"], ["d"], ["e"]]],
  ["while a; do b; done; until c; do d; done", [["a"], ["b"], ["c"], ["d"]]],
  ["for x in 1 2; do a; done", [["for", "x", "in", "1", "2"], ["a"]]],
  ["for ((i=0; i<2; i++)); do a; done", [["a"]]],
  ["case x in a|b) c;; (d) e;& *) f; esac; g", [["c"], ["e"], ["f"], ["g"]]],
  ["$(case x in a) b;; esac) c", [["$(case x in a) b;; esac)", "c"], ["b"]]],
  ["! a; time -p b; coproc c", [["a"], ["b"], ["c"]]],
  ["echo if then { }", [["echo", "if", "then", "{", "}"]]],
  ["[[ a < b && $x =~ (c|d) ]] && e", [["e"]]],
  ["a $((1 << 2)); ((x << 2)); b", [["a", "$((1 << 2))"], ["b"]]],
  ["a $(( $(b) + 1 ))", [["a", "$(( $(b) + 1 ))"], ["b"]]],
  ["x=(a $(b)) c", [["c"], ["b"]]],
  ['a ${x:-$(b)} "${y:-`c`}"', [["a", "${x:-$(b)}", "${y:-`c`}"], ["b"], ["c"]]],
  ["a 2>&1 >b <c &>d e", [["a", "e"]]],
  ["diff <(a) >(b)", [["diff", "<(a)", ">(b)"], ["a"], ["b"]]],
  ["a <<X\nb $(c)\nX\nd", [["a"], ["c"], ["d"]]],
  ["a <<'X'; e\nb $(c)\nX\nd", [["a"], ["e"], ["d"]]],
  ["a <<-X\n\tb\n\tX\nd", [["a"], ["d"]]],
  ["a <<X <<Y\nb\nX\nc\nY\nd", [["a"], ["d"]]],
  ["x=$(a <<X\nb)c\nX\n); d", [[], ["a"], ["d"]]],
];

Deno.test("given a line, when it is parsed, then its simple commands come back with their words", () => {
  for (const [line, expected] of LINES) {
    const script = parseShell(line);
    deepStrictEqual([line, words(line), script.unterminated, script.tooDeep], [line, expected, false, false]);
  }
});

Deno.test("given assignments and redirections, when parsed, then they are kept apart from the words", () => {
  const [command] = parseShell("A=1 B='x y' c D=2 > /dev/sda 2>> e").commands;
  deepStrictEqual(command?.assignments.map(({ name, values }) => [name, values?.[0]?.text]), [["A", "1"], [
    "B",
    "x y",
  ]]);
  deepStrictEqual(command?.words.map((word) => word.text), ["c", "D=2"]);
  deepStrictEqual(command?.redirections.map(({ operator, target }) => operator + target.text), [
    ">/dev/sda",
    ">>e",
  ]);
});

Deno.test("given a pipe, when parsed, then each command knows what feeds it", () => {
  const { commands } = parseShell("a; b | c | { d; e; } && f");
  deepStrictEqual(commands.map((command) => command.upstreamFrom), [
    undefined,
    undefined,
    1,
    1,
    1,
    undefined,
  ]);
  strictEqual(commands[2]?.fedBy, commands[1]);
});

Deno.test("given heredocs and here-strings, when parsed, then they are the command's input", () => {
  const inputs = parseShell("a <<X | b <<< 'c d'\ne $f\nX").commands.map((command) => command.input);
  deepStrictEqual(inputs, ["e $f\n", "c d\n"]);
});

Deno.test("given subshells and substitutions, when parsed, then each has a scope below its parent's", () => {
  const [a, b, c] = parseShell("a $(b); (c)").commands;
  ok(b?.scope.parent === a?.scope && c?.scope.parent === a?.scope && b?.scope !== c?.scope);
});

Deno.test("given quoted text, when parsed, then each part is marked as quoted", () => {
  const parts = parseShell("~/'a b'$x\"$y\"").commands[0]?.words[0]?.parts;
  const seen = parts?.filter((part) => part.text !== "").map((
    { kind, text, quoted, name },
  ) => [kind, text, quoted, name]);
  deepStrictEqual(seen, [
    ["text", "~/", false, undefined],
    ["text", "a b", true, undefined],
    ["variable", "$x", false, "x"],
    ["variable", "$y", true, "y"],
  ]);
});

Deno.test("given unfinished text, when parsed, then it is flagged and the commands before it are there", () => {
  for (
    const line of [
      "a 'b",
      'a "b',
      "a $(b",
      "a `b",
      "a ${b",
      "a <<X\nb",
      "(a",
      "if a",
      "case a in b",
      "a \\",
      "[[ a",
    ]
  ) {
    const script = parseShell(line);
    deepStrictEqual([line, script.unterminated, script.commands.length > 0 || /^(?:case|\[\[)/.test(line)], [
      line,
      true,
      true,
    ]);
  }
});

Deno.test("given nesting beyond the limit, when parsed, then it is flagged and nothing throws", () => {
  strictEqual(parseShell("$(".repeat(90)).tooDeep, false);
  strictEqual(parseShell("$(".repeat(100_000)).tooDeep, true);
  strictEqual(parseShell("${x:-".repeat(100_000)).tooDeep, true);
  strictEqual(parseShell("(".repeat(100_000)).tooDeep, true);
  strictEqual(parseShell("f() {".repeat(100_000)).tooDeep, true);
});

Deno.test("given any words in single quotes, when parsed, then the same words come back", () => {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 30 }), { minLength: 1, maxLength: 8 }), (texts) => {
      const script = parseShell(texts.map(quote).join(" "));
      deepStrictEqual(script.commands.map((command) => command.words.map((word) => word.text)), [texts]);
      strictEqual(script.unterminated, false);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given any text, when parsed, then it ends and every command stands in the text or is unescaped from it", () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 200 }), (text) => {
      for (const { source } of parseShell(text).commands) {
        ok(text.includes("`") || text.includes(source), source);
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given a literal, when made a word, then nothing in it expands", () => {
  deepStrictEqual(literalWord("$x").parts, [{ kind: "text", text: "$x", quoted: true }]);
});
