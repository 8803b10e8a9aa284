/** Sums of the ledger by day, kind, runner and worker. Pure. */
import { type CostRow, isCountable, parseRow, parseRows } from "./cost_row.ts";

/** An amount of money, and the number of rows that add up to it. */
export interface Amount {
  usd: number;
  calls: number;
}

/** Sums of a ledger. Groups are sorted by cost, days by date. */
export interface CostSummary {
  total: Amount;
  byDay: (Amount & { day: string })[];
  byKind: (Amount & { name: string })[];
  byRunner: (Amount & { name: string })[];
  byWorker: (Amount & { name: string })[];
  /**
   * Rows that are in the sums; and self-reports that are not, because the runner's own figure for that session is.
   */
  counted: number;
  superseded: Amount;
  /** Number of lines that are not rows. */
  skippedLines: number;
  /** Names with tokens of unknown price: their true cost exceeds the sums. */
  unpriced: string[];
  /** Names of killed workers, with the replies that their CLI had not yet recorded: these are in no sum. */
  unrecorded: { name: string; replies: number }[];
  /**
   * Present when the workers that ran are known: how many ran, which have no row, and how many are fully in dollars.
   */
  coverage?: { ran: number; withoutCost: string[]; priced: number };
  /** Root agents' sessions that called verbs, and how many of them have a known cost. */
  roots?: { seen: number; known: number };
}

/** The range and the days of a summary. */
export interface CostScope {
  /** Only rows from this moment on, unix ms. */
  sinceMs?: number;
  /** The day of a moment, `YYYY-MM-DD`; in the machine's time zone by default. */
  dayOf?: (ms: number) => string;
}

