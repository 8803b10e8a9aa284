/** `looop _ goal write` and `_ goal archive`: what should be. */
import { UserError } from "../lib/errors.ts";
import { checkId } from "../lib/ids.ts";
import { noteActivity, recordMove } from "../lib/records/move.ts";
import { changePolicy, undoPath, withNewline, writePolicy } from "../lib/records/policy.ts";
import { openProfile } from "../lib/records/profile.ts";
import { exists, makeDir, moveKeepingBoth } from "../lib/store.ts";
import { bodyOf, defineVerb } from "../lib/cli/verb.ts";

export const write = defineVerb({
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
    const { goals, undo } = context.profile;
    makeDir(goals);
    const slot = { dir: undo, path: undoPath(context.profile, "goal", id) };
    const changed = changePolicy(context.profile, () => writePolicy(`${goals}/${id}.md`, slot, body));
    if (!changed) return { text: `write-goal ${id} (unchanged)` };
    noteActivity(context.profile, id, context.now());
    recordMove(context, `write-goal ${id}`);
    return { text: `write-goal ${id}` };
  },
});

export const archive = defineVerb({
  declare: {
    path: "_ goal archive",
    summary: "put a goal that is reached aside; an archived one of the same name stays too",
    audience: "root",
    args: [{ name: "id", summary: "goal", kind: "goal" }],
    mutating: true,
    example: "looop _ goal archive setup",
  },
  run(context, input) {
    const id = checkId("goal", input.word(0));
    const { goals, goalsArchive } = context.profile;
    if (!exists(`${goals}/${id}.md`)) throw noGoal(id);
    makeDir(goalsArchive);
    const lock = `${context.profile.lockDir}/move`;
    const moved = moveKeepingBoth(`${goals}/${id}.md`, `${goalsArchive}/${id}`, { suffix: ".md", lock });
    if (moved === undefined) throw noGoal(id);
    noteActivity(context.profile, id, context.now());
    recordMove(context, `archive-goal ${id}`);
    return Promise.resolve({ text: `archive-goal ${id}` });
  },
});

function noGoal(id: string): UserError {
  return new UserError(`There is no goal "${id}"`, {
    next: "`looop _ state` lists the goals",
    kind: "not_found",
  });
}
