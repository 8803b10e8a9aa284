/** Helpers for tests of real agents: killing a worker's agent, checking its spend, answering codex's polls. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { readAgent } from "../../lib/agents/agent_session.ts";
import { readRecorded } from "../../lib/agents/records.ts";
import { readAllProcesses } from "../../lib/process/table.ts";
import type { TestProfile } from "../looop.ts";
import { type Conversation, type Reply, REPLY_TOKENS, type Spent } from "./model_server.ts";

/** A row of the ledger. */
export interface Row {
  id: string;
  runner: string;
  cost_usd: number;
  unpriced?: boolean;
  unrecorded?: number;
  source?: string;
  tokens: { input: number; output: number; cache_read: number; cache_write: number };
}

/** Rows of the ledger that looop wrote for one id. */
export function rowsOf(p: TestProfile, id: string): Row[] {
  return p.read("cost.jsonl").trim().split("\n").map((line) => JSON.parse(line) as Row)
    .filter((row) => row.id === id && row.source === "runner");
}

/** Waits until a worker's records have all replies; agents may record one only after they have begun to ask. */
export async function untilRecorded(p: TestProfile, id: string, spent: Spent): Promise<void> {
  const recorded = async () => {
    const sessions = readAgent(`${p.profile.sessions}/${id}`)?.sessions ?? [];
    const records = await Promise.all(sessions.map((one) => readRecorded(one, { env: p.env })));
    return records.reduce((sum, record) => sum + (record?.tokens.output ?? 0), 0);
  };
  await p.until("all replies are recorded", async () => await recorded() === spent.output);
}

/**
 * Kills the agent's own programs; some start themselves again below a launcher. `dir` is the folder of its run, where that
 * is on another machine.
 */
export async function killAgent(p: TestProfile, id: string, dir = p.path(`sessions/${id}`)): Promise<void> {
  const pid = Number(Deno.readTextFileSync(`${dir}/program`).split(" ")[0]);
  const { processes } = await readAllProcesses();
  for (const fact of processes.values()) {
    try {
      if (fact.pgid === pid) Deno.kill(fact.pid, "SIGKILL");
    } catch {
      // It ended with a process that was killed before it.
    }
  }
}

/** The poll to send when codex reports that a command still runs; undefined otherwise. */
export function runningCommand({ results }: Conversation): Reply | undefined {
  const running = /Process running with session ID (\d+)/.exec(results.at(-1) ?? "");
  return running === null ? undefined : { poll: Number(running[1]) };
}

/** Checks that the ledger has the server's tokens, except for the replies that it reports as missing. */
export function requireSpent(rows: readonly Row[], spent: Spent, unrecorded = 0): void {
  const sum = (name: "input" | "output" | "cache_read") =>
    rows.reduce((total, row) => total + row.tokens[name], 0);
  strictEqual(rows.reduce((total, row) => total + (row.unrecorded ?? 0), 0), unrecorded);
  deepStrictEqual(
    [sum("input"), sum("output"), sum("cache_read")],
    [
      spent.input - REPLY_TOKENS.input * unrecorded,
      spent.output - REPLY_TOKENS.output * unrecorded,
      spent.cache_read - REPLY_TOKENS.cache_read * unrecorded,
    ],
  );
  for (const row of rows) {
    ok(row.tokens.output === 0 || row.cost_usd > 0 || row.unpriced, "dollars, or said to be unknown");
  }
}
