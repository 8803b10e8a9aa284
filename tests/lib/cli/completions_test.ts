import { deepStrictEqual } from "node:assert/strict";
import { complete } from "../../../lib/cli/completions.ts";
import type { Declaration, LiveKind } from "../../../lib/cli/verb.ts";

const VERBS: Declaration[] = [
  { path: "up", summary: "start", audience: "people", example: "" },
  {
    path: "_ goal write",
    summary: "write it",
    audience: "root",
    mutating: true,
    args: [{ name: "id", summary: "", kind: "goal" }, {
      name: "body",
      summary: "",
      many: true,
      optional: true,
    }],
    options: [
      { name: "runner", value: "R", summary: "who", kind: "runner" },
      { name: "env", value: "K=V", summary: "variable", many: true },
      { name: "file", short: "f", value: "F", summary: "file", kind: "file" },
      { name: "dry", summary: "do nothing" },
    ],
    example: "",
  },
  {
    path: "_ run",
    summary: "run it",
    audience: "root",
    passthrough: true,
    args: [{ name: "command", summary: "", many: true }],
    options: [{ name: "reason", value: "T", summary: "why" }],
    example: "",
  },
  {
    path: "help",
    summary: "help",
    audience: "people",
    args: [{ name: "verb", summary: "", many: true, kind: "verb" }],
    example: "",
  },
  {
    path: "cost",
    summary: "cost",
    audience: "people",
    args: [{ name: "span", summary: "", choices: ["today", "all"] }],
    example: "",
  },
];

const LIVE: Partial<Record<LiveKind, string[]>> = { goal: ["setup", "ship"], runner: ["pi", "claude"] };

/** Completions after `looop`, separated by blanks. */
async function offered(line: string): Promise<string[] | string> {
  const verbs = {
    paths: VERBS.map(({ path }) => path),
    declaration: (path: string) => Promise.resolve(VERBS.find((each) => each.path === path)!),
  };
  const live = (kind: LiveKind) => (LIVE[kind] ?? []).map((word) => ({ word, summary: "" }));
  const found = await complete(verbs, line.split(" "), live);
  return typeof found === "string" ? found : found.map(({ word }) => word);
}

const CASES: readonly (readonly [string, string[] | string])[] = [
  ["", ["up", "_", "help", "cost"]],
  ["u", ["up"]],
  ["x", []],
  ["_ ", ["goal", "run"]],
  ["_ g", ["goal"]],
  ["_ goal ", ["write"]],
  ["_ goal write ", ["setup", "ship"]],
  ["_ goal write sh", ["ship"]],
  ["_ goal write setup ", []],
  ["_ goal write setup more words ", []],
  ["_ goal write --", ["--runner", "--env", "--file", "--dry", "--journal", "--json", "--help"]],
  ["_ goal write --dry --runner pi --env A=b --", ["--env", "--file", "--journal", "--json", "--help"]],
  ["_ goal write --runner ", ["pi", "claude"]],
  ["_ goal write --runner=c", ["--runner=claude"]],
  ["_ goal write --runner=pi ", ["setup", "ship"]],
  ["_ goal write --runner pi --dry s", ["setup", "ship"]],
  ["_ goal write --nonsense=", []],
  ["_ goal write --dry=", []],
  ["_ goal write --env ", []],
  ["_ goal write -f ", ":file"],
  ["_ goal write -- --", []],
  ["_ goal write -- s", ["setup", "ship"]],
  ["_ run --r", ["--reason"]],
  ["_ run git --", []],
  ["help ", ["up", "_", "help", "cost"]],
  ["help _ g", ["goal"]],
  ["help _ goal ", ["write"]],
  ["cost ", ["today", "all"]],
  ["cost t", ["today"]],
  ["cost today ", []],
  ["up ", []],
];

Deno.test("given a command line, when its last word is completed, then what may stand there is offered", async () => {
  for (const [line, wanted] of CASES) deepStrictEqual([line, await offered(line)], [line, wanted]);
});
