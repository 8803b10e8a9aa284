/** Logs for people: what a worker did, what it or the pulse printed, and its screen. */
import { LineSplitter } from "../text/lines.ts";
import { EventText, eventText, printsEvents } from "../agents/events.ts";
import { readAgent } from "../agents/agent_session.ts";
import { NotAnswered } from "../agents/opencode.ts";
import { Story, type StoryHost } from "../agents/story_source.ts";
import { GrowingLog } from "../sessions/growing_log.ts";
import { readOutput, readOutputTail } from "../sessions/output_log.ts";
import type { Profile } from "../paths.ts";
import { findSession, readSession } from "../sessions/session.ts";
import { sessionDir } from "../sessions/run_files.ts";
import { exists, statOf } from "../store.ts";
import { TERMINAL } from "../sessions/supervisor.ts";
import { sanitize } from "../text/style.ts";
import { LiveScreen, LogRenderer, renderRows } from "../text/terminal.ts";

/** Turns the bytes of a log into lines that are safe to print. */
interface Renderer {
  push(bytes: Uint8Array): string[] | Promise<string[]>;
  /** Lines to show after some quiet, though they are unfinished. */
  settle(): string[];
  end(): string[] | Promise<string[]>;
}

/** A log of plain lines, as the pulse writes it: shown line by line, without escape codes. */
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

/** The events of a headless agent, as a terminal would show them. */
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

/** Length of a log's end that is rendered for its last lines, bytes. */
const TAIL_BYTES = 4 * 1024 * 1024;

/**
 * The last `count` lines of what a session did: an agent's story, from its own records; without records, and for the
 * pulse, its output. Undefined when there is no such session.
 */
