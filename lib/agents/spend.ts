/**
 * Spend without trust: puts the agent CLIs' own records of their sessions into the ledger, one row for each run of a
 * worker, marked `source:"runner"`, exactly once.
 *
 * A row is first stored whole beside the session, then appended, then marked as done, all under a lock. A process
 * that dies in between leaves the row behind; the next one looks for that very line in the ledger and appends it only
 * if it is not there.
 */
import { type Counted, readAgent } from "./agent_session.ts";
import { completeAgent, readMeta, sessionsLock } from "./find_session.ts";
import { NO_TOKENS } from "./tokens.ts";
import { checkRecord, isRecord } from "../text/json.ts";
import { formatRow } from "./cost_row.ts";
import { NotAnswered } from "./opencode.ts";
import type { Profile } from "../paths.ts";
import { readMarkedAny } from "../process/table.ts";
import { collectRoots } from "./root_spend.ts";
import { FolderMemory } from "../sessions/folder_memory.ts";
import { isFetched } from "../sessions/run_files.ts";
import { readFleet, type Session } from "../sessions/session.ts";
import { readRecorded } from "./records.ts";
import {
  addCounted,
  addDelta,
  type Delta,
  deltaOf,
  ledgerHas,
  priceOf,
  type Prices,
  rowOf,
  type SpendHost,
} from "./spend_rows.ts";
import { appendLine, createOnce, listDirs, readJson, replaceFile, statOf, withLock } from "../store.ts";

/** `sessions/<id>/spend.json`: the row of a run. */
interface SpendFile {
  /** The row exactly as in the ledger. */
  line: string;
  /** Sums of each agent session with this row included, from which a resumed run continues to count. */
  counted: Record<string, Counted>;
  done: boolean;
}

function spendPath(dir: string): string {
  return `${dir}/spend.json`;
}

function readSpend(dir: string): SpendFile | undefined {
  const read = readJson(spendPath(dir), checkRecord);
  if (read === undefined || "bad" in read) return undefined;
  const { line, counted, done } = read.value;
  if (typeof line !== "string") return undefined;
  return {
    line,
    counted: isRecord(counted) ? counted as Record<string, Counted> : {},
    done: done === true,
  };
}

/** The amounts in the ledger for the agent sessions of one run, for the run that resumes them. */
export function countedAfter(dir: string): Record<string, Counted> {
  return { ...readAgent(dir)?.counted, ...readSpend(dir)?.counted };
}

/**
 * Puts one ended run's spend into the ledger, unless it is there already or nothing has been recorded yet. Returns
 * whether a row was appended. Any number of processes may do so at once, and the folder may in the meantime have
 * become that of the id's next run: `gen` says which run is meant.
 */
export async function collectRun(
  host: SpendHost,
  run: { id: string; dir: string; gen: string },
  prices: Prices,
): Promise<boolean> {
  const { id, dir, gen } = run;
  const known = readSpend(dir);
  const meta = readMeta(dir);
  if (known?.done || meta.gen !== gen) return false;
  // What has come from another machine so far may be only a part.
  if (meta.host !== undefined && !isFetched(dir)) return false;
  const fresh = known ?? await makeSpend(host, id, dir, prices);
  if (fresh === undefined) return false;
  return await withLock(sessionsLock(host.profile), () => {
    if (readMeta(dir).gen !== gen) return false;
    createOnce(spendPath(dir), spendText(fresh));
    const spend = readSpend(dir);
    if (spend === undefined || spend.done) return false;
    const missing = !ledgerHas(host.profile, spend.line);
    if (missing) appendLine(host.profile.cost, spend.line);
    replaceFile(spendPath(dir), spendText({ ...spend, done: true }));
    return missing;
  });
}

function spendText(spend: SpendFile): string {
  return `${JSON.stringify({ v: 1, ...spend })}\n`;
}

