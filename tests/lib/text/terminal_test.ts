import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { anyCharacter } from "../../properties.ts";
import { sanitize, sanitizeLine } from "../../../lib/text/style.ts";
import { LogRenderer, renderRows, renderScreen } from "../../../lib/text/terminal.ts";
import { runs } from "../../whole.ts";

const RUNS = runs(100);
const encoder = new TextEncoder();

/** The log of a recording that comes in pieces of `size` bytes. */
async function logOf(text: string, size = Infinity): Promise<string[]> {
  const log = new LogRenderer();
  const bytes = encoder.encode(text);
  const lines: string[] = [];
  for (let from = 0; from < bytes.length; from += Math.min(size, bytes.length)) {
    lines.push(...await log.push(bytes.slice(from, from + Math.min(size, bytes.length))));
  }
  return [...lines, ...log.end()];
}

/** Bytes that are often control sequences, cut at any place. */
const anyBytes = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.constantFrom(
      ..."ABCDEFGHIJKLMPSTXZ@`abdefghlrsu".split("").flatMap((final) => [
        `\x1b[${final}`,
        `\x1b[3${final}`,
        `\x1b[9999;2${final}`,
      ]),
      ..."78DEMHcPX^_]()%#".split("").map((final) => `\x1b${final}`),
      ...["?1049h", "?1049l", "?47h", "?6h", "?7l", "4h", "20h", "!p", "2;3r"].map((rest) => `\x1b[${rest}`),
      "漢字",
      "e\u0301",
      "👍🏽",
      "\r\n",
      "\n",
      "\t",
      "\b",
      "word ",
      "\x0e",
      "\x07",
    ).map((text) => encoder.encode(text)),
  ),
  { maxLength: 40 },
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

async function fixture(name: string) {
  return JSON.parse(
    await Deno.readTextFile(new URL(`../../fixtures/terminal/${name}.json`, import.meta.url)),
  );
}

// Recorded with script(1) in a tmux pane while keys were sent; `shown` is the output of `tmux capture-pane -p`.
for (const program of ["less", "git", "vim", "bash", "pi", "opencode"]) {
  Deno.test(`given a recording of ${program}, when it is shown, then the screen is the one that tmux showed`, async () => {
    const { cols, rows, recorded, shown } = await fixture(program);
    const filled = [...shown, ...Array(rows - shown.length).fill("")];
    deepStrictEqual(await renderRows(encoder.encode(recorded), { cols, rows }), filled);
  });
}

Deno.test("given random sequences, when they are shown, then the screen is the one that another emulator showed", async () => {
  const { cases } = await fixture("sequences");
  strictEqual(cases.length, 120);
  for (const { text, cols, shown } of cases) {
    deepStrictEqual(await renderRows(text, { cols, rows: shown.length }), shown, JSON.stringify(text));
  }
});

