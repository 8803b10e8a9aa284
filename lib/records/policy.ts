/** Policy files: goals, sensors and the playbook, written so that the previous text can be brought back. */
import { UserError } from "../errors.ts";
import { fileStamp } from "../text/time.ts";
import { baseName, type Profile } from "../paths.ts";
import {
  createOnce,
  exists,
  foreignness,
  linkedPath,
  listedName,
  listFiles,
  makeDir,
  moveFile,
  quietStat,
  readBytes,
  readLinkedBytes,
  removeFile,
  replaceFile,
  sameBytes,
  syncFile,
  withLockSync,
} from "../store.ts";

/** Number of earlier playbooks kept. */
const PLAYBOOKS_KEPT = 20;

/** The text, ending in a newline. */
export function withNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

export type PolicyKind = "goal" | "sensor" | "playbook";

/** Where `_ undo` finds the previous text of a goal, a sensor or the playbook (`text`). */
export function undoPath(profile: Profile, kind: PolicyKind, id: string): string {
  return `${profile.undo}/${kind}-${id}`;
}

/** Changes policy while no other verb does, so that each of several texts written at once is kept. */
export function changePolicy<T>(profile: Profile, change: () => T): T {
  return withLockSync(`${profile.lockDir}/policy`, change);
}

/** The place where the previous text of one policy file is kept. */
export interface UndoSlot {
  dir: string;
  path: string;
  /** The time of the move, unix ms; it names a text in the history. */
  nowMs: number;
}

/** The slot of a goal, a sensor or the playbook (id `text`). */
export function undoSlot(profile: Profile, kind: PolicyKind, id: string, nowMs: number): UndoSlot {
  return { dir: profile.undo, path: undoPath(profile, kind, id), nowMs };
}

/** Number of texts beyond the reach of undo that are kept per file. */
const HISTORY_KEPT = 20;

/**
 * Replaces a policy file and keeps the previous text; false when nothing would change. Call it within
 * {@link changePolicy}.
 *
 * The text on disk is kept, whoever wrote it, and so is the text that its slot held before: every text that a verb
 * replaces is in `.undo/` or its history, including a person's edit between two verbs.
 */
export function writePolicy(path: string, undo: UndoSlot, text: string, mode = 0o600): boolean {
  refuseAlias(path);
  const after = new TextEncoder().encode(text);
  const before = readLinkedBytes(path);
  const isSame = sameBytes(before, after);
  if (isSame && canBeUsedAs(path, mode)) {
    // A killed writer or an editor may have left it unsynced, and this call acknowledges it.
    syncFile(path);
    return false;
  }
  if (before !== undefined && !isSame) {
    finishSwap(path, undo);
    const displaced = readBytes(undo.path);
    if (displaced !== undefined && !sameBytes(displaced, after) && !sameBytes(displaced, before)) {
      keepDisplaced(undo, displaced);
    }
    makeDir(undo.dir);
    replaceFile(undo.path, before, { mode });
  }
  replacePolicy(path, after, mode);
  return true;
}

/**
 * Replaces a policy file; where it is a link, as people link to their dotfiles, the file that it leads to, which keeps
 * its mode.
 *
 * @throws {UserError} when that is no file, or one that others can write.
 */
export function replacePolicy(path: string, text: string | Uint8Array, mode = 0o600): void {
  const target = linkedPath(path);
  const info = target === undefined ? undefined : quietStat(target);
  if (target === undefined || info === undefined) return replaceFile(path, text, { mode });
  const why = info.isFile ? foreignness(info) : "is no file";
  if (why === undefined) {
    return replaceFile(target, text, { mode: (info.mode ?? mode) & 0o777 | (mode & 0o111) });
  }
  throw new UserError(`"${path}" is a link to "${target}", which ${why}`, {
    next: "make that your own, or remove the link",
    kind: "link",
  });
}

/**
 * Exchanges a policy file's text with the previous one; false when none is kept. A file that is gone comes back.
 * After a crash at any moment, the next undo or write completes the exchange. Call it within {@link changePolicy}.
 */
export function swapPolicy(path: string, undo: UndoSlot, mode = 0o600): boolean {
  refuseAlias(path);
  finishSwap(path, undo);
  const before = readLinkedBytes(path);
  const previous = readBytes(undo.path);
  if (previous === undefined) return false;
  if (before !== undefined) replaceFile(stagePath(undo), before, { mode });
  replacePolicy(path, previous, mode);
  finishSwap(path, undo);
  return true;
}

/** The file of an exchange in progress: it holds the newer text until the slot can take it. */
function stagePath(undo: UndoSlot): string {
  return `${undo.dir}/swap-${baseName(undo.path)}`;
}

function finishSwap(path: string, undo: UndoSlot): void {
  const staged = readBytes(stagePath(undo));
  if (staged === undefined) return;
  // The exchange was cut off before the file was replaced, so the file still has the newer text; keep it once.
  const current = readLinkedBytes(path);
  if (sameBytes(current, staged)) {
    removeFile(stagePath(undo));
    return;
  }
  const displaced = readBytes(undo.path);
  if (displaced !== undefined && !sameBytes(displaced, current)) keepDisplaced(undo, displaced);
  moveFile(stagePath(undo), undo.path);
}

/** Keeps a text beyond the reach of undo, named by the time at which it was replaced. */
function keepDisplaced(undo: UndoSlot, text: Uint8Array): void {
  const dir = `${undo.dir}/history/${baseName(undo.path)}`;
  makeDir(dir);
  const stamp = fileStamp(undo.nowMs);
  while (!createOnce(freeName(dir, stamp), text));
  const names = listFiles(dir);
  for (const name of names.slice(0, Math.max(0, names.length - HISTORY_KEPT))) removeFile(`${dir}/${name}`);
}

function freeName(dir: string, stamp: string): string {
  for (let n = 1;; n++) {
    const path = n === 1 ? `${dir}/${stamp}` : `${dir}/${stamp}~${n}`;
    if (!exists(path)) return path;
  }
}

/**
 * Refuses to write a file that the disk takes for another one: a goal `a` would replace the goal `A`.
 *
 * @throws {UserError} naming the other one.
 */
export function refuseAlias(path: string): void {
  const [name, listed] = [baseName(path), listedName(path)];
  if (listed === undefined || listed === name) return;
  throw new UserError(`"${listed}" is there already, and this disk treats "${name}" as the same name`, {
    next: "use that name, or choose another one",
    kind: "alias",
  });
}

/** Whether a script is executable by its owner; other permissions are the owner's business. */
function canBeUsedAs(path: string, mode: number): boolean {
  const run = mode & 0o100;
  return ((quietStat(path)?.mode ?? 0) & run) === run;
}

/** Keeps a playbook's text under its UTC time; only the last 20 are kept. */
export function keepPlaybook(profile: Profile, text: Uint8Array, atMs: number): void {
  makeDir(profile.playbookHistory);
  const stamp = fileStamp(atMs);
  replaceFile(`${profile.playbookHistory}/${stamp}.md`, text);
  const names = listFiles(profile.playbookHistory, ".md");
  for (const name of names.slice(0, Math.max(0, names.length - PLAYBOOKS_KEPT))) {
    removeFile(`${profile.playbookHistory}/${name}`);
  }
}
