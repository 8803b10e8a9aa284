/** The one opening to a host: a command line that runs `sh` over there, with its stdin and stdout. */
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
 * Options for ssh: no terminal, no question, no forwarding, a connection of its own (over a cut wire a shared one
 * hangs in spite of its time limit), and an end of its own when the wire is dead. ssh keeps the first value given.
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

/** The environment of a command that reaches a host: without the marks of agents and of our own runs. Pure. */
export function reachEnv(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) => !isAgentMark(name, value) && !name.startsWith("LOOOP_")),
  );
}

/** An open line to a host's program. */
export interface Channel {
  pid: number;
  /** Sends a line; false when the other end has gone. */
  send(line: string): Promise<boolean>;
  /** Passes on each line, one after the other, until the program there ends or {@link Channel.close} is called. */
  listen(take: (line: Line) => Promise<void> | void): Promise<void>;
  /** Signals that no more lines come. */
  end(): Promise<void>;
  /** Ends the child and everything in its process group. */
  close(): void;
  /** The last line that the command printed on stderr. */
  complaint(): string;
}

/** How to reach a host. */
export interface Reach {
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
}

/** Time that a host has to answer the greeting, ms; ssh itself gives up after 10 s. */
const GREETING_MS = 20_000;
/** Length of the end of stderr that is kept, characters. */
const COMPLAINT_CHARS = 2_000;

/**
 * Opens a line and starts `program` over there.
 *
 * @throws {UserError} of kind `host` when the command cannot be run or nothing answers.
 */
export async function openChannel(reach: Reach, program: string, patienceMs = GREETING_MS): Promise<Channel> {
  const channel = spawnChannel(reach);
  const greeted = Promise.withResolvers<"ready" | "ended" | "silent">();
  // A machine that greets and then reads nothing would otherwise keep the program waiting without end.
  const timer = setTimeout(() => {
    greeted.resolve("silent");
    channel.close();
  }, patienceMs);
  try {
    channel.start((line) => {
      if (line === READY) greeted.resolve("ready");
    });
    channel.ended.then(() => greeted.resolve("ended"));
    await channel.send(GREETING.trimEnd());
    const answer = await greeted.promise;
    if (answer === "silent") {
      const said = channel.complaint();
      const late = `it gives no answer within ${Math.round(patienceMs / 1000)} s`;
      throw notReached(reach, said === "" ? late : `${late}: ${said}`);
    }
    if (answer === "ended" || !await channel.send(asLine(program).trimEnd())) {
      throw notReached(reach, channel.complaint() || "its command ended without an answer");
    }
    return channel;
  } catch (error) {
    channel.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function notReached(reach: Reach, complaint: string): UserError {
  const isUnknown = /host key verification failed/i.test(complaint);
  const byHand = reach.argv.filter((word) => !SSH_OPTIONS.includes(word)).slice(0, -1).join(" ");
  return new UserError(`Cannot reach the host: ${complaint}`, {
    next: isUnknown ? `run \`${byHand}\` once by hand, to accept its key` : `try \`${byHand} sh\` by hand`,
    kind: "host",
  });
}

/** A child whose output arrives as lines. */
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

  /** Begins to read; lines that arrive before {@link listen} is called are kept for it. */
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
      // A child that dies in the middle of a read has nothing more to say.
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
      // A group of its own, so that everything the command has started can be ended with it.
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
        next: `install it, or correct "reach" of this host in config.json`,
        kind: "host",
      },
    );
  }
}

/** The output of a program on a host, and how it ended. */
export interface Conversation {
  lines: string[];
  /** Whether it was cut off by its time limit. */
  timedOut: boolean;
  complaint: string;
}

/**
 * Runs a program on a host to its end, or until `enough` is satisfied.
 *
 * @throws {UserError} of kind `host` when nothing answers.
 */
export async function converse(
  reach: Reach,
  program: string,
  { limitMs, enough = () => false, stop }: {
    limitMs: number;
    enough?: (line: string) => boolean;
    stop?: AbortSignal;
  },
): Promise<Conversation> {
  const lines: string[] = [];
  const started = performance.now();
  const channel = await openChannel(reach, program, Math.min(limitMs, GREETING_MS));
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    channel.close();
  }, Math.max(1, limitMs - (performance.now() - started)));
  const onStop = () => channel.close();
  stop?.addEventListener("abort", onStop);
  if (stop?.aborted) onStop();
  try {
    await channel.listen((line) => {
      if (typeof line !== "string") return;
      lines.push(line);
      if (enough(line)) channel.close();
    });
    return { lines, timedOut, complaint: channel.complaint() };
  } finally {
    clearTimeout(timer);
    stop?.removeEventListener("abort", onStop);
    channel.close();
  }
}
