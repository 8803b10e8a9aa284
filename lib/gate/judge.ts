/**
 * The gate of `looop _ run`: refuses a command that looks irreversible, before it runs.
 *
 * It is a tripwire, not a sandbox. It reads the line as a shell would and stops the accident that is spelled out:
 * `git -C x push -f`, `bash -c 'rm -rf ~'`. It does not stop a script file, a program's own code (`python -c`), an
 * alias, a symlink, a name put together at run time, or anybody who means to get past it. The rules are in
 * `table.ts`. Pure: it looks at no file and runs nothing.
 */
import {
  type Arg,
  Call,
  expandWord,
  literalArg,
  resolvePath,
  type Surroundings,
  toValue,
  UNKNOWN,
  type Value,
} from "./call.ts";
import { oneLine } from "../errors.ts";
import { fetchedFiles, isFetch, isFetchedProgram, plainPath, runsFetched } from "./fetched.ts";
import {
  assign,
  type Body,
  changeDirectory,
  cwdOf,
  type Entry,
  environmentOf,
  type Frame,
  frameOf,
  inputOf,
  inputWords,
  knownIn,
  originsOf,
  type Place,
  type Trap,
  worstDirectory,
} from "./frame.ts";
import { isDisk } from "./questions.ts";
import {
  emptyCommand,
  literalWord,
  parseShell,
  type Part,
  type Script,
  type SimpleCommand,
} from "./shell.ts";
import { type ConfigEntry, type ConfigRule, configRule, ruleFor, type RuleId, RULES } from "./table.ts";
import { readingsOf } from "./values.ts";
import { guessInner, type Inner, unwrap } from "./wrappers.ts";

/** The gate's verdict on a command. */
export type Verdict = { allowed: true } | Refusal;

export interface Refusal {
  allowed: false;
  /** Stable id of the rule, such as `git-push`; `config` for an entry of `gate.deny`. */
  rule: string;
  /** The whole command as given, on one line and cut at 2,000 characters. */
  command: string;
  /** The simple command that the rule refuses, on one line and cut at 160 characters. */
  part: string;
  why: string;
  instead: string;
}

export interface GateOptions {
  /** The data dir, an absolute path. */
  dataDir: string;
  /** The directory in which the command will run, an absolute path. */
  cwd: string;
  home?: string;
  /** Absolute paths; `/tmp` and the like by default. */
  tempDirs?: readonly string[];
  /** Entries of `gate.deny`: calls that match one are refused. */
  deny?: readonly ConfigEntry[];
  /** Entries of `gate.allow`: they lift the built-in rules from the calls they match. */
  allow?: readonly ConfigEntry[];
}

const TEMP_DIRS = [
  "/tmp",
  "/var/tmp",
  "/private/tmp",
  "/private/var/tmp",
  "/var/folders",
  "/private/var/folders",
];
/** Number of nested wrappers and scripts that are followed; beyond it the command is refused. */
const MAX_LAYERS = 24;
/** Characters read per character given; nested scripts, and functions at each call, count again. */
const READ_FACTOR = 64;
/** Characters that one command of a function counts for, at each call. */
const CHARS_PER_COMMAND = 20;
const MAX_SHOWN_LINE = 2_000;
const MAX_SHOWN_PART = 160;

/** Judges a shell line or an exact argv. Never throws; takes time linear in the length of the command. */
export function judge(
  command: { line: string } | { argv: readonly string[] },
  options: GateOptions,
): Verdict {
  const whole = "line" in command ? command.line : quotedLine(command.argv);
  const judging = new Judge(options, whole);
  const refusal = "line" in command ? judging.line(command.line) : judging.argv(command.argv);
  return refusal ?? { allowed: true };
}

/** The parts of the one line that a user reads: what was refused, why, and what to do next. */
export function explainVerdict(
  { command, part, rule, why, instead }: Refusal,
): { message: string; next: string } {
  const because = command === part ? "" : `, for "${part}"`;
  return {
    message: `The gate refused "${command}" (rule ${rule}${because}): ${why}`,
    next: `${instead}; or, after the human's explicit yes, run it again with ` +
      '`--approved "<the human\'s words>"`',
  };
}

/** The verdict on a text, and the directory in which its shell ends. */
interface Judged {
  refusal?: Refusal | undefined;
  cwd?: string | undefined;
}

/** Judges one command and everything it runs in turn. */
class Judge {
  readonly #deny: readonly ConfigRule[];
  readonly #allow: readonly ConfigRule[];
  readonly #around: Surroundings;
  readonly #whole: string;
  /** Files that an earlier command of the line fetched, by the names it used. */
  readonly #fetched = new Set<string>();
  #charsLeft: number;

  constructor(
    { deny = [], allow = [], dataDir, cwd, home, tempDirs = TEMP_DIRS }: GateOptions,
    whole: string,
  ) {
    this.#deny = deny.map(configRule);
    this.#allow = allow.map(configRule);
    this.#around = { dataDir, cwd, home, tempDirs };
    this.#whole = whole;
    this.#charsLeft = (whole.length + 1_000) * READ_FACTOR;
  }

