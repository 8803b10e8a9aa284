/** Where a reader of shell commands stands: the pipeline it is in, and the compound commands around that. Pure. */
import type { Scope, SimpleCommand } from "./shell_script.ts";

/** What an open compound command (`(`, `{`, `if`, …) returns to when it closes. */
interface Frame {
  kind: string;
  begin: number;
  upstreamFrom: number | undefined;
  fedBy: SimpleCommand | undefined;
  scope: Scope;
}

/** Where one run of commands stands: the current command, its pipeline, the compound commands around it. */
export class Region {
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

  /** Ends the current command, if there is one: its source goes up to `at`. */
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

  /** `|` or `|&`: what comes next is fed by the command that ends here. */
  pipe(text: string, at: number): void {
    const left = this.current;
    this.end(text, at);
    this.afterPipe = true;
    this.#upstreamFrom = this.#begin;
    this.#fedBy = left;
  }

  /** Enters a compound command; a subshell brings a scope of its own. */
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
