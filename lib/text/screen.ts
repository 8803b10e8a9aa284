/**
 * A small VT emulator: what a terminal shows after a program wrote to it. Pure, and of bounded memory whatever
 * the input.
 *
 * The sequences follow ECMA-48 and DEC's VT220 as xterm describes them
 * (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html); where real terminals differ, what tmux and xterm.js do.
 */
import { Line } from "./screen_line.ts";
import { charWidth } from "./style.ts";
import { VtParser } from "./vt_parser.ts";

/** Lines kept after they left the top of the main screen. */
const SCROLLBACK_LINES = 2000;
/** DEC Special Graphics, from `_` to `~`. */
const LINE_DRAWING = [..." ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"];

interface Cursor {
  x: number;
  y: number;
  origin: boolean;
  graphics: boolean[];
  shift: number;
}

/** The main or the alternate screen. */
interface Buffer {
  lines: Line[];
  /** First and last row of the scroll region. */
  top: number;
  bottom: number;
  saved: Cursor | undefined;
}

/** Who is told while a screen changes; it keeps what it wants, so there is no scrollback. */
export interface Watcher {
  /** A line left its scroll region at the top. */
  leaves(line: Line): void;
  /** The whole screen is about to be erased or switched. */
  wipes(): void;
}

/** What one final byte does; `n` and `m` are its first two numbers, 0 when absent. */
type Action = (screen: Screen, params: readonly number[], n: number, m: number) => void;

/** A terminal of fixed size. Colours, titles, replies and mouse modes are understood and ignored. */
export class Screen {
  readonly cols: number;
  readonly rows: number;
  /** Lines that left the main screen at its top since the start. */
  scrolled = 0;
  /** Set when the cursor goes back up; cleared by whoever watches. */
  movedUp = false;
  /** Marks what is written from here on as rewritten; set when the cursor goes back up. */
  repainting = false;

  #main: Buffer;
  #alt: Buffer | undefined;
  #buffer: Buffer;
  #scrollback: Line[] = [];
  #watcher: Watcher | undefined;
  /** Column of the cursor; `cols` when the last column was just written and the next character wraps. */
  #x = 0;
  #y = 0;
  #graphics = [false, false];
  #shift = 0;
  #autowrap = true;
  #insert = false;
  #origin = false;
  #newline = false;
  #tabs: boolean[] = [];
  #lastChar = "";
  /** A line was ended by CR LF, as a terminal's driver does. */
  #returns = false;

