/**
 * The cursor files, `.cursors/<observer>.json`: what each reader was last given, who it is, and whether it waits.
 *
 * While a reader waits, its file says so, with the waiting process's identity. A wait that returns without news
 * leaves the file exactly as it was, so that the time of the file is the time of the last call.
 */
import { checkRecord, isRecord, isText, parseExact } from "../text/json.ts";
import { dirName, type Profile } from "../paths.ts";
import type { Identity } from "../process/identity.ts";
import { checkCursor, type Cursor, emptyCursor } from "./observer.ts";
import {
  listDirs,
  listFiles,
  makeDir,
  quietStat,
  readJson,
  removeFile,
  replaceFile,
  statOf,
  valueOf,
} from "../store.ts";

/** The reader, as its file describes it. */
export interface ReaderRecord {
  /** The agent CLI, or the name that it gave itself; "" for a person. */
  agent: string;
  /** Id of the agent's session; "" when there is none. */
  session: string;
  /** Time of its first call, unix ms. */
  since: number;
}

/** A wait that is blocked. */
export interface Waiting extends Identity {
  /** When it began to wait, unix ms. */
  at: number;
}

/** One cursor file. */
export interface CursorFile {
  cursor: Cursor;
  reader: ReaderRecord;
  waiting?: Waiting;
}

/** The path of an observer's cursor. */
export function cursorPath(profile: Profile, observer: string): string {
  return `${profile.cursors}/${observer}.json`;
}

function checkFile(value: unknown): CursorFile | string {
  if (!isRecord(value) || !isRecord(value["reader"])) return "not a cursor";
  const { reader, waiting, ...rest } = value;
  const cursor = checkCursor(rest);
  if (typeof cursor === "string") return cursor;
  const { agent, session, since } = reader as Record<string, unknown>;
  if (!isText(agent) || !isText(session) || typeof since !== "number") {
    return '"reader" is not what looop writes';
  }
  return {
    cursor,
    reader: { agent, session, since },
    ...(isWaiting(waiting) ? { waiting } : {}),
  };
}

function isWaiting(value: unknown): value is Waiting {
  return isRecord(value) && typeof value["pid"] === "number" && isText(value["start"]) &&
    isText(value["boot"]) &&
    typeof value["at"] === "number";
}

/** How long a reader has been awake without a sign of life from the pulse: seconds, counted from this beat. */
export interface Silence {
  beat: number;
  awake_s: number;
}

/**
 * The silence of the pulse that earlier calls of a reader have observed; kept beside the cursor, which they leave
 * alone.
 */
export function readSilence(path: string): Silence | undefined {
  const value = valueOf(readJson(`${path}.silence`, checkRecord));
  const { beat, awake_s } = value ?? {};
  return typeof beat === "number" && typeof awake_s === "number" ? { beat, awake_s } : undefined;
}

/** Records a silence for the reader's next call; undefined clears it. */
export function writeSilence(path: string, silence: Silence | undefined): void {
  if (silence !== undefined) replaceFile(`${path}.silence`, JSON.stringify(silence), { durable: false });
  else removeFile(`${path}.silence`, { durable: false });
}

/** A cursor file; undefined when there is none that can be used, so that its reader counts as new. */
export function readCursorFile(path: string): CursorFile | undefined {
  const read = readJson(path, checkFile, parseExact);
  return read !== undefined && "value" in read ? read.value : undefined;
}

/** Writes a cursor file; of the agent sessions' cursors only the latest are kept. */
export function writeCursorFile(path: string, { cursor, reader, waiting }: CursorFile): void {
  const isNew = statOf(path) === undefined;
  // In a fixed order, so that an unchanged cursor has the same text.
  const ordered = Object.fromEntries(
    Object.keys(emptyCursor()).map((key) => [key, cursor[key as keyof Cursor]]),
  );
  makeDir(dirName(path));
  replaceFile(path, `${JSON.stringify({ ...ordered, reader, waiting })}\n`, { durable: false });
  if (isNew) forgetSessions(dirName(path));
}

/** Number of agent sessions whose cursors are kept. */
const SESSIONS_KEPT = 8;

/** Removes the cursors of the agent sessions that have called least recently. */
function forgetSessions(dir: string): void {
  if (!dir.endsWith("/root")) return;
  const called = (name: string) => statOf(`${dir}/${name}`)?.mtime?.getTime() ?? 0;
  const newestFirst = listFiles(dir, ".json").sort((a, b) => called(b) - called(a));
  for (const name of newestFirst.slice(SESSIONS_KEPT)) removeFile(`${dir}/${name}`);
}

/** The folders that hold cursors; none where something else stands in their place, which `status` names. */
export function cursorDirs({ cursors }: Profile): string[] {
  if (!quietStat(cursors)?.isDirectory) return [];
  return [cursors, ...listDirs(cursors).map((dir) => `${cursors}/${dir}`)];
}

/** Names of all observers that have a cursor: `hand`, `NAME`, `root/<cli>-<session>`. */
export function listObservers(profile: Profile): string[] {
  const paths = cursorDirs(profile).flatMap((dir) => listFiles(dir, ".json").map((name) => `${dir}/${name}`));
  return paths.map((path) => path.slice(profile.cursors.length + 1, -".json".length));
}
