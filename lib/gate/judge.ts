/**
 * The gate of `looop _ run`: refuses a command that looks irreversible, before it runs.
 *
 * It is a tripwire, not a sandbox. It reads the line as a shell would and stops the accident that is written
 * out: `git -C x push -f`, `bash -c 'rm -rf ~'`. It does not stop a script file, a program's own code
 * (`python -c`), an alias, a symlink, a name put together at run time, or anybody who means to get past it.
 * What is refused is in `table.ts`. Pure: it looks at no file and runs nothing.
 */
import {
  type Arg,
  Call,
  expandWord,
  INTERPRETERS,
  literalArg,
  programName,
  resolvePath,
  SHELLS,
  type Surroundings,
  UNKNOWN,
} from "./call.ts";
import { isDisk } from "./questions.ts";
import { type GateRule, ruleNamed, rulesFor, UNREADABLE } from "./table.ts";
import { oneLine } from "../errors.ts";
import {
  literalWord,
  parseShell,
  type Part,
  type Scope,
  type Script,
  type SimpleCommand,
  type Word,
} from "./shell.ts";
import { type Inner, unwrap } from "./wrappers.ts";

/** What the gate thinks of a command. */
export type Verdict = { allowed: true } | Refusal;

export interface Refusal {
  allowed: false;
  /** Stable id of the rule, such as `git-push`; `config` for an entry of `gate.deny`. */
  rule: string;
  /** The simple command that was refused, on one line and cut at 160 characters. */
  command: string;
  why: string;
  instead: string;
}

/** An entry of `gate.deny`: `"git stash drop"` is the program, subcommands and options that must be there. */
export type DenyEntry = string | { match: string; why?: string | undefined };
/** An entry of `gate.allow`: lifts the built-in rules from the calls it matches. */
export type AllowEntry = string | { match: string };

export interface GateOptions {
  /** Absolute. */
  dataDir: string;
  /** Where the command will run; absolute. */
  cwd: string;
  home?: string;
  /** Absolute; `/tmp` and its kin unless said. */
  tempDirs?: readonly string[];
  deny?: readonly DenyEntry[];
  allow?: readonly AllowEntry[];
}

const TEMP_DIRS = [
  "/tmp",
  "/var/tmp",
  "/private/tmp",
  "/private/var/tmp",
  "/var/folders",
  "/private/var/folders",
];
/** Wrappers and scripts inside one another that are followed; beyond it the command is refused. */
const MAX_LAYERS = 24;
/** Subshells inside one another that are searched for a `cd`; beyond it the directory is unknown. */
const MAX_SCOPES = 100;
/** PATH_MAX on macOS; Linux has 4096. */
const MAX_PATH_CHARS = 1_024;
/** Characters read per character given, scripts inside scripts counted again. */
const READ_FACTOR = 64;
/** Programs whose output is text from elsewhere, or text that hides what it is. */
const FETCHERS = new Set("curl wget fetch lynx http https xh nc ncat socat base64 xxd openssl".split(" "));
const ASSIGNERS = new Set("export declare local readonly typeset".split(" "));

/**
 * Judges a shell line or an exact argv. Never throws; time is linear in the length of the command.
 */
export function judge(
  command: { line: string } | { argv: readonly string[] },
  options: GateOptions,
): Verdict {
  const length = "line" in command ? command.line.length : command.argv.join(" ").length;
  const judging = new Judge(options, (length + 1_000) * READ_FACTOR);
  const refusal = "line" in command ? judging.line(command.line) : judging.argv(command.argv);
  return refusal ?? { allowed: true };
}

/** The parts of the one line that a user reads: what was refused and why, and what to do next. */
export function explainVerdict(verdict: Refusal): { message: string; next: string } {
  return {
    message: `The gate refused "${verdict.command}" (rule ${verdict.rule}): ${verdict.why}`,
    next: `${verdict.instead}; or, after the human's explicit yes, run it again with ` +
      '`--approved "<the human\'s words>"`',
  };
}