  readonly #parser = new VtParser({
    ascii: (text, i) => this.#printRun(text, i),
    char: (char, code) => this.#put(char, charWidth(code)),
    control: (code) => this.#control(code),
    escape: (final) => Screen.#ESCAPES[final]?.(this, [], 0, 0),
    charset: (set, name) => this.#graphics[set] = name === "0",
    csi: (final, params, prefix, intermediate) => this.#dispatch(final, params, prefix, intermediate),
  });

  constructor(cols: number, rows: number, watcher?: Watcher) {
    this.cols = Math.max(2, Math.floor(cols));
    this.rows = Math.max(1, Math.floor(rows));
    this.#watcher = watcher;
    this.#main = this.#newBuffer();
    this.#buffer = this.#main;
    this.#resetTabs();
  }

  /** Row of the cursor. */
  get row(): number {
    return this.#y;
  }

  /** Whether the alternate screen shows. */
  get alternate(): boolean {
    return this.#alt !== undefined;
  }

  /** The rows that show now; not to be changed. */
  get view(): readonly Line[] {
    return this.#buffer.lines;
  }

  /** The rows as text, without trailing spaces; as many as the screen has rows. */
  lines(): string[] {
    return this.#buffer.lines.map((line) => line.shown());
  }

  /** The latest lines that left the top of the main screen, oldest first; at most 2000 are kept. */
  scrollback(maxLines: number): string[] {
    const count = Math.min(Math.max(0, Math.floor(maxLines)), SCROLLBACK_LINES, this.#scrollback.length);
    return this.#scrollback.slice(this.#scrollback.length - count).map((line) => line.shown());
  }

  /** Shows the next bytes of the program; a character or sequence may be torn between calls. */
  write(chunk: Uint8Array | string): void {
    this.#parser.write(chunk);
  }

  /** Shows what a torn last character left behind. */
  flush(): void {
    this.#parser.flush();
  }

  #control(code: number): void {
    if (code === 0x08) this.#x = Math.max(0, Math.min(this.#x, this.cols - 1) - 1);
    else if (code === 0x09) this.#tab();
    else if (code === 0x0a || code === 0x0b || code === 0x0c) this.#lineFeed();
    else if (code === 0x0d) this.#x = 0;
    else if (code === 0x0e) this.#shift = 1;
    else if (code === 0x0f) this.#shift = 0;
  }

  #dispatch(final: string, params: readonly number[], prefix: string, intermediate: string): void {
    const [n = 0, m = 0] = params;
    if (intermediate !== "") {
      if (intermediate === "!" && final === "p") this.#softReset();
    } else if (prefix === "?" && (final === "h" || final === "l")) {
      for (const mode of params) this.#privateMode(mode, final === "h");
    } else if (prefix === "" || prefix === "?" && (final === "J" || final === "K")) {
      Screen.#CONTROLS[final]?.(this, params, n, m);
    }
  }

  static readonly #ESCAPES: Record<string, Action> = {
    "7": (s) => s.#saveCursor(),
    "8": (s) => s.#restoreCursor(),
    D: (s) => {
      s.#settleColumn();
      s.#index();
    },
    E: (s) => {
      s.#x = 0;
      s.#index();
    },
    M: (s) => s.#reverseIndex(),
    H: (s) => s.#tabs[s.#column()] = true,
    c: (s) => s.#reset(),
  };

  static readonly #CONTROLS: Record<string, Action> = {
    A: (s, _, n) => s.#moveTo(s.#column(), s.#up(n)),
    B: (s, _, n) => s.#moveTo(s.#column(), s.#down(n)),
    e: (s, _, n) => s.#moveTo(s.#column(), s.#y + (n || 1)),
    C: (s, _, n) => s.#moveTo(s.#column() + (n || 1), s.#y),
    a: (s, _, n) => s.#moveTo(s.#column() + (n || 1), s.#y),
    D: (s, _, n) => s.#moveTo(s.#column() - (n || 1), s.#y),
    E: (s, _, n) => s.#moveTo(0, s.#down(n)),
    F: (s, _, n) => s.#moveTo(0, s.#up(n)),
    G: (s, _, n) => s.#moveTo(n - 1, s.#y),
    "`": (s, _, n) => s.#moveTo(n - 1, s.#y),
    H: (s, _, n, m) => s.#moveTo(m - 1, s.#addressed(n)),
    f: (s, _, n, m) => s.#moveTo(m - 1, s.#addressed(n)),
    d: (s, _, n) => s.#moveTo(s.#column(), s.#addressed(n)),
    I: (s, _, n) => s.#x = s.#stop(n || 1, 1),
    Z: (s, _, n) => s.#x = s.#stop(n || 1, -1),
    J: (s, _, n) => s.#eraseDisplay(n),
    K: (s, _, n) => s.#eraseInLine(n),
    X: (s, _, n) => s.#erase(s.#line(), s.#settleColumn(), s.#x + (n || 1)),
    "@": (s, _, n) => s.#change((line) => line.insert(s.#settleColumn(), n || 1, s.cols)),
    P: (s, _, n) => s.#change((line) => line.delete(s.#settleColumn(), n || 1)),
    L: (s, _, n) => s.#insideMargins() && s.#scrollDown(s.#y, n || 1),
    M: (s, _, n) => s.#insideMargins() && s.#scrollUp(s.#y, n || 1, false),
    S: (s, _, n) => s.#scrollUp(s.#buffer.top, n || 1, true),
    T: (s, params, n) => params.length === 1 && s.#scrollDown(s.#buffer.top, n || 1),
    b: (s, _, n) => s.#repeat(n || 1),
    r: (s, _, n, m) => s.#setMargins(n, m),
    s: (s) => s.#saveCursor(),
    u: (s) => s.#restoreCursor(),
    g: (s, _, n) => {
      if (n === 0) s.#tabs[s.#column()] = false;
      if (n === 3) s.#tabs.fill(false);
    },
    h: (s, params) => s.#setModes(params, true),
    l: (s, params) => s.#setModes(params, false),
  };

  #setModes(params: readonly number[], on: boolean): void {
    for (const mode of params) {
      if (mode === 4) this.#insert = on;
      if (mode === 20) this.#newline = on;
    }
  }

  #privateMode(mode: number, on: boolean): void {
    switch (mode) {
      case 6:
        this.#origin = on;
        return this.#moveTo(0, this.#addressed(1));
      case 7:
        this.#autowrap = on;
        return;
      case 47:
      case 1047:
        return this.#switchScreen(on);
      case 1048:
        return on ? this.#saveCursor() : this.#restoreCursor();
      case 1049:
        if (on) this.#saveCursor();
        this.#switchScreen(on);
        if (!on) this.#restoreCursor();
    }
  }

  #switchScreen(toAlternate: boolean): void {
    if (toAlternate === this.alternate) return;
    this.#watcher?.wipes();
    this.#alt = toAlternate ? this.#newBuffer() : undefined;
    this.#buffer = this.#alt ?? this.#main;
    this.repainting = toAlternate;
  }

  #newBuffer(): Buffer {
    const lines = Array.from({ length: this.rows }, () => new Line());
    return { lines, top: 0, bottom: this.rows - 1, saved: undefined };
  }

  #reset(): void {
    this.#watcher?.wipes();
    this.#alt = undefined;
    this.#main = this.#newBuffer();
    this.#buffer = this.#main;
    this.#x = this.#y = 0;
    this.#newline = false;
    this.#lastChar = "";
    this.#resetTabs();
    this.#softReset();
  }

  #softReset(): void {
    this.#autowrap = true;
    this.#insert = this.#origin = false;
    this.#graphics = [false, false];
    this.#shift = 0;
    this.#buffer.saved = undefined;
    this.#buffer.top = 0;
    this.#buffer.bottom = this.rows - 1;
  }

  #resetTabs(): void {
    this.#tabs = Array.from({ length: this.cols }, (_, x) => x % 8 === 0);
  }

  /** Column of the cursor, a pending wrap undone. */
  #column(): number {
    return Math.min(this.#x, this.cols - 1);
  }

  /** Undoes a pending wrap. */
  #settleColumn(): number {
    return this.#x = this.#column();
  }

  /** Whether IL and DL work on this row; they also return the cursor to the first column. */
  #insideMargins(): boolean {
    const inside = this.#y >= this.#buffer.top && this.#y <= this.#buffer.bottom;
    if (inside) this.#x = 0;
    return inside;
  }

  #line(): Line {
    return this.#buffer.lines[this.#y]!;
  }

  #touch(line: Line): void {
    line.touched = true;
    if (this.repainting) line.rewritten = true;
  }

  /** Prints ASCII from `text[i]` on, up to a control or the last column; returns the last index printed. */
  #printRun(text: string, i: number): number {
    const line = this.#line();
    const { cells } = line;
    if (this.#insert || this.#graphics[this.#shift] || this.#x < cells.length || this.#x >= this.cols - 1) {
      this.#print(text[i]!, text.charCodeAt(i));
      return i;
    }
    while (cells.length < this.#x) cells.push(" ");
    const end = Math.min(text.length, i + this.cols - this.#x);
    let at = i;
    for (let code = text.charCodeAt(at); code >= 0x20 && code < 0x7f; code = text.charCodeAt(at)) {
      cells.push(text[at]!);
      if (++at === end) break;
    }
    this.#x = cells.length;
    this.#lastChar = text[at - 1]!;
    this.#touch(line);
    return at - 1;
  }

  #print(char: string, code: number): void {
    const drawn = this.#graphics[this.#shift] && code >= 0x5f ? LINE_DRAWING[code - 0x5f]! : char;
    this.#put(drawn, 1);
  }

  #put(char: string, width: number): void {
    if (width === 0) return this.#change((line) => line.mark(this.#x, char));
    if (this.#x + width > this.cols) {
      if (this.#autowrap) {
        this.#erase(this.#line(), this.#x, this.cols);
        this.#line().wrapped = true;
        this.#x = 0;
        this.#index();
      } else if (width > 1) return;
      else this.#x = this.cols - 1;
    }
    const line = this.#line();
    if (this.#insert) line.insert(this.#x, width, this.cols);
    line.put(this.#x, char, width);
    this.#x += width;
    this.#lastChar = char;
    this.#touch(line);
  }

  /** Writes the last character again; never into the next row. */
  #repeat(count: number): void {
    if (this.#lastChar === "") return;
    const width = charWidth(this.#lastChar.codePointAt(0)!);
    for (let i = Math.min(count, this.cols - this.#x); i > 0; i--) this.#put(this.#lastChar, width);
  }

  /** The `count`-th tab stop to the right (step 1) or to the left (step -1), or the edge; a pending wrap stays. */
  #stop(count: number, step: 1 | -1): number {
    if (this.#x === this.cols) return this.#x;
    let x = this.#x;
    do x += step; while (x > 0 && x < this.cols - 1 && (!this.#tabs[x] || --count > 0));
    return Math.max(0, Math.min(x, this.cols - 1));
  }

  #tab(): void {
    const from = this.#column();
    this.#x = this.#stop(1, 1);
    this.#line().tab(from, this.#column());
    this.#touch(this.#line());
  }

  #lineFeed(): void {
    const line = this.#line();
    if (this.#x === 0 && line.cells.length > 0) this.#returns = true;
    this.#x = this.#newline || this.#isTextFile() ? 0 : this.#column();
    this.#touch(line);
    this.#index();
  }

  /**
   * Whether a line feed alone ends a line: a terminal's driver has put a carriage return before it, but a log may
   * be a plain file, where nothing else did. Programs that paint use the bare one to move straight down.
   */
  #isTextFile(): boolean {
    return this.#watcher !== undefined && (!this.#returns || !this.repainting);
  }

  #index(): void {
    const { top, bottom } = this.#buffer;
    if (this.#y === bottom) this.#scrollUp(top, 1, true);
    else if (this.#y < this.rows - 1) this.#y++;
  }

  #reverseIndex(): void {
    this.#settleColumn();
    this.#upwards();
    if (this.#y === this.#buffer.top) this.#scrollDown(this.#y, 1);
    else if (this.#y > 0) this.#y--;
  }

  #upwards(): void {
    this.movedUp = this.repainting = true;
  }

  #moveTo(x: number, y: number): void {
    if (y < this.#y) this.#upwards();
    this.#x = Math.max(0, Math.min(x, this.cols - 1));
    this.#y = Math.max(0, Math.min(y, this.rows - 1));
  }

  /** The row `n` (from 1; 0 is 1 too) that a sequence means; under origin mode counted and held inside the margins. */
  #addressed(n: number): number {
    const { top, bottom } = this.#buffer;
    const y = Math.max(1, n) - 1;
    return this.#origin ? Math.min(top + y, bottom) : y;
  }

  /** `n` rows up or down, not through the margin. */
  #up(n: number): number {
    const { top } = this.#buffer;
    return Math.max(this.#y >= top ? top : 0, this.#y - (n || 1));
  }

  #down(n: number): number {
    const { bottom } = this.#buffer;
    return Math.min(this.#y <= bottom ? bottom : this.rows - 1, this.#y + (n || 1));
  }

  #setMargins(first: number, second: number): void {
    const top = Math.max(1, first) - 1;
    const bottom = Math.min(second === 0 ? this.rows : second, this.rows) - 1;
    if (bottom <= top) return;
    this.#buffer.top = top;
    this.#buffer.bottom = bottom;
    this.#moveTo(0, this.#addressed(1));
  }

  #saveCursor(): void {
    const graphics = [...this.#graphics];
    this.#buffer.saved = { x: this.#x, y: this.#y, origin: this.#origin, graphics, shift: this.#shift };
  }

  #restoreCursor(): void {
    const { x = 0, y = 0, origin = false, graphics = [false, false], shift = 0 } = this.#buffer.saved ?? {};
    this.#origin = origin;
    this.#graphics = [...graphics];
    this.#shift = shift;
    this.#moveTo(x, y);
  }

  /** Rows move up from row `from` to the bottom margin; new ones come in below. */
  #scrollUp(from: number, count: number, leaving: boolean): void {
    const { lines, bottom } = this.#buffer;
    const n = Math.min(count, bottom - from + 1);
    const gone = n === lines.length
      ? lines.splice(0)
      : n === 1 && from === 0
      ? [lines.shift()!]
      : lines.splice(from, n);
    const fresh = leaving ? gone.map(() => new Line()) : gone;
    if (bottom === this.rows - 1) lines.push(...fresh);
    else lines.splice(bottom - n + 1, 0, ...fresh);
    if (leaving) { for (const line of gone) this.#leave(line, from); }
    else {
      for (const line of gone) line.clear();
      this.#upwards();
    }
  }

  #leave(line: Line, top: number): void {
    this.#watcher?.leaves(line);
    if (this.alternate || top > 0) return;
    this.scrolled++;
    if (this.#watcher !== undefined) return;
    this.#scrollback.push(line);
    if (this.#scrollback.length >= 2 * SCROLLBACK_LINES) this.#scrollback.splice(0, SCROLLBACK_LINES);
  }

  /** Rows move down from row `from`; the lowest inside the margin are lost. */
  #scrollDown(from: number, count: number): void {
    const { lines, bottom } = this.#buffer;
    const n = Math.min(count, bottom - from + 1);
    const lost = lines.splice(bottom - n + 1, n);
    for (const line of lost) line.clear();
    lines.splice(from, 0, ...lost);
    this.#upwards();
  }

  #eraseDisplay(mode: number): void {
    const { lines } = this.#buffer;
    const wholly = mode === 2 || mode === 0 && this.#x === 0 && this.#y === 0;
    if (wholly) this.#watcher?.wipes();
    if (mode > 2) return;
    if (mode < 2) this.#eraseInLine(mode);
    const from = mode === 0 ? this.#y + 1 : 0;
    const to = mode === 1 ? this.#y : this.rows;
    for (let y = from; y < to; y++) this.#erase(lines[y]!, 0, this.cols);
  }

  #eraseInLine(mode: number): void {
    const from = mode === 0 ? this.#x : 0;
    const to = mode === 1 ? this.#x + 1 : this.cols;
    if (mode <= 2) this.#erase(this.#line(), from, to);
  }

  #erase(line: Line, from: number, to: number): void {
    if (!line.erase(from, to)) return;
    if (to >= this.cols) line.wrapped = false;
    this.#touch(line);
  }

  /** Changes the cursor's row, and notes it when there was something to change. */
  #change(edit: (line: Line) => boolean): void {
    if (edit(this.#line())) this.#touch(this.#line());
  }
}
