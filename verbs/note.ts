/** `looop _ note`: adds one line to the journal, for the agent's next session. */
import { recordMove } from "../lib/records/move.ts";
import { openProfile } from "../lib/records/profile.ts";
import { bodyOf, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ note",
    summary: "write one line into the journal: what the human has decided, for your next session",
    audience: "root",
    args: [{ name: "text", summary: "the line; from stdin when absent or -", optional: true, many: true }],
    mutating: true,
    example: 'looop _ note "the human wants releases on Fridays only"',
  },
  async run(context, input) {
    const text = await bodyOf(context, input.words, "note");
    openProfile(context.profile);
    recordMove(context, `note: ${text.trim()}`);
    return { text: "noted" };
  },
});
