/** The cost of workers' runs, as far as it is known now. */
import { type CostRow, parseRow } from "./cost_row.ts";
import type { Profile } from "../paths.ts";
import { isRecord } from "../text/json.ts";
import { readJson, readTail } from "../store.ts";

/** Length of the ledger's end that is searched for a run's own reports, bytes. */
const LEDGER_TAIL_BYTES = 256 * 1024;

/** One run of a worker. */
export interface CostedRun {
  id: string;
  dir: string;
  startedAt: number;
}

/** Answers for any number of runs; the ledger's end is read once for all of them. */
export class RunCosts {
  readonly #profile: Profile;
  /** Amounts that workers have reported themselves, by worker. */
  #reported: Map<string, CostRow[]> | undefined;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /**
   * Dollars, or null while nobody has reported any: from the runner's own records, else the sum of what the worker
   * itself has reported since its start.
   */
  of({ id, dir, startedAt }: CostedRun): number | null {
    const line = readJson(
      `${dir}/spend.json`,
      (value) => isRecord(value) ? String(value["line"]) : "not a record",
    );
    const row = line !== undefined && "value" in line ? parseRow(line.value) : undefined;
    if (row !== undefined && row.unpriced !== true) return row.costUsd;
    this.#reported ??= this.#readReported();
    const own = (this.#reported.get(id) ?? []).filter(({ tsMs }) => tsMs >= startedAt * 1000);
    return own.length === 0 ? null : own.reduce((sum, { costUsd }) => sum + costUsd, 0);
  }

  #readReported(): Map<string, CostRow[]> {
    const rows = readTail(this.#profile.cost, LEDGER_TAIL_BYTES).split("\n").map(parseRow)
      .filter((row) => row !== undefined).filter((row) => row.source === undefined);
    return Map.groupBy(rows, ({ id }) => id);
  }
}
