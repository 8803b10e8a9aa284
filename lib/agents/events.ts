/**
 * What headless agents print as events, one JSON object a line (claude's `stream-json`, pi's `--mode json`), as
 * lines that people read. Pure.
 */
import { LineSplitter } from "../text/lines.ts";
import { joined } from "../text/bytes.ts";
import { isRecord } from "../text/json.ts";

/** Whether a template makes its agent print events. */
export function printsEvents(template: string): boolean {
  return /--output-format[= ]stream-json|--mode[= ]json/.test(template);
}

/** Lines of a tool's result that are shown. */
const MAX_RESULT_LINES = 20;
/** Characters of a tool's input that are shown where it is no command. */
const MAX_INPUT = 200;

/** Turns the bytes of such a recording into those of a terminal's: events as text, all else as it is. */
export class EventText {
  readonly #lines = new LineSplitter();
  #isFirst = true;

  push(bytes: Uint8Array): Uint8Array {
    return new TextEncoder().encode(this.#lines.push(bytes).flatMap((line) => this.#line(line)).join(""));
  }

  /** What is not ended by a newline: a message of the shell's, or an event that was cut off. */
  end(): Uint8Array {
    const rest = this.#lines.end();
    return new TextEncoder().encode(rest.startsWith('{"type":') ? "" : rest);
  }

  #line(raw: string): string[] {
    const line = raw.replace(/\r$/, "");
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const shown = eventLines(line);
    if (shown !== undefined) return shown.map((text) => `${text}\r\n`);
    // The end of an event whose beginning was cut off with the log.
    return isFirst && line.endsWith("}") ? [] : [`${line}\r\n`];
  }
}

/** A whole recording, its last line too. Pure. */
export function eventText(recording: Uint8Array): Uint8Array {
  const events = new EventText();
  return joined([events.push(recording), events.end()]);
}

/** One event as lines; undefined when it is none. */
function eventLines(line: string): string[] | undefined {
  if (!line.startsWith('{"type":"')) return undefined;
  try {
    const event: unknown = JSON.parse(line);
    return isRecord(event) ? linesOf(event) : undefined;
  } catch {
    return undefined; // no event after all
  }
}

function linesOf(event: Record<string, unknown>): string[] {
  const message = isRecord(event["message"]) ? event["message"] : {};
  switch (event["type"]) {
    case "assistant":
    case "user": // claude: its prompt, and what its tools returned
      return blocksOf(message["content"]).flatMap(blockLines);
    case "result":
      return [closing(event)];
    case "message_end":
      return piLines(message);
    default:
      return [];
  }
}

function closing(event: Record<string, unknown>): string {
  const usd = event["total_cost_usd"];
  const cost = typeof usd === "number" ? `, $${usd.toFixed(4)}` : "";
  return event["is_error"] === true
    ? `error: ${event["result"] ?? event["subtype"]}${cost}`
    : `(end of turn${cost})`;
}

/** pi: each message whole, as it ends. */
function piLines(message: Record<string, unknown>): string[] {
  const blocks = blocksOf(message["content"]);
  if (message["role"] === "toolResult") return indented(textOf(blocks));
  if (message["role"] !== "assistant") return [];
  const failed = message["errorMessage"];
  return [...blocks.flatMap(blockLines), ...(typeof failed === "string" ? [`error: ${failed}`] : [])];
}

function blocksOf(content: unknown): Record<string, unknown>[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return Array.isArray(content) ? content.filter(isRecord) : [];
}

function blockLines(block: Record<string, unknown>): string[] {
  switch (block["type"]) {
    case "text":
      return String(block["text"]).split("\n");
    case "tool_use":
      return [callLine(String(block["name"]), block["input"])];
    case "toolCall":
      return [callLine(String(block["name"]), block["arguments"])];
    case "tool_result":
      return indented(textOf(blocksOf(block["content"])));
    default:
      return [];
  }
}

function callLine(name: string, input: unknown): string {
  const command = isRecord(input) ? input["command"] : undefined;
  return typeof command === "string"
    ? `$ ${command.replaceAll("\n", "\r\n  ")}`
    : `${name} ${(JSON.stringify(input) ?? "").slice(0, MAX_INPUT)}`;
}

function textOf(blocks: readonly Record<string, unknown>[]): string {
  return blocks.map((block) => typeof block["text"] === "string" ? block["text"] : "").join("\n");
}

function indented(text: string): string[] {
  const lines = text.trimEnd().split("\n");
  const more = lines.length - MAX_RESULT_LINES;
  return [
    ...lines.slice(0, MAX_RESULT_LINES).map((line) => `  ${line}`),
    ...(more > 0 ? [`  (${more} more lines)`] : []),
  ];
}
