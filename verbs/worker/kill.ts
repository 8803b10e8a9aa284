/** `looop _ worker kill`: ends a worker with its whole process tree. */
import { UserError } from "../../lib/errors.ts";
import { checkId } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { noteOwn } from "../../lib/records/own_moves.ts";
import { generationOf } from "../../lib/sessions/run_files.ts";
import { type Context, defineVerb } from "../../lib/cli/verb.ts";
import { endFar } from "../../lib/workers/far.ts";
import { endByPulse, forgetWorker, hiddenNote, killWorker } from "../../lib/workers/end.ts";
import { isPulseAlive, readPulse } from "../../lib/world/pulse_record.ts";

export default defineVerb({
  declare: {
    path: "_ worker kill",
    summary: "end a worker's whole process tree and withdraw its questions",
    audience: "root",
    args: [{ name: "id", summary: "worker", kind: "worker" }],
    options: [{
      name: "forget",
      summary: "give up the record of a worker that cannot be reached; its processes may still run",
    }],
    mutating: true,
    example: "looop _ worker kill fix-42",
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const gen = generationOf(context.profile, id);
    if (gen !== "") noteOwn(context, `worker:${id}`, gen);
    if (input.flag("forget")) return await forget(context, id);
    const { already, survivors, unreachable, hidden } = await killWorker(
      context.profile,
      id,
      "root",
      context.now,
      async (session) => {
        const hasPulse = await isPulseAlive(context.profile, readPulse(context.profile));
        return session.host === undefined
          ? await endByPulse(context.profile, session, hasPulse)
          : await endFar(context, session, "killed", "root", hasPulse);
      },
    );
    for (const one of hidden ?? []) context.note(`looop _ worker kill: ${hiddenNote(one)}`);
    if (unreachable !== undefined) {
      throw new UserError(`Worker "${id}" is not known to have ended: ${unreachable}`, {
        next: "its end is recorded and is carried out once it can be reached; --forget gives it up",
        kind: "unknown",
      });
    }
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

async function forget(context: Context, id: string): Promise<{ text: string }> {
  if (!await forgetWorker(context.profile, id, context.now)) {
    return { text: `worker ${id} had ended already` };
  }
  recordMove(context, `forget-worker ${id}: given up, its processes may live on`);
  return { text: `forgot worker ${id}; its processes may live on` };
}
