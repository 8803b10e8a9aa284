/**
 * Reads a shell command line into the simple commands it would run, with what was quoted, expanded, piped
 * and redirected. Pure; knows no command's meaning (that is `gate.ts`).
 *
 * It follows the token rules of the POSIX shell (2.3 Token Recognition, 2.6 Word Expansions, 2.10 Shell
 * Grammar) and bash's additions that a `bash -c` line may use. What it reads wrong it reads as more commands
 * rather than fewer: the bodies of functions and of branches not taken are listed too. Malformed text never
 * throws, and the time is linear in its length.
 */

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

/** Nesting of `$(…)`, `${…}` and backticks that is read; people stay below 5, JavaScript's stack holds 100. */
const MAX_DEPTH = 100;
/** How far `((` looks for its `))` before it counts as two subshells. Bounded, so that time stays linear. */
const MAX_ARITHMETIC_CHARS = 300;

const PLAIN = /[^ \t\n'"\\$`&|;<>()]+/y;
const IN_DOUBLE_QUOTES = /[^"\\$`]+/y;
const REDIRECTION = /&>>|&>|<<<|<<-|<<|<&|<>|>>|>&|>\||>|</y;
const PARAMETER = /[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]/y;
const BRACED_NAME = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?:\}$|:?[-?])/;
const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)(?:\[[^\]]*\])?\+?=/;

/** Words that stand in front of a command and change nothing about what it does. */
const TRANSPARENT = new Set(["then", "elif", "else", "do", "!", "coproc"]);
const OPENERS = new Map([["{", "{"], ["if", "if"], ["while", "loop"], ["until", "loop"], ["case", "case"]]);
const CLOSERS = new Map([["}", "{"], ["fi", "if"], ["done", "loop"], ["esac", "case"]]);

/** Reads a command line or a script of any size. */
export function parseShell(text: string): Script {
  const script: Script = { commands: [], unterminated: false, tooDeep: false };
  new ShellReader(text, script, 0, { parent: undefined }).readCommands(false);
  return script;
}

/** Makes a word of literal text, as if it had been single-quoted. */
export function literalWord(text: string): Word {
  return { text, parts: [{ kind: "text", text, quoted: true }] };
}

/** Whether the shell would read the word as a keyword or operator name: nothing of it is quoted. */
function bareText(word: Word): string | undefined {
  const [part, more] = word.parts;
  return part?.kind === "text" && !part.quoted && more === undefined ? part.text : undefined;
}

function toWord(parts: Part[]): Word {
  const [only] = parts;
  return { text: parts.length === 1 && only ? only.text : parts.map((part) => part.text).join(""), parts };
}

/** What an open compound command (`(`, `{`, `if`, …) returns to when it closes. */
interface Frame {
  kind: string;
  begin: number;
  upstreamFrom: number | undefined;
  fedBy: SimpleCommand | undefined;
  scope: Scope;
}

/** Where one run of commands stands: the current command, its pipeline, the compound commands around it. */
class Region {
  current: SimpleCommand | undefined;
  readonly frames: Frame[] = [];
  parens = 0;
  afterPipe = false;
  #start = 0;
  /** Index of the first command of the current pipeline. */
  #begin: number;
  #upstreamFrom: number | undefined;
  #fedBy: SimpleCommand | undefined;

  constructor(readonly commands: SimpleCommand[], public scope: Scope) {
    this.#begin = commands.length;
  }

  /** The current command, begun at `at` if there is none. */
  command(at: number): SimpleCommand {
    if (this.current !== undefined) return this.current;
    this.current = {
      assignments: [],
      words: [],
      redirections: [],
      input: undefined,
      fedBy: this.#fedBy,
      upstreamFrom: this.#upstreamFrom,
      scope: this.scope,
      source: "",
    };
    this.commands.push(this.current);
    this.#start = at;
    this.afterPipe = false;
    return this.current;
  }

