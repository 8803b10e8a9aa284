/** HTML in feeds, as a line of plain text. */
import { decodeHTML } from "entities";

/** How much of a text is read, and kept, in characters. */
const MAX_READ = 8_000;
const MAX_KEPT = 1_000;

/** A text that may hold HTML without its tags, on one line, its first 1,000 characters. */
export function plainText(html: string): string {
  const head = html.slice(0, MAX_READ)
    .replace(/<!--[\s\S]*?-->/g, " ")
    .replace(/<(script|style)\b[^<>]*>[\s\S]*?<\/\1\s*>/gi, " ")
    .replace(/<\/?[a-z][^<>]*>/gi, " ");
  return decodeHTML(head).replace(/\s+/g, " ").trim().slice(0, MAX_KEPT);
}
