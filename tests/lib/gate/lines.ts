/**
 * The gate's table of lines, `lines.tsv`: one line per row, the rule that must refuse it, a tab, the command line.
 * The rule `-` means that the line must pass. `⏎` stands for a newline. A row that begins with `#` is a comment.
 */

export interface GateLine {
  /** Id of the rule; `-` for a harmless line. */
  rule: string;
  line: string;
}

const TABLE = Deno.readTextFileSync(new URL("lines.tsv", import.meta.url));

/** Every line of the table, in its order. */
export const LINES: readonly GateLine[] = TABLE.split("\n").filter((row) =>
  row !== "" && !row.startsWith("#")
)
  .map((row) => {
    const tab = row.indexOf("\t");
    if (tab < 1) throw new Error(`lines.tsv has a row without a tab: ${row}`);
    return { rule: row.slice(0, tab), line: row.slice(tab + 1).replaceAll("⏎", "\n") };
  });

/** The lines that a rule must refuse. */
export const REFUSED: readonly GateLine[] = LINES.filter(({ rule }) => rule !== "-");

/** The lines that only look dangerous and must pass. */
export const HARMLESS: readonly string[] = LINES.filter(({ rule }) => rule === "-").map(({ line }) => line);
