/**
 * Shell text as the gate reads it: a flat list of simple commands, with what was quoted, expanded, piped and
 * redirected. An adapter to `unbash`, which knows bash's grammar; nothing else imports that library. Pure.
 *
 * From text that bash would refuse, everything readable is taken, and more rather than less: the bodies of functions
 * and of branches not taken are listed, and reading continues after a syntax error, since a line may be meant for
 * another shell. Nothing throws, and the time is linear in the text's length.
 */
import { forEachChild, parse } from "unbash";
import type * as Bash from "unbash";

/** One piece of a word. */
export interface Part {
  /** `text` is literal; the other kinds are known only when the shell runs. */
  kind: "text" | "variable" | "command" | "process";
  /** Literal text after quote removal, or the source of an expansion, such as `${x:-y}`. */
  text: string;
  /** Whether it is inside quotes or after a backslash: no globbing, no tilde, no splitting. */
  quoted: boolean;
  /** The variable's name, where its value is used unchanged: `$x`, `${x:-y}`, `${x:?}`, `${x[@]}`, `${x%/}`. */
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

/** `NAME=value`. */
export interface Assignment {
  name: string;
  /** One word for a scalar, all elements for an array; undefined where `+=` or an index makes it unknown. */
  values: readonly Word[] | undefined;
}

/** One redirection; `operator` is `>`, `>>`, `<`, `&>`, `<<<` and so on, without a file descriptor. */
export interface Redirection {
  operator: string;
  target: Word;
}

/** A subshell, or the shell itself: a `cd` has effect until its end. */
export interface Scope {
  parent: Scope | undefined;
}

/** One simple command: assignments, words, redirections. */
export interface SimpleCommand {
  assignments: Assignment[];
  /** Assignments after `export`, `local` and the like; they are also among `words`. */
  declared: Assignment[];
  words: Word[];
  /** Its own redirections, and the input redirections of the compound commands around it. */
  redirections: Redirection[];
  /** The text of its heredocs and here-strings. */
  input: string | undefined;
  /** The simple command directly left of the pipe. */
  fedBy: SimpleCommand | undefined;
  /** The beginning of the pipeline left of it, as an index of `Script.commands`. */
  upstreamFrom: number | undefined;
  scope: Scope;
  /** The text as it was written. */
  source: string;
}

/** A function's body, as a range of `Script.commands`. */
export interface FunctionBody {
  name: string;
  from: number;
  to: number;
  scope: Scope;
}

/** All simple commands of a text; those inside `$(…)` directly follow the command that holds them. */
export interface Script {
  commands: SimpleCommand[];
  functions: FunctionBody[];
  /** The scope of the shell itself. */
  scope: Scope;
  /**
   * Whether a quote, bracket, heredoc or compound command has no end, or bash would refuse the text for another
   * reason.
   */
  unterminated: boolean;
  /** Whether the nesting exceeds the limit, so that some of the text was skipped. */
  tooDeep: boolean;
}

/** Characters of nested `$(…)` and `${…}` that are read, per character of the text. */
const NESTED_FACTOR = 8;
/** The same limit for a short text, in characters. */
const NESTED_CHARS = 20_000;
/** Number of open brackets that are read; the library's time grows with the square of the nesting. */
const MAX_OPEN = 200;
/** Number of syntax errors after which reading continues. */
const MAX_ERRORS = 16;
/**
 * A line without quotes, expansions, operators and keywords: it can be read without the library, which takes 3 ms to
 * warm up.
 */
const PLAIN_LINE =
  /^(?!(?:if|for|while|until|case|select|function|time|coproc|then|else|elif|fi|do|done|esac|in) )[a-z][\w./-]*(?: [\w./:@%+,=-]+)*$/;
/** The text from a syntax error to the next command. */
const TO_NEXT_COMMAND = /^[^;&|)\n]*[;&|)\n]*\s*/;
/** A parameter expansion whose value is the variable's own. */
const PLAIN_VALUE = /^\$\{([A-Za-z_][A-Za-z0-9_]*|[0-9]|[@*])(?:\[[@*]\])?(?:\}$|:?[-?]|%\/\}$)/;

