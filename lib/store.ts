/**
 * The file-state layer: the only module that writes state files.
 *
 * Each kind of write has one mechanism: replace whole, create once, append one line, move, lock. `file_watch.ts` reports
 * changes. Everything except locks is synchronous, because the synchronous calls are the fast ones.
 */
import { oneLine, UserError } from "./errors.ts";
import { catchFileLimit, fault, isAbsent, LINK } from "./fault.ts";
import { listedAs } from "./ids.ts";
import { baseName, dirName, tempName } from "./paths.ts";

/** The durability and mode of a write. */
export interface WriteOptions {
  /** fsync the text and the directory before returning (default). Off for files that can be derived again. */
  durable?: boolean;
  /** Permission bits; 0600 by default. */
  mode?: number;
}

const FILE_MODE = 0o600;
const DIR_MODE = 0o700;

/**
 * A state file's text, or undefined when there is none. Links are not followed, so that a planted link cannot bring
 * a file from elsewhere into what looop shows.
 */
export function readText(path: string): string | undefined {
  return readRegular(path, Deno.lstatSync, Deno.readTextFileSync);
}

/** The largest file that is read whole, bytes: stdin takes 16 MB, of which JSON makes at most six times as much. */
const WHOLE_BYTES = 100 * 1024 * 1024;
/** The largest file that looop or a supervisor writes about one run, bytes. */
const SMALL_BYTES = 1024 * 1024;
const TOO_LARGE = "it is far larger than such a file can be";

/** Like {@link readText} for a file that is small unless somebody has enlarged it: a large one is not read. */
export function readSmallText(path: string): string | undefined {
  return readRegular(path, Deno.lstatSync, Deno.readTextFileSync, SMALL_BYTES);
}

/** Why {@link readSmallText} refuses `path`; undefined when it does not refuse it, or when nothing is there. */
export function smallOddness(path: string): string | undefined {
  return oddness(path) ?? ((quietStat(path)?.size ?? 0) > SMALL_BYTES ? TOO_LARGE : undefined);
}

/** Like {@link readText}, as bytes, because what a person wrote need not be UTF-8. */
export function readBytes(path: string): Uint8Array | undefined {
  return readRegular(path, Deno.lstatSync, Deno.readFileSync);
}

/** Like {@link readText}, but follows links: people may link config, playbook, goals and sensors from elsewhere. */
export function readLinkedText(path: string): string | undefined {
  return readRegular(path, Deno.statSync, Deno.readTextFileSync);
}

/** Like {@link readLinkedText}, as bytes. */
export function readLinkedBytes(path: string): Uint8Array | undefined {
  return readRegular(path, Deno.statSync, Deno.readFileSync);
}

/** Whether both hold the same bytes, or both are absent. */
export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The text, or undefined when it is absent or unreadable, for callers that treat both the same. */
export function quietText(path: string, read: typeof readText = readText): string | undefined {
  try {
    return read(path);
  } catch {
    return undefined;
  }
}

/** Opens regular files only, because opening a FIFO would block the reader forever. */
function readRegular<T>(
  path: string,
  look: (path: string) => Deno.FileInfo,
  read: (path: string) => T,
  maxBytes = WHOLE_BYTES,
): T | undefined {
  try {
    const info = look(path);
    if (!info.isFile) throw new Error(kindOf(info));
    if (info.size > maxBytes) throw new Error(TOO_LARGE);
    return read(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw fault("read", path, error);
  }
}

/** A file that cannot be used, and why. */
export interface BadFile {
  path: string;
  reason: string;
}

/** The result of reading JSON: a value, or the reason why it cannot be used. */
export type Parsed<T> = { value: T } | { bad: string };

/** The value of a read result; undefined when there is no file or it cannot be used. */
export function valueOf<T>(read: Parsed<T> | undefined): T | undefined {
  return read !== undefined && "value" in read ? read.value : undefined;
}

/** Parses `text` and checks its shape; text that does not fit is reported, never thrown. */
export function parseJson<T>(
  text: string,
  check: (value: unknown) => T | string,
  parse: (text: string) => unknown = JSON.parse,
): Parsed<T> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    // The parser quotes the text, and the text may hold anything.
    return { bad: `not JSON: ${oneLine((error as Error).message)}` };
  }
  const checked = check(value);
  return typeof checked === "string" ? { bad: checked } : { value: checked };
}

