/** `looop _ goal archive`: archives a goal that has been reached. */
import { UserError } from "../../lib/errors.ts";
import { checkPolicyName } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { noteOwnText } from "../../lib/records/own_moves.ts";
import { exists, listedName, makeDir, moveKeepingBoth } from "../../lib/store.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ goal archive",
    summary: "archive a goal that is reached; an archived one of the same name is kept, too",
    audience: "root",
    args: [{ name: "id", summary: "goal", kind: "goal" }],
    mutating: true,
    example: "looop _ goal archive setup",
  },
  async run(context, input) {
    const { goals, goalsArchive } = context.profile;
    const word = checkPolicyName("goal", input.word(0), (name) => exists(`${goals}/${name}.md`));
    const listed = listedName(`${goals}/${word}.md`);
    if (listed === undefined) throw noGoal(word);
    const id = listed.slice(0, -".md".length);
    makeDir(goalsArchive);
    const lock = `${context.profile.lockDir}/move`;
    await noteOwnText(context, `goal:${id}`, `${goals}/${id}.md`, undefined);
    const moved = moveKeepingBoth(`${goals}/${id}.md`, `${goalsArchive}/${id}`, { suffix: ".md", lock });
    if (moved === undefined) throw noGoal(id);
    recordMove(context, `archive-goal ${id}`, [id]);
    return { text: `archive-goal ${id}` };
  },
});

function noGoal(id: string): UserError {
  return new UserError(`There is no goal "${id}"`, {
    next: "`looop _ state` lists the goals",
    kind: "not_found",
  });
}
