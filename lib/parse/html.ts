/** HTML in feeds, as a line of plain text. */
import { decodeHTML } from "entities";

/** Limits of the text that is read and kept, characters. */
const MAX_READ = 8_000;
const MAX_KEPT = 1_000;

/** A text that may hold HTML as one line without tags, at most 1,000 characters. */
export function plainText(html: string): string {
  const head = html.slice(0, MAX_READ)
    .replace(/<!--[\s\S]*?-->/g, " ")
    .replace(/<(script|style)\b[^<>]*>[\s\S]*?<\/\1\s*>/gi, " ")
    .replace(/<\/?[a-z][^<>]*>/gi, " ");
  return decodeHTML(head).replace(/\s+/g, " ").trim().slice(0, MAX_KEPT);
}
