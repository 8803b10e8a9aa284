/** Tokens: their counts and sums. Pure. */

/** Tokens of one session or row. */
export interface Tokens {
  input: number;
  output: number;
  cache_read: number;
  cache_write: number;
}

export const NO_TOKENS: Readonly<Tokens> = { input: 0, output: 0, cache_read: 0, cache_write: 0 };

/** A CLI's record of one of its sessions. */
export interface Recorded {
  tokens: Tokens;
  /** Tokens by model, for prices from the config. */
  models: Record<string, Tokens>;
  /** Dollars as the CLI computed them, for all of `tokens`. */
  usd?: number;
  /** claude: the sums that it last wrote on ending, and how many times it has ended. */
  closing?: { tokens: Tokens; usd: number; count: number };
  /** Number of replies that were begun and whose tokens the CLI has not recorded (yet). */
  unrecorded?: number;
  /** opencode: when the session was last modified, unix ms; its file holds all sessions. */
  touchedMs?: number;
}

/** Sums of tokens, in total and by model. */
export class ModelSums {
  readonly #models: Record<string, Tokens> = {};

  add(model: string, tokens: Tokens): void {
    this.#models[model] = addTokens(this.#models[model], tokens);
  }

  sum(): { tokens: Tokens; models: Record<string, Tokens> } {
    const all = Object.values(this.#models).reduce((sum, tokens) => addTokens(sum, tokens), addTokens());
    return { tokens: all, models: this.#models };
  }
}

/** The sum of two counts. Pure. */
export function addTokens(a?: Tokens, b?: Tokens): Tokens {
  return {
    input: (a?.input ?? 0) + (b?.input ?? 0),
    output: (a?.output ?? 0) + (b?.output ?? 0),
    cache_read: (a?.cache_read ?? 0) + (b?.cache_read ?? 0),
    cache_write: (a?.cache_write ?? 0) + (b?.cache_write ?? 0),
  };
}

/** A number above 0, or 0. Pure. */
export function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}
