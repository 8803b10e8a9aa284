import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  environmentHolds,
  parsePsEnvironments,
  parsePsFacts,
  PS_ALL,
  PS_SOME,
  PS_WHOLE,
} from "../../../lib/process/ps.ts";
import { parseMarks } from "../../../lib/process/table.ts";
import { RUNS } from "../../properties.ts";

/** An answer of `ps` (pid 51, called by the shell 50) with these lines. */
const answer = (lines: string, status = 0) =>
  `6A1C-77 50
   50    40    40 ??       S    Mon Nov  3 09:10:05 2025
   51    50    40 ??       R    Mon Nov  3 09:10:05 2025
${lines}= ${status}
`;

Deno.test("given ps output of macOS, when it is read, then pid, parent, group, state and start are there, without the scanner", () => {
  const { boot, facts } = parsePsFacts(answer(`    1     0     1 ??       Ss   Mon Nov  3 09:00:01 2025    
  413   412   412 ttys000  Z+   Mon Nov 17 09:10:02 2025
`));
  strictEqual(boot, "6A1C-77");
  deepStrictEqual([...facts?.values() ?? []].map(({ sid: _, ...fact }) => fact), [
    { pid: 1, ppid: 0, pgid: 1, state: "S", start: "Mon Nov 3 09:00:01 2025" },
    { pid: 413, ppid: 412, pgid: 412, state: "Z", start: "Mon Nov 17 09:10:02 2025" },
  ]);
});

/** Answers from which nothing can be known. */
const NO_ANSWERS: Record<string, string> = {
  "a ps that is denied": "6A1C-77 50\n= 126\n",
  "a ps that shows nothing": "6A1C-77 50\n= 0\n",
  "a ps that dies on its way": answer("  412     1   412 ??       Ss   Mon Nov 17 09:10:00 2025\n", 1),
  "a ps that does not show who asks":
    "6A1C-77 50\n  412     1   412 ??       Ss   Mon Nov 17 09:10:00 2025\n= 0\n",
  "no boot": answer("").replace("6A1C-77", "-"),
  "half an answer": answer("").slice(0, 60),
  "no answer": "",
};

for (const [name, text] of Object.entries(NO_ANSWERS)) {
  Deno.test(`given ${name}, when it is read, then nothing is known, instead of no process being alive`, () => {
    strictEqual(parsePsFacts(text).facts, undefined);
  });
}

Deno.test("given states and terminals, when sessions are sought, then each process has its leader's, and 0 if that is unknown", () => {
  const start = "Mon Nov 17 09:10:00 2025";
  const { facts } = parsePsFacts(answer(
    [
      "  100     1   100 ??       Ss  ", // a supervisor, in a session of its own
      "  101   100   100 ??       S   ", // its `script`
      "  102   101   102 ttys001  Ss+ ", // the agent in its terminal
      "  103   102   103 ttys001  S   ", // a job of the agent's
      "  104   102   104 ??       Ss  ", // a tool's shell, in a session of its own
      "  105   104   105 ??       S   ", // a job in it, known by its parent
      "  106     1   103 ttys001  S   ", // its parent has ended, known by its terminal
      "  107     1   100 ??       S   ", // its parent has ended, known by its group
      "  108     1   108 ??       S   ", // unknown
    ].map((line) => `${line} ${start}\n`).join(""),
  ));
  deepStrictEqual([...facts?.values() ?? []].map(({ pid, sid }) => [pid, sid]), [
    [100, 100],
    [101, 100],
    [102, 102],
    [103, 102],
    [104, 104],
    [105, 104],
    [106, 102],
    [107, 100],
    [108, 0],
  ]);
});

/** Commands, and commands with environments, as `ps` prints them. */
const marks = (commands: string, whole: string) => {
  const facts = commands.replace(/^( *\d+) /gm, "$1     1     9 ??       S    Mon Nov  3 09:10:05 2025     ");
  return `6A1C-77 50\n${facts}= 0\n${whole}= 0\n`;
};

Deno.test("given arguments that look like marks, when environments are read, then they do not count", () => {
  const text = marks(
    "   10 node x\n   11 grep LOOOP_RUN=r\n   12 node y LOOOP_RUN=r\n   50 sh\n   60 node was\n",
    "   10 node x A=1 LOOOP_RUN=r\n   11 grep LOOOP_RUN=r\n   12 node y LOOOP_RUN=r A=1\n   50 sh LOOOP_RUN=r\n   60 node is LOOOP_RUN=r\n",
  );
  deepStrictEqual([...parsePsEnvironments(text).keys()], [10, 12]);
  deepStrictEqual(parseMarks(text, true).withAll(["LOOOP_RUN=r"]), new Set([10]));
  deepStrictEqual(parseMarks(text, true).named("LOOOP_RUN"), new Set([10]));
});

/** An environment, a mark, and whether the environment has it. */
const HOLDS: readonly [environment: string, mark: string, holds: boolean][] = [
  [" A=1 LOOOP_DATA_DIR=/a dir LOOOP_RUN=r", "LOOOP_DATA_DIR=/a dir", true],
  [" A=1 LOOOP_DATA_DIR=/a dir LOOOP_RUN=r", "LOOOP_DATA_DIR=/a", false],
  [" A=1 LOOOP_DATA_DIR=/a", "LOOOP_DATA_DIR=/a", true],
  [" LOOOP_DATA_DIR=/a/b", "LOOOP_DATA_DIR=/a", false],
  [" XLOOOP_RUN=r", "LOOOP_RUN=r", false],
  [" LOOOP_SESSION_ID=w-1 A=", "LOOOP_SESSION_ID=w", false],
  [" OLD=LOOOP_RUN=r A=1", "LOOOP_RUN=r", false],
  // The same name twice, as when a value holds such a text: the later one counts, too.
  [" A=x LOOOP_RUN=rr B=y LOOOP_RUN=r", "LOOOP_RUN=r", true],
  [" LOOOP_DATA_DIR=/Bücher 書 A=1", "LOOOP_DATA_DIR=/Bücher 書", true],
  // As ps prints it outside a UTF-8 locale.
  [" LOOOP_DATA_DIR=/BM-CM-<cher M-fM^[M-8 A=1", "LOOOP_DATA_DIR=/Bücher 書", true],
];

for (const [environment, mark, holds] of HOLDS) {
  Deno.test(`given "${environment}", when ${mark} is sought, then it is ${holds ? "" : "not "}there`, () => {
    strictEqual(environmentHolds(environment, mark), holds);
  });
}

Deno.test("given any variables, when one is sought by its whole text, then it is found", () => {
  const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,8}$/);
  const value = fc.stringMatching(/^[ -~üñ]{0,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { minLength: 1 }), fc.nat(), (variables, n) => {
      const texts = variables.map(([name, value]) => `${name}=${value}`);
      ok(environmentHolds(` ${texts.join(" ")}`, texts[n % texts.length]!.trimEnd()));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given the scripts that call ps, when they are read, then each calls it a fixed number of times, with full width", () => {
  for (const [script, times] of [[PS_SOME, 1], [PS_ALL, 1], [PS_WHOLE, 2]] as const) {
    const calls = script.match(/^ps .*|; ps .*/gm) ?? [];
    strictEqual(calls.length, times);
    ok(!/\b(while|read)\b/.test(script));
    strictEqual(script.match(/-a?x?ww/g)?.length, times);
  }
});
