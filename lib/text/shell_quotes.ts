/** Which quotes, substitutions and comments are open at a place in a shell's text. Pure. */

/** The meaning of a character at its place; inside a substitution within quotes it is "none" again. */
export type ShellContext = "none" | "single" | "double" | "backtick" | "comment";

/** Reads a shell's text from the beginning and knows the context of the current place. */
export class ShellQuotes {
  readonly #stack: ShellContext[] = ["none"];

  get context(): ShellContext {
    return this.#stack.at(-1) ?? "none";
  }

  /** Reads what begins at `at`: one character, an escaped one or `$(`; returns how many characters that is. */
  read(text: string, at: number): number {
    const char = text[at] ?? "";
    const { context } = this;
    if (context === "single" || context === "comment") {
      if (char === (context === "single" ? "'" : "\n")) this.#stack.pop();
      return 1;
    }
    if (char === "\\") return 2;
    if (char === "#" && context === "none" && /^[\s;&|()]?$/.test(text[at - 1] ?? "")) {
      this.#stack.push("comment");
    } else this.#step(char, text[at + 1]);
    return char === "$" && text[at + 1] === "(" ? 2 : 1;
  }

  /** Enters and leaves quotes and substitutions. */
  #step(char: string, next: string | undefined): void {
    const { context } = this;
    if (char === "$" && next === "(") this.#stack.push("none");
    else if (char === "`") this.#toggle("backtick");
    else if (char === '"') this.#toggle("double");
    else if (context === "double") return;
    else if (char === "'") this.#stack.push("single");
    else if (char === "(") this.#stack.push("none");
    else if (char === ")" && this.#stack.length > 1 && context === "none") this.#stack.pop();
  }

  #toggle(quote: ShellContext): void {
    if (this.context === quote) this.#stack.pop();
    else this.#stack.push(quote);
  }
}
