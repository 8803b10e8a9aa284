/**
 * The notification hook: a shell template that is given a message, and never runs it.
 *
 * The message is not written into the shell's text at all. It stands in the environment, and a placeholder
 * becomes a quoted reference to it, so that whatever the message holds, and whatever stands around the
 * placeholder (quotes, backticks, a here-document, a comment), the shell expands it as data. A mistake about
 * the quotes around a placeholder could at worst split it into words. Pure.
 *
 * Out of reach: a template that has its words evaluated elsewhere, as `ssh host notify {{message}}` does; there
 * the message belongs on stdin: `printf %s {{message}} | ssh host 'notify "$(cat)"'`.
 */

/** Placeholder → variable. */
const VARIABLES: Readonly<Record<string, string>> = { message: "LOOOP_MESSAGE", id: "LOOOP_ID" };

/** The environment of a hook. NUL cannot stand in an environment. */
export function hookEnv(message: string, id: string): Record<string, string> {
  return { LOOOP_MESSAGE: message.replaceAll("\0", ""), LOOOP_ID: id };
}

type Context = "none" | "single" | "double" | "backtick" | "comment" | "script";

/** A shell or `eval` whose next word is a script of its own: `sh -c`, `/bin/bash -lc`, `eval`. */
const TAKES_SCRIPT = /(?:^|[\s;&|(`])(?:(?:\S*\/)?(?:ba|da|z|k|a)?sh(?:\s+-\w+)*\s+-\w*c|eval)\s+$/;

/** Fills `{{message}}` and `{{id}}` of a shell template with quoted references. */
export function fillHook(template: string): string {
  let out = "";
  const stack: Context[] = ["none"];
  /** Quotes of the script inside a double-quoted `sh -c "…"`. */
  let inner: "none" | "single" | "double" = "none";
  for (let at = 0; at < template.length; at++) {
    const context = stack.at(-1) ?? "none";
    const rest = template.slice(at, at + 16);
    const placeholder = /^\{\{(message|id)\}\}/.exec(rest);
    const char = template[at] ?? "";
    if (placeholder !== null) {
      out += reference(VARIABLES[placeholder[1] ?? ""] ?? "", context, inner);
      at += placeholder[0].length - 1;
    } else if (context === "single") {
      out += char;
      if (char === "'") stack.pop();
    } else if (context === "comment") {
      out += char;
      if (char === "\n") stack.pop();
    } else if (char === "\\") {
      out += char + (template[++at] ?? "");
      if (context === "script" && template[at] === '"') inner = toggled(inner, "double");
    } else if (context === "script" && char === "'") {
      out += char;
      inner = toggled(inner, "single");
    } else if (
      char === "'" && context !== "double" && TAKES_SCRIPT.test(out) && template.includes("'", at + 1)
    ) {
      const end = template.indexOf("'", at + 1);
      out += `'${fillHook(template.slice(at + 1, end)).replaceAll("'", `'\\''`)}'`;
      at = end;
    } else {
      if (char === '"' && context !== "double" && context !== "script" && TAKES_SCRIPT.test(out)) {
        inner = "none";
        stack.push("script");
      } else if (char === "#" && context === "none" && /(?:^|[\s;&|()])$/.test(out)) stack.push("comment");
      else step(stack, char, template[at + 1]);
      out += char;
      if (char === "$" && template[at + 1] === "(") out += template[++at];
    }
  }
  return out;
}

/** Enters and leaves quotes and substitutions. */
function step(stack: Context[], char: string, next: string | undefined): void {
  const context = stack.at(-1) ?? "none";
  const inQuotes = context === "double" || context === "script";
  if (char === "$" && next === "(") stack.push("none");
  else if (char === "`") {
    if (context === "backtick") stack.pop();
    else stack.push("backtick");
  } else if (char === '"') {
    if (inQuotes) stack.pop();
    else stack.push("double");
  } else if (inQuotes) return;
  else if (char === "'") stack.push("single");
  else if (char === "(") stack.push("none");
  else if (char === ")" && stack.length > 1 && context === "none") stack.pop();
}

function toggled<T extends string>(now: T | "none", quote: T): T | "none" {
  if (now === "none") return quote;
  return now === quote ? "none" : now;
}

function reference(variable: string, context: Context, inner: "none" | "single" | "double"): string {
  const plain = `\${${variable}}`;
  if (context === "single") return `'"${plain}"'`;
  if (context === "double") return plain;
  if (context !== "script") return `"${plain}"`;
  // The outer shell must leave it for the inner one, which has the same environment.
  if (inner === "single") return `'\\"\\${plain}\\"'`;
  return inner === "double" ? `\\${plain}` : `\\"\\${plain}\\"`;
}
