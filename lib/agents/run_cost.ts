/** The cost of one run of a worker, as far as it is known now. */
import { parseRow } from "./cost_row.ts";
import type { Profile } from "../paths.ts";
import { isRecord } from "../text/json.ts";
import { readJson, readTail } from "../store.ts";

/** Length of the ledger's end that is searched for a run's own reports, bytes. */
const LEDGER_TAIL_BYTES = 256 * 1024;

/**
 * Dollars, or null while nobody has reported any: from the runner's own records, else the sum of what the worker
 * itself has reported since its start.
 */
export function costOfRun(
  profile: Profile,
  run: { id: string; dir: string; startedAt: number },
): number | null {
  const line = readJson(
    `${run.dir}/spend.json`,
    (value) => isRecord(value) ? String(value["line"]) : "not a record",
  );
  const row = line !== undefined && "value" in line ? parseRow(line.value) : undefined;
  if (row !== undefined && row.unpriced !== true) return row.costUsd;
  const reported = readTail(profile.cost, LEDGER_TAIL_BYTES).split("\n").map(parseRow)
    .filter((one) => one?.id === run.id && one.source === undefined && one.tsMs >= run.startedAt * 1000);
  if (reported.length === 0) return null;
  return reported.reduce((sum, one) => sum + (one?.costUsd ?? 0), 0);
}
