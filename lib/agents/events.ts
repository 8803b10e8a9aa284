/**
 * Turns the events that headless agents print, one JSON object per line (claude's `stream-json`, pi's `--mode json`),
 * into lines for people. Pure.
 */
import { LineSplitter } from "../text/lines.ts";
import { joined } from "../text/bytes.ts";
import { parseRecord } from "../text/json.ts";
import { storyLines, storyReader } from "./story.ts";

/** Whether a template makes its agent print events. */
export function printsEvents(template: string): boolean {
  return /--output-format[= ]stream-json|--mode[= ]json/.test(template);
}

/** Turns the bytes of such a recording into those of a terminal's: events as text, everything else unchanged. */
export class EventText {
  readonly #lines = new LineSplitter();
  readonly #readers = { claude: storyReader("claude"), pi: storyReader("pi") };
  #isFirst = true;

  push(bytes: Uint8Array): Uint8Array {
    const lines = this.#lines.push(bytes).flatMap((line) => this.#line(line));
    return new TextEncoder().encode(lines.map((line) => `${line}\r\n`).join(""));
  }

  /** The rest after the last newline: a message from the shell, or an event that was cut off. */
  end(): Uint8Array {
    const rest = this.#lines.end();
    return new TextEncoder().encode(rest.startsWith("{") ? "" : rest);
  }

  #line(raw: string): string[] {
    const line = raw.replace(/\r$/, "");
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const event = parseRecord(line);
    if (typeof event?.["type"] !== "string") {
      // The end of an event whose beginning was cut off with the log.
      return isFirst && line.endsWith("}") ? [] : [line];
    }
    const reader = event["type"] === "message_end" ? this.#readers.pi : this.#readers.claude;
    return reader(event).flatMap(storyLines);
  }
}

/** A whole recording, including its last line. Pure. */
export function eventText(recording: Uint8Array): Uint8Array {
  const events = new EventText();
  return joined([events.push(recording), events.end()]);
}
