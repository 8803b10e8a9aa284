/**
 * What a program showed on its terminal, as text: its last screen, or readable lines from a recording.
 *
 * The emulator is `@xterm/headless`, loaded when something has to be drawn: a recording of plain lines never
 * needs it. Memory is bounded whatever the input.
 */
import { sanitize } from "./style.ts";

/** The part of `@xterm/headless` in use: its own types are of no form that Deno reads. */
interface Terminal {
  readonly buffer: { readonly active: Buffer; readonly normal: Buffer };
  readonly parser: {
    registerCsiHandler(id: { prefix?: string; final: string }, handler: (params: number[]) => boolean): void;
    registerEscHandler(id: { final: string }, handler: () => boolean): void;
  };
  readonly options: { scrollback: number; convertEol: boolean };
  readonly rows: number;
  /** Calls back when the data is parsed; several writes are parsed in one go, each with its own call. */
  write(data: string | Uint8Array, done: () => void): void;
}

interface Buffer {
  readonly type: "normal" | "alternate";
  /** Rows above the screen; the cursor's place below them. */
  readonly baseY: number;
  readonly cursorX: number;
  readonly cursorY: number;
  getLine(
    y: number,
  ): { readonly isWrapped: boolean; translateToString(trimRight: boolean): string } | undefined;
}

/** Size of a terminal. */
export interface TerminalSize {
  cols: number;
  rows: number;
}

async function openTerminal({ cols, rows }: TerminalSize, scrollback: number): Promise<Terminal> {
  const { Terminal } = await import("@xterm/headless");
  return new Terminal({ cols, rows, scrollback, allowProposedApi: true, logLevel: "off" });
}

/** The text of rows that are one wrapped line, trailing spaces included. */
function textOf(buffer: Buffer, from: number, to: number): string {
  let text = "";
  for (let y = from; y < to; y++) text += buffer.getLine(y)?.translateToString(false) ?? "";
  return sanitize(text);
}

/** All rows of the screen that shows now. */
function screenOf({ buffer: { active }, rows }: Terminal): string[] {
  const top = active.baseY;
  return Array.from({ length: rows }, (_, y) => textOf(active, top + y, top + y + 1).trimEnd());
}

/** The screen that a program left, as many rows as it has; made after {@link renderScreen}. */
export async function renderRows(bytes: Uint8Array | string, size: TerminalSize): Promise<string[]> {
  const terminal = await openTerminal(size, 0);
  await new Promise<void>((resolve) => terminal.write(bytes, resolve));
  return screenOf(terminal);
}

/** The last `lastLines` non-empty lines of the screen that a program left, e.g. to show why a worker is not ready. */
export async function renderScreen(
  bytes: Uint8Array | string,
  { cols = 160, rows = 50, lastLines }: { cols?: number; rows?: number; lastLines: number },
): Promise<string[]> {
  const filled = (await renderRows(bytes, { cols, rows })).filter((line) => line !== "");
  return filled.slice(Math.max(0, filled.length - lastLines));
}

/** Longest line, UTF-16 units: what never ends is cut there. */
const MAX_LINE = 1 << 20;

/**
 * What only a screen can show: the cursor going back, up or elsewhere, erasing, another character set. Colours,
 * titles and line ends are none of it, nor is what may be the torn beginning of one of those.
 */