  end(text: string, at: number): void {
    if (this.current === undefined) return;
    this.current.source = text.slice(this.#start, at).trim();
    this.current = undefined;
  }

  /** `;`, `&`, `&&`, `||` or a newline: the next command starts a pipeline of its own. */
  separate(text: string, at: number): void {
    this.end(text, at);
    this.afterPipe = false;
    const frame = this.frames.at(-1);
    this.#begin = this.commands.length;
    this.#upstreamFrom = frame?.upstreamFrom;
    this.#fedBy = frame?.fedBy;
  }

  pipe(text: string, at: number): void {
    const left = this.current;
    this.end(text, at);
    this.afterPipe = true;
    this.#upstreamFrom = this.#begin;
    this.#fedBy = left;
  }

  open(kind: string, scope = this.scope): void {
    this.frames.push({
      kind,
      begin: this.#begin,
      upstreamFrom: this.#upstreamFrom,
      fedBy: this.#fedBy,
      scope: this.scope,
    });
    if (kind === "(") this.parens++;
    this.scope = scope;
    this.#begin = this.commands.length;
  }

  /** Leaves the innermost compound command if it is of that kind; anything else is malformed and ignored. */
  close(kind: string): void {
    if (this.frames.at(-1)?.kind === kind) this.#pop();
  }

  /** Leaves everything up to the innermost `(`. */
  closeParen(text: string, at: number): void {
    this.end(text, at);
    while (this.#pop() !== "(");
  }

  #pop(): string {
    const frame = this.frames.pop();
    if (frame === undefined) return "(";
    if (frame.kind === "(") this.parens--;
    this.#begin = frame.begin;
    this.#upstreamFrom = frame.upstreamFrom;
    this.#fedBy = frame.fedBy;
    this.scope = frame.scope;
    return frame.kind;
  }
}

interface Heredoc {
  command: SimpleCommand;
  delimiter: string;
  stripTabs: boolean;
  expands: boolean;
}

/** A cursor over one text; texts inside it that need unescaping first (backticks, heredocs) get their own. */
class ShellReader {
  #at = 0;
  #heredocs: Heredoc[] = [];
  /** Of the command that is being read. */
  #scope: Scope;

  constructor(readonly text: string, readonly script: Script, private depth: number, scope: Scope) {
    this.#scope = scope;
  }

