/** `looop _ done`: does the same as `_ kill` about oneself, for agents whose shell tool refuses the word "kill". */
import { UsageError } from "../lib/errors.ts";
import { checkId } from "../lib/ids.ts";
import { endItself } from "../lib/cli/end_itself.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ done",
    summary: "the same as `_ kill`, for agents that refuse that word",
    audience: "worker",
    args: [{
      name: "id",
      summary: "the worker's own id; $LOOOP_SESSION_ID by default",
      optional: true,
      kind: "worker",
    }],
    mutating: true,
    example: "looop _ done w1",
  },
  run(context, input) {
    const id = input.words[0] ?? context.env["LOOOP_SESSION_ID"];
    if (!id) {
      throw new UsageError("No worker is named", { next: "run this in a worker, or give its id" });
    }
    return endItself(context, checkId("worker", id));
  },
});
