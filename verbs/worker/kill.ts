/** `looop _ worker kill`: the end of a worker, with its whole process tree. */
import { UserError } from "../../lib/errors.ts";
import { checkId } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { defineVerb } from "../../lib/cli/verb.ts";
import { killWorker } from "../../lib/workers/worker.ts";

export default defineVerb({
  declare: {
    path: "_ worker kill",
    summary: "end a worker's whole process tree and withdraw its questions",
    audience: "root",
    args: [{ name: "id", summary: "worker", kind: "worker" }],
    mutating: true,
    example: "looop _ worker kill fix-42",
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const { already, survivors } = await killWorker(context.profile, id, "root", context.now);
    if (survivors.length > 0) {
      throw new UserError(`Worker "${id}" left processes: ${survivors.map((fact) => fact.pid).join(", ")}`, {
        next: "they ignore SIGKILL (a stuck disk or network mount?); look at them with `ps`",
        kind: "survivors",
      });
    }
    if (already) return { text: `worker ${id} had ended already` };
    recordMove(context, `kill-worker ${id}`);
    return { text: `killed worker ${id}` };
  },
});
