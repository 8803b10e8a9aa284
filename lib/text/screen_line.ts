/** One row of a terminal's screen: its cells, and what can be done to them. Pure. */

/** UTF-16 units that one cell may hold: a letter and its marks; more marks than that are noise. */
const CELL_UNITS = 32;

/**
 * One row. A cell holds a character with its marks; "" is a further column of the cell before it (the second
 * half of a wide character, the reach of a tab). Cells behind the last written one are not there.
 */
export class Line {
  cells: string[] = [];
  /** The text goes on in the next row, as it was too long. */
  wrapped = false;
  /** For who watches: changed since it was last looked at; written after the cursor went back up. */
  touched = false;
  rewritten = false;
  /** For who watches: the text at the last look, and the text last told. */
  seen: string | undefined = undefined;
  told: string | undefined = undefined;

  /** Makes it a new row. */
  clear(): void {
    this.cells.length = 0;
    this.wrapped = this.touched = this.rewritten = false;
    this.seen = this.told = undefined;
  }

  /** The row as it was printed, tabs and trailing spaces included. */
  text(): string {
    return this.cells.join("");
  }

  /** The row as it looks: tabs as spaces, nothing behind the last letter. */
  shown(): string {
    const text = this.text();
    if (!text.includes("\t")) return text.trimEnd();
    return this.cells.map((cell, i) => cell.startsWith("\t") || cell === "" && this.inTab(i) ? " " : cell)
      .join("").replaceAll("\t", "").trimEnd();
  }

  private inTab(at: number): boolean {
    while (at > 0 && this.cells[at] === "") at--;
    return this.cells[at]!.startsWith("\t");
  }

  /** Puts a character of 1 or 2 columns at `at`; one that it covers by half becomes blank. */
  put(at: number, char: string, width: number): void {
    const { cells } = this;
    while (cells.length < at) cells.push(" ");
    if (at < cells.length) {
      splitCluster(cells, at);
      splitCluster(cells, at + width);
    }
    cells[at] = char;
    if (width === 2) cells[at + 1] = "";
  }

  /** Adds a combining mark to the character before column `at`; whether there was room. */
  mark(at: number, char: string): boolean {
    const { cells } = this;
    let head = Math.min(at, cells.length) - 1;
    while (head > 0 && cells[head] === "") head--;
    if (head < 0 || cells[head]!.length + char.length > CELL_UNITS) return false;
    cells[head] += char;
    return true;
  }

  /**
   * Keeps a tab that moved the cursor from column `from` to `to`, so that a log shows it as it was printed: behind
   * the text as a cell of its own, in the last column as a mark; over text it leaves no trace.
   */
  tab(from: number, to: number): void {
    const { cells } = this;
    if (from === to) this.mark(from + 1, "\t");
    if (from === to || from < cells.length) return;
    while (cells.length < from) cells.push(" ");
    cells.push("\t");
    while (cells.length < to) cells.push("");
  }

  /** Blanks the columns from `from` up to `to`; whether there was anything. */
  erase(from: number, to: number): boolean {
    const { cells } = this;
    if (from >= cells.length) return false;
    splitCluster(cells, from);
    splitCluster(cells, to);
    if (to >= cells.length) cells.length = from;
    else cells.fill(" ", from, to);
    return true;
  }

  /** Shifts what is at `at` and behind it `count` columns to the right, not beyond column `cols`. */
  insert(at: number, count: number, cols: number): boolean {
    const { cells } = this;
    if (at >= cells.length) return false;
    const n = Math.min(count, cols - at);
    splitCluster(cells, at);
    splitCluster(cells, cols - n);
    cells.splice(at, 0, ...Array<string>(n).fill(" "));
    if (cells.length > cols) cells.length = cols;
    return true;
  }

  /** Takes `count` columns out and closes the gap. */
  delete(at: number, count: number): boolean {
    const { cells } = this;
    if (at >= cells.length) return false;
    splitCluster(cells, at);
    splitCluster(cells, at + count);
    cells.splice(at, count);
    return true;
  }
}

/** Blanks the character that lies across the border before column `at`, so that a half is never left over. */
function splitCluster(cells: string[], at: number): void {
  if (cells[at] !== "") return;
  let from = at;
  while (from > 0 && cells[from] === "") from--;
  let to = at;
  while (cells[to] === "") to++;
  cells.fill(" ", from, to);
}
