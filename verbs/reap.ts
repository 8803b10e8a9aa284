/** `looop _ reap` (internal): ends a session's tree from outside it, for a worker that ends itself. */
import { checkId } from "../lib/ids.ts";
import { readFleet } from "../lib/sessions/session.ts";
import { defineVerb } from "../lib/cli/verb.ts";
import { endSession } from "../lib/workers/end.ts";
import { poke } from "../lib/records/move.ts";

export default defineVerb({
  declare: {
    path: "_ reap",
    summary: "ends a session's process tree from outside it",
    audience: "internal",
    args: [{ name: "id", summary: "worker" }, { name: "gen", summary: "generation" }],
    example: "looop _ kill w1",
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const [session] = await readFleet(context.profile, context.now(), [id]);
    if (session === undefined || session.gen !== input.word(1)) return;
    await endSession(context.profile, session, "exited", "self", context.now);
    poke(context.profile);
  },
});
