/** Splits bytes that arrive in pieces into lines. Pure. */

/** Splits a byte stream into lines of text, whatever the pieces; UTF-8, without the newlines. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** The lines that these bytes complete. */
  push(bytes: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }

  /** The text after the last newline; "" at the next call. */
  end(): string {
    const rest = this.#rest;
    this.#rest = "";
    return rest;
  }
}
