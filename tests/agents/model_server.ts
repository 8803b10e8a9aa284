/**
 * A model on 127.0.0.1 that plays scripts, in three wire protocols: Anthropic Messages (pi, claude), OpenAI
 * Responses (codex) and OpenAI Chat Completions (opencode).
 *
 * A script is a function of the conversation as the agent sends it, so that retries, restarts and resumed
 * sessions need no memory here. Every reply costs the same tokens, counted by script.
 */
import { delay } from "../../lib/process/tree.ts";

/** A conversation, whatever protocol it came in. */
export interface Conversation {
  /** Name of the script, from `[script:NAME]` in its first prompt. */
  script: string;
  /** Calls of the shell tool so far. */
  calls: number;
  /** Results of all tool calls so far, oldest first. */
  results: string[];
  /** Texts of the user so far, the prompt first. */
  users: string[];
}

/** What the model does next: call the shell, poll a running command (codex), or end its turn with a text. */
export type Reply = { shell: string; timeoutS?: number } | { poll: number } | { text: string };

/** Decides on the next reply. */
export type Script = (conversation: Conversation) => Reply | Promise<Reply>;

/** Tokens of one reply, as every protocol can tell them. */
export const REPLY_TOKENS = { input: 2000, output: 150, cache_read: 500 } as const;

/** What one script has cost so far. */
export interface Spent {
  replies: number;
  input: number;
  output: number;
  cache_read: number;
}

type Json = Record<string, unknown>;

/** A running server; dispose of it. */
export class ModelServer implements AsyncDisposable {
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #scripts: Readonly<Record<string, Script>>;
  readonly #replies = new Map<string, number>();

  constructor(scripts: Readonly<Record<string, Script>>) {
    this.#scripts = scripts;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** What a script's conversations have cost so far. */
  spent(script: string): Spent {
    const replies = this.#replies.get(script) ?? 0;
    const { input, output, cache_read } = REPLY_TOKENS;
    return { replies, input: replies * input, output: replies * output, cache_read: replies * cache_read };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname.replace(/\/+$/, "");
    const protocol = request.method === "POST"
      ? PROTOCOLS.find(({ suffix }) => path.endsWith(suffix))
      : undefined;
    if (protocol === undefined) {
      await request.body?.cancel();
      return Response.json(path.endsWith("/models") ? { object: "list", data: [] } : {});
    }
    const body = JSON.parse(new TextDecoder().decode(await decoded(request))) as Json;
    const tool = protocol.shellTool(body);
    const conversation = protocol.read(body);
    // Titles and summaries are asked for without a shell tool; they are no part of a script.
    const isSide = tool === undefined || !(conversation.script in this.#scripts);
    const reply = isSide ? { text: "ok" } : await this.#scripts[conversation.script]!(conversation);
    if (!isSide) {
      this.#replies.set(conversation.script, (this.#replies.get(conversation.script) ?? 0) + 1);
    }
    const usage = isSide ? { input: 1, output: 1, cache_read: 0 } : REPLY_TOKENS;
    const events = protocol.write(reply, tool ?? "", String(body["model"]), usage);
    if (body["stream"] !== true) return Response.json(protocol.whole(events));
    return new Response(streamed(events, protocol.end), { headers: { "content-type": "text/event-stream" } });
  }
}

/** What a reply cost comes last, and later: an agent may have begun the tool call by then. */
const LAST_EVENT_MS = 300;

function streamed(events: readonly Event[], end: string): ReadableStream<Uint8Array> {
  const texts = events.map(({ event, data }) =>
    `${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`
  );
  const last = texts.pop() ?? "";
  return new ReadableStream<string>({
    async start(controller) {
      controller.enqueue(texts.join(""));
      await delay(LAST_EVENT_MS);
      controller.enqueue(last + end);
      controller.close();
    },
  }).pipeThrough(new TextEncoderStream());
}

async function decoded(request: Request): Promise<ArrayBuffer> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== "gzip" && encoding !== "deflate") return await request.arrayBuffer();
  return await new Response(request.body!.pipeThrough(new DecompressionStream(encoding))).arrayBuffer();
}

interface Event {
  event?: string;
  data: Json;
}

type Usage = { input: number; output: number; cache_read: number };