// deno-lint-ignore no-control-regex -- control characters are what it looks for
const DRAWS = /\r(?![\r\n]|$)|[\b\v\f\x0e\x0f]|\x1b(?:[^[\]]|\[[\d;:]*[^\d;:m])/;

/**
 * Turns a recorded terminal, piece by piece, into lines that read well one after the other.
 *
 * Plain output passes as it was printed, each line once it is ended; only colours and control characters go.
 * From the first piece on that draws, an emulator reads on, see {@link Drawing}.
 */
export class LogRenderer {
  readonly #size: TerminalSize;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The plain line that is not ended yet, and what of it was shown already. */
  #open = "";
  #shown = "";
  #drawing: Drawing | undefined;

  constructor({ cols = 160, rows = 50 }: Partial<TerminalSize> = {}) {
    this.#size = { cols, rows };
  }

  /** Whether a full-screen program shows its own screen now. */
  get isFullScreen(): boolean {
    return this.#drawing?.isFullScreen === true;
  }

  /** Takes the next piece of the recording; returns the lines to show now. */
  async push(chunk: Uint8Array | string): Promise<string[]> {
    const text = typeof chunk === "string" ? chunk : this.#decoder.decode(chunk, { stream: true });
    if (this.#drawing !== undefined) return await this.#drawing.push(text);
    const lines = (this.#open + text).split("\n");
    const first = lines.findIndex((line, n) => DRAWS.test(n < lines.length - 1 ? `${line}\n` : line));
    if (first >= 0) {
      this.#drawing = await Drawing.open(this.#size);
      return [
        ...lines.slice(0, first).map(plainLine),
        ...await this.#drawing.push(lines.slice(first).join("\n")),
      ];
    }
    this.#open = lines.pop() ?? "";
    this.#shown = "";
    if (this.#open.length > MAX_LINE) {
      lines.push(this.#open.slice(0, MAX_LINE));
      this.#open = this.#open.slice(MAX_LINE);
    }
    return lines.map(plainLine);
  }

  /** For a recording that has been quiet for a while: also what is not ended yet, such as a question. */
  settle(): string[] {
    if (this.#drawing !== undefined) return this.#drawing.settle();
    if (this.#open === this.#shown || this.#open.trim() === "") return [];
    this.#shown = this.#open;
    return [plainLine(this.#open)];
  }

  /** The recording is over: returns what is left to show. */
  end(): string[] {
    if (this.#drawing !== undefined) return this.#drawing.end();
    const open = this.#open + this.#decoder.decode();
    this.#open = "";
    return open === "" || open === this.#shown ? [] : [plainLine(open)];
  }
}

/**
 * The last `count` non-empty lines of output that needs no screen to be read; undefined where a program draws, and
 * only {@link renderScreen} could show it.
 */
export function plainTail(text: string, count: number): string[] | undefined {
  const lines = text.split("\n");
  if (lines.some((line) => DRAWS.test(`${line}\n`))) return undefined;
  return lines.map(plainLine).filter((line) => line.trim() !== "").slice(-count);
}

/** A line of output as it was printed, tabs and trailing spaces included. */
function plainLine(line: string): string {
  return sanitize(line.replace(/\r+$/, "")).replaceAll("\n", " ");
}

/** Text between two looks at the screen: about a frame of a program that draws. */
const SLICE = 4096;
/** Looks without a repaint after which what is printed counts as plain output again. */
const CALM = 3;
/** Looks that a repainted row must keep its text before it is shown. */
const AT_REST = 2;
/** Clears of the screen after which it is taken for a program's frames rather than for a fresh page. */
const CLEARS = 3;
/** Latest lines by which a repainted one is known to have been shown. */
const REMEMBERED = 500;

/** One line of the screen, at the row it begins in. */
interface Row {
  text: string;
  /** The row below its last one. */
  end: number;
  /** The cursor has been below it. */
  passed: boolean;
  /** Looks for which it has kept its text. */
  age: number;
  /** What was last shown of it. */
  shown?: string;
}

/** Why the screen is looked at: after a slice, before it is erased, after some quiet, at the end. */
type Look = "slice" | "wipe" | "quiet" | "end";

/**
 * Lines out of what a program draws.
 *
 * What is printed from top to bottom is shown as it is passed. What a program repaints is shown when it has come
 * to rest, and again only when its words have changed (not its digits, bars or spinner) or when it leaves the
 * screen. The screen of a full-screen program is no story: it is shown once, as it is when the program leaves
 * it or the recording ends.
 */
class Drawing {
  readonly #terminal: Terminal;
  #rows: Row[] = [];
  /** The beginning of a wrapped line whose first rows have left the screen. */
  #begun = "";
  #out: string[] = [];
  #calm = CALM;
  #clears = 0;
  readonly #recent = new Set<string>();

  private constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const { parser, buffer } = terminal;
    parser.registerEscHandler({ final: "c" }, () => this.#wipe());
    parser.registerCsiHandler({ final: "J" }, ([mode = 0]) => {
      const { cursorX, cursorY } = buffer.active;
      return mode >= 2 || mode === 0 && cursorX === 0 && cursorY === 0 ? this.#wipe() : false;
    });
    for (const final of ["h", "l"]) {
      parser.registerCsiHandler({ prefix: "?", final }, (modes) => this.#switch(modes));
    }
  }

  static async open(size: TerminalSize): Promise<Drawing> {
    return new Drawing(await openTerminal(size, SLICE));
  }

  get isFullScreen(): boolean {
    return this.#terminal.buffer.active.type === "alternate";
  }

  async push(text: string): Promise<string[]> {
    // A terminal's driver ends lines with CR LF; where none does, the log is a plain file.
    if (text.includes("\n")) this.#terminal.options.convertEol = !text.includes("\r\n");
    const slices = text.match(new RegExp(`[^]{1,${SLICE}}`, "g")) ?? [];
    await Promise.all(
      slices.map((slice) =>
        new Promise<void>((resolve) =>
          this.#terminal.write(slice, () => {
            this.#look("slice");
            resolve();
          })
        )
      ),
    );
    return this.#drain();
  }

  settle(): string[] {
    this.#look("quiet");
    return this.#drain();
  }

  end(): string[] {
    if (this.isFullScreen) this.#showScreen();
    this.#look("end");
    return this.#drain();
  }

  #drain(): string[] {
    return this.#out.splice(0);
  }

  #show(text: string): void {
    this.#out.push(text);
    this.#recent.delete(text);
    this.#recent.add(text);
    if (this.#recent.size > REMEMBERED) this.#recent.delete(this.#recent.values().next().value ?? "");
  }

  /** Looks at what is about to be erased. Returns that the sequence is still to be carried out. */
  #wipe(): false {
    this.#look("wipe");
    if (!this.isFullScreen && ++this.#clears <= CLEARS) this.#rows = [];
    return false;
  }

  /** The same for a change to or from the alternate screen, which programs that fill the screen draw on. */
  #switch(modes: readonly number[]): false {
    if (!modes.some((mode) => mode === 47 || mode === 1047 || mode === 1049)) return false;
    if (this.isFullScreen) this.#showScreen();
    else this.#look("wipe");
    return false;
  }

  #showScreen(): void {
    const rows = screenOf(this.#terminal);
    const from = rows.findIndex((row) => row !== "");
    const to = rows.findLastIndex((row) => row !== "") + 1;
    for (const row of from < 0 ? [] : rows.slice(from, to)) this.#show(row);
  }

  #look(why: Look): void {
    if (this.isFullScreen) return;
    const { normal } = this.#terminal.buffer;
    const rows = this.#read(normal);
    const isRepainted = rows.some((row, y) => this.#rows[y]?.passed && row.age === 0);
    this.#calm = isRepainted ? 0 : this.#calm + 1;
    for (const row of Object.values(rows)) this.#showRow(row, why, row.end <= normal.baseY);
    this.#rows = rows;
    if (normal.baseY > 0) this.#forget(normal);
  }

  /** The lines on and above the screen, each at its first row; rows that only go on with a line are left out. */
  #read(buffer: Buffer): Row[] {
    const rows: Row[] = [];
    const length = buffer.baseY + this.#terminal.rows;
    for (let y = 0, end = 1; y < length; y = end++) {
      while (end < length && buffer.getLine(end)?.isWrapped) end++;
      const text = ((y === 0 ? this.#begun : "") + textOf(buffer, y, end)).trimEnd();
      const before = this.#rows[y];
      const age = before?.text === text ? before.age + 1 : 0;
      const passed = before?.passed === true || end <= buffer.baseY + buffer.cursorY;
      rows[y] = { text, end, passed, age, ...(before?.shown === undefined ? {} : { shown: before.shown }) };
    }
    return rows;
  }

  #showRow(row: Row, why: Look, leaves: boolean): void {
    const { text, shown, passed } = row;
    if (text === shown) return;
    const isPrinted = this.#calm >= CALM && shown === undefined;
    const isNews = isPrinted
      ? passed || why !== "slice" && text !== ""
      : text !== "" && this.#isNews(row, why, leaves);
    if (!isNews) return;
    this.#show(text);
    row.shown = text;
  }

  /** Whether a repainted row is to be shown: by its words while it stays, to the letter when it goes. */
  #isNews({ text, shown, passed, age }: Row, why: Look, leaves: boolean): boolean {
    if (this.#recent.has(text)) return false;
    if (leaves || why === "end" || why === "wipe" && shown === undefined) return true;
    const rests = why !== "slice" || passed && age >= AT_REST;
    return rests && wordsOf(text) !== wordsOf(shown ?? "");
  }

  /** Lets go of the rows above the screen; the beginning of a line that goes on there is kept. */
  #forget(normal: Buffer): void {
    const top = normal.baseY;
    const begins = this.#rows.findLastIndex((row, y) => row !== undefined && y < top && row.end > top);
    const begun = begins < 0 ? "" : (begins === 0 ? this.#begun : "") + textOf(normal, begins, top);
    const split = this.#rows[begins];
    this.#rows = this.#rows.slice(top);
    if (split !== undefined) this.#rows[0] = split;
    this.#begun = begun.length > MAX_LINE ? "" : begun;
    if (begun.length > MAX_LINE) this.#show(begun);
    this.#terminal.options.scrollback = 0;
    this.#terminal.options.scrollback = SLICE;
  }
}

/** A text's letters alone. */
function wordsOf(text: string): string {
  return text.replace(/[^\p{L}]+/gu, " ").trim();
}
