/**
 * Files that note which processes belong to a tree: the boot, then one `pid start` per line. They outlive their
 * writer, so that its end leaves no process behind; a crash of the machine ends all the processes they name.
 */
import type { TreeNotes } from "../process/tree.ts";
import { quietText, removeFile, replaceFile } from "../store.ts";

/** The notes in a file; undefined when there are none. */
export function readNotes(path: string): TreeNotes | undefined {
  const [boot = "", ...lines] = (quietText(path) ?? "").split("\n");
  const members = lines.map((line) => /^(\d+) (.+)$/.exec(line)).filter((match) => match !== null)
    .map(([, pid, start = ""]) => ({ pid: Number(pid), start }));
  return boot === "" || members.length === 0 ? undefined : { boot, members };
}

/** Writes these notes, or removes the file when there are none. */
export function writeNotes(path: string, notes: TreeNotes | undefined): void {
  if (notes === undefined || notes.members.length === 0) {
    removeFile(path, { durable: false });
    return;
  }
  const text = [notes.boot, ...notes.members.map(({ pid, start }) => `${pid} ${start}`)].join("\n");
  if (quietText(path) !== text) replaceFile(path, text, { durable: false });
}

/** Merges notes of one boot; notes of an earlier boot than the last one's are dropped. Pure. */
export function joinNotes(notes: readonly TreeNotes[]): TreeNotes | undefined {
  const boot = notes.at(-1)?.boot;
  if (boot === undefined) return undefined;
  return { boot, members: notes.filter((one) => one.boot === boot).flatMap(({ members }) => members) };
}
