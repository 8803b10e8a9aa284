/** `looop _ probe` (internal): the other process of `doctor`'s lock check. */
import { probeLock } from "../lib/cli/doctor.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ probe",
    summary: "say whether a lock is held, then when it is free",
    audience: "internal",
    args: [{ name: "path", summary: "lock file", kind: "file" }],
    example: "looop _ probe lock",
  },
  async run(context, input) {
    await probeLock(input.word(0), (word) => context.out(word));
  },
});
