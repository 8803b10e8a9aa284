/** Text for people: safe to print, coloured, measured as a terminal does, wrapped, in tables, ages and bars. Pure. */

/** Paints text, or leaves it alone when colour is off. Colour never carries meaning alone. */
export interface Styler {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  red(text: string): string;
}

/** Returns a styler; `colour` is whether the reader is a terminal that wants colour. */
export function styler(colour: boolean): Styler {
  const paint = (on: number, off: number) => (text: string) =>
    colour && text !== "" ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    green: paint(32, 39),
    yellow: paint(33, 39),
    red: paint(31, 39),
  };
}

/**
 * Characters two columns wide: East Asian Width "wide" or "fullwidth" (https://www.unicode.org/reports/tr11/). Emoji
 * with emoji presentation are wide; a regional indicator alone is not, but a pair makes one flag of two columns.
 */
const WIDE =
  /^(?:(?![\u{1f1e6}-\u{1f1ff}])\p{Emoji_Presentation}|[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u3247\u3250-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}])$/u;
/** Characters that take no column: marks, format characters (except the soft hyphen), Hangul vowels and finals. */
const ZERO = /^(?!\u00ad)[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;

/** Known widths plus one, by code point; created on first use, since most text is plain ASCII. */
let widths: Uint8Array | undefined;

/** Columns that one code point takes: 0 (combining), 1 or 2. Control characters count as 0. */
export function charWidth(code: number): number {
  if (code < 0x300) return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : 1;
  widths ??= new Uint8Array(0x110000);
  const known = widths[code]!;
  if (known > 0) return known - 1;
  const char = String.fromCodePoint(code);
  const width = ZERO.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  widths[code] = width + 1;
  return width;
}

// deno-lint-ignore no-control-regex -- the colours this module writes
const SGR = /\x1b\[[0-9;]*m/g;

/** Columns that a text takes on a terminal; colour codes take none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text.includes("\x1b") ? text.replace(SGR, "") : text) {
    width += charWidth(char.codePointAt(0)!);
  }
  return width;
}

/** The longest beginning of `text` that fits into `width` columns; a mark stays with its letter. */
function fitting(text: string, width: number): string {
  let used = 0;
  let end = 0;
  for (const char of text) {
    used += charWidth(char.codePointAt(0)!);
    if (used > width) break;
    end += char.length;
  }
  return text.slice(0, end);
}

/** Cuts plain text to `width` columns, with an ellipsis where something is missing. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  return width < 1 ? "" : `${fitting(text, width - 1).trimEnd()}…`;
}

/** Appends spaces up to `width` columns; a longer text stays as it is. */
export function pad(text: string, width: number, align: "left" | "right" = "left"): string {
  const spaces = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "left" ? text + spaces : spaces + text;
}

/**
 * Breaks plain text at spaces into lines of at most `width` columns, each after `indent` spaces. Line breaks in the
 * text are kept; a word longer than a line is cut. A command in backticks is never broken, so that it can be copied: one
 * that is longer than a line gets a line of its own, which the terminal breaks, unless `cutsCommands`.
 */
export function wrap(text: string, width: number, indent = 0, cutsCommands = false): string[] {
  const room = Math.max(2, width - indent);
  const margin = " ".repeat(indent);
  return text.split("\n").flatMap((paragraph) =>
    wrapParagraph(paragraph, room, cutsCommands).map((line) => (line === "" ? "" : margin + line))
  );
}

/** The words of a text; a command in backticks counts as one word, with what stands right beside it. */
const WORDS = /(?:`[^`]*`|[^ \t`]+|`)+/g;
const COMMAND = /`[^`]*`/;

function wrapParagraph(paragraph: string, room: number, cutsCommands: boolean): string[] {
  const lines: string[] = [];
  let line = "";
  for (let word of paragraph.match(WORDS) ?? [""]) {
    if (line !== "" && displayWidth(line) + 1 + displayWidth(word) <= room) {
      line += ` ${word}`;
      continue;
    }
    if (line !== "") lines.push(line);
    // Measured no further than a line, as one word may be a whole page.
    for (let head = fitting(word, room); head.length < word.length; head = fitting(word, room)) {
      if (!cutsCommands && COMMAND.test(word)) break;
      lines.push(head);
      word = word.slice(head.length);
    }
    line = word;
  }
  if (line !== "" || lines.length === 0) lines.push(line);
  return lines;
}

/** CSI sequences, ended strings (OSC, DCS, APC, PM, SOS), and other escapes. */
const ESCAPES =
  // deno-lint-ignore no-control-regex -- control characters are what must go
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]/g;
// deno-lint-ignore no-control-regex -- control characters are what must go
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Makes any text safe to print on a terminal: removes escape sequences, C0 and C1 controls (except line feed and tab) and
 * bidirectional overrides; turns a carriage return into a line break and a lone surrogate into U+FFFD.
 */
export function sanitize(text: string): string {
  return text.replace(ESCAPES, "").replace(/\r\n?/g, "\n").replace(CONTROLS, "").toWellFormed();
}

/** Like {@link sanitize}, on one line: line breaks and tabs become spaces. */
export function sanitizeLine(text: string): string {
  return sanitize(text).replace(/[\n\t\u2028\u2029]+/g, " ").trim();
}

/**
 * The same for a place whose columns are counted: also without characters that have no column of their own, such as
 * direction marks, joiners and tags, since terminals disagree on the width of what these join.
 */
export function sanitizeCell(text: string): string {
  return sanitizeLine(text).replace(/[\p{Cf}\ufe00-\ufe0f]/gu, "");
}

/** How one column of a table is laid out. */
export interface Column {
  header?: string;
  align?: "left" | "right";
  /** The smallest width it may be cut to; a column without one keeps its whole width and is cut last. */
  min?: number;
  /** Colours a cell after it has been cut and padded. */
  paint?: (cell: string) => string;
}

const GAP = 2;

/**
 * Lays rows out as lines of at most `width` columns. Cells that are too wide are cut with an ellipsis, starting with
 * the widest shrinkable column; line breaks and tabs in a cell become spaces, because a row is one line.
 */
export function table(
  rows: readonly (readonly string[])[],
  { width, columns }: { width: number; columns: readonly Column[] },
): string[] {
  const header = columns.some((column) => column.header !== undefined)
    ? [columns.map((column) => column.header ?? "")]
    : [];
  const cells = [...header, ...rows].map((row) => columns.map((_, i) => (row[i] ?? "").replace(/\s+/g, " ")));
  const widths = columnWidths(cells, width, columns);
  return cells.map((row, r) => formatRow(row, widths, columns, r >= header.length));
}

function formatRow(
  row: readonly string[],
  widths: readonly number[],
  columns: readonly Column[],
  body: boolean,
) {
  const parts = row.flatMap((cell, i) => {
    if (widths[i] === 0) return [];
    const { align, paint } = columns[i]!;
    const text = pad(truncate(cell, widths[i]!), widths[i]!, align);
    const shown = i === row.length - 1 && align !== "right" ? text.trimEnd() : text;
    return [body && paint ? paint(shown) : shown];
  });
  return parts.join(" ".repeat(GAP)).trimEnd();
}

/** The natural widths, reduced one column at a time: the widest shrinkable one first, then, if need be, any. */
function columnWidths(cells: readonly string[][], width: number, columns: readonly Column[]): number[] {
  const widths = columns.map((_, i) => cells.reduce((max, row) => Math.max(max, displayWidth(row[i]!)), 0));
  const mins = widths.map((natural, i) => Math.min(natural, columns[i]!.min ?? natural));
  let excess = excessOf(widths, width);
  excess = shrink(widths, mins, excess);
  shrink(widths, widths.map((w) => Math.min(w, 1)), excess);
  while (excessOf(widths, width) > 0 && widths.some((w) => w > 0)) {
    widths[widths.findLastIndex((w) => w > 0)] = 0; // no room even for one letter each: drop from the right
  }
  return widths;
}

function excessOf(widths: readonly number[], width: number): number {
  const shown = widths.filter((w) => w > 0);
  return shown.reduce((sum, w) => sum + w, 0) + GAP * Math.max(0, shown.length - 1) - width;
}

/**
 * Takes `excess` columns away, each from the widest that is above its minimum; returns how many it could not take.
 */
function shrink(widths: number[], floors: readonly number[], excess: number): number {
  while (excess > 0) {
    let widest = -1;
    for (let i = 0; i < widths.length; i++) {
      if (widths[i]! > floors[i]! && (widest < 0 || widths[i]! > widths[widest]!)) widest = i;
    }
    if (widest < 0) break;
    widths[widest]!--;
    excess--;
  }
  return excess;
}

/** A duration in the largest whole unit, as people say it: `3 s`, `4 min`, `2 h`, `5 d`. */
export function age(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (!Number.isFinite(s)) return "?";
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/**
 * A bar of at most `width` columns for a fraction from 0 to 1, not padded. A fraction above 0 always shows something.
 * Without Unicode the bar is made of `#`.
 */
export function bar(fraction: number, width: number, unicode = true): string {
  const part = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
  if (part === 0 || width < 1) return "";
  if (!unicode) return "#".repeat(Math.max(1, Math.round(part * width)));
  const eighths = Math.max(1, Math.round(part * width * 8));
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
}
