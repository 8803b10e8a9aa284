/**
 * A session's recorded output: bounded while its writer goes on.
 *
 * `output.log` grows; beyond a size its last part is copied to `output.1.log` and it is truncated in place, since
 * the writer has it open (O_APPEND: its next write lands at the new end). The very first part is kept once as
 * `output.head.log`. What is written between copy and truncation, microseconds, is lost.
 */
import { joined } from "../text/bytes.ts";
import {
  createOnce,
  exists,
  readHeadBytes,
  readTailBytes,
  removeFile,
  replaceFile,
  statOf,
} from "../store.ts";
import { fault, isDiskFull } from "../fault.ts";

/** `output.log` is put aside when it is larger, and this much of its end is kept. */
const OUTPUT_MAX_BYTES = 10 * 1024 * 1024;
/** How much of the beginning is kept: how the agent began, and with which warnings. */
const OUTPUT_HEAD_BYTES = 64 * 1024;

/** Puts `output.log` of a session's folder aside when it is too large; says whether it was. */
export function rotateOutput(dir: string, maxBytes = OUTPUT_MAX_BYTES): boolean {
  const path = `${dir}/output.log`;
  if ((statOf(path)?.size ?? 0) <= maxBytes) return false;
  const head = exists(`${dir}/output.head.log`) ? undefined : readHeadBytes(path, OUTPUT_HEAD_BYTES);
  const keep = (bytes: Uint8Array) => {
    if (head !== undefined) createOnce(`${dir}/output.head.log`, head, { durable: false });
    replaceFile(`${dir}/output.1.log`, bytes, { durable: false });
  };
  let tail: Uint8Array = new Uint8Array();
  try {
    // Once more when it has grown during the copy, so that the gap is as small as can be.
    for (let copied = -1, tries = 0; tries < 3 && copied !== statOf(path)?.size; tries++) {
      copied = statOf(path)?.size ?? 0;
      tail = readTailBytes(path, maxBytes);
      keep(tail);
    }
    truncate(path);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    // It may be this very log that has filled the disk: only cutting it makes the room for what is kept of it.
    truncate(path);
    keep(tail);
  }
  return true;
}

/** Keeps only the beginning and the last `keepBytes` of an ended session's output; says whether that was less. */
export function trimOutput(dir: string, keepBytes: number): boolean {
  const path = `${dir}/output.log`;
  if (outputBytes(dir) <= keepBytes + OUTPUT_HEAD_BYTES) return false;
  const first = exists(`${dir}/output.1.log`) ? `${dir}/output.1.log` : path;
  if (!exists(`${dir}/output.head.log`)) {
    createOnce(`${dir}/output.head.log`, readHeadBytes(first, OUTPUT_HEAD_BYTES), { durable: false });
  }
  const mtime = statOf(path)?.mtime;
  replaceFile(path, readOutputTail(dir, keepBytes), { durable: false });
  removeFile(`${dir}/output.1.log`, { durable: false });
  if (mtime) Deno.utimeSync(path, mtime, mtime);
  return true;
}

/** Size of everything recorded of a session's output, bytes. */
export function outputBytes(dir: string): number {
  return ["output.log", "output.1.log", "output.head.log"].reduce(
    (sum, name) => sum + (statOf(`${dir}/${name}`)?.size ?? 0),
    0,
  );
}

/** The last `maxBytes` of a session's output, across what was put aside. */
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
