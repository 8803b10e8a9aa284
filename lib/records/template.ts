/**
 * The notification hook: a shell template that receives a message and never runs it.
 *
 * The message is not written into the shell's text. It is in the environment, and a placeholder becomes a quoted
 * reference to it. The shell therefore expands it as data, whatever the message holds and whatever surrounds the
 * placeholder (quotes, backticks, a here-document, a comment). A mistake about the surrounding quotes could at worst
 * split it into words. Pure.
 *
 * This cannot protect a template whose words are evaluated elsewhere, as in `ssh host notify {{message}}`. Such a
 * template must pass the message on stdin: `printf %s {{message}} | ssh host 'notify "$(cat)"'`.
 */

import { type ShellContext, ShellQuotes } from "../text/shell_quotes.ts";

/** The variable of each placeholder. */
const VARIABLES: Readonly<Record<string, string>> = { message: "LOOOP_MESSAGE", id: "LOOOP_ID" };

/** The environment of a hook, without NUL characters, which an environment cannot hold. */
export function hookEnv(message: string, id: string): Record<string, string> {
  return { LOOOP_MESSAGE: message.replaceAll("\0", ""), LOOOP_ID: id };
}

/** A shell or `eval` whose next word is a script: `sh -c`, `/bin/bash -lc`, `eval`. */
const TAKES_SCRIPT = /(?:^|[\s;&|(`])(?:(?:\S*\/)?(?:ba|da|z|k|a)?sh(?:\s+-\w+)*\s+-\w*c|eval)\s+$/;

/** Replaces `{{message}}` and `{{id}}` in a shell template by quoted references. */
export function fillHook(template: string): string {
  let out = "";
  const quotes = new ShellQuotes();
  for (let at = 0; at < template.length;) {
    const { context } = quotes;
    const placeholder = /^\{\{(message|id)\}\}/.exec(template.slice(at, at + 16));
    const isOpen = context === "none" || context === "backtick";
    if (isOpen && !/\s/.test(template[at] ?? "") && TAKES_SCRIPT.test(out.slice(-80))) {
      const word = readScript(template, at);
      out += quoteScript(word);
      at = word.end;
    } else if (placeholder !== null) {
      out += reference(VARIABLES[placeholder[1] ?? ""] ?? "", context);
      at += placeholder[0].length;
    } else {
      const length = quotes.read(template, at);
      out += template.slice(at, at + length);
      at += length;
    }
  }
  return out;
}

function reference(variable: string, context: ShellContext): string {
  const plain = `\${${variable}}`;
  if (context === "single") return `'"${plain}"'`;
  return context === "double" ? plain : `"${plain}"`;
}

/** A word that an inner shell will read: its text, with a mark for each part that the outer shell inserts. */
interface ScriptWord {
  text: string;
  /** The parts that the outer shell expands, as written in the template; mark n stands for `live[n]`. */
  live: string[];
  /** Index after the word. */
  end: number;
}

const mark = (n: number) => `\uE000${n}\uE001`;

/** Reads one word of joined quoted pieces, as a shell would. */
function readScript(template: string, from: number): ScriptWord {
  let text = "";
  const live: string[] = [];
  let inDouble = false;
  let at = from;
  for (; at < template.length; at++) {
    const char = template[at] ?? "";
    if (!inDouble && /[\s;&|()<>]/.test(char)) break;
    if (char === "\\") {
      const next = template[++at] ?? "";
      text += inDouble && !/[\\"$`\n]/.test(next) ? `\\${next}` : next;
    } else if (char === '"') inDouble = !inDouble;
    else if (char === "'" && !inDouble) {
      const end = template.indexOf("'", at + 1);
      text += template.slice(at + 1, end < 0 ? undefined : end);
      at = end < 0 ? template.length : end;
    } else {
      const expansion = char === "$" || char === "`" ? expansionAt(template, at) : undefined;
      if (expansion === undefined) text += char;
      else {
        text += mark(live.length);
        live.push(inDouble ? `"${fillHook(expansion)}"` : fillHook(expansion));
        at += expansion.length - 1;
      }
    }
  }
  return { text, live, end: Math.max(at, from + 1) };
}

/** The `$x`, `${…}`, `$(…)` or backticks that begin at `at`; undefined when none do. */
function expansionAt(template: string, at: number): string | undefined {
  const rest = template.slice(at);
  const simple = /^(?:\$(?:\w+|[@*#?$!-]|\{[^}]*\})|`(?:[^`\\]|\\[\s\S])*`)/.exec(rest);
  if (simple !== null || !rest.startsWith("$(")) return simple?.[0];
  for (let end = 1, depth = 0; end < rest.length; end++) {
    if (rest[end] === "(") depth++;
    else if (rest[end] === ")" && --depth === 0) return rest.slice(0, end + 1);
  }
  return undefined;
}

/** The script as one word, with its placeholders filled for the inner shell, which has the same environment. */
function quoteScript({ text, live }: ScriptWord): string {
  const quoted = `'${fillHook(text).replaceAll("'", `'\\''`)}'`;
  return live.reduce((filled, part, n) => filled.replace(mark(n), () => `'${part}'`), quoted);
}
