/**
 * The form in which sums of many rows are kept: a head with the sums of all workers, and a line for each worker. New
 * rows change the head by what their own workers have; the lines of all others stay unread. Pure.
 */
import { type Amount, type CostSum, isOfDayOrLater, type Tally, type WorkerState } from "./cost.ts";
import { isListOf, isRecord, isText } from "../text/json.ts";

/** Number of most expensive workers in the head. */
const TOP_WORKERS = 100;
/** Largest total that can be taken apart again without an error that shows, dollars. */
const MOST_USD = 1e9;

/** One file of which the first bytes were summed. */
export interface KeptFile {
  log: "cost" | "journal" | "events";
  ino: number;
  /** Number of bytes summed: whole lines. */
  size: number;
  stamp: string;
  /** Digests of these bytes, block by block. */
  blocks: string[];
}

/** The head. */
export interface KeptHead {
  v: 3;
  /** The time zone whose days these are. */
  zone: string;
  files: KeptFile[];
  tally: Record<string, unknown>;
  /** Workers with rows of this day or a later one, each with its last day. */
  recent: { day: string; last: [id: string, day: string][] };
}

/** A worker with a row in the ledger, a start or an end in a log, or both. */
export interface KeptWorker {
  state: WorkerState;
  hasRun: boolean;
}

/** Sums as they are kept: the head, and a line for each worker, sorted by id. */
export class KeptSums {
  readonly head: KeptHead;
  readonly #lines: string;

  constructor(head: KeptHead, lines: string) {
    this.head = head;
    this.#lines = lines;
  }

  /** The sums of all workers; undefined where they cannot be taken apart again. */
  static of(
    sum: CostSum,
    ran: ReadonlySet<string>,
    files: KeptFile[],
    { zone, day }: { zone: string; day: string },
  ): KeptSums | undefined {
    const states = new Map(sum.states().map((state) => [state[0], state]));
    for (const id of ran) if (!states.has(id)) states.set(id, [id, 0]);
    const tally = sum.tally(ran);
    if (!(tally.total.usd + tally.superseded.usd < MOST_USD)) return undefined;
    const lineOfState = (state: WorkerState) =>
      lineOf({ state, hasRun: ran.has(state[0]) }, tally.worker.get(state[0]));
    const lines = [...states.values()].map(lineOfState)
      .sort(([a], [b]) => a < b ? -1 : 1).map(([key, rest]) => `${key}\t${rest}\n`).join("");
    const last = [...states.values()].map((state): [string, string] => [state[0], lastDayOf(state)])
      .filter(([, its]) => its !== "" && isOfDayOrLater(its, day));
    return new KeptSums({ v: 3, zone, files, tally: jsonOf(tally), recent: { day, last } }, lines);
  }

  /** Reads what `toString` returned; undefined where it is something else. */
  static parse(text: string): KeptSums | undefined {
    const end = text.indexOf("\n");
    try {
      const head: unknown = JSON.parse(text.slice(0, end));
      return isHead(head) ? new KeptSums(head, text.slice(end + 1)) : undefined;
    } catch {
      return undefined;
    }
  }

  toString(): string {
    return `${JSON.stringify(this.head)}\n${this.#lines}`;
  }

  /** The sums of all. */
  get tally(): Tally {
    return tallyOf(this.head.tally);
  }

