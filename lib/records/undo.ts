/** Brings back the previous text of a policy file, or a goal or sensor that was archived or removed. */
import { UserError } from "../errors.ts";
import type { Profile } from "../paths.ts";
import { keepPlaybook, type PolicyKind, swapPolicy, undoPath, undoSlot } from "./policy.ts";
import { exists, listEntries, moveOnce, quietText, readLinkedBytes, readLinkedText } from "../store.ts";

/** The effect of an undo. */
export type Undone = "swapped" | "unarchived";

/** The place of a policy file, and the folder to which it goes when it is archived or removed. */
interface Place {
  path: string;
  archive?: { dir: string; suffix: string };
  mode: number;
}

function placeOf(profile: Profile, kind: PolicyKind, id: string): Place {
  if (kind === "playbook") return { path: profile.playbook, mode: 0o600 };
  if (kind === "goal") {
    return {
      path: `${profile.goals}/${id}.md`,
      archive: { dir: profile.goalsArchive, suffix: ".md" },
      mode: 0o600,
    };
  }
  return {
    path: `${profile.sensors}/${id}.sh`,
    archive: { dir: profile.sensorsArchive, suffix: ".sh" },
    mode: 0o700,
  };
}

/**
 * Undoes the last write of a policy file by exchanging its text with the previous one, so that a second undo brings
 * the newer text back. A goal or sensor in the archive comes back unchanged, but only if nothing has taken its place;
 * a later undo continues with its texts.
 *
 * @throws {UserError} when there is nothing to go back to.
 */
export function undoPolicy(profile: Profile, kind: PolicyKind, id: string, nowMs: number): Undone {
  const place = placeOf(profile, kind, id);
  if (!exists(place.path)) {
    const archived = newestOf(place, id);
    if (archived !== undefined && moveOnce(archived, place.path)) return "unarchived";
  }
  const slot = undoSlot(profile, kind, id, nowMs);
  const before = readLinkedBytes(place.path);
  if (!swapPolicy(place.path, slot, place.mode)) throw nothingToUndo(kind, id, before !== undefined);
  if (kind === "playbook" && before !== undefined) keepPlaybook(profile, before, nowMs);
  return "swapped";
}

/** The text that an undo would bring back now, or undefined. */
export function textBefore(profile: Profile, kind: PolicyKind, id: string): string | undefined {
  const place = placeOf(profile, kind, id);
  const archived = exists(place.path) ? undefined : newestOf(place, id);
  return quietText(archived ?? undoPath(profile, kind, id), readLinkedText);
}

/** Whether there is such a goal or sensor, or a text that an undo would bring back. */
export function hasText(profile: Profile, kind: PolicyKind, id: string): boolean {
  return exists(placeOf(profile, kind, id).path) || textBefore(profile, kind, id) !== undefined;
}

/** Path of the newest archived text, if there is any. */
function newestOf(place: Place, id: string): string | undefined {
  if (place.archive === undefined) return undefined;
  const { dir, suffix } = place.archive;
  const names = listEntries(dir).filter(({ name, isFile, isSymlink }) =>
    (isFile || isSymlink) && name.endsWith(suffix)
  ).map(({ name }) => name);
  const newest = newestArchived(names, id, suffix);
  return newest === undefined ? undefined : `${dir}/${newest}`;
}

/** The newest of `id.md`, `id~2.md`, …: the one with the highest number, since each took the first free name. Pure. */
export function newestArchived(names: readonly string[], id: string, suffix: string): string | undefined {
  const numbers = names.map((name) => {
    const stem = name.slice(0, -suffix.length);
    if (stem === id) return 1;
    const number = stem.startsWith(`${id}~`) ? Number(stem.slice(id.length + 1)) : NaN;
    return Number.isInteger(number) && number > 1 ? number : 0;
  });
  const highest = Math.max(0, ...numbers);
  return highest === 0 ? undefined : names[numbers.indexOf(highest)];
}

function nothingToUndo(kind: PolicyKind, id: string, isThere: boolean): UserError {
  const what = kind === "playbook" ? "the playbook" : `${kind} "${id}"`;
  if (!isThere) {
    return new UserError(`There is no ${kind === "playbook" ? "PLAYBOOK.md" : what}, now or earlier`, {
      next: "`looop _ state` shows what there is",
      kind: "not_found",
    });
  }
  const aside = kind === "playbook"
    ? ""
    : `; \`looop _ ${kind} ${kind === "goal" ? "archive" : "remove"} ${id}\``;
  return new UserError(`No earlier text of ${what} is kept`, {
    next: `nothing was changed${aside === "" ? "" : `${aside} puts it aside`}`,
    kind: "nothing_to_undo",
  });
}
