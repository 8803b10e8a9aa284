/** `looop down`: stops the pulse and all workers, whole trees. */
import { readConfig } from "../lib/records/config.ts";
import { Attempts, EXIT, UserError } from "../lib/errors.ts";
import { journalAs } from "../lib/records/move.ts";
import { checkDir, checkFormat } from "../lib/records/profile_check.ts";
import { hiddenNote } from "../lib/workers/end.ts";
import { stopAll, stopMarked } from "../lib/pulse/control.ts";
import type { ProcessFact } from "../lib/process/table.ts";
import { statOf } from "../lib/store.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "down",
    summary: "stop the pulse and all workers, whole process trees",
    audience: "people",
    example: "looop down",
    details: "Questions stay. Exit 1 names every process that could not be ended.",
  },
  async run(context) {
    const { profile, env } = context;
    if (statOf(profile.dir) === undefined) return { text: "looop: nothing to stop, there is no data dir" };
    // Anybody else who can write the records in it would decide what is ended.
    checkDir(profile);
    if (env["LOOOP_SESSION_ID"] && env["LOOOP_DATA_DIR"] === profile.dir) {
      throw new UserError(`Cannot stop everything from inside worker "${env["LOOOP_SESSION_ID"]}"`, {
        next: "run `looop down` in a terminal of your own",
        kind: "inside_worker",
      });
    }
    try {
      checkFormat(profile);
    } catch (error) {
      await endUnread(context);
      throw error;
    }
    const { workers, pulse, survivors, hidden, unreached, failure } = await stopAll(context);
    const lines: string[] = [];
    if (workers.length > 0) {
      lines.push(
        `looop: stopped ${workers.length} worker${workers.length === 1 ? "" : "s"} (${workers.join(", ")})`,
      );
    }
    lines.push(pulse ? "looop: pulse stopped" : "looop: pulse was not running");
    const attempts = new Attempts();
    if (pulse || workers.length > 0) {
      const text = `down: stopped ${[...workers, ...(pulse ? ["pulse"] : [])].join(", ")}`;
      await attempts.try(() => journalAs(context, text));
    }
    noteSurvivors(context, survivors);
    for (const one of hidden) context.note(`looop down: ${hiddenNote(one)}`);
    for (const { id, why, next } of unreached) {
      const what = id === "pulse" ? "the pulse" : `worker "${id}"`;
      context.note(`looop down: ${what} may still run: ${why}; ${next}`);
    }
    await collect(context);
    const unwritten = failure ?? attempts.failure;
    if (unwritten !== undefined) {
      context.out(`${lines.join("\n")}\n`);
      throw unwritten;
    }
    return { text: lines.join("\n"), code: survivors.length + unreached.length > 0 ? EXIT.failed : EXIT.ok };
  },
});

function noteSurvivors(context: Context, survivors: readonly ProcessFact[]): void {
  for (const { pid, state } of survivors) {
    context.note(`looop down: process ${pid} (state ${state}) could not be ended; try \`kill -9 ${pid}\``);
  }
}

/**
 * Ends what carries the profile's marks, although its records are of an unknown format: one worker's write into
 * `.format` must not keep all agents alive.
 */
async function endUnread(context: Context): Promise<void> {
  noteSurvivors(context, await stopMarked(context.profile));
  context.note("looop down: whatever carries this data dir's marks was ended; its records were not read");
}

/** Longest time that `down` waits for an agent's records, ms; `looop cost` reads those that did not answer. */
const SPEND_PATIENCE_MS = 5_000;

/** Puts the ended agents' recorded spend into the ledger, since with the pulse stopped nothing else would. */
async function collect(context: Context): Promise<void> {
  try {
    const { collectSpend } = await import("../lib/agents/spend.ts");
    const host = {
      profile: context.profile,
      env: context.env,
      now: context.now,
      patienceMs: SPEND_PATIENCE_MS,
    };
    await collectSpend(host, readConfig(context.profile.config).config.prices);
  } catch (error) {
    context.note(`looop down: the agents' spend is not in the ledger yet: ${(error as Error).message}`);
  }
}
