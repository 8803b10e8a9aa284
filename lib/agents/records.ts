/**
 * Reads agent CLIs' own records of their spend: sums of tokens, and dollars where the CLI computes them. Nothing here
 * is looop's own state; files of other programs are read, never written.
 */
import { LineSplitter } from "../text/lines.ts";
import { type AgentSession, recordFiles } from "./record_files.ts";
import { ModelSums, numberOf, type Recorded, type Tokens } from "./tokens.ts";
import { isRecord, parseRecord } from "../text/json.ts";
import { type Asking, readOpencode } from "./opencode.ts";
import type { RecordsKind } from "../records/presets.ts";

/**
 * Reads a session's record; undefined when there is none (yet).
 *
 * @throws {NotAnswered} when opencode did not answer.
 */
export async function readRecorded(session: AgentSession, asking: Asking): Promise<Recorded | undefined> {
  if (session.cli === "other") return undefined;
  if (session.cli === "opencode") {
    return (await readOpencode([session.id], session.records, asking)).get(session.id);
  }
  const files = recordFiles(session);
  if (files.length === 0) return undefined;
  const reader = READERS[session.cli]();
  for (const file of files) eachLine(file, (line) => reader.take(line));
  return reader.sum();
}

const CHUNK = 256 * 1024;

/** Passes a file on line by line, without ever holding all of it. Torn last lines are left out. */
function eachLine(path: string, take: (line: string) => void): void {
  const file = Deno.openSync(path, { read: true });
  try {
    const lines = new LineSplitter();
    const buffer = new Uint8Array(CHUNK);
    for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) {
      lines.push(buffer.subarray(0, n)).forEach(take);
    }
  } finally {
    file.close();
  }
}

/** Sums the lines of one CLI's record. */
interface Reader {
  take(line: string): void;
  sum(): Recorded;
}

const READERS: Readonly<Record<Exclude<RecordsKind, "opencode">, () => Reader>> = {
  pi: readPi,
  claude: readClaude,
  codex: readCodex,
  gemini: readGemini,
  qwen: readQwen,
  copilot: readCopilot,
};

/** pi: `usage` of messages, and of the entries for compaction and branch summaries, each with its dollars. */
export function readPi(): Reader {
  const sums = new ModelSums();
  let usd = 0;
  return {
    take(line) {
      const entry = line.includes('"usage"') ? parseRecord(line) : undefined;
      const message = isRecord(entry?.["message"]) ? entry["message"] : undefined;
      const usage = message?.["usage"] ?? entry?.["usage"];
      if (!isRecord(usage)) return;
      usd += isRecord(usage["cost"]) ? numberOf(usage["cost"]["total"]) : 0;
      sums.add(String(message?.["model"] ?? entry?.["model"] ?? ""), {
        input: numberOf(usage["input"]),
        output: numberOf(usage["output"]),
        cache_read: numberOf(usage["cacheRead"]),
        cache_write: numberOf(usage["cacheWrite"]),
      });
    },
    sum: () => ({ ...sums.sum(), usd }),
  };
}

/**
 * claude: `message.usage` of assistant records, one record for each content block, so each message counts once, by
 * its last record; `cost-state` has the dollars, written as the program ends.
 */
export function readClaude(): Reader {
  const messages = new Replies();
  let closing: Recorded["closing"];
  return {
    take(line) {
      if (line.includes('"cost-state"')) {
        closing = closingOf(parseRecord(line), closing?.count ?? 0) ?? closing;
      }
      if (!line.includes('"usage"')) return;
      const entry = parseRecord(line);
      const message = entry?.["type"] === "assistant" ? entry["message"] : undefined;
      if (!isRecord(message) || !isRecord(message["usage"]) || typeof message["id"] !== "string") return;
      const usage = message["usage"];
      const tokens = {
        input: numberOf(usage["input_tokens"]),
        output: numberOf(usage["output_tokens"]),
        cache_read: numberOf(usage["cache_read_input_tokens"]),
        cache_write: numberOf(usage["cache_creation_input_tokens"]),
      };
      messages.add(message["id"], message["model"], tokens);
    },
    sum() {
      return { ...messages.sum(), ...(closing === undefined ? {} : { closing }) };
    },
  };
}

function closingOf(entry: Record<string, unknown> | undefined, before: number): Recorded["closing"] {
  if (entry?.["type"] !== "cost-state" || typeof entry["totalCostUSD"] !== "number") return undefined;
  const sums = new ModelSums();
  for (const [model, usage] of Object.entries(isRecord(entry["modelUsage"]) ? entry["modelUsage"] : {})) {
    if (!isRecord(usage)) continue;
    sums.add(model, {
      input: numberOf(usage["inputTokens"]),
      output: numberOf(usage["outputTokens"]),
      cache_read: numberOf(usage["cacheReadInputTokens"]),
      cache_write: numberOf(usage["cacheCreationInputTokens"]),
    });
  }
  return { tokens: sums.sum().tokens, usd: entry["totalCostUSD"], count: before + 1 };
}

/**
 * codex: a `token_usage_record` for each reply; older versions have only the running sum in `token_count`. No
 * dollars. A reply's content is recorded before its cost, so a reply that was cut off lacks its cost.
 */