  /** Reads commands to the end of the text, or past the `)` that closes a substitution. */
  readCommands(closes: boolean): void {
    const region = new Region(this.script.commands, this.#scope);
    while (true) {
      this.#skipBlanks();
      const char = this.text[this.#at];
      if (char === undefined) break;
      this.#scope = region.scope;
      if (char === ")") {
        if (this.#closeParen(region, closes)) return;
      } else if (char === "\n") this.#newline(region);
      else if (char === "#") this.#comment(region);
      else if (char === ";") this.#semicolon(region);
      else if (char === "|") this.#bar(region);
      else if (char === "(") this.#openParen(region);
      else if (char === "&" && this.text[this.#at + 1] !== ">") this.#ampersand(region);
      else if (this.#atRedirection()) this.#redirect(region);
      else this.#word(region);
    }
    region.end(this.text, this.#at);
    if (closes || region.frames.length > 0 || this.#heredocs.length > 0) this.script.unterminated = true;
  }

  /** Reads only the expansions of a text: the inside of a heredoc or of `$((…))`. */
  readExpansions(): void {
    const parts: Part[] = [];
    while (this.#at < this.text.length) {
      const char = this.text[this.#at];
      if (char === "\\") this.#at += 2;
      else if (char === "$") this.#dollar(parts, true);
      else if (char === "`") this.#backticks(parts, true);
      else this.#at++;
    }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #skipBlanks(): void {
    for (;; this.#at++) {
      const char = this.text[this.#at];
      if (char === "\\" && this.text[this.#at + 1] === "\n") this.#at++;
      else if (char !== " " && char !== "\t") return;
    }
  }

  #comment(region: Region): void {
    region.end(this.text, this.#at);
    const end = this.text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.text.length : end;
  }

  #newline(region: Region): void {
    if (region.afterPipe) region.end(this.text, this.#at);
    else region.separate(this.text, this.#at);
    this.#at++;
    const heredocs = this.#heredocs;
    this.#heredocs = [];
    for (const heredoc of heredocs) this.#readHeredoc(heredoc);
  }

  #semicolon(region: Region): void {
    region.separate(this.text, this.#at);
    const next = this.text[this.#at + 1];
    this.#at++;
    if (next !== ";" && next !== "&") return;
    this.#at += next === ";" && this.text[this.#at + 1] === "&" ? 2 : 1;
    if (region.frames.at(-1)?.kind === "case") this.#casePattern(region);
  }

  #ampersand(region: Region): void {
    region.separate(this.text, this.#at);
    this.#at += this.text[this.#at + 1] === "&" ? 2 : 1;
  }

  #bar(region: Region): void {
    const next = this.text[this.#at + 1];
    if (next === "|") region.separate(this.text, this.#at);
    else region.pipe(this.text, this.#at);
    this.#at += next === "|" || next === "&" ? 2 : 1;
  }

  #openParen(region: Region): void {
    const command = region.current;
    const isLoopHeader = command?.words.length === 1 && command.words[0]?.text === "for";
    if ((command === undefined || isLoopHeader) && this.#skipArithmetic(this.#at)) return;
    this.#at++;
    if (command === undefined) return region.open("(", { parent: region.scope });
    this.#skipBlanks();
    if (this.text[this.#at] !== ")" || command.words.length !== 1) return;
    this.#at++;
    // `name()`: what follows is the function's body, to be judged as if it were called.
    command.words.length = 0;
    region.end(this.text, this.#at);
  }

  /** Whether the `)` ends the substitution that is being read; a stray one is skipped. */
  #closeParen(region: Region, closes: boolean): boolean {
    const isOwn = region.parens === 0 && closes;
    if (region.parens > 0) region.closeParen(this.text, this.#at);
    else region.end(this.text, this.#at);
    this.#at++;
    return isOwn;
  }

  #atRedirection(): boolean {
    const char = this.text[this.#at];
    if (char === "&") return true;
    return (char === "<" || char === ">") && this.text[this.#at + 1] !== "(";
  }

  #redirect(region: Region): void {
    const command = region.command(this.#at);
    const operator = this.#match(REDIRECTION);
    this.#skipBlanks();
    const target = this.#readWord();
    if (operator === "<<" || operator === "<<-") {
      const expands = target.parts.every((part) => !part.quoted);
      this.#heredocs.push({ command, delimiter: target.text, stripTabs: operator === "<<-", expands });
    } else {
      if (operator === "<<<") command.input = (command.input ?? "") + target.text + "\n";
      command.redirections.push({ operator, target });
    }
  }

  #readHeredoc({ command, delimiter, stripTabs, expands }: Heredoc): void {
    const lines: string[] = [];
    while (true) {
      if (this.#at >= this.text.length) {
        this.script.unterminated = true;
        break;
      }
      const end = this.text.indexOf("\n", this.#at);
      let line = this.text.slice(this.#at, end < 0 ? this.text.length : end);
      this.#at = end < 0 ? this.text.length : end + 1;
      if (stripTabs) line = line.replace(/^\t+/, "");
      if (line === delimiter) break;
      lines.push(line);
    }
    const body = lines.join("\n") + "\n";
    command.input = (command.input ?? "") + body;
    if (expands) {
      this.#nested((depth) => new ShellReader(body, this.script, depth, command.scope).readExpansions());
    }
  }

  #word(region: Region): void {
    const start = this.#at;
    const isFirst = region.current === undefined;
    // The command is listed before its words are read, so that the commands inside its words come after it.
    const before = this.script.commands.length;
    const command = region.command(start);
    const word = this.#readWord();
    if (this.#at === start) this.#at++; // a character that starts nothing: skip it, never loop
    const bare = bareText(word);
    if (bare !== undefined && /^(?:[0-9]+|\{\w+\})$/.test(bare) && /[<>]/.test(this.text[this.#at] ?? "")) {
      return; // a file descriptor in front of a redirection
    }
    if (isFirst && bare !== undefined && this.#keyword(region, bare, before)) return;
    this.#addWord(command, word);
    if (this.text[this.#at] === "(" && word.text.endsWith("=")) this.#array(command);
  }

  #addWord(command: SimpleCommand, word: Word): void {
    const first = word.parts[0];
    const name = first?.kind === "text" && !first.quoted ? ASSIGNMENT.exec(first.text) : null;
    if (first === undefined) return;
    if (command.words.length > 0 || name === null) {
      command.words.push(word);
      return;
    }
    const rest = { ...first, text: first.text.slice(name[0].length) };
    command.assignments.push({ name: name[1] ?? "", value: toWord([rest, ...word.parts.slice(1)]) });
  }

  /** `a=(…)`: its value is unknown, its words are read for the substitutions in them. */
  #array(command: SimpleCommand): void {
    this.#at++;
    const last = command.assignments.at(-1);
    if (last !== undefined) last.value = toWord([{ kind: "variable", text: "()", quoted: false }]);
    this.#readUntil((char) => char === ")");
  }

  /** Reads words, ignoring operators, past the first character that ends the list. */
  #readUntil(ends: (char: string, word?: Word) => boolean, keep?: (word: Word) => void): void {
    while (this.#at < this.text.length) {
      this.#skipBlanks();
      const char = this.text[this.#at] ?? "";
      const start = this.#at;
      if (ends(char)) {
        this.#at++;
        return;
      }
      const word = this.#readWord();
      if (this.#at === start) this.#at++;
      else if (ends("", word)) return;
      else keep?.(word);
    }
    this.script.unterminated = true;
  }

  /** Acts on a keyword in front of a command; false when the word is an ordinary one. */
  #keyword(region: Region, text: string, index: number): boolean {
    const opens = OPENERS.get(text);
    const closes = CLOSERS.get(text);
    if (text === "for" || text === "select") {
      // The header stays listed as a command named `for`, which tells the gate what is assigned.
      const header = region.current;
      region.current = undefined;
      this.script.commands.length = index;
      region.open("loop");
      if (header !== undefined) this.script.commands.push(region.current = header);
      return false;
    }
    if (text === "[[") return this.#test(region);
    if (!TRANSPARENT.has(text) && text !== "time" && text !== "function" && !opens && !closes) return false;
    region.current = undefined;
    this.script.commands.length = index;
    if (opens !== undefined) region.open(opens);
    if (closes !== undefined) region.close(closes);
    if (text === "case") this.#caseHeader(region);
    if (text === "time") this.#match(/[ \t]+-p(?=[ \t])/y);
    if (text === "function") {
      this.#skipBlanks();
      this.#readWord();
      this.#match(/[ \t]*\([ \t]*\)/y);
    }
    return true;
  }

  /** `[[ … ]]`: inside it `<`, `|`, `(` and newlines are part of the test. */
  #test(region: Region): boolean {
    const command = region.current;
    command?.words.push(toWord([{ kind: "text", text: "[[", quoted: false }]));
    this.#readUntil(
      (_, word) => word !== undefined && bareText(word) === "]]",
      (word) => command?.words.push(word),
    );
    return true;
  }

  #caseHeader(region: Region): void {
    this.#readUntil((char, word) => char === ";" || (word !== undefined && bareText(word) === "in"));
    this.#casePattern(region);
  }

  /** Reads `pattern)` or `esac`. */
  #casePattern(region: Region): void {
    while (this.#match(/[\s;]+|#.*/y) !== "");
    if (this.text[this.#at] === "(") this.#at++;
    let isFirst = true;
    this.#readUntil((char, word) => {
      const isEnd = isFirst && word !== undefined && bareText(word) === "esac";
      if (isEnd) region.close("case");
      if (word !== undefined) isFirst = false;
      return isEnd || char === ")";
    });
  }

  #readWord(): Word {
    const parts: Part[] = [];
    while (true) {
      const char = this.text[this.#at];
      if (char === undefined) break;
      if (char === "'") this.#singleQuotes(parts);
      else if (char === '"') this.#doubleQuotes(parts);
      else if (char === "\\") this.#backslash(parts);
      else if (char === "$") this.#dollar(parts, false);
      else if (char === "`") this.#backticks(parts, false);
      else if ((char === "<" || char === ">") && this.text[this.#at + 1] === "(") {
        this.#substitution(parts, "process", false);
      } else {
        const text = this.#match(PLAIN);
        if (text === "") break;
        parts.push({ kind: "text", text, quoted: false });
      }
    }
    return toWord(parts);
  }

  #backslash(parts: Part[]): void {
    const next = this.text[this.#at + 1];
    this.#at += 2;
    if (next === "\n") return;
    if (next === undefined) this.script.unterminated = true;
    else parts.push({ kind: "text", text: next, quoted: true });
  }

  #singleQuotes(parts: Part[]): void {
    const end = this.text.indexOf("'", this.#at + 1);
    if (end < 0) this.script.unterminated = true;
    const stop = end < 0 ? this.text.length : end;
    parts.push({ kind: "text", text: this.text.slice(this.#at + 1, stop), quoted: true });
    this.#at = stop + 1;
  }

  /** `$'…'`, whose escapes may hide any character. */
  #ansiQuotes(parts: Part[]): void {
    let text = "";
    this.#at += 2;
    while (this.#at < this.text.length && this.text[this.#at] !== "'") {
      const plain = this.#match(/[^'\\]+/y);
      text += plain === "" ? this.#ansiEscape() : plain;
    }
    if (this.#at >= this.text.length) this.script.unterminated = true;
    this.#at++;
    parts.push({ kind: "text", text, quoted: true });
  }

  #ansiEscape(): string {
    const escape = this.#match(/\\(?:x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|[^])/y);
    if (escape === "") {
      this.#at++;
      return "";
    }
    const letter = escape[1] ?? "";
    const named =
      { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", e: "\x1b", E: "\x1b", f: "\f", v: "\v" }[letter];
    if (named !== undefined) return named;
    const isOctal = letter >= "0" && letter <= "7";
    if (!isOctal && escape.length === 2) return letter;
    const code = isOctal ? Number.parseInt(escape.slice(1), 8) : Number.parseInt(escape.slice(2), 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : "";
  }

  #doubleQuotes(parts: Part[]): void {
    this.#at++;
    parts.push({ kind: "text", text: "", quoted: true });
    while (this.#at < this.text.length) {
      const char = this.text[this.#at];
      if (char === '"') {
        this.#at++;
        return;
      }
      if (char === "$") this.#dollar(parts, true);
      else if (char === "`") this.#backticks(parts, true);
      else if (char === "\\") this.#quotedBackslash(parts);
      else parts.push({ kind: "text", text: this.#match(IN_DOUBLE_QUOTES), quoted: true });
    }
    this.script.unterminated = true;
  }

  #quotedBackslash(parts: Part[]): void {
    const next = this.text[this.#at + 1] ?? "";
    this.#at += 2;
    if (next === "\n") return;
    parts.push({ kind: "text", text: '$`"\\'.includes(next) ? next : `\\${next}`, quoted: true });
  }

  #dollar(parts: Part[], quoted: boolean): void {
    const start = this.#at;
    const next = this.text[start + 1];
    if (next === "'" && !quoted) return this.#ansiQuotes(parts);
    if (next === '"' && !quoted) {
      this.#at++;
      return this.#doubleQuotes(parts);
    }
    if (next === "(") {
      if (!this.#skipArithmetic(start + 1)) return this.#substitution(parts, "command", quoted);
      parts.push({ kind: "variable", text: this.text.slice(start, this.#at), quoted });
      return;
    }
    if (next === "{") return this.#braced(parts, quoted);
    this.#at++;
    const name = this.#match(PARAMETER);
    if (name === "") parts.push({ kind: "text", text: "$", quoted });
    else parts.push({ kind: "variable", text: `$${name}`, name, quoted });
  }

  /** `${…}`, with what may stand inside it: quotes and further expansions. */
  #braced(parts: Part[], quoted: boolean): void {
    const start = this.#at;
    this.#at += 2;
    const inner: Part[] = [];
    const isRead = this.#nested(() => {
      for (let char = this.text[this.#at]; char !== undefined && char !== "}"; char = this.text[this.#at]) {
        if (char === "\\") this.#at += 2;
        else if (char === "'" && !quoted) this.#singleQuotes(inner);
        else if (char === '"') this.#doubleQuotes(inner);
        else if (char === "$") this.#dollar(inner, true);
        else if (char === "`") this.#backticks(inner, true);
        else this.#at++;
      }
    });
    if (isRead && this.#at >= this.text.length) this.script.unterminated = true;
    if (isRead) this.#at++;
    const text = this.text.slice(start, this.#at);
    const name = BRACED_NAME.exec(text)?.[1];
    parts.push({ kind: "variable", text, quoted, ...(name === undefined ? {} : { name }) });
  }

  /** `$(…)`, `<(…)` or `>(…)`. */
  #substitution(parts: Part[], kind: "command" | "process", quoted: boolean): void {
    const start = this.#at;
    const from = this.script.commands.length;
    this.#at += 2;
    const outer = this.#scope;
    this.#scope = { parent: outer };
    this.#nested(() => this.readCommands(true));
    this.#scope = outer;
    const text = this.text.slice(start, this.#at);
    parts.push({ kind, text, quoted, from, to: this.script.commands.length });
  }

  #backticks(parts: Part[], quoted: boolean): void {
    const start = this.#at;
    const from = this.script.commands.length;
    let inner = "";
    for (this.#at++; this.#at < this.text.length && this.text[this.#at] !== "`";) {
      const plain = this.#match(/[^`\\]+/y);
      const next = this.text[this.#at + 1] ?? "";
      inner += plain !== "" ? plain : "$`\\".includes(next) || (quoted && next === '"') ? next : `\\${next}`;
      if (plain === "") this.#at += 2;
    }
    if (this.#at >= this.text.length) this.script.unterminated = true;
    this.#at++;
    const scope = { parent: this.#scope };
    this.#nested((depth) => new ShellReader(inner, this.script, depth, scope).readCommands(false));
    const text = this.text.slice(start, this.#at);
    parts.push({ kind: "command", text, quoted, from, to: this.script.commands.length });
  }

  /** Skips `((…))` if the text at `start` is one; the commands substituted inside it are read. */
  #skipArithmetic(start: number): boolean {
    if (this.text[start] !== "(" || this.text[start + 1] !== "(") return false;
    const limit = Math.min(this.text.length, start + MAX_ARITHMETIC_CHARS);
    for (let at = start, open = 0; at < limit; at++) {
      if (this.text[at] === "(") open++;
      if (this.text[at] === ")") open--;
      if (open > 0) continue;
      if (this.text[at - 1] !== ")") return false;
      const inside = this.text.slice(start + 2, at - 1);
      this.#nested((depth) => new ShellReader(inside, this.script, depth, this.#scope).readExpansions());
      this.#at = at + 1;
      return true;
    }
    return false;
  }

  /** Runs a reader one level deeper; false, and nothing read, when that is too deep. */
  #nested(read: (depth: number) => void): boolean {
    if (this.depth >= MAX_DEPTH) {
      this.script.tooDeep = true;
      return false;
    }
    this.depth++;
    read(this.depth);
    this.depth--;
    return true;
  }
}