interface Protocol {
  suffix: string;
  end: string;
  /** The agent's shell tool, as it is called there. */
  shellTool(body: Json): string | undefined;
  read(body: Json): Conversation;
  write(reply: Reply, tool: string, model: string, usage: Usage): Event[];
  /** The same reply in one piece. */
  whole(events: Event[]): Json;
}

const SHELL_TOOLS = ["Bash", "bash", "exec_command"];

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value as Json[] : [];
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  return list(content).map((block) =>
    String(block["text"] ?? (block["content"] ? textOf(block["content"]) : ""))
  )
    .join("\n");
}

function conversationOf(users: string[], results: string[], calls: number): Conversation {
  const script = /\[script:([\w-]+)\]/.exec(users.join("\n"))?.[1] ?? "";
  return { script, users, results, calls };
}

/** The arguments of a shell call: names and units differ. */
function shellArguments(reply: { shell: string; timeoutS?: number }, tool: string): Json {
  const { shell, timeoutS } = reply;
  if (tool === "exec_command") return { cmd: shell, yield_time_ms: (timeoutS ?? 30) * 1000 };
  // claude and opencode take milliseconds, pi seconds; opencode's tool is told by its description.
  const timeout = timeoutS === undefined ? {} : { timeout: tool === "bash" ? timeoutS : timeoutS * 1000 };
  return { command: shell, ...timeout, ...(tool === "bash" ? {} : { description: "scripted" }) };
}

