/** The ledger `cost.jsonl`: one row a call, their sums by day, kind, runner and worker, and how people see them. Pure. */
import { UsageError } from "./errors.ts";
import { bar, pad, sanitizeLine, styler, table, wrap } from "./style.ts";

/** One line of the ledger. */
export interface CostRow {
  v?: number;
  /** When, in ms since 1970. On disk: ISO-8601 UTC with seconds, or a number of unix seconds. */
  tsMs: number;
  /** What was paid for, e.g. `session`. */
  kind: string;
  /** Whose spend it is: a worker's id. */
  id: string;
  runner: string;
  costUsd: number;
  /** `runner` when looop read it from the runner's own records; absent when the agent reported it itself. */
  source?: string;
  tokens?: unknown;
  /** Which use of the id it belongs to: a worker's run, or a part of a root agent's session. */
  gen?: string;
  /** The tokens are known but not their price: `costUsd` is 0, and self-reports of the session count. */
  unpriced?: true;
}

/** The row as one line without its line end, in the fixed shape that {@linkcode parseRow} reads fastest. */
export function formatRow(row: CostRow): string {
  const ts = `${new Date(row.tsMs).toISOString().slice(0, 19)}Z`;
  const { kind, id, runner, source, tokens, gen, unpriced } = row;
  return JSON.stringify({ v: 1, ts, kind, id, runner, cost_usd: row.costUsd, source, tokens, gen, unpriced });
}

/** The words of a row in the shape we write, without escapes, so that they need no unescaping. */
const OWN_WORDS =
  // deno-lint-ignore no-control-regex -- a control character would need an escape
  /^"kind":"[^"\\\x00-\x1f]*","id":"[^"\\\x00-\x1f]*","runner":"[^"\\\x00-\x1f]*"$/;

/** Reads one line; `undefined` when it is torn, foreign, or its amount is not a sum of money. */
export function parseRow(line: string): CostRow | undefined {
  const value = parseObject(line);
  if (value === undefined) return undefined;
  const { v, ts, kind, id, runner, cost_usd: costUsd, source, tokens, gen, unpriced } = value;
  const tsMs = typeof ts === "number" ? ts * 1000 : typeof ts === "string" ? Date.parse(ts) : NaN;
  if (!isTime(tsMs) || typeof costUsd !== "number" || !isAmount(costUsd)) return undefined;
  if (typeof kind !== "string" || typeof id !== "string" || typeof runner !== "string") return undefined;
  const row: CostRow = { tsMs, kind, id, runner, costUsd };
  if (typeof v === "number") row.v = v;
  if (typeof source === "string") row.source = source;
  if (tokens !== undefined) row.tokens = tokens;
  if (typeof gen === "string") row.gen = gen;
  if (unpriced === true) row.unpriced = true;
  return row;
}

/** Whether a Date can hold it. */
function isTime(ms: number): boolean {
  return Math.abs(ms) <= 8.64e15;
}

function isAmount(usd: number): boolean {
  return Number.isFinite(usd) && usd >= 0;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // a torn or foreign line counts for nothing; its reader counts it as skipped
  }
}

/** An amount of money and the rows it is the sum of. */
export interface Amount {
  usd: number;
  calls: number;
}

/** Sums of a ledger. Groups are sorted by what they cost, days by date. */
export interface CostSummary {
  total: Amount;
  byDay: (Amount & { day: string })[];
  byKind: (Amount & { name: string })[];
  byRunner: (Amount & { name: string })[];
  byWorker: (Amount & { name: string })[];
  /** Rows that are in the sums; and self-reports that are not, as the runner's own figure of that session is. */
  counted: number;
  superseded: Amount;
  /** Lines that are no rows. */
  skippedLines: number;
  /** Present when the workers that ran are known: how many, and who of them has no row. */
  coverage?: { ran: number; withoutCost: string[] };
}

/** What is summed. */
export interface CostScope {
  /** Only rows from this moment on. */
  sinceMs?: number;
  /** The day that a moment belongs to, `YYYY-MM-DD`; of the machine's time zone unless given. */
  dayOf?: (ms: number) => string;
}

