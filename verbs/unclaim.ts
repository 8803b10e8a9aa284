/** `looop _ unclaim`: a worker gives a lease back. */
import { releaseLease } from "../lib/sessions/lease.ts";
import { recordMove } from "../lib/records/move.ts";
import { markReady } from "../lib/sessions/session.ts";
import { defineVerb } from "../lib/cli/verb.ts";
import { HOLDER, holderOf } from "../lib/cli/holder.ts";

export default defineVerb({
  declare: {
    path: "_ unclaim",
    summary: "give a lease back",
    audience: "worker",
    args: [{ name: "name", summary: "the task", kind: "claim" }],
    options: [HOLDER],
    mutating: true,
    example: "looop _ unclaim issue-42",
  },
  async run(context, input) {
    const { name, session } = holderOf(context, input);
    const released = await releaseLease(context.profile, name, session, context.now());
    markReady(context.profile, session);
    if (!released) return { text: `${name} was not claimed` };
    recordMove(context, `unclaim ${name}: ${session}`);
    return { text: `unclaimed ${name}` };
  },
});
