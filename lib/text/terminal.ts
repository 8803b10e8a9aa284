/**
 * What a program showed on its terminal, as text: its last screen, or readable lines from a recorded log. Pure,
 * and of bounded memory whatever the input.
 */
import { Screen } from "./screen.ts";
import type { Line } from "./screen_line.ts";

/**
 * The last `lastLines` non-empty lines of the screen that a program left, e.g. to say why a worker is not ready.
 */
export function renderScreen(
  bytes: Uint8Array | string,
  { cols = 160, rows = 50, lastLines }: { cols?: number; rows?: number; lastLines: number },
): string[] {
  const screen = new Screen(cols, rows);
  screen.write(bytes);
  screen.flush();
  const filled = screen.lines().filter((line) => line !== "");
  return filled.slice(Math.max(0, filled.length - lastLines));
}

/** How much of a recording is shown before the screen is looked at again: about a frame of a full-screen program. */
const SLICE = 8192;
/** A line that never ends is cut here. */
const MAX_LINE = 1 << 20;
/** How many lines back a repainted line counts as told already. */
const REMEMBERED = 500;

/** How often a screen is cleared by hand, in one recording. */
const CLEARS = 3;

/** Why the screen is looked at: after a slice, before it is erased, after some quiet, at the end. */
type Look = "slice" | "wipe" | "quiet" | "end";

/**
 * Turns a recorded terminal, piece by piece, into lines that read well one after the other.
 *
 * Plain output passes as it was printed, each line once it is ended; only colours and control characters go.
 * What a program repaints is told when it has come to rest, and again only when its words changed (not its
 * digits, bars or spinner) or when it is final: left behind by further output, or at the end.
 */
export class LogRenderer {
  #screen: Screen;
  #out: string[] = [];
  /** The beginning of a long line whose first rows have left the screen. */
  #partial = "";
  /** How far down the main screen the cursor has been at a look, scrolled lines included. */
  #frontier = 0;
  #wipes = 0;
  #recent = new Recent();
  /** The latest lines that scrolled away as they had been told. */
  #left: string[] = [];

