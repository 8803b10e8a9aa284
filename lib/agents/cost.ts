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
  /** Workers beyond those in `byWorker`, which then has the most expensive ones. */
  otherWorkers?: Amount & { count: number };
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
  coverage?: { ran: number; withoutCost: string[]; priced: number; elsewhere?: string[] };
  /** Root agents' sessions that called verbs, and how many of them have a known cost. */
  roots?: { seen: number; known: number };
}

/** The range and the days of a summary. */
export interface CostScope {
  /** Only rows from this moment on, unix ms. */
  sinceMs?: number;
  /** The day of a moment, `YYYY-MM-DD`; in the machine's time zone by default. */
  dayOf?: (ms: number) => string;
  /** The first bytes come from the middle of a file. */
  isContinued?: boolean;
}

/** The day in the machine's time zone, `YYYY-MM-DD`. */
export function localDay(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Whether one day is not before the other. A year may have more than four digits, or be before our era. */
export function isOfDayOrLater(day: string, first: string): boolean {
  return day.length === first.length ? day >= first : day.length > first.length && !day.startsWith("-");
}

/** The beginning of `nowMs`'s day in the machine's time zone, unix ms. */
export function startOfLocalDay(nowMs: number): number {
  return new Date(nowMs).setHours(0, 0, 0, 0);
}

/** Length of the longest line taken for a row, characters; a row is a few hundred bytes. */
const MAX_LINE = 1 << 16;
const NEWLINE = 10;
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

/** The accounts of one worker, in a form for JSON that keeps every amount exactly. */
export type WorkerState = [
  id: string,
  hasRunnerRow: 0 | 1,
  ...accounts: [
    kind: string,
    runner: string,
    sure: [day: string, usd: number, calls: number][],
    selfReports: [day: string, usd: number, calls: number][],
    unpriced: string[],
    unrecorded: [day: string, replies: number][],
  ][],
];

/** Sums a ledger that is fed in piece by piece; its memory grows with workers and days, not with rows. */
export class CostSum {
  readonly #sinceMs: number;
  readonly #dayOf: (ms: number) => string;
  readonly #days = new Map<number, string>();
  /** By kind, runner and id: three lookups cost less than a key made of the three. */
  readonly #accounts = new Map<string, Map<string, Map<string, Account>>>();
  readonly #all: Account[] = [];
  readonly #idsWithRunnerRow = new Set<string>();
  readonly #decoder: TextDecoder;
  /** The beginning of a line whose end is still to come. */
  #rest = "";
  #overlong = false;
  #skipped = 0;

  constructor({ sinceMs = -Infinity, dayOf = localDay, isContinued = false }: CostScope = {}) {
    this.#sinceMs = sinceMs;
    this.#dayOf = dayOf;
    // A byte order mark is one only at the beginning of a file.
    this.#decoder = new TextDecoder("utf-8", { ignoreBOM: isContinued });
  }

  /** Number of lines that are no rows. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Every worker that has a row. */
  get ids(): Set<string> {
    return new Set([...this.#all.map(({ id }) => id), ...this.#idsWithRunnerRow]);
  }

  /** Whether the last bytes belong to a line that is too long to be a row. */
  get isOverlong(): boolean {
    return this.#overlong;
  }

  /** The sum of all whole lines so far, by worker. */
  states(): WorkerState[] {
    const amounts = (days: ReadonlyMap<string, Amount>) =>
      [...days].map(([day, { usd, calls }]): [string, number, number] => [day, usd, calls]);
    const byId = Map.groupBy(this.#all, ({ id }) => id);
    return [...this.ids].map((id) => [
      id,
      this.#idsWithRunnerRow.has(id) ? 1 : 0,
      ...(byId.get(id) ?? []).map((
        { kind, runner, sure, selfReports, unpriced, unrecorded },
      ): WorkerState[2] => [kind, runner, amounts(sure), amounts(selfReports), [...unpriced], [
        ...unrecorded,
      ]]),
    ]);
  }

  /** Adds what another sum has of some workers. */
  addStates(states: Iterable<WorkerState>): this {
    for (const [id, hasRunnerRow, ...accounts] of states) {
      if (hasRunnerRow) this.#idsWithRunnerRow.add(id);
      for (const [kind, runner, sure, selfReports, unpriced, unrecorded] of accounts) {
        const account = this.#account(kind, id, runner);
        for (const [day, usd, calls] of sure) addAt(account.sure, day, { usd, calls });
        for (const [day, usd, calls] of selfReports) addAt(account.selfReports, day, { usd, calls });
        for (const day of unpriced) account.unpriced.add(day);
        for (const [day, replies] of unrecorded) {
          account.unrecorded.set(day, (account.unrecorded.get(day) ?? 0) + replies);
        }
      }
    }
    return this;
  }

  /** Takes the next bytes of the file; a row may be torn between two calls. */
  push(chunk: Uint8Array): void {
    const from = this.#overlong ? chunk.indexOf(NEWLINE) + 1 : 0;
    if (this.#overlong && from === 0) return;
    this.#overlong = false;
    const text = this.#rest + this.#decoder.decode(chunk.subarray(from), { stream: true });
    const cut = text.lastIndexOf("\n");
    this.#rest = text.slice(cut + 1);
    if (cut >= 0) this.#pushLines(text.slice(0, cut));
    if (this.#rest.length <= MAX_LINE) return;
    this.#rest = "";
    this.#overlong = true;
    this.#decoder.decode();
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
    addAt(byDay, day, { usd: costUsd, calls: 1 });
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
    return summaryOf(this.end().tally(ranIds, fromDay));
  }

  /** Takes a last row without a line end, if it is complete. */
  end(): this {
    this.pushLine(this.#rest);
    this.#rest = "";
    return this;
  }

  /** The sums of all whole lines, as numbers to calculate with. */
  tally(ranIds?: Iterable<string>, fromDay?: string): Tally {
    const isIn = (day: string) => fromDay === undefined || isOfDayOrLater(day, fromDay);
    const groups = new Groups();
    const superseded = { usd: 0, calls: 0 };
    for (const account of this.#all) {
      for (const [day, amount] of account.sure) if (isIn(day)) groups.add(account, day, amount);
      for (const [day, amount] of account.selfReports) {
        if (!isIn(day)) continue;
        if (this.#idsWithRunnerRow.has(account.id)) addTo(superseded, amount);
        else groups.add(account, day, amount);
      }
    }
    const sums = { ...groups.sums, superseded, skipped: this.#skipped };
    const unpriced = this.#unpricedIds(isIn);
    const tally: Tally = { ...sums, unpriced, unrecorded: this.#unrecorded(isIn) };
    if (ranIds === undefined) return tally;
    const ran = new Set(ranIds);
    const has = (id: string) => tally.worker.has(id);
    return {
      ...tally,
      ran: {
        count: ran.size,
        withoutCost: new Set([...ran].filter((id) => !has(id))),
        priced: [...ran].filter((id) => has(id) && !unpriced.has(id)).length,
      },
    };
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

  #unrecorded(isIn: (day: string) => boolean): Map<string, number> {
    const byId = new Map<string, number>();
    for (const { id, unrecorded } of this.#all) {
      for (const [day, replies] of unrecorded) if (isIn(day)) byId.set(id, (byId.get(id) ?? 0) + replies);
    }
    return byId;
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

/** Adds an amount to the one under a key. */
function addAt(sums: Map<string, Amount>, key: string, { usd, calls }: Amount): void {
  const sum = sums.get(key);
  if (sum === undefined) sums.set(key, { usd, calls });
  else addTo(sum, { usd, calls });
}

/** Sums before they are rounded and sorted. Everything in it is a sum or a set over workers. */
export interface Tally {
  total: Amount;
  day: Map<string, Amount>;
  kind: Map<string, Amount>;
  runner: Map<string, Amount>;
  worker: Map<string, Amount>;
  /** Workers that are not in `worker`. */
  others?: Amount & { count: number };
  superseded: Amount;
  skipped: number;
  unpriced: Set<string>;
  unrecorded: Map<string, number>;
  /** Present when the workers that ran are known. */
  ran?: { count: number; withoutCost: Set<string>; priced: number };
}

/** The sums of a tally under construction. */
class Groups {
  readonly sums = {
    total: { usd: 0, calls: 0 },
    day: new Map<string, Amount>(),
    kind: new Map<string, Amount>(),
    runner: new Map<string, Amount>(),
    worker: new Map<string, Amount>(),
  };

  add({ kind, runner, id }: Account, day: string, amount: Amount): void {
    const { sums } = this;
    addTo(sums.total, amount);
    addAt(sums.day, day, amount);
    addAt(sums.kind, kind, amount);
    addAt(sums.runner, runner, amount);
    addAt(sums.worker, id, amount);
  }
}

/** A tally as people and programs are shown it: rounded and sorted. */
export function summaryOf(tally: Tally): CostSummary {
  const { total, superseded, ran, others } = tally;
  return {
    total: rounded(total),
    byDay: [...tally.day].map(([day, sum]) => ({ day, ...rounded(sum) }))
      .sort((a, b) => (a.day < b.day ? -1 : 1)),
    byKind: ranked(tally.kind),
    byRunner: ranked(tally.runner),
    byWorker: ranked(tally.worker),
    ...(others === undefined ? {} : { otherWorkers: { ...rounded(others), count: others.count } }),
    counted: total.calls,
    superseded: rounded(superseded),
    skippedLines: tally.skipped,
    unpriced: [...tally.unpriced].sort(),
    ...(ran === undefined ? {} : {
      coverage: { ran: ran.count, withoutCost: [...ran.withoutCost].sort(), priced: ran.priced },
    }),
    unrecorded: [...tally.unrecorded].map(([name, replies]) => ({ name, replies }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function ranked(sums: ReadonlyMap<string, Amount>): (Amount & { name: string })[] {
  return [...sums].map(([name, sum]) => ({ name, ...rounded(sum) }))
    .sort((a, b) => b.usd - a.usd || (a.name < b.name ? -1 : 1));
}

/** Rounded to a billionth of a dollar, to remove the errors of binary fractions. */
function rounded({ usd, calls }: Amount): Amount {
  return { usd: usd < 1e6 ? Math.round(usd * 1e9) / 1e9 : usd, calls };
}
