/** The four wire protocols between agents and models, in the form that the scripted model needs. */
import type { Conversation, Reply } from "./model_server.ts";

type Json = Record<string, unknown>;

/** One event of a streamed reply. */
export interface Event {
  event?: string;
  data: Json;
}

/** Tokens of one reply. */
export type Usage = { input: number; output: number; cache_read: number };

/** A shell tool as an agent declares it. */
export interface ShellTool {
  name: string;
  /** Names of its arguments. */
  takes: readonly string[];
}

/** One wire protocol. */
export interface Protocol {
  /** Matches the paths of its requests. */
  path: RegExp;
  end: string;
  /** The agent's shell tool. */
  shellTool(body: Json): ShellTool | undefined;
  read(body: Json): Conversation;
  write(reply: Reply, tool: ShellTool | undefined, model: string, usage: Usage): Event[];
  /** The reply of these events as one body, for a request without streaming. */
  whole(events: Event[]): Json;
}

const SHELL_TOOLS = ["Bash", "bash", "exec_command", "run_shell_command"];

/** Finds the shell tool among declarations, each with a name and a schema. */
function shellToolIn(tools: readonly { name: unknown; schema: unknown }[]): ShellTool | undefined {
  const tool = tools.find(({ name }) => SHELL_TOOLS.includes(String(name)));
  if (tool === undefined) return undefined;
  const schema = tool.schema as { properties?: Json } | undefined;
  return { name: String(tool.name), takes: Object.keys(schema?.properties ?? {}) };
}

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

/** The arguments of a shell call, whose names and units differ by agent. */
function shellArguments(reply: { shell: string; timeoutS?: number }, { name, takes }: ShellTool): Json {
  const { shell, timeoutS } = reply;
  if (name === "exec_command") return { cmd: shell, yield_time_ms: (timeoutS ?? 30) * 1000 };
  const description = takes.includes("description") ? { description: "scripted" } : {};
  const background = takes.includes("is_background") ? { is_background: false } : {};
  // copilot waits at least 30 s. The others take milliseconds; only pi, whose tool has neither argument, takes seconds.
  const wait = takes.includes("initial_wait")
    ? { mode: "sync", initial_wait: Math.max(30, timeoutS ?? 30) }
    : {};
  const unit = name === "bash" && !takes.includes("description") && !takes.includes("workdir") ? 1 : 1000;
  const timeout = timeoutS === undefined || !takes.includes("timeout") ? {} : { timeout: timeoutS * unit };
  return { command: shell, ...description, ...background, ...wait, ...timeout };
}

function newId(prefix: string): string {
  return `${prefix}_${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

const messages: Protocol = {
  path: /\/messages$/,
  end: "",
  shellTool: (body) =>
    shellToolIn(list(body["tools"]).map(({ name, input_schema }) => ({ name, schema: input_schema }))),
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
        // claude puts the output of its hooks between the messages, as messages of the system.
        if (block["type"] === "text" && message["role"] !== "assistant") users.push(String(block["text"]));
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
      ? { type: "tool_use", id: newId("toolu"), name: tool?.name, input: {} }
      : { type: "text", text: "" };
    const delta = isCall
      ? { type: "input_json_delta", partial_json: JSON.stringify(shellArguments(reply, tool!)) }
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

/** codex's tool that waits for a running command. */
const POLL_TOOL = "write_stdin";

const responses: Protocol = {
  path: /\/responses$/,
  end: "",
  shellTool: (body) =>
    shellToolIn(
      list(body["tools"]).flatMap((tool) => tool["type"] === "namespace" ? list(tool["tools"]) : [tool])
        .map(({ name, parameters }) => ({ name, schema: parameters })),
    ),
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
      // The result of a poll replaces the result of the call itself.
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
        name: "poll" in reply ? POLL_TOOL : tool?.name,
        arguments: JSON.stringify(
          "poll" in reply
            ? { session_id: reply.poll, chars: "", yield_time_ms: 60_000 }
            : shellArguments(reply, tool!),
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
  path: /\/chat\/completions$/,
  end: "data: [DONE]\n\n",
  shellTool: (body) =>
    shellToolIn(
      list(body["tools"]).map((tool) => tool["function"] as Json)
        .map(({ name, parameters }) => ({ name, schema: parameters })),
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
      function: { name: tool?.name, arguments: JSON.stringify(shellArguments(reply, tool!)) },
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

const generate: Protocol = {
  path: /:(stream)?generateContent$/i,
  end: "",
  shellTool: (body) =>
    shellToolIn(
      list(body["tools"]).flatMap((tool) => list(tool["functionDeclarations"]))
        .map(({ name, parametersJsonSchema }) => ({ name, schema: parametersJsonSchema })),
    ),
  read(body) {
    const users: string[] = [];
    const results: string[] = [];
    let calls = 0;
    for (const { role, parts } of list(body["contents"])) {
      for (const { text, functionCall, functionResponse } of list(parts)) {
        if (functionCall !== undefined) calls++;
        if (functionResponse !== undefined) {
          const response = (functionResponse as Json)["response"] as Json;
          results.push(String(response["output"] ?? JSON.stringify(response)));
        }
        if (text !== undefined && role !== "model") users.push(String(text));
      }
    }
    return conversationOf(users, results, calls);
  },
  write(reply, tool, model, usage) {
    const part = "shell" in reply
      ? { functionCall: { id: newId("call"), name: tool?.name, args: shellArguments(reply, tool!) } }
      : { text: "text" in reply ? reply.text : "" };
    const input = usage.input + usage.cache_read;
    const data = {
      candidates: [{ content: { role: "model", parts: [part] }, finishReason: "STOP", index: 0 }],
      usageMetadata: {
        promptTokenCount: input,
        candidatesTokenCount: usage.output,
        cachedContentTokenCount: usage.cache_read,
        totalTokenCount: input + usage.output,
      },
      modelVersion: model,
      responseId: newId("resp"),
    };
    return [{ data }];
  },
  whole: (events) => events[0]!.data,
};

/** All of them. */
export const PROTOCOLS: readonly Protocol[] = [messages, responses, completions, generate];
