/** Logs as people read them: the last lines of a recording, and following it while it grows and rotates. */
import { EventText, printsEvents } from "./agent_events.ts";
import { readAgent } from "./agent_session.ts";
import { readOutputTail } from "./output_log.ts";
import type { Profile } from "./paths.ts";
import { delay } from "./process.ts";
import { findSession, readSession, sessionDir } from "./session.ts";
import { exists, readTailBytes, statOf } from "./store.ts";
import { fault, isAbsent } from "./fault.ts";
import { TERMINAL } from "./supervisor.ts";
import { sanitize } from "./style.ts";
import { LogRenderer } from "./terminal.ts";

/** Turns the bytes of a log into lines that are safe to print. */
interface Renderer {
  push(bytes: Uint8Array): string[];
  /** What can be told after some quiet, though it is not ended. */
  settle(): string[];
  end(): string[];
}

/** A log that is plain lines, as the pulse writes them: line by line, escape codes taken out. */
class PlainRenderer implements Renderer {
  readonly #decoder = new TextDecoder();
  #rest = "";

  push(bytes: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.map((line) => sanitize(line).replaceAll("\n", " "));
  }

  settle(): string[] {
    return [];
  }

  end(): string[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest === "" ? [] : [sanitize(rest)];
  }
}

/** The events of a headless agent as a terminal would show them. */
class EventRenderer implements Renderer {
  readonly #events = new EventText();
  readonly #lines = new LogRenderer(TERMINAL);

  push(bytes: Uint8Array): string[] {
    return this.#lines.push(this.#events.push(bytes));
  }

  settle(): string[] {
    return this.#lines.settle();
  }

  end(): string[] {
    return [...this.#lines.push(this.#events.end()), ...this.#lines.end()];
  }
}

/** The renderer for a session: the pulse writes lines, a worker's log records a terminal or an agent's events. */
function rendererFor(profile: Profile, id: string): Renderer {
  if (id === "pulse") return new PlainRenderer();
  const template = readAgent(sessionDir(profile, id))?.template ?? "";
  return printsEvents(template) ? new EventRenderer() : new LogRenderer(TERMINAL);
}

/** The last part of a log that is rendered for its last lines, bytes. */
const TAIL_BYTES = 4 * 1024 * 1024;

/** The last `count` lines of a session's log; undefined when there is no such log. */
export function lastLines(profile: Profile, id: string, count: number): string[] | undefined {
  const dir = sessionDir(profile, id);
  if (!exists(`${dir}/output.log`)) return undefined;
  if (count === 0) return [];
  const renderer = rendererFor(profile, id);
  return [...renderer.push(readOutputTail(dir, TAIL_BYTES)), ...renderer.end()].slice(-count);
}

/**
 * A log is looked at this often, ms. Not watched: Deno opens whatever a watched folder tells of, and a session's
 * folder holds a FIFO, on which that blocks for ever.
 */
const POLL_MS = 100;
/** A screen that has not changed for this long is shown as it is, ms; a multiple of the period, as the next. */
const QUIET_MS = 300;
/** While nothing is printed, a worker is asked this often whether it has ended, ms. */
const ENDED_MS = 1000;

/** What following needs. */
export interface FollowHost {
  profile: Profile;
  id: string;
  count: number;
  show(lines: readonly string[]): void;
  now(): number;
  /** Fires when nobody reads any more. */
  stop: AbortSignal;
}

/**
 * Shows the last lines of a log and then what is added, until the worker has ended (the pulse is followed
 * through its restarts) or nobody reads. False when there is no such log.
 */
export async function followLog(host: FollowHost): Promise<boolean> {
  const { profile, id, stop } = host;
  const dir = sessionDir(profile, id);
  const log = GrowingLog.open(dir);
  if (log === undefined) return false;
  const gen = readSession(profile, id)?.meta.gen;
  const renderer = rendererFor(profile, id);
  try {
    host.show(firstLines(renderer, readOutputTail(dir, TAIL_BYTES), host.count));
    for (let quietMs = 0; !stop.aborted; quietMs += POLL_MS) {
      // Asked before the read, so that all that was written before the end is read.
      const ended = quietMs % ENDED_MS === 0 && id !== "pulse" && await hasEnded(host, gen);
      const bytes = log.read();
      if (bytes.length > 0) quietMs = 0;
      host.show(renderer.push(bytes));
      if (quietMs === QUIET_MS) host.show(renderer.settle());
      if (ended) break;
      await pause(POLL_MS, stop);
    }
    if (!stop.aborted) host.show(renderer.end());
  } finally {
    log.close();
  }
  return true;
}

/** Waits, or until told to stop. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onStop = () => resolve();
  const timer = setTimeout(resolve, ms);
  stop.addEventListener("abort", onStop);
  await promise;
  clearTimeout(timer);
  // A log may be followed for months: nothing of one pause outlives it.
  stop.removeEventListener("abort", onStop);
}

function firstLines(renderer: Renderer, tail: Uint8Array, count: number): string[] {
  const lines = [...renderer.push(tail), ...renderer.settle()];
  return count === 0 ? [] : lines.slice(-count);
}

async function hasEnded({ profile, id, now }: FollowHost, gen: string | undefined): Promise<boolean> {
  const session = await findSession(profile, id, now());
  return session === undefined || session.gen !== gen || !session.view.alive;
}

/** So many of the last bytes read are remembered, to be found again in the copy of a log that was cut short. */
const MARK_BYTES = 256;
/** More than this is not written between two looks: further back, the copy is not searched. */
const COPY_BYTES = 1024 * 1024;

/**
 * The growing end of a log. It is kept open, so that a log that is renamed away is read to its end before the
 * new one; when it is cut short (its end copied to `output.1.log`, see output_log.ts), what was not yet read is
 * read from the copy.
 */
class GrowingLog {
  readonly #dir: string;
  #file: Deno.FsFile;
  #ino: number | null;
  #offset: number;
  #mark: Uint8Array;

