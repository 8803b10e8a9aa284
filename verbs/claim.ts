/** `looop _ claim`: a worker takes a lease on a task. */
import { claim } from "../lib/calls/worker_calls.ts";
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
    return { text: await claim(context, name, session) };
  },
});
