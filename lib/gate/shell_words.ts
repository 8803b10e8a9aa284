/**
 * Reads the words of shell text: quotes, escapes, and the expansions of variables and commands in them. Pure.
 *
 * It follows the POSIX shell (2.2 Quoting, 2.6 Word Expansions) and bash's additions that a `bash -c` line may use.
 * What stands inside `$(…)` is read by whoever reads commands: `shell_commands.ts`.
 */
import { type Part, type Scope, type Script, toWord, type Word } from "./shell_script.ts";

/** Nesting of `$(…)`, `${…}` and backticks that is read; people stay below 5, JavaScript's stack holds 100. */
const MAX_DEPTH = 100;
/** How far `((` looks for its `))` before it counts as two subshells. Bounded, so that time stays linear. */
const MAX_ARITHMETIC_CHARS = 300;

const PLAIN = /[^ \t\n'"\\$`&|;<>()]+/y;
const IN_DOUBLE_QUOTES = /[^"\\$`]+/y;
const PARAMETER = /[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]/y;
const BRACED_NAME = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?:\}$|:?[-?])/;

/** A cursor over one text; texts inside it that need unescaping first (backticks, heredocs) get their own. */
export abstract class WordReader {
  protected at = 0;

  /** @param scope Of the command that is being read. */
  constructor(
    protected readonly text: string,
    protected readonly script: Script,
    private depth: number,
    protected scope: Scope,
  ) {}

  /** Reads commands to the end of the text, or past the `)` that closes a substitution. */
  abstract readCommands(closes: boolean): void;

  /** A reader like this one, for a text inside of this one's. */
  protected abstract readerOf(text: string, depth: number, scope: Scope): WordReader;

  /** Reads only the expansions of a text: the inside of a heredoc or of `$((…))`. */
  readExpansions(): void {
    const parts: Part[] = [];
    while (this.at < this.text.length) {
      const char = this.text[this.at];
      if (char === "\\") this.at += 2;
      else if (char === "$") this.#dollar(parts, true);
      else if (char === "`") this.#backticks(parts, true);
      else this.at++;
    }
  }

  /** Reads one word; without parts where none begins here. */
  protected readWord(): Word {
    const parts: Part[] = [];
    while (true) {
      const char = this.text[this.at];
      if (char === undefined) break;
      if (char === "'") this.#singleQuotes(parts);
      else if (char === '"') this.#doubleQuotes(parts);
      else if (char === "\\") this.#backslash(parts);
      else if (char === "$") this.#dollar(parts, false);
      else if (char === "`") this.#backticks(parts, false);
      else if ((char === "<" || char === ">") && this.text[this.at + 1] === "(") {
        this.#substitution(parts, "process", false);
      } else {
        const text = this.match(PLAIN);
        if (text === "") break;
        parts.push({ kind: "text", text, quoted: false });
      }
    }
    return toWord(parts);
  }