  /** Some of the workers. */
  some(ids: Iterable<string>): KeptWorker[] {
    return [...ids].flatMap((id) => {
      const line = lineOfKey(this.#lines, JSON.stringify(id));
      return line === undefined ? [] : [workerOf(line)];
    });
  }

  /** Whether a worker is known to have run. */
  hasRun(id: string): boolean {
    const key = JSON.stringify(id);
    return lineOfKey(this.#lines, key)?.startsWith(`${key}\t1`) === true;
  }

  /** The sums of all, with every worker by name. */
  get wholeTally(): Tally {
    const { others: _, ...tally } = this.tally;
    return { ...tally, worker: amountsOf(this.#lines) };
  }

  /** Every worker. */
  all(): KeptWorker[] {
    return this.#lines.split("\n").filter((line) => line !== "").map(workerOf);
  }
}

/**
 * Kept sums with other figures for some workers; undefined where too few of the most expensive workers are left to
 * name `shown` of them.
 *
 * @param kept Those sums, with all workers or with the most expensive ones.
 * @param ids The workers in question.
 * @param before What the kept sums have of them.
 * @param after What is true of them now.
 */
export function replaced(
  kept: Tally,
  ids: ReadonlySet<string>,
  before: Tally,
  after: Tally,
  shown: number,
): Tally | undefined {
  const stay = <T>(entries: Iterable<[string, T]>) => [...entries].filter(([id]) => !ids.has(id));
  const without = (names: ReadonlySet<string>) => [...names].filter((id) => !ids.has(id));
  const top = stay(kept.worker);
  if (top.length < shown && (kept.others?.count ?? 0) > 0) return undefined;
  const worker = new Map([...top, ...after.worker]);
  const total = exchanged(kept.total, before.total, after.total);
  const { usd, calls } = sumOf(worker.values());
  const count = kept.worker.size + (kept.others?.count ?? 0) - before.worker.size + after.worker.size -
    worker.size;
  return {
    total,
    day: exchangedEach(kept.day, before.day, after.day),
    kind: exchangedEach(kept.kind, before.kind, after.kind),
    runner: exchangedEach(kept.runner, before.runner, after.runner),
    worker,
    ...(count === 0 ? {} : { others: { usd: total.usd - usd, calls: total.calls - calls, count } }),
    superseded: exchanged(kept.superseded, before.superseded, after.superseded),
    skipped: kept.skipped + after.skipped,
    unpriced: new Set([...without(kept.unpriced), ...after.unpriced]),
    unrecorded: new Map([...stay(kept.unrecorded), ...after.unrecorded]),
    ran: {
      count: (kept.ran?.count ?? 0) - (before.ran?.count ?? 0) + (after.ran?.count ?? 0),
      withoutCost: new Set([...without(kept.ran?.withoutCost ?? new Set()), ...after.ran?.withoutCost ?? []]),
      priced: (kept.ran?.priced ?? 0) - (before.ran?.priced ?? 0) + (after.ran?.priced ?? 0),
    },
  };
}

function exchanged(all: Amount, before: Amount, after: Amount): Amount {
  return { usd: all.usd - before.usd + after.usd, calls: all.calls - before.calls + after.calls };
}

function exchangedEach(
  all: ReadonlyMap<string, Amount>,
  before: ReadonlyMap<string, Amount>,
  after: ReadonlyMap<string, Amount>,
): Map<string, Amount> {
  const none = { usd: 0, calls: 0 };
  const of = (sums: ReadonlyMap<string, Amount>, name: string) => sums.get(name) ?? none;
  const names = new Set([...all.keys(), ...after.keys()]);
  const sums = [...names].map((name): [string, Amount] => [
    name,
    before.has(name) || after.has(name)
      ? exchanged(of(all, name), of(before, name), of(after, name))
      : of(all, name),
  ]);
  return new Map(sums.filter(([, { calls }]) => calls > 0));
}

function sumOf(amounts: Iterable<Amount>): Amount {
  const sum = { usd: 0, calls: 0 };
  for (const { usd, calls } of amounts) {
    sum.usd += usd;
    sum.calls += calls;
  }
  return sum;
}

// --- text ---------------------------------------------------------------------------------------------------------

function lineOf(
  { state: [id, ...rest], hasRun }: KeptWorker,
  amount: Amount | undefined,
): [key: string, rest: string] {
  const sum = amount === undefined ? "" : `${amount.usd} ${amount.calls}`;
  return [JSON.stringify(id), `${hasRun ? 1 : 0}\t${sum}\t${JSON.stringify(rest)}`];
}

const AMOUNT = /^("(?:[^"\\]|\\.)*")\t[01]\t([^ \t]+) (\d+)\t/gm;

/** The amounts of all workers that have one: a tenth of the work of reading their states. */
function amountsOf(lines: string): Map<string, Amount> {
  const amounts = new Map<string, Amount>();
  for (const [, key = "", usd, calls] of lines.matchAll(AMOUNT)) {
    const id = key.includes("\\") ? JSON.parse(key) : key.slice(1, -1);
    amounts.set(id, { usd: Number(usd), calls: Number(calls) });
  }
  return amounts;
}

function workerOf(line: string): KeptWorker {
  const [key = "", hasRun, , rest = ""] = line.split("\t");
  return { state: [JSON.parse(key), ...JSON.parse(rest)] as WorkerState, hasRun: hasRun === "1" };
}

/** The line that begins with a key and a tab, by bisection. */
function lineOfKey(lines: string, key: string): string | undefined {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const start = Math.max(low, lines.lastIndexOf("\n", Math.floor((low + high) / 2) - 1) + 1);
    const end = lines.indexOf("\n", start);
    const found = lines.slice(start, lines.indexOf("\t", start));
    if (found === key) return lines.slice(start, end);
    if (found < key) low = end + 1;
    else high = start;
  }
  return undefined;
}

/** The last day of a worker's rows, "" where it has none. */
function lastDayOf([, , ...accounts]: WorkerState): string {
  const days = accounts.flatMap(([, , sure, selfReports, unpriced, unrecorded]) => [
    ...[...sure, ...selfReports, ...unrecorded].map(([day]) => day),
    ...unpriced,
  ]);
  return days.reduce((last, day) => last === "" || isOfDayOrLater(day, last) ? day : last, "");
}

function jsonOf({ worker, ran, unpriced, unrecorded, day, kind, runner, ...rest }: Tally) {
  const ranked = [...worker].sort(([a, { usd }], [b, other]) =>
    rounded(other.usd) - rounded(usd) || (a < b ? -1 : 1)
  );
  const others = sumOf(ranked.slice(TOP_WORKERS).map(([, amount]) => amount));
  return {
    ...rest,
    day: [...day],
    kind: [...kind],
    runner: [...runner],
    worker: ranked.slice(0, TOP_WORKERS),
    others: { ...others, count: Math.max(0, ranked.length - TOP_WORKERS) },
    unpriced: [...unpriced],
    unrecorded: [...unrecorded],
    ran: { ...ran, withoutCost: [...ran?.withoutCost ?? []] },
  };
}

/** Ranked as they are shown. */
function rounded(usd: number): number {
  return Math.round(usd * 1e9);
}

/** The tally of a head, whose digest says that this program has written it. */
function tallyOf(json: Record<string, unknown>): Tally {
  const map = <T>(key: string) => new Map(json[key] as [string, T][]);
  const ran = json["ran"] as { count: number; withoutCost: string[]; priced: number };
  return {
    ...json as unknown as Pick<Tally, "total" | "superseded" | "skipped" | "others">,
    day: map("day"),
    kind: map("kind"),
    runner: map("runner"),
    worker: map("worker"),
    unpriced: new Set(json["unpriced"] as string[]),
    unrecorded: map("unrecorded"),
    ran: { ...ran, withoutCost: new Set(ran.withoutCost) },
  };
}

function isHead(value: unknown): value is KeptHead {
  if (!isRecord(value) || value["v"] !== 3 || !isText(value["zone"]) || !isRecord(value["tally"])) {
    return false;
  }
  const { files, recent } = value;
  return isRecord(recent) && isText(recent["day"]) && Array.isArray(recent["last"]) &&
    isListOf(files, isFile);
}

function isFile(value: unknown): value is KeptFile {
  return isRecord(value) && isText(value["log"]) && isText(value["stamp"]) &&
    Number.isInteger(value["ino"]) && Number.isInteger(value["size"]) && isListOf(value["blocks"], isText);
}