async function makeSpend(
  host: SpendHost,
  id: string,
  dir: string,
  prices: Prices,
): Promise<SpendFile | undefined> {
  const agent = await completeAgent(host, id, dir);
  if (agent === undefined) return undefined;
  const meta = readMeta(dir);
  const counted: Record<string, Counted> = {};
  let sum: Delta | undefined;
  for (const session of agent.sessions) {
    const recorded = await readRecorded(session, { ...host, env: { ...host.env, ...agent.env } });
    if (recorded === undefined) continue;
    const runner = agent.preset || session.cli;
    const before = agent.counted[session.id] ?? { tokens: NO_TOKENS, usd: 0 };
    const delta = deltaOf(recorded, before, (model, tokens) => priceOf(prices, runner, model, tokens));
    counted[session.id] = addCounted(before, delta);
    sum = sum === undefined ? delta : addDelta(sum, delta);
  }
  if (sum === undefined) return undefined;
  const line = formatRow(
    rowOf(sum, { id, runner: meta.runner, gen: meta.gen, tsMs: host.now(), host: meta.host }),
  );
  return { line, counted, done: false };
}

/** Collects every ended run that has no row yet, and the spend of root agents since their last row. */
export async function collectSpend(
  host: SpendHost,
  prices: Prices,
  settled = settledRuns(host.profile),
): Promise<void> {
  await collectRuns(host, prices, { settled }).finally(() => collectRoots(host, prices, 0));
}

/** Returns a check whether any process of a run is left; if no run has any, one look serves them all. */
async function processFinder(gens: readonly string[]): Promise<(gen: string) => Promise<boolean>> {
  const mark = (gen: string) => `LOOOP_SESSION_GEN=${gen}`;
  const isAny = (await readMarkedAny(gens.map(mark))).size > 0;
  return async (gen) => isAny && (await readMarkedAny([mark(gen)])).size > 0;
}

/**
 * Finds the sessions of running workers whose agents were not given an id at their start, so that they are known if
 * the worker is killed.
 */
export async function findLiveSessions(
  host: SpendHost,
  workers: readonly { id: string; dir: string }[],
): Promise<void> {
  for (const { id, dir } of workers) await completeAgent(host, id, dir);
}

/**
 * Time after a run's end for which each beat looks for its record, ms; later only `looop cost` and a new pulse do.
 */
export const LOOKED_FOR_MS = 300_000;

/** An ended run that needs no more looks. */
export interface SettledRun {
  /** Whether it has its row, or no agent that could get one; else only the pulse has given up. */
  isFinal: boolean;
  /** Unix seconds of its end, where that is known. */
  endedAt?: number;
}

/** The memory of settled runs, as the pulse keeps it for `cost`. */
export function settledRuns(profile: Profile): FolderMemory<SettledRun> {
  const path = `${profile.cache}/settled.json`;
  return new FolderMemory(profile, {
    path,
    of: profile.dir,
    isOfFolder: true,
    isKept: ({ isFinal }) => isFinal === true,
  });
}

/** A pulse's memory of ended runs, so that none is looked at again at every beat. */
export class SeenRuns {
  /** Folders of runs that have their row, or will never have one. */
  readonly #settled: FolderMemory<SettledRun>;
  /** When to look again at a run without a record, unix ms, by its generation or its folder. */
  readonly #nextLook = new Map<string, number>();

  constructor(profile: Profile) {
    this.#settled = settledRuns(profile);
  }

  /** Call it before each look. */
  async refresh(nowMs: number): Promise<void> {
    await this.#settled.refresh(nowMs);
    for (const [key, next] of this.#nextLook) {
      // Overdue: it was settled or removed in the meantime. Far off: the clock was set back.
      if (Math.abs(next - nowMs) > LOOKED_FOR_MS) this.#nextLook.delete(key);
    }
  }

  isSettled(name: string): boolean {
    return this.#settled.get(name) !== undefined;
  }

  settle(name: string, run: SettledRun, nowMs: number): void {
    this.#settled.offer(name, run, nowMs);
  }

  /** Keeps them for other processes. */
  async save(): Promise<void> {
    await this.#settled.save();
  }

