/**
 * Turns bytes as services send them into text: compressed without being asked, in the encoding they declare or in
 * another.
 */
import { joined } from "../text/bytes.ts";

/** Largest size of a document once unpacked, bytes: a few kilobytes of gzip can hold gigabytes. */
const MAX_UNPACKED = 64 * 1024 * 1024;

/** Thrown for bytes that are not text, with the reason. */
export class Undecodable extends Error {
  override name = "Undecodable";
}

/**
 * The text of a document.
 *
 * A byte order mark decides first. Valid UTF-8 is taken as such, whatever is declared: no other text of more than a
 * few letters is valid UTF-8 by chance. Next come `charset` (from an HTTP header, for example) and the XML
 * declaration; bytes that fit none of these are read as Windows-1252, the default of web pages that declare nothing.
 *
 * @throws {Undecodable} when it is compressed and damaged, or larger than 64 MB once unpacked.
 */
export async function decodeDocument(bytes: Uint8Array<ArrayBuffer>, charset?: string): Promise<string> {
  const plain = await unpacked(bytes);
  const marked = markedEncoding(plain);
  if (marked !== undefined) return strip(decode(plain, marked) ?? "");
  const declared = [charset, declaredEncoding(plain)].filter((label) => label !== undefined);
  const first = declared.filter((label) => isSevenBit(label) && plain.includes(ESCAPE));
  for (const label of [...first, "utf-8"]) {
    const text = decode(plain, label);
    if (text !== undefined) return strip(text);
  }
  const mended = decode(withWholeLetters(plain), "utf-8");
  if (mended !== undefined) return strip(mended);
  for (const label of declared) {
    const text = decode(plain, label);
    if (text !== undefined) return strip(text);
  }
  return strip(new TextDecoder("windows-1252").decode(plain));
}

async function unpacked(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))) {
      size += part.length;
      if (size > MAX_UNPACKED) break;
      parts.push(part);
    }
  } catch {
    throw new Undecodable("it is compressed by gzip and damaged or cut off");
  }
  if (size > MAX_UNPACKED) throw new Undecodable("unpacked it is larger than 64 MB");
  return joined(parts);
}

/**
 * The encoding shown by a byte order mark, or by the zero bytes beside the first two letters where there is no mark.
 */
function markedEncoding([a, b, c, d]: Uint8Array): string | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return "utf-8";
  if ((a === 0xff && b === 0xfe) || (a && b === 0 && c && d === 0)) return "utf-16le";
  if ((a === 0xfe && b === 0xff) || (a === 0 && b && c === 0 && d)) return "utf-16be";
  return undefined;
}

/** Distance from the start within which an XML declaration is looked for, bytes. */
const DECLARATION_BYTES = 200;

function declaredEncoding(bytes: Uint8Array): string | undefined {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, DECLARATION_BYTES));
  return /^\s*<\?xml[^>]*\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(head)?.[1];
}

const ESCAPE = 0x1b;

/** Whether text in this encoding is also valid UTF-8, as all its bytes are below 128. */
function isSevenBit(label: string): boolean {
  return /^iso-2022/i.test(label);
}

function decode(bytes: Uint8Array, label: string): string | undefined {
  try {
    return new TextDecoder(label, { fatal: !/^utf-16/.test(label) }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Control characters that no text has and that stop some parsers. */
// deno-lint-ignore no-control-regex -- it removes them
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g;

function strip(text: string): string {
  return text.replace(CONTROLS, "");
}

const [CR, LF, SPACE, TAB] = [13, 10, 32, 9];

/**
 * Rejoins letters that a calendar's folding split: lines are folded by bytes (RFC 5545, 3.1), and some writers count
 * so strictly that one letter's bytes end up on two lines. Line numbers stay the same.
 */
function withWholeLetters(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  for (let at = 1; at < out.length; at++) {
    const lineEnd = out[at] === LF && (out[at + 1] === SPACE || out[at + 1] === TAB);
    if (!lineEnd || !isContinuation(out[at + 2])) continue;
    const foldStart = out[at - 1] === CR ? at - 1 : at;
    let rest = at + 2;
    while (isContinuation(out[rest])) rest++;
    const fold = out.slice(foldStart, at + 2);
    out.copyWithin(foldStart, at + 2, rest);
    out.set(fold, rest - fold.length);
    at = rest;
  }
  return out;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
