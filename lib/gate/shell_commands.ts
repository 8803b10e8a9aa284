/**
 * Reads a shell command line into the simple commands it would run, with what was quoted, expanded, piped
 * and redirected. Pure; knows no command's meaning (that is `gate.ts`).
 *
 * It follows the token rules of the POSIX shell (2.3 Token Recognition, 2.10 Shell Grammar) and bash's additions
 * that a `bash -c` line may use. What it reads wrong it reads as more commands rather than fewer: the bodies of
 * functions and of branches not taken are listed too. Malformed text never throws, and the time is linear in its
 * length.
 */
import { Region } from "./shell_region.ts";
import { type Scope, type Script, type SimpleCommand, toWord, type Word } from "./shell_script.ts";
import { WordReader } from "./shell_words.ts";

const REDIRECTION = /&>>|&>|<<<|<<-|<<|<&|<>|>>|>&|>\||>|</y;
const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)(?:\[[^\]]*\])?\+?=/;

/** Words that stand in front of a command and change nothing about what it does. */
const TRANSPARENT = new Set(["then", "elif", "else", "do", "!", "coproc"]);
const OPENERS = new Map([["{", "{"], ["if", "if"], ["while", "loop"], ["until", "loop"], ["case", "case"]]);
const CLOSERS = new Map([["}", "{"], ["fi", "if"], ["done", "loop"], ["esac", "case"]]);

/** Reads a command line or a script of any size. */
export function parseShell(text: string): Script {
  const script: Script = { commands: [], unterminated: false, tooDeep: false };
  new CommandReader(text, script, 0, { parent: undefined }).readCommands(false);
  return script;
}

/** The text of a word that the shell may read as a keyword or operator, as nothing of it is quoted. */
function bareText(word: Word): string | undefined {
  const [part, more] = word.parts;
  return part?.kind === "text" && !part.quoted && more === undefined ? part.text : undefined;
}

interface Heredoc {
  command: SimpleCommand;
  delimiter: string;
  stripTabs: boolean;
  expands: boolean;
}

/** Reads the commands of one text, and those inside of their words. */
class CommandReader extends WordReader {
  #heredocs: Heredoc[] = [];

  override readCommands(closes: boolean): void {
    const region = new Region(this.script.commands, this.scope);
    while (true) {
      this.skipBlanks();
      const char = this.text[this.at];
      if (char === undefined) break;
      this.scope = region.scope;
      if (char === ")") {
        if (this.#closeParen(region, closes)) return;
      } else if (char === "\n") this.#newline(region);
      else if (char === "#") this.#comment(region);
      else if (char === ";") this.#semicolon(region);
      else if (char === "|") this.#bar(region);
      else if (char === "(") this.#openParen(region);
      else if (char === "&" && this.text[this.at + 1] !== ">") this.#ampersand(region);
      else if (this.#atRedirection()) this.#redirect(region);
      else this.#word(region);
    }
    region.end(this.text, this.at);
    if (closes || region.frames.length > 0 || this.#heredocs.length > 0) this.script.unterminated = true;
  }

  protected override readerOf(text: string, depth: number, scope: Scope): CommandReader {
    return new CommandReader(text, this.script, depth, scope);
  }

  #comment(region: Region): void {
    region.end(this.text, this.at);
    const end = this.text.indexOf("\n", this.at);
    this.at = end < 0 ? this.text.length : end;
  }

  #newline(region: Region): void {
    if (region.afterPipe) region.end(this.text, this.at);
    else region.separate(this.text, this.at);
    this.at++;
    const heredocs = this.#heredocs;
    this.#heredocs = [];
    for (const heredoc of heredocs) this.#readHeredoc(heredoc);
  }

  #semicolon(region: Region): void {
    region.separate(this.text, this.at);
    const next = this.text[this.at + 1];
    this.at++;
    if (next !== ";" && next !== "&") return;
    this.at += next === ";" && this.text[this.at + 1] === "&" ? 2 : 1;
    if (region.frames.at(-1)?.kind === "case") this.#casePattern(region);
  }

