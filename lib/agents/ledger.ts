/** The ledger on disk: its sums, and the workers that ran, including those whose sessions were pruned. */
import { readRootAgents } from "./agent_session.ts";
import { CostSum, type CostSummary, localDay, startOfLocalDay } from "./cost.ts";
import { isId } from "../ids.ts";
import { unixSeconds } from "../text/time.ts";
import type { Profile } from "../paths.ts";
import { eachLogText } from "../records/journal.ts";
import { offsetOfTime, rowTime } from "../records/since.ts";
import { readBooks, runLines, summaryOfAll, todaySummary } from "./ledger_sums.ts";
import type { FolderMemory } from "../sessions/folder_memory.ts";
import type { SettledRun } from "./spend.ts";
import { listDirs, readJson, readPieces, statOf } from "../store.ts";

/** The parts of the ledger that are summed. */
export interface LedgerSpan {
  /** Today's rows alone. */
  isToday?: boolean;
  /** What is known of ended sessions; the others are read. */
  settled?: FolderMemory<SettledRun>;
  /** The workers beyond so many most expensive ones are needed as a sum only. */
  shownWorkers?: number;
}

/** Sums the ledger, with the coverage of the workers that ran in that time. */
export async function sumLedger(
  profile: Profile,
  nowMs: number,
  { isToday = false, shownWorkers, settled }: LedgerSpan = {},
): Promise<CostSummary> {
  const books = await readBooks(profile, nowMs);
  const roots = rootSessions(profile);
  if (isToday) {
    const ran = workersThatRan(profile, startOfLocalDay(nowMs), nowMs, settled);
    return { ...todaySummary(books, ran, nowMs), roots };
  }
  // Sessions are pruned after days, journal and events kept, so all are combined.
  const ran = sessionsSince(profile, -Infinity, nowMs);
  return { ...summaryOfAll(books, ran, shownWorkers), roots };
}

/** The number of root agents' sessions that recently called verbs, and how many of them have a known cost. */
function rootSessions(profile: Profile): { seen: number; known: number } {
  const { sessions, unnamed } = readRootAgents(profile);
  const known = sessions.filter((session) => session.row_at !== undefined).length;
  return { seen: sessions.length + unnamed.filter(({ calls }) => calls.length > 0).length, known };
}

/** Dollars spent today, read from the end of the ledger, so that the time it takes does not grow with the years. */
export function spentToday(profile: Profile, nowMs: number): number {
  return sumSince(profile, startOfLocalDay(nowMs)).total.usd;
}

/** Dollars by worker since a moment, read in the same way. */
export function spentByWorker(profile: Profile, sinceMs: number): Map<string, number> {
  return new Map(sumSince(profile, sinceMs).byWorker.map(({ name, usd }) => [name, usd]));
}

/** The most that is read of the ledger's end for the rows since a moment, bytes: a third of a million rows. */
const RECENT_BYTES = 64 * 1024 * 1024;

/** Adds up the rows since a moment, which are the last ones. */
function readSince(profile: Profile, sinceMs: number): CostSum {
  const sum = new CostSum({ sinceMs });
  const from = Math.max(
    offsetOfTime(profile.cost, sinceMs, rowTime),
    (statOf(profile.cost)?.size ?? 0) - RECENT_BYTES,
  );
  readPieces(profile.cost, from, (piece) => sum.push(piece));
  return sum;
}

function sumSince(profile: Profile, sinceMs: number): CostSummary {
  return readSince(profile, sinceMs).summary();
}

/**
 * Ids of the workers that ran at some time since `sinceMs`: by the sessions still on disk (`id~n` are earlier runs of
 * `id`), the journal's `start-worker` lines (a start under `--journal` has none) and the events.
 */
function workersThatRan(
  profile: Profile,
  sinceMs: number,
  nowMs: number,
  settled?: FolderMemory<SettledRun>,
): Set<string> {
  const ran = sessionsSince(profile, sinceMs, nowMs, settled);
  const sinceDay = localDay(sinceMs);
  eachLogText(profile, "journal", sinceMs, (text) => {
    for (const { at, id } of runLines(text, "journal")) if (at >= sinceDay) ran.add(id);
  });
  eachLogText(profile, "events", sinceMs, (text) => {
    for (const { at, id } of runLines(text, "events")) if (Date.parse(at) >= sinceMs) ran.add(id);
  });
  return ran;
}

/** Ids of the sessions on disk that ended at or after a moment, or have not ended. */
function sessionsSince(
  profile: Profile,
  sinceMs: number,
  nowMs: number,
  settled?: FolderMemory<SettledRun>,
): Set<string> {
  const names = listDirs(profile.sessions).filter((name) => {
    const id = name.replace(/~\d+$/, "");
    if (!isId(id) || id === "pulse") return false;
    if (sinceMs === -Infinity) return true;
    const endedAt = settled?.get(name)?.endedAt;
    return (endedAt === undefined ? endOf(`${profile.sessions}/${name}`, nowMs) : endedAt * 1000) >= sinceMs;
  });
  return new Set(names.map((name) => name.replace(/~\d+$/, "")));
}

/** When a session ended, unix ms; the present when it has not. */
function endOf(dir: string, nowMs: number): number {
  const status = readJson(
    `${dir}/status.json`,
    (value) => value as { state?: string; last_change?: unknown },
  );
  if (status === undefined || "bad" in status || status.value === null) return nowMs;
  const { state, last_change } = status.value;
  return state === "exited" || state === "killed" ? unixSeconds(last_change) * 1000 || nowMs : nowMs;
}
