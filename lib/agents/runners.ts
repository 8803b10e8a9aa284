/** Turns a runner's template into a shell command, and reads facts from templates. Pure. */
import { baseName } from "../paths.ts";
import { presetNamed, RUNNER_PRESETS, type RunnerPreset, type SessionWords } from "../records/presets.ts";
import { type ShellContext, ShellQuotes } from "../text/shell_quotes.ts";

/** Largest prompt passed on a command line, bytes: Linux refuses a single argument of 128 KiB (E2BIG). */
export const MAX_ARGUMENT_BYTES = 100_000;

/** Whether a template puts the whole prompt on the command line, as `$(cat {{prompt_file}})` does. Pure. */
export function passesPromptAsArgument(template: string): boolean {
  return /\$\(\s*(?:cat\s|<)\s*["']?\{\{prompt_file\}\}/.test(template);
}

/** Whether a template starts its agent without a terminal interface, which asks nothing. Pure. */
export function isHeadless(template: string): boolean {
  const words = presetNamed(presetOf(template))?.headlessWords;
  return words?.test(template.slice(programSpan(template)?.end)) === true;
}

/** The preset whose program a template starts, by the program's name, or undefined. Pure. */
export function presetOf(template: string): string | undefined {
  const name = baseName(programOf(template) ?? "");
  return Object.entries(RUNNER_PRESETS).find(([, preset]) => preset.program === name && isAgent(preset))?.[0];
}

/** Whether a preset is an agent's, and not just a shell. Pure. */
export function isAgent(preset: RunnerPreset): boolean {
  return preset.prompt !== "script";
}

/** A template that gives the agent's session its id, if the CLI can and the template does not already. Pure. */
export function withSessionStart(template: string, words: SessionWords | undefined): string {
  if (words?.start === undefined || template.includes("{{session_id}}") || words.given.test(template)) {
    return template;
  }
  return behindProgram(template, words.start);
}

/**
 * A template that resumes a session: the words that gave it its id are removed, those that resume it inserted. Pure.
 */
export function withSessionResume(template: string, words: SessionWords): string {
  const bare = words.start === undefined ? template : template.replace(` ${words.start}`, "");
  const by = words.resumedBy;
  if (by === undefined || subcommandLength(bare) > 0) return behindProgram(bare, words.resume);
  return behindProgram(
    bare.replace(by.prompt, by.instead),
    [by.subcommand, words.resume].filter((word) => word !== undefined).join(" "),
  );
}

/** `codex exec`, `opencode run`: the headless word is a subcommand, and the session belongs to it. */
const SUBCOMMAND = /^\s+(exec|run)(?=\s)/;

function subcommandLength(template: string): number {
  const end = programSpan(template)?.end ?? 0;
  return SUBCOMMAND.exec(template.slice(end))?.[0].length ?? 0;
}

/** A template with words right after its program and the subcommand that runs it headless. Pure. */
export function behindProgram(template: string, words: string): string {
  const at = (programSpan(template)?.end ?? 0) + subcommandLength(template);
  return `${template.slice(0, at)} ${words}${template.slice(at)}`;
}

/**
 * Fills `{{prompt_file}}` into a shell template so that the path is one word whatever it holds: quotes around the
 * placeholder in the template are taken into account.
 */
export function fillTemplate(template: string, values: Readonly<Record<string, string>>): string {
  let out = "";
  const quotes = new ShellQuotes();
  for (let at = 0; at < template.length;) {
    const placeholder = /^\{\{(\w+)\}\}/.exec(template.slice(at, at + 40));
    const name = placeholder?.[1] ?? "";
    // `{{constructor}}` is not a placeholder, though every object has that property.
    const isKnown = placeholder !== null && Object.hasOwn(values, name);
    const length = isKnown ? placeholder[0].length : quotes.read(template, at);
    out += isKnown ? quoteFor(quotes.context, values[name] ?? "") : template.slice(at, at + length);
    at += length;
  }
  return out;
}

function quoteFor(context: ShellContext, value: string): string {
  if (context === "single") return value.replaceAll("'", `'\\''`);
  if (context === "double") return value.replace(/[\\"$`]/g, "\\$&");
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

/** Words that a shell itself interprets: only a shell knows which program the rest of the template starts. */
const SHELL_WORDS = new Set(
  (": [ ! alias builtin case cd command eval exit export for function if printf read set source test time trap " +
    "ulimit umask unset until wait while").split(" "),
);

/**
 * The program a template starts: its first word after variable assignments and `exec`/`env`, unquoted.
 *
 * Undefined when only a shell in the worker's own folder could determine it: such a template is started unchecked.
 */
export function programOf(template: string): string | undefined {
  return programSpan(template)?.word;
}

/**
 * Whether a template is one command whose program comes first, so that its shell can exec it: a shell that stays dies
 * of the signals meant for the agent, and takes the terminal with it. Pure.
 */
export function isOneCommand(template: string): boolean {
  const span = programSpan(template);
  const begin = template.slice(0, span?.end).trim();
  const bare = template.replace(/\{\{\w+\}\}/g, "")
    .replace(/"\$\((?:cat\s*|<\s*)\)"|"[^"$`\\]*"|'[^']*'/g, "");
  return span !== undefined && !/\s/.test(begin) && !/[;&|\n(){}`"'\\#]/.test(bare);
}

/** The program's word, and where it ends in the template. */
function programSpan(template: string): { word: string; end: number } | undefined {
  for (const match of template.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)) {
    const bare = match[0].replace(/["']/g, "");
    if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(bare) || bare === "exec" || bare === "env") continue;
    const onlyShellKnows = /[$`(){};|&<>*?\\]/.test(bare) || /^[-~.]/.test(bare) || SHELL_WORDS.has(bare);
    return onlyShellKnows ? undefined : { word: bare, end: match.index + match[0].length };
  }
  return undefined;
}
