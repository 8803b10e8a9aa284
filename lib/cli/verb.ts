/**
 * Verbs: each is declared once as data, from which parsing, help, completions and verbs/README.md are all derived.
 */
import { typeFlag } from "type-flag";
import { UsageError } from "../errors.ts";
import { nearest } from "../text/nearest.ts";
import type { LocalCaller } from "../calls/local.ts";
import type { Watch, WatchOptions } from "../file_watch.ts";
import type { Profile } from "../paths.ts";
import type { SelfCommand } from "../process/self.ts";
import type { Caller } from "../sessions/caller.ts";

/** Kinds of live ids that completions offer. */
export type LiveKind =
  | "ask"
  | "goal"
  | "schedule"
  | "sensor"
  | "worker"
  /** A worker or the pulse. */
  | "session"
  | "claim"
  | "runner"
  | "example"
  | "verb"
  | "file"
  | "dir";

/** One positional argument. */
export interface Argument {
  name: string;
  summary: string;
  optional?: boolean;
  /** Whether it takes all remaining words. */
  many?: boolean;
  kind?: LiveKind;
  /** The fixed words it can be. */
  choices?: readonly string[];
}

/** One option. Without `value` it is a switch. */
export interface Option {
  name: string;
  summary: string;
  /** Placeholder of its value. */
  value?: string;
  /** Whether it is shown without brackets; the verb itself reports when it is missing. */
  required?: boolean;
  short?: string;
  /** Whether it may be given several times. */
  many?: boolean;
  /** Whether it is also accepted after the only word of a command, as in 0.16: `_ run CMD --reason T`. */
  isTrailing?: boolean;
  kind?: LiveKind;
}

/** The caller for whom a verb is meant. */
export type Audience = "people" | "root" | "worker" | "internal";

/** A verb's declaration. */
export interface Declaration {
  /** As typed after `looop`: `up`, `_ answer`, `_ goal write`. */
  path: string;
  summary: string;
  audience: Audience;
  args?: readonly Argument[];
  options?: readonly Option[];
  /** Whether it changes the world: it then takes `--journal` and journals its failures. */
  mutating?: boolean;
  /** Whether options end at the first argument, because the rest is a command of its own. */
  passthrough?: boolean;
  example: string;
  /** More text for `looop help <verb>`. */
  details?: string;
}

/** The surroundings that a verb gets instead of globals. */
export interface Context {
  readonly profile: Profile;
  readonly env: Readonly<Record<string, string>>;
  readonly self: SelfCommand;
  readonly version: string;
  /** Whether results are to be JSON; never for a verb whose words are a command of its own. */
  json: boolean;
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  /** The text of `--journal`. */
  journalText: string | undefined;
  /** The caller of the verb. */
  readonly caller: Caller;
  now(): number;
  /** Writes to stdout; ends the process quietly when nobody reads. */
  out(text: string | Uint8Array): void;
  /** Writes bytes to stderr unchanged: a command's own messages. */
  err(bytes: Uint8Array): void;
  /** Writes one message line to stderr. */
  note(line: string): void;
  stdin(): Promise<string>;
  /** Stdin unchanged; more than `maxBytes` is refused. */
  stdinBytes(maxBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Whether stdin is a person's terminal. */
  stdinIsTerminal(): boolean;
  /** One executable path that starts looop. */
  bin(): string;
  /** All declarations, loaded on demand (help). */
  declarations(): Promise<Declaration[]>;
  /** The paths of all verbs except internal ones (completions). */
  readonly paths: readonly string[];
  declaration(path: string): Promise<Declaration>;
  /** Whether the process that made this call is gone, so that nobody reads what is printed. */
  isOrphan(): boolean;
  /** Opens a watch of folders for a caller elsewhere; absent where the process has none but its own. */
  watch?(options: WatchOptions): Watch;
  /** Takes note of the question that a caller elsewhere waits for. */
  asked?(id: string): void;
  /**
   * Does what is due once the caller has everything that was printed so far: about the question `ask`, where there is
   * one.
   */
  whenRead(work: () => Promise<void> | void, ask?: string): Promise<void>;
  /** Runs a call in this process for a caller elsewhere; returns its exit code. */
  runFor(caller: LocalCaller, words: readonly string[]): Promise<number>;
}

/** The result of a verb. Text and JSON go to stdout. */
export interface Reply {
  text?: string;
  json?: unknown;
  code?: number;
}

/** A verb: its declaration and the one function with effects. */
export interface Verb {
  declare: Declaration;
  run(context: Context, input: Input): Promise<Reply | void>;
}

/** Returns the verb unchanged; gives it its type. */
export function defineVerb(verb: Verb): Verb {
  return verb;
}

const JOURNAL: Option = {
  name: "journal",
  value: "TEXT",
  summary: "the journal line, instead of the usual one",
};
const HELP: Option = { name: "help", short: "h", summary: "show this" };

const JSON_OUTPUT: Option = { name: "json", summary: "the reply, or the error, as JSON" };

/** All options of a declaration, including the implied ones. */
export function optionsOf(declare: Declaration): Option[] {
  const own = declare.options ?? [];
  const json = declare.passthrough || own.some((option) => option.name === "json") ? [] : [JSON_OUTPUT];
  return [...own, ...(declare.mutating ? [JOURNAL] : []), ...json, HELP];
}

/** Parsed arguments of one call. */
export class Input {
  readonly words: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(words: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.words = words;
    this.#values = values;
  }

