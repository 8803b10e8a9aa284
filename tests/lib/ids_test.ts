import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../lib/errors.ts";
import {
  checkAskId,
  checkId,
  checkPolicyName,
  isId,
  isPolicyName,
  listedAs,
  parseAskId,
} from "../../lib/ids.ts";
import { absolute } from "../../lib/paths.ts";
import { anyId, RUNS } from "../properties.ts";

Deno.test("given any text, when it passes as an id, then it names exactly one file in its folder", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), anyId, fc.stringMatching(/^[./~ -]*[a-z]{0,3}$/)), (text) => {
      if (!isId(text)) {
        throws(() => checkId("goal", text), UsageError);
        return;
      }
      strictEqual(checkId("goal", text), text);
      strictEqual(absolute(`goals/${text}.md`, "/data"), `/data/goals/${text}.md`);
      ok(text.length <= 64 && !/^[.-]/.test(text) && !/[^\x21-\x7e]/.test(text));
    }),
    { numRuns: RUNS },
  );
});

for (
  const bad of [
    "",
    "..",
    ".hidden",
    "-rf",
    "a/b",
    "../PLAYBOOK",
    "a\0b",
    "a\n",
    "\na",
    "a b",
    "é",
    "$(id)",
    "x".repeat(65),
  ]
) {
  Deno.test(`given the id ${JSON.stringify(bad).slice(0, 20)}, when it is checked, then it is refused in one line`, () => {
    for (const kind of ["goal", "sensor", "worker", "claim", "observer", "runner"] as const) {
      throws(() => checkId(kind, bad), (error: UsageError) => {
        strictEqual(error.code, 2);
        ok(!error.message.includes("\n"), error.message);
        return true;
      });
    }
  });
}

Deno.test("given the id pulse, when it is given to a worker, then it is refused, but a goal may have it", () => {
  throws(() => checkId("worker", "pulse"), UsageError);
  strictEqual(checkId("goal", "pulse"), "pulse");
});

Deno.test("given any worker and number, when an ask id is made of them, then it is taken apart again", () => {
  fc.assert(
    fc.property(anyId, fc.integer({ min: 1, max: 999_999_999 }), (worker, number) => {
      const id = checkAskId(`${worker}-${number}`);
      const parsed = parseAskId(id);
      strictEqual(parsed?.worker, worker);
      strictEqual(parsed?.number, number);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given ask ids that are none, when they are checked, then they are refused", () => {
  for (const bad of ["", "w", "w-", "w-0", "w-01", "-1", "w-1\n", "../w-1", "w-1/../2-1", "w-1e3"]) {
    throws(() => checkAskId(bad), UsageError, bad);
  }
});

/** Names in a folder, the name that is used, whether the disk finds a file by it, and the file that is meant. */
const LISTED: readonly [string[], string, boolean, string | undefined][] = [
  [["A.md", "a.md"], "a.md", true, "a.md"],
  [["A.md"], "A.md", true, "A.md"],
  // On a disk that ignores case, as macOS's does by default, and on one that does not.
  [["A.md"], "a.md", true, "A.md"],
  [["A.md"], "a.md", false, undefined],
  [["Straße.md"], "STRASSE.md", true, "Straße.md"],
  // A letter stored with its mark as a separate character, and typed in either form.
  [["u\u0308bung.md"], "\u00fcbung.md", true, "u\u0308bung.md"],
  [["u\u0308bung.md"], "\u00fcbung.md", false, "u\u0308bung.md"],
  [["U\u0308bung.md"], "\u00fcbung.md", true, "U\u0308bung.md"],
  [["U\u0308bung.md"], "\u00fcbung.md", false, undefined],
  [["\u00fcbung.md", "u\u0308bung.md"], "u\u0308bung.md", true, "u\u0308bung.md"],
  [["other.md"], "a.md", false, undefined],
];

Deno.test("given what a folder lists, when a file is reached by another spelling, then it is known by its own name", () => {
  for (const [names, name, isThere, expected] of LISTED) {
    strictEqual(listedAs(names, name, isThere), expected, `${name} among ${names}`);
  }
});

Deno.test("given names of files, when they are those of goals or sensors of 0.16, then they are read, unless they would show as another text", () => {
  const read = ["a", "Größere Sachen", "Tür 2", "x;rm", "日本", "a".repeat(200), "e\u0301"];
  const not = [
    "",
    ".hidden",
    "-x",
    "日".repeat(70),
    "..",
    "a/b",
    "a\\b",
    "two\nlines",
    "\x1b[31m",
    "zero\u200bwidth",
    "\u202eltr",
    "no\ufffdutf",
  ];
  deepStrictEqual(read.filter((name) => !isPolicyName(name)), []);
  deepStrictEqual(not.filter(isPolicyName), []);
  strictEqual(checkPolicyName("goal", "Tür 2", () => true), "Tür 2");
  strictEqual(checkPolicyName("goal", "new", () => false), "new");
  throws(() => checkPolicyName("goal", "Tür 2", () => false), /Bad goal id/);
  throws(() => checkPolicyName("goal", "../x", () => true), /Bad goal id/);
});
