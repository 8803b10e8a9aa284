/** `looop _ cost`: a worker reports its spend. */
import { checkAmount } from "../lib/agents/cost_row.ts";
import { cost } from "../lib/calls/worker_calls.ts";
import { oneLine, UsageError } from "../lib/errors.ts";
import { openQuickly } from "../lib/cli/open_profile.ts";
import { type Context, defineVerb, type Input } from "../lib/cli/verb.ts";

export default defineVerb({
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
  async run(context, input) {
    const [kind, id, runner] = ["kind", "id", "runner"].map((name, n) => wordOf(input, n, name)) as [
      string,
      string,
      string,
    ];
    const costUsd = checkAmount(input.word(3));
    await openQuickly(context.profile);
    return { text: cost(context, { kind, id, runner, costUsd, ...callOf(context.env) }) };
  },
});

/** The name of a call that may be made twice: by the pulse, and by this process when the pulse was late. */
function callOf({ LOOOP_CALL: key, LOOOP_SESSION_ID: id, LOOOP_SESSION_GEN: gen }: Context["env"]) {
  return key === undefined ? {} : { call: `${id}/${gen}/${key}` };
}

/** Longest kind, id or runner, characters. */
const MAX_WORD = 200;

/** Any text, as in 0.16: runners have names like `anthropic/claude-sonnet`. */
function wordOf(input: Input, n: number, name: string): string {
  const word = input.word(n);
  if (word.trim() !== "" && word.length <= MAX_WORD && !/\p{Cc}/u.test(word)) return word;
  throw new UsageError(`Bad ${name} "${oneLine(word, 70)}"`, {
    next: `use one line of 1-${MAX_WORD} characters, as in \`looop _ cost session w1 pi 0.25\``,
  });
}
