/** `looop _ worker log`: shows the last lines of what a worker did or printed. */
import { unknownWorker } from "../../lib/sessions/run_files.ts";
import { EXIT } from "../../lib/errors.ts";
import { checkRun } from "../../lib/ids.ts";
import { lastLines } from "../../lib/workers/logs.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ worker log",
    summary: "the last lines of what a worker did or printed",
    audience: "root",
    args: [{ name: "id", summary: "worker", kind: "worker" }],
    options: [{ name: "lines", short: "n", value: "N", summary: "how many; 40 by default" }],
    example: "looop _ worker log fix-42 -n 20",
  },
  async run(context, input) {
    const id = checkRun(input.word(0));
    const count = input.count("lines") ?? 40;
    const lines = await lastLines({ profile: context.profile, env: context.env }, id, count);
    if (lines === undefined) throw unknownWorker(id);
    return { text: lines.join("\n"), code: EXIT.ok };
  },
});
