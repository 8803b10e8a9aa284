/** Parses the words of a call that a worker has made elsewhere, as the verb itself would. */
import type { ParseCall } from "../calls/carry.ts";
import { oneLine, UsageError } from "../errors.ts";
import { type Context, parseInput } from "./verb.ts";

/** The parser of a context's verbs. */
export function callParser(context: Context): ParseCall {
  return async (words) => {
    const path = words.slice(0, 2).join(" ");
    if (words[0] !== "_" || !context.paths.includes(path)) {
      throw new UsageError(`Unknown verb "${oneLine(path, 60)}"`, { next: "`looop help` lists them" });
    }
    return { path, input: parseInput(await context.declaration(path), words.slice(2)) };
  };
}
