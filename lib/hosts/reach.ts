/** The one opening to a host: a command line that runs `sh` over there, its stdin and its stdout. */
import { isAgentMark } from "../process/child_env.ts";
import { PipeReader } from "../process/pipe_reader.ts";
import { findProgram } from "../process/programs.ts";
import { signal } from "../process/tree.ts";
import { oneLine, UserError } from "../errors.ts";
import { baseName } from "../paths.ts";
import { type Line, LineSplitter } from "./lines.ts";
import { asLine, GREETING, READY } from "./program.ts";
import { MAX_LINE } from "./protocol.ts";

/**
 * What looop wants of ssh: no terminal, no question, no forwarding, a connection of its own (over a cut wire a shared
 * one hangs in spite of its time limit), and an end of its own when the wire is dead. ssh keeps the first value given.
 */
const SSH_OPTIONS = [
  "-T",
  "-a",
  "-x",
  "-oBatchMode=yes",
  "-oControlPath=none",
  "-oClearAllForwardings=yes",
  "-oConnectTimeout=10",
  "-oServerAliveInterval=5",
  "-oServerAliveCountMax=3",
];

/** The argv that runs `sh` on a host. Pure. */
export function reachArgv(reach: readonly string[], sshOptions = true): string[] {
  const [program = "", ...rest] = reach;
  const options = sshOptions && baseName(program) === "ssh" ? SSH_OPTIONS : [];
  return [program, ...options, ...rest, "sh"];
}

/** The environment of a command that reaches a host: without marks of agents and of our own runs. Pure. */
export function reachEnv(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) => !isAgentMark(name, value) && !name.startsWith("LOOOP_")),
  );
}

/** An open line to a host's program. */
export interface Channel {
  pid: number;
  /** Sends a line; false when nobody is there any more. */
  send(line: string): Promise<boolean>;
  /** Hands on each line, one after the other, until the program there ends or {@link Channel.close} is called. */
  listen(take: (line: Line) => Promise<void> | void): Promise<void>;
  /** Says that no more lines come. */
  end(): Promise<void>;
  /** Ends the child and all in its process group. */
  close(): void;
  /** The last that the command said on stderr, one line. */
  complaint(): string;
}

/** How a host is reached. */
export interface Reach {
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
}

/** How long a host may take to answer the greeting, ms; ssh gives up after 10 s by itself. */
const GREETING_MS = 20_000;
/** How much of stderr is kept. */
const COMPLAINT_CHARS = 2_000;

/**
 * Opens a line and starts `program` over there.
 *
 * @throws {UserError} of kind `host` when the command cannot be run or nobody answers.
 */
