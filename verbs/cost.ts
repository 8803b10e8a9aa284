/** `looop cost`: shows what was spent, and how much of it is known. */
import { statOf } from "../lib/store.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "cost",
    summary: "what was spent: total, by day, kind, runner and worker",
    audience: "people",
    args: [{ name: "span", summary: "all by default", optional: true, choices: ["today", "all"] }],
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop cost today",
    details:
      "Coverage shows how much is known: workers with a cost ÷ workers that ran, by sessions, journal and events.\n" +
      "A cost may be tokens without dollars, where neither the agent nor `prices` in config.json gives a price.",
  },
  async run(context, input) {
    // Loaded here, since `_ cost` needs none of it.
    const { localDay } = await import("../lib/agents/cost.ts");
    const { costSummaryJson, showCost } = await import("../lib/cli/cost_view.ts");
    const { sumLedger } = await import("../lib/agents/ledger.ts");
    await collect(context);
    const todayOnly = input.word(0) === "today";
    const now = context.now();
    const summary = await sumLedger(context.profile, now, todayOnly);
    const locale = context.env["LC_ALL"] || context.env["LC_CTYPE"] || context.env["LANG"] || "UTF-8";
    const unicode = /utf-?8/i.test(locale);
    const text = showCost(summary, {
      width: context.width,
      colour: context.colour,
      unicode,
      ...(todayOnly ? { today: localDay(now) } : {}),
    });
    return { text, json: { span: todayOnly ? "today" : "all", ...costSummaryJson(summary) } };
  },
});

/** Updates the ledger from the agents' records; the known part is shown in any case. */
async function collect(context: Context): Promise<void> {
  if (statOf(context.profile.lockDir) === undefined) return;
  try {
    const { readConfig } = await import("../lib/records/config.ts");
    const { collectSpend } = await import("../lib/agents/spend.ts");
    const waiting = (what: string) => context.note(`looop cost: waiting for ${what}`);
    await collectSpend(
      { profile: context.profile, env: context.env, now: context.now, waiting },
      readConfig(context.profile.config).config.prices,
    );
  } catch (error) {
    context.note(`looop cost: some agents' own records are not in it: ${(error as Error).message}`);
  }
}
