/** The number of runs of each property, and the values that several properties share. */
import fc from "fast-check";
import { isId } from "../lib/ids.ts";
import { runs } from "./whole.ts";

/** Runs of one property: few enough to keep the suite quick. */
export const RUNS = runs(100);

/** A valid id. */
export const anyId: fc.Arbitrary<string> = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/).filter(
  isId,
);

/** Any code point but a lone surrogate. fast-check's `unit: "binary"` first lists them all: 2 s of CPU for each file. */
export const anyCharacter: fc.Arbitrary<string> = fc.nat(0x10FFFF - 0x800).map((n) =>
  String.fromCodePoint(n < 0xD800 ? n : n + 0x800)
);

/** Any value that survives JSON, `-0` aside, which JSON prints as `0`. */
export const anyJson: fc.Arbitrary<unknown> = fc.jsonValue({ maxDepth: 4 })
  .map((value) => JSON.parse(JSON.stringify(value)));

/** The same value with the keys of every object in another order. */
export function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, part]) => [key, reordered(part)]));
}
