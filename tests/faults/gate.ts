/** The gate against text that no person writes: each gets a verdict, in time proportional to its length. */
import { cpuUsage } from "node:process";
import fc from "fast-check";
import { type GateOptions, judge } from "../../lib/gate/judge.ts";
import { HARMLESS, REFUSED } from "../lib/gate/lines.ts";
import { anyArgv, anyText, quote, repeated, SEEDS } from "../lib/gate/shellish.ts";
import { Tally } from "./lab.ts";

const OPTIONS: GateOptions = { dataDir: "/data/looop", cwd: "/data/looop", home: "/home/ada" };
const SIZES = Deno.env.get("LOOOP_FAULTS") === "ci" ? [50_000] : [50_000, 1_000_000];
const RUNS = Deno.env.get("LOOOP_FAULTS") === "ci" ? 1_000 : 20_000;
/** CPU time limit of a verdict, ms per character; 1 MB of the worst kind takes a few seconds. */
const MAX_MS_PER_CHAR = 0.02;

/** Judges hostile text. */
export function gate(): Promise<Tally> {
  const tally = new Tally("gate", ["no verdict", "slow", "let through", "refused for nothing"]);
  for (const size of SIZES) {
    for (const seed of SEEDS) longText(tally, seed, size);
  }
  forAll(tally, anyText, (line) => typeof judge({ line }, OPTIONS).allowed === "boolean", "no verdict");
  forAll(tally, anyArgv, (argv) => typeof judge({ argv }, OPTIONS).allowed === "boolean", "no verdict");
  forAll(
    tally,
    anyText,
    (text) => judge({ line: `echo ${quote(text)}` }, OPTIONS).allowed,
    "refused for nothing",
  );
  const refused = REFUSED.map(({ line }) => line).filter((line) => !line.includes("\n"));
  // A `cd` or an assignment may make a later `rm -r` harmless.
  const harmless = HARMLESS.filter((line) => !/\bcd\b|=|<</.test(line));
  const among = fc.tuple(fc.constantFrom(...harmless), fc.constantFrom(...refused));
  forAll(
    tally,
    among,
    ([before, line]) => !judge({ line: `${before}\n${line}` }, OPTIONS).allowed,
    "let through",
  );
  return Promise.resolve(tally);
}

function longText(tally: Tally, seed: string, size: number): void {
  const line = repeated(seed, size);
  const before = cpuUsage();
  const verdict = judge({ line }, OPTIONS);
  const { user, system } = cpuUsage(before);
  const ms = (user + system) / 1000;
  tally.add("long texts");
  tally.most("slowest ms", Math.round(ms));
  tally.demand(typeof verdict.allowed === "boolean", "no verdict", JSON.stringify(seed));
  tally.demand(
    ms < line.length * MAX_MS_PER_CHAR,
    "slow",
    `${JSON.stringify(seed)} to ${size} characters: ${ms} ms`,
  );
}

function forAll<T>(tally: Tally, values: fc.Arbitrary<T>, holds: (value: T) => boolean, what: string): void {
  const { failed, counterexample } = fc.check(fc.property(values, holds), { numRuns: RUNS });
  tally.add("random texts", RUNS);
  tally.demand(!failed, what, JSON.stringify(counterexample));
}
