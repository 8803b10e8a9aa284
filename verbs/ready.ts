/** `looop _ ready`: a worker says that it has begun. */
import { checkId } from "../lib/ids.ts";
import { poke } from "../lib/records/move.ts";
import { markReady, readSession, unknownWorker } from "../lib/sessions/session.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ ready",
    summary: "say that you have begun: the first thing a worker does",
    audience: "worker",
    args: [{ name: "id", summary: "the worker's own id", kind: "worker" }],
    example: "looop _ ready w1",
  },
  run(context, input) {
    const id = checkId("worker", input.word(0));
    if (readSession(context.profile, id) === undefined) {
      throw unknownWorker(id);
    }
    markReady(context.profile, id);
    poke(context.profile);
    return Promise.resolve({ text: `ready ${id}` });
  },
});
