import { deepStrictEqual } from "node:assert/strict";
import { opencodeStory, storyLines, storyReader, Turn } from "../../../lib/agents/story.ts";
import { composePrompt, workerContract } from "../../../lib/agents/contract.ts";

const folder = new URL("../../fixtures/transcripts/", import.meta.url);

/** The contract and a brief, as a worker gets them. */
const PROMPT = composePrompt(
  workerContract({ id: "w1", bin: "/opt/looop", dataDir: "/data", cwd: "/data" }),
  "Ask for a colour.\n\nThen report it.\n",
  "text",
);

/** The same value with the keys of each object in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, part]) => [key, reversed(part)]));
}

const TOLD = [
  "> (the worker contract)",
  "> Ask for a colour.",
  "> Then report it.",
  "I ask first.",
  '$ looop _ ask w1 --prompt "Which colour?"',
  "  emerald",
  "All done, the colour is **emerald**.",
];

/** The line at the end of each CLI's turn. */
const ENDS: Readonly<Record<string, string>> = {
  pi: "(end of turn, $0.0168)",
  claude: "(end of turn, 5000 tokens in, 300 out)",
  codex: "(end of turn, 5000 tokens in, 300 out)",
  gemini: "(end of turn, 5000 tokens in, 300 out)",
  qwen: "(end of turn, 5000 tokens in, 300 out)",
  copilot: "(end of turn, 5000 tokens in, 300 out)",
};

// The real programs recorded these; the prompt, the ids and the paths were filled in afterwards.
for (const cli of ["pi", "claude", "codex", "gemini", "qwen", "copilot"] as const) {
  Deno.test(`given a record of ${cli}'s, whatever the order of its keys, when it is read, then it gives the story`, async () => {
    const text = await Deno.readTextFile(new URL(`${cli}.jsonl`, folder));
    for (const order of [(value: unknown) => value, reversed]) {
      const reader = storyReader(cli);
      const entries = text.trim().split("\n").map((line) =>
        JSON.parse(line.replace('"PROMPT"', JSON.stringify(PROMPT)))
      );
      const lines = entries.flatMap((entry) => reader(order(entry) as Record<string, unknown>)).flatMap(
        storyLines,
      );
      deepStrictEqual(lines.filter((line) => !line.includes("in all")), [
        ...TOLD,
        ...(cli === "gemini" ? [] : [ENDS[cli]]),
      ]);
    }
  });
}

Deno.test("given the file that pi puts around a prompt, and a resumed session, when they are read, then only the words are shown", () => {
  const reader = storyReader("pi");
  const said = (text: string) =>
    reader({ type: "message", message: { role: "user", content: [{ type: "text", text }] } }).flatMap(
      storyLines,
    );
  deepStrictEqual(said(`<file name="/data/prompts/w1.md">\n${PROMPT}\n</file>\n`), TOLD.slice(0, 3));
  deepStrictEqual(said("Go on.\n\nAs before."), ["> Go on.", "> As before."]);
});

Deno.test("given a codex that polls a command and writes notes to itself, when its record is read, then neither is in the story", () => {
  const reader = storyReader("codex");
  const item = (payload: Record<string, unknown>) =>
    reader({ type: "response_item", payload }).flatMap(storyLines);
  const user = (text: string) =>
    item({ type: "message", role: "user", content: [{ type: "input_text", text }] });
  deepStrictEqual(user("<environment_context>\n<cwd>/x</cwd>"), []);
  deepStrictEqual(user("# AGENTS.md instructions for /x"), []);
  deepStrictEqual(user("# Do it"), ["> # Do it"]);
  const call = (name: string, args: unknown) =>
    item({ type: "function_call", name, arguments: JSON.stringify(args) });
  deepStrictEqual(call("exec_command", { cmd: "make\nmake test" }), ["$ make", "  make test"]);
  const output = (text: string) =>
    item({ type: "function_call_output", output: `Chunk ID: 1\nWall time: 1\n${text}` });
  deepStrictEqual(output("Process running with session ID 7\nOutput:\nhalf"), []);
  deepStrictEqual(call("write_stdin", { session_id: 7, chars: "" }), []);
  deepStrictEqual(output("Process exited with code 0\nOutput:\nok\n"), ["  ok"]);
  deepStrictEqual(item({ type: "custom_tool_call", name: "apply_patch", input: "*** Begin" }), [
    "apply_patch *** Begin",
  ]);
  deepStrictEqual(
    reader({ type: "event_msg", payload: { type: "error", message: "no model" } }).flatMap(storyLines),
    [
      "error: no model",
    ],
  );
});

Deno.test("given a subagent of claude's and an error, when the record is read, then only the error is in the story", () => {
  const reader = storyReader("claude");
  const said = (more: Record<string, unknown>) =>
    reader({ type: "assistant", message: { content: [{ type: "text", text: "hm" }] }, ...more }).flatMap(
      storyLines,
    );
  deepStrictEqual([said({}), said({ isSidechain: true }), said({ isMeta: true })], [["hm"], [], []]);
  const failed = { type: "result", is_error: true, subtype: "error_max_turns", total_cost_usd: 1 };
  deepStrictEqual(reader(failed).flatMap(storyLines), ["error: error_max_turns, $1.0000"]);
});

Deno.test("given results that gemini keeps as terminal rows, when they are read, then their text is in the story", () => {
  const reader = storyReader("gemini");
  const piece = (text: string) => ({ text, bold: false });
  const toolCalls = [
    {
      name: "run_shell_command",
      args: { command: "ls" },
      resultDisplay: [[piece("a  ")], [piece("b"), piece("c   ")]],
    },
    {
      name: "read_file",
      args: { path: "x" },
      result: [{ functionResponse: { response: { output: "text" } } }],
    },
  ];
  const first = { type: "gemini", id: "1", content: "I look." };
  deepStrictEqual([first, { ...first, toolCalls }].flatMap(reader).flatMap(storyLines), [
    "I look.",
    "$ ls",
    "  a",
    "  bc",
    'read_file {"path":"x"}',
    "  text",
  ]);
});

Deno.test("given a running part of opencode's, when it is read, then the story has its call, and its result once there is one", () => {
  const turn = new Turn();
  const lines = (part: Record<string, unknown>, role = "assistant") =>
    opencodeStory(part, role, turn).flatMap(storyLines);
  deepStrictEqual(lines({ type: "text", text: `"say \\"hi\\""\n` }, "user"), ['> say "hi"']);
  const input = { command: "ls" };
  deepStrictEqual(lines({ type: "tool", tool: "bash", state: { status: "running", input } }), ["$ ls"]);
  deepStrictEqual(
    lines({ type: "tool", tool: "bash", state: { status: "completed", input, output: "a\n" } }),
    [
      "$ ls",
      "  a",
    ],
  );
  const step = { type: "step-finish", cost: 0.25, tokens: { input: 1, output: 2, cache: { read: 3 } } };
  deepStrictEqual(lines({ ...step, reason: "tool-calls" }), []);
  deepStrictEqual(lines({ ...step, reason: "stop" }), ["(end of turn, $0.5000)"]);
});