/** A JSON file's value, why it is bad, or undefined when there is no file. Never throws for bad content. */
export function readJson<T>(
  path: string,
  check: (value: unknown) => T | string,
  parse?: (text: string) => unknown,
): Parsed<T> | undefined {
  let text: string | undefined;
  try {
    text = readText(path);
  } catch (error) {
    return { bad: (error as Error).message };
  }
  return text === undefined ? undefined : parseJson(text, check, parse);
}

/**
 * Replaces a file in one step: a reader sees the old text or the new and never a part.
 *
 * Writes a sibling and renames it, as a maildir delivers (https://cr.yp.to/proto/maildir.html). A symlink
 * planted at `path` is replaced, not followed.
 *
 * @throws {UserError} naming the path; the old file is whole and no temporary file is left.
 */
export function replaceFile(path: string, text: string | Uint8Array, options: WriteOptions = {}): void {
  const temp = tempName(path);
  try {
    writeTemp(temp, text, options);
    inSyncedDirs([path], options, () => Deno.renameSync(temp, path));
  } catch (error) {
    removeQuietly(temp);
    throw fault("write", path, error);
  }
}

/**
 * Creates a whole file, or returns false when the name is taken. Exactly one of any number of racers wins.
 *
 * The text is complete before the name appears: temporary file, fsync, then link(2), which never replaces.
 */
export function createOnce(path: string, text: string | Uint8Array, options: WriteOptions = {}): boolean {
  const temp = tempName(path);
  try {
    writeTemp(temp, text, options);
    inSyncedDirs([path], options, () => Deno.linkSync(temp, path));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw fault("create", path, error);
  } finally {
    removeQuietly(temp);
  }
}

/**
 * Appends one whole line with one write(2) to a file opened with O_APPEND, so that the lines of several processes
 * never mix (measured on Deno: a `writeSync` of up to 64 KiB was whole in every trial).
 *
 * If a power cut left a torn last line, a newline ends it first, so that the new line stands alone.
 */
export function appendLine(path: string, line: string, options: WriteOptions = {}): void {
  try {
    refuseOdd(path);
    const file = Deno.openSync(path, {
      append: true,
      read: true,
      create: true,
      mode: options.mode ?? FILE_MODE,
    });
    try {
      // Without the lock, another process's half-written line would look torn and get a blank line after it.
      file.lockSync(true);
      const isNew = file.statSync().size === 0;
      const mend = endsTorn(file) ? "\n" : "";
      writeAll(file, new TextEncoder().encode(`${mend}${line}\n`));
      file.unlockSync();
      if (options.durable === false) return;
      file.syncDataSync();
      // A new file's name survives a power cut only once its folder is synced.
      if (isNew) syncDir(dirName(path));
    } finally {
      file.close();
    }
  } catch (error) {
    throw fault("append to", path, error);
  }
}

/** Appends bytes to a file that can be derived again, such as a copy of a log. */
export function appendBytes(path: string, bytes: Uint8Array): void {
  try {
    refuseOdd(path);
    Deno.writeFileSync(path, bytes, { append: true, mode: FILE_MODE });
  } catch (error) {
    throw fault("append to", path, error);
  }
}

/** Moves a file or folder; false when `from` is gone because another process moved it. Replaces a file at `to`. */
export function moveFile(from: string, to: string, options: Pick<WriteOptions, "durable"> = {}): boolean {
  try {
    inSyncedDirs([to, from], options, () => Deno.renameSync(from, to));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && !exists(from)) return false;
    throw fault("move", from, error);
  }
}

/**
 * Moves a file, or a symbolic link itself, to a free name; false when the name is taken. A crash halfway leaves it
 * under both names.
 */
export function moveOnce(from: string, to: string): boolean {
  try {
    // link(2) follows a symbolic link on macOS.
    inSyncedDirs([to], {}, () => {
      if (Deno.lstatSync(from).isSymlink) Deno.symlinkSync(Deno.readLinkSync(from), to);
      else Deno.linkSync(from, to);
    });
    inSyncedDirs([from], {}, () => Deno.removeSync(from));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw fault("move", from, error);
  }
}

/**
 * Moves `from` to the first free of `to`, `to~2`, `to~3`, … and returns that name; nothing is replaced. Undefined
 * when `from` is gone, or when `holds` says no; `holds` is called once no other process can move it.
 *
 * It is one rename under a lock, so a crash leaves the file in one place, and exactly one racer moves it.
 */
