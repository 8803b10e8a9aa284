/**
 * The story of an agent's session, from its CLI's records: the prompts, replies, commands and results, and the cost
 * of each turn. Every line is parsed as JSON, whatever the order of its keys. Pure.
 */
import { CONTRACT_END, workerTitle } from "./contract.ts";
import { isRecord } from "../text/json.ts";
import type { RecordsKind } from "../records/presets.ts";
import { numberOf } from "./tokens.ts";

type Entry = Readonly<Record<string, unknown>>;

/** One event of a session. */
export type StoryItem =
  | { kind: "prompt" | "text" | "result" | "error"; text: string }
  | { kind: "call"; name: string; input: unknown }
  /** The end of a turn. */
  | { kind: "end"; cost: string };

/** Takes the lines of a record one after the other. */
export type StoryReader = (entry: Entry) => StoryItem[];

/** A reader of one CLI's records. */
export function storyReader(cli: Exclude<RecordsKind, "opencode">): StoryReader {
  return READERS[cli]();
}

const READERS: Readonly<Record<Exclude<RecordsKind, "opencode">, () => StoryReader>> = {
  pi: piStory,
  claude: claudeStory,
  codex: codexStory,
  gemini: geminiStory,
  qwen: qwenStory,
  copilot: copilotStory,
};

/** Sums the cost of the replies in one turn. A reply that is recorded twice counts once. */
export class Turn {
  #replies = new Map<unknown, { input: number; output: number; usd: number }>();

  /** `input` includes the tokens read from and written to a cache. */
  add(reply: unknown, input: number, output: number, usd = 0): void {
    this.#replies.set(reply ?? this.#replies.size, { input, output, usd });
  }

  /** The end of the turn, in dollars where the CLI computes them, else in tokens. */
  end(): StoryItem {
    const sum = { input: 0, output: 0, usd: 0 };
    for (const { input, output, usd } of this.#replies.values()) {
      sum.input += input;
      sum.output += output;
      sum.usd += usd;
    }
    this.#replies = new Map();
    if (sum.usd > 0) return { kind: "end", cost: dollars(sum.usd) };
    return { kind: "end", cost: sum.output > 0 ? `${sum.input} tokens in, ${sum.output} out` : "" };
  }
}

function dollars(usd: number): string {
  return `$${usd.toFixed(4)}`;
}

/** pi: each message complete, at its end; `message_end` in its events, `message` in its record. */
function piStory(): StoryReader {
  const turn = new Turn();
  return ({ type, message }) => {
    if (type !== "message" && type !== "message_end" || !isRecord(message)) return [];
    const { role, content, usage, stopReason, errorMessage } = message;
    if (role === "toolResult") return results(textOf(blocksOf(content)));
    if (role === "user") return type === "message" ? prompts(textOf(blocksOf(content))) : [];
    if (role !== "assistant") return [];
    if (isRecord(usage)) {
      const [input, read, written] = [usage["input"], usage["cacheRead"], usage["cacheWrite"]].map(numberOf);
      const usd = isRecord(usage["cost"]) ? numberOf(usage["cost"]["total"]) : 0;
      turn.add(undefined, (input ?? 0) + (read ?? 0) + (written ?? 0), numberOf(usage["output"]), usd);
    }
    const items = blocksOf(content).flatMap(({ type, text, name, arguments: input }) =>
      type === "text" ? texts(text) : type === "toolCall" ? [call(name, input)] : []
    );
    if (typeof errorMessage === "string") items.push({ kind: "error", text: errorMessage });
    return stopReason === "stop" ? [...items, turn.end()] : items;
  };
}

