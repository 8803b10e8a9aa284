/**
 * Texts that are kept only to save time: what can be derived again. A digest shows whether a text is what this program
 * has written; a text that is damaged or missing costs time, nothing else.
 */
import { quietStat, readHeadBytes, replaceFile } from "../store.ts";
import { sha256Bytes } from "../text/bytes.ts";

/** Length of the digest before the text, and of its line. */
const DIGEST_CHARS = 64;

/** The most that is kept, bytes: sums of some 100,000 workers. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Keeps a text. A full disk, or a data dir that cannot be written, keeps nothing. */
export async function keepText(path: string, text: string): Promise<void> {
  const digest = await sha256Bytes(new TextEncoder().encode(text));
  try {
    replaceFile(path, `${digest}\n${text}`, { durable: false });
  } catch {
    // It is derived again.
  }
}

/** The kept text; undefined when there is none, or when it is damaged. */
export async function keptText(path: string): Promise<string | undefined> {
  try {
    const info = quietStat(path);
    if (info === undefined || !info.isFile || info.size > MOST_BYTES) return undefined;
    const bytes = readHeadBytes(path, info.size);
    const body = bytes.slice(DIGEST_CHARS + 1);
    const digest = new TextDecoder().decode(bytes.subarray(0, DIGEST_CHARS));
    if (bytes.length === 0 || digest !== await sha256Bytes(body)) return undefined;
    return new TextDecoder().decode(body);
  } catch {
    return undefined;
  }
}