  #backslash(parts: Part[]): void {
    const next = this.text[this.at + 1];
    this.at += 2;
    if (next === "\n") return;
    if (next === undefined) this.script.unterminated = true;
    else parts.push({ kind: "text", text: next, quoted: true });
  }

  #singleQuotes(parts: Part[]): void {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) this.script.unterminated = true;
    const stop = end < 0 ? this.text.length : end;
    parts.push({ kind: "text", text: this.text.slice(this.at + 1, stop), quoted: true });
    this.at = stop + 1;
  }

  /** `$'…'`, whose escapes may hide any character. */
  #ansiQuotes(parts: Part[]): void {
    let text = "";
    this.at += 2;
    while (this.at < this.text.length && this.text[this.at] !== "'") {
      const plain = this.match(/[^'\\]+/y);
      text += plain === "" ? this.#ansiEscape() : plain;
    }
    if (this.at >= this.text.length) this.script.unterminated = true;
    this.at++;
    parts.push({ kind: "text", text, quoted: true });
  }

  #ansiEscape(): string {
    const escape = this.match(/\\(?:x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|[^])/y);
    if (escape === "") {
      this.at++;
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
    this.at++;
    parts.push({ kind: "text", text: "", quoted: true });
    while (this.at < this.text.length) {
      const char = this.text[this.at];
      if (char === '"') {
        this.at++;
        return;
      }
      if (char === "$") this.#dollar(parts, true);
      else if (char === "`") this.#backticks(parts, true);
      else if (char === "\\") this.#quotedBackslash(parts);
      else parts.push({ kind: "text", text: this.match(IN_DOUBLE_QUOTES), quoted: true });
    }
    this.script.unterminated = true;
  }

  #quotedBackslash(parts: Part[]): void {
    const next = this.text[this.at + 1] ?? "";
    this.at += 2;
    if (next === "\n") return;
    parts.push({ kind: "text", text: '$`"\\'.includes(next) ? next : `\\${next}`, quoted: true });
  }

  #dollar(parts: Part[], quoted: boolean): void {
    const start = this.at;
    const next = this.text[start + 1];
    if (next === "'" && !quoted) return this.#ansiQuotes(parts);
    if (next === '"' && !quoted) {
      this.at++;
      return this.#doubleQuotes(parts);
    }
    if (next === "(") {
      if (!this.skipArithmetic(start + 1)) return this.#substitution(parts, "command", quoted);
      parts.push({ kind: "variable", text: this.text.slice(start, this.at), quoted });
      return;
    }
    if (next === "{") return this.#braced(parts, quoted);
    this.at++;
    const name = this.match(PARAMETER);
    if (name === "") parts.push({ kind: "text", text: "$", quoted });
    else parts.push({ kind: "variable", text: `$${name}`, name, quoted });
  }

  /** `${…}`, with what may stand inside it: quotes and further expansions. */
  #braced(parts: Part[], quoted: boolean): void {
    const start = this.at;
    this.at += 2;
    const inner: Part[] = [];
    const isRead = this.nested(() => {
      for (let char = this.text[this.at]; char !== undefined && char !== "}"; char = this.text[this.at]) {
        if (char === "\\") this.at += 2;
        else if (char === "'" && !quoted) this.#singleQuotes(inner);
        else if (char === '"') this.#doubleQuotes(inner);
        else if (char === "$") this.#dollar(inner, true);
        else if (char === "`") this.#backticks(inner, true);
        else this.at++;
      }
    });
    if (isRead && this.at >= this.text.length) this.script.unterminated = true;
    if (isRead) this.at++;
    const text = this.text.slice(start, this.at);
    const name = BRACED_NAME.exec(text)?.[1];
    parts.push({ kind: "variable", text, quoted, ...(name === undefined ? {} : { name }) });
  }

  /** `$(…)`, `<(…)` or `>(…)`. */
  #substitution(parts: Part[], kind: "command" | "process", quoted: boolean): void {
    const start = this.at;
    const from = this.script.commands.length;
    this.at += 2;
    const outer = this.scope;
    this.scope = { parent: outer };
    this.nested(() => this.readCommands(true));
    this.scope = outer;
    const text = this.text.slice(start, this.at);
    parts.push({ kind, text, quoted, from, to: this.script.commands.length });
  }

  #backticks(parts: Part[], quoted: boolean): void {
    const start = this.at;
    const from = this.script.commands.length;
    let inner = "";
    for (this.at++; this.at < this.text.length && this.text[this.at] !== "`";) {
      const plain = this.match(/[^`\\]+/y);
      const next = this.text[this.at + 1] ?? "";
      inner += plain !== "" ? plain : "$`\\".includes(next) || (quoted && next === '"') ? next : `\\${next}`;
      if (plain === "") this.at += 2;
    }
    if (this.at >= this.text.length) this.script.unterminated = true;
    this.at++;
    const scope = { parent: this.scope };
    this.nested((depth) => this.readerOf(inner, depth, scope).readCommands(false));
    const text = this.text.slice(start, this.at);
    parts.push({ kind: "command", text, quoted, from, to: this.script.commands.length });
  }

  /** Skips `((…))` if the text at `start` is one; the commands substituted inside it are read. */
  protected skipArithmetic(start: number): boolean {
    if (this.text[start] !== "(" || this.text[start + 1] !== "(") return false;
    const limit = Math.min(this.text.length, start + MAX_ARITHMETIC_CHARS);
    for (let at = start, open = 0; at < limit; at++) {
      if (this.text[at] === "(") open++;
      if (this.text[at] === ")") open--;
      if (open > 0) continue;
      if (this.text[at - 1] !== ")") return false;
      const inside = this.text.slice(start + 2, at - 1);
      this.nested((depth) => this.readerOf(inside, depth, this.scope).readExpansions());
      this.at = at + 1;
      return true;
    }
    return false;
  }

  /** Takes what a sticky pattern finds here; "" when it finds nothing. */
  protected match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }

  /** Goes past blanks and continued lines. */
  protected skipBlanks(): void {
    for (;; this.at++) {
      const char = this.text[this.at];
      if (char === "\\" && this.text[this.at + 1] === "\n") this.at++;
      else if (char !== " " && char !== "\t") return;
    }
  }

  /** Runs a reader one level deeper; false, and nothing read, when that is too deep. */
  protected nested(read: (depth: number) => void): boolean {
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
