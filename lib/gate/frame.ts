/**
 * One shell text that is judged: which shell runs it, what is known at each of its commands, and what a command
 * changes for the commands after it. Pure.
 */
import {
  type Arg,
  type Call,
  expandWord,
  isUnder,
  literalArg,
  type Lookup,
  type Surroundings,
  toValue,
  UNKNOWN,
  type Value,
} from "./call.ts";
import { isFetch } from "./fetched.ts";
import { literalWord, type Scope, type Script, type SimpleCommand, type Word } from "./shell.ts";
import { fedPaths, fedText, type Known, readingsOf, valuesOf, Variables } from "./values.ts";

/** Number of nested subshells that are searched for a `cd`; beyond it the directory is unknown. */
const MAX_SCOPES = 100;
/** PATH_MAX on macOS, characters; Linux has 4096. */
const MAX_PATH_CHARS = 1_024;
/** Number of commands left of a pipe that are searched for the origin of their output. */
const MAX_UPSTREAM = 16;

/** One shell process. */
export interface Shell {
  variables: Variables;
  functions: Map<string, Body[]>;
  /** Functions being judged, so that a recursive one ends. */
  active: Set<string>;
  called: Set<string>;
  /** Commands to run when the shell ends or gets a signal. */
  traps: Trap[];
}

export interface Body {
  frame: Frame;
  from: number;
  to: number;
  scope: Scope;
}

export interface Trap {
  text: string;
  place: Place;
  /** The clock of the variables when the trap was set. */
  setAt: number;
}

/** One text that is judged, and everything that reaches it from outside. */
export interface Frame {
  script: Script;
  shell: Shell;
  cwd: string | undefined;
  cwds: Map<Scope, string | undefined>;
  /** The number of commands that fetch text from elsewhere among the first N. */
  fetches: Uint32Array;
  /** The beginning and end of each function's body. */
  bodies: ReadonlyMap<number, number>;
  /** Standard input of the text itself. */
  input: string;
  isFed: boolean;
  layer: number;
  positional: readonly Value[] | undefined;
  unsetBefore: number | undefined;
  isGuess: boolean;
}

/** Everything that reaches a text from outside. */
export interface Entry {
  cwd: string | undefined;
  layer: number;
  input?: string;
  isFed?: boolean;
  /** The shell that runs it; a new one otherwise. */
  shell?: Shell | undefined;
  /** The variables of a new shell. */
  variables?: Variables | undefined;
  positional?: readonly Value[] | undefined;
  unsetBefore?: number | undefined;
  isGuess?: boolean;
}

/** Everything that reaches one simple command. */
export interface Place {
  frame: Frame;
  command: SimpleCommand;
  index: number;
  around: Surroundings;
  lookup: Lookup;
  input: string;
  isFed: boolean;
  layer: number;
  /** Whether the call is only a guess, made from the words after an unknown program. */
  isGuess: boolean;
}

export function frameOf(script: Script, entry: Entry): Frame {
  const { cwd, layer, input = "", isFed = false, positional, unsetBefore, isGuess = false } = entry;
  const fetches = new Uint32Array(script.commands.length + 1);
  script.commands.forEach((command, index) => {
    fetches[index + 1] = (fetches[index] ?? 0) + (isFetch(command) ? 1 : 0);
  });
  const shell = entry.shell ?? {
    variables: entry.variables ?? new Variables(),
    functions: new Map(),
    active: new Set(),
    called: new Set(),
    traps: [],
  };
  const bodies = new Map(
    script.functions.filter(({ from, to }) => to > from).map(({ from, to }) => [from, to]),
  );
  const frame = {
    script,
    shell,
    cwd,
    cwds: new Map(),
    fetches,
    bodies,
    input,
    isFed,
    layer,
    positional,
    unsetBefore,
    isGuess,
  };
  for (const { name, from, to, scope } of script.functions) {
    const bodies = shell.functions.get(name) ?? [];
    bodies.push({ frame, from, to, scope });
    shell.functions.set(name, bodies);
  }
  return frame;
}

export function knownIn({ script, shell, positional, unsetBefore }: Frame, around: Surroundings): Known {
  return { script, variables: shell.variables, positional, unsetBefore, around };
}

/** The directory of a scope: its own after a `cd`, else its parent's when the scope began. */
export function cwdOf({ cwds, cwd }: Frame, scope: Scope): string | undefined {
  let at: Scope | undefined = scope;
  for (let steps = 0; at !== undefined && steps < MAX_SCOPES; at = at.parent, steps++) {
    if (cwds.has(at)) return cwds.get(at);
  }
  return at === undefined ? cwd : undefined;
}

/**
 * Out of several possible directories, the one in which a `rm -r` does the most harm; undefined when one is unknown.
 */
export function worstDirectory(
  cwds: readonly (string | undefined)[],
  { dataDir, tempDirs }: Surroundings,
): string | undefined {
  if (cwds.includes(undefined)) return undefined;
  const isInside = (cwd = "") => [dataDir, ...tempDirs].some((dir) => isUnder(cwd, dir));
  const shallowest = cwds.toSorted((a = "", b = "") => a.split("/").length - b.split("/").length);
  return shallowest.find((cwd) => !isInside(cwd)) ?? shallowest[0];
}