export async function lastLines(host: StoryHost, id: string, count: number): Promise<string[] | undefined> {
  const { profile } = host;
  const dir = sessionDir(profile, id);
  if (!exists(`${dir}/output.log`)) return undefined;
  if (count === 0) return [];
  const story = id === "pulse" ? [] : await storyOf(host, id, dir);
  return (story.length > 0 ? story : await printedLines(profile, id, dir, count)).slice(-count);
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

/** Number of terminal lines shown for a worker that failed. */
const FAILURE_LINES = 5;

/** The last terminal lines of a worker that ended with an exit code of its own: no record has them. */
async function failureOf(profile: Profile, dir: string): Promise<string[]> {
  const code = readSession(profile, dir.slice(dir.lastIndexOf("/") + 1))?.status?.exit_code;
  if (typeof code !== "number" || code === 0) return [];
  const rows = (await screenLines(dir)).filter((row) => row !== "");
  return [`(ended with exit code ${code}; its terminal's last lines:)`, ...rows.slice(-FAILURE_LINES)];
}

/** The last printed lines; where `count` is more than these, the first ones, too, and what is missing in between. */
async function printedLines(profile: Profile, id: string, dir: string, count = 0): Promise<string[]> {
  const { head, cut, left, tail } = readOutput(dir, TAIL_BYTES);
  const render = async (bytes: Uint8Array) => {
    const renderer = rendererFor(profile, id);
    return [...await renderer.push(bytes), ...await renderer.end()];
  };
  const last = await render(tail);
  if (head.length === 0 || count <= last.length) return last;
  const missing = [
    ...cut === 0 ? [] : [`${megabytes(cut)} were cut as the log grew`],
    ...left === 0 ? [] : [`${megabytes(left)} more are in ${dir}/`],
  ];
  return [...await render(head), `[… ${missing.join("; ")} …]`, ...last];
}

/** The output that is no longer there, as words; "" where all of it is. */
export function cutWords(profile: Profile, id: string): string {
  const { cut } = readOutput(sessionDir(profile, id), 0);
  return cut === 0 ? "" : `${megabytes(cut)} of what it printed were cut as its log grew`;
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A worker's screen as it is now, or as it was left: its rows without the empty ones at the end. */
export async function screenOf(profile: Profile, id: string): Promise<string[] | undefined> {
  const dir = sessionDir(profile, id);
  return exists(`${dir}/output.log`) ? await screenLines(dir) : undefined;
}

async function screenLines(dir: string): Promise<string[]> {
  const tail = readOutputTail(dir, TAIL_BYTES);
  const isEvents = printsEvents(readAgent(dir)?.template ?? "");
  const rows = await renderRows(isEvents ? eventText(tail) : tail, TERMINAL);
  return withoutEmptyEnd(rows);
}

function withoutEmptyEnd(rows: readonly string[]): string[] {
  return rows.slice(0, rows.findLastIndex((row) => row !== "") + 1);
}

/** The last part of a log from which a live view begins, and the lines of a story that it keeps. */
const LIVE_BYTES = 256 * 1024;
const LIVE_LINES = 1_000;

/** Reads the output of one run of a worker as it grows: its screen, and its agent's story where that is recorded. */
export class LiveLog {
  readonly #dir: string;
  readonly #log: GrowingLog;
  readonly #story: Story;
  readonly #screen = new LiveScreen(TERMINAL);
  readonly #events: EventText | undefined;
  #lines: string[] = [];
  #stamp = "";

  private constructor(host: StoryHost, id: string, dir: string, log: GrowingLog) {
    this.#dir = dir;
    this.#log = log;
    this.#story = new Story(host, id, dir);
    this.#events = printsEvents(readAgent(dir)?.template ?? "") ? new EventText() : undefined;
  }

  /** Opens it with what its last part shows; undefined where nothing is recorded. */
  static async open(host: StoryHost, id: string): Promise<LiveLog | undefined> {
    const dir = sessionDir(host.profile, id);
    const log = GrowingLog.open(dir);
    if (log === undefined) return undefined;
    const live = new LiveLog(host, id, dir, log);
    await live.#take(readOutputTail(dir, LIVE_BYTES));
    return live;
  }

  /** Reads on; whether there was anything. A look at one file's time as long as nothing is printed. */
  async more(): Promise<boolean> {
    const info = statOf(`${this.#dir}/output.log`);
    const stamp = `${info?.ino} ${info?.size} ${info?.mtime?.getTime()}`;
    if (stamp === this.#stamp) return false;
    this.#stamp = stamp;
    await this.#take(this.#log.read());
    return true;
  }

  async #take(bytes: Uint8Array): Promise<void> {
    await this.#screen.push(this.#events?.push(bytes) ?? bytes);
    this.#lines = [...this.#lines, ...await newLines(this.#story)].slice(-LIVE_LINES);
  }

  /** The story's last lines; undefined as long as its agent has recorded nothing. */
  story(): readonly string[] | undefined {
    return this.#story.isKnown ? this.#lines : undefined;
  }

  /** The screen's rows without the empty ones at its end. */
  screen(): readonly string[] {
    return withoutEmptyEnd(this.#screen.rows());
  }

  close(): void {
    this.#log.close();
  }
}

/**
 * Interval between two looks at a log, ms. It is not watched, because Deno opens every file in a watched folder, and
 * a session's folder holds a FIFO, on which that blocks for ever.
 */
const POLL_MS = 100;
/** Time after which an unchanged screen is shown as it is, ms; like the next two, a multiple of the interval. */
const QUIET_MS = 300;
/** Interval at which a silent worker is checked for its end, ms. */
const ENDED_MS = 1000;
/** Interval at which an agent's records are read, ms. */
const STORY_MS = 500;

/** The surroundings of following: those of a story, the output, and the end. */
export interface FollowHost extends StoryHost {
  id: string;
  count: number;
  show(lines: readonly string[]): void;
  /** Prints something in addition to the log. */
  note(line: string): void;
  now(): number;
  /** Fires when nobody reads any more. */
  stop: AbortSignal;
}

/**
 * Shows the last lines of what a session did and then new ones, until the worker has ended (the pulse is followed
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
    // Checked before the read, so that everything recorded before the end is read.
    const ended = waited % ENDED_MS === 0 && await hasEnded(host, gen);
    host.show(await newLines(story));
    if (ended) break;
    await pause(STORY_MS, stop);
  }
  if (stop.aborted) return;
  host.show(story.isKnown ? await failureOf(profile, dir) : await printedLines(profile, id, dir));
}

/** The new lines of a story; none while the agent's records do not answer. */
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
      // Checked before the read, so that everything written before the end is read.
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

/** Waits for some milliseconds, or until `stop` fires. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onStop = () => resolve();
  const timer = setTimeout(resolve, ms);
  stop.addEventListener("abort", onStop);
  await promise;
  clearTimeout(timer);
  // A log may be followed for months, so nothing may outlive its pause.
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
