/**
 * How much of its tables and properties a test tries: a sample in usual runs, everything in `deno task faults whole`,
 * which sets `LOOOP_WHOLE` and runs the files that name one of `WHOLE`, `RUNS` and `runAll`.
 */

/** Whether to try what usual runs leave out. */
export const WHOLE = Deno.env.get("LOOOP_WHOLE") === "1";

/** Runs of one property: ten times `everyDay` with {@link WHOLE}. */
export const runs = (everyDay: number): number => WHOLE ? everyDay * 10 : everyDay;