/** One text that is judged, and what reaches it from outside. */
interface Frame {
  script: Script;
  cwds: Map<Scope, string | undefined>;
  variables: Map<string, string | undefined>;
  /** How many of the first N commands fetch text from elsewhere. */
  fetches: Uint32Array;
  /** Standard input of the script itself. */
  input: string;
  isFed: boolean;
  layer: number;
}

/** What reaches one simple command. */
interface Place {
  frame: Frame;
  command: SimpleCommand;
  around: Surroundings;
  input: string;
  isFed: boolean;
  layer: number;
}

/** Judges one command and what it runs in its turn. */
class Judge {
  readonly #deny: readonly Matcher[];
  readonly #allow: readonly Matcher[];
  readonly #around: Surroundings;
  /** Files that an earlier command of the line fetched, as they were named. */
  readonly #fetched = new Set<string>();
  #charsLeft: number;

  constructor(options: GateOptions, charsLeft: number) {
    this.#deny = (options.deny ?? []).map(toMatcher);
    this.#allow = (options.allow ?? []).map(toMatcher);
    this.#charsLeft = charsLeft;
    const { dataDir, cwd, home, tempDirs = TEMP_DIRS } = options;
    this.#around = { dataDir, cwd, home, tempDirs };
  }

  line(line: string): Refusal | undefined {
    return this.#script(line, { cwd: this.#around.cwd, input: "", isFed: false, layer: 0 });
  }

  argv(argv: readonly string[]): Refusal | undefined {
    const command: SimpleCommand = {
      assignments: [],
      words: argv.map(literalWord),
      redirections: [],
      input: undefined,
      fedBy: undefined,
      upstreamFrom: undefined,
      scope: { parent: undefined },
      source: argv.map(quoteForShow).join(" "),
    };
    const script = { commands: [command], unterminated: false, tooDeep: false };
    return this.#frame(script, { cwd: this.#around.cwd, input: "", isFed: false, layer: 0 });
  }

  #script(text: string, from: Entry): Refusal | undefined {
    this.#charsLeft -= text.length + 1;
    if (from.layer > MAX_LAYERS || this.#charsLeft < 0) return refuse(UNREADABLE, text);
    const script = parseShell(text);
    return script.tooDeep ? refuse(UNREADABLE, text) : this.#frame(script, from);
  }

