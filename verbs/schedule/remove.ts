/** `looop _ schedule remove`: ends a reminder and keeps its text. */
import { UserError } from "../../lib/errors.ts";
import { checkId } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { noteOwnText } from "../../lib/records/own_moves.ts";
import { removeSchedule, schedulePath } from "../../lib/records/schedules.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ schedule remove",
    summary: "stop a reminder; its file moves to schedules/archive/",
    audience: "root",
    args: [{ name: "id", summary: "schedule", kind: "schedule" }],
    mutating: true,
    example: "looop _ schedule remove standup",
  },
  async run(context, input) {
    const id = checkId("schedule", input.word(0));
    await noteOwnText(context, `schedule:${id}`, schedulePath(context.profile, id), undefined);
    if (!removeSchedule(context.profile, id)) {
      throw new UserError(`There is no schedule "${id}"`, {
        next: "`looop _ state` lists the schedules",
        kind: "not_found",
      });
    }
    recordMove(context, `remove-schedule ${id}`);
    return { text: `remove-schedule ${id}` };
  },
});
