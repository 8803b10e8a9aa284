/** Names that users and agents give: goals, sensors, workers, claims, asks. Checked once, when they enter. */
import { oneLine, UsageError } from "./errors.ts";

/** 1–64 letters, digits, `.`, `_` or `-`, the first a letter or digit: no `..`, no `/`, no leading `-`. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Bytes that a name of 0.16 may have, so that what is written for it has room for its suffix in a file's name. */
const MAX_NAME_BYTES = 200;
/** An ask id is a worker id, `-`, and a number. */
const ASK_ID = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})-([1-9][0-9]{0,8})$/;

/** Worker ids that nobody may use. */
const RESERVED_WORKERS: readonly string[] = ["pulse", "list", "withdraw"];

/**
 * A name that looop 0.16 gave goals and sensors: anything that is a file's name, not hidden and no option. What would
 * change the text around it (controls, invisible characters, the sign of a name that is no UTF-8) is none.
 */
const NAME_OF_016 = /^(?![.-])[^/\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufffd]+$/u;

export type IdKind = "goal" | "schedule" | "sensor" | "worker" | "claim" | "observer" | "runner";

/** Whether a file's stem is a valid id; used for listing files on disk. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** Whether a goal or sensor of this name is read: new ones get ids, those of 0.16 keep their names. */
export function isPolicyName(text: string): boolean {
  return NAME_OF_016.test(text) && new TextEncoder().encode(text).length <= MAX_NAME_BYTES;
}

/** Like {@link checkId}, but a goal or sensor that is there may have a name of 0.16. @throws {UsageError} */
export function checkPolicyName(
  kind: "goal" | "sensor",
  text: string,
  isThere: (name: string) => boolean,
): string {
  return isPolicyName(text) && isThere(text) ? text : checkId(kind, text);
}

/**
 * Returns the id unchanged, or refuses it.
 *
 * @throws {UsageError} when the id could be a path, an option or nothing.
 */
export function checkId(kind: IdKind, text: string): string {
  if (!ID.test(text)) {
    throw new UsageError(`Bad ${kind} id "${oneLine(text, 70)}"`, {
      next: "use 1-64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
    });
  }
  if (kind === "worker" && RESERVED_WORKERS.includes(text)) {
    throw new UsageError(`"${text}" is reserved for looop itself`, { next: "give the worker another id" });
  }
  return text;
}

/** Like {@link checkId} for a worker, or for an earlier run of one: `ID~N`. */
export function checkRun(text: string): string {
  checkId("worker", text.replace(/~[1-9]\d{0,8}$/, ""));
  return text;
}

/**
 * The name under which a folder lists the file that `name` leads to; undefined when it leads nowhere. Pure.
 *
 * macOS's file systems take `A` and `a` for one name, and an accented letter for the same as one code point and as a
 * letter followed by a mark (Apple File System Reference, "Normalization"; HFS+ stores the latter, whichever was
 * given). So a file may be listed under another name than the one by which it was reached. Whether case counts
 * depends on the disk, and only the disk can say: `isThere` is its answer for `name`.
 */
export function listedAs(names: readonly string[], name: string, isThere: boolean): string | undefined {
  if (names.includes(name)) return name;
  const composed = names.find((one) => one.normalize() === name.normalize());
  if (composed !== undefined || !isThere) return composed;
  return names.find((one) => folded(one) === folded(name));
}

function folded(name: string): string {
  return name.normalize().toUpperCase().toLowerCase();
}

/** The parts of an ask's id. The number follows the last `-`, so `w-1-2` is ask 2 of `w-1`. */
export interface AskId {
  worker: string;
  number: number;
}

/** Splits an ask id into its parts; undefined when the text is not one. */
export function parseAskId(text: string): AskId | undefined {
  const match = ASK_ID.exec(text);
  return match === null ? undefined : { worker: match[1] ?? "", number: Number(match[2]) };
}

/** @throws {UsageError} when the text cannot be the id of an ask. */
export function checkAskId(text: string): string {
  if (parseAskId(text) === undefined) {
    throw new UsageError(`Bad ask id "${oneLine(text, 90)}"`, {
      next: "ask ids look like `worker-1`; list the pending ones with `looop _ state`",
    });
  }
  return text;
}
