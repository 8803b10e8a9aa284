/** Runs the scenarios of one sensor in parallel, so that the whole table takes seconds. */
import { WHOLE } from "../whole.ts";
import { has, type Outcome, Place, type Scenario } from "./harness.ts";

/** Number of parallel scenarios; the bash, curl and jq of one use about half a core. */
const AT_ONCE = 4;

/**
 * Runs each scenario in a place of its own; throws with the circumstances of those that break a rule. The circumstances
 * of `seldom` only run in `deno task faults whole`.
 */
export async function runAll(scenarios: readonly Scenario[], seldom: readonly string[]): Promise<void> {
  const broken: string[] = [];
  const chosen = scenarios.filter(({ circumstance }) => WHOLE || !seldom.includes(circumstance));
  for await (const { scenario, error } of outcomes(chosen)) {
    if (error !== undefined) {
      broken.push(`"${scenario.circumstance}": ${error instanceof Error ? error.message : error}`);
    }
  }
  if (broken.length > 0) throw new Error(`broken in the circumstances\n${broken.join("\n")}`);
}

/** Yields each scenario, in the given order, with its outcome or with the error of the rule that it broke. */
export async function* outcomes(scenarios: readonly Scenario[]) {
  const waiting = [...scenarios];
  const results = scenarios.map(() =>
    Promise.withResolvers<{ scenario: Scenario; outcome?: Outcome; error?: unknown }>()
  );
  const work = async () => {
    for (let scenario = waiting.shift(); scenario !== undefined; scenario = waiting.shift()) {
      results[scenarios.indexOf(scenario)]!.resolve(await judge(scenario));
    }
  };
  const workers = Array.from({ length: AT_ONCE }, work);
  for (const { promise } of results) yield await promise;
  await Promise.all(workers);
}

async function judge(
  scenario: Scenario,
): Promise<{ scenario: Scenario; outcome?: Outcome; error?: unknown }> {
  await using place = await Place.make();
  let outcome: Outcome | undefined;
  try {
    outcome = await scenario.run(place);
    await scenario.check(outcome, place);
    place.checkClean();
    return { scenario, outcome };
  } catch (error) {
    return { scenario, ...(outcome === undefined ? {} : { outcome }), error };
  }
}

/** The programs of a list that this machine lacks, for the title of a skipped test. */
export const missing = (...programs: string[]): string[] => programs.filter((program) => !has(program));
