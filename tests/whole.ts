/**
 * How much of its tables and properties a test tries: a sample at every run, the whole with `deno task faults whole`,
 * which sets `LOOOP_WHOLE` and runs the files that name one of `WHOLE`, `RUNS` and `runAll`.
 */

/** Whether all is tried that a run of every day leaves out. */
export const WHOLE = Deno.env.get("LOOOP_WHOLE") === "1";

/** Runs of one property, ten times as many when all is tried. */
export const runs = (everyDay: number): number => WHOLE ? everyDay * 10 : everyDay;