/** Makes a word of literal text, as if it had been single-quoted. */
export function literalWord(text: string): Word {
  return { text, parts: [{ kind: "text", text, quoted: true }] };
}

/** Reads a command line or a script of any size. */
export function parseShell(text: string): Script {
  const scope = { parent: undefined };
  const script: Script = { commands: [], functions: [], scope, unterminated: false, tooDeep: false };
  try {
    if (PLAIN_LINE.test(text)) addPlain(script, text);
    else if (isTooDeep(text)) script.tooDeep = true;
    else new Reader(text, script).readAll();
  } catch {
    // The nesting exhausts the stack, or the library cannot take the text: it is not read, so it is not judged.
    script.tooDeep = true;
  }
  return script;
}

/** Adds a line of plain words. */
function addPlain(script: Script, source: string): void {
  const words = source.split(" ").map((text) => toWord([{ kind: "text", text, quoted: false }]));
  script.commands.push({ ...emptyCommand(script.scope, source), words });
}

/** A command without words. */
export function emptyCommand(scope: Scope, source: string): SimpleCommand {
  return {
    assignments: [],
    declared: [],
    words: [],
    redirections: [],
    input: undefined,
    fedBy: undefined,
    upstreamFrom: undefined,
    scope,
    source,
  };
}

/** Whether more brackets stay open than a person would write; those in quotes count, too. */
function isTooDeep(text: string): boolean {
  let open = 0;
  for (const [bracket] of text.matchAll(/[(){}]/g)) {
    open += bracket === "(" || bracket === "{" ? 1 : open > 0 ? -1 : 0;
    if (open > MAX_OPEN) return true;
  }
  return false;
}

/** The context of a node: the text that holds it, its subshell, and what feeds it. */
interface Place {
  source: string;
  scope: Scope;
  fedBy?: SimpleCommand | undefined;
  upstreamFrom?: number | undefined;
  /** The input redirections of the compound commands around it, and the text of their heredocs. */
  reads?: readonly Redirection[];
  input?: string | undefined;
}

class Reader {
  #charsLeft: number;

  constructor(readonly text: string, readonly script: Script) {
    this.#charsLeft = text.length * NESTED_FACTOR + NESTED_CHARS;
  }

  /** Reads the text, continuing after syntax errors. */
  readAll(): void {
    let source = this.text;
    for (let errors = 0; source !== ""; errors++) {
      const read = parse(source);
      this.#visit(read, { source, scope: this.script.scope });
      const stop = read.errors?.findLast(({ message }) => message.startsWith("unexpected token"));
      if (stop === undefined) return;
      if (errors === MAX_ERRORS) this.script.tooDeep = true;
      source = errors < MAX_ERRORS ? source.slice(stop.pos).replace(TO_NEXT_COMMAND, "") : "";
    }
  }

