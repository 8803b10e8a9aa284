/** `looop _ worker list`: shows the fleet. */
import { readMailbox } from "../../lib/records/mailbox.ts";
import type { WorkerView } from "../../lib/sessions/session.ts";
import { verdictWords } from "../../lib/sessions/verdict.ts";
import { readWorkers, readWorld, viewOf } from "../../lib/world/state.ts";
import { age, sanitizeLine, table } from "../../lib/text/style.ts";
import { limitWords } from "../../lib/cli/problems.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ worker list",
    summary: "all workers and their states",
    audience: "root",
    options: [{ name: "json", summary: "as JSON, as in workers[] of `_ state`" }],
    example: "looop _ worker list",
  },
  async run({ profile, now, width, json }) {
    const nowMs = now();
    const workers = await readWorkers(profile, readWorld(profile, nowMs).world, nowMs);
    if (json) return { json: workers.map(viewOf) };
    if (workers.length === 0) return { text: "no workers" };
    const asking = new Set(readMailbox(profile).pending.map(({ worker }) => worker));
    const rows = workers.map((worker) => rowOf(worker, asking.has(worker.id), nowMs));
    const columns = [{ min: 8 }, { min: 8 }, { min: 4 }, {}, { min: 6 }];
    return { text: table(rows, { width, columns }).join("\n") };
  },
});

/** A table row: id, state, runner, age, and remarks. */
function rowOf(worker: WorkerView, isAsking: boolean, nowMs: number): string[] {
  const since = age((nowMs - Date.parse(worker.ended ?? worker.started)) / 1000);
  const code = worker.exit_code === null ? "" : ` ${worker.exit_code}`;
  const notes = [
    ...(worker.alive && isAsking ? ["asking"] : []),
    ...(worker.alive ? [`quiet ${age(worker.idle_s)}`] : [`by ${worker.ended_by ?? "?"}`]),
    ...(worker.verify === undefined ? [] : [verdictWords(worker.verify)]),
    ...(worker.limited === undefined ? [] : [limitWords(worker)]),
    ...(worker.alive && !worker.ready ? ["not ready yet"] : []),
    ...(worker.host === undefined ? [] : [`on ${worker.host}`]),
    ...(worker.unreachable_s === undefined ? [] : [`host unreachable for ${age(worker.unreachable_s)}`]),
  ];
  return [worker.id, `${worker.state}${code}`, worker.runner, `${since} ago`, notes.join(", ")].map((cell) =>
    sanitizeLine(cell)
  );
}
