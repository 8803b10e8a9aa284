/** Checks a shell script against the rules of macOS's bash and tools. Pure. */
import { BASH_RULES, type Rule, TOOL_RULES } from "./shell_rules.ts";

/** A breach: the rule, and the line that breaks it. */
export interface Breach {
  says: string;
  line: string;
}

/** All breaches of a script outside its comments. */
export function breachesOf(text: string): Breach[] {
  const bare = withoutComments(text);
  return [...BASH_RULES, ...TOOL_RULES].flatMap((rule) => breachesBy(rule, bare));
}

function breachesBy({ says, pattern }: Rule, text: string): Breach[] {
  const everywhere = new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`);
  return [...text.matchAll(everywhere)].map((found) => {
    const at = found.index + found[0].length - 1;
    const line = text.slice(text.lastIndexOf("\n", at - 1) + 1).split("\n", 1)[0] ?? "";
    return { says, line: line.trim() };
  });
}

/** A script without its comments; after a command, a comment begins behind a blank. */
function withoutComments(text: string): string {
  return text.split("\n").map((line) => /^\s*#/.test(line) ? "" : line.replace(/\s#\s[^"'`]*$/, "")).join(
    "\n",
  );
}
