/** Sums of tokens. Pure. */
import type { Tokens } from "./agent_session.ts";

/** Sums of tokens, all in all and by model. */
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
