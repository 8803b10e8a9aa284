/** The entries of a feed: RSS 0.9 to 2.0, RDF, Atom and JSON Feed, read by a library. */
import { parseFeed as parseWhole } from "feedsmith";
import type { Bad } from "./bad.ts";
import { plainText } from "./html.ts";

/** One entry of a feed, whatever the format of the feed. Parts that it does not have are "". */
export interface FeedEntry {
  /** An id unique within the feed: the entry's own, else its link, its title or its text. */
  id: string;
  title: string;
  link: string;
  /** ISO 8601 in UTC; a date without a time, or one that cannot be read, stays as written. */
  date: string;
  /** The beginning of its text, without markup. */
  text: string;
}

/** A feed's content. */
export interface FeedReading {
  format: "rss" | "rdf" | "atom" | "json";
  title: string;
  /** Newest first when entries have dates, else in the feed's order. */
  entries: FeedEntry[];
  bad: Bad[];
}

type Format = FeedReading["format"];
/** The library's view of a feed or an entry: its parts by name. */
type Parts = Readonly<Record<string, unknown>>;

/**
 * Reads a feed. An entry that cannot be understood is left out alone and listed in `bad`, and so is a missing end.
 *
 * @returns Undefined when the text is not a feed at all.
 */
export async function parseFeed(text: string): Promise<FeedReading | undefined> {
  const found = text.trimStart().startsWith("{") ? await readJson(text) : readXml(text);
  if (found === undefined) return undefined;
  const { format, feed, items, bad } = found;
  const base = linkOf(feed, format);
  return {
    format,
    title: plainText(string(feed["title"])),
    entries: newestFirst(distinct(items.map((item) => entryOf(item, format, base)))),
    bad,
  };
}

/** A feed as the library returns it. */
interface Found {
  format: Format;
  feed: Parts;
  items: Parts[];
  bad: Bad[];
}

function attempt(document: string): Omit<Found, "bad"> | undefined {
  try {
    const { format, feed } = parseWhole(document) as { format: string; feed: Parts };
    if (format !== "rss" && format !== "rdf" && format !== "atom" && format !== "json") return undefined;
    return { format, feed, items: list(feed[format === "atom" ? "entries" : "items"]) as Parts[] };
  } catch {
    return undefined;
  }
}

async function readJson(text: string): Promise<Found | undefined> {
  const whole = attempt(text);
  if (whole === undefined) return undefined;
  const { items: all = [], ...feed } = JSON.parse(text) as { items?: unknown[] };
  if (!Array.isArray(all) || all.length === whole.items.length) return { ...whole, bad: [] };
  // The library drops anything that is not an entry; trying each one alone shows which.
  const { findNodeAtLocation, parseTree } = await import("jsonc-parser");
  const tree = parseTree(text);
  const toLine = lineCounter(text);
  const items: Parts[] = [];
  const bad: Bad[] = [];
  for (const [n, item] of all.entries()) {
    const alone = attempt(JSON.stringify({ ...feed, items: [item] }))?.items[0];
    const offset = tree && findNodeAtLocation(tree, ["items", n])?.offset;
    if (alone !== undefined) items.push(alone);
    else bad.push({ line: toLine(offset ?? 0), reason: `entry ${n + 1} of ${all.length} has nothing in it` });
  }
  return { ...whole, items, bad };
}

const ROOT = /<(?:[\w.-]+:)?(rss|rdf|feed)(?=[\s>])[^>]*>/i;

function readXml(text: string): Found | undefined {
  const root = ROOT.exec(text);
  if (root === null) return undefined;
  const bad = missingEnd(text, root[1]!);
  const tag = root[1]!.toLowerCase() === "feed" ? "entry" : "item";
  const whole = attempt(text);
  const begun = text.match(new RegExp(`<(?:[\\w.-]+:)?${tag}(?=[\\s/>])`, "gi"))?.length ?? 0;
  if (whole?.items.length === begun) return { ...whole, bad };
  return readEach(text, root[0], tag, bad);
}

/** An answer that was cut off on its way has no end tag. */
function missingEnd(text: string, root: string): Bad[] {
  const end = text.slice(-END_CHARS).match(/<\/(?:[\w.-]+:)?(rss|rdf|feed)\s*>/i);
  return end !== null
    ? []
    : [{ line: lineCounter(text)(text.length), reason: `the file ends before </${root}>` }];
}

/** Distance from the end of a file within which the end of its feed is looked for, characters. */
const END_CHARS = 4096;

