/** Splits bytes into lines of bounded length. */

/** One line, or a number: the length of a line that was too long and was dropped, bytes. */
export type Line = string | number;

/**
 * Splits a stream into lines; a line longer than `maxBytes` is dropped and reported. Keeps at most one line in
 * memory.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder("latin1");
  #parts: string[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in `bytes`, without their line ends; each byte becomes the character with the same number. */
  push(bytes: Uint8Array): Line[] {
    const pieces = this.#decoder.decode(bytes).split("\n");
    const lines: Line[] = [];
    for (const [n, piece] of pieces.entries()) {
      this.#add(piece);
      if (n < pieces.length - 1) lines.push(this.#take());
    }
    return lines;
  }

  #add(piece: string): void {
    this.#length += piece.length;
    if (this.#length <= this.#maxBytes) this.#parts.push(piece);
    else this.#parts = [];
  }

  #take(): Line {
    const line = this.#length > this.#maxBytes ? this.#length : this.#parts.join("").replace(/\r$/, "");
    this.#parts = [];
    this.#length = 0;
    return line;
  }
}
