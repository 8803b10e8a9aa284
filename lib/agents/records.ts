/**
 * Reads what agent CLIs write down about their own spend: sums of tokens, and dollars where the CLI computes
 * them. Nothing here is looop's own state; files of other programs are read, never written.
 */
import { LineSplitter } from "../text/lines.ts";
import type { AgentSession } from "./agent_session.ts";
import { ModelSums, numberOf, type Recorded, type Tokens } from "./tokens.ts";
import { isRecord } from "../text/json.ts";
import { opencodeFiles, readOpencode } from "./opencode.ts";
import { listEntries, statOf } from "../store.ts";

/** Reads a session's record; undefined when there is none (yet). */
export async function readRecorded(
  session: AgentSession,
  env: Readonly<Record<string, string>>,
): Promise<Recorded | undefined> {
  if (session.cli === "opencode") {
    return (await readOpencode([session.id], session.records, env)).get(session.id);
  }
  const files = recordFiles(session);
  if (files.length === 0) return undefined;
  const reader = READERS[session.cli]();
  for (const file of files) eachLine(file, (line) => reader.take(line));
  return reader.sum();
}

/** The files that hold a session's record; none when it cannot be found. */
export function recordFiles(session: AgentSession): string[] {
  const { cli, id, records, file } = session;
  if (file !== undefined && statOf(file)?.isFile) return [file];
  switch (cli) {
    case "pi":
      return inFolders([records, ...foldersIn(records)], (name) => name.endsWith(`_${id}.jsonl`)).slice(0, 1);
    case "claude":
      return foldersIn(records).flatMap((folder) => {
        const main = `${folder}/${id}.jsonl`;
        // Subagents have files of their own beside the transcript.
        return statOf(main)?.isFile ? [main, ...filesBelow(`${folder}/${id}`)] : [];
      });
    case "codex":
      return codexFiles(records, id);
    case "opencode":
      return opencodeFiles(records).filter((path) => statOf(path)?.isFile);
  }
}

function codexFiles(records: string, id: string): string[] {
  const newestFirst = (folders: string[]) => folders.sort().reverse();
  for (const year of newestFirst(foldersIn(records))) {
    for (const month of newestFirst(foldersIn(year))) {
      const found = inFolders(newestFirst(foldersIn(month)), (name) => name.endsWith(`-${id}.jsonl`));
      if (found.length > 0) return found.sort();
    }
  }
  return [];
}

function foldersIn(folder: string): string[] {
  return quietEntries(folder).filter((entry) => entry.isDirectory).map((entry) => `${folder}/${entry.name}`);
}

function inFolders(folders: readonly string[], fits: (name: string) => boolean): string[] {
  return folders.flatMap((folder) =>
    quietEntries(folder).filter((entry) => entry.isFile && fits(entry.name)).map((entry) =>
      `${folder}/${entry.name}`
    )
  );
}

function filesBelow(folder: string): string[] {
  return [
    ...inFolders([folder], (name) => name.endsWith(".jsonl")),
    ...foldersIn(folder).flatMap(filesBelow),
  ];
}

/** Other programs' folders may be unreadable: then there is no record. */
function quietEntries(folder: string): Deno.DirEntry[] {
  try {
    return listEntries(folder);
  } catch {
    return [];
  }
}

const CHUNK = 256 * 1024;

/** Hands a file over line by line, without ever holding all of it. Torn last lines are left out. */
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

const READERS: Readonly<Record<"pi" | "claude" | "codex", () => Reader>> = {
  pi: readPi,
  claude: readClaude,
  codex: readCodex,
};

