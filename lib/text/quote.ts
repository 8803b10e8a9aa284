/** Quoting for a POSIX shell. Pure. */

/** Quotes text as one word of a POSIX shell. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Matches everything that must be escaped in a text for `printf %b`; no shell gives a meaning to the rest. */
const PLAIN = /[^A-Za-z0-9_.,:=+/-]/;

/**
 * Encodes bytes as one word for `printf %b`: letters, digits and harmless signs as they are, other bytes as `\0ooo`. A
 * lone `-` stands for an empty text.
 */
export function encodeText(text: string | Uint8Array): string {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  if (bytes.length === 0) return "-";
  const parts: string[] = [];
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    // A leading `-` would be an option, or an empty text.
    const isPlain = byte < 128 && !PLAIN.test(char) && !(parts.length === 0 && char === "-");
    parts.push(isPlain ? char : `\\0${byte.toString(8).padStart(3, "0")}`);
  }
  return parts.join("");
}

/** The text that {@link encodeText} has turned into a word. */
export function decodeText(word: string): string {
  const bytes: number[] = [];
  for (const [part] of word.matchAll(/\\0[0-7]{3}|[^]/g)) {
    bytes.push(part.length > 1 ? parseInt(part.slice(2), 8) : part.charCodeAt(0));
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
