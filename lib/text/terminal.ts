/**
 * A program's terminal output as text: its last screen, or readable lines from a recording.
 *
 * The emulator is `@xterm/headless`. It is loaded only when something has to be drawn, since a recording of plain
 * lines does not need it. Memory is bounded whatever the input.
 */
import { sanitize } from "./style.ts";

/** The part of `@xterm/headless` in use, because Deno cannot read the package's own type declarations. */
interface Terminal {
  readonly buffer: { readonly active: Buffer; readonly normal: Buffer };
  readonly parser: {
    registerCsiHandler(id: { prefix?: string; final: string }, handler: (params: number[]) => boolean): void;
    registerEscHandler(id: { final: string }, handler: () => boolean): void;
  };
  readonly options: { scrollback: number; convertEol: boolean };
  readonly rows: number;
  /** Calls back once the data is parsed; several writes are parsed in one go, each with its own callback. */
  write(data: string | Uint8Array, done: () => void): void;
}

interface Buffer {
  readonly type: "normal" | "alternate";
  /** Rows above the screen; the cursor's place is relative to them. */
  readonly baseY: number;
  readonly cursorX: number;
  readonly cursorY: number;
  getLine(
    y: number,
  ): { readonly isWrapped: boolean; translateToString(trimRight: boolean): string } | undefined;
}

/** Size of a terminal, in columns and rows. */
export interface TerminalSize {
  cols: number;
  rows: number;
}

async function openTerminal({ cols, rows }: TerminalSize, scrollback: number): Promise<Terminal> {
  const { Terminal } = await import("@xterm/headless");
  return new Terminal({ cols, rows, scrollback, allowProposedApi: true, logLevel: "off" });
}

/** The text of the rows that form one wrapped line, trailing spaces included. */
function textOf(buffer: Buffer, from: number, to: number): string {
  let text = "";
  for (let y = from; y < to; y++) text += buffer.getLine(y)?.translateToString(false) ?? "";
  return sanitize(text);
}

/** All rows of the visible screen. */
function screenOf({ buffer: { active }, rows }: Terminal): string[] {
  const top = active.baseY;
  return Array.from({ length: rows }, (_, y) => textOf(active, top + y, top + y + 1).trimEnd());
}

/** The screen that a program shows, while its recording grows. */
export class LiveScreen {
  readonly #size: TerminalSize;
  #terminal: Terminal | undefined;

  constructor(size: TerminalSize) {
    this.#size = size;
  }

  /** Takes the next piece of the recording. */
  async push(bytes: Uint8Array | string): Promise<void> {
    const terminal = this.#terminal ??= await openTerminal(this.#size, 0);
    await new Promise<void>((resolve) => terminal.write(bytes, resolve));
  }

  /** Its rows as they are now, as many as it has. */
  rows(): string[] {
    return this.#terminal === undefined ? [] : screenOf(this.#terminal);
  }
}

/** The screen as a program left it, all its rows; {@link renderScreen} returns only the filled ones. */
export async function renderRows(bytes: Uint8Array | string, size: TerminalSize): Promise<string[]> {
  const screen = new LiveScreen(size);
  await screen.push(bytes);
  return screen.rows();
}

/**
 * The last `lastLines` non-empty lines of the screen as a program left it, e.g. to show why a worker is not ready.
 */
export async function renderScreen(
  bytes: Uint8Array | string,
  { cols = 160, rows = 50, lastLines }: { cols?: number; rows?: number; lastLines: number },
): Promise<string[]> {
  const filled = (await renderRows(bytes, { cols, rows })).filter((line) => line !== "");
  return filled.slice(Math.max(0, filled.length - lastLines));
}

/** Length at which an endless line is cut, UTF-16 units. */
const MAX_LINE = 1 << 20;

/**
 * Output that only a screen can show: moving the cursor back, up or elsewhere, erasing, another character set.
 * Colours, titles and line ends do not count, nor does a sequence that may be the torn beginning of one of these.
 */
