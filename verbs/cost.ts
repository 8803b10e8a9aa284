/** `looop cost`: shows what was spent, and how much of it is known. */
import type { settledRuns } from "../lib/agents/spend.ts";
import { listDirs, statOf } from "../lib/store.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "cost",
    summary: "what was spent: total, by day, kind, runner and worker",
    audience: "people",
    args: [{ name: "span", summary: "all by default", optional: true, choices: ["today", "all"] }],
    options: [
      { name: "json", summary: "as JSON" },
      { name: "full", summary: "name every worker in the JSON" },
    ],
    example: "looop cost today",
    details:
      "Coverage shows how much is known: workers with a cost ÷ workers that ran, by sessions, journal and events.\n" +
      "A cost may be tokens without dollars, where neither the agent nor `prices` in config.json gives a price.\n" +
      "--json names the 50 most expensive workers and sums the others; with --full it names all of them.",
  },
  async run(context, input) {
    // Loaded here, since `_ cost` needs none of it.
    const { localDay } = await import("../lib/agents/cost.ts");
    const { costSummaryJson, JSON_WORKERS, showCost, SHOWN_WORKERS } = await import(
      "../lib/cli/cost_view.ts"
    );
    const { sumLedger } = await import("../lib/agents/ledger.ts");
    const spend = await import("../lib/agents/spend.ts");
    const settled = spend.settledRuns(context.profile);
    const unread = await collect(context, settled);
    const todayOnly = input.word(0) === "today";
    const now = context.now();
    // Only a program that asks for all of them is given all.
    const shownWorkers = !context.json ? SHOWN_WORKERS : input.flag("full") ? undefined : JSON_WORKERS;
    const summary = await sumLedger(context.profile, now, {
      isToday: todayOnly,
      settled,
      ...(shownWorkers === undefined ? {} : { shownWorkers }),
    });
    if (summary.coverage !== undefined) {
      summary.coverage.elsewhere = await elsewhere(context, summary.coverage.withoutCost);
    }
    // Said last: where the summary itself fails, its error is the one line.
    if (unread !== undefined) {
      context.note(`looop cost: some agents' own records are not in it: ${unread.message}`);
    }
    if (context.json) {
      return { json: { span: todayOnly ? "today" : "all", ...costSummaryJson(summary, shownWorkers) } };
    }
    const locale = context.env["LC_ALL"] || context.env["LC_CTYPE"] || context.env["LANG"] || "UTF-8";
    const unicode = /utf-?8/i.test(locale);
    const text = showCost(summary, {
      width: context.width,
      colour: context.colour,
      unicode,
      ...(todayOnly ? { today: localDay(now) } : {}),
    });
    return { text };
  },
});

/** Workers among these on other machines, whose agents' own records have not come home. */
async function elsewhere({ profile }: Context, ids: readonly string[]): Promise<string[]> {
  const { readSession } = await import("../lib/sessions/session.ts");
  const kept = new Set(listDirs(profile.sessions));
  return ids.filter((id) => kept.has(id) && readSession(profile, id)?.meta.host !== undefined);
}

/** Updates the ledger from the agents' records; returns why not all could be read. The known part is shown in any case. */
async function collect(
  context: Context,
  settled: ReturnType<typeof settledRuns>,
): Promise<Error | undefined> {
  if (statOf(context.profile.lockDir) === undefined) return undefined;
  try {
    const { readConfig } = await import("../lib/records/config.ts");
    const { collectSpend } = await import("../lib/agents/spend.ts");
    const waiting = (what: string) => context.note(`looop cost: waiting for ${what}`);
    await collectSpend(
      { profile: context.profile, env: context.env, now: context.now, waiting },
      readConfig(context.profile.config).config.prices,
      settled,
    );
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
