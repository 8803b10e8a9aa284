/** The journal: one line per move, for people and for the root agent's memory; and the log of lifecycle events. */
import { isoSeconds, localMinute } from "../text/time.ts";
import { isRecord } from "../text/json.ts";
import { LineSplitter } from "../text/lines.ts";
import { oneLine } from "../errors.ts";
import type { Profile } from "../paths.ts";
import { entryTime, offsetOfTime, rowTime } from "./since.ts";
import {
  appendLine,
  listFiles,
  makeDir,
  moveKeepingBoth,
  oddness,
  openToRead,
  type Parsed,
  readJson,
  readTail,
  readTailBytes,
  statOf,
} from "../store.ts";

/** Size of one read from a followed journal, bytes. */
const PIECE_BYTES = 64 * 1024;

/** Size above which a log is rotated, bytes; it is also rotated when a month has ended. */
export const ROTATE_BYTES = 5 * 1024 * 1024;
const MAX_ENTRY_CHARS = 2000;
const TAIL_BLOCK = 16 * 1024;
/** How much of the end of one log is read, bytes: a larger one is not what looop has written. */
export const READ_BYTES = 16 * 1024 * 1024;

/**
 * `- YYYY-MM-DD HH:MM <text> [<mover>]` in local time. Newlines are flattened, so that no text can forge an entry;
 * the mover comes last, so that no text can forge it either. Entries about looop's own doings have no mover.
 */
export function formatEntry(text: string, at: Date, mover?: string): string {
  return `- ${localMinute(at.getTime())} ${oneLine(text, MAX_ENTRY_CHARS)}${
    mover === undefined ? "" : ` [${mover}]`
  }`;
}

/** Appends one move, durably; `mover` is who made it: `root`, `worker w1` or `hand`. */
export function appendJournal(profile: Profile, text: string, at: Date, mover?: string): void {
  rotate(profile, profile.journal, profile.journalHistory, ".md", at);
  appendLine(profile.journal, formatEntry(text, at, mover));
}

/** The last `count` journal lines, oldest first, across a rotation. */
export function journalTail(profile: Profile, count: number): string[] {
  let lines = tailLines(profile.journal, count);
  for (const name of writtenOrder(listFiles(profile.journalHistory, ".md"), ".md").reverse()) {
    if (lines.length >= count) break;
    lines = [...tailLines(`${profile.journalHistory}/${name}`, count - lines.length), ...lines];
  }
  return lines;
}

/** Names of rotated logs (`2026-05`, `2026-05~2`, …, `2026-05~10`) in the order in which they were written. Pure. */
function writtenOrder(names: readonly string[], suffix: string): string[] {
  const keyed = names.map((name) => {
    const [month = "", number = "1"] = name.slice(0, -suffix.length).split("~");
    return { name, month, number: Number(number) };
  });
  return keyed.sort((a, b) => a.month < b.month ? -1 : a.month > b.month ? 1 : a.number - b.number)
    .map(({ name }) => name);
}

function tailLines(path: string, count: number): string[] {
  if (oddness(path) !== undefined) return [];
  for (let block = TAIL_BLOCK;; block *= 4) {
    const text = readTail(path, block);
    const lines = text.split("\n").filter((line) => line !== "");
    const isAll = block >= READ_BYTES || (statOf(path)?.size ?? 0) <= block;
    if (lines.length >= count || isAll) {
      return lines.slice(-count).map((line) => line.slice(0, 2 * MAX_ENTRY_CHARS));
    }
  }
}

/** A log with its rotated parts, oldest first. */
export function logFiles(profile: Profile, log: "journal" | "events"): string[] {
  const [path, history, suffix] = log === "journal"
    ? [profile.journal, profile.journalHistory, ".md"] as const
    : [profile.events, profile.eventsHistory, ".jsonl"] as const;
  const earlier = writtenOrder(listFiles(history, suffix), suffix).map((name) => `${history}/${name}`);
  return [...earlier, path].filter((file) => statOf(file) !== undefined && oddness(file) === undefined);
}