  line(line: string): Refusal | undefined {
    return this.#text(line, { cwd: this.#around.cwd, layer: 0 }).refusal;
  }

  argv(argv: readonly string[]): Refusal | undefined {
    const script = scriptOf(argv, quotedLine(argv));
    return this.#script(script, { cwd: this.#around.cwd, layer: 0 }).refusal;
  }

  #text(text: string, entry: Entry): Judged {
    this.#charsLeft -= text.length + 1;
    if (entry.layer > MAX_LAYERS || this.#charsLeft < 0) return { refusal: this.#refuse("unreadable", text) };
    const script = parseShell(text);
    return script.tooDeep ? { refusal: this.#refuse("unreadable", text) } : this.#script(script, entry);
  }

  #script(script: Script, entry: Entry): Judged {
    const frame = frameOf(script, entry);
    const refusal = this.#commands(frame, 0, script.commands.length) ??
      (entry.shell === undefined ? this.#end(frame) : undefined);
    return { refusal, cwd: cwdOf(frame, script.scope) };
  }

  /** Judges a range of commands except the bodies of functions in it; the range may itself be such a body. */
  #commands(frame: Frame, from: number, to: number, isBody = false): Refusal | undefined {
    for (let index = from; index < to; index++) {
      const end = frame.bodies.get(index);
      if (end !== undefined && !(isBody && index === from)) {
        index = end - 1;
        continue;
      }
      const refusal = this.#command(frame, index);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Judges what runs when the shell ends: its traps, and the functions that something else may call. */
  #end(frame: Frame): Refusal | undefined {
    const { shell, layer } = frame;
    const end = cwdOf(frame, frame.script.scope);
    // A trap may set another one.
    for (let index = 0; index < shell.traps.length; index++) {
      const { text, place, setAt } = shell.traps[index] as Trap;
      for (const cwd of new Set([place.around.cwd, end])) {
        const refusal = this.#text(text, { cwd, layer: place.layer + 1, shell, unsetBefore: setAt }).refusal;
        if (refusal !== undefined) return refusal;
      }
    }
    for (const [name, bodies] of shell.functions) {
      if (shell.called.has(name)) continue;
      const from = { around: { ...this.#around, cwd: end }, layer, input: "", isFed: false, isGuess: false };
      const refusal = this.#function(name, bodies, undefined, from);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Judges what a function does when called, and follows its `cd`. */
  #function(
    name: string,
    bodies: readonly Body[],
    positional: readonly Value[] | undefined,
    from: Pick<Place, "around" | "layer" | "input" | "isFed" | "isGuess">,
  ): Refusal | undefined {
    for (const { frame, from: begin, to, scope } of bodies) {
      const { active, called } = frame.shell;
      called.add(name);
      this.#charsLeft -= CHARS_PER_COMMAND * (to - begin + 1);
      if (active.has(name)) continue;
      active.add(name);
      for (const command of frame.script.commands.slice(begin, to)) frame.cwds.delete(command.scope);
      frame.cwds.set(scope, from.around.cwd);
      const { input, isFed, isGuess } = from;
      const refusal = this.#commands(
        { ...frame, positional, input, isFed, isGuess, layer: from.layer + 1 },
        begin,
        to,
        true,
      );
      from.around = { ...from.around, cwd: frame.cwds.get(scope) };
      active.delete(name);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Judges a simple command once for each combination of values that its variables may hold. */
  #command(frame: Frame, index: number): Refusal | undefined {
    const command = frame.script.commands[index] as SimpleCommand;
    const around = { ...this.#around, cwd: cwdOf(frame, command.scope) };
    const known = knownIn(frame, around);
    const readings = readingsOf(
      [...command.words, ...command.redirections.map(({ target }) => target)],
      known,
    );
    this.#charsLeft -= command.source.length * (readings.length - 1);
    if (this.#charsLeft < 0) return this.#refuse("unreadable", command.source);
    const cwds = new Set<string | undefined>();
    for (const lookup of readings) {
      const { input, isFed } = inputOf(frame, command, index, lookup, around);
      const { layer, isGuess } = frame;
      const place = { frame, command, index, around, lookup, input, isFed, layer, isGuess };
      const refusal = this.#reading(place);
      if (refusal !== undefined) return refusal;
      cwds.add(place.around.cwd);
    }
    frame.cwds.set(command.scope, worstDirectory([...cwds], around));
    assign(frame, index, known);
    return undefined;
  }

  #reading(place: Place): Refusal | undefined {
    const { command, lookup } = place;
    for (const { operator, target } of command.redirections) {
      const path = resolvePath(expandWord(target, lookup)[0] ?? literalArg("", target), place.around);
      if (operator.includes(">") && path !== undefined && isDisk(path)) {
        return this.#refuse("write-device", command.source);
      }
    }
    const words = command.words.flatMap((word) => expandWord(word, lookup));
    if (isFetch(command)) { for (const file of fetchedFiles(command, words)) this.#fetched.add(file); }
    return words.length === 0 ? undefined : this.#call(words, place);
  }

  /** Judges one call, then everything it would run in turn. */
  #call(words: readonly Arg[], place: Place): Refusal | undefined {
    if (place.layer > MAX_LAYERS) return this.#refuse("unreadable", place.command.source);
    const [name] = words;
    const bodies = place.frame.shell.functions.get(name?.text ?? "");
    if (name !== undefined && bodies !== undefined) {
      return this.#function(
        name.text,
        bodies,
        words.slice(1).map((arg) => toValue(arg, place.around)),
        place,
      );
    }
    const call = this.#view(words, place);
    const denied = this.#deny.find((entry) => entry.matches(call));
    if (denied !== undefined) return this.#refuseByConfig(denied, place.command.source);
    const rule = ruleFor(call, place.isGuess) ?? (isFetchedProgram(call) ? "run-fetched" : undefined);
    if (rule !== undefined && !this.#allow.some((entry) => entry.matches(call))) {
      return this.#refuse(rule, place.command.source);
    }
    changeDirectory(call, place);
    const inners = unwrap(call);
    for (const inner of inners) {
      const refusal = this.#inner(inner, place);
      if (refusal !== undefined) return refusal;
    }
    const guess = inners.length > 0 ? undefined : guessInner(call);
    return guess === undefined ? undefined : this.#inner(guess, { ...place, isGuess: true });
  }

  #inner(inner: Inner, place: Place): Refusal | undefined {
    const cwd = inner.isElsewhere ? undefined : place.around.cwd;
    const layer = place.layer + 1;
    if (inner.words !== undefined) {
      const next = { ...place, around: { ...place.around, cwd }, layer };
      const refusal = this.#call(inner.words, next);
      if (!inner.isElsewhere) place.around = next.around;
      return refusal;
    }
    const { shell, unsetBefore } = place.frame;
    if (inner.isTrap) return void shell.traps.push({ text: inner.text, place, setAt: shell.variables.clock });
    const { input, isFed, isGuess } = place;
    const shared = { cwd, layer, input, isFed, isGuess };
    if (!inner.isSameShell) {
      const variables = inner.isElsewhere ? undefined : environmentOf(place);
      const positional = inner.positional?.map((arg) => toValue(arg, place.around));
      return this.#text(inner.text, { ...shared, variables, positional }).refusal;
    }
    const { positional } = place.frame;
    const { refusal, cwd: end } = this.#text(inner.text, { ...shared, shell, positional, unsetBefore });
    place.around = { ...place.around, cwd: end };
    return refusal;
  }

  #view(words: readonly Arg[], place: Place): Call {
    const { frame, command } = place;
    const hasFetch = ({ from = 0, to }: Part): boolean =>
      to !== undefined && (frame.fetches[to] ?? 0) > (frame.fetches[from] ?? 0);
    const isFetchedWord = (arg: Arg): boolean => arg.word.parts.some(hasFetch);
    const isFed = place.isFed ||
      command.redirections.some(({ operator, target }) =>
        operator.startsWith("<") && target.parts.some(hasFetch)
      );
    const call: Call = new Call({
      words,
      input: place.input,
      inputWords: () => inputWords(place),
      originsOf: (arg) => arg.origins ?? originsOf(arg.word, frame),
      around: place.around,
      fetched: (arg) =>
        arg === undefined
          ? runsFetched(call, isFetchedWord, isFed)
          : isFetchedWord(arg) || this.#fetched.has(plainPath(arg.text)),
    });
    return call;
  }

  #refuse(rule: RuleId, source: string): Refusal {
    return { allowed: false, rule, ...this.#shown(source), ...RULES[rule] };
  }

  #refuseByConfig({ match, why }: ConfigRule, source: string): Refusal {
    return {
      allowed: false,
      rule: "config",
      ...this.#shown(source),
      why: why ?? `"gate.deny" in config.json has "${match}"`,
      instead: "have a worker `looop _ ask`",
    };
  }

  #shown(source: string): { command: string; part: string } {
    return { command: forShow(this.#whole, MAX_SHOWN_LINE), part: forShow(source, MAX_SHOWN_PART) };
  }
}

function forShow(source: string, maxChars: number): string {
  return oneLine(source.slice(0, maxChars * 4).replace(/\\\n\s*/g, ""), maxChars).replaceAll(UNKNOWN, "…");
}

/** An exact argv as a line with the same words, for people to read. */
function quotedLine(argv: readonly string[]): string {
  const quote = (text: string) => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  return argv.map(quote).join(" ");
}

/** An exact argv as a script of one command. */
function scriptOf(argv: readonly string[], source: string): Script {
  const scope = { parent: undefined };
  const command = { ...emptyCommand(scope, source), words: argv.map(literalWord) };
  return { commands: [command], functions: [], scope, unterminated: false, tooDeep: false };
}