  #visit(node: Bash.SyntaxNode, place: Place): void {
    switch (node.type) {
      case "Word":
        return void this.#word(node, place);
      case "Command":
        return this.#command(node, place);
      case "Pipeline":
        return this.#pipeline(node, place);
      case "Redirected":
        return this.#redirected(node, place);
      case "For":
      case "Select":
        return this.#loop(node, place);
      case "Function":
        return this.#function(node, place);
      case "CommandExpansion":
      case "ProcessSubstitution":
      case "ArithmeticCommandExpansion":
        return void this.#nested(node, place);
    }
    if (node.type === "Script") this.#noteErrors(node);
    this.#visitChildren(node, isSubshell(node) ? { ...place, scope: { parent: place.scope } } : place);
  }

  #visitChildren(node: Bash.SyntaxNode, place: Place): void {
    forEachChild(node, (child) => this.#visit(child, place));
  }

  #noteErrors({ errors = [] }: { errors?: readonly Bash.ParseError[] | undefined }): void {
    if (errors.length > 0) this.script.unterminated = true;
    if (errors.some(({ message }) => message.includes("nesting depth"))) this.script.tooDeep = true;
  }

  #pipeline({ commands }: Bash.Pipeline, place: Place): void {
    const begin = this.script.commands.length;
    let left: SimpleCommand | undefined;
    commands.forEach((node, index) => {
      // Each command of a pipeline is a subshell.
      const own = commands.length === 1 ? place : { ...place, scope: { parent: place.scope } };
      const fed = index === 0
        ? own
        : { ...own, fedBy: left, upstreamFrom: begin, input: undefined, reads: [] };
      const at = this.script.commands.length;
      this.#visit(node, fed);
      left = node.type === "Command" ? this.script.commands[at] : undefined;
    });
  }

  /** Lists a compound command's redirections on their own; its input reaches the commands inside. */
  #redirected({ command, redirects, pos, end }: Bash.Redirected, place: Place): void {
    const outer = this.#add(place, place.source.slice(pos, end));
    this.#redirect(outer, redirects, place);
    const reads = outer.redirections.filter(({ operator }) => operator.startsWith("<"));
    this.#visit(command, { ...place, reads, input: outer.input });
  }

  /** Lists a function's body where it is defined. */
  #function({ name, body }: Bash.Function, place: Place): void {
    const scope = { parent: place.scope };
    const from = this.script.commands.length;
    this.#visit(body, { source: place.source, scope });
    this.script.functions.push({ name: name.value, from, to: this.script.commands.length, scope });
  }

  /** Lists a loop's header as a command named `for`, which shows what is assigned. */
  #loop({ type, name, wordlist, body, pos }: Bash.For | Bash.Select, place: Place): void {
    const header = this.#add(place, place.source.slice(pos, body.pos));
    header.words.push(literalWord(type === "For" ? "for" : "select"), this.#word(name, place));
    if (wordlist !== undefined) header.words.push(literalWord("in"));
    for (const word of wordlist ?? []) header.words.push(this.#word(word, place));
    this.#visit(body, place);
  }

  #command({ name, prefix, suffix, redirects, pos, end }: Bash.Command, place: Place): void {
    // It is listed before its words are read, so that the commands inside its words come after it.
    const command = this.#add(place, place.source.slice(pos, end));
    for (const node of prefix) {
      if (node.type === "Assignment") command.assignments.push(this.#assignment(node, place));
    }
    if (name !== undefined) command.words.push(this.#word(name, place));
    for (const node of suffix) {
      if (node.type === "Word") command.words.push(this.#word(node, place));
      if (node.type === "Assignment") this.#declaration(node, place, command);
    }
    this.#redirect(command, redirects, place);
  }

  #add({ scope, fedBy, upstreamFrom, input, reads = [] }: Place, source: string): SimpleCommand {
    const command = { ...emptyCommand(scope, source), redirections: [...reads], input, fedBy, upstreamFrom };
    this.script.commands.push(command);
    return command;
  }

  #assignment({ name, value, index, append }: Bash.Assignment, place: Place): Assignment {
    if (index !== undefined) this.#word(index, place);
    const words = value.type === "Word" ? [value] : value.elements;
    const values = words.map((word) => this.#word(word, place));
    return {
      name,
      values: index !== undefined || (append === true && value.type === "Word") ? undefined : values,
    };
  }

  /** Lists `export NAME=value` as a word, too, for rules that look at the words. */
  #declaration(node: Bash.Assignment, place: Place, command: SimpleCommand): void {
    const assignment = this.#assignment(node, place);
    command.declared.push(assignment);
    const parts = assignment.values?.[0]?.parts ?? [];
    command.words.push(toWord([{ kind: "text", text: `${node.name}=`, quoted: false }, ...parts]));
  }

  #redirect(command: SimpleCommand, redirects: readonly Bash.Redirection[], place: Place): void {
    let input: string | undefined;
    for (const node of redirects) {
      if (node.type === "HereDoc") {
        if (node.closing === undefined) this.script.unterminated = true;
        this.#visitChildren(node.body, place);
        input = (input ?? "") +
          (node.operator === "<<-" ? node.body.text.replace(/^\t+/gm, "") : node.body.text);
      } else if (node.target !== undefined) {
        const target = this.#word(node.target, place);
        if (node.type === "HereString") input = `${input ?? ""}${target.text}\n`;
        command.redirections.push({ operator: node.operator, target });
      }
    }
    if (input !== undefined) command.input = input;
  }

  #word(word: Bash.Word, place: Place): Word {
    const parts: Part[] = [];
    if (word.parts === undefined) this.#literal(word.text, parts);
    else for (const part of word.parts) this.#part(part, place, parts, false);
    return toWord(parts);
  }

  /** Adds the pieces of a part of a word. */
  #part(part: Bash.WordPart, place: Place, parts: Part[], quoted: boolean): void {
    switch (part.type) {
      case "Literal":
        return quoted
          ? void parts.push({ kind: "text", text: part.value, quoted })
          : this.#literal(part.text, parts);
      case "SingleQuoted":
      case "AnsiCQuoted":
        return void parts.push({ kind: "text", text: part.value, quoted: true });
      case "DoubleQuoted":
      case "LocaleString":
        parts.push({ kind: "text", text: "", quoted: true });
        return part.parts.forEach((inner) => this.#part(inner, place, parts, true));
      case "CommandExpansion":
      case "ProcessSubstitution":
        return void parts.push({ ...this.#nested(part, place), quoted });
      case "SimpleExpansion":
        return void parts.push({ kind: "variable", text: part.text, name: part.text.slice(1), quoted });
      case "ParameterExpansion":
      case "ArithmeticExpansion":
        return void parts.push(this.#expansion(part, place, quoted));
    }
    // Globs and braces are literal text that may hold expansions.
    const inner = "parts" in part ? part.parts ?? [] : [];
    if (inner.every(({ type }) => type === "Literal")) parts.push({ kind: "text", text: part.text, quoted });
    else this.#pattern(part.text, inner, place, parts);
  }

  /** Adds `{a,"$x"}`: the brackets as text, and between them whatever may hold expansions. */
  #pattern(text: string, inner: readonly Bash.WordPart[], place: Place, parts: Part[]): void {
    const begin = text.search(/[{[(]/) + 1;
    parts.push({ kind: "text", text: text.slice(0, begin), quoted: false });
    for (const part of inner) this.#part(part, place, parts, false);
    parts.push({ kind: "text", text: text.slice(-1), quoted: false });
  }

  #expansion(
    part: Bash.ParameterExpansionPart | Bash.ArithmeticExpansionPart,
    place: Place,
    quoted: boolean,
  ): Part {
    if (this.#mayRead(part.text)) this.#visitChildren(part, place);
    const name = PLAIN_VALUE.exec(part.text)?.[1];
    return { kind: "variable", text: part.text, quoted, ...(name === undefined ? {} : { name }) };
  }

  /** Reads `$(…)`, `<(…)` and the like, in a subshell of its own. */
  #nested(
    node: Bash.CommandExpansionPart | Bash.ProcessSubstitutionPart | Bash.ArithmeticCommandExpansion,
    { source, scope }: Place,
  ): Omit<Part, "quoted"> {
    const from = this.script.commands.length;
    if (this.#mayRead(node.text) && node.script !== undefined) {
      this.#visit(node.script, { source: node.script.source ?? source, scope: { parent: scope } });
    }
    const kind = node.type === "ProcessSubstitution" ? "process" : "command";
    return { kind, text: node.text, from, to: this.script.commands.length };
  }

  /** Whether a nested text may still be read: at each level the library goes through it once more. */
  #mayRead(text: string): boolean {
    this.#charsLeft -= text.length;
    if (this.#charsLeft < 0) this.script.tooDeep = true;
    return this.#charsLeft >= 0;
  }

  /** Adds unquoted text, in which backslashes quote the character after them. */
  #literal(text: string, parts: Part[]): void {
    if (!text.includes("\\")) return void parts.push({ kind: "text", text, quoted: false });
    for (const [piece, escaped, plain] of text.matchAll(/\\([^])|([^\\]+)|\\$/g)) {
      if (piece === "\\") this.script.unterminated = true;
      else if (plain !== undefined) parts.push({ kind: "text", text: plain, quoted: false });
      else if (escaped !== undefined && escaped !== "\n") {
        parts.push({ kind: "text", text: escaped, quoted: true });
      }
    }
  }
}

function isSubshell(node: Bash.SyntaxNode): boolean {
  return node.type === "Subshell" || (node.type === "Statement" && node.background === true);
}

function toWord(parts: Part[]): Word {
  const [only] = parts;
  return { text: parts.length === 1 && only ? only.text : parts.map((part) => part.text).join(""), parts };
}
