/** Logs as people read them: what a worker did, what it or the pulse printed, and its screen. */
import { LineSplitter } from "../text/lines.ts";
import { EventText, eventText, printsEvents } from "../agents/events.ts";
import { readAgent } from "../agents/agent_session.ts";
import { NotAnswered } from "../agents/opencode.ts";
import { Story, type StoryHost } from "../agents/story_source.ts";
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

/**
 * The last `count` lines of what a session did: of an agent its story, from its own records; where there are none, and
 * of the pulse, what it printed. Undefined when there is no such session.
 */
export async function lastLines(host: StoryHost, id: string, count: number): Promise<string[] | undefined> {
  const { profile } = host;
  const dir = sessionDir(profile, id);
  if (!exists(`${dir}/output.log`)) return undefined;
  if (count === 0) return [];
  const story = id === "pulse" ? [] : await storyOf(host, id, dir);
  return (story.length > 0 ? story : await printedLines(profile, id, dir)).slice(-count);
}

async function storyOf(host: StoryHost, id: string, dir: string): Promise<string[]> {
  try {
    const lines = await new Story(host, id, dir).read();
    return lines.length > 0 ? [...lines, ...await failureOf(host.profile, dir)] : [];
  } catch (error) {
    if (error instanceof NotAnswered) {
      return [`(${error.message}; what its terminal shows:)`, ...await screenLines(dir)];
    }
    throw error;
  }
}

/** Lines of a terminal that are shown of a worker that failed. */
const FAILURE_LINES = 5;

/** What the terminal showed last of a worker that ended with an exit code of its own: no record has that. */
async function failureOf(profile: Profile, dir: string): Promise<string[]> {
  const code = readSession(profile, dir.slice(dir.lastIndexOf("/") + 1))?.status?.exit_code;
  if (typeof code !== "number" || code === 0) return [];
  const rows = (await screenLines(dir)).filter((row) => row !== "");
  return [`(ended with exit code ${code}; its terminal's last lines:)`, ...rows.slice(-FAILURE_LINES)];
}

async function printedLines(profile: Profile, id: string, dir: string): Promise<string[]> {
  const renderer = rendererFor(profile, id);
  return [...await renderer.push(readOutputTail(dir, TAIL_BYTES)), ...await renderer.end()];
}

/** A worker's screen as it is now, or as it was left: its rows without the empty ones at its end. */
export async function screenOf(profile: Profile, id: string): Promise<string[] | undefined> {
  const dir = sessionDir(profile, id);
  return exists(`${dir}/output.log`) ? await screenLines(dir) : undefined;
}

async function screenLines(dir: string): Promise<string[]> {
  const tail = readOutputTail(dir, TAIL_BYTES);
  const isEvents = printsEvents(readAgent(dir)?.template ?? "");
  const rows = await renderRows(isEvents ? eventText(tail) : tail, TERMINAL);
  return rows.slice(0, rows.findLastIndex((row) => row !== "") + 1);
}

/**
 * A log is looked at this often, ms. Not watched: Deno opens whatever a watched folder names, and a session's
 * folder holds a FIFO, on which that blocks for ever.
 */
const POLL_MS = 100;
/** A screen that has not changed for this long is shown as it is, ms; a multiple of the period, as the next. */
const QUIET_MS = 300;
/** While nothing is printed, a worker is asked this often whether it has ended, ms. */
const ENDED_MS = 1000;
/** An agent's records are read this often, ms. */
const STORY_MS = 500;

/** What following needs. */
export interface FollowHost extends StoryHost {
  id: string;
  count: number;
  show(lines: readonly string[]): void;
  /** Says something beside the log. */
  note(line: string): void;
  now(): number;
  /** Fires when nobody reads any more. */
  stop: AbortSignal;
}

/**
 * Shows the last lines of what a session did and then what is added, until the worker has ended (the pulse is followed
 * through its restarts) or nobody reads. False when there is no such session.
 */
export async function followLog(host: FollowHost): Promise<boolean> {
  const { profile, id } = host;
  const dir = sessionDir(profile, id);
  if (!exists(`${dir}/output.log`)) return false;
  const hasRecords = id !== "pulse" && readAgent(dir)?.sessions.some(({ cli }) => cli !== "other");
  if (hasRecords) await followStory(host, dir);
  else await followPrinted(host, dir);
  return true;
}

async function followStory(host: FollowHost, dir: string): Promise<void> {
  const { profile, id, stop, count } = host;
  const gen = readSession(profile, id)?.meta.gen;
  const story = new Story(host, id, dir);
  const first = await newLines(story);
  if (count > 0) host.show(first.slice(-count));
  if (!story.isKnown) {
    host.note(`the agent has recorded nothing yet; its terminal: \`looop logs ${id} --screen\``);
  }
  for (let waited = 0; !stop.aborted; waited += STORY_MS) {
    // Asked before the read, so that all that was recorded before the end is read.
    const ended = waited % ENDED_MS === 0 && await hasEnded(host, gen);
    host.show(await newLines(story));
    if (ended) break;
    await pause(STORY_MS, stop);
  }
  if (stop.aborted) return;
  host.show(story.isKnown ? await failureOf(profile, dir) : await printedLines(profile, id, dir));
}

/** What is new in a story; nothing while the agent's records do not answer. */
async function newLines(story: Story): Promise<string[]> {
  try {
    return await story.read();
  } catch (error) {
    if (error instanceof NotAnswered) return [];
    throw error;
  }
}

async function followPrinted(host: FollowHost, dir: string): Promise<void> {
  const { profile, id, stop } = host;
  const log = GrowingLog.open(dir);
  if (log === undefined) return;
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