  /** The n-th word; the parser has checked that required words are present. */
  word(n: number): string {
    return this.words[n] ?? "";
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  many(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** A number of seconds > 0. @throws {UsageError} */
  seconds(name: string): number | undefined {
    return this.#number(name, "seconds, a number greater than 0", (n) => n > 0);
  }

  /** A whole number ≥ 0. @throws {UsageError} */
  count(name: string): number | undefined {
    return this.#number(name, "a whole number", (n) => Number.isInteger(n) && n >= 0);
  }

  #number(name: string, wanted: string, fits: (n: number) => boolean): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || !fits(value)) {
      throw new UsageError(`--${name} is "${text}"`, { next: `give ${wanted}` });
    }
    return value;
  }
}

/** Parses the words after a verb by its declaration. Pure. @throws {UsageError} */
export function parseInput(declare: Declaration, argv: readonly string[]): Input {
  const options = optionsOf(declare);
  const given = declare.passthrough ? withTrailingInFront(options, argv) : argv;
  const cut = declare.passthrough ? firstWord(options, given) : given.length;
  const { words, values } = parseOptions(declare, options, given.slice(0, cut));
  const rest = given.slice(cut);
  const input = new Input([...words, ...(rest[0] === "--" ? rest.slice(1) : rest)], values);
  if (!input.flag("help")) checkWords(declare, input.words);
  return input;
}

/**
 * Turns `CMD --reason T` into `--reason T CMD`: after exactly one word, not after `--`, an option may be the verb's
 * own.
 */
function withTrailingInFront(options: readonly Option[], argv: readonly string[]): readonly string[] {
  const cut = firstWord(options, argv);
  const [word = "--", first = "", ...more] = argv.slice(cut);
  const option = options.find(({ name, isTrailing }) =>
    isTrailing && (more.length === 1 ? first === `--${name}` : first.startsWith(`--${name}=`))
  );
  return word === "--" || option === undefined || more.length > 1
    ? argv
    : [...argv.slice(0, cut), first, ...more, word];
}

/** The index of `--`, or of the first word that is neither an option nor an option's value. */
function firstWord(options: readonly Option[], argv: readonly string[]): number {
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--" || !word.startsWith("-") || word === "-") return at;
    const option = options.find(({ name, short }) => word === `--${name}` || (short && word === `-${short}`));
    if (option?.value !== undefined) at++;
  }
  return argv.length;
}

