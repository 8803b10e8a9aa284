/**
 * The possible values of a shell line's variables: every value that the line gives them, or unknown. So a loop over
 * literal words is judged word by word, and `rm -rf "$work"` by what `work` can be. Pure.
 */
import {
  type Arg,
  expandWord,
  findIsNarrow,
  findRoots,
  literalArg,
  type Lookup,
  MADE_DIR,
  programName,
  resolvePath,
  type Surroundings,
  toValue,
  UNKNOWN,
  type Value,
} from "./call.ts";
import { literalWord, type Part, type Script, type SimpleCommand, type Word } from "./shell.ts";

/** Number of values of one variable that are followed; with more it is unknown. */
const MAX_VALUES = 16;
/** Number of readings of one command, by the values of its variables; beyond it the last variables are unknown. */
const MAX_READINGS = 64;
/** Variables whose value is a number, and therefore never empty nor a path. */
const NUMBERS = new Set(
  "$ ! # ? RANDOM SRANDOM UID EUID PPID SECONDS EPOCHSECONDS BASHPID LINENO".split(" "),
);
const ZERO: Value = { text: "0" };

/** The possible values of one variable. */
interface Variable {
  values: Value[];
  /** Whether it may have other values, too. */
  isOpen: boolean;
  /** The commands whose output it holds. */
  origins: readonly SimpleCommand[];
  /** The clock when it was first set, in assignments from the beginning. */
  since: number;
  isExported: boolean;
}

/** The variables of one shell process. A value is never forgotten, because branches and loops are not followed. */
export class Variables {
  readonly #known = new Map<string, Variable>();
  /** Number of assignments so far. */
  clock = 0;

  /** Adds values to a variable; without values it may have any value from now on. */
  set(name: string, values: readonly Value[] | undefined, origins: readonly SimpleCommand[] = []): void {
    this.clock++;
    const variable = this.#known.get(name) ??
      { values: [], isOpen: false, origins: [], since: this.clock, isExported: false };
    const added = (values ?? []).filter(({ text }) => !variable.values.some((known) => known.text === text));
    const isOpen = variable.isOpen || values === undefined ||
      variable.values.length + added.length > MAX_VALUES;
    const from = origins.length === 0
      ? variable.origins
      : [...variable.origins, ...origins].slice(0, MAX_VALUES);
    this.#known.set(name, {
      ...variable,
      values: isOpen ? [] : [...variable.values, ...added],
      isOpen,
      origins: from,
    });
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  /**
   * The possible values of a variable; undefined when they are unknown. Text that may run before the variable is set,
   * such as a trap's, may also see it empty.
   */
  valuesOf(name: string, unsetBefore = Infinity): readonly Value[] | undefined {
    const variable = this.#known.get(name);
    if (variable === undefined || variable.isOpen) return undefined;
    return variable.since > unsetBefore ? [{ text: "" }, ...variable.values] : variable.values;
  }

  originsOf(name: string): readonly SimpleCommand[] {
    return this.#known.get(name)?.origins ?? [];
  }

  export(name: string): void {
    const variable = this.#known.get(name);
    if (variable !== undefined) variable.isExported = true;
  }

  /** The variables of a new shell that this one starts. */
  child(): Variables {
    const child = new Variables();
    for (const [name, variable] of this.#known) {
      if (variable.isExported) child.#known.set(name, { ...variable });
    }
    child.clock = this.clock;
    return child;
  }
}

/** Everything that decides a variable's value at one place of the line. */
export interface Known {
  variables: Variables;
  around: Surroundings;
  script: Script;
  /** `$1`, `$2` and so on; undefined when they are unknown. */
  positional: readonly Value[] | undefined;
  /** The clock before which the text may run. */
  unsetBefore: number | undefined;
}

/** One lookup for each reading of the words: each variable with several values takes each of them in turn. */
export function readingsOf(words: readonly Word[], known: Known): Lookup[] {
  const choices = new Map<string, readonly Value[]>();
  let readings = 1;
  for (const { name } of words.flatMap((word) => word.parts)) {
    const values = name === undefined || choices.has(name) ? undefined : severalValues(name, known);
    if (name === undefined || values === undefined) continue;
    const fits = readings * values.length <= MAX_READINGS;
    choices.set(name, fits ? values : []);
    if (fits) readings *= values.length;
  }
  return Array.from({ length: readings }, (_, reading) => lookupOf(known, choose(choices, reading)));
}

/** The value of each variable in the n-th reading. */
function choose(
  choices: ReadonlyMap<string, readonly Value[]>,
  reading: number,
): Map<string, Value | undefined> {
  let rest = reading;
  return new Map([...choices].map(([name, values]) => {
    const value = values[rest % Math.max(1, values.length)];
    rest = Math.floor(rest / Math.max(1, values.length));
    return [name, value];
  }));
}

function severalValues(
  name: string,
  { variables, positional, unsetBefore }: Known,
): readonly Value[] | undefined {
  const values = /^[@*]$/.test(name) ? positional : variables.valuesOf(name, unsetBefore);
  return values !== undefined && values.length > 1 ? values : undefined;
}

