/**
 * The sums of a large ledger, kept beside it in `.cost-sums.json`, so that its rows are read once.
 *
 * A kept sum is never taken on trust. It counts for the very file from which it was made (inode, size and both times
 * the same), or for a file that begins with the same bytes, by their SHA-256; rows added since are then read. For any
 * other file (edited, cut, replaced, rotated) all rows are summed anew. If the sums cannot be kept, only speed is
 * lost.
 */
import { CostSum, type SumState } from "./cost.ts";
import type { Profile } from "../paths.ts";
import {
  openToRead,
  quietStat,
  readJson,
  readPieces,
  replaceFile,
  STAMP_SETTLES_MS,
  valueOf,
} from "../store.ts";
import { sha256, sha256Bytes } from "../text/bytes.ts";
import { isListOf, isRecord, isText } from "../text/json.ts";

/** Size below which summing a ledger is faster than checking its sums, bytes. */
const KEPT_FROM_BYTES = 1024 * 1024;
/** Length of the ledger that one digest covers, bytes. */
const BLOCK_BYTES = 1024 * 1024;

/** `.cost-sums.json`. */
interface KeptSums {
  v: 1;
  /** The file that was summed. */
  stamp: string;
  /** Number of bytes summed: whole lines. */
  size: number;
  /** Digests of these bytes, block by block. */
  blocks: string[];
  /** The time zone whose days these are. */
  zone: string;
  state: SumState;
}

/** The sum of all rows of the ledger. */
export async function sumOfLedger({ cost, costSums }: Profile, nowMs: number): Promise<CostSum> {
  const stamp = stampOf(cost, nowMs);
  const isLarge = (quietStat(cost)?.size ?? 0) >= KEPT_FROM_BYTES;
  const found = isLarge ? await readKept(costSums) : undefined;
  const kept = found !== undefined && await holds(found, cost, stamp) ? found : undefined;
  const sum = kept === undefined ? new CostSum() : CostSum.from(kept.state);
  const size = pushRows(sum, cost, kept?.size ?? 0);
  if (isLarge && stamp !== undefined && stamp !== kept?.stamp) {
    const sums = await sumsOf(sum, cost, size, kept?.blocks ?? []);
    // The bytes summed and the bytes digested are the same if the file has not changed since the first look.
    if (sums !== undefined && stampOf(cost, nowMs) === stamp) await keep(costSums, { ...sums, stamp });
  }
  return sum;
}

/** Sums the rows after byte `from`; returns where the last whole line ends. */
function pushRows(sum: CostSum, path: string, from: number): number {
  let at = from;
  let end = from;
  readPieces(path, from, (piece) => {
    const last = piece.lastIndexOf(10);
    if (last >= 0) end = at + last + 1;
    at += piece.length;
    sum.push(piece);
  });
  return end;
}

/** Whether sums belong to the bytes with which a file begins. */
async function holds({ stamp, size, blocks, zone }: KeptSums, path: string, now?: string): Promise<boolean> {
  if (zone !== ownZone()) return false;
  if (stamp === now) return true;
  const found = await digests(path, 0, size);
  return found !== undefined && found.length === blocks.length && found.every((one, n) => one === blocks[n]);
}

/** The record to keep of a sum; `known` are digests of the first blocks, the last of which may have grown. */
async function sumsOf(
  sum: CostSum,
  path: string,
  size: number,
  known: readonly string[],
): Promise<Omit<KeptSums, "stamp"> | undefined> {
  const state = sum.state();
  const whole = known.slice(0, -1);
  const rest = await digests(path, whole.length * BLOCK_BYTES, size);
  if (state === undefined || rest === undefined) return undefined;
  return { v: 1, size, blocks: [...whole, ...rest], zone: ownZone(), state };
}

async function keep(path: string, sums: KeptSums): Promise<void> {
  const check = await sha256(JSON.stringify(sums));
  try {
    replaceFile(path, `${JSON.stringify({ check, sums })}\n`, { durable: false });
  } catch {
    // A full disk, or a data dir that cannot be written: the next call sums all rows again.
  }
}

/** Digests of the bytes from `from`, the beginning of a block, to `to`; undefined where the file is shorter. */
async function digests(path: string, from: number, to: number): Promise<string[] | undefined> {
  const file = openToRead(path);
  if (file === undefined) return undefined;
  try {
    file.seekSync(from, Deno.SeekMode.Start);
    const found: string[] = [];
    for (let at = from; at < to; at += BLOCK_BYTES) {
      const block = readBlock(file, Math.min(BLOCK_BYTES, to - at));
      if (block === undefined) return undefined;
      found.push(await sha256Bytes(block));
    }
    return found;
  } finally {
    file.close();
  }
}

function readBlock(file: Deno.FsFile, length: number): Uint8Array<ArrayBuffer> | undefined {
  const block = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const n = file.readSync(block.subarray(done));
    if (n === null) return undefined;
    done += n;
  }
  return block;
}

/** The runtime shows the time of a file's last change of any kind in whole seconds. */
const CHANGE_SETTLES_MS = 1000 + STAMP_SETTLES_MS;

/** A stamp that differs for another file and after a change; undefined while a change could leave the same stamp. */
function stampOf(path: string, nowMs: number): string | undefined {
  const info = quietStat(path);
  const [written, changed] = [info?.mtime, info?.ctime].map((time) => time?.getTime() ?? nowMs) as [
    number,
    number,
  ];
  const isSettled = Math.abs(nowMs - written) >= STAMP_SETTLES_MS &&
    Math.abs(nowMs - changed) >= CHANGE_SETTLES_MS;
  return isSettled ? `${info?.ino}/${info?.size}/${written}/${changed}` : undefined;
}

function ownZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** The kept sums; undefined when there are none, or when they are damaged. */
async function readKept(path: string): Promise<KeptSums | undefined> {
  const read = valueOf(readJson(path, (value) => isRecord(value) ? value : "not an object"));
  const sums = read?.["sums"];
  if (read === undefined || !isKept(sums)) return undefined;
  return read["check"] === await sha256(JSON.stringify(sums)) ? sums : undefined;
}

function isKept(value: unknown): value is KeptSums {
  return isRecord(value) && value["v"] === 1 && isText(value["stamp"]) && isText(value["zone"]) &&
    Number.isInteger(value["size"]) && isListOf(value["blocks"], isText) && isRecord(value["state"]);
}