/** Written text, and the rows of a 20×4 screen afterwards. */
const CASES: [name: string, text: string, rows: string[]][] = [
  ["a full line wraps only when more comes", `${"x".repeat(20)}\r\ny`, ["x".repeat(20), "y", "", ""]],
  ["a line too long goes on in the next row", "x".repeat(21), ["x".repeat(20), "x", "", ""]],
  ["a wide character does not fit the last column", `${"x".repeat(19)}漢`, ["x".repeat(19), "漢", "", ""]],
  ["half a wide character is overwritten", "漢字\x1b[2Gx", [" x字", "", "", ""]],
  ["combining marks join the letter before", "e\u0301\u0302a", ["e\u0301\u0302a", "", "", ""]],
  ["without autowrap the last column is written again", `\x1b[?7l${"x".repeat(20)}yz`, [
    `${"x".repeat(19)}z`,
    "",
    "",
    "",
  ]],
  ["the cursor moves and stays on the screen", "\x1b[99;99Hz\x1b[Aa\x1b[99Db\x1b[3;5Hc", [
    "",
    "",
    "b   c              a",
    "z".padStart(20),
  ]],
  ["next line, previous line, column", "\x1b[2Ea\x1b[Fb\x1b[7Gc\x1b[4d*", ["", "b     c", "a", "       *"]],
  ["save and restore", "ab\x1b7\x1b[4;9Hz\x1b8c", ["abc", "", "", "        z"]],
  ["erase to the end and to the start", "abcdef\r\nabcdef\x1b[4D\x1b[K\x1b[A\x1b[1K", [
    "   def",
    "ab",
    "",
    "",
  ]],
  [
    "erase, insert and delete characters",
    "abcdef\x1b[2G\x1b[2X\r\nabcdef\x1b[2G\x1b[2@\r\nabcdef\x1b[2G\x1b[2P",
    ["a  def", "a  bcdef", "adef", ""],
  ],
  ["insert and delete lines", "a\r\nb\r\nc\x1b[2H\x1b[L\x1b[H\x1b[M", ["", "b", "c", ""]],
  ["a scroll region keeps the rest in place", "a\r\nb\r\nc\r\nd\x1b[2;3r\x1b[3;1H\n*", ["a", "c", "*", "d"]],
  ["scroll up and down", "a\r\nb\r\nc\r\nd\x1b[2S\x1b[T", ["", "c", "d", ""]],
  ["reverse index at the top scrolls down", "a\r\nb\x1b[H\x1bM*", ["*", "a", "b", ""]],
  ["the alternate screen leaves the main one as it was", "main\x1b[?1049h\x1b[Halt\x1b[?1049l!", [
    "main!",
    "",
    "",
    "",
  ]],
  ["insert mode shifts to the right", "abc\r\x1b[4hx\x1b[4ly", ["xybc", "", "", ""]],
  ["a character is repeated", "ab\x1b[3b", ["abbbb", "", "", ""]],
  [
    "titles, queries and unknown strings show nothing",
    "a\x1b]0;title\x07b\x1bPq#0\x1b\\c\x1b_G;x\x1b\\d\x1b[>1u\x1b[?u",
    ["abcd", "", "", ""],
  ],
  ["line drawing becomes boxes", "\x1b(0lqk\x1b(Bq\x0e\x1b)0x\x0fx", ["┌─┐q│x", "", "", ""]],
  ["tab stops, set and cleared", "\ta\r\x1b[3g\x1b[5G\x1bH\r\tb", ["    b   a", "", "", ""]],
  ["a reset starts anew", "a\x1b[2;3r\x1bcb", ["b", "", "", ""]],
  ["a control inside a sequence works, the sequence too", "abc\x1b[1\r2Gx", [
    "abc".padEnd(11) + "x",
    "",
    "",
    "",
  ]],
];

for (const [name, text, rows] of CASES) {
  Deno.test(`given a 20×4 terminal, when a program writes, then ${name}`, async () => {
    deepStrictEqual(await renderRows(text, { cols: 20, rows: 4 }), rows);
  });
}

Deno.test("given a worker's recording, when it is not ready, then the last lines of its screen are shown", async () => {
  const recording = encoder.encode(
    "$ agent\r\n\x1b[?1049h\x1b[2J\x1b[3;1HDo you trust this folder?\x1b[5;1H❯ 1. Yes\x1b[6;3H2. No",
  );
  deepStrictEqual(await renderScreen(recording, { lastLines: 2 }), ["❯ 1. Yes", "  2. No"]);
  deepStrictEqual(await renderScreen(recording, { lastLines: 20 }), [
    "Do you trust this folder?",
    "❯ 1. Yes",
    "  2. No",
  ]);
  deepStrictEqual(await renderScreen(encoder.encode("torn \xf0".slice(0, 5)), { lastLines: 0 }), []);
});

