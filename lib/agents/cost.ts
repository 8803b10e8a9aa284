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

/** Whether one day is not before the other. A year may have more than four digits, or be before our era. */
function isOfDayOrLater(day: string, first: string): boolean {
  return day.length === first.length ? day >= first : day.length > first.length && !day.startsWith("-");
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
  /** Days of rows that have tokens and no dollars. */
  unpriced: Set<string>;
  /** Number of replies that are in no record, according to its rows, by day. */
  unrecorded: Map<string, number>;
}

/** A {@link CostSum} between two rows, in a form for JSON that keeps every amount exactly. */
export interface SumState {
  accounts: [
    kind: string,
    id: string,
    runner: string,
    sure: [day: string, usd: number, calls: number][],
    selfReports: [day: string, usd: number, calls: number][],
    unpriced: string[],
    unrecorded: [day: string, replies: number][],
  ][];
  idsWithRunnerRow: string[];
  skipped: number;
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
  #decoder = new TextDecoder();
  /** The beginning of a line whose end is still to come. */
  #rest = "";
  #overlong = false;
  #skipped = 0;

  constructor({ sinceMs = -Infinity, dayOf = localDay }: CostScope = {}) {
    this.#sinceMs = sinceMs;
    this.#dayOf = dayOf;
  }

  /** Continues from the state of an earlier sum of all rows. */
  static from({ accounts, idsWithRunnerRow, skipped }: SumState): CostSum {
    const sum = new CostSum();
    // A byte order mark is one only at the beginning of a file.
    sum.#decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    sum.#skipped = skipped;
    for (const id of idsWithRunnerRow) sum.#idsWithRunnerRow.add(id);
    for (const [kind, id, runner, sure, selfReports, unpriced, unrecorded] of accounts) {
      const account = sum.#account(kind, id, runner);
      for (const [day, usd, calls] of sure) account.sure.set(day, { usd, calls });
      for (const [day, usd, calls] of selfReports) account.selfReports.set(day, { usd, calls });
      account.unpriced = new Set(unpriced);
      account.unrecorded = new Map(unrecorded);
    }
    return sum;
  }

  /** The sum of all whole lines so far; undefined within a line that is too long to be one, or beyond all numbers. */
  state(): SumState | undefined {
    const isFinite = ({ sure, selfReports }: Account) =>
      [sure, selfReports].every((days) => days.values().every(({ usd }) => Number.isFinite(usd)));
    if (this.#overlong || !this.#all.every(isFinite)) return undefined;
    const amounts = (days: ReadonlyMap<string, Amount>) =>
      [...days].map(([day, { usd, calls }]): [string, number, number] => [day, usd, calls]);
    return {
      accounts: this.#all.map(({ kind, id, runner, sure, selfReports, unpriced, unrecorded }) => [
        kind,
        id,
        runner,
        amounts(sure),
        amounts(selfReports),
        [...unpriced],
        [...unrecorded],
      ]),
      idsWithRunnerRow: [...this.#idsWithRunnerRow],
      skipped: this.#skipped,
    };
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
    const day = this.#day(tsMs);
    if (unpriced) account.unpriced.add(day);
    if (unrecorded) account.unrecorded.set(day, (account.unrecorded.get(day) ?? 0) + unrecorded);
    const byDay = source === undefined && account.kind === "session" ? account.selfReports : account.sure;
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
      const none = {
        sure: new Map(),
        selfReports: new Map(),
        unpriced: new Set<string>(),
        unrecorded: new Map(),
      };
      account = { kind, id, runner, ...none };
      ofRunner.set(id, account);
      this.#all.push(account);
    }
    return account;
  }

  /**
   * The sums so far; a last row without a line end counts if it is complete.
   *
   * @param ranIds Every worker that ran.
   * @param fromDay Sums only that day and later ones.
   */
  summary(ranIds?: Iterable<string>, fromDay?: string): CostSummary {
    this.pushLine(this.#rest);
    this.#rest = "";
    const isIn = (day: string) => fromDay === undefined || isOfDayOrLater(day, fromDay);
    const groups = new Groups();
    const superseded = { usd: 0, calls: 0 };
    const unpriced = this.#unpricedIds(isIn);
    for (const account of this.#all) {
      for (const [day, amount] of account.sure) if (isIn(day)) groups.add(account, day, amount);
      for (const [day, amount] of account.selfReports) {
        if (!isIn(day)) continue;
        if (this.#idsWithRunnerRow.has(account.id)) addTo(superseded, amount);
        else groups.add(account, day, amount);
      }
    }
    const unrecorded = this.#unrecorded(isIn);
    return { ...groups.summary(superseded, this.#skipped, unpriced, ranIds), unrecorded };
  }

  /** Ids with tokens that neither the runner nor the session itself has put into dollars. */
  #unpricedIds(isIn: (day: string) => boolean): Set<string> {
    const said = new Set(
      this.#all.filter(({ id, selfReports }) =>
        selfReports.keys().some(isIn) && !this.#idsWithRunnerRow.has(id)
      ).map(({ id }) => id),
    );
    const unpriced = this.#all.filter((one) => one.unpriced.keys().some(isIn) && !said.has(one.id));
    return new Set(unpriced.map(({ id }) => id));
  }

  #unrecorded(isIn: (day: string) => boolean): CostSummary["unrecorded"] {
    const byId = new Map<string, number>();
    for (const { id, unrecorded } of this.#all) {
      for (const [day, replies] of unrecorded) if (isIn(day)) byId.set(id, (byId.get(id) ?? 0) + replies);
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
