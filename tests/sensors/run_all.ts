/** Runs the scenarios of one sensor side by side, so that the whole table takes seconds. */
import { WHOLE } from "../whole.ts";
import { has, type Outcome, Place, type Scenario } from "./harness.ts";

/** How many scenarios run at once: bash, curl and jq of one keep about half a core busy. */
const AT_ONCE = 4;

/**
 * Runs the scenarios in places of their own; throws with the circumstances of those that break a rule. Those in the
 * circumstances of `seldom` run with `deno task faults whole` alone.
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

/** Yields each scenario with its outcome, or with the error of the rule that it broke, in the given order. */
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

/** Names the programs of a list that this machine lacks, for the title of a skipped test. */
export const missing = (...programs: string[]): string[] => programs.filter((program) => !has(program));