/** The day in the machine's time zone, `YYYY-MM-DD`. */
export function localDay(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** When the day that `nowMs` belongs to began, in the machine's time zone. */
export function startOfLocalDay(nowMs: number): number {
  return new Date(nowMs).setHours(0, 0, 0, 0);
}

/** A row is a few hundred bytes; what has no line end for this long is none. */
const MAX_LINE = 1 << 16;
/** Every time zone of today is offset by whole quarters, so a quarter of an hour lies within one local day. */
const QUARTER_MS = 900_000;
/** Quarters whose day is remembered at once. */
const MAX_QUARTERS = 50_000;
/** One worker's spend of one kind by one runner. */
interface Account {
  kind: string;
  id: string;
  runner: string;
  /** Amounts that count in any case, by day. */
  sure: Map<string, Amount>;
  /** What a session said of itself: counts unless the runner says it too, maybe in a later row. */
  selfReports: Map<string, Amount>;
}

/** Sums a ledger that is handed in piece by piece; its memory grows with workers and days, not with rows. */
export class CostSum {
  readonly #sinceMs: number;
  readonly #dayOf: (ms: number) => string;
  readonly #days = new Map<number, string>();
  /** By the words of a row as they stand in the ledger. */
  readonly #accounts = new Map<string, Account>();
  readonly #idsWithRunnerRow = new Set<string>();
  /** The same accounts by a hash of the words' bytes, for the rows of our own shape. */
  readonly #byHash = new Map<number, { words: Uint8Array; account: Account }[]>();
  readonly #own = new OwnRow();
  readonly #decoder = new TextDecoder();
  #rest = new Uint8Array();
  #overlong = false;
  #skipped = 0;

  constructor({ sinceMs = -Infinity, dayOf = localDay }: CostScope = {}) {
    this.#sinceMs = sinceMs;
    this.#dayOf = dayOf;
  }

  /** Takes the next bytes of the file; a row may be torn between two calls. */
  push(chunk: Uint8Array): void {
    let from = 0;
    if (this.#rest.length > 0 || this.#overlong) {
      const end = chunk.indexOf(10);
      this.#keep(chunk.subarray(0, end < 0 ? chunk.length : end));
      if (end < 0) return;
      this.#endLine();
      from = end + 1;
    }
    for (let end = chunk.indexOf(10, from); end >= 0; end = chunk.indexOf(10, from)) {
      this.#pushBytes(chunk, from, end);
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  #keep(bytes: Uint8Array): void {
    if (this.#overlong || bytes.length === 0) return;
    const rest = new Uint8Array(this.#rest.length + bytes.length);
    rest.set(this.#rest);
    rest.set(bytes, this.#rest.length);
    this.#rest = rest;
    if (rest.length > MAX_LINE) this.#dropRest();
  }

  #endLine(): void {
    const rest = this.#rest;
    this.#rest = new Uint8Array();
    if (!this.#overlong) this.#pushBytes(rest, 0, rest.length);
    this.#overlong = false;
  }

  /** Takes one line; almost all have our own shape, and those are read without making a text of them. */
  #pushBytes(bytes: Uint8Array, from: number, end: number): void {
    const own = this.#own;
    if (own.parse(bytes, from, end)) {
      const account = this.#accountOf(bytes, own);
      if (account !== undefined) return this.#count(account, own.tsMs, own.usd, own.source);
    }
    this.pushLine(this.#decoder.decode(bytes.subarray(from, end)));
  }

  /** The account of a row's words; undefined when they are not what they seem. */
  #accountOf(bytes: Uint8Array, { wordsFrom, wordsEnd, hash }: OwnRow): Account | undefined {
    const bucket = this.#byHash.get(hash);
    const known = bucket?.find(({ words }) => equalAt(bytes, wordsFrom, wordsEnd, words));
    if (known !== undefined) return known.account;
    const words = bytes.slice(wordsFrom, wordsEnd);
    const text = this.#decoder.decode(words);
    if (!OWN_WORDS.test(text)) return undefined;
    const account = this.#account(text);
    if (bucket === undefined) this.#byHash.set(hash, [{ words, account }]);
    else bucket.push({ words, account });
    return account;
  }

  /** Takes one line, without its line end. */
  pushLine(line: string): void {
    const row = parseRow(line);
    if (row !== undefined) this.add(row);
    else if (line.trim() !== "") this.#skipped++;
  }

  /** Takes one row. */
  add({ tsMs, kind, id, runner, costUsd, source, unpriced }: CostRow): void {
    if (!isTime(tsMs) || !isAmount(costUsd)) {
      this.#skipped++;
      return;
    }
    const account = this.#account(JSON.stringify({ kind, id, runner }).slice(1, -1));
    this.#count(account, tsMs, costUsd, source, unpriced);
  }

  #count(account: Account, tsMs: number, usd: number, source: string | undefined, unpriced = false): void {
    if (source === "runner" && !unpriced) this.#idsWithRunnerRow.add(account.id);
    if (tsMs < this.#sinceMs) return;
    const byDay = source === undefined && account.kind === "session" ? account.selfReports : account.sure;
    const day = this.#day(tsMs);
    const amount = byDay.get(day);
    if (amount === undefined) byDay.set(day, { usd, calls: 1 });
    else {
      amount.usd += usd;
      amount.calls++;
    }
  }

  #account(words: string): Account {
    let account = this.#accounts.get(words);
    if (account === undefined) {
      account = { ...JSON.parse(`{${words}}`), sure: new Map(), selfReports: new Map() } as Account;
      this.#accounts.set(words, account);
    }
    return account;
  }

  /** The sums so far; a last row without line end counts if it is whole. `ranIds`: every worker that ran. */
  summary(ranIds?: Iterable<string>): CostSummary {
    this.#endLine();
    const groups = new Groups();
    const superseded = { usd: 0, calls: 0 };
    for (const account of this.#accounts.values()) {
      for (const [day, amount] of account.sure) groups.add(account, day, amount);
      for (const [day, amount] of account.selfReports) {
        if (this.#idsWithRunnerRow.has(account.id)) addTo(superseded, amount);
        else groups.add(account, day, amount);
      }
    }
    return groups.summary(superseded, this.#skipped, ranIds);
  }

  #dropRest(): void {
    if (!this.#overlong) this.#skipped++;
    this.#overlong = true;
    this.#rest = new Uint8Array();
  }

  #day(ms: number): string {
    const quarter = Math.floor(ms / QUARTER_MS);
    let day = this.#days.get(quarter);
    if (day === undefined) {
      if (this.#days.size >= MAX_QUARTERS) this.#days.clear();
      this.#days.set(quarter, day = this.#dayOf(ms));
    }
    return day;
  }
}

const encoder = new TextEncoder();
const BEFORE_TIME = encoder.encode('{"v":1,"ts":"');
const TIME = "2026-06-01T12:00:00Z".length;
const BEFORE_AMOUNT = encoder.encode(',"cost_usd":');
const BY_RUNNER = encoder.encode(',"source":"runner"');
/** Quotes around three keys and their values. */
const QUOTES = 12;
const QUOTE = 34, COMMA = 44, DOT = 46, ZERO = 48, BACKSLASH = 92, BRACE = 125;
/** So many digits are whole in a double, and so are the powers of ten up to there: the quotient is exact. */
const EXACT_DIGITS = 15;
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, n) => 10 ** n);

/**
 * One row of exactly the shape that {@linkcode formatRow} gives, read from bytes with nothing allocated: a ledger
 * of a million rows is summed in about a second even where the garbage collector is held short.
 */
class OwnRow {
  tsMs = 0;
  usd = 0;
  source: "runner" | undefined = undefined;
  /** Where the words stand, and a hash of them. */
  wordsFrom = 0;
  wordsEnd = 0;
  hash = 0;

  /** Reads the line `from` to `end`; false when it is of another shape, be it good or bad. */
  parse(bytes: Uint8Array, from: number, end: number): boolean {
    const timeAt = from + BEFORE_TIME.length;
    const wordsFrom = timeAt + TIME + 2;
    if (wordsFrom >= end || !startsWith(bytes, from, BEFORE_TIME) || !this.#time(bytes, timeAt)) return false;
    if (bytes[wordsFrom - 2] !== QUOTE || bytes[wordsFrom - 1] !== COMMA) return false;
    return this.#words(bytes, wordsFrom, end) && startsWith(bytes, this.wordsEnd, BEFORE_AMOUNT) &&
      this.#amount(bytes, this.wordsEnd + BEFORE_AMOUNT.length, end);
  }

  #time(bytes: Uint8Array, at: number): boolean {
    const year = two(bytes, at) * 100 + two(bytes, at + 2);
    const month = two(bytes, at + 5), day = two(bytes, at + 8);
    const hour = two(bytes, at + 11), minute = two(bytes, at + 14), second = two(bytes, at + 17);
    if (!(year >= 1000 && month >= 1 && month <= 12 && day >= 1 && day <= 28)) {
      return this.#lateDay(bytes, at);
    }
    if (!(hour <= 23 && minute <= 59 && second <= 59)) return false;
    this.tsMs = Date.UTC(year, month - 1, day, hour, minute, second);
    return isPunctuated(bytes, at);
  }

  /** Days from the 29th on are not in every month: left to Date.parse, which knows. */
  #lateDay(bytes: Uint8Array, at: number): boolean {
    this.tsMs = Date.parse(String.fromCharCode(...bytes.subarray(at, at + TIME)));
    return !Number.isNaN(this.tsMs) && isPunctuated(bytes, at);
  }

  #words(bytes: Uint8Array, from: number, end: number): boolean {
    let hash = 0x811c9dc5;
    let at = from;
    for (let quotes = 0; quotes < QUOTES; at++) {
      const byte = bytes[at]!;
      if (at >= end || byte === BACKSLASH || byte < 32) return false;
      if (byte === QUOTE) quotes++;
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    this.wordsFrom = from;
    this.wordsEnd = at;
    this.hash = hash >>> 2;
    return true;
  }

  #amount(bytes: Uint8Array, from: number, end: number): boolean {
    let digits = 0, value = 0, dot = -1, at = from;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === DOT && dot < 0 && digits > 0) dot = digits;
      else if (byte >= ZERO && byte <= ZERO + 9) {
        value = value * 10 + byte - ZERO;
        digits++;
      } else break;
    }
    const decimals = dot < 0 ? 0 : digits - dot;
    if (digits === 0 || digits > EXACT_DIGITS || (dot >= 0 && decimals === 0)) return false;
    if (bytes[from] === ZERO && (dot < 0 ? digits : dot) > 1) return false; // no number of JSON
    this.usd = value / POWERS[decimals]!;
    const byRunner = startsWith(bytes, at, BY_RUNNER);
    this.source = byRunner ? "runner" : undefined;
    if (byRunner) at += BY_RUNNER.length;
    return at === end - 1 && bytes[at] === BRACE;
  }
}

