import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { EventText, printsEvents } from "../../../lib/agents/events.ts";
import { presetNamed } from "../../../lib/records/presets.ts";

/** The text of a recording that comes in pieces of `size` bytes. */
function shown(text: string, size = 7): string[] {
  const events = new EventText();
  const bytes = new TextEncoder().encode(text);
  let out = "";
  for (let at = 0; at < bytes.length; at += size) {
    out += new TextDecoder().decode(events.push(bytes.slice(at, at + size)));
  }
  return (out + new TextDecoder().decode(events.end())).split("\r\n");
}

function lines(...events: unknown[]): string {
  return events.map((event) => `${JSON.stringify(event)}\r\n`).join("");
}

Deno.test("given claude's events, when they are shown, then texts, commands, results and the cost stand as lines", () => {
  const said = (...content: unknown[]) => ({ type: "assistant", message: { content } });
  const result = (content: unknown) => ({
    type: "user",
    message: { content: [{ type: "tool_result", content }] },
  });
  const text = lines(
    { type: "system", subtype: "init" },
    said({ type: "text", text: "I look: häß\nnext" }, {
      type: "tool_use",
      name: "Bash",
      input: { command: "ls" },
    }),
    result("a\nb\n"),
    said({ type: "tool_use", name: "Read", input: { file_path: "/x" } }),
    result([{ type: "text", text: Array.from({ length: 22 }, (_, n) => `l${n}`).join("\n") }]),
    said({ type: "tool_use", name: "List" }),
    { type: "result", is_error: false, total_cost_usd: 0.0378 },
    { type: "result", is_error: true, subtype: "error_max_turns" },
  );
  const [first, second, ...rest] = shown(text);
  deepStrictEqual([first, second, ...rest.slice(0, 4)], [
    "I look: häß",
    "next",
    "$ ls",
    "  a",
    "  b",
    'Read {"file_path":"/x"}',
  ]);
  deepStrictEqual(rest.slice(23), [
    "  l19",
    "  (2 more lines)",
    "List",
    "(end of turn, $0.0378)",
    "error: error_max_turns",
    "",
  ]);
});

Deno.test("given pi's events, when they are shown, then each message is shown once, in its final form", () => {
  const content = [{ type: "text", text: "ok" }, {
    type: "toolCall",
    name: "bash",
    arguments: { command: "make" },
  }];
  const text = lines(
    { type: "message_start", message: { role: "assistant", content } },
    { type: "message_update", assistantMessageEvent: {} },
    { type: "message_end", message: { role: "assistant", content } },
    { type: "message_end", message: { role: "toolResult", content: [{ type: "text", text: "made" }] } },
    { type: "message_end", message: { role: "user", content: "prompt" } },
    { type: "message_end", message: { role: "assistant", content: [], errorMessage: "no model" } },
  );
  deepStrictEqual(shown(text), ["ok", "$ make", "  made", "error: no model", ""]);
});

Deno.test("given a recording that begins and ends within an event, when it is shown, then only whole events are rendered, and other lines stay as they are", () => {
  const text =
    `tail of an event"}\r\nbash: claude: not found\r\n{"type":"x" broken\r\n{"type":"assistant","mess`;
  deepStrictEqual(shown(text), ["bash: claude: not found", '{"type":"x" broken', ""]);
  deepStrictEqual(shown("killed"), ["killed"]);
});

Deno.test("given a template, when it makes its agent print events, then looop knows", () => {
  strictEqual(printsEvents(presetNamed("claude")!.headless!), true);
  strictEqual(printsEvents("pi --mode json @{{prompt_file}}"), true);
  for (const name of ["pi", "claude", "codex", "opencode"]) {
    strictEqual(printsEvents(presetNamed(name)!.interactive), false);
  }
});