export function moveKeepingBoth(
  from: string,
  to: string,
  { suffix, lock, holds = () => true }: { suffix: string; lock: string; holds?: () => boolean },
): string | undefined {
  return withLockSync(lock, () => {
    if (!holds()) return undefined;
    const target = firstFree(to, suffix);
    return moveFile(from, target) ? target : undefined;
  });
}

function firstFree(to: string, suffix: string): string {
  for (let n = 1;; n++) {
    const target = n === 1 ? `${to}${suffix}` : `${to}~${n}${suffix}`;
    if (!exists(target)) return target;
  }
}

/** Makes a file that already has the right content survive a power cut. */
export function syncFile(path: string): void {
  try {
    const file = Deno.openSync(path, { read: true });
    try {
      file.syncSync();
    } finally {
      file.close();
    }
    syncDir(dirName(path));
  } catch (error) {
    throw fault("write", path, error);
  }
}

/**
 * Updates a file of which only the modification time matters; leaves a link or FIFO in its place alone. It is written
 * over, not emptied first: ext4 starts to write back a file that was emptied when it is closed, which takes 2 ms.
 */
export function touchFile(path: string): void {
  try {
    refuseOdd(path);
    const file = Deno.openSync(path, { write: true, create: true, mode: FILE_MODE });
    try {
      writeAll(file, Uint8Array.of(10));
    } finally {
      file.close();
    }
  } catch (error) {
    throw fault("write", path, error);
  }
}

/** Sets a file's modification time, unix ms; nothing happens when the file is gone. */
export function stampFile(path: string, ms: number): void {
  try {
    Deno.utimeSync(path, new Date(ms), new Date(ms));
  } catch (error) {
    if (!isAbsent(error)) throw fault("set the time of", path, error);
  }
}

/** Removes a file; false when there was none. */
export function removeFile(path: string, options: Pick<WriteOptions, "durable"> = {}): boolean {
  try {
    inSyncedDirs([path], options, () => Deno.removeSync(path));
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw fault("remove", path, error);
  }
}

/** Removes a folder with its content; does nothing when there is none. */
export function removeTree(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!isAbsent(error)) throw fault("remove", path, error);
  }
}

/** Makes a folder (0700) and its parents, durably, so that files written into it later can survive a power cut. */
export function makeDir(path: string): void {
  try {
    makeMissing(path);
  } catch (error) {
    throw fault("make", path, error);
  }
}

/** Makes the missing folders, the outermost first; each one's name is synced. */
function makeMissing(path: string): void {
  if (quietStat(path)?.isDirectory) return;
  const parent = dirName(path);
  if (parent !== path) makeMissing(parent);
  // A folder that may not be opened could not be synced: nothing is made in it.
  Deno.openSync(parent).close();
  // Recursive, so that it does not fail when another process has just made it.
  Deno.mkdirSync(path, { recursive: true, mode: DIR_MODE });
  syncDir(parent);
}

/** Makes a folder (0700) whose parent must exist. */
export function makeSubDir(path: string): void {
  // Looked at first: an error that is thrown takes longer than all else.
  if (quietStat(path)?.isDirectory) return;
  try {
    Deno.mkdirSync(path, { mode: DIR_MODE });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw fault("make", path, error);
  }
}

/** Names of the regular files in a folder that end in `suffix` and do not begin with a dot, sorted. */
export function listFiles(dir: string, suffix = ""): string[] {
  return listEntries(dir).filter((entry) =>
    entry.isFile && !entry.name.startsWith(".") && entry.name.endsWith(suffix)
  ).map((entry) => entry.name).sort();
}

/** Names of the folders in a folder that do not begin with a dot, sorted. */
export function listDirs(dir: string): string[] {
  return listEntries(dir).filter((entry) => entry.isDirectory && !entry.name.startsWith("."))
    .map((entry) => entry.name).sort();
}

/** Everything in a folder, unsorted; nothing when there is no such folder. */
export function listEntries(dir: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(dir)];
  } catch (error) {
    if (isAbsent(error)) return [];
    throw fault("list", dir, error);
  }
}

/**
 * The name under which its folder lists the file that a path leads to ({@link listedAs}); undefined if it leads
 * nowhere.
 */
export function listedName(path: string): string | undefined {
  return listedAs(listEntries(dirName(path)).map((entry) => entry.name), baseName(path), exists(path));
}