  /** Whether to look again at a run that had no record yet. */
  isDue(key: string, nowMs: number): boolean {
    return nowMs >= (this.#nextLook.get(key) ?? 0);
  }

  /**
   * Schedules the next look for when the run is twice as old: a late record is written soon after the end, or never.
   */
  noteLook(key: string, endedMs: number, nowMs: number): void {
    this.#nextLook.set(key, nowMs + Math.max(0, nowMs - endedMs));
  }
}

/** The runs to look at. */
export interface RunsInQuestion {
  /** Leaves out runs that ended longer ago, so that a record that was never written does not cost every beat. */
  maxAgeMs?: number;
  /** The fleet as the caller has read it, and its memory of ended runs. */
  known?: { sessions: readonly Session[]; seen: SeenRuns };
  /** Of callers without such a memory: the one that a pulse has kept. */
  settled?: FolderMemory<SettledRun>;
}

/**
 * Collects every ended run that has no row yet, including those of reused ids.
 *
 * @throws {NotAnswered} when some records have not answered; all others are in the ledger.
 */
export async function collectRuns(
  host: SpendHost,
  prices: Prices,
  { maxAgeMs = Infinity, known, settled }: RunsInQuestion = {},
): Promise<void> {
  const open = known === undefined
    ? await openRuns(host, maxAgeMs, settled)
    : await runsSeenOpen(host, maxAgeMs, known.sessions, known.seen);
  if (open.length === 0) return;
  const runsOn = await processFinder(open.map(({ gen }) => gen));
  let unanswered: NotAnswered | undefined;
  for (const run of open) {
    // claude records its dollars last of all, after its terminal has gone.
    if (await runsOn(run.gen)) continue;
    try {
      await collectRun(host, run, prices);
      known?.seen.noteLook(run.key, run.endedMs, host.now());
    } catch (error) {
      unanswered = notAnswered(error);
    }
  }
  if (unanswered !== undefined) throw unanswered;
}

/** An ended run whose row may be missing. */
interface OpenRun {
  id: string;
  dir: string;
  gen: string;
  /** Unix ms. */
  endedMs: number;
  key: string;
}

async function openRuns(
  host: SpendHost,
  maxAgeMs: number,
  settled?: FolderMemory<SettledRun>,
): Promise<OpenRun[]> {
  const { profile } = host;
  await settled?.refresh(host.now());
  const names = listDirs(profile.sessions).filter((name) => {
    const dir = `${profile.sessions}/${name}`;
    return settled?.get(name) === undefined && mayLackRow(dir) &&
      host.now() - endOf(dir, host.now()) <= maxAgeMs;
  });
  if (names.length === 0) return [];
  const current = await readFleet(profile, host.now(), names.filter((name) => !name.includes("~")));
  const live = new Map(current.map((session) => [session.view.id, session]));
  return names.filter((name) => !live.get(name)?.view.alive)
    .map((name) => openRun(host, name, live.get(name)?.gen));
}

/** The same for a fleet that was read already; a folder that appeared since is left to the next look. */
async function runsSeenOpen(
  host: SpendHost,
  maxAgeMs: number,
  sessions: readonly Session[],
  seen: SeenRuns,
): Promise<OpenRun[]> {
  const now = host.now();
  const fleet = new Map(sessions.map((session) => [session.view.id, session]));
  const open: OpenRun[] = [];
  await seen.refresh(now);
  for (const name of listDirs(host.profile.sessions)) {
    if (seen.isSettled(name)) continue;
    const session = fleet.get(name);
    const isEarlier = name.includes("~");
    if (!isEarlier && (session === undefined || session.view.alive)) continue;
    if (!seen.isDue(session?.gen ?? name, now)) continue;
    const dir = `${host.profile.sessions}/${name}`;
    const isFinal = !mayLackRow(dir);
    if (isFinal || now - endOf(dir, now) > maxAgeMs) {
      const endedAt = session?.endedAt;
      // A lost session's running agent may still call, and so identify its session.
      if (session?.view.state !== "lost") {
        seen.settle(name, { isFinal, ...(endedAt === undefined ? {} : { endedAt }) }, now);
      }
    } else open.push(openRun(host, name, session?.gen));
  }
  await seen.save();
  return open;
}

/** A run whose agent has no known session never gets a row. */
function mayLackRow(dir: string): boolean {
  return readSpend(dir)?.done !== true && (readAgent(dir)?.sessions.length ?? 0) > 0;
}

/** Unix ms of a run's end, as far as its folder shows it. */
function endOf(dir: string, nowMs: number): number {
  return statOf(`${dir}/status.json`)?.mtime?.getTime() ?? nowMs;
}

function openRun({ profile, now }: SpendHost, name: string, gen: string | undefined): OpenRun {
  const dir = `${profile.sessions}/${name}`;
  return {
    id: name.replace(/~\d+$/, ""),
    dir,
    gen: gen ?? readMeta(dir).gen,
    endedMs: endOf(dir, now()),
    key: gen ?? name,
  };
}

/** The error, if it says that an agent's records have not answered. @throws any other error. */
function notAnswered(error: unknown): NotAnswered {
  if (error instanceof NotAnswered) return error;
  throw error;
}
