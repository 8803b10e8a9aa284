/**
 * A model on 127.0.0.1 that plays scripts, in four wire protocols: Anthropic Messages (pi, claude), OpenAI
 * Responses (codex), OpenAI Chat Completions (opencode, qwen, copilot) and Gemini's (gemini).
 *
 * A script is a function of the conversation as the agent sends it, so the server need not remember anything for
 * retries, restarts and resumed sessions. Every reply costs the same tokens, counted by script.
 */
import { delay } from "../../lib/process/tree.ts";
import { type Event, PROTOCOLS } from "./protocols.ts";

/** A conversation, whatever protocol it came in. */
export interface Conversation {
  /** Name of the script, from `[script:NAME]` in its first prompt. */
  script: string;
  /** Calls of the shell tool so far. */
  calls: number;
  /** Results of all tool calls so far, the oldest first. */
  results: string[];
  /** Texts of the user so far, the prompt first. */
  users: string[];
}

/** What the model does next: call the shell, poll a running command (codex), or end its turn with a text. */
export type Reply = { shell: string; timeoutS?: number } | { poll: number } | { text: string };

/** Decides on the next reply. */
export type Script = (conversation: Conversation) => Reply | Promise<Reply>;

/** Tokens of one reply, in the fields that every protocol has. */
export const REPLY_TOKENS = { input: 2000, output: 150, cache_read: 500 } as const;

/** Tokens that one script has used so far. */
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

  /** Tokens that a script's conversations have used so far. */
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
    const protocol = request.method === "POST" ? PROTOCOLS.find((one) => one.path.test(path)) : undefined;
    if (protocol === undefined) {
      await request.body?.cancel();
      if (/count_?tokens$/i.test(path)) return Response.json({ totalTokens: 1, input_tokens: 1 });
      return Response.json(path.endsWith("/models") ? { object: "list", data: [] } : {});
    }
    const body = JSON.parse(new TextDecoder().decode(await decoded(request))) as Json;
    const tool = protocol.shellTool(body);
    const conversation = protocol.read(body);
    // Requests for titles and summaries declare no shell tool and belong to no script.
    const isSide = tool === undefined || !(conversation.script in this.#scripts);
    const reply = isSide ? { text: sideText(body) } : await this.#scripts[conversation.script]!(conversation);
    if (!isSide) {
      this.#replies.set(conversation.script, (this.#replies.get(conversation.script) ?? 0) + 1);
    }
    const model = String(body["model"] ?? /\/models\/([^/:]+)/.exec(path)?.[1] ?? "");
    const usage = isSide ? { input: 1, output: 1, cache_read: 0 } : REPLY_TOKENS;
    const events = protocol.write(reply, tool, model, usage);
    const isStream = body["stream"] === true || /:stream/.test(path);
    if (!isStream) return Response.json(protocol.whole(events));
    return new Response(streamed(events, protocol.end), { headers: { "content-type": "text/event-stream" } });
  }
}

/** The shortest answer to a request outside the conversation; some agents want JSON that fits their schema. */
function sideText(body: Json): string {
  const within = (value: unknown, ...path: string[]) =>
    path.reduce<unknown>((inner, key) => (inner as Json | undefined)?.[key], value);
  const schema = within(body, "generationConfig", "responseJsonSchema") ??
    within(body, "generationConfig", "responseSchema") ??
    within(body, "response_format", "json_schema", "schema") ??
    within(body, "output_config", "format", "schema");
  return schema === undefined ? "ok" : JSON.stringify(leastOf(schema as Json));
}

function leastOf({ type: named, properties, enum: values, minimum }: Json): unknown {
  // Gemini writes the types in its schemas in capitals.
  const type = String(named).toLowerCase();
  if (Array.isArray(values)) return values[0];
  if (properties !== undefined) {
    return Object.fromEntries(
      Object.entries(properties as Record<string, Json>).map(([key, schema]) => [key, leastOf(schema)]),
    );
  }
  if (type === "array") return [];
  if (type === "boolean") return false;
  return type === "number" || type === "integer" ? minimum ?? 1 : "scripted";
}

/** Delay of the last event, which has the reply's tokens, ms: an agent may have begun the tool call by then. */
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