  constructor({ cols = 160, rows = 50 }: { cols?: number; rows?: number } = {}) {
    this.#screen = new Screen(cols, rows, {
      leaves: (line) => this.#leaves(line),
      wipes: () => this.#look("wipe"),
    });
  }

  /** Takes the next piece of the recording; returns the lines to show now. */
  push(chunk: Uint8Array | string): string[] {
    for (let from = 0; from < chunk.length; from += SLICE) {
      this.#screen.write(chunk.slice(from, from + SLICE));
      this.#look("slice");
    }
    return this.#drain();
  }

  /** For a recording that has been quiet for a while: also what is not ended yet, such as a question. */
  settle(): string[] {
    this.#look("quiet");
    return this.#drain();
  }

  /** The recording is over: returns what is left to show. */
  end(): string[] {
    this.#screen.flush();
    this.#look("end");
    if (this.#partial !== "") this.#tell("");
    return this.#drain();
  }

  /** A cleared screen may be filled by plain output again; one cleared time and again is a program's frames. */
  #wiped(): void {
    this.#wipes++;
    this.#frontier = this.#wipes > CLEARS ? this.#screen.scrolled + this.#screen.rows : 0;
  }

  #drain(): string[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #tell(text: string): void {
    const whole = this.#partial + text;
    this.#partial = "";
    this.#out.push(whole);
    this.#recent.add(whole);
  }

  #leaves(line: Line): void {
    if (line.touched) this.#lastLook(line);
    if (line.told !== undefined) this.#left.push(line.told);
    if (this.#left.length >= 2 * REMEMBERED) this.#left.splice(0, REMEMBERED);
  }

  #lastLook(line: Line): void {
    if (!isPlain(line)) return this.#repainted(line, !this.#screen.alternate);
    const text = line.text();
    line.told = text.trimEnd();
    if (!line.wrapped || this.#partial.length > MAX_LINE) this.#tell(text);
    else this.#partial += text;
  }

  #look(why: Look): void {
    const { view, row, alternate, movedUp } = this.#screen;
    const depth = this.#screen.scrolled + row;
    const resumed = why !== "wipe" && !alternate && !movedUp && depth > this.#frontier;
    for (let y = 0; y < view.length; y++) {
      const line = view[y]!;
      if (!line.touched) continue;
      if (isPlain(line)) {
        const last = endOfText(view, y);
        const open = row >= y && row <= last;
        if (open && why === "slice") break; // it may still grow, and what is below must not overtake it
        this.#plain(view.slice(y, last + 1), open);
        y = last;
      } else if (y !== row || why !== "slice") {
        this.#rest(line, why, resumed);
      }
    }
    if (why === "wipe") this.#wiped();
    else if (depth > this.#frontier && !alternate) this.#frontier = depth;
    if (!movedUp && !alternate) this.#screen.repainting = false;
    this.#screen.movedUp = false;
  }

  /** Tells the rows of one printed line; an open one (the cursor is on it) only when it says something. */
  #plain(lines: readonly Line[], open: boolean): void {
    const text = lines.map((line) => line.text()).join("");
    if (!open || text.trim() !== "") this.#tell(text);
    for (const line of lines) {
      line.touched = false;
      line.told = line.text().trimEnd();
    }
  }

  /** Looks at a repainted line: told when it kept its text since the last look, or when it goes or is final. */
  #rest(line: Line, why: Look, resumed: boolean): void {
    const text = line.shown();
    const final = resumed || why === "end";
    const exactly = final || line.told === undefined && why !== "slice";
    if (exactly || why === "quiet" || text === line.told || text === line.seen) {
      this.#repainted(line, exactly);
    } else line.seen = text;
  }

  /** Tells a repainted line if it is news: by its words while it lives, to the letter when it goes. */
  #repainted(line: Line, exactly: boolean): void {
    const text = line.shown();
    const same = text === line.told;
    const news = text !== "" && !same && !this.#recent.has(text) && (exactly || !this.#isUpdate(line, text));
    if (news) this.#tell(text);
    if (news || exactly || same) {
      line.told = text;
      line.touched = false;
    }
  }

  /**
   * Whether a text says in the same words what was told before and is gone now: the next state of a bar, a clock,
   * a spinner. A text like one that still stands, or that scrolled away as it was, is a line of its own.
   */
  #isUpdate(line: Line, text: string): boolean {
    const words = wordsOf(text);
    if (line.told !== undefined && wordsOf(line.told) === words) return true;
    const before = this.#recent.inWords(words);
    if (before === undefined) return false;
    const stands = (other: Line) => other !== line && other.told === before && other.shown() === before;
    return !this.#screen.view.some(stands) && !this.#left.includes(before);
  }
}

/** Written from top to bottom as text is, and not told yet. */
function isPlain(line: Line): boolean {
  return !line.rewritten && line.told === undefined;
}

/** Row of the last part of the text that begins in row `y`. */
function endOfText(view: readonly Line[], y: number): number {
  while (view[y]!.wrapped && y + 1 < view.length && isPlain(view[y + 1]!)) y++;
  return y;
}

/** A text longer than this was no repainted row, and would cost memory to remember. */
const MAX_REPAINTED = 2000;

/** The lines told lately, and their words. */
class Recent {
  #texts = new Set<string>();
  /** The latest text of the same words. */
  #byWords = new Map<string, string>();
  /** Told but not yet sorted in: plain output never asks. */
  #waiting: string[] = [];

  add(text: string): void {
    if (text.length > MAX_REPAINTED) return;
    this.#waiting.push(text.trimEnd());
    if (this.#waiting.length >= 2 * REMEMBERED) this.#waiting.splice(0, REMEMBERED);
  }

  /** Whether this very text was told. */
  has(text: string): boolean {
    this.#sortIn();
    return this.#texts.has(text);
  }

  /** The latest text told that has these words. */
  inWords(words: string): string | undefined {
    this.#sortIn();
    return this.#byWords.get(words);
  }

  #sortIn(): void {
    for (const text of this.#waiting.splice(0)) {
      this.#texts.delete(text);
      this.#texts.add(text);
      const words = wordsOf(text);
      this.#byWords.delete(words);
      this.#byWords.set(words, text);
    }
    dropOldest(this.#texts);
    dropOldest(this.#byWords);
  }
}

function dropOldest(known: Set<string> | Map<string, string>): void {
  for (const key of known.keys()) {
    if (known.size <= REMEMBERED) break;
    known.delete(key);
  }
}

/** A text's letters alone. */
function wordsOf(text: string): string {
  return text.replace(/[^\p{L}]+/gu, " ").trim();
}