/** claude: one record for each block of a message; the same in the events of `--output-format stream-json`. */
function claudeStory(): StoryReader {
  const turn = new Turn();
  let ended: unknown;
  let closed: number | undefined;
  return (entry) => {
    const { type, message, isSidechain, isMeta } = entry;
    if (type === "result") return [claudeResult(entry)];
    if (type === "cost-state") {
      const total = numberOf(entry["totalCostUSD"]);
      if (total === closed) return []; // recorded again as the program ends
      closed = total;
      return [{ kind: "end", cost: `${dollars(total)} in all` }];
    }
    // Subagents and claude's messages to itself are not part of the conversation.
    if (!isRecord(message) || isSidechain === true || isMeta === true) return [];
    const blocks = blocksOf(message["content"]);
    if (type === "user") {
      return blocks.flatMap((block) =>
        block["type"] === "tool_result" ? results(textOf(blocksOf(block["content"]))) : prompts(block["text"])
      );
    }
    if (type !== "assistant") return [];
    const usage = isRecord(message["usage"]) ? message["usage"] : {};
    const input = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
      .reduce((sum, name) => sum + numberOf(usage[name]), 0);
    turn.add(message["id"], input, numberOf(usage["output_tokens"]));
    const items = blocks.flatMap(({ type, text, name, input }) =>
      type === "text" ? texts(text) : type === "tool_use" ? [call(name, input)] : []
    );
    const isLast = message["stop_reason"] === "end_turn" && items.length > 0 && message["id"] !== ended;
    if (!isLast) return items;
    ended = message["id"];
    return [...items, turn.end()];
  };
}

/** The end of a turn of headless claude. */
function claudeResult(entry: Entry): StoryItem {
  const usd = entry["total_cost_usd"];
  const cost = typeof usd === "number" ? dollars(usd) : "";
  if (entry["is_error"] !== true) return { kind: "end", cost };
  return { kind: "error", text: `${entry["result"] ?? entry["subtype"]}${cost === "" ? "" : `, ${cost}`}` };
}

/**
 * codex: the description of its surroundings that it gives the model as a user's message, in a tag or under a
 * headline.
 */
