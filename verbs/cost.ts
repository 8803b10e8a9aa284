/** `looop _ cost`: a worker reports its spend. `looop cost`: what was spent, and how much of it is known. */
import { checkAmount, formatRow } from "../lib/agents/cost_row.ts";
import { oneLine, UsageError } from "../lib/errors.ts";
import { isId } from "../lib/ids.ts";
import { poke } from "../lib/records/move.ts";
import { openProfile } from "../lib/records/profile.ts";
import { markReady } from "../lib/sessions/session.ts";
import { appendLine, statOf } from "../lib/store.ts";
import { type Context, defineVerb, type Input } from "../lib/cli/verb.ts";

export const ledger = defineVerb({
  declare: {
    path: "_ cost",
    summary: "report your own spend, in dollars, before you end",
    audience: "worker",
    args: [
      { name: "kind", summary: "what was paid for; a worker says `session`" },
      { name: "id", summary: "the worker's own id", kind: "worker" },
      { name: "runner", summary: "the agent, as named in config.json", kind: "runner" },
      { name: "usd", summary: "dollars, 0 or more, e.g. 0.25" },
    ],
    passthrough: true,
    example: "looop _ cost session w1 pi 0.25",
    details: "Each call adds to the ledger: report what was spent since the last report, not the sum.",
  },
  run(context, input) {
    const [kind, id, runner] = ["kind", "id", "runner"].map((name, n) => wordOf(input, n, name)) as [
      string,
      string,
      string,
    ];
    const costUsd = checkAmount(input.word(3));
    openProfile(context.profile);
    // Never rotated, as sums are taken over all of it.
    appendLine(context.profile.cost, formatRow({ tsMs: context.now(), kind, id, runner, costUsd }));
    markReady(context.profile, id);
    poke(context.profile);
    return Promise.resolve({ text: `cost ${id}: $${costUsd}` });
  },
});

function wordOf(input: Input, n: number, name: string): string {
  const word = input.word(n);
  if (isId(word)) return word;
  throw new UsageError(`Bad ${name} "${oneLine(word, 70)}"`, {
    next: "use 1-64 letters, digits, '.', '_' or '-', as in `looop _ cost session w1 pi 0.25`",
  });
}

export default defineVerb({
  declare: {
    path: "cost",
    summary: "what was spent: total, by day, kind, runner and worker",
    audience: "people",
    args: [{ name: "span", summary: "all unless given", optional: true, choices: ["today", "all"] }],
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop cost today",
    details:
      "Coverage tells how much is known: workers with a cost ÷ workers that ran, by sessions, journal and events.\n" +
      "A cost may be tokens without dollars, where neither the agent nor `prices` in config.json gives a price.",
  },
  async run(context, input) {
    // Loaded here, as `_ cost` needs none of it.
    const { localDay } = await import("../lib/agents/cost.ts");
    const { costSummaryJson, showCost } = await import("../lib/cli/cost_view.ts");
    const { sumLedger } = await import("../lib/agents/ledger.ts");
    await collect(context);
    const todayOnly = input.word(0) === "today";
    const now = context.now();
    const summary = sumLedger(context.profile, now, todayOnly);
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

/** Brings the ledger up to date with what the agents have recorded; what is known is shown in any case. */
async function collect(context: Context): Promise<void> {
  if (statOf(context.profile.lockDir) === undefined) return;
  try {
    const { readConfig } = await import("../lib/records/config.ts");
    const { collectSpend } = await import("../lib/agents/spend.ts");
    await collectSpend(context, readConfig(context.profile.config).config.prices);
  } catch (error) {
    context.note(`looop cost: some agents' own records are not in it: ${(error as Error).message}`);
  }
}
