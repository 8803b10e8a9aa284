/** Joins bytes, and hashes them with SHA-256 by Web Crypto (no `node:` import on the common path). */

/** All pieces joined in order. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Known digests by text, because a pulse hashes the same policy and signals at every event. */
const known = new Map<string, string>();
const MAX_KNOWN = 500;
/** The longest text whose digest is remembered, characters; it bounds the memory of this cache. */
const MAX_KNOWN_CHARS = 4096;

/** The SHA-256 of a text's UTF-8 bytes, as 64 hex digits. */
export async function sha256(text: string): Promise<string> {
  const remembered = known.get(text);
  if (remembered !== undefined) return remembered;
  const hex = await sha256Bytes(new TextEncoder().encode(text));
  if (text.length <= MAX_KNOWN_CHARS) {
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(text, hex);
  }
  return hex;
}

/** The SHA-256 of bytes, as 64 hex digits. */
export async function sha256Bytes(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