  #frame(script: Script, { cwd, input, isFed, layer, variables = new Map() }: Entry): Refusal | undefined {
    const fetches = new Uint32Array(script.commands.length + 1);
    script.commands.forEach((command, index) => {
      fetches[index + 1] = (fetches[index] ?? 0) + (isFetch(command) ? 1 : 0);
    });
    const frame: Frame = { script, cwds: new Map(), variables, fetches, input, isFed, layer };
    for (const [index, command] of script.commands.entries()) {
      const around = { ...this.#around, cwd: cwdOf(frame, command.scope, cwd) };
      const refusal = this.#command({
        frame,
        command,
        around,
        input: inputOf(frame, command),
        isFed: isFedBy(frame, command, index),
        layer,
      });
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  #command(place: Place): Refusal | undefined {
    const { command, frame } = place;
    const lookup = (part: Part) => this.#valueOf(part, place);
    for (const { operator, target } of command.redirections) {
      const path = resolvePath(expandWord(target, lookup)[0] ?? literalArg("", target), place.around);
      if (operator.includes(">") && path !== undefined && isDisk(path)) {
        return refuse(ruleNamed("write-device"), command.source);
      }
    }
    const words = command.words.flatMap((word) => expandWord(word, lookup));
    this.#assign(place, words, lookup);
    if (isFetch(command)) this.#noteFetched(command, words);
    const refusal = words.length === 0 ? undefined : this.#call(words, place);
    frame.cwds.set(command.scope, place.around.cwd);
    return refusal;
  }

  /** Judges one call, then what it would run in its turn. */
  #call(words: readonly Arg[], place: Place): Refusal | undefined {
    if (place.layer > MAX_LAYERS) return refuse(UNREADABLE, place.command.source);
    const call = this.#view(words, place);
    const denied = this.#deny.find((entry) => entry.matches(call));
    if (denied !== undefined) return refuseByConfig(denied, place.command.source);
    const rule = rulesFor(call.program).find((rule) => rule.matches(call)) ??
      (fetchedProgram(call) ? ruleNamed("run-fetched") : undefined);
    if (rule !== undefined && !this.#allow.some((entry) => entry.matches(call))) {
      return refuse(rule, place.command.source);
    }
    changeDirectory(call, place);
    for (const inner of unwrap(call)) {
      const refusal = this.#inner(inner, place);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  #inner(inner: Inner, place: Place): Refusal | undefined {
    const cwd = inner.isElsewhere ? undefined : place.around.cwd;
    const layer = place.layer + 1;
    if (inner.words !== undefined) {
      const around = { ...place.around, cwd };
      const next = { ...place, around, layer };
      const refusal = this.#call(inner.words, next);
      if (!inner.isElsewhere) place.around = next.around;
      return refusal;
    }
    return this.#script(inner.text, {
      cwd,
      input: place.input,
      isFed: place.isFed,
      layer,
      // `eval`, `source` and `trap` see the shell's variables; a new shell sees only the environment.
      ...(inner.isSameShell ? { variables: place.frame.variables } : {}),
    });
  }

  #view(words: readonly Arg[], place: Place): Call {
    const hasFetch = (part: Part): boolean => {
      const { fetches } = place.frame;
      return part.to !== undefined && (fetches[part.to] ?? 0) > (fetches[part.from ?? 0] ?? 0);
    };
    const isFetchedWord = (arg: Arg): boolean => arg.word.parts.some(hasFetch);
    const call: Call = new Call({
      words,
      input: place.input,
      around: place.around,
      fetched: (arg) =>
        arg === undefined
          ? runsFetched(
            call,
            isFetchedWord,
            place.isFed ||
              place.command.redirections.some((redirection) =>
                redirection.operator.startsWith("<") && redirection.target.parts.some(hasFetch)
              ),
          )
          : isFetchedWord(arg) || this.#fetched.has(plainPath(arg.text)),
    });
    return call;
  }

  /** Remembers `x=literal`; two different values, or one that cannot be known, make it unknown for good. */
  #assign(
    { frame: { variables }, command }: Place,
    words: readonly Arg[],
    lookup: (part: Part) => string | undefined,
  ) {
    const set = (name: string, value: string | undefined) =>
      variables.set(name, variables.has(name) && variables.get(name) !== value ? undefined : value);
    const program = words[0]?.text ?? "";
    if (words.length === 0) {
      for (const { name, value } of command.assignments) set(name, valueOfWord(value, lookup));
    }
    if (ASSIGNERS.has(program)) {
      for (const { text } of words.slice(1)) {
        const [name, ...rest] = text.split("=");
        const value = rest.join("=");
        if (name !== undefined && rest.length > 0) set(name, /[~\uE000]/.test(value) ? undefined : value);
      }
    }
    if (program === "for" || program === "select") set(words[1]?.text ?? "", undefined);
    if (program === "read" || program === "mapfile" || program === "getopts") {
      for (const { text } of words.slice(1)) set(text, undefined);
    }
  }

  #valueOf(part: Part, { frame, around }: Place): string | undefined {
    if (part.kind === "command") return outputOf(part, frame, around);
    const { name } = part;
    if (name === undefined) return undefined;
    if (frame.variables.has(name)) return frame.variables.get(name);
    if (name === "HOME") return around.home;
    if (name === "PWD") return around.cwd;
    if (name === "TMPDIR") return around.tempDirs[0];
    return name === "LOOOP_DATA_DIR" ? around.dataDir : undefined;
  }

  /** Remembers where `curl -o F`, `curl -O` or `curl > F` put what it fetched. */
  #noteFetched(command: SimpleCommand, words: readonly Arg[]): void {
    const texts = words.map((word) => word.text);
    texts.forEach((text, index) => {
      const isTarget = text === "--output" || text === "--output-document" || /^-[A-Za-z]*[oO]$/.test(text);
      if (isTarget) this.#fetched.add(plainPath(texts[index + 1] ?? ""));
      const glued = /^(?:--output(?:-document)?=|-[A-NP-Za-np-z]*[oO])(.+)$/.exec(text)?.[1];
      if (glued !== undefined) this.#fetched.add(plainPath(glued));
      if (/^https?:\/\/\S+\/[^/]+$/.test(text)) this.#fetched.add(text.slice(text.lastIndexOf("/") + 1));
    });
    for (const { operator, target } of command.redirections) {
      if (operator.includes(">") && target.text !== "/dev/null") this.#fetched.add(plainPath(target.text));
    }
  }
}