/** The result of stat(2), or undefined when nothing is there. */
export function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw fault("read", path, error);
  }
}

/** How long a file may still change within the same tick of the file system's clock, ms. */
export const STAMP_SETTLES_MS = 50;

/**
 * A stamp that shows whether a file or folder has changed: equal stamps mean that nothing was replaced, added or
 * removed. Undefined when nothing is there, or while another change could still leave the same stamp.
 */
export function settledStamp(path: string, nowMs: number): string | undefined {
  const info = statOf(path);
  const mtime = info?.mtime?.getTime();
  if (info === undefined || mtime === undefined || Math.abs(nowMs - mtime) < STAMP_SETTLES_MS) {
    return undefined;
  }
  return `${info.ino}/${info.size}/${mtime}`;
}

/** Whether there is anything at `path`, a dangling symlink included. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw fault("read", path, error);
  }
}

/** The last `maxBytes` of a file as text, from the first whole line on; "" when there is no file, or no such line. */
export function readTail(path: string, maxBytes: number): string {
  const bytes = readTailBytes(path, maxBytes);
  const isWhole = (statOf(path)?.size ?? 0) <= maxBytes;
  const firstLine = isWhole ? 0 : bytes.indexOf(10) + 1 || bytes.length;
  return new TextDecoder().decode(bytes.subarray(firstLine));
}

/** The last `maxBytes` of a file; empty when there is no file. */
export function readTailBytes(path: string, maxBytes: number): Uint8Array {
  return readPart(path, (size) => Math.max(0, size - maxBytes), maxBytes);
}

/** The first `maxBytes` of a file; empty when there is no file. */
export function readHeadBytes(path: string, maxBytes: number): Uint8Array {
  return readPart(path, () => 0, maxBytes);
}

function readPart(path: string, from: (size: number) => number, maxBytes: number): Uint8Array {
  let file: Deno.FsFile;
  try {
    refuseOdd(path);
    file = Deno.openSync(path, { read: true });
  } catch (error) {
    if (isAbsent(error)) return new Uint8Array();
    throw fault("read", path, error);
  }
  try {
    const size = file.statSync().size;
    const start = from(size);
    file.seekSync(start, Deno.SeekMode.Start);
    return readUpTo(file, Math.min(maxBytes, size - start));
  } catch (error) {
    throw fault("read", path, error);
  } finally {
    file.close();
  }
}

/** The size of one piece of {@link readPieces}, bytes. */
const PIECE = 256 * 1024;

/** Passes a file to `take` piece by piece from byte `from` on; does nothing when there is none. */
export function readPieces(path: string, from: number, take: (piece: Uint8Array) => void): void {
  const file = openToRead(path);
  if (file === undefined) return;
  try {
    file.seekSync(from, Deno.SeekMode.Start);
    const buffer = new Uint8Array(PIECE);
    for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) take(buffer.subarray(0, n));
  } catch (error) {
    throw fault("read", path, error);
  } finally {
    file.close();
  }
}

/** Opens a file for reading; undefined when there is none. Regular files only, since a FIFO would block. */
export function openToRead(path: string): Deno.FsFile | undefined {
  try {
    if (!Deno.statSync(path).isFile) throw new Error("it is not a regular file");
    return Deno.openSync(path, { read: true });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw fault("read", path, error);
  }
}

/** How long to wait for a short lock, ms. */
const LOCK_TIMEOUT_MS = 10_000;

/**
 * Runs `work` while this process alone holds the short lock file at `path` (flock, freed by any end).
 *
 * `work` must be synchronous and brief: decide and write, never wait.
 */
export async function withLock<T>(path: string, work: () => T): Promise<T> {
  const lock = await acquireLock(path, LOCK_TIMEOUT_MS);
  if (lock === undefined) {
    throw new UserError(`Cannot lock "${path}": held by another process for over 10 s`, {
      next: "see who holds it with `lsof` or `fuser`, then try again",
      kind: "locked",
    });
  }
  try {
    return work();
  } finally {
    lock.close();
  }
}

/**
 * Takes an exclusive flock, or returns undefined after `timeoutMs`.
 *
 * Deno before 2.5 has no try-lock, so a lost race leaves a queued request behind; it is closed the moment it is
 * granted. A caller that got undefined and wants to end must use `Deno.exit`.
 */
