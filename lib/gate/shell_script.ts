/** What a shell script is made of, as it is read: words and their parts, simple commands, their order. Pure. */

/** One piece of a word. */
export interface Part {
  /** `text` is literal; the others are known only when the shell runs. */
  kind: "text" | "variable" | "command" | "process";
  /** Literal text after quote removal, or the source of an expansion, such as `${x:-y}`. */
  text: string;
  /** Inside quotes or behind a backslash: no globbing, no tilde, no splitting, no keyword. */
  quoted: boolean;
  /** The variable's name, when its value is taken as it is (`$x`, `${x}`, `${x:-y}`, `${x:?}`). */
  name?: string;
  /** The commands inside `$(…)`, backticks or `<(…)`, as a range of `Script.commands`. */
  from?: number;
  to?: number;
}

/** A word after quote removal. */
export interface Word {
  text: string;
  parts: readonly Part[];
}

/** `NAME=value` in front of a command or alone. */
export interface Assignment {
  name: string;
  value: Word;
}

/** One redirection; `operator` is `>`, `>>`, `<`, `&>`, `<<<` and so on, without a file descriptor. */
export interface Redirection {
  operator: string;
  target: Word;
}

/** A subshell, or the shell itself: what `cd` does lasts until its end. */
export interface Scope {
  parent: Scope | undefined;
}

/** One simple command: assignments, words, redirections. */
export interface SimpleCommand {
  assignments: Assignment[];
  words: Word[];
  redirections: Redirection[];
  /** Text of its heredocs and here-strings. */
  input: string | undefined;
  /** The command directly left of the pipe. */
  fedBy: SimpleCommand | undefined;
  /** Where the pipeline left of it begins, as an index of `Script.commands`. */
  upstreamFrom: number | undefined;
  scope: Scope;
  /** As it was written. */
  source: string;
}

/** All simple commands of a text, those inside `$(…)` right behind the command that holds them. */
export interface Script {
  commands: SimpleCommand[];
  /** A quote, bracket or substitution has no end: bash would refuse the text, or part of it. */
  unterminated: boolean;
  /** Nested beyond what is read; some of the text was skipped. */
  tooDeep: boolean;
}

/** Makes a word of literal text, as if it had been single-quoted. */
export function literalWord(text: string): Word {
  return { text, parts: [{ kind: "text", text, quoted: true }] };
}

/** Makes a word of its parts. */
export function toWord(parts: Part[]): Word {
  const [only] = parts;
  return { text: parts.length === 1 && only ? only.text : parts.map((part) => part.text).join(""), parts };
}
