/**
 * Own moves, `.moves.json`: who last wrote which text. An item that is still as its writer left it is not news to
 * that writer; an edit after it is. Without the file everything is news to everybody, so it need not be durable.
 */
import { isRecord, isRecordOf, isText } from "../text/json.ts";
import type { Profile } from "../paths.ts";
import type { Mover } from "./move.ts";
import { quietText, readJson, readLinkedText, replaceFile, withLockSync } from "../store.ts";
import { sha256 } from "../text/bytes.ts";

/** The last move on one item. */
export interface OwnMove {
  /** Hash of the text written, "" when it was removed; for a worker its generation. */
  hash: string;
  /** The writer, as `changes.by` names it. */
  by: string;
  /** Unix seconds. */
  ts: number;
  /** The writer's cursor, since two sessions may share a name in `by`. */
  observer: string;
}

/** Item (`goal:ID`, `policy`, `sensor:NAME`, `schedule:ID`, `worker:ID`, `ask:ID`) → its last move. */
export type OwnMoves = Readonly<Record<string, OwnMove>>;

/** The value of `hash` in the move of somebody who answered a question. */
export const ANSWERED = "answered";

/** Number of items remembered; beyond it the oldest are forgotten. */
const MAX_ITEMS = 500;

function checkMoves(value: unknown): OwnMoves | string {
  const isMove = (move: unknown) =>
    isRecord(move) && isText(move["hash"]) && isText(move["by"]) && isText(move["observer"]) &&
    typeof move["ts"] === "number";
  return isRecordOf(value, isMove) ? value as OwnMoves : "not a record of moves";
}

/** The recorded moves; none when the file cannot be read. */
export function readOwnMoves(profile: Profile): OwnMoves {
  const read = readJson(profile.moves, checkMoves);
  return read !== undefined && "value" in read ? read.value : {};
}

/**
 * Records that the caller is about to write `text` to the file at `path` (undefined: to remove it). Call it before
 * changing the file, since the caller's own `_ wait` may look in between.
 */
export async function noteOwnText(
  mover: Omit<Mover, "journalText">,
  item: string,
  path: string,
  text: string | undefined,
): Promise<void> {
  if (text !== undefined && quietText(path, readLinkedText) === text) return;
  noteOwn(mover, item, text === undefined ? "" : await sha256(text));
}

/** Records a move of the caller by the hash that it leads to; if that fails, the move is news to its own maker. */
export function noteOwn(
  { profile, caller, now }: Omit<Mover, "journalText">,
  item: string,
  hash: string,
): void {
  const { by, observer } = caller;
  const move: OwnMove = { hash, by, ts: Math.floor(now() / 1000), observer };
  try {
    withLockSync(`${profile.lockDir}/moves`, () => {
      const others = Object.entries(readOwnMoves(profile)).filter(([name]) => name !== item);
      const newest = others.sort(([, a], [, b]) => b.ts - a.ts).slice(0, MAX_ITEMS - 1);
      replaceFile(profile.moves, `${JSON.stringify({ ...Object.fromEntries(newest), [item]: move })}\n`);
    });
  } catch {
    // A full disk must not prevent the move itself.
  }
}
