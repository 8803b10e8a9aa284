/** Bytes taken apart into lines, none longer than a bound. */

/** One line, or a number: so many bytes of a line that was too long and was dropped. */
export type Line = string | number;

/** Splits a stream into lines; what is longer than `maxBytes` is dropped and told. Keeps at most one line. */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder("latin1");
  #parts: string[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in `bytes`, without their line ends; bytes stand as characters of the same number. */
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