export async function acquireLock(path: string, timeoutMs: number): Promise<Deno.FsFile | undefined> {
  const file = openLock(path);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const granted = file.lock(true).then(() => true);
  const late = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), timeoutMs));
  const won = await Promise.race([granted, late]);
  clearTimeout(timer);
  if (won) return file;
  granted.then(() => file.close()).catch(() => {});
  return undefined;
}

/** Whether the lock file at `path` is still the one that this process holds, not removed or replaced. */
export function holdsLock(file: Deno.FsFile, path: string): boolean {
  const [held, named] = [file.statSync(), quietStat(path)];
  return named !== undefined && named.ino === held.ino && named.dev === held.dev;
}

/**
 * Runs `work` while this process alone holds the lock file at `path`, without giving other tasks a turn.
 *
 * Use it only for files that {@link acquireLock} never takes; otherwise the process could wait for itself.
 */
export function withLockSync<T>(path: string, work: () => T): T {
  makeDir(dirName(path));
  const file = openLock(path);
  try {
    file.lockSync(true);
    return work();
  } finally {
    file.close();
  }
}

function openLock(path: string): Deno.FsFile {
  try {
    refuseOdd(path);
    return Deno.openSync(path, { read: true, write: true, create: true, mode: FILE_MODE });
  } catch (error) {
    throw fault("lock", path, error);
  }
}

function writeTemp(temp: string, text: string | Uint8Array, options: WriteOptions): void {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const mode = options.mode ?? FILE_MODE;
  const file = Deno.openSync(temp, { write: true, createNew: true, mode });
  try {
    writeAll(file, bytes);
    if (options.durable !== false) file.syncSync();
  } finally {
    file.close();
  }
  if ((mode & 0o111) !== 0) Deno.chmodSync(temp, mode);
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  catchFileLimit();
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

function readUpTo(file: Deno.FsFile, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let done = 0;
  while (done < count) {
    const n = file.readSync(bytes.subarray(done));
    if (n === null) break;
    done += n;
  }
  return bytes.subarray(0, done);
}

function endsTorn(file: Deno.FsFile): boolean {
  const size = file.statSync().size;
  if (size === 0) return false;
  file.seekSync(size - 1, Deno.SeekMode.Start);
  return readUpTo(file, 1)[0] !== 10;
}

/**
 * Makes a change of names and syncs the folders of `paths`, in their order: the one with the new name first, so that
 * a power cut in between may leave both names, never none. The folders are opened before the change, so that nothing
 * is changed that could not be synced: below a limit of open files, or where a folder cannot be read.
 */
function inSyncedDirs(
  paths: readonly string[],
  { durable = true }: Pick<WriteOptions, "durable">,
  change: () => void,
): void {
  const dirs: Deno.FsFile[] = [];
  try {
    if (durable) { for (const path of new Set(paths.map(dirName))) dirs.push(Deno.openSync(path)); }
    change();
    for (const dir of dirs) dir.syncSync();
  } finally {
    for (const dir of dirs) dir.close();
  }
}

function syncDir(path: string): void {
  inSyncedDirs([`${path}/.`], {}, () => {});
}

/** Throws when `path` is not a regular file: a link leads elsewhere, and a FIFO blocks. */
function refuseOdd(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  if (!info.isFile) throw new Error(kindOf(info));
}

function kindOf(info: Deno.FileInfo): string {
  if (info.isSymlink) return LINK;
  return info.isDirectory ? "it is a folder" : "it is no regular file";
}

/** Why looop refuses to read or write `path`; undefined when it does not refuse it, or when nothing is there. */
export function oddness(path: string): string | undefined {
  try {
    refuseOdd(path);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // The file was never created, or is already in place.
  }
}

/** The final target of the symbolic link at `path`; undefined when it is not a link, or leads nowhere. */
export function linkedPath(path: string): string | undefined {
  try {
    return Deno.lstatSync(path).isSymlink ? Deno.realPathSync(path) : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw fault("read", path, error);
  }
}

/** Why a file or folder is not this user's alone to write, or undefined when it is. */
export function foreignness({ uid, mode }: Deno.FileInfo): string | undefined {
  const own = Deno.uid();
  if (own !== null && uid !== null && uid !== own) return `belongs to user ${uid}, not to you (${own})`;
  if (((mode ?? 0) & 0o022) === 0) return undefined;
  return `can be written by others (mode ${((mode ?? 0) & 0o777).toString(8)})`;
}

/** The result of stat(2), or undefined when it fails for any reason. */
export function quietStat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
