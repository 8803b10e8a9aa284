import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { age, bar, displayWidth, pad, styler, table, truncate, wrap } from "../../../lib/text/style.ts";
import { runs } from "../../whole.ts";

const RUNS = runs(100);
const anyWords = fc.array(
  fc.oneof(fc.stringMatching(/^[ -~]*$/), fc.constantFrom("漢字", "e\u0301", "👍🏽", "naïve", "a-b_c/d")),
)
  .map((parts) => parts.join(" "));

Deno.test("given colour or not, when text is painted, then only colour adds codes and the words are the same", () => {
  strictEqual(styler(true).red("x"), "\x1b[31mx\x1b[39m");
  strictEqual(styler(true).bold("x"), "\x1b[1mx\x1b[22m");
  strictEqual(styler(true).dim(""), "");
  const plain = styler(false);
  deepStrictEqual([plain.bold("a"), plain.dim("b"), plain.green("c"), plain.yellow("d"), plain.red("e")], [
    ..."abcde",
  ]);
});

Deno.test("given text of many scripts, when its width is asked, then it is what a terminal uses", () => {
  const widths: [string, number][] = [
    ["", 0],
    ["abc", 3],
    ["naïve", 5],
    ["e\u0301", 1],
    ["漢字", 4],
    ["한글", 4],
    ["ｗｉｄｅ", 8],
    ["👍", 2],
    ["🇩🇪", 2],
    ["└─┐", 3],
    ["█▌", 2],
    ["a\u200bb\u00ad", 3],
    ["\x1b[1;31mred\x1b[0m", 3],
  ];
  for (const [text, width] of widths) strictEqual(displayWidth(text), width, JSON.stringify(text));
});

Deno.test("given text too long, when it is cut, then an ellipsis says so and it fits", () => {
  strictEqual(truncate("abcdef", 6), "abcdef");
  strictEqual(truncate("abcdef", 5), "abcd…");
  strictEqual(truncate("漢字漢字", 6), "漢字…");
  strictEqual(truncate("cafe\u0301s", 5), "cafe\u0301s");
  strictEqual(truncate("abc", 0), "");
  fc.assert(
    fc.property(anyWords, fc.nat(40), (text, width) => ok(displayWidth(truncate(text, width)) <= width)),
    { numRuns: RUNS },
  );
});

Deno.test("given text, when it is wrapped, then no line is too wide and no word is lost", () => {
  deepStrictEqual(wrap("one two three", 9, 2), ["  one two", "  three"]);
  deepStrictEqual(wrap("a\n\nb", 10), ["a", "", "b"]);
  deepStrictEqual(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
  fc.assert(
    fc.property(anyWords, fc.integer({ min: 4, max: 60 }), fc.nat(2), (text, width, indent) => {
      const lines = wrap(text, width, indent);
      for (const line of lines) {
        ok(displayWidth(line) <= width || /`[^`]*`/.test(line), `${JSON.stringify(line)} in ${width}`);
      }
      strictEqual(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given commands in a text, when it is wrapped, then each is whole on one line, however narrow", () => {
  deepStrictEqual(wrap("see `looop logs w1`, or `ls`", 10), ["see", "`looop logs w1`,", "or `ls`"]);
  const command = fc.array(fc.constantFrom("looop", "_", "worker", "kill", "漢字", "--json"), {
    minLength: 1,
  })
    .map((words) => `\`${words.join(" ")}\``);
  const texts = fc.array(fc.oneof(command, fc.constantFrom("see", "then", "this,")), { minLength: 1 });
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 60 }), fc.nat(4), (parts, width, indent) => {
      const lines = wrap(parts.join(" "), width, indent);
      for (const part of parts.filter((one) => one.startsWith("`"))) {
        ok(lines.some((line) => line.includes(part)), `${part} in ${JSON.stringify(lines)}`);
      }
      for (const line of lines) {
        ok(displayWidth(line) <= Math.max(2, width - indent) + indent || line.includes("`"));
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given rows, when they are laid out, then columns stand below each other and the widest one gives way", () => {
  const columns = [{ header: "WORKER" }, { header: "ASK", min: 8 }, {
    header: "AGE",
    align: "right" as const,
  }];
  const rows = [["fix-1", "Merge the branch into main now?", "3 s"], ["漢字", "Which\ncolour?", "14 min"]];
  deepStrictEqual(table(rows, { width: 80, columns }), [
    "WORKER  ASK                                 AGE",
    "fix-1   Merge the branch into main now?     3 s",
    "漢字    Which colour?                    14 min",
  ]);
  deepStrictEqual(table(rows, { width: 30, columns }), [
    "WORKER  ASK                AGE",
    "fix-1   Merge the bra…     3 s",
    "漢字    Which colour?   14 min",
  ]);
});

Deno.test("given a column with colour, when it is laid out, then the cells are painted and the header is not", () => {
  const { red } = styler(true);
  const lines = table([["no", "x"]], { width: 20, columns: [{ header: "A", paint: red }, { header: "B" }] });
  deepStrictEqual(lines, ["A   B", `${red("no")}  x`]);
});

Deno.test("given any rows and widths, when they are laid out, then no line is wider than the terminal", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(anyWords, { minLength: 4, maxLength: 4 })),
      fc.integer({ min: 1, max: 90 }),
      (rows, width) => {
        const columns = [{ header: "NAME", min: 6 }, { min: 10 }, { align: "right" as const }, {}];
        const lines = table(rows, { width, columns });
        strictEqual(lines.length, rows.length + 1);
        for (const line of lines) ok(displayWidth(line) <= width, `${JSON.stringify(line)} in ${width}`);
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("given seconds, when they are shown as an age, then the largest whole unit is used", () => {
  const ages = [-5, 0, 3.9, 59, 60, 3599, 3600, 86_399, 86_400, 5 * 86_400, NaN].map(age);
  deepStrictEqual(ages, ["0 s", "0 s", "3 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "5 d", "?"]);
});

Deno.test("given a fraction, when it is drawn, then the bar fits, grows with it, and is not empty for a small one", () => {
  deepStrictEqual([0, 0.001, 0.5, 1, 2, NaN].map((fraction) => bar(fraction, 4)), [
    "",
    "▏",
    "██",
    "████",
    "████",
    "",
  ]);
  deepStrictEqual([0, 0.001, 0.5, 1].map((fraction) => bar(fraction, 4, false)), ["", "#", "##", "####"]);
  strictEqual(bar(0.3, 4), "█▎");
  strictEqual(bar(1, 0), "");
  strictEqual(pad("漢", 4, "right"), "  漢");
});
