/** `looop _ goal write`: writes a goal, the desired state. */
import { checkId } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { noteOwnText } from "../../lib/records/own_moves.ts";
import { changePolicy, undoSlot, withNewline, writePolicy } from "../../lib/records/policy.ts";
import { openProfile } from "../../lib/records/profile.ts";
import { makeDir } from "../../lib/store.ts";
import { bodyOf, defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ goal write",
    summary: "write or rewrite one goal",
    audience: "root",
    args: [
      { name: "id", summary: "goal", kind: "goal" },
      { name: "body", summary: "Markdown; from stdin when absent or -", optional: true, many: true },
    ],
    mutating: true,
    example: "looop _ goal write ship-1.0 <goal.md",
  },
  async run(context, input) {
    const id = checkId("goal", input.word(0));
    const body = withNewline(await bodyOf(context, input.words.slice(1), "goal"));
    openProfile(context.profile);
    const { goals } = context.profile;
    makeDir(goals);
    const slot = undoSlot(context.profile, "goal", id, context.now());
    await noteOwnText(context, `goal:${id}`, `${goals}/${id}.md`, body);
    const changed = changePolicy(context.profile, () => writePolicy(`${goals}/${id}.md`, slot, body));
    if (!changed) return { text: `write-goal ${id} (unchanged)` };
    recordMove(context, `write-goal ${id}`, [id]);
    return { text: `write-goal ${id}` };
  },
});
