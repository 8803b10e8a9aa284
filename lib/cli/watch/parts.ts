/** Parts of a screen that share its rows: what each needs, what it would like, and lists that show a window. Pure. */
import { displayWidth, type Styler, truncate } from "../../text/style.ts";

/** One part: its rows with its title. */
export interface Part {
  /** Fewest rows that say something, and as many as it has use for. */
  min: number;
  want: number;
  /** Takes what is left over. */
  grows?: boolean;
  draw(height: number): string[];
}

/**
 * Lays parts out one below the other: first what each needs, in their order, then what they want, turn by turn. Where
 * there is room, a blank line parts them.
 */
export function share(room: number, parts: readonly Part[]): string[] {
  const heights = heightsOf(room, parts);
  const shown = parts.flatMap((part, n) => {
    const height = heights[n] ?? 0;
    const lines = part.draw(height).slice(0, height);
    return height === 0 ? [] : [[...lines, ...Array<string>(height - lines.length).fill("")]];
  });
  const isRoomy = room - shown.flat().length >= shown.length - 1;
  return shown.flatMap((lines, n) => isRoomy && n > 0 ? ["", ...lines] : lines);
}

/** The rows that parts have use for, with the blank lines between them. */
export function rowsOf(parts: readonly Part[]): number {
  const wanted = parts.filter(({ want }) => want > 0);
  return wanted.reduce((sum, { want }) => sum + want, wanted.length - 1);
}

function heightsOf(room: number, parts: readonly Part[]): number[] {
  const heights = parts.map(() => 0);
  let left = room;
  const give = (n: number, rows: number) => {
    const taken = Math.max(0, Math.min(rows, left));
    heights[n] = (heights[n] ?? 0) + taken;
    left -= taken;
  };
  parts.forEach(({ min }, n) => give(n, min));
  for (let before = -1; left > 0 && before !== left;) {
    before = left;
    parts.forEach(({ want, grows }, n) => give(n, Math.min(grows ? 2 : 1, want - (heights[n] ?? 0))));
  }
  const gaps = heights.filter((height) => height > 0).length - 1;
  const growing = parts.findIndex(({ grows }) => grows);
  if (growing >= 0) give(growing, left - (left >= gaps ? gaps : 0));
  return heights;
}

/** A title with a rule behind it, over the whole width. */
export function title(text: string, columns: number, pen: Styler): string {
  const width = displayWidth(text);
  if (width > columns - 3) return pen.bold(width > columns ? truncate(plain(text), columns) : text);
  return `${pen.bold(text)} ${pen.dim("─".repeat(columns - width - 1))}`;
}

/** A title too wide for its line loses its colours with its end. */
function plain(text: string): string {
  // deno-lint-ignore no-control-regex -- the colours that the pen writes
  return text.replace(/\x1b\[[0-9;]*m/g, "");
}

/** The parts of a list. */
export interface ListParts {
  title: string;
  count: number;
  /** Rows that it would like to show at most. */
  want: number;
  /** Index of the chosen row; absent or -1: none. */
  chosen?: number;
  /** The rows from one index to another. */
  rows(from: number, to: number): string[];
  pen: Styler;
}

/** A list with a mark at the chosen row, which is always in sight. */
export function list({ title, count, want, chosen = -1, rows, pen }: ListParts): Part {
  return {
    min: count > 0 && want > 6 ? 2 : 1,
    want: 1 + Math.min(count, want),
    draw(height) {
      const room = Math.min(count, height - 1);
      if (room < 1) return [title];
      const from = Math.max(0, Math.min(chosen - room + 1, count - room));
      const shown = rows(from, from + room).map((row, n) =>
        from + n === chosen ? pen.bold(`› ${row}`) : `  ${row}`
      );
      return [title, ...shown];
    },
  };
}
