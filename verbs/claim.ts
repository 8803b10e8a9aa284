/** `looop _ claim`: a worker takes a lease on a task. */
import { acquireLease } from "../lib/sessions/lease.ts";
import { recordMove } from "../lib/records/move.ts";
import { markReady } from "../lib/sessions/session.ts";
import { defineVerb } from "../lib/cli/verb.ts";
import { HOLDER, holderOf } from "../lib/cli/holder.ts";

export default defineVerb({
  declare: {
    path: "_ claim",
    summary: "take the lease on a task; exit 1 when a live session holds it",
    audience: "worker",
    args: [{ name: "name", summary: "the task", kind: "claim" }],
    options: [HOLDER],
    mutating: true,
    example: "looop _ claim issue-42",
  },
  async run(context, input) {
    const { name, session } = holderOf(context, input);
    const outcome = await acquireLease(context.profile, name, session, context.now());
    markReady(context.profile, session);
    if (outcome === "held") return { text: `claimed ${name} (held already)` };
    const how = outcome === "taken_over" ? ", taken over from an ended session" : "";
    recordMove(context, `claim ${name}: ${session}${how}`);
    return { text: `claimed ${name}` };
  },
});