interface Entry {
  cwd: string | undefined;
  input: string;
  isFed: boolean;
  layer: number;
  variables?: Map<string, string | undefined>;
}

/** An entry of `gate.deny` or `gate.allow`, ready to be asked. */
interface Matcher {
  match: string;
  why: string | undefined;
  matches: (call: Call) => boolean;
}

function toMatcher(entry: DenyEntry | AllowEntry): Matcher {
  const { match, why } = typeof entry === "string"
    ? { match: entry, why: undefined }
    : { why: undefined, ...entry };
  const [program, ...rest] = match.split(/\s+/).filter((word) => word !== "");
  const options = rest.filter((word) => word.startsWith("-"));
  const verbs = rest.filter((word) => !word.startsWith("-"));
  const matches = (call: Call): boolean =>
    program !== undefined && call.program === programName(program) &&
    (verbs.length === 0 || call.isVerb(verbs.join(" "))) && options.every((option) => call.has(option));
  return { match, why, matches };
}

function refuse({ id, why, instead }: GateRule, source: string): Refusal {
  return { allowed: false, rule: id, command: forShow(source), why, instead };
}

function refuseByConfig({ match, why }: Matcher, source: string): Refusal {
  return {
    allowed: false,
    rule: "config",
    command: forShow(source),
    why: why ?? `"gate.deny" in config.json has "${match}"`,
    instead: "have a worker `looop _ ask`",
  };
}

/** The directory a scope is in: its own after a `cd`, else the one its parent was in when it began. */
function cwdOf({ cwds }: Frame, scope: Scope, initial: string | undefined): string | undefined {
  let at: Scope | undefined = scope;
  for (let steps = 0; at !== undefined && steps < MAX_SCOPES; at = at.parent, steps++) {
    if (cwds.has(at)) return cwds.get(at);
  }
  return at === undefined ? initial : undefined;
}

function changeDirectory(call: Call, place: Place): void {
  if (!/^(?:cd|pushd|popd)$/.test(call.program)) return;
  const [target] = call.operandArgs;
  const home = call.program === "cd" ? place.around.home : undefined;
  const cwd = target === undefined ? home : target.text === "-" ? undefined : call.path(target);
  // A path that the kernel would refuse is no path; without this limit `cd x; cd x; …` takes quadratic time.
  place.around = { ...place.around, cwd: (cwd?.length ?? 0) > MAX_PATH_CHARS ? undefined : cwd };
}

function isFetch({ words }: SimpleCommand): boolean {
  for (const { text } of words.slice(0, 8)) {
    const name = programName(text);
    if (FETCHERS.has(name)) return true;
    const isInFront =
      /^(?:env|sudo|nohup|timeout|command|nice|time|stdbuf|exec|xargs|proxychains4?)$/.test(name) ||
      /^-|=|^[0-9.]+[smh]?$/.test(text);
    if (!isInFront) return false;
  }
  return false;
}

function isFedBy({ fetches, isFed }: Frame, { upstreamFrom }: SimpleCommand, index: number): boolean {
  if (upstreamFrom === undefined) return isFed;
  return (fetches[index] ?? 0) > (fetches[upstreamFrom] ?? 0);
}