/** Reads entry by entry, so that a fault in one does not affect the others. */
function readEach(text: string, root: string, tag: string, bad: Bad[]): Found | undefined {
  const { slices, unclosed } = slicesOf(text, tag);
  const toLine = lineCounter(text);
  const first = slices[0]?.from ?? unclosed ?? text.length;
  const { open, close } = frameOf(text.slice(0, first), root);
  const head = attempt(text.slice(0, first) + close) ?? attempt(`${open}<title>-</title>${close}`);
  if (head === undefined && slices.length === 0) return undefined;
  const found: Found = { format: "rss", feed: {}, ...head, items: [], bad };
  const read = (group: readonly Slice[]) => {
    const whole = attempt(open + group.map(({ from, to }) => text.slice(from, to)).join("") + close);
    if (whole?.items.length === group.length) {
      found.format = whole.format;
      for (const item of whole.items) found.items.push(item);
    } else if (group.length > 1) {
      // Reads halves, because a call of the library costs more than an entry, and most entries are good.
      read(group.slice(0, group.length >> 1));
      read(group.slice(group.length >> 1));
    } else {
      const [{ from, to }] = group as [Slice];
      const said = plainText(text.slice(from, to)).slice(0, 60);
      bad.push({ line: toLine(from), reason: `<${tag}> is empty or not well-formed: "${said}"` });
    }
  };
  if (slices.length > 0) read(slices);
  if (unclosed !== undefined) bad.push({ line: toLine(unclosed), reason: `<${tag}> has no end` });
  return { ...found, bad: bad.toSorted((a, b) => a.line - b.line) };
}

/** The text around an entry, with the prefixes that it may use. In RSS the channel is inside the root. */
function frameOf(head: string, root: string): { open: string; close: string } {
  const channel = /<(?:[\w.-]+:)?channel(?=[\s>])[^>]*>/i.exec(head)?.[0] ?? "<channel>";
  const tags = /^<(?:[\w.-]+:)?rss/i.test(root) ? [root, channel] : [root];
  const close = tags.toReversed().map((tag) => `</${/^<([^\s>]+)/.exec(tag)![1]}>`);
  return { open: tags.join(""), close: close.join("") };
}

/** The place of an entry in the text. */
interface Slice {
  from: number;
  to: number;
}

/** The places of the entries in the text. Text in comments and CDATA is not a tag. */
function slicesOf(text: string, tag: string): { slices: Slice[]; unclosed?: number } {
  const edge = new RegExp(`<(/?)(?:[\\w.-]+:)?${tag}(?=[\\s/>])[^<>]*?(/?)>`, "iy");
  const slices: Slice[] = [];
  let open: number | undefined;
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    const skipped = skip(text, at, "<!--", "-->") ?? skip(text, at, "<![CDATA[", "]]>");
    if (skipped !== undefined) {
      at = skipped;
      continue;
    }
    edge.lastIndex = at;
    const [whole = "<", isEnd, isEmpty] = edge.exec(text) ?? [];
    if (isEnd === "/" && open !== undefined) {
      slices.push({ from: open, to: at + whole.length });
      open = undefined;
    } else if (isEmpty === "/") slices.push({ from: at, to: at + whole.length });
    else if (isEnd === "" && open === undefined) open = at;
    at += whole.length;
  }
  return { slices, ...(open === undefined ? {} : { unclosed: open }) };
}

/** The end of the section that begins here with `start`; the end of the text when it is not closed. */
function skip(text: string, at: number, start: string, end: string): number | undefined {
  if (!text.startsWith(start, at)) return undefined;
  const found = text.indexOf(end, at + start.length);
  return found < 0 ? text.length : found + end.length;
}

/** Returns a function that gives the line of a place; places must be asked for in the text's order. */
function lineCounter(text: string): (at: number) => number {
  let line = 1;
  let next = text.indexOf("\n");
  return (at) => {
    for (; next >= 0 && next < at; next = text.indexOf("\n", next + 1)) line++;
    return line;
  };
}

function entryOf(item: Parts, format: Format, base: string): FeedEntry {
  const atom = record(item["atom"]);
  const isText = format === "atom" && record(item["title"])["type"] === undefined;
  const title = isText
    ? flat(string(item["title"]))
    : plainText(firstOf(item["title"], at(item, "dc", "titles")));
  const link = absolute(linkOf(item, format), base);
  const text = plainText(
    firstOf(
      item["description"],
      item["summary"],
      item["content_text"],
      item["content_html"],
      at(item, "content", "encoded"),
      item["content"],
      at(item, "media", "description"),
    ),
  );
  const id = firstOf(item["guid"], item["id"], at(item, "rdf", "about"), link, title, text);
  const date = firstOf(
    item["published"],
    item["pubDate"],
    item["date_published"],
    at(item, "dc", "dates"),
    at(item, "dcterms", "issued"),
    at(item, "dcterms", "created"),
    atom["published"],
    item["updated"],
    item["date_modified"],
    atom["updated"],
    at(item, "dcterms", "modified"),
  );
  return { id: flat(id) || "untitled", title, link, date: dateText(date), text };
}