export function readCodex(): Reader {
  const replies = new Replies();
  let model = "";
  let running: Tokens | undefined;
  let isOpen = false;
  let unrecorded = 0;
  const close = () => {
    if (isOpen) unrecorded++;
    isOpen = false;
  };
  return {
    take(line) {
      if (!CODEX_TYPES.test(line)) return;
      const entry = parseRecord(line);
      const payload = entry?.["payload"];
      if (entry === undefined || !isRecord(payload)) return;
      const isCount = payload["type"] === "token_count";
      if (isCodexReply(entry, payload)) isOpen = true;
      else if (entry["type"] === "turn_context") close();
      else if (isCount || entry["type"] === "token_usage_record") isOpen = false;
      if (entry["type"] === "turn_context") model = String(payload["model"] ?? model);
      if (entry["type"] === "token_usage_record" && isRecord(payload["usage"])) {
        replies.add(payload["response_id"], model, codexTokens(payload["usage"]));
      }
      const info = isCount ? payload["info"] : undefined;
      if (isRecord(info) && isRecord(info["total_token_usage"])) {
        running = codexTokens(info["total_token_usage"]);
      }
    },
    sum() {
      if (replies.size === 0 && running !== undefined) replies.add("sum", model, running);
      close();
      return { ...replies.sum(), ...(unrecorded > 0 ? { unrecorded } : {}) };
    },
  };
}

/** Types of the lines that count; other lines are not parsed. */
const CODEX_TYPES = /"(?:response_item|turn_context|token_usage_record|token_count)"/;

/** Whether a line is a tool call or a message from the model. */
function isCodexReply(entry: Record<string, unknown>, payload: Record<string, unknown>): boolean {
  const { type, role } = payload;
  return entry["type"] === "response_item" &&
    (String(type).endsWith("_call") || type === "message" && role === "assistant");
}

/** Whether codex's record (or its end) has the cost of the reply that made a tool call. Pure. */
export function codexHasReply(record: string, call: string): boolean {
  const lines = record.split("\n");
  const made = lines.findIndex((line) => line.includes(call));
  return made >= 0 &&
    lines.slice(made).some((line) =>
      line.includes('"token_usage_record"') && parseRecord(line)?.["type"] === "token_usage_record"
    );
}

/** codex counts cached tokens as part of the input. */
function codexTokens(usage: Record<string, unknown>): Tokens {
  const [input, output, cached, written] = [
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
  ].map((name) => numberOf(usage[name])) as [number, number, number, number];
  return tokensOf(input, output, cached, written);
}

/** gemini: a reply is recorded again, under the same id, once its tool calls have ended; cached tokens are input. */
export function readGemini(): Reader {
  const replies = new Replies();
  return {
    take(line) {
      const entry = line.includes('"tokens"') ? parseRecord(line) : undefined;
      const tokens = entry?.["tokens"];
      if (!isRecord(tokens)) return;
      const input = numberOf(tokens["input"]) + numberOf(tokens["tool"]);
      // The model's thoughts are billed as output, and recorded separately.
      const output = numberOf(tokens["output"]) + numberOf(tokens["thoughts"]);
      replies.add(entry?.["id"], entry?.["model"], tokensOf(input, output, numberOf(tokens["cached"])));
    },
    sum: () => replies.sum(),
  };
}

/** qwen: one event for each answer from the model; a record without them has the same counts beside its replies. */
export function readQwen(): Reader {
  const [answers, replies] = [new Replies(), new Replies()];
  return {
    take(line) {
      const entry = /"(?:input_token_count|usageMetadata)"/.test(line) ? parseRecord(line) : undefined;
      const payload = entry?.["systemPayload"];
      const event = isRecord(payload) ? payload["uiEvent"] : undefined;
      const usage = entry?.["usageMetadata"];
      if (isRecord(event)) {
        const [input, output, cached] = ["input", "output", "cached_content"].map((name) =>
          numberOf(event[`${name}_token_count`])
        ) as [number, number, number];
        answers.add(event["response_id"], event["model"], tokensOf(input, output, cached));
      } else if (isRecord(usage)) {
        const [input, output, cached] = ["prompt", "candidates", "cachedContent"].map((name) =>
          numberOf(usage[`${name}TokenCount`])
        ) as [number, number, number];
        replies.add(entry?.["uuid"], entry?.["model"], tokensOf(input, output, cached));
      }
    },
    sum: () => answers.size > 0 ? answers.sum() : replies.sum(),
  };
}

/** copilot: a `session.usage_record` for each reply; its "cost" is in requests, not dollars. */
export function readCopilot(): Reader {
  const replies = new Replies();
  return {
    take(line) {
      const entry = line.includes('"session.usage_record"') ? parseRecord(line) : undefined;
      const data = entry?.["type"] === "session.usage_record" ? entry["data"] : undefined;
      const usage = isRecord(data) ? data["usage"] : undefined;
      if (!isRecord(usage)) return;
      const [input, output, cached, written] = ["input", "output", "cacheRead", "cacheWrite"].map((name) =>
        numberOf(usage[`${name}Tokens`])
      ) as [number, number, number, number];
      replies.add(entry?.["id"], usage["model"], tokensOf(input, output, cached, written));
    },
    sum: () => replies.sum(),
  };
}

/** Tokens by the reply's id: a reply that is recorded twice counts once, by its last record. */
class Replies {
  readonly #replies = new Map<string, { model: string; tokens: Tokens }>();

  get size(): number {
    return this.#replies.size;
  }

  add(id: unknown, model: unknown, tokens: Tokens): void {
    this.#replies.set(String(id ?? this.#replies.size), { model: String(model ?? ""), tokens });
  }

  sum(): Recorded {
    const sums = new ModelSums();
    for (const { model, tokens } of this.#replies.values()) sums.add(model, tokens);
    return sums.sum();
  }
}

/** Tokens of a CLI whose input count includes those read from and written to a cache. */
function tokensOf(input: number, output: number, cache_read: number, cache_write = 0): Tokens {
  return { input: Math.max(0, input - cache_read - cache_write), output, cache_read, cache_write };
}