/** pi: `usage` of messages, and of the entries for compaction and branch summaries, each with its dollars. */
export function readPi(): Reader {
  const sums = new ModelSums();
  let usd = 0;
  return {
    take(line) {
      const entry = line.includes('"usage"') ? parseLine(line) : undefined;
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
 * claude: `message.usage` of assistant records, one record for each content block, so each message counts
 * once, as its last record has it; `cost-state` has the dollars, written as the program ends.
 */
export function readClaude(): Reader {
  const messages = new Map<string, { model: string; tokens: Tokens }>();
  let closing: Recorded["closing"];
  return {
    take(line) {
      if (line.includes('"cost-state"')) closing = closingOf(parseLine(line), closing?.count ?? 0) ?? closing;
      if (!line.includes('"usage"')) return;
      const entry = parseLine(line);
      const message = entry?.["type"] === "assistant" ? entry["message"] : undefined;
      if (!isRecord(message) || !isRecord(message["usage"]) || typeof message["id"] !== "string") return;
      const usage = message["usage"];
      const model = String(message["model"] ?? "");
      const tokens = {
        input: numberOf(usage["input_tokens"]),
        output: numberOf(usage["output_tokens"]),
        cache_read: numberOf(usage["cache_read_input_tokens"]),
        cache_write: numberOf(usage["cache_creation_input_tokens"]),
      };
      messages.set(message["id"], { model, tokens });
    },
    sum() {
      const sums = new ModelSums();
      for (const { model, tokens } of messages.values()) sums.add(model, tokens);
      return { ...sums.sum(), ...(closing === undefined ? {} : { closing }) };
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
 * codex: a `token_usage_record` a reply; older ones only the running sum in `token_count`. No dollars. What a
 * reply says comes before what it cost: of one that was cut off the latter is missing.
 */
export function readCodex(): Reader {
  const replies = new Map<string, { model: string; tokens: Tokens }>();
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
      const begin = line.slice(0, 400);
      if (CODEX_REPLY.test(begin)) isOpen = true;
      if (!/"(turn_context|token_usage_record|token_count)"/.test(begin)) return;
      const entry = parseLine(line);
      if (entry?.["type"] === "turn_context") close();
      else if (entry !== undefined) isOpen = false;
      const payload = entry?.["payload"];
      if (!isRecord(payload)) return;
      if (entry?.["type"] === "turn_context") model = String(payload["model"] ?? model);
      if (entry?.["type"] === "token_usage_record" && isRecord(payload["usage"])) {
        const id = String(payload["response_id"] ?? replies.size);
        replies.set(id, { model, tokens: codexTokens(payload["usage"]) });
      }
      const info = payload["type"] === "token_count" ? payload["info"] : undefined;
      if (isRecord(info) && isRecord(info["total_token_usage"])) {
        running = codexTokens(info["total_token_usage"]);
      }
    },
    sum() {
      const sums = new ModelSums();
      for (const reply of replies.values()) sums.add(reply.model, reply.tokens);
      if (replies.size === 0 && running !== undefined) sums.add(model, running);
      close();
      return { ...sums.sum(), ...(unrecorded > 0 ? { unrecorded } : {}) };
    },
  };
}

/** A tool call or a message of the model's; what a text says has its quotes escaped. */
const CODEX_REPLY =
  /"type":"response_item","payload":\{"type":"(?:\w+_call"|message".{0,200}"role":"assistant")/;

/** Whether codex's record (or its end) has what the reply cost that made a tool call. Pure. */
export function codexHasReply(record: string, call: string): boolean {
  const lines = record.split("\n");
  const made = lines.findIndex((line) => line.includes(call));
  return made >= 0 && lines.slice(made).some((line) => line.slice(0, 400).includes('"token_usage_record"'));
}

/** codex counts cached tokens as part of the input. */
function codexTokens(usage: Record<string, unknown>): Tokens {
  const cached = numberOf(usage["cached_input_tokens"]);
  const written = numberOf(usage["cache_write_input_tokens"]);
  return {
    input: Math.max(0, numberOf(usage["input_tokens"]) - cached - written),
    output: numberOf(usage["output_tokens"]),
    cache_read: cached,
    cache_write: written,
  };
}

function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined; // a line that is being written, or of a format to come
  }
}
