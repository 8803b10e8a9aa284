/** `looop _ ready`: a worker reports that it has begun. */
import { checkId } from "../lib/ids.ts";
import { ready } from "../lib/calls/worker_calls.ts";
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
    return Promise.resolve({ text: ready(context.profile, checkId("worker", input.word(0))) });
  },
});