/** The day in the machine's time zone, `YYYY-MM-DD`. */
export function localDay(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The beginning of `nowMs`'s day in the machine's time zone, unix ms. */
export function startOfLocalDay(nowMs: number): number {
  return new Date(nowMs).setHours(0, 0, 0, 0);
}

/** Length of the longest line taken for a row, characters; a row is a few hundred bytes. */
const MAX_LINE = 1 << 16;
/**
 * A quarter of an hour, ms: it lies within one local day, since all present time zones are offset by whole quarters.
 */
const QUARTER_MS = 900_000;
/** Number of quarters whose day is remembered at once. */
const MAX_QUARTERS = 50_000;
/** One worker's spend of one kind by one runner. */
interface Account {
  kind: string;
  id: string;
  runner: string;
  /** Amounts that count in any case, by day. */
  sure: Map<string, Amount>;
  /** Amounts that a session reported itself: they count unless the runner reports them, too, maybe in a later row. */
  selfReports: Map<string, Amount>;
  /** Whether some of its rows have tokens but no dollars. */
  unpriced: boolean;
  /** Number of replies that are in no record, according to its rows. */
  unrecorded: number;
}

/** Sums a ledger that is fed in piece by piece; its memory grows with workers and days, not with rows. */
export class CostSum {
  readonly #sinceMs: number;
  readonly #dayOf: (ms: number) => string;
  readonly #days = new Map<number, string>();
  /** By kind, runner and id: three lookups cost less than a key made of the three. */
  readonly #accounts = new Map<string, Map<string, Map<string, Account>>>();
  readonly #all: Account[] = [];
  readonly #idsWithRunnerRow = new Set<string>();
  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end is still to come. */
  #rest = "";
  #overlong = false;
  #skipped = 0;

  constructor({ sinceMs = -Infinity, dayOf = localDay }: CostScope = {}) {
    this.#sinceMs = sinceMs;
    this.#dayOf = dayOf;
  }

  /** Takes the next bytes of the file; a row may be torn between two calls. */
  push(chunk: Uint8Array): void {
    let text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    if (this.#overlong) {
      const end = text.indexOf("\n");
      if (end < 0) return;
      text = text.slice(end + 1);
      this.#overlong = false;
    }
    const cut = text.lastIndexOf("\n");
    this.#rest = text.slice(cut + 1);
    if (cut >= 0) this.#pushLines(text.slice(0, cut));
    if (this.#rest.length <= MAX_LINE) return;
    this.#rest = "";
    this.#overlong = true;
    this.#skipped++;
  }

  #pushLines(text: string): void {
    const rows = parseRows(text);
    if (rows === undefined) { for (const line of text.split("\n")) this.pushLine(line); }
    else for (const row of rows) this.#take(row);
  }

  /** Takes one line, without its line end. */
  pushLine(line: string): void {
    if (line.trim() !== "") this.#take(parseRow(line));
  }

  #take(row: CostRow | undefined): void {
    if (row === undefined) this.#skipped++;
    else this.add(row);
  }

  /** Takes one row. */
  add(row: CostRow): void {
    if (!isCountable(row)) {
      this.#skipped++;
      return;
    }
    const { tsMs, kind, id, runner, costUsd, source, unpriced, unrecorded } = row;
    const account = this.#account(kind, id, runner);
    if (source === "runner" && !unpriced) this.#idsWithRunnerRow.add(account.id);
    if (tsMs < this.#sinceMs) return;
    if (unpriced) account.unpriced = true;
    if (unrecorded) account.unrecorded += unrecorded;
    const byDay = source === undefined && account.kind === "session" ? account.selfReports : account.sure;
    const day = this.#day(tsMs);
    const amount = byDay.get(day);
    if (amount === undefined) byDay.set(day, { usd: costUsd, calls: 1 });
    else {
      amount.usd += costUsd;
      amount.calls++;
    }
  }

  #account(kind: string, id: string, runner: string): Account {
    const ofRunner = within(within(this.#accounts, kind), runner);
    let account = ofRunner.get(id);
    if (account === undefined) {
      account = { kind, id, runner, sure: new Map(), selfReports: new Map(), unpriced: false, unrecorded: 0 };
      ofRunner.set(id, account);
      this.#all.push(account);
    }
    return account;
  }

  /** The sums so far; a last row without a line end counts if it is complete. `ranIds` are all workers that ran. */
  summary(ranIds?: Iterable<string>): CostSummary {
    this.pushLine(this.#rest);
    this.#rest = "";
    const groups = new Groups();
    const superseded = { usd: 0, calls: 0 };
    const unpriced = this.#unpricedIds();
    for (const account of this.#all) {
      for (const [day, amount] of account.sure) groups.add(account, day, amount);
      for (const [day, amount] of account.selfReports) {
        if (this.#idsWithRunnerRow.has(account.id)) addTo(superseded, amount);
        else groups.add(account, day, amount);
      }
    }
    return { ...groups.summary(superseded, this.#skipped, unpriced, ranIds), unrecorded: this.#unrecorded() };
  }

  /** Ids with tokens for which neither the runner nor the session itself gives dollars. */
  #unpricedIds(): Set<string> {
    const said = new Set(
      this.#all.filter(({ id, selfReports }) => selfReports.size > 0 && !this.#idsWithRunnerRow.has(id))
        .map(({ id }) => id),
    );
    return new Set(this.#all.filter((one) => one.unpriced && !said.has(one.id)).map(({ id }) => id));
  }

  #unrecorded(): CostSummary["unrecorded"] {
    const byId = new Map<string, number>();
    for (const { id, unrecorded } of this.#all) {
      if (unrecorded > 0) byId.set(id, (byId.get(id) ?? 0) + unrecorded);
    }
    return [...byId].map(([name, replies]) => ({ name, replies })).sort((a, b) => (a.name < b.name ? -1 : 1));
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

/** The map under `key`, created on first use. */
function within<T>(maps: Map<string, Map<string, T>>, key: string): Map<string, T> {
  let map = maps.get(key);
  if (map === undefined) maps.set(key, map = new Map());
  return map;
}

function addTo(sum: Amount, amount: Amount): void {
  sum.usd += amount.usd;
  sum.calls += amount.calls;
}

/** The sums of a summary under construction. */
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

  summary(
    superseded: Amount,
    skippedLines: number,
    unpriced: ReadonlySet<string>,
    ranIds: Iterable<string> | undefined,
  ): Omit<CostSummary, "unrecorded"> {
    const summary = {
      total: rounded(this.#total),
      byDay: [...this.#by.day].map(([day, sum]) => ({ day, ...rounded(sum) }))
        .sort((a, b) => (a.day < b.day ? -1 : 1)),
      byKind: ranked(this.#by.kind),
      byRunner: ranked(this.#by.runner),
      byWorker: ranked(this.#by.id),
      counted: this.#total.calls,
      superseded: rounded(superseded),
      skippedLines,
      unpriced: [...unpriced].sort(),
    };
    if (ranIds === undefined) return summary;
    const ran = [...new Set(ranIds)];
    const withoutCost = ran.filter((id) => !this.#by.id.has(id)).sort();
    const priced = ran.filter((id) => this.#by.id.has(id) && !unpriced.has(id)).length;
    return { ...summary, coverage: { ran: ran.length, withoutCost, priced } };
  }
}

function ranked(sums: ReadonlyMap<string, Amount>): (Amount & { name: string })[] {
  return [...sums].map(([name, sum]) => ({ name, ...rounded(sum) }))
    .sort((a, b) => b.usd - a.usd || (a.name < b.name ? -1 : 1));
}

/** Rounded to a billionth of a dollar, to remove the errors of binary fractions. */
function rounded({ usd, calls }: Amount): Amount {
  return { usd: usd < 1e6 ? Math.round(usd * 1e9) / 1e9 : usd, calls };
}
