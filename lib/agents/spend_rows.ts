/** Rows of spend: the part of a session's record that is not in the ledger yet, and its price. */
import type { Counted } from "./agent_session.ts";
import { addTokens, type Recorded, type Tokens } from "./tokens.ts";
import type { Config } from "../records/config.ts";
import type { CostRow } from "./cost_row.ts";
import type { Asking } from "./opencode.ts";
import type { Profile } from "../paths.ts";
import { readTailBytes } from "../store.ts";

/** The surroundings of collecting: profile and clock, and those of a query. */
export interface SpendHost extends Asking {
  profile: Profile;
  now(): number;
}

/** Dollars per million tokens, from the config. */
export type Prices = Config["prices"];

/** The amounts that one row adds. */
export interface Delta {
  tokens: Tokens;
  /** Dollars; absent when the tokens' price is not known. */
  usd?: number;
  closings?: number;
  unrecorded?: number;
}

/**
 * The part of a session's record that was not counted before. Pure.
 *
 * claude's closing sums are those of the whole session, or of its last process alone when an earlier one was cut off
 * and so could not pass its sums on: the whole is meant when they have as many tokens as the transcript.
 */
export function deltaOf(
  recorded: Recorded,
  before: Counted,
  price: (model: string, tokens: Tokens) => number | undefined,
): Delta {
  const unrecorded = (recorded.unrecorded ?? 0) - (before.unrecorded ?? 0);
  return { ...spentOf(recorded, before, price), ...(unrecorded > 0 ? { unrecorded } : {}) };
}

function spentOf(
  recorded: Recorded,
  before: Counted,
  price: (model: string, tokens: Tokens) => number | undefined,
): Delta {
  const tokens = without(recorded.tokens, before.tokens);
  const { closing } = recorded;
  if (closing !== undefined && closing.count > (before.closings ?? 0)) {
    const whole = total(closing.tokens) >= total(recorded.tokens);
    const part = whole ? without(closing.tokens, before.tokens) : closing.tokens;
    const usd = Math.max(0, whole ? closing.usd - before.usd : closing.usd);
    return { tokens: total(part) > total(tokens) ? part : tokens, usd, closings: closing.count };
  }
  const usd = recorded.usd ?? sumPrices(recorded.models, price);
  return usd === undefined ? { tokens } : { tokens, usd: Math.max(0, usd - before.usd) };
}

function sumPrices(
  models: Readonly<Record<string, Tokens>>,
  price: (model: string, tokens: Tokens) => number | undefined,
): number | undefined {
  let sum = 0;
  for (const [model, tokens] of Object.entries(models)) {
    const usd = price(model, tokens);
    if (usd === undefined && total(tokens) > 0) return undefined;
    sum += usd ?? 0;
  }
  return sum;
}

/** Dollars by the config's prices per million: for "runner/model", else the model, else the runner. Pure. */
export function priceOf(prices: Prices, runner: string, model: string, tokens: Tokens): number | undefined {
  const price = prices[`${runner}/${model}`] ?? prices[model] ?? prices[runner];
  if (price === undefined) return undefined;
  const input = price.input ?? 0;
  const sum = (tokens.input + tokens.cache_write) * input + tokens.cache_read * (price.cached ?? input) +
    tokens.output * (price.output ?? 0);
  return sum / 1e6;
}

/** The total number of tokens. Pure. */
export function total(tokens: Tokens): number {
  return tokens.input + tokens.output + tokens.cache_read + tokens.cache_write;
}

function without(all: Tokens, before: Tokens): Tokens {
  return {
    input: Math.max(0, all.input - before.input),
    output: Math.max(0, all.output - before.output),
    cache_read: Math.max(0, all.cache_read - before.cache_read),
    cache_write: Math.max(0, all.cache_write - before.cache_write),
  };
}

/** The sum of the amounts that two sessions of one run add. Pure. */
export function addDelta(a: Delta, b: Delta): Delta {
  const tokens = addTokens(a.tokens, b.tokens);
  const unrecorded = (a.unrecorded ?? 0) + (b.unrecorded ?? 0);
  return {
    tokens,
    ...(a.usd === undefined || b.usd === undefined ? {} : { usd: a.usd + b.usd }),
    ...(unrecorded > 0 ? { unrecorded } : {}),
  };
}

/** A running sum with one more row. Pure. */
export function addCounted(before: Counted, delta: Delta): Counted {
  const closings = delta.closings ?? before.closings;
  const unrecorded = (before.unrecorded ?? 0) + (delta.unrecorded ?? 0);
  return {
    tokens: addTokens(before.tokens, delta.tokens),
    usd: before.usd + (delta.usd ?? 0),
    ...(closings === undefined ? {} : { closings }),
    ...(unrecorded > 0 ? { unrecorded } : {}),
  };
}

/** The ledger's row. Pure. */
export function rowOf(
  delta: Delta,
  { host, ...of }: { id: string; runner: string; gen: string; tsMs: number; host?: string | undefined },
): CostRow {
  return {
    ...of,
    ...(host === undefined ? {} : { host }),
    kind: "session",
    // Rounded, to remove the errors of binary fractions.
    costUsd: Math.round((delta.usd ?? 0) * 1e9) / 1e9,
    source: "runner",
    tokens: delta.tokens,
    ...(delta.usd === undefined ? { unpriced: true } : {}),
    ...(delta.unrecorded === undefined ? {} : { unrecorded: delta.unrecorded }),
  };
}

const LOOK_BACK = 1024 * 1024;

/** Whether the ledger has exactly this line near its end, where the row of an interrupted append would be. */
export function ledgerHas(profile: Profile, line: string): boolean {
  const text = new TextDecoder().decode(readTailBytes(profile.cost, LOOK_BACK));
  return text.endsWith(`\n${line}\n`) || text.includes(`\n${line}\n`) || text.startsWith(`${line}\n`);
}