/** The text that is known to reach a command: its heredoc, or what `echo`, `printf` or `cat <<EOF` feeds it. */
function inputOf({ input }: Frame, command: SimpleCommand): string {
  if (command.input !== undefined) return command.input;
  const feeder = command.fedBy;
  if (feeder === undefined) return command.upstreamFrom === undefined ? input : "";
  const [program, ...rest] = feeder.words.map((word) => word.text);
  if (program === "cat") return feeder.input ?? "";
  if (program !== "echo" && program !== "printf") return "";
  return rest.filter((text) => !/^-[neE]+$/.test(text)).join(program === "echo" ? " " : "\n").replaceAll(
    "\\n",
    "\n",
  );
}

/** What `$(mktemp -d)` and `$(pwd)` print; anything else is unknown. */
function outputOf(part: Part, { script }: Frame, around: Surroundings): string | undefined {
  const command = script.commands[part.from ?? 0];
  if (command === undefined || part.to !== (part.from ?? 0) + 1) return undefined;
  const [program, ...rest] = command.words.map((word) => word.text);
  const isPlain = rest.every((text) => !text.includes("/") && text !== "-p" && !text.startsWith("--tmpdir"));
  if (program === "mktemp" && isPlain) return `${around.tempDirs[0] ?? "/tmp"}/mktemp`;
  return program === "pwd" ? around.cwd : undefined;
}

function valueOfWord(word: Word, lookup: (part: Part) => string | undefined): string | undefined {
  const text = expandWord(
    { ...word, parts: word.parts.map((part) => ({ ...part, quoted: true })) },
    lookup,
  )[0]?.text;
  const isHome = word.parts[0]?.quoted === false && word.text.startsWith("~");
  return text === undefined || text.includes(UNKNOWN) || isHome ? undefined : text;
}

/** Whether a shell or interpreter takes its program from fetched text: piped, `<(…)`, `-c "$(…)"`, a file. */
function runsFetched(call: Call, isFetchedWord: (arg: Arg) => boolean, isFed: boolean): boolean {
  if (call.args.some(isFetchedWord)) return runsItsWords(call);
  if (!SHELLS.has(call.program) && !INTERPRETERS.has(call.program)) {
    return isFed && /^(?:source|\.)$/.test(call.program) && call.operands[0] === "/dev/stdin";
  }
  const isShell = SHELLS.has(call.program);
  const isGiven = isShell ? call.has("-c") : call.args.some(({ text }) => /^-[A-Za-z]*[cemnprE]/.test(text));
  const [file] = call.operandArgs;
  if (!isGiven && file !== undefined && call.parts.fetched(file)) return true;
  const readsInput = !isGiven && (file === undefined || /^(?:-|\/dev\/stdin)$/.test(file.text));
  return isFed && (readsInput || (isShell && call.has("-s")) || call.args.some((arg) => arg.text === "-"));
}

/** `deno run URL` and `python fetch.py "$(curl …)"` differ: only a script operand or `-c` is run. */
function runsItsWords(call: Call): boolean {
  if (/^(?:eval|source|\.)$/.test(call.program) || SHELLS.has(call.program)) return true;
  const [first] = call.operandArgs;
  const isCode = call.args.some(({ text }) => /^-[A-Za-z]*[ceEr]$/.test(text));
  return isCode || (first !== undefined && call.parts.fetched(first));
}

/** `$(curl …)` or a fetched file in the place of the program. */
function fetchedProgram(call: Call): boolean {
  const [program] = call.parts.words;
  if (program === undefined) return false;
  const isPath = program.text.includes("/") || program.text.includes(UNKNOWN);
  return isPath && call.parts.fetched(program);
}

function forShow(source: string): string {
  return oneLine(source.slice(0, 1_000).replace(/\\\n\s*/g, ""), 160).replaceAll(UNKNOWN, "…");
}

function plainPath(path: string): string {
  return path.replace(/^(?:\.\/)+/, "");
}

function quoteForShow(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