function newId(prefix: string): string {
  return `${prefix}_${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

const messages: Protocol = {
  suffix: "/messages",
  end: "",
  shellTool: (body) =>
    list(body["tools"]).map((tool) => String(tool["name"])).find((name) => SHELL_TOOLS.includes(name)),
  read(body) {
    const users: string[] = [];
    const results: string[] = [];
    let calls = 0;
    for (const message of list(body["messages"])) {
      const content = message["content"];
      const blocks = typeof content === "string" ? [{ type: "text", text: content }] : list(content);
      for (const block of blocks) {
        if (block["type"] === "tool_use") calls++;
        if (block["type"] === "tool_result") results.push(textOf((block as Json)["content"]));
        if (block["type"] === "text" && message["role"] === "user") users.push(String(block["text"]));
      }
    }
    return conversationOf(users, results, calls);
  },
  write(reply, tool, model, usage) {
    const isCall = "shell" in reply;
    const said = "text" in reply ? reply.text : "";
    const counts = {
      input_tokens: usage.input,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: usage.cache_read,
      output_tokens: usage.output,
    };
    const start = isCall
      ? { type: "tool_use", id: newId("toolu"), name: tool, input: {} }
      : { type: "text", text: "" };
    const delta = isCall
      ? { type: "input_json_delta", partial_json: JSON.stringify(shellArguments(reply, tool)) }
      : { type: "text_delta", text: said };
    const message = {
      id: newId("msg"),
      type: "message",
      role: "assistant",
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...counts, output_tokens: 1 },
    };
    const stop = { stop_reason: isCall ? "tool_use" : "end_turn", stop_sequence: null };
    return [
      { type: "message_start", message },
      { type: "content_block_start", index: 0, content_block: start },
      { type: "content_block_delta", index: 0, delta },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: stop, usage: counts },
      { type: "message_stop" },
    ].map((data) => ({ event: data.type, data }));
  },
  whole(events) {
    const message = events[0]!.data["message"] as Json;
    const block = events[1]!.data["content_block"] as Json;
    const delta = events[2]!.data["delta"] as Json;
    const content = block["type"] === "text"
      ? { ...block, text: delta["text"] }
      : { ...block, input: JSON.parse(String(delta["partial_json"])) };
    return {
      ...message,
      content: [content],
      ...(events[4]!.data["delta"] as Json),
      usage: events[4]!.data["usage"],
    };
  },
};

/** codex's tool that waits for a command which still runs. */
const POLL_TOOL = "write_stdin";

const responses: Protocol = {
  suffix: "/responses",
  end: "",
  shellTool: (body) =>
    list(body["tools"]).flatMap((tool) => tool["type"] === "namespace" ? list(tool["tools"]) : [tool])
      .map((tool) => String(tool["name"])).find((name) => SHELL_TOOLS.includes(name)),
  read(body) {
    const users: string[] = [];
    const results: string[] = [];
    let calls = 0;
    let isPoll = false;
    for (const item of list(body["input"])) {
      if (item["type"] === "function_call") {
        isPoll = item["name"] === POLL_TOOL;
        if (!isPoll) calls++;
      }
      // What a poll brings takes the place of what the call itself brought.
      if (item["type"] === "function_call_output") {
        results.splice(isPoll ? -1 : results.length, 1, textOf(item["output"]));
      }
      if (item["role"] === "user") users.push(textOf(item["content"]));
    }
    return conversationOf(users, results, calls);
  },
  write(reply, tool, model, usage) {
    const item: Json = "text" in reply
      ? {
        type: "message",
        id: newId("msg"),
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: reply.text, annotations: [] }],
      }
      : {
        type: "function_call",
        id: newId("fc"),
        call_id: newId("call"),
        status: "completed",
        name: "poll" in reply ? POLL_TOOL : tool,
        arguments: JSON.stringify(
          "poll" in reply
            ? { session_id: reply.poll, chars: "", yield_time_ms: 60_000 }
            : shellArguments(reply, tool),
        ),
      };
    const input = usage.input + usage.cache_read;
    const response = {
      id: newId("resp"),
      object: "response",
      status: "completed",
      model,
      output: [item],
      usage: {
        input_tokens: input,
        input_tokens_details: { cached_tokens: usage.cache_read },
        output_tokens: usage.output,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: input + usage.output,
      },
    };
    return [
      { type: "response.created", response: { ...response, status: "in_progress", output: [], usage: null } },
      { type: "response.output_item.done", output_index: 0, item },
      { type: "response.completed", response },
    ].map((data) => ({ event: data.type, data }));
  },
  whole: (events) => events.at(-1)!.data["response"] as Json,
};

const completions: Protocol = {
  suffix: "/chat/completions",
  end: "data: [DONE]\n\n",
  shellTool: (body) =>
    list(body["tools"]).map((tool) => String((tool["function"] as Json)["name"])).find((name) =>
      SHELL_TOOLS.includes(name)
    ),
  read(body) {
    const users: string[] = [];
    const results: string[] = [];
    let calls = 0;
    for (const message of list(body["messages"])) {
      calls += list(message["tool_calls"]).length;
      if (message["role"] === "tool") results.push(textOf(message["content"]));
      if (message["role"] === "user") users.push(textOf(message["content"]));
    }
    return conversationOf(users, results, calls);
  },
  write(reply, tool, model, usage) {
    const base = { id: newId("chatcmpl"), object: "chat.completion.chunk", created: 1, model };
    const isCall = "shell" in reply;
    const said = "text" in reply ? reply.text : "";
    const call = isCall && {
      index: 0,
      id: newId("call"),
      type: "function",
      function: {
        name: tool,
        // opencode's shell tool takes milliseconds and wants a description.
        arguments: JSON.stringify({
          command: reply.shell,
          description: "scripted",
          ...(reply.timeoutS === undefined ? {} : { timeout: reply.timeoutS * 1000 }),
        }),
      },
    };
    const delta = isCall ? { role: "assistant", tool_calls: [call] } : { role: "assistant", content: said };
    const prompt = usage.input + usage.cache_read;
    const choice = (delta: Json, finish_reason: string | null) => ({ index: 0, delta, finish_reason });
    return [
      { ...base, choices: [choice(delta, null)] },
      { ...base, choices: [choice({}, isCall ? "tool_calls" : "stop")] },
      {
        ...base,
        choices: [],
        usage: {
          prompt_tokens: prompt,
          completion_tokens: usage.output,
          total_tokens: prompt + usage.output,
          prompt_tokens_details: { cached_tokens: usage.cache_read },
        },
      },
    ].map((data) => ({ data }));
  },
  whole(events) {
    const [first, last, sum] = events.map(({ data }) => data);
    const delta = (list(first!["choices"])[0]!)["delta"];
    const finish_reason = (list(last!["choices"])[0]!)["finish_reason"];
    return {
      ...first,
      object: "chat.completion",
      choices: [{ index: 0, message: delta, finish_reason }],
      usage: sum!["usage"],
    };
  },
};

const PROTOCOLS: readonly Protocol[] = [messages, responses, completions];