function lookupOf(known: Known, chosen: ReadonlyMap<string, Value | undefined>): Lookup {
  return (part) => {
    if (part.kind === "command") return outputOf(part, known);
    const { name } = part;
    if (name === undefined) return /^\$\(\(/.test(part.text) ? ZERO : undefined;
    return chosen.has(name) ? chosen.get(name) : valueOf(name, known);
  };
}

/** The one value of a variable. */
function valueOf(name: string, { variables, around, positional, unsetBefore }: Known): Value | undefined {
  if (/^[0-9]$/.test(name)) return positional?.[Number(name) - 1];
  if (/^[@*]$/.test(name)) return positional?.[0];
  if (variables.has(name)) return variables.valuesOf(name, unsetBefore)?.[0];
  if (NUMBERS.has(name)) return ZERO;
  const text =
    { HOME: around.home, PWD: around.cwd, TMPDIR: around.tempDirs[0], LOOOP_DATA_DIR: around.dataDir }[name];
  return text === undefined ? undefined : { text };
}

/** The output of `$(mktemp -d)`, `$(pwd)`, `$(date +%s)` and the like; anything else is unknown. */
function outputOf(part: Part, known: Known): Value | undefined {
  const { script, around } = known;
  const command = script.commands[part.from ?? 0];
  if (command === undefined || part.to !== (part.from ?? 0) + 1) return undefined;
  const words = command.words.flatMap((word) => expandWord(word, lookupOf(known, new Map())));
  const program = programName(words[0]?.text ?? "");
  if (program === "mktemp") return { text: madeBy(words, around) };
  if (program === "pwd") return around.cwd === undefined ? undefined : { text: around.cwd };
  if (program === "seq" || program === "nproc" || (program === "id" && words[1]?.text === "-u")) return ZERO;
  return program === "date" && /^\+[^/]+$/.test(words.at(-1)?.text ?? "") ? ZERO : undefined;
}

/** The path that a call of mktemp prints: its template's path where that is known. */
function madeBy(words: readonly Arg[], around: Surroundings): string {
  const temp = around.tempDirs[0] ?? "/tmp";
  const texts = words.map(({ text }) => text);
  const at = texts.findIndex((text) => /^(?:-p|--tmpdir)$/.test(text));
  const dir = at > 0 ? words[at + 1] : undefined;
  const template = words.slice(1).findLast((arg) =>
    arg !== dir && /X{3}/.test(arg.text) && !arg.text.startsWith("-")
  );
  if (texts.some((text) => /^(?:-p.|--tmpdir=)/.test(text)) || dir !== undefined) return MADE_DIR;
  if (template === undefined || !template.text.includes("/")) {
    return template === undefined || texts.includes("-t") ? `${temp}/mktemp` : MADE_DIR;
  }
  const path = resolvePath(template, around);
  return path !== undefined && [around.dataDir, ...around.tempDirs].some((dir) => path.startsWith(`${dir}/`))
    ? path
    : MADE_DIR;
}

/** The values of some words in every reading; undefined when one of them is unknown. */
export function valuesOf(words: readonly Word[], known: Known): Value[] | undefined {
  const values = words.map((word) => valuesOfWord(word, known));
  return values.every((value) => value !== undefined) ? values.flat() : undefined;
}

function valuesOfWord(word: Word, known: Known): Value[] | undefined {
  // An assigned value is not split, and a `~` inside it is not expanded.
  const whole = { ...word, parts: word.parts.map((part) => ({ ...part, quoted: true })) };
  const isHome = word.parts[0]?.quoted === false && word.text.startsWith("~");
  const isGlob = word.parts.some((part) => part.kind === "text" && !part.quoted && /[*?[{]/.test(part.text));
  const values = readingsOf([word], known).map((lookup) =>
    expandWord(whole, lookup)[0] ?? literalArg("", word)
  );
  const expanded = values.map((value) =>
    toValue({ ...value, tilde: isHome, glob: value.glob || isGlob }, known.around)
  );
  return expanded.some(({ text }) => text.includes(UNKNOWN)) ? undefined : expanded;
}

/**
 * The text that `echo`, `printf` or `cat <<EOF` prints, with `UNKNOWN` for each unknown piece; "" for other commands.
 */
export function fedText(command: SimpleCommand, lookup: Lookup, around: Surroundings): string {
  const [program, ...args] = command.words.flatMap((word) => expandWord(word, lookup));
  if (program?.text === "cat") return command.input ?? "";
  const texts = args.map((arg) => toValue(arg, around).text);
  if (program?.text === "printf") {
    const [format = "", ...rest] = texts;
    return (/%/.test(format) && rest.length > 0 ? rest : [format]).join("\n").replaceAll(/\\[n0]/g, "\n");
  }
  if (program?.text !== "echo") return "";
  return texts.filter((text) => !/^-[neE]+$/.test(text)).join(" ").replaceAll("\\n", "\n");
}

/** The output of `find`: paths below its roots. */
export function fedPaths(command: SimpleCommand, lookup: Lookup): Arg[] | undefined {
  const [program, ...args] = command.words.flatMap((word) => expandWord(word, lookup));
  if (
    !/^g?find$/.test(program?.text ?? "") ||
    args.some(({ text }) => /^-(?:exec|ok|printf|fprintf)/.test(text))
  ) {
    return undefined;
  }
  return pathsFound({ args });
}

/** The paths that `find` may print: those below its roots, and the roots themselves when no test narrows the search. */
export function pathsFound(find: { args: readonly Arg[] }): Arg[] {
  const roots = findRoots(find);
  const from = roots.length > 0 ? roots : [literalArg(".", literalWord("."))];
  return findIsNarrow(find) ? from.map((root) => ({ ...root, text: `${root.text}/found` })) : [...from];
}