Deno.test("given plain lines, when they are rendered in any pieces, then they come out as they were, in order", async () => {
  const word = fc.stringMatching(/^[ -~äß漢é\t]*$/);
  await fc.assert(
    fc.asyncProperty(
      fc.array(word),
      fc.constantFrom("\n", "\r\n"),
      fc.integer({ min: 1, max: 50 }),
      async (lines, end, size) => {
        deepStrictEqual(await logOf(lines.map((line) => line + end).join(""), size), lines);
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("given lines longer than the terminal and the screen, when they are rendered, then each is still one line", async () => {
  const lines = [161, 5000, 20_000].map((length) => "abcdefghij".repeat(length / 10) + "!");
  deepStrictEqual(await logOf(`${lines.join("\r\n")}\r\nend`), [...lines, "end"]);
  deepStrictEqual(await logOf(`${lines.join("\n")}\nend`, 700), [...lines, "end"]);
});

Deno.test("given coloured lines, when they are rendered, then only the text is left and repeated lines stay", async () => {
  deepStrictEqual(await logOf("\x1b[32mok\x1b[0m 1\r\n\r\n\x1b]0;t\x07ok 1\r\nok 1\r\n"), [
    "ok 1",
    "",
    "ok 1",
    "ok 1",
  ]);
});

Deno.test("given a bar redrawn 1000 times, when it is rendered, then only its last state is in the log", async () => {
  const bar = Array.from({ length: 1000 }, (_, i) => `\r[${"#".repeat(i / 50)}] ${i + 1} of 1000`).join("");
  const expected = ["start", "[###################] 1000 of 1000", "done"];
  deepStrictEqual(await logOf(`start\r\n${bar}\r\ndone\r\n`), expected);
  deepStrictEqual(await logOf(`start\r\n${bar}\r\ndone\r\n`, 64), expected);
});

Deno.test("given several bars redrawn with the cursor moved up, when they are rendered, then the log has first and last state", async () => {
  const frame = (i: number) => ["a", "b"].map((name) => `\x1b[2K${name}: ${i} MB\r\n`).join("");
  const frames = Array.from({ length: 500 }, (_, i) => `\x1b[2A${frame(i + 1)}`).join("");
  const expected = ["a: 0 MB", "b: 0 MB", "a: 500 MB", "b: 500 MB", "done"];
  const log = new LogRenderer();
  const lines: string[] = [];
  for (const chunk of [frame(0), ...frames.match(/.{1,900}/gs)!, "done\r\n"]) {
    lines.push(...await log.push(chunk));
  }
  deepStrictEqual([...lines, ...log.end()], expected);
});

Deno.test("given a program that clears and repaints, when it goes on, then the log has the first and last form of each line", async () => {
  const frame = (i: number) =>
    `\x1b[H\x1b[2Kspinner ${"|/-\\"[i % 4]} ${i} s\r\n\x1b[2K${
      i < 50 ? "building" : "testing"
    }\r\n\x1b[2Kinput> \x1b[3;8H`;
  const log = new LogRenderer();
  const lines: string[] = [];
  for (let i = 0; i < 100; i++) lines.push(...await log.push(frame(i)));
  deepStrictEqual(lines, ["spinner | 0 s", "building", "testing"], "the line with the cursor waits");
  deepStrictEqual(log.end(), ["spinner \\ 99 s", "input>"]);
});

Deno.test("given a full-screen program, when it is over, then its last screen is shown once, as it was", async () => {
  const frame = (i: number) => `\x1b[H\x1b[2Jround ${i}\x1b[3;3Hstatus ${i * i}`;
  const frames = Array.from({ length: 100 }, (_, i) => frame(i)).join("");
  const lines = ["before", "round 99", "", "  status 9801"];
  deepStrictEqual(await logOf(`before\r\n\x1b[?1049h${frames}\x1b[?1049lafter\r\n`, 500), [
    ...lines,
    "after",
  ]);
  deepStrictEqual(await logOf(`before\r\n\x1b[?1049h${frames}`, 500), lines, "it runs on");
});

for (const program of ["pi", "opencode"]) {
  Deno.test(`given a recording of ${program}, when it is read as a log, then the log is its last screen`, async () => {
    const { cols, rows, recorded, shown } = await fixture(program);
    const log = new LogRenderer({ cols, rows });
    const lines = [...await log.push(recorded), ...log.end()];
    ok(log.isFullScreen);
    deepStrictEqual(lines.join("\n").trim(), shown.join("\n").trim());
  });
}

Deno.test("given an agent that repaints its last lines for each frame, when it is rendered, then the log has each step once", async () => {
  const log = new LogRenderer({ cols: 80, rows: 24 });
  const steps = Array.from({ length: 60 }, (_, i) => `step ${i}: ran ${"abcdefghij"[i % 10]}`);
  const frame = (i: number) => {
    const footer = [
      "",
      `${"✻✶✳"[i % 3]} Thinking… (${i} s)`,
      "╭────╮",
      "│ >  │",
      "╰────╯",
      "  ? for shortcuts",
    ];
    const block = i % 10 === 0 ? [steps[i / 10]!, ...footer] : footer;
    return `\x1b[2K${i === 0 ? "" : "\x1b[1A\x1b[2K".repeat(5)}\r${block.join("\r\n")}`;
  };
  const told: string[] = [];
  for (let i = 0; i < 600; i++) told.push(...await log.push(frame(i)));
  deepStrictEqual(told.filter((line) => line.startsWith("step")), steps);
  ok(told.length < steps.length + 10, `${told.length} lines`);
});

Deno.test("given output after a clear, when it is rendered, then the log has the text before and after it", async () => {
  deepStrictEqual(await logOf("one\r\ntwo\r\n\x1b[H\x1b[2J1\r\n2\r\n3\r\n"), ["one", "two", "1", "2", "3"]);
});

Deno.test("given a question without a line end, when the log is quiet, then the question is shown once", async () => {
  const log = new LogRenderer();
  deepStrictEqual(await log.push("ready\r\nContinue? [y/N] "), ["ready"]);
  deepStrictEqual(log.settle().map((line) => line.trimEnd()), ["Continue? [y/N]"]);
  deepStrictEqual(log.settle(), []);
  deepStrictEqual(await log.push("y\r\nok\r\n"), ["Continue? [y/N] y", "ok"]);
  deepStrictEqual(log.end(), []);
});

Deno.test("given any bytes, when a log is rendered, then nothing throws and every line is safe to print", async () => {
  await fc.assert(
    fc.asyncProperty(anyBytes, fc.integer({ min: 1, max: 40 }), async (bytes, size) => {
      const log = new LogRenderer({ cols: 9, rows: 4 });
      const lines: string[] = [];
      for (let from = 0; from < bytes.length; from += size) {
        lines.push(...await log.push(bytes.slice(from, from + size)));
      }
      for (const line of [...lines, ...log.end()]) {
        strictEqual(sanitize(line), line);
        ok(!line.includes("\n"));
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given a line that never ends, when a log is rendered, then it is cut and does not use memory", async () => {
  const log = new LogRenderer();
  let lines = 0;
  let longest = 0;
  for (let i = 0; i < 40; i++) {
    for (const line of await log.push("x".repeat(100_000))) {
      lines++;
      longest = Math.max(longest, line.length);
    }
  }
  ok(lines >= 3 && longest < 1_100_000, `${lines} lines, the longest ${longest}`);
});

Deno.test("given any text, when it is sanitized, then it holds no escape, control, override or lone surrogate", () => {
  const pieces = fc.array(fc.oneof(
    fc.string({ unit: anyCharacter }),
    fc.constantFrom(
      "\x1b[31m",
      "\x1b]0;t\x07",
      "\x1b]8;;u\x1b\\",
      "\x9b1m",
      "\x90q\x9c",
      "\x1b",
      "\r\n",
      "\ud800",
      "\u202e",
      "\u2066",
    ),
  )).map((parts) => parts.join(""));
  fc.assert(
    fc.property(pieces, (text) => {
      const safe = sanitize(text);
      // deno-lint-ignore no-control-regex -- they must not be there
      ok(!/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(safe) && safe.isWellFormed());
      strictEqual(sanitize(safe), safe);
      ok(!/[\n\t]/.test(sanitizeLine(text)));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("given escapes in a text, when it is sanitized, then the words stay and an open sequence hides nothing", () => {
  strictEqual(
    sanitize("\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\ttab\r\nnext"),
    "red link\ttab\nnext",
  );
  strictEqual(
    sanitize("before \x1b]0;never ended, and the answer is no"),
    "before 0;never ended, and the answer is no",
  );
  strictEqual(sanitizeLine(" a\r\n\tb\rc "), "a b c");
});
