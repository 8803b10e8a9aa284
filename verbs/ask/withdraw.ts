/** `looop _ ask withdraw`: takes a question back. */
import { checkAskId } from "../../lib/ids.ts";
import { withdrawAsk } from "../../lib/records/mailbox.ts";
import { recordMove } from "../../lib/records/move.ts";
import { ANSWERED, noteOwn } from "../../lib/records/own_moves.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ ask withdraw",
    summary: "take a pending question back; its asker ends with exit 4",
    audience: "root",
    args: [{ name: "ask_id", summary: "as shown in asks[]", kind: "ask" }],
    mutating: true,
    example: "looop _ ask withdraw w1-1",
  },
  async run(context, input) {
    const id = checkAskId(input.word(0));
    await withdrawAsk(context.profile, id, context.caller.by, context.now());
    noteOwn(context, `ask:${id}`, ANSWERED);
    recordMove(context, `withdraw ${id}`);
    return { text: `withdrew ${id}` };
  },
});
