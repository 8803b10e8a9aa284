/** Splits bytes that arrive in pieces into lines. Pure. */

/** The longest line that is kept, characters: more than an entry with pictures in an agent's record has. */
const MAX_LINE = 32 * 1024 * 1024;
const NEWLINE = 10;

/**
 * Splits a byte stream into lines of text, whatever the pieces; UTF-8, without the newlines. A line that is too long is
 * left out, and never held.
 */
export class LineSplitter {
  readonly #maxLine: number;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #isOverlong = false;

  constructor(maxLine = MAX_LINE) {
    this.#maxLine = maxLine;
  }

  /** The lines that these bytes complete. */
  push(bytes: Uint8Array): string[] {
    const from = this.#isOverlong ? bytes.indexOf(NEWLINE) + 1 : 0;
    if (this.#isOverlong && from === 0) return [];
    this.#isOverlong = false;
    const lines = this.#decoder.decode(bytes.subarray(from), { stream: true }).split("\n");
    // Only joined, which is cheap: to search a long line again at every piece is not.
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > this.#maxLine) this.#drop();
    return lines;
  }

  /** The text after the last newline; "" at the next call. */
  end(): string {
    const rest = this.#rest;
    this.#rest = "";
    return rest;
  }

  #drop(): void {
    this.#rest = "";
    this.#isOverlong = true;
    this.#decoder.decode();
  }
}