  private constructor(dir: string, file: Deno.FsFile) {
    this.#dir = dir;
    this.#file = file;
    const { ino, size } = file.statSync();
    this.#ino = ino;
    this.#offset = size;
    this.#mark = readTailBytes(`${dir}/output.log`, MARK_BYTES);
  }

  /** Opens the log at its end as it is now; undefined when there is none. */
  static open(dir: string): GrowingLog | undefined {
    const file = openLog(`${dir}/output.log`);
    return file === undefined ? undefined : new GrowingLog(dir, file);
  }

  /** What was added since the last call. */
  read(): Uint8Array {
    const parts = [this.#cutAway(), this.#rest()];
    const info = statOf(`${this.#dir}/output.log`);
    if (info !== undefined && info.ino !== this.#ino) parts.push(this.#reopen());
    const added = joined(parts);
    if (added.length > 0) this.#mark = joined([this.#mark, added]).slice(-MARK_BYTES);
    return added;
  }

  close(): void {
    this.#file.close();
  }

  #cutAway(): Uint8Array {
    if (this.#file.statSync().size >= this.#offset) return new Uint8Array();
    this.#offset = 0;
    return behind(readTailBytes(`${this.#dir}/output.1.log`, COPY_BYTES), this.#mark);
  }

  #rest(): Uint8Array {
    this.#file.seekSync(this.#offset, Deno.SeekMode.Start);
    const parts: Uint8Array[] = [];
    const buffer = new Uint8Array(64 * 1024);
    for (let n = this.#file.readSync(buffer); n !== null && n > 0; n = this.#file.readSync(buffer)) {
      parts.push(buffer.slice(0, n));
      this.#offset += n;
    }
    return joined(parts);
  }

  #reopen(): Uint8Array {
    const file = openLog(`${this.#dir}/output.log`);
    if (file === undefined) return new Uint8Array();
    this.#file.close();
    this.#file = file;
    this.#ino = file.statSync().ino;
    this.#offset = 0;
    return this.#rest();
  }
}

/** What stands behind the last occurrence of `mark`; nothing when it is not there. */
function behind(bytes: Uint8Array, mark: Uint8Array): Uint8Array {
  const latin1 = new TextDecoder("latin1");
  const at = mark.length === 0 ? 0 : latin1.decode(bytes).lastIndexOf(latin1.decode(mark));
  return at < 0 ? new Uint8Array() : bytes.subarray(at + mark.length);
}

function openLog(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path, { read: true });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw fault("read", path, error);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Waits on the reader of this process's stdout: ends by SIGPIPE when it is gone, else with 3 when that cannot
 * be told or need not be (a file, a terminal).
 *
 * A pipe whose reader has gone becomes ready for reading, which Deno cannot ask. A closed stdout is /dev/null
 * opened for both ways by the runtime; `>/dev/null` of a shell is open for writing alone. Where there is no
 * perl, GNU `tail` watches its stdout in the same way.
 */
const AWAIT_READER = `if command -v perl >/dev/null 2>&1; then
exec perl -e '
my $gone = -c STDOUT && !-t STDOUT && (fcntl(STDOUT, 3, 0) & 3) == 2;
exit 3 unless $gone || -p STDOUT || -S STDOUT;
my $parent = getppid;
until ($gone) {
  my $set = "";
  vec($set, 1, 1) = 1;
  $gone = select($set, undef, undef, 5) > 0;
  exit 3 if getppid != $parent;
}
kill PIPE => $$;
'
fi
[ -p /dev/stdout ] || exit 3
exec tail --pid="$PPID" -f /dev/null 2>/dev/null`;

/** A signal that fires when nobody reads stdout any more, even while nothing is written; and its release. */
export function readerOfStdout(): { gone: AbortSignal; close(): Promise<void> } {
  const gone = new AbortController();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("/bin/sh", {
      args: ["-c", AWAIT_READER],
      stdin: "null",
      stdout: "inherit",
      stderr: "null",
    }).spawn();
  } catch {
    // Without a helper the next write tells.
    return { gone: gone.signal, close: () => delay(0) };
  }
  let closed = false;
  const ended = child.status.then(({ signal }) => {
    if (!closed && signal === "SIGPIPE") gone.abort();
  });
  return {
    gone: gone.signal,
    async close() {
      closed = true;
      try {
        child.kill("SIGKILL");
      } catch {
        // Ended by itself.
      }
      await ended;
    },
  };
}