// deno-lint-ignore no-control-regex -- it looks for control characters
const DRAWS = /\r(?![\r\n]|$)|[\b\v\f\x0e\x0f]|\x1b(?:[^[\]]|\[[\d;:]*[^\d;:m])/;

/**
 * Turns a terminal recording, piece by piece, into lines that read well one after the other.
 *
 * Plain output passes as it was printed, each line once it has ended; only colours and control characters are
 * removed. From the first piece that draws, an emulator takes over, see {@link Drawing}.
 */
export class LogRenderer {
  readonly #size: TerminalSize;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The plain line that has not ended yet, and the part of it that was already shown. */
  #open = "";
  #shown = "";
  #drawing: Drawing | undefined;

  constructor({ cols = 160, rows = 50 }: Partial<TerminalSize> = {}) {
    this.#size = { cols, rows };
  }

  /** Whether a full-screen program's own screen is visible now. */
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

  /** Lines to show when a recording has been quiet for a while, including an unfinished line such as a question. */
  settle(): string[] {
    if (this.#drawing !== undefined) return this.#drawing.settle();
    if (this.#open === this.#shown || this.#open.trim() === "") return [];
    this.#shown = this.#open;
    return [plainLine(this.#open)];
  }

  /** Ends the recording and returns what is left to show. */
  end(): string[] {
    if (this.#drawing !== undefined) return this.#drawing.end();
    const open = this.#open + this.#decoder.decode();
    this.#open = "";
    return open === "" || open === this.#shown ? [] : [plainLine(open)];
  }
}

/**
 * The last `count` non-empty lines of plain output; undefined when the program draws, so that only
 * {@link renderScreen} can show it.
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

/** Amount of text between two looks at the screen, UTF-16 units: about one frame of a program that draws. */
const SLICE = 4096;
/** Looks without a repaint after which output counts as plain again. */
const CALM = 3;
/** Looks for which a repainted row must keep its text before it is shown. */
const AT_REST = 2;
/** Clears of the screen after which they count as a program's frames rather than as fresh pages. */
const CLEARS = 3;
/** Number of latest lines among which a repainted line is recognized as already shown. */
const REMEMBERED = 500;

/** One line of the screen, stored at the row in which it begins. */
interface Row {
  text: string;
  /** The row below its last one. */
  end: number;
  /** Whether the cursor has been below it. */
  passed: boolean;
  /** Number of looks for which it has kept its text. */
  age: number;
  /** The text last shown of it. */
  shown?: string;
}

/** The reason for looking at the screen: after a slice, before it is erased, after some quiet, at the end. */
type Look = "slice" | "wipe" | "quiet" | "end";

/**
 * Extracts lines from a program that draws.
 *
 * Text printed from top to bottom is shown as the cursor passes it. A repainted line is shown once it has come to
 * rest, and again only when its words have changed (not its digits, bars or spinner) or when it leaves the screen. A
 * full-screen program's screen is not a sequence of lines: it is shown once, in its last state, when the program
 * leaves it or the recording ends.
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
    // A terminal driver ends lines with CR LF; a log without any CR LF is a plain file.
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

  /** Looks at the screen before it is erased. Returns false, so that the emulator still carries out the sequence. */
  #wipe(): false {
    this.#look("wipe");
    if (!this.isFullScreen && ++this.#clears <= CLEARS) this.#rows = [];
    return false;
  }

  /** Does the same when a program enters or leaves the alternate screen, on which full-screen programs draw. */
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

  /** The lines on and above the screen, each at its first row; rows that continue a line are left out. */
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

  /** Whether a repainted row is to be shown: while it stays, only its words count; when it goes, every character. */
  #isNews({ text, shown, passed, age }: Row, why: Look, leaves: boolean): boolean {
    if (this.#recent.has(text)) return false;
    if (leaves || why === "end" || why === "wipe" && shown === undefined) return true;
    const rests = why !== "slice" || passed && age >= AT_REST;
    return rests && wordsOf(text) !== wordsOf(shown ?? "");
  }

  /** Forgets the rows above the screen, but keeps the beginning of a line that continues on it. */
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

/** The letters of a text alone. */
function wordsOf(text: string): string {
  return text.replace(/[^\p{L}]+/gu, " ").trim();
}
