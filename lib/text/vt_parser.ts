/** Takes a terminal's byte stream apart into characters, controls and sequences (ECMA-48). Pure. */

/** Numbers that a control sequence may carry; the rest of a longer one is ignored. */
const MAX_PARAMS = 16;
const MAX_PARAM = 9999;

/** Where the parser is; SKIP: behind an intermediate byte; STRING: OSC, DCS, APC, PM, SOS up to BEL or ST. */
const GROUND = 0, ESCAPE = 1, SKIP = 2, CHARSET_G0 = 3, CHARSET_G1 = 4, CSI = 5, STRING = 6;

/** Who is told what the stream says. Strings (titles, queries, pictures) are told to nobody. */
export interface Handler {
  /** Printable ASCII begins at `text[i]`; returns the index of the last character that was taken. */
  ascii(text: string, i: number): number;
  /** A character beyond ASCII. */
  char(char: string, code: number): void;
  /** A C0 control. */
  control(code: number): void;
  /** ESC and a final byte. */
  escape(final: string): void;
  /** A character set is chosen for G0 or G1. */
  charset(set: 0 | 1, name: string): void;
  /** A control sequence; absent numbers are 0, the list has at least one. */
  csi(final: string, params: readonly number[], prefix: string, intermediate: string): void;
}

/** Parses a stream piece by piece: a character or a sequence may be torn anywhere. */
export class VtParser {
  readonly #handler: Handler;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #state = GROUND;
  #params: number[] = [];
  #prefix = "";
  #intermediate = "";
  #highSurrogate = "";

  constructor(handler: Handler) {
    this.#handler = handler;
  }

  /** Takes the next piece. */
  write(chunk: Uint8Array | string): void {
    this.#feed(typeof chunk === "string" ? chunk : this.#decoder.decode(chunk, { stream: true }));
  }

  /** The stream is over: tells what a torn last character left behind. */
  flush(): void {
    this.#feed(this.#decoder.decode());
    if (this.#highSurrogate !== "") this.#feed("\ufffd");
  }

  #feed(chunk: string): void {
    const text = this.#highSurrogate + chunk;
    this.#highSurrogate = "";
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x80) {
        if (this.#state === GROUND && code >= 0x20 && code < 0x7f) i = this.#handler.ascii(text, i);
        else this.#byte(code, text[i]!);
      } else if (code < 0xd800 || code > 0xdfff) {
        this.#other(text[i]!, code);
      } else if (code < 0xdc00 && i + 1 === text.length) {
        this.#highSurrogate = text[i]!;
      } else {
        const point = text.codePointAt(i)!;
        if (point > 0xffff) this.#other(text.slice(i, ++i + 1), point);
        else this.#other("\ufffd", 0xfffd);
      }
    }
  }

  /** A character beyond ASCII. C1 controls are ignored: in UTF-8 nobody means them, and DCS would eat the rest. */
  #other(char: string, code: number): void {
    if (this.#state === GROUND) {
      if (code >= 0xa0 && !isBidiControl(code)) this.#handler.char(char, code);
    } else if (this.#state !== STRING) this.#state = GROUND;
  }

  /** An ASCII byte that is a control or belongs to a sequence. */
  #byte(code: number, char: string): void {
    if (code === 0x18 || code === 0x1a) {
      this.#state = GROUND;
    } else if (code === 0x1b) {
      this.#state = ESCAPE;
    } else if (this.#state === STRING) {
      if (code === 0x07) this.#state = GROUND;
    } else if (code < 0x20) {
      this.#handler.control(code);
    } else if (code !== 0x7f) {
      this.#sequence(code, char);
    }
  }

  #sequence(code: number, char: string): void {
    if (this.#state === CSI) return this.#csiByte(code, char);
    if (this.#state === SKIP && code < 0x30) return;
    const state = this.#state;
    this.#state = GROUND;
    if (state === CHARSET_G0) this.#handler.charset(0, char);
    else if (state === CHARSET_G1) this.#handler.charset(1, char);
    else if (state === ESCAPE) this.#escape(code, char);
  }

  #escape(code: number, char: string): void {
    if (char === "[") {
      this.#state = CSI;
      this.#params = [0];
      this.#prefix = this.#intermediate = "";
    } else if ("]PX^_".includes(char)) this.#state = STRING;
    else if (code >= 0x30) this.#handler.escape(char);
    else this.#state = char === "(" ? CHARSET_G0 : char === ")" ? CHARSET_G1 : SKIP;
  }

  #csiByte(code: number, char: string): void {
    const last = this.#params.length - 1;
    if (code >= 0x30 && code <= 0x39) {
      this.#params[last] = Math.min(MAX_PARAM, this.#params[last]! * 10 + code - 0x30);
    } else if (code === 0x3a || code === 0x3b) {
      if (this.#params.length < MAX_PARAMS) this.#params.push(0);
    } else if (code >= 0x3c && code <= 0x3f) {
      this.#prefix = char;
    } else if (code < 0x30) {
      this.#intermediate = char;
    } else {
      this.#state = GROUND;
      this.#handler.csi(char, this.#params, this.#prefix, this.#intermediate);
    }
  }
}

/** Embeddings, overrides and isolates: they make a line read as what it is not. */
function isBidiControl(code: number): boolean {
  return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}
