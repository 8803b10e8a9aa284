/** `looop _ playbook write`: replaces the playbook, which says how to judge. */
import { recordMove } from "../../lib/records/move.ts";
import { noteOwnText } from "../../lib/records/own_moves.ts";
import { changePolicy, keepPlaybook, undoSlot, withNewline, writePolicy } from "../../lib/records/policy.ts";
import { openProfile } from "../../lib/records/profile.ts";
import { readLinkedBytes, sameBytes } from "../../lib/store.ts";
import { bodyOf, defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ playbook write",
    summary: "rewrite PLAYBOOK.md; the old text is kept in playbook.d/",
    audience: "root",
    args: [{ name: "body", summary: "Markdown; from stdin when absent or -", optional: true, many: true }],
    mutating: true,
    example: "looop _ playbook write <playbook.md",
  },
  async run(context, input) {
    const body = withNewline(await bodyOf(context, input.words, "playbook"));
    openProfile(context.profile);
    const { playbook } = context.profile;
    const slot = undoSlot(context.profile, "playbook", "text", context.now());
    await noteOwnText(context, "policy", playbook, body);
    const changed = changePolicy(context.profile, () => {
      const before = readLinkedBytes(playbook);
      if (before !== undefined && !sameBytes(before, new TextEncoder().encode(body))) {
        keepPlaybook(context.profile, before, context.now());
      }
      return writePolicy(playbook, slot, body);
    });
    if (!changed) return { text: "write-playbook (unchanged)" };
    recordMove(context, "write-playbook");
    return { text: "write-playbook" };
  },
});
