/** `looop _ undo`: brings back the text before the last write of a policy file. */
import { UsageError } from "../lib/errors.ts";
import { checkPolicyName } from "../lib/ids.ts";
import type { Profile } from "../lib/paths.ts";
import { recordMove } from "../lib/records/move.ts";
import { noteOwnText } from "../lib/records/own_moves.ts";
import { changePolicy, type PolicyKind } from "../lib/records/policy.ts";
import { openProfile } from "../lib/records/profile.ts";
import { hasText, textBefore, undoPolicy } from "../lib/records/undo.ts";
import { defineVerb } from "../lib/cli/verb.ts";

const KINDS: readonly PolicyKind[] = ["playbook", "goal", "sensor"];

export default defineVerb({
  declare: {
    path: "_ undo",
    summary: "bring back the previous text of the playbook, a goal or a sensor; again: the newer one",
    audience: "root",
    args: [
      { name: "what", summary: "which kind of text", choices: KINDS },
      { name: "id", summary: "which goal or sensor", optional: true },
    ],
    mutating: true,
    example: "looop _ undo goal ship-1.0",
    details:
      "A goal that was archived and a sensor that was removed come back, unless a new one has taken their place.\n" +
      "Texts that undo no longer reaches are in .undo/history/ of the data dir for 90 days, the last 20 each;\n" +
      "earlier playbooks are in playbook.d/.",
  },
  async run(context, input) {
    const kind = input.word(0) as PolicyKind;
    const { profile } = context;
    const id = idOf(profile, kind, input.words[1]);
    openProfile(profile);
    const item = kind === "playbook" ? "policy" : `${kind}:${id}`;
    await noteOwnText(context, item, "", textBefore(profile, kind, id));
    const undone = changePolicy(profile, () => undoPolicy(profile, kind, id, context.now()));
    const text = `undo ${kind === "playbook" ? kind : `${kind} ${id}`}${
      undone === "unarchived" ? ": back from the archive" : ""
    }`;
    recordMove(context, text, kind === "goal" ? [id] : []);
    return { text };
  },
});

function idOf(profile: Profile, kind: PolicyKind, word: string | undefined): string {
  if (kind === "playbook") {
    if (word !== undefined) {
      throw new UsageError(`Unexpected argument "${word}"`, {
        next: "there is one playbook: `looop _ undo playbook`",
      });
    }
    return "text";
  }
  if (word === undefined) {
    throw new UsageError("Missing <id>", { next: `as in \`looop _ undo ${kind} <id>\`` });
  }
  return checkPolicyName(kind, word, (name) => hasText(profile, kind, name));
}