export function changeDirectory(call: Call, place: Place): void {
  if (!/^(?:cd|chdir|pushd|popd)$/.test(call.program)) return;
  const [target] = call.operandArgs;
  const home = call.program === "cd" ? place.around.home : undefined;
  const cwd = target === undefined ? home : /^-?$/.test(target.text) ? undefined : call.path(target);
  // The kernel refuses a longer path; without this limit `cd x; cd x; …` would take quadratic time.
  place.around = { ...place.around, cwd: (cwd?.length ?? 0) > MAX_PATH_CHARS ? undefined : cwd };
}

/**
 * The text known to reach a command: its heredoc, the output of `echo`, `printf` or `cat`, or the text's own input.
 */
export function inputOf(
  { fetches, input, isFed }: Frame,
  command: SimpleCommand,
  index: number,
  lookup: Lookup,
  around: Surroundings,
): { input: string; isFed: boolean } {
  const { upstreamFrom, fedBy } = command;
  const fed = upstreamFrom === undefined ? isFed : (fetches[index] ?? 0) > (fetches[upstreamFrom] ?? 0);
  if (command.input !== undefined) return { input: command.input, isFed: fed };
  if (fedBy !== undefined) return { input: fedText(fedBy, lookup, around), isFed: fed };
  return { input: upstreamFrom === undefined ? input : "", isFed: fed };
}

/** The words known to reach a command's input, such as the paths below the roots of `find`. */
export function inputWords({ command, frame, index, input, lookup }: Place): readonly Arg[] | undefined {
  const origins = upstreamOf(frame.script, command, index);
  const paths = command.fedBy === undefined ? undefined : fedPaths(command.fedBy, lookup);
  if (paths !== undefined) return paths.map((arg) => ({ ...arg, origins }));
  const texts = input.split(/\s+/).filter((text) => text !== "");
  // In a heredoc the shell's own expansions have not happened yet.
  if (texts.length === 0 || /[$`\\]/.test(input)) {
    return origins.length === 0 ? undefined : [unknownFrom(origins)];
  }
  return texts.map((text) => ({ ...literalArg(text, literalWord(text)), origins }));
}

function unknownFrom(origins: readonly SimpleCommand[]): Arg {
  return { ...literalArg(UNKNOWN, literalWord(UNKNOWN)), origins };
}

/** The commands left of a pipe; only the nearest when there are many. */
function upstreamOf(
  { commands }: Script,
  { upstreamFrom }: SimpleCommand,
  index: number,
): readonly SimpleCommand[] {
  return upstreamFrom === undefined
    ? []
    : commands.slice(Math.max(upstreamFrom, index - MAX_UPSTREAM), index);
}

/** The commands whose output a word consists of. */
export function originsOf({ parts }: Word, { script, shell }: Frame): readonly SimpleCommand[] {
  return parts.flatMap(({ name, from, to }) =>
    from !== undefined
      ? script.commands.slice(from, to).slice(0, MAX_UPSTREAM)
      : name === undefined
      ? []
      : shell.variables.originsOf(name)
  );
}

/** Records what a command assigns: `x=…`, `export x=…`, `for x in …`, `read x`. */
export function assign(frame: Frame, index: number, known: Known): void {
  const command = frame.script.commands[index] as SimpleCommand;
  const { variables } = frame.shell;
  const [program = "", ...rest] = command.words.map((word) => word.text);
  for (const { name, values } of [...(program === "" ? command.assignments : []), ...command.declared]) {
    const origins = (values ?? []).flatMap((word) => originsOf(word, frame));
    variables.set(name, values === undefined ? undefined : valuesOf(values, known), origins);
  }
  if (program === "export" || (/^(?:declare|typeset)$/.test(program) && /x/.test(rest[0] ?? ""))) {
    for (const word of rest) variables.export(word.replace(/=.*$/s, ""));
  }
  if (program === "for" || program === "select") assignLoop(command, frame, known);
  if (/^(?:read|mapfile|readarray|getopts)$/.test(program) || (program === "printf" && rest[0] === "-v")) {
    const names = program === "printf" ? rest.slice(1, 2) : rest;
    for (const name of names) variables.set(name, undefined, upstreamOf(frame.script, command, index));
  }
}

/** `for x in a b`: each word is a value of `x`; without words, each argument of the shell or function is. */
function assignLoop({ words }: SimpleCommand, frame: Frame, known: Known): void {
  const list = words.slice(3);
  const inAll = (lookup: Lookup) => list.flatMap((word) => expandWord(word, lookup));
  const values = words.length === 2
    ? frame.positional
    : readingsOf(list, known).flatMap(inAll).map((arg) => toValue(arg, known.around));
  const isKnown = values?.every(({ text }) => !text.includes(UNKNOWN));
  frame.shell.variables.set(
    words[1]?.text ?? "",
    isKnown ? values : undefined,
    list.flatMap((word) => originsOf(word, frame)),
  );
}

/** The variables of a new shell: the exported ones, and the assignments before the command. */
export function environmentOf({ frame, command, around }: Place): Variables {
  const variables = frame.shell.variables.child();
  for (const { name, values } of command.assignments) {
    variables.set(name, values === undefined ? undefined : valuesOf(values, knownIn(frame, around)));
  }
  return variables;
}
