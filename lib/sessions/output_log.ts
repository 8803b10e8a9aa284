/**
 * A session's recorded output, kept within bounds while its writer continues.
 *
 * `output.log` grows; beyond a size its last part is copied to `output.1.log` and it is truncated in place, since the
 * writer has it open (O_APPEND: its next write lands at the new end). The very first part is kept once as
 * `output.head.log`, and the number of bytes before those in `output.1.log` in `output.cut`. Output written between
 * copy and truncation, within microseconds, is lost.
 */
import { joined } from "../text/bytes.ts";
import {
  createOnce,
  exists,
  readHeadBytes,
  readTailBytes,
  readText,
  removeFile,
  replaceFile,
  statOf,
} from "../store.ts";
import { fault, isDiskFull } from "../fault.ts";

/** Size above which `output.log` is rotated, and size of the end that is kept, bytes. */
const OUTPUT_MAX_BYTES = 10 * 1024 * 1024;
/** Size of the beginning that is kept, bytes: how the agent began, and with which warnings. */
const OUTPUT_HEAD_BYTES = 64 * 1024;

/** Rotates the `output.log` in a session's folder when it is too large; returns whether it was. */
export function rotateOutput(dir: string, maxBytes = OUTPUT_MAX_BYTES): boolean {
  const path = `${dir}/output.log`;
  if ((statOf(path)?.size ?? 0) <= maxBytes) return false;
  const head = exists(`${dir}/output.head.log`) ? undefined : readHeadBytes(path, OUTPUT_HEAD_BYTES);
  const keep = (bytes: Uint8Array) => {
    if (head !== undefined) createOnce(`${dir}/output.head.log`, head, { durable: false });
    replaceFile(`${dir}/output.1.log`, bytes, { durable: false });
  };
  const before = cutBytes(dir) + (statOf(`${dir}/output.1.log`)?.size ?? 0);
  let tail: Uint8Array = new Uint8Array();
  let size = 0;
  try {
    // Copies again when it has grown during the copy, so that the gap is as small as possible.
    for (let copied = -1, tries = 0; tries < 3 && copied !== statOf(path)?.size; tries++) {
      copied = size = statOf(path)?.size ?? 0;
      tail = readTailBytes(path, maxBytes);
      keep(tail);
    }
    truncate(path);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    // This very log may have filled the disk: only truncating it makes room for the part that is kept.
    truncate(path);
    keep(tail);
  }
  noteCut(dir, before + size - tail.length);
  return true;
}

/** Number of bytes that a session has printed before those in `output.1.log` and `output.log`. */
function cutBytes(dir: string): number {
  return Number.parseInt(readText(`${dir}/output.cut`) ?? "", 10) || 0;
}

function noteCut(dir: string, bytes: number): void {
  if (bytes > 0) replaceFile(`${dir}/output.cut`, `${bytes}\n`, { durable: false });
}

/**
 * Keeps only the beginning and the last `keepBytes` of an ended session's output; returns whether anything was
 * removed.
 */
export function trimOutput(dir: string, keepBytes: number): boolean {
  const path = `${dir}/output.log`;
  if (outputBytes(dir) <= keepBytes + OUTPUT_HEAD_BYTES) return false;
  const first = exists(`${dir}/output.1.log`) ? `${dir}/output.1.log` : path;
  if (!exists(`${dir}/output.head.log`)) {
    createOnce(`${dir}/output.head.log`, readHeadBytes(first, OUTPUT_HEAD_BYTES), { durable: false });
  }
  const mtime = statOf(path)?.mtime;
  noteCut(dir, cutBytes(dir) + tailBytes(dir) - keepBytes);
  replaceFile(path, readOutputTail(dir, keepBytes), { durable: false });
  removeFile(`${dir}/output.1.log`, { durable: false });
  if (mtime) Deno.utimeSync(path, mtime, mtime);
  return true;
}

/** Size of all recorded output of a session, bytes. */
export function outputBytes(dir: string): number {
  return tailBytes(dir) + (statOf(`${dir}/output.head.log`)?.size ?? 0);
}

function tailBytes(dir: string): number {
  return ["output.log", "output.1.log"].reduce((sum, name) => sum + (statOf(`${dir}/${name}`)?.size ?? 0), 0);
}

/** A session's output: its beginning, the bytes between that are not in `tail`, and its end. */
export interface OutputParts {
  /** Empty where `tail` begins with the beginning. */
  head: Uint8Array;
  /** Bytes that were cut as the log grew, and bytes that are kept and left out here. */
  cut: number;
  left: number;
  tail: Uint8Array;
}

/** The beginning and the last `maxBytes` of a session's output. */
export function readOutput(dir: string, maxBytes: number): OutputParts {
  const tail = readOutputTail(dir, maxBytes);
  const left = tailBytes(dir) - tail.length;
  const before = cutBytes(dir) + left;
  if (before === 0) return { head: new Uint8Array(), cut: 0, left: 0, tail };
  const first = ["output.head.log", "output.1.log", "output.log"].find((name) => exists(`${dir}/${name}`));
  const head = readHeadBytes(`${dir}/${first}`, Math.min(before, OUTPUT_HEAD_BYTES));
  const cut = Math.max(0, cutBytes(dir) - head.length);
  return { head, cut, left: before - head.length - cut, tail };
}

/** The last `maxBytes` of a session's output, across a rotation. */
export function readOutputTail(dir: string, maxBytes: number): Uint8Array {
  const last = readTailBytes(`${dir}/output.log`, maxBytes);
  if (last.length >= maxBytes) return last;
  const before = readTailBytes(`${dir}/output.1.log`, maxBytes - last.length);
  return joined([before, last]);
}

function truncate(path: string): void {
  try {
    Deno.truncateSync(path, 0);
  } catch (error) {
    throw fault("truncate", path, error);
  }
}