  #ampersand(region: Region): void {
    region.separate(this.text, this.at);
    this.at += this.text[this.at + 1] === "&" ? 2 : 1;
  }

  #bar(region: Region): void {
    const next = this.text[this.at + 1];
    if (next === "|") region.separate(this.text, this.at);
    else region.pipe(this.text, this.at);
    this.at += next === "|" || next === "&" ? 2 : 1;
  }

  #openParen(region: Region): void {
    const command = region.current;
    const isLoopHeader = command?.words.length === 1 && command.words[0]?.text === "for";
    if ((command === undefined || isLoopHeader) && this.skipArithmetic(this.at)) return;
    this.at++;
    if (command === undefined) return region.open("(", { parent: region.scope });
    this.skipBlanks();
    if (this.text[this.at] !== ")" || command.words.length !== 1) return;
    this.at++;
    // `name()`: what follows is the function's body, to be judged as if it were called.
    command.words.length = 0;
    region.end(this.text, this.at);
  }

  /** Whether the `)` ends the substitution that is being read; a stray one is skipped. */
  #closeParen(region: Region, closes: boolean): boolean {
    const isOwn = region.parens === 0 && closes;
    if (region.parens > 0) region.closeParen(this.text, this.at);
    else region.end(this.text, this.at);
    this.at++;
    return isOwn;
  }

  #atRedirection(): boolean {
    const char = this.text[this.at];
    if (char === "&") return true;
    return (char === "<" || char === ">") && this.text[this.at + 1] !== "(";
  }

  #redirect(region: Region): void {
    const command = region.command(this.at);
    const operator = this.match(REDIRECTION);
    this.skipBlanks();
    const target = this.readWord();
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
      if (this.at >= this.text.length) {
        this.script.unterminated = true;
        break;
      }
      const end = this.text.indexOf("\n", this.at);
      let line = this.text.slice(this.at, end < 0 ? this.text.length : end);
      this.at = end < 0 ? this.text.length : end + 1;
      if (stripTabs) line = line.replace(/^\t+/, "");
      if (line === delimiter) break;
      lines.push(line);
    }
    const body = lines.join("\n") + "\n";
    command.input = (command.input ?? "") + body;
    if (expands) {
      this.nested((depth) => this.readerOf(body, depth, command.scope).readExpansions());
    }
  }

  #word(region: Region): void {
    const start = this.at;
    const isFirst = region.current === undefined;
    // The command is listed before its words are read, so that the commands inside its words come after it.
    const before = this.script.commands.length;
    const command = region.command(start);
    const word = this.readWord();
    if (this.at === start) this.at++; // a character that starts nothing: skip it, never loop
    const bare = bareText(word);
    if (bare !== undefined && /^(?:[0-9]+|\{\w+\})$/.test(bare) && /[<>]/.test(this.text[this.at] ?? "")) {
      return; // a file descriptor in front of a redirection
    }
    if (isFirst && bare !== undefined && this.#keyword(region, bare, before)) return;
    this.#addWord(command, word);
    if (this.text[this.at] === "(" && word.text.endsWith("=")) this.#array(command);
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
    this.at++;
    const last = command.assignments.at(-1);
    if (last !== undefined) last.value = toWord([{ kind: "variable", text: "()", quoted: false }]);
    this.#readUntil((char) => char === ")");
  }

  /** Reads words, ignoring operators, past the first character that ends the list. */
  #readUntil(ends: (char: string, word?: Word) => boolean, keep?: (word: Word) => void): void {
    while (this.at < this.text.length) {
      this.skipBlanks();
      const char = this.text[this.at] ?? "";
      const start = this.at;
      if (ends(char)) {
        this.at++;
        return;
      }
      const word = this.readWord();
      if (this.at === start) this.at++;
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
    if (text === "time") this.match(/[ \t]+-p(?=[ \t])/y);
    if (text === "function") {
      this.skipBlanks();
      this.readWord();
      this.match(/[ \t]*\([ \t]*\)/y);
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
    while (this.match(/[\s;]+|#.*/y) !== "");
    if (this.text[this.at] === "(") this.at++;
    let isFirst = true;
    this.#readUntil((char, word) => {
      const isEnd = isFirst && word !== undefined && bareText(word) === "esac";
      if (isEnd) region.close("case");
      if (word !== undefined) isFirst = false;
      return isEnd || char === ")";
    });
  }
}
