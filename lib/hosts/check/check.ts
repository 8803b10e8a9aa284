/** Runs the cases of `looop _ host check` against one host. */
import { Bench, type BenchHost, Skip } from "./bench.ts";
import { type Case, CASES } from "./cases.ts";

/** The result of one case. */
export interface Verdict {
  n: number;
  title: string;
  result: "ok" | "skip" | "FAIL";
  /** Why it failed or could not be tried, or a remark. */
  note: string;
  ms: number;
}

/** Longest time for one case, ms. */
const CASE_MS = 150_000;

/** Tries the cases one after the other, each with a home of its own; `tell` is called with each result. */
export async function checkHost(
  host: BenchHost,
  wanted: readonly number[],
  tell: (verdict: Verdict) => void,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const one of CASES.filter(({ n }) => wanted.length === 0 || wanted.includes(n))) {
    const verdict = await judge(host, one);
    verdicts.push(verdict);
    tell(verdict);
  }
  return verdicts;
}

async function judge(host: BenchHost, { n, title, run }: Case): Promise<Verdict> {
  const started = performance.now();
  const bench = await Bench.open(host);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const verdict = (result: Verdict["result"], note: string): Verdict => ({
    n,
    title,
    result,
    note,
    ms: Math.round(performance.now() - started),
  });
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not within ${CASE_MS / 1000} s`)), CASE_MS);
    });
    const note = await Promise.race([run(bench), late]);
    return verdict("ok", note ?? "");
  } catch (error) {
    return verdict(error instanceof Skip ? "skip" : "FAIL", (error as Error).message);
  } finally {
    clearTimeout(timer);
    await bench.close().catch(() => {});
  }
}
