/**
 * The ledger's sums, and the workers that ran by journal and events, kept in `.cost-sums.json`, so that rows and
 * lines are read once.
 *
 * Kept sums are never taken on trust. They count for the very files from which they were made (inode, size and both
 * times the same), or for files that begin with the same bytes, by their SHA-256; lines added since are then read.
 * For any other file (edited, cut, replaced) everything is summed anew. If the sums cannot be kept, only speed is
 * lost.
 */
import { CostSum, type CostSummary, isOfDayOrLater, localDay, summaryOf } from "./cost.ts";
import { type KeptFile, KeptSums, type KeptWorker, replaced } from "./kept_sums.ts";
import type { Profile } from "../paths.ts";
import { logFiles, READ_BYTES } from "../records/journal.ts";
import { keepText, keptText } from "../records/kept.ts";
import { openToRead, quietStat, readPieces, readTailBytes, STAMP_SETTLES_MS } from "../store.ts";
import { sha256Bytes } from "../text/bytes.ts";

/** Number of bytes read in addition to kept sums from which it is worth keeping new ones. */
const KEPT_FROM_BYTES = 128 * 1024;
/** Length of a file that one digest covers, bytes. */
const BLOCK_BYTES = 1024 * 1024;
/** Days before today whose workers are named in kept sums, for a clock or a zone that is set back. */
const RECENT_DAYS = 3;
const DAY_MS = 86_400_000;

/** Everything on record: what is kept, and what was added since. */
export interface Books {
  kept: KeptSums | undefined;
  /** The rows since. */
  open: CostSum;
  /** The workers that ran, by the lines since. */
  openRan: Set<string>;
}

/** Reads what is on record, and keeps its sums when much of it is new. */
export async function readBooks(profile: Profile, nowMs: number): Promise<Books> {
  const files = recordFiles(profile);
  const stamps = files.map(({ path }) => stampOf(path, nowMs));
  const text = await keptText(profile.costSums);
  const found = text === undefined ? undefined : KeptSums.parse(text);
  const known = found === undefined ? undefined : await matched(found.head, files, stamps);
  const kept = known === undefined ? undefined : found;
  const open = new CostSum({ isContinued: (known?.[0]?.size ?? 0) > 0 });
  const openRan = new Set<string>();
  const sizes = files.map((file, n) => readOn(file, known?.[n]?.size ?? 0, open, openRan));
  const books = { kept, open, openRan };
  const added = sizes.reduce((sum, size, n) => sum + size - (known?.[n]?.size ?? 0), 0);
  if (added >= KEPT_FROM_BYTES && !stamps.includes(undefined) && !open.isOverlong) {
    const now = { zone: ownZone(), day: localDay(nowMs - RECENT_DAYS * DAY_MS) };
    const digested = await digestedFiles(files, sizes, stamps, known);
    const { sum, ran } = wholeOf(books);
    const sums = digested === undefined ? undefined : KeptSums.of(sum, ran, digested, now);
    // The bytes summed and the bytes digested are the same if no file has changed since the first look.
    const isSame = files.every(({ path }, n) => stampOf(path, nowMs) === stamps[n]);
    if (sums !== undefined && isSame) await keepText(profile.costSums, `${sums}`);
  }
  return books;
}

/**
 * The sums of everything on record, with the workers that ran; `more` ran, too. `shown` is the number of workers to
 * name, the most expensive first; the figures of a worker that is not named and has no new rows are not read.
 */
export function summaryOfAll(books: Books, more: Iterable<string> = [], shown = Infinity): CostSummary {
  const { kept, open, openRan } = books;
  open.end();
  if (kept === undefined) return slowSummary(books, more);
  // Most sessions on disk are in the logs, too.
  const ran = new Set([...openRan, ...[...more].filter((id) => !kept.hasRun(id))]);
  const ids = open.ids.union(ran);
  const known = kept.some(ids);
  const hasRun = known.filter((worker) => worker.hasRun).map(({ state: [id] }) => id);
  const before = sumOf(known).tally(hasRun);
  const after = sumOf(known).addStates(open.states()).tally(new Set([...hasRun, ...ran]));
  const all = shown === Infinity ? kept.wholeTally : kept.tally;
  const tally = replaced(all, ids, before, { ...after, skipped: open.skipped }, shown);
  return tally === undefined ? slowSummary(books, more) : summaryOf(tally);
}

function slowSummary(books: Books, more: Iterable<string>): CostSummary {
  const { sum, ran } = wholeOf(books);
  return summaryOf({ ...sum.tally(new Set([...ran, ...more])), skipped: skippedOf(books) });
}

/** The sums of today, with the workers that ran today. */
export function todaySummary(books: Books, ran: Iterable<string>, nowMs: number): CostSummary {
  const { kept, open } = books;
  const day = localDay(nowMs);
  open.end();
  const recent = kept?.head.recent;
  const isNamed = recent !== undefined && isOfDayOrLater(day, recent.day);
  const ids = recent?.last.filter(([, last]) => isOfDayOrLater(last, day)).map(([id]) => id);
  const sum = isNamed
    ? sumOf(kept?.some(new Set(ids).union(open.ids)) ?? []).addStates(open.states())
    : wholeOf(books).sum;
  return summaryOf({ ...sum.tally(ran, day), skipped: skippedOf(books) });
}

function skippedOf({ kept, open }: Books): number {
  return (kept?.tally.skipped ?? 0) + open.skipped;
}

function sumOf(workers: readonly KeptWorker[]): CostSum {
  return new CostSum().addStates(workers.map(({ state }) => state));
}

