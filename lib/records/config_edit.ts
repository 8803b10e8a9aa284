/** Changes one value in the text of config.json and leaves comments, order and everything else as they are. Pure. */
import { applyEdits, modify, parse } from "jsonc-parser";

/** The text with `value` at `path`; the very same text when it is there already. */
export function setConfigValue(source: string, path: readonly string[], value: unknown): string {
  let at: unknown = parse(source, [], { allowTrailingComma: true });
  for (const key of path) at = (at as Record<string, unknown> | undefined)?.[key];
  if (JSON.stringify(at) === JSON.stringify(value)) return source;
  const edits = modify(source, [...path], value, {
    formattingOptions: { insertSpaces: true, tabSize: 2, eol: "\n" },
    getInsertionIndex: () => 0,
  });
  return applyEdits(source, edits);
}