/** The text of the journal or the events, file by file, oldest first, from about `sinceMs` on. */
export function eachLogText(
  profile: Profile,
  log: "journal" | "events",
  sinceMs: number,
  take: (text: string) => void,
): void {
  const timeOf = log === "journal" ? entryTime : rowTime;
  for (const file of logFiles(profile, log)) {
    const info = statOf(file);
    if (info === undefined || (info.mtime?.getTime() ?? 0) < sinceMs) continue;
    const from = Math.max(info.size - READ_BYTES, offsetOfTime(file, sinceMs, timeOf));
    take(new TextDecoder().decode(readTailBytes(file, info.size - from)));
  }
}

/** The same by lines. */
export function eachLogLine(
  profile: Profile,
  log: "journal" | "events",
  sinceMs: number,
  take: (line: string) => void,
): void {
  eachLogText(profile, log, sinceMs, (text) => {
    for (const line of text.split("\n")) if (line !== "") take(line);
  });
}

/** Reads the journal's new lines. The file is kept open, so that after a rotation the old one is read to its end. */
export class JournalFollower {
  readonly #path: string;
  #file: Deno.FsFile | undefined;
  #lines = new LineSplitter();

  constructor({ journal }: Profile) {
    this.#path = journal;
    this.#file = this.#open();
    this.#file?.seekSync(0, Deno.SeekMode.End);
  }

  /** The whole lines added since the last call; after a rotation, first those of the old journal. */
  more(): string[] {
    const isSame = this.#isSame();
    const lines = this.#rest();
    if (!isSame) {
      this.close();
      this.#file = this.#open();
      this.#lines = new LineSplitter();
      lines.push(...this.#rest());
    }
    return lines.filter((line) => line !== "");
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #open(): Deno.FsFile | undefined {
    return oddness(this.#path) === undefined ? openToRead(this.#path) : undefined;
  }

  /** Whether the open file is the one of that name, and was not cut short. */
  #isSame(): boolean {
    if (this.#file === undefined) return false;
    const { ino, size } = this.#file.statSync();
    return statOf(this.#path)?.ino === ino && size >= this.#file.seekSync(0, Deno.SeekMode.Current);
  }

  #rest(): string[] {
    const lines: string[] = [];
    const buffer = new Uint8Array(PIECE_BYTES);
    for (let n = this.#file?.readSync(buffer); n; n = this.#file?.readSync(buffer)) {
      lines.push(...this.#lines.push(buffer.subarray(0, n)));
    }
    return lines;
  }
}

/** Appends one lifecycle event as a line: constant name, variable fields. */
export function appendEvent(
  profile: Profile,
  event: string,
  fields: Record<string, unknown>,
  at: Date,
): void {
  rotate(profile, profile.events, profile.eventsHistory, ".jsonl", at);
  const line = JSON.stringify({ ts: isoSeconds(at.getTime()), event, ...fields });
  appendLine(profile.events, line, { durable: false });
}

/**
 * Moves a log aside, named by the month of its last line, when it is too large or from an earlier month. A writer
 * that has the old file open still writes into it under its new name: nothing is lost.
 */
function rotate(profile: Profile, path: string, history: string, suffix: string, at: Date): void {
  const info = statOf(path);
  if (info === undefined || info.mtime === null) return;
  const month = monthOf(info.mtime);
  if (info.size < ROTATE_BYTES && month === monthOf(at)) return;
  if (info.size === 0 || info.mtime > at) return;
  makeDir(history);
  const holds = () => statOf(path)?.ino === info.ino;
  moveKeepingBoth(path, `${history}/${month}`, { suffix, lock: `${profile.lockDir}/move`, holds });
}

function monthOf(date: Date): string {
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}`;
}

/** The activity map of a parsed `.goal-activity.json`, or the reason why it is not one. Pure. */
export function checkActivity(value: unknown): Record<string, number> | string {
  if (!isRecord(value)) return "not an object";
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
}

/** The profile's activity map: id → unix seconds of the last move. */
export function readActivity(profile: Profile): Parsed<Record<string, number>> {
  return readJson(profile.goalActivity, checkActivity) ?? { value: {} };
}