export async function openChannel(reach: Reach, program: string, patienceMs = GREETING_MS): Promise<Channel> {
  const channel = spawnChannel(reach);
  const greeted = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => greeted.resolve(false), patienceMs);
  try {
    channel.start((line) => {
      if (line === READY) greeted.resolve(true);
    });
    channel.ended.then(() => greeted.resolve(false));
    await channel.send(GREETING.trimEnd());
    if (!await greeted.promise) throw notReached(reach, channel.complaint());
    if (!await channel.send(asLine(program).trimEnd())) throw notReached(reach, channel.complaint());
    return channel;
  } catch (error) {
    channel.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function notReached(reach: Reach, complaint: string): UserError {
  const said = complaint === "" ? "it gives no answer" : complaint;
  const isUnknown = /host key verification failed/i.test(complaint);
  const byHand = reach.argv.filter((word) => !SSH_OPTIONS.includes(word)).slice(0, -1).join(" ");
  return new UserError(`Cannot reach the host: ${said}`, {
    next: isUnknown ? `run \`${byHand}\` once by hand, to accept its key` : `try \`${byHand} sh\` by hand`,
    kind: "host",
  });
}

/** A child whose lines come in. */
class ChildChannel implements Channel {
  readonly pid: number;
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #errors: PipeReader;
  #complaint = "";
  #take: ((line: Line) => Promise<void> | void) | undefined;
  #early: Line[] = [];

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.pid = child.pid;
    this.#writer = child.stdin.getWriter();
    this.#writer.closed.catch(() => {});
    const decoder = new TextDecoder();
    this.#errors = new PipeReader(child.stderr, (part) => {
      this.#complaint = (this.#complaint + decoder.decode(part)).slice(-COMPLAINT_CHARS);
      return true;
    });
    this.ended = child.status.then(() => {});
  }

  /** Reads from now on; lines that come before {@link listen} is called are kept for it. */
  start(first: (line: Line) => void): void {
    this.#take = (line) => {
      if (this.#greeted) this.#early.push(line);
      first(line);
      if (line === READY) this.#greeted = true;
    };
    this.#reading = this.#read();
  }

  #greeted = false;
  #reading: Promise<void> | undefined;

  async listen(take: (line: Line) => Promise<void> | void): Promise<void> {
    for (let line = this.#early.shift(); line !== undefined; line = this.#early.shift()) await take(line);
    this.#take = take;
    await this.#reading;
    await this.#errors.giveUp();
  }

  async #read(): Promise<void> {
    const splitter = new LineSplitter(MAX_LINE);
    const reader = this.#child.stdout.getReader({ mode: "byob" });
    for (let free = new Uint8Array(16 * 1024);;) {
      // A child that is gone in the middle of a read has said all it had to say.
      const { value, done } = await reader.read(free).catch(() => ({ value: undefined, done: true }));
      if (done || value === undefined) return;
      for (const line of splitter.push(value)) await this.#take?.(line);
      free = new Uint8Array(value.buffer);
    }
  }

  async send(line: string): Promise<boolean> {
    try {
      await this.#writer.write(new TextEncoder().encode(`${line}\n`));
      return true;
    } catch {
      return false;
    }
  }

  async end(): Promise<void> {
    await this.#writer.close().catch(() => {});
  }

  close(): void {
    signal(-this.pid, "SIGKILL");
    this.end();
  }

  complaint(): string {
    const lines = this.#complaint.trim().split("\n");
    return oneLine(lines.at(-1) ?? "", 200);
  }
}

/** @throws {UserError} when the command cannot be run. */
function spawnChannel({ argv, env, cwd }: Reach): ChildChannel {
  const [program = "", ...args] = argv;
  try {
    const child = new Deno.Command(program, {
      args,
      cwd,
      env: reachEnv(env),
      clearEnv: true,
      // A group of its own, so that what the command has started can be ended with it.
      detached: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new ChildChannel(child);
  } catch (error) {
    const missing = findProgram(program, env["PATH"] ?? "") === undefined;
    throw new UserError(
      `Cannot run "${program}": ${missing ? "it is not on PATH" : (error as Error).message}`,
      {
        next: `install it, or mend "reach" of this host in config.json`,
        kind: "host",
      },
    );
  }
}

/** What a program on a host has said, and how it ended. */
export interface Conversation {
  lines: string[];
  /** Whether it was cut off by its time limit. */
  timedOut: boolean;
  complaint: string;
}

/**
 * Runs a program on a host to its end, or to `enough`.
 *
 * @throws {UserError} of kind `host` when nobody answers.
 */
export async function converse(
  reach: Reach,
  program: string,
  { limitMs, enough = () => false }: { limitMs: number; enough?: (line: string) => boolean },
): Promise<Conversation> {
  const lines: string[] = [];
  const started = performance.now();
  const channel = await openChannel(reach, program, Math.min(limitMs, GREETING_MS));
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    channel.close();
  }, Math.max(1, limitMs - (performance.now() - started)));
  try {
    await channel.listen((line) => {
      if (typeof line !== "string") return;
      lines.push(line);
      if (enough(line)) channel.close();
    });
    return { lines, timedOut, complaint: channel.complaint() };
  } finally {
    clearTimeout(timer);
    channel.close();
  }
}