const CODEX_OWN = /^\s*(?:<\w+>|# AGENTS\.md)/;
/** The text that codex puts before a command's output. */
const CODEX_HEAD = /^Chunk ID: [\s\S]*?\nOutput:\n/;

function codexStory(): StoryReader {
  const turn = new Turn();
  return ({ type, payload }) => {
    if (!isRecord(payload)) return [];
    const usage = payload["usage"];
    if (type === "token_usage_record" && isRecord(usage)) {
      turn.add(payload["response_id"], numberOf(usage["input_tokens"]), numberOf(usage["output_tokens"]));
    }
    if (type === "event_msg") return codexEvent(payload, turn);
    return type === "response_item" ? codexItem(payload) : [];
  };
}

function codexEvent({ type, message, reason }: Entry, turn: Turn): StoryItem[] {
  if (type === "task_complete") return [turn.end()];
  if (type === "error" || type === "stream_error") return [{ kind: "error", text: String(message) }];
  return type === "turn_aborted"
    ? [{ kind: "error", text: `the turn was cut off: ${reason ?? "interrupted"}` }]
    : [];
}

function codexItem(
  { type, role, content, name, arguments: input, output, input: custom }: Entry,
): StoryItem[] {
  if (type === "message" && role === "assistant") return blocksOf(content).flatMap(({ text }) => texts(text));
  if (type === "message" && role === "user") {
    return blocksOf(content).flatMap(({ text }) => CODEX_OWN.test(String(text)) ? [] : prompts(text));
  }
  if (type === "function_call" && name !== "write_stdin") return [call(name, parsed(input))];
  if (type === "custom_tool_call") return [call(name, custom)];
  if (!String(type).endsWith("_call_output")) return [];
  const text = typeof output === "string"
    ? output
    : isRecord(output)
    ? textOf(blocksOf(output["content"]))
    : "";
  return /^Chunk ID: [\s\S]*?\nProcess running with session ID/.test(text)
    ? []
    : results(text.replace(CODEX_HEAD, ""));
}

/** gemini: a reply is recorded again, with its tool calls and their results, once these have ended. */
function geminiStory(): StoryReader {
  const turn = new Turn();
  const said = new Set<unknown>();
  let isOpen = false;
  const close = () => isOpen ? (isOpen = false, [turn.end()]) : [];
  return (entry) => {
    const { type, id, content, tokens } = entry;
    if (type === "user") {
      const blocks = blocksOf(content);
      if (blocks.some(({ functionResponse }) => functionResponse !== undefined)) return [];
      return [...close(), ...blocks.flatMap(({ text }) => prompts(text))];
    }
    if (type === "error") return [{ kind: "error", text: String(content) }];
    if (type !== "gemini") return [];
    if (isRecord(tokens)) {
      const [input, tool, output, thoughts] = ["input", "tool", "output", "thoughts"].map((name) =>
        numberOf(tokens[name])
      ) as [number, number, number, number];
      turn.add(id, input + tool, output + thoughts);
    }
    const items = said.has(id) ? [] : texts(content);
    said.add(id);
    const calls = Array.isArray(entry["toolCalls"]) ? entry["toolCalls"].filter(isRecord) : [];
    isOpen = calls.length === 0;
    return [
      ...items,
      ...calls.flatMap((one) => [call(one["name"], one["args"]), ...results(geminiResult(one))]),
    ];
  };
}

/** The part of a result that gemini shows: text, or rows of pieces as on its terminal. */
function geminiResult({ resultDisplay, result }: Entry): unknown {
  if (typeof resultDisplay === "string") return resultDisplay;
  if (Array.isArray(resultDisplay)) {
    const rows = resultDisplay.filter(Array.isArray) as unknown[][];
    return rows.map((row) => row.filter(isRecord).map(({ text }) => String(text)).join("").trimEnd()).join(
      "\n",
    );
  }
  const response = blocksOf(result).map(({ functionResponse }) => functionResponse).find(isRecord)
    ?.["response"];
  return isRecord(response) ? response["output"] ?? response["error"] : undefined;
}

/** qwen: parts in the form of Gemini's protocol. */
function qwenStory(): StoryReader {
  const turn = new Turn();
  return (entry) => {
    const { type, message, usageMetadata, toolCallResult } = entry;
    const parts = isRecord(message) ? blocksOf(message["parts"]) : [];
    if (type === "user") return parts.flatMap(({ text }) => prompts(text));
    if (type === "tool_result" && isRecord(toolCallResult)) return results(qwenResult(toolCallResult, parts));
    if (type !== "assistant") return [];
    if (isRecord(usageMetadata)) {
      const { promptTokenCount, candidatesTokenCount } = usageMetadata;
      turn.add(entry["uuid"], numberOf(promptTokenCount), numberOf(candidatesTokenCount));
    }
    const items = parts.flatMap(({ text, thought, functionCall }) =>
      isRecord(functionCall)
        ? [call(functionCall["name"], functionCall["args"])]
        : thought === true
        ? []
        : texts(text)
    );
    return parts.some(({ functionCall }) => functionCall !== undefined) ? items : [...items, turn.end()];
  };
}

function qwenResult({ resultDisplay }: Entry, parts: readonly Entry[]): unknown {
  if (typeof resultDisplay === "string") return resultDisplay;
  if (isRecord(resultDisplay) && typeof resultDisplay["text"] === "string") return resultDisplay["text"];
  const response = parts.map(({ functionResponse }) => functionResponse).find(isRecord)?.["response"];
  return isRecord(response) ? response["output"] ?? response["error"] : undefined;
}

/** copilot: events, each with a type and its data. */
function copilotStory(): StoryReader {
  const turn = new Turn();
  return ({ id, type, data }) => {
    if (!isRecord(data)) return [];
    const { usage, content, toolRequests, result, message } = data;
    switch (type) {
      case "user.message":
        return prompts(content);
      case "session.usage_record":
        if (isRecord(usage)) turn.add(id, numberOf(usage["inputTokens"]), numberOf(usage["outputTokens"]));
        return [];
      case "assistant.message": {
        const calls = Array.isArray(toolRequests) ? toolRequests.filter(isRecord) : [];
        const items = [...texts(content), ...calls.map(({ name, arguments: input }) => call(name, input))];
        return calls.length > 0 ? items : [...items, turn.end()];
      }
      case "tool.execution_complete":
        return isRecord(result) ? results(String(result["content"]).replace(/\n?<shellId: .*>\s*$/, "")) : [];
      case "session.error":
        return [{ kind: "error", text: String(message) }];
      default:
        return [];
    }
  };
}

/** One part of an opencode message, by the role of the message; `turn` sums the steps. */
export function opencodeStory(part: Entry, role: unknown, turn: Turn): StoryItem[] {
  const { type, text, tool, state, tokens, cost, reason } = part;
  if (type === "text") return role === "user" ? prompts(unquoted(text)) : texts(text);
  if (type === "tool" && isRecord(state)) {
    const { input, output, error, status } = state;
    const isOver = status === "completed" || status === "error";
    return [call(tool, input), ...(isOver ? results(output ?? error) : [])];
  }
  if (type !== "step-finish") return [];
  const cache = isRecord(tokens) && isRecord(tokens["cache"]) ? tokens["cache"] : {};
  if (isRecord(tokens)) {
    const input = [tokens["input"], cache["read"], cache["write"]].reduce<number>(
      (sum, n) => sum + numberOf(n),
      0,
    );
    turn.add(undefined, input, numberOf(tokens["output"]), numberOf(cost));
  }
  return reason === "tool-calls" ? [] : [turn.end()];
}

/** Undoes opencode's quoting: it quotes a prompt given on its command line and escapes the quotes inside. */
function unquoted(text: unknown): unknown {
  const whole = typeof text === "string" ? /^"([\s\S]*)"\s*$/.exec(text)?.[1] : undefined;
  return whole === undefined ? text : whole.replaceAll('\\"', '"');
}

function call(name: unknown, input: unknown): StoryItem {
  return { kind: "call", name: String(name), input };
}

function texts(text: unknown): StoryItem[] {
  return typeof text === "string" && text.trim() !== "" ? [{ kind: "text", text }] : [];
}

function prompts(text: unknown): StoryItem[] {
  return typeof text === "string" && text.trim() !== "" ? [{ kind: "prompt", text }] : [];
}

function results(text: unknown): StoryItem[] {
  return typeof text === "string" ? [{ kind: "result", text }] : [];
}

function blocksOf(content: unknown): Record<string, unknown>[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return Array.isArray(content) ? content.filter(isRecord) : [];
}

function textOf(blocks: readonly Entry[]): string {
  return blocks.map(({ text }) => typeof text === "string" ? text : "").join("\n");
}

function parsed(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return text; // a call that was cut off within its arguments
  }
}

