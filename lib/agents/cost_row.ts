/** One row of the ledger `cost.jsonl`: its shape, its text, and what counts as an amount of money. Pure. */
import { isoSeconds } from "../text/time.ts";
import { isRecord } from "../text/json.ts";
import { oneLine, UsageError } from "../errors.ts";

/** One line of the ledger. */
export interface CostRow {
  v?: number;
  /** Its time, ms since 1970. On disk: ISO-8601 UTC with seconds, or a number of unix seconds. */
  tsMs: number;
  /** The kind of spend, e.g. `session`. */
  kind: string;
  /** The spender: a worker's id. */
  id: string;
  runner: string;
  costUsd: number;
  /** `runner` when looop read it from the runner's own records; absent when the agent reported it itself. */
  source?: string;
  tokens?: unknown;
  /** The use of the id to which it belongs: a worker's run, or a part of a root agent's session. */
  gen?: string;
  /** Set when the tokens are known but not their price: `costUsd` is 0, and self-reports of the session count. */
  unpriced?: true;
  /**
   * Number of replies that the agent had begun and whose tokens it never recorded, because it was killed: not in the
   * sums.
   */
  unrecorded?: number;
  /** Id of the worker's call that reported it, where the same call may be delivered twice. */
  call?: string;
  /** The machine on which the worker runs, when it is another one. */
  host?: string;
}

/** The row as one line, without its line end. */
export function formatRow(row: CostRow): string {
  const ts = isoSeconds(row.tsMs);
  const { kind, id, runner, costUsd, source, tokens, gen, unpriced, unrecorded, call, host } = row;
  const paid = { kind, id, runner, cost_usd: costUsd, source, tokens };
  return JSON.stringify({ v: 1, ts, ...paid, gen, unpriced, unrecorded, call, host });
}

/** Parses one line; `undefined` when it is torn or foreign, or its amount is not a sum of money. */
export function parseRow(line: string): CostRow | undefined {
  return rowOf(parseLine(line));
}

function rowOf(value: unknown): CostRow | undefined {
  if (!isRecord(value)) return undefined;
  const {
    v,
    ts,
    kind,
    id,
    runner,
    cost_usd: costUsd,
    source,
    tokens,
    gen,
    unpriced,
    unrecorded,
    call,
    host,
  } = value;
  const tsMs = typeof ts === "number" ? ts * 1000 : typeof ts === "string" ? Date.parse(ts) : NaN;
  if (typeof costUsd !== "number" || !isCountable({ tsMs, costUsd })) return undefined;
  if (typeof kind !== "string" || typeof id !== "string" || typeof runner !== "string") return undefined;
  const row: CostRow = { tsMs, kind, id, runner, costUsd };
  if (typeof v === "number") row.v = v;
  if (typeof source === "string") row.source = source;
  if (tokens !== undefined) row.tokens = tokens;
  if (typeof gen === "string") row.gen = gen;
  if (unpriced === true) row.unpriced = true;
  if (typeof unrecorded === "number" && unrecorded > 0) row.unrecorded = unrecorded;
  if (typeof call === "string") row.call = call;
  if (typeof host === "string") row.host = host;
  return row;
}

/** Whether a Date can hold its time and its amount is a sum of money. */
export function isCountable({ tsMs, costUsd }: Pick<CostRow, "tsMs" | "costUsd">): boolean {
  return Math.abs(tsMs) <= 8.64e15 && Number.isFinite(costUsd) && costUsd >= 0;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // a torn or foreign line has no value; its reader counts it as skipped
  }
}

/**
 * Parses lines that are all JSON at once: six times as fast as one by one. Undefined when a line is not JSON, or is
 * more than one value. The line ends stay in, so that no text continues from one line to the next.
 */
export function parseRows(text: string): (CostRow | undefined)[] | undefined {
  const list = text.replaceAll("\n", ",\n");
  const values = parseLine(`[${list}]`);
  const lines = list.length - text.length + 1;
  return Array.isArray(values) && values.length === lines ? values.map(rowOf) : undefined;
}

/** A decimal number as people and programs write one; without sign, hexadecimal digits or currency. */
const AMOUNT = /^\+?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/**
 * Parses an amount of dollars.
 *
 * @throws {UsageError} when it is not a number, not finite, or below zero: dropping a cost silently would be a lie.
 */
export function checkAmount(text: string): number {
  const usd = AMOUNT.test(text.trim()) ? Number(text) : NaN;
  if (!Number.isFinite(usd)) {
    throw new UsageError(`Bad amount "${oneLine(text, 40)}"`, {
      next: "give dollars as a number, 0 or more, e.g. 0.25",
    });
  }
  return usd;
}
