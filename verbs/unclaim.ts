/** `looop _ unclaim`: a worker gives a lease back. */
import { unclaim } from "../lib/calls/worker_calls.ts";
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
    return { text: await unclaim(context, name, session) };
  },
});