function parseOptions(
  declare: Declaration,
  options: readonly Option[],
  argv: readonly string[],
): { words: string[]; values: Map<string, readonly string[]> } {
  const parsed = typeFlag(schemaOf(options), [...argv]);
  const values = new Map<string, readonly string[]>();
  for (const option of options) {
    const given = (parsed.flags as Record<string, unknown[]>)[option.name] ?? [];
    if (given.length === 0 || given.at(-1) === false) continue;
    const texts = given.map((value) => typeof value === "string" ? value : "");
    if (option.value !== undefined && texts.includes("")) {
      throw new UsageError(`Option --${option.name} needs a value`, {
        next:
          `as in --${option.name} ${option.value}; write one that begins with "-" as --${option.name}=${option.value}`,
      });
    }
    values.set(option.name, texts);
  }
  // Checked last, because in `--timeout -1` it is --timeout that lacks its value.
  const unknown = Object.keys(parsed.unknownFlags)[0];
  if (unknown !== undefined) throw unknownOption(declare, options, unknown);
  return { words: [...parsed._], values };
}

function schemaOf(options: readonly Option[]) {
  return Object.fromEntries(options.map((option) => {
    const type = option.value === undefined ? [Boolean] as const : [String] as const;
    return [option.name, option.short === undefined ? { type } : { type, alias: option.short }];
  }));
}

function unknownOption(declare: Declaration, options: readonly Option[], name: string): UsageError {
  const match = nearest(name, options.map((option) => option.name));
  const dashes = name.length === 1 ? "-" : "--";
  return new UsageError(`Unknown option ${dashes}${name}`, {
    next: match === undefined
      ? `\`looop help ${declare.path}\` lists them; text that begins with "-" goes after --`
      : `did you mean --${match}?`,
  });
}

function checkWords(declare: Declaration, words: readonly string[]): void {
  const args = declare.args ?? [];
  const required = args.filter((arg) => !arg.optional);
  const missing = required[words.length];
  if (words.length < required.length && missing !== undefined) {
    throw new UsageError(`Missing <${missing.name}>`, { next: `as in \`${declare.example}\`` });
  }
  if (!args.some((arg) => arg.many) && words.length > args.length) {
    throw new UsageError(`Unexpected argument "${words[args.length] ?? ""}"`, {
      next: `usage: ${usageOf(declare)}`,
    });
  }
  for (const [n, arg] of args.entries()) {
    const word = words[n];
    if (arg.choices === undefined || word === undefined || arg.choices.includes(word)) continue;
    const match = nearest(word, arg.choices);
    throw new UsageError(`<${arg.name}> is "${word}"`, {
      next: match === undefined ? `use one of ${arg.choices.join(", ")}` : `did you mean "${match}"?`,
    });
  }
}

/** The usage line of a verb. */
export function usageOf(declare: Declaration): string {
  const args = (declare.args ?? []).map((arg) => {
    const name = arg.choices === undefined ? arg.name : arg.choices.join("|");
    const shown = `${name}${arg.many ? "…" : ""}`;
    return arg.optional ? `[${shown}]` : `<${shown}>`;
  });
  const options = (declare.options ?? []).map((option) => {
    const shown = option.value === undefined ? `--${option.name}` : `--${option.name} ${option.value}`;
    return option.required ? shown : `[${shown}]${option.many ? "…" : ""}`;
  });
  return ["looop", declare.path, ...(declare.passthrough ? [...options, ...args] : [...args, ...options])]
    .join(" ");
}

/**
 * A verb's body: its words, or stdin when there are none or a lone `-`. An empty body is refused.
 *
 * @throws {UsageError} when there is nothing to take.
 */
export async function bodyOf(context: Context, words: readonly string[], what: string): Promise<string> {
  const fromStdin = words.length === 0 || (words.length === 1 && words[0] === "-");
  if (words.length === 0 && context.stdinIsTerminal()) {
    throw new UsageError(`There is no ${what}`, { next: "give it as words, or pipe it in" });
  }
  const body = fromStdin ? await context.stdin() : words.join(" ");
  if (body.trim() === "") {
    throw new UsageError(`The ${what} is empty`, { next: "nothing was changed; give some text" });
  }
  return body;
}

/** Whether `--json` is among the words that can be options. */
export function mayWantJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}