/** Two digits as a number; NaN when they are none. */
function two(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - ZERO, ones = bytes[at + 1]! - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}

/** Whether a time's separators are where they belong: `-`, `-`, `T`, `:`, `:`, `Z`. */
function isPunctuated(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 4] === 45 && bytes[at + 7] === 45 && bytes[at + 10] === 84 && bytes[at + 13] === 58 &&
    bytes[at + 16] === 58 && bytes[at + 19] === 90;
}

function startsWith(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}

function equalAt(bytes: Uint8Array, from: number, end: number, part: Uint8Array): boolean {
  return end - from === part.length && startsWith(bytes, from, part);
}

function addTo(sum: Amount, amount: Amount): void {
  sum.usd += amount.usd;
  sum.calls += amount.calls;
}

/** The sums of a summary while they are made. */
class Groups {
  readonly #total: Amount = { usd: 0, calls: 0 };
  readonly #by = {
    day: new Map<string, Amount>(),
    kind: new Map<string, Amount>(),
    runner: new Map<string, Amount>(),
    id: new Map<string, Amount>(),
  };

  add({ kind, runner, id }: Account, day: string, amount: Amount): void {
    addTo(this.#total, amount);
    const by = this.#by;
    for (const [sums, name] of [[by.day, day], [by.kind, kind], [by.runner, runner], [by.id, id]] as const) {
      const sum = sums.get(name);
      if (sum === undefined) sums.set(name, { ...amount });
      else addTo(sum, amount);
    }
  }

  summary(superseded: Amount, skippedLines: number, ranIds: Iterable<string> | undefined): CostSummary {
    const summary: CostSummary = {
      total: rounded(this.#total),
      byDay: [...this.#by.day].map(([day, sum]) => ({ day, ...rounded(sum) }))
        .sort((a, b) => (a.day < b.day ? -1 : 1)),
      byKind: ranked(this.#by.kind),
      byRunner: ranked(this.#by.runner),
      byWorker: ranked(this.#by.id),
      counted: this.#total.calls,
      superseded: rounded(superseded),
      skippedLines,
    };
    if (ranIds === undefined) return summary;
    const ran = [...new Set(ranIds)];
    const withoutCost = ran.filter((id) => !this.#by.id.has(id)).sort();
    return { ...summary, coverage: { ran: ran.length, withoutCost } };
  }
}

function ranked(sums: ReadonlyMap<string, Amount>): (Amount & { name: string })[] {
  return [...sums].map(([name, sum]) => ({ name, ...rounded(sum) }))
    .sort((a, b) => b.usd - a.usd || (a.name < b.name ? -1 : 1));
}

/** Without the dust of adding binary fractions: to a billionth of a dollar. */
function rounded({ usd, calls }: Amount): Amount {
  return { usd: usd < 1e6 ? Math.round(usd * 1e9) / 1e9 : usd, calls };
}

/** Dollars, rounded to four decimals, without trailing zeros: `$0.5`, `$1.75`, `$0`. */
export function formatUsd(usd: number): string {
  return `$${usd.toFixed(4).replace(/\.?0+$/, "")}`;
}

/** A decimal number as people and programs write one; no sign, hexadecimal or currency. */
const AMOUNT = /^\+?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/**
 * Reads an amount of dollars.
 *
 * @throws {UsageError} when it is not a number, not finite, or below zero: refused, as a dropped cost is a lie.
 */
export function checkAmount(text: string): number {
  const usd = AMOUNT.test(text.trim()) ? Number(text) : NaN;
  if (!Number.isFinite(usd)) {
    throw new UsageError(`Bad amount "${sanitizeLine(text).slice(0, 40)}"`, {
      next: "give dollars as a number, 0 or more, e.g. 0.25",
    });
  }
  return usd;
}

/** How a summary is shown. */
export interface CostView {
  /** Columns of the terminal. */
  width: number;
  unicode: boolean;
  colour: boolean;
  /** The local day, when the summary is of today alone. */
  today?: string;
}

const SHOWN_DAYS = 30;
const SHOWN_WORKERS = 10;
const SHOWN_GROUPS = 20;

/** The text of `looop cost`; no line is wider than the terminal (of 30 columns or more). */
export function showCost(summary: CostSummary, view: CostView): string {
  const { bold } = styler(view.colour);
  const scope = view.today === undefined ? "all time" : `today (${view.today} local)`;
  return [
    bold(`looop cost — ${scope}`),
    `  total: ${formatUsd(summary.total.usd)}  (${callsOf(summary.total)})`,
    ...(view.today === undefined ? showDays(summary.byDay, view) : []),
    ...showGroup("kind", summary.byKind, SHOWN_GROUPS, view),
    ...showGroup("runner", summary.byRunner, SHOWN_GROUPS, view),
    ...showGroup("worker", summary.byWorker, SHOWN_WORKERS, view),
    ...showNotes(summary, view),
  ].join("\n");
}

function callsOf({ calls }: Amount): string {
  return calls === 1 ? "1 call" : `${calls} calls`;
}

/** One line a day, with a bar as long as the day was dear; the bar takes what columns are left. */
function showDays(byDay: CostSummary["byDay"], view: CostView): string[] {
  if (byDay.length === 0) return [];
  const shown = byDay.slice(-SHOWN_DAYS);
  const most = Math.max(...shown.map((day) => day.usd));
  const amounts = shown.map((day) => formatUsd(day.usd));
  const amountWidth = Math.max(...amounts.map((amount) => amount.length));
  const room = Math.min(50, view.width - "    2026-06-01  ".length - amountWidth - 2);
  const { green } = styler(view.colour);
  const lines = shown.map(({ day, usd }, i) => {
    const plot = bar(most === 0 ? 0 : usd / most, room, view.unicode);
    return `    ${day}  ${pad(amounts[i]!, amountWidth, "right")}  ${green(plot)}`.trimEnd();
  });
  const earlier = byDay.slice(0, -SHOWN_DAYS);
  if (earlier.length > 0) {
    const usd = earlier.reduce((sum, day) => sum + day.usd, 0);
    lines.unshift(`    earlier: ${formatUsd(usd)} on ${earlier.length} days`);
  }
  return ["  by day:", ...lines];
}

/** The dearest names of a group, and one row for the rest. */
function showGroup(title: string, sums: CostSummary["byKind"], most: number, view: CostView): string[] {
  if (sums.length === 0) return [];
  const rows = sums.slice(0, most).map((sum) => [sanitizeLine(sum.name), formatUsd(sum.usd), callsOf(sum)]);
  const rest = sums.slice(most).reduce(
    (sum, { usd, calls }) => ({ usd: sum.usd + usd, calls: sum.calls + calls }),
    {
      usd: 0,
      calls: 0,
    },
  );
  if (sums.length > most) rows.push([`${sums.length - most} more`, formatUsd(rest.usd), callsOf(rest)]);
  const columns = [{ min: 6 }, { align: "right" as const }, { align: "right" as const }];
  return [`  by ${title}:`, ...table(rows, { width: view.width - 4, columns }).map((line) => `    ${line}`)];
}

function showNotes({ superseded, skippedLines, coverage }: CostSummary, { width }: CostView): string[] {
  const notes: string[] = [];
  if (coverage !== undefined) notes.push(coverageNote(coverage));
  if (superseded.calls > 0) {
    notes.push(
      `not added: ${formatUsd(superseded.usd)} of self-reports that the runner's own figures replace`,
    );
  }
  if (skippedLines > 0) {
    notes.push(`not read: ${skippedLines === 1 ? "1 line" : `${skippedLines} lines`} of the ledger`);
  }
  return notes.flatMap((note) => wrap(note, width, 2));
}

function coverageNote({ ran, withoutCost }: NonNullable<CostSummary["coverage"]>): string {
  const known = `coverage: ${ran - withoutCost.length} of ${ran} workers have a cost`;
  if (withoutCost.length === 0) return known;
  const names = withoutCost.slice(0, 5).map(sanitizeLine).join(", ");
  const more = withoutCost.length > 5 ? ` and ${withoutCost.length - 5} more` : "";
  return `${known}; none from ${names}${more}`;
}

/** The summary for machines, keys in snake_case; dollars as numbers. */
export function costSummaryJson(summary: CostSummary): Record<string, unknown> {
  const json: Record<string, unknown> = {
    total_usd: summary.total.usd,
    calls: summary.total.calls,
    by_day: summary.byDay,
    by_kind: summary.byKind,
    by_runner: summary.byRunner,
    by_worker: summary.byWorker,
    counted: summary.counted,
    superseded: summary.superseded,
    skipped_lines: summary.skippedLines,
  };
  if (summary.coverage !== undefined) {
    json.coverage = { ran: summary.coverage.ran, without_cost: summary.coverage.withoutCost };
  }
  return json;
}
