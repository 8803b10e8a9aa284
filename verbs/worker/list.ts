/** `looop _ worker list`: the fleet. */
import type { WorkerView } from "../../lib/sessions/session.ts";
import { readWorkers, readWorld, viewOf } from "../../lib/world/state.ts";
import { age, sanitizeLine } from "../../lib/text/style.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ worker list",
    summary: "the fleet",
    audience: "root",
    options: [{ name: "json", summary: "as JSON, as in workers[] of `_ state`" }],
    example: "looop _ worker list",
  },
  async run(context) {
    const now = context.now();
    const workers = await readWorkers(context.profile, readWorld(context.profile, now).world, now);
    const text = workers.length === 0
      ? "no workers"
      : workers.map((worker) => workerLine(worker, context.now())).join("\n");
    return { text, json: workers.map(viewOf) };
  },
});

function workerLine(worker: WorkerView, nowMs: number): string {
  const since = age((nowMs - Date.parse(worker.ended ?? worker.started)) / 1000);
  const code = worker.exit_code === null ? "" : ` ${worker.exit_code}`;
  const by = worker.ended_by === undefined ? "" : ` by ${worker.ended_by}`;
  const quiet = worker.alive
    ? `, quiet for ${age(worker.idle_s)}${worker.ready ? "" : ", not ready yet"}`
    : "";
  const where = worker.host === undefined ? "" : ` on ${worker.host}`;
  const silence = worker.unreachable_s === undefined
    ? ""
    : `, host unreachable for ${age(worker.unreachable_s)}`;
  const state = `${worker.state}${code}${by}${where}`;
  return sanitizeLine(`${worker.id}  ${state}  ${worker.runner}  ${since} ago${quiet}${silence}`);
}
