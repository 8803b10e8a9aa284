/**
 * Text that a line fetches from elsewhere, and whether a shell or an interpreter runs it: `curl … | sh`,
 * `bash <(curl …)`, `curl -o x … && ./x`. Pure.
 */
import { type Arg, type Call, INTERPRETERS, programName, SHELLS, UNKNOWN } from "./call.ts";
import { shellOptions } from "./questions.ts";
import type { SimpleCommand } from "./shell.ts";

/** Programs whose output is text from elsewhere, or text that hides its content. */
const FETCHERS = new Set(
  "curl wget fetch lynx http https xh aria2c nc ncat netcat socat base64 base32 xxd openssl uudecode".split(
    " ",
  ),
);
const IN_FRONT =
  /^(?:env|sudo|nohup|timeout|command|nice|time|stdbuf|exec|xargs|proxychains4?|torsocks|torify|retry)$/;

/** Whether a command fetches text. */
export function isFetch({ words }: SimpleCommand): boolean {
  for (const { text } of words.slice(0, 8)) {
    const name = programName(text);
    if (FETCHERS.has(name)) return true;
    if (!IN_FRONT.test(name) && !/^-|=|^[0-9.]+[smh]?$/.test(text)) return false;
  }
  return false;
}

/** The files into which a command writes what it fetches: `curl -o F`, `curl -O`, `curl > F`. */
export function fetchedFiles(command: SimpleCommand, words: readonly Arg[]): string[] {
  const texts = words.map((word) => word.text);
  const files = texts.flatMap((text, index) => {
    if (/^(?:--output|--output-document|--out)$|^-[A-Za-z]*[oO]$/.test(text)) return [texts[index + 1] ?? ""];
    const glued = /^(?:--output(?:-document)?=|-[A-NP-Za-np-z]*[oO])(.+)$/.exec(text)?.[1];
    const remote = /^(?:https?|ftp):\/\/\S+\/[^/]+$/.test(text)
      ? text.slice(text.lastIndexOf("/") + 1)
      : undefined;
    return [glued, remote].filter((file) => file !== undefined);
  });
  const targets = command.redirections.filter(({ operator, target }) =>
    operator.includes(">") && target.text !== "/dev/null"
  );
  return [...files, ...targets.map(({ target }) => target.text)].map(plainPath);
}

/** A path without a leading `./`. */
export function plainPath(path: string): string {
  return path.replace(/^(?:\.\/)+/, "");
}

/** Whether a shell or interpreter takes its program from fetched text: piped, `<(…)`, `-c "$(…)"`, a file. */
export function runsFetched(call: Call, isFetchedWord: (arg: Arg) => boolean, isFed: boolean): boolean {
  const isShell = SHELLS.has(call.program);
  if (isShell && shellOptions(call).has("n")) return false;
  if (call.args.some(isFetchedWord)) return runsItsWords(call);
  if (!isShell && !INTERPRETERS.has(call.program)) {
    return isFed && /^(?:source|\.)$/.test(call.program) && call.operands[0] === "/dev/stdin";
  }
  const isGiven = isShell ? call.has("-c") : call.args.some(({ text }) => /^-[A-Za-z]*[cemnprE]/.test(text));
  const [file] = call.operandArgs;
  if (!isGiven && file !== undefined && call.parts.fetched(file)) return true;
  const readsInput = !isGiven && (file === undefined || /^(?:-|\/dev\/stdin)$/.test(file.text));
  return isFed && (readsInput || (isShell && call.has("-s")) || call.args.some((arg) => arg.text === "-"));
}

/** `deno run URL` and `python fetch.py "$(curl …)"` differ: only a script operand or the value of `-c` is run. */
function runsItsWords(call: Call): boolean {
  if (/^(?:eval|source|\.)$/.test(call.program) || SHELLS.has(call.program)) return true;
  const [first] = call.operandArgs;
  const isCode = call.args.some(({ text }) => /^-[A-Za-z]*[ceEr]$/.test(text));
  return isCode || (first !== undefined && call.parts.fetched(first));
}

/** Whether `$(curl …)` or a fetched file is used as the program. */
export function isFetchedProgram(call: Call): boolean {
  const [program] = call.parts.words;
  if (program === undefined) return false;
  const isPath = program.text.includes("/") || program.text.includes(UNKNOWN);
  return isPath && call.parts.fetched(program);
}