/** The page of an entry or a feed: not its source, its replies or its enclosures. */
function linkOf(parts: Parts, format: Format): string {
  const links = [...list(parts["links"]), ...list(record(parts["atom"])["links"])].map(record)
    .filter(({ rel }) => rel === undefined || rel === "alternate");
  const guid = record(parts["guid"]);
  const permalink = guid["isPermaLink"] !== false && /^https?:/.test(string(guid)) ? string(guid) : "";
  return firstOf(
    format === "json" ? parts["url"] ?? parts["external_url"] ?? parts["home_page_url"] : parts["link"],
    links[0]?.["href"],
    permalink,
  );
}

function absolute(link: string, base: string): string {
  if (link === "" || /^[a-z][a-z0-9+.-]*:/i.test(link)) return link;
  return URL.parse(link, base)?.href ?? link;
}

/** Makes ids unique where a feed's entries share one or have none: a distinguishing part is added. */
function distinct(entries: readonly FeedEntry[]): FeedEntry[] {
  const byId = Map.groupBy(entries, ({ id }) => id);
  const shared = (entry: FeedEntry) =>
    byId.get(entry.id)!.some(({ link, title, date }) =>
      link !== entry.link || title !== entry.title || date !== entry.date
    );
  return entries.map((entry) => {
    if (!shared(entry)) return entry;
    const parts = [entry.link, entry.title, entry.date].filter((part) => part !== "" && part !== entry.id);
    return { ...entry, id: [entry.id, ...parts].join(" ") };
  });
}

/** Sorts newest first. An entry without a date stays beside the one before it. */
function newestFirst(entries: readonly FeedEntry[]): FeedEntry[] {
  let time = Infinity;
  const timed = entries.map((entry) => {
    const own = /^\d{4}-/.test(entry.date) ? Date.parse(entry.date) : NaN;
    if (!Number.isNaN(own)) time = own;
    return { entry, time };
  });
  return timed.toSorted((a, b) => a.time === b.time ? 0 : b.time - a.time).map(({ entry }) => entry);
}

/** Zones used in RFC 822 dates that the runtime does not know. */
const ZONES: Readonly<Record<string, string>> = {
  BST: "+0100",
  CET: "+0100",
  CEST: "+0200",
  EET: "+0200",
  EEST: "+0300",
  JST: "+0900",
  KST: "+0900",
  MSK: "+0300",
  UT: "+0000",
  WEST: "+0100",
  WET: "+0000",
};

/** Forms that certainly name a day; the runtime would read a date into any text with a number. */
const DATED =
  /^\d{4}-\d{2}-\d{2}[T ]\d|\b\d{1,2}[ -][a-z]{3,9}[ -]\d{2,4}\b|[a-z]{3,9}\.? \d{1,2},? \d{4}\b/i;

function dateText(text: string): string {
  const written = flat(text);
  if (!DATED.test(written)) return written;
  const named = written.replace(/\b[A-Z]{2,4}$/, (zone) => ZONES[zone] ?? zone);
  // A time without a zone is taken as UTC, so that a feed reads the same on every machine.
  const zoned = /\d:\d{2}(:\d{2}(\.\d+)?)?$/.test(named)
    ? `${named}${/^\d{4}-/.test(named) ? "Z" : " GMT"}`
    : named;
  const time = Date.parse(zoned);
  return Number.isNaN(time) ? written : new Date(time).toISOString().replace(".000", "");
}

/** The text on one line. */
function flat(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function firstOf(...values: unknown[]): string {
  return values.map(string).find((text) => text.trim() !== "") ?? "";
}

/** A part's text: its own, its `value`'s, or that of the first of several. */
function string(part: unknown): string {
  if (typeof part === "string") return part;
  if (typeof part === "number") return String(part);
  if (Array.isArray(part)) return string(part[0]);
  const { value, term } = record(part);
  return value === undefined && term === undefined ? "" : string(value ?? term);
}

function at(parts: Parts, ...names: string[]): unknown {
  return names.reduce<unknown>((inner, name) => record(inner)[name], parts);
}

function record(value: unknown): Parts {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Parts : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