function wholeOf({ kept, open, openRan }: Books): { sum: CostSum; ran: Set<string> } {
  if (kept === undefined) return { sum: open, ran: openRan };
  const all = kept.all();
  const ran = all.filter(({ hasRun }) => hasRun).map(({ state: [id] }) => id);
  return { sum: sumOf(all).addStates(open.states()), ran: new Set([...ran, ...openRan]) };
}

// --- the files ----------------------------------------------------------------------------------------------------

/** A file of the record. */
interface RecordFile {
  log: KeptFile["log"];
  path: string;
}

/** The ledger first. */
function recordFiles(profile: Profile): RecordFile[] {
  const logs = (["journal", "events"] as const).flatMap((log) =>
    logFiles(profile, log).map((path) => ({ log, path }))
  );
  return [{ log: "cost", path: profile.cost }, ...logs];
}

/** Reads a file on from a byte; returns where its last whole line ends. */
function readOn({ log, path }: RecordFile, from: number, sum: CostSum, ran: Set<string>): number {
  if (log === "cost") return pushRows(sum, path, from);
  const size = quietStat(path)?.size ?? 0;
  const bytes = readTailBytes(path, Math.min(READ_BYTES, size - from));
  const whole = bytes.subarray(0, bytes.lastIndexOf(10) + 1);
  for (const { id } of runLines(new TextDecoder().decode(whole), log)) ran.add(id);
  return size - bytes.length + whole.length;
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

const ID_PART = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";
const RUN_LINES = {
  journal: new RegExp(`^- (\\d{4}-\\d\\d-\\d\\d) \\d\\d:\\d\\d start-worker (${ID_PART})(?: |$)`, "gm"),
  events: new RegExp(`^\\{"ts":"([^"]+)","event":"worker_(?:started|ended)","id":"(${ID_PART})"`, "gm"),
};

/** The workers that a piece of a log shows to have run, with the journal's days or the events' times. */
export function runLines(text: string, log: "journal" | "events"): { at: string; id: string }[] {
  // Whole files at a time: taken apart into lines, months would take twice as long.
  return Array.from(text.matchAll(RUN_LINES[log]), ([, at = "", id = ""]) => ({ at, id }));
}

// --- keeping ------------------------------------------------------------------------------------------------------

/** The kept entry of each file; undefined when the head was made from other files. */
async function matched(
  { zone, files: kept }: KeptSums["head"],
  files: readonly RecordFile[],
  stamps: readonly (string | undefined)[],
): Promise<(KeptFile | undefined)[] | undefined> {
  if (zone !== ownZone()) return undefined;
  const known = files.map(({ log, path }) => {
    const ino = quietStat(path)?.ino;
    return kept.find((one) => one.log === log && (log === "cost" || one.ino === ino));
  });
  if (new Set(known).difference(new Set([undefined])).size !== kept.length) return undefined;
  for (const [n, one] of known.entries()) {
    const isSame = one === undefined || one.stamp === stamps[n] || await begins(files[n]!.path, one);
    if (!isSame) return undefined;
  }
  return known;
}

/** Whether a file begins with the bytes that were summed. */
async function begins(path: string, { size, blocks }: KeptFile): Promise<boolean> {
  const found = await digests(path, 0, size);
  return found !== undefined && found.length === blocks.length && found.every((one, n) => one === blocks[n]);
}

/** The files with their digests; of those that are known, the last block may have grown. */
async function digestedFiles(
  files: readonly RecordFile[],
  sizes: readonly number[],
  stamps: readonly (string | undefined)[],
  known: readonly (KeptFile | undefined)[] | undefined,
): Promise<KeptFile[] | undefined> {
  const digested: KeptFile[] = [];
  for (const [n, { log, path }] of files.entries()) {
    const size = sizes[n] ?? 0;
    const whole = known?.[n]?.blocks.slice(0, -1) ?? [];
    const rest = await digests(path, whole.length * BLOCK_BYTES, size);
    if (rest === undefined) return undefined;
    const ino = quietStat(path)?.ino ?? 0;
    digested.push({ log, ino, size, stamp: stamps[n] ?? "", blocks: [...whole, ...rest] });
  }
  return digested;
}

/** Digests of the bytes from `from`, the beginning of a block, to `to`; undefined where the file is shorter. */
async function digests(path: string, from: number, to: number): Promise<string[] | undefined> {
  if (from >= to) return [];
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
  if (info === undefined) return "none";
  const [written, changed] = [info.mtime, info.ctime].map((time) => time?.getTime() ?? nowMs) as [
    number,
    number,
  ];
  const isSettled = Math.abs(nowMs - written) >= STAMP_SETTLES_MS &&
    Math.abs(nowMs - changed) >= CHANGE_SETTLES_MS;
  return isSettled ? `${info.ino}/${info.size}/${written}/${changed}` : undefined;
}

/** The machine's time zone by its offsets over the years: asking for its name takes 10 ms. */
function ownZone(): string {
  const offsets: number[] = [];
  for (let n = 0; n < 2 * ZONE_MONTHS; n++) {
    offsets.push(new Date(ZONE_FROM_YEAR, n >> 1, n % 2 === 0 ? 1 : 15).getTimezoneOffset());
  }
  return offsets.flatMap((offset, n) => offset === offsets[n - 1] ? [] : [`${n}:${offset}`]).join(" ");
}

/** The months that are looked at. */
const ZONE_FROM_YEAR = 2018;
const ZONE_MONTHS = 12 * 20;
