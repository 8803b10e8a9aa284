/** `looop _ state`: prints the whole world at this moment. */
import { fitState } from "../lib/world/fit.ts";
import { fitFiles, look, stateOf } from "../lib/world/state.ts";
import { openQuickly } from "../lib/cli/open_profile.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ state",
    summary: "the whole world at this moment; never waits",
    audience: "root",
    options: [
      { name: "json", summary: "as JSON" },
      {
        name: "max-bytes",
        value: "N",
        summary: "elide parts that do not fit into N bytes; no limit by default",
      },
      { name: "full", summary: "elide nothing" },
    ],
    example: "looop _ state --json",
  },
  async run(context, input) {
    const maxBytes = input.flag("full") ? 0 : input.count("max-bytes") ?? 0;
    await openQuickly(context.profile);
    const snapshot = await look(context.profile, context.now());
    if (!context.json) {
      const { summaryOf } = await import("../lib/cli/summary.ts");
      return { text: summaryOf(snapshot) };
    }
    context.out(`${fitState(await stateOf(snapshot), maxBytes, new Set(), fitFiles(context.profile))}\n`);
  },
});
