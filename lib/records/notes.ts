/**
 * Files that keep who was seen to belong to a tree of processes: the boot, then `pid start` a line. They outlive the one
 * that wrote them, so that its end leaves nobody behind; a crash of the machine ends all that they name.
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

/** Keeps these notes, or none. */
export function writeNotes(path: string, notes: TreeNotes | undefined): void {
  if (notes === undefined || notes.members.length === 0) {
    removeFile(path, { durable: false });
    return;
  }
  const text = [notes.boot, ...notes.members.map(({ pid, start }) => `${pid} ${start}`)].join("\n");
  if (quietText(path) !== text) replaceFile(path, text, { durable: false });
}

/** Several notes of one boot as one; those of another boot than the last one's are over. Pure. */
export function joinNotes(notes: readonly TreeNotes[]): TreeNotes | undefined {
  const boot = notes.at(-1)?.boot;
  if (boot === undefined) return undefined;
  return { boot, members: notes.filter((one) => one.boot === boot).flatMap(({ members }) => members) };
}
