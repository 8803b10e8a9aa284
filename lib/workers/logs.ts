/** Logs as people read them: the last lines of a recording, and following it while it grows and rotates. */
import { LineSplitter } from "../text/lines.ts";
import { EventText, eventText, printsEvents } from "../agents/events.ts";
import { readAgent } from "../agents/agent_session.ts";
import { GrowingLog } from "../sessions/growing_log.ts";
import { readOutputTail } from "../sessions/output_log.ts";
import type { Profile } from "../paths.ts";
import { findSession, readSession, sessionDir } from "../sessions/session.ts";
import { exists } from "../store.ts";
import { TERMINAL } from "../sessions/supervisor.ts";
import { sanitize } from "../text/style.ts";
import { LogRenderer, renderRows } from "../text/terminal.ts";

/** Turns the bytes of a log into lines that are safe to print. */
interface Renderer {
  push(bytes: Uint8Array): string[] | Promise<string[]>;
  /** What can be shown after some quiet, though it is not ended. */
  settle(): string[];
  end(): string[] | Promise<string[]>;
}

/** A log that is plain lines, as the pulse writes them: line by line, escape codes taken out. */
class PlainRenderer implements Renderer {
  readonly #lines = new LineSplitter();

  push(bytes: Uint8Array): string[] {
    return this.#lines.push(bytes).map((line) => sanitize(line).replaceAll("\n", " "));
  }

  settle(): string[] {
    return [];
  }

  end(): string[] {
    const rest = this.#lines.end();
    return rest === "" ? [] : [sanitize(rest)];
  }
}

/** The events of a headless agent as a terminal would show them. */
class EventRenderer implements Renderer {
  readonly #events = new EventText();
  readonly #lines = new LogRenderer(TERMINAL);

  push(bytes: Uint8Array): Promise<string[]> {
    return this.#lines.push(this.#events.push(bytes));
  }

  settle(): string[] {
    return this.#lines.settle();
  }

  async end(): Promise<string[]> {
    return [...await this.#lines.push(this.#events.end()), ...this.#lines.end()];
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
export async function lastLines(
  profile: Profile,
  id: string,
  count: number,
): Promise<string[] | undefined> {
  const dir = sessionDir(profile, id);
  if (!exists(`${dir}/output.log`)) return undefined;
  if (count === 0) return [];
  const renderer = rendererFor(profile, id);
  return [...await renderer.push(readOutputTail(dir, TAIL_BYTES)), ...await renderer.end()].slice(-count);
}

/** A worker's screen as it is now, or as it was left: its rows without the empty ones at its end. */
export async function screenOf(profile: Profile, id: string): Promise<string[] | undefined> {
  const dir = sessionDir(profile, id);
  if (!exists(`${dir}/output.log`)) return undefined;
  const tail = readOutputTail(dir, TAIL_BYTES);
  const isEvents = printsEvents(readAgent(dir)?.template ?? "");
  const rows = await renderRows(isEvents ? eventText(tail) : tail, TERMINAL);
  return rows.slice(0, rows.findLastIndex((row) => row !== "") + 1);
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
    host.show(await firstLines(renderer, readOutputTail(dir, TAIL_BYTES), host.count));
    for (let quietMs = 0; !stop.aborted; quietMs += POLL_MS) {
      // Asked before the read, so that all that was written before the end is read.
      const ended = quietMs % ENDED_MS === 0 && id !== "pulse" && await hasEnded(host, gen);
      const bytes = log.read();
      if (bytes.length > 0) quietMs = 0;
      host.show(await renderer.push(bytes));
      if (quietMs === QUIET_MS) host.show(renderer.settle());
      if (ended) break;
      await pause(POLL_MS, stop);
    }
    if (!stop.aborted) host.show(await renderer.end());
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

async function firstLines(renderer: Renderer, tail: Uint8Array, count: number): Promise<string[]> {
  const lines = [...await renderer.push(tail), ...renderer.settle()];
  return count === 0 ? [] : lines.slice(-count);
}

async function hasEnded({ profile, id, now }: FollowHost, gen: string | undefined): Promise<boolean> {
  const session = await findSession(profile, id, now());
  return session === undefined || session.gen !== gen || !session.view.alive;
}