/** Number of lines of a tool's result that are shown. */
const MAX_RESULT_LINES = 20;
/** Number of characters of a tool's input that are shown when it is not a command. */
const MAX_INPUT = 200;

/** An item as lines for people. */
export function storyLines(item: StoryItem): string[] {
  switch (item.kind) {
    case "prompt":
      return promptText(item.text).split("\n").map((line) => `> ${line}`.trimEnd());
    case "text":
      return item.text.trimEnd().split("\n");
    case "call":
      return callText(item).split("\n");
    case "result":
      return indented(item.text);
    case "error":
      return `error: ${item.text}`.split("\n");
    case "end":
      return [`(end of turn${item.cost === "" ? "" : `, ${item.cost}`})`];
  }
}

/** The tag that pi puts around a prompt file. */
const FILE_AROUND = /^<file name="[^"]*">\n([\s\S]*?)\n?<\/file>\s*$/;
/** The contract of any worker, up to its brief. */
const CONTRACT = new RegExp(`^# ${workerTitle('[^"]*')}\n[\\s\\S]*?\n${CONTRACT_END}\n`);

/** A prompt with the contract reduced to one line, since only the brief is new. */
function promptText(text: string): string {
  const bare = FILE_AROUND.exec(text)?.[1] ?? text;
  return bare.replace(CONTRACT, "(the worker contract)\n").replace(/\n{2,}/g, "\n").trim();
}

function callText({ name, input }: { name: string; input: unknown }): string {
  const command = isRecord(input) ? input["command"] ?? input["cmd"] : undefined;
  if (typeof command === "string") return `$ ${command.trimEnd().replaceAll("\n", "\n  ")}`;
  const text = typeof input === "string" ? input : JSON.stringify(input) ?? "";
  return `${name} ${text.slice(0, MAX_INPUT)}`.trimEnd();
}

function indented(text: string): string[] {
  const lines = text.trimEnd().split("\n");
  const more = lines.length - MAX_RESULT_LINES;
  return [
    ...lines.slice(0, MAX_RESULT_LINES).map((line) => `  ${line}`.trimEnd()),
    ...(more > 0 ? [`  (${more} more lines)`] : []),
  ];
}
