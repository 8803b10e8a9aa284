/** `looop _ kill`: a worker ends its own session. */
import { checkId } from "../lib/ids.ts";
import { endItself } from "../lib/cli/end_itself.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ kill",
    summary: "end your own session: the very last thing a worker does",
    audience: "worker",
    args: [{ name: "id", summary: "the worker's own id", kind: "worker" }],
    mutating: true,
    example: "looop _ kill w1",
    details: "The end is recorded first; then a process outside the worker's tree ends all of it.",
  },
  run: (context, input) => endItself(context, checkId("worker", input.word(0))),
});
