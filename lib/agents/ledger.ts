/** The ledger on disk: its sums, and the workers that ran, including those whose sessions were pruned. */
import { readRootAgents } from "./agent_session.ts";
import { CostSum, type CostSummary, localDay, startOfLocalDay } from "./cost.ts";
import { isId } from "../ids.ts";
import { unixSeconds } from "../text/time.ts";
import type { Profile } from "../paths.ts";
import { eachLogText } from "../records/journal.ts";
import { offsetOfTime, rowTime } from "../records/since.ts";
import { sumOfLedger } from "./ledger_sums.ts";
import { listDirs, readJson, readPieces } from "../store.ts";

/** Sums the whole ledger or today's part, with the coverage of the workers that ran in that time. */
export async function sumLedger(profile: Profile, nowMs: number, todayOnly: boolean): Promise<CostSummary> {
  const sum = await sumOfLedger(profile, nowMs);
  const sinceMs = todayOnly ? startOfLocalDay(nowMs) : -Infinity;
  const ran = workersThatRan(profile, sinceMs, nowMs);
  const summary = sum.summary(ran, todayOnly ? localDay(nowMs) : undefined);
  return { ...summary, roots: rootSessions(profile) };
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

/** Adds up the rows since a moment, which are the last ones. */
function readSince(profile: Profile, sinceMs: number): CostSum {
  const sum = new CostSum({ sinceMs });
  readPieces(profile.cost, offsetOfTime(profile.cost, sinceMs, rowTime), (piece) => sum.push(piece));
  return sum;
}

function sumSince(profile: Profile, sinceMs: number): CostSummary {
  return readSince(profile, sinceMs).summary();
}

/**
 * Ids of the workers that ran at some time since `sinceMs`.
 *
 * Ended sessions are pruned after days, the journal and the log of events never, so the three are combined: the
 * sessions still on disk (`id~n` are earlier runs of `id`), the journal's `start-worker` lines (a start under
 * `--journal` has none) and the events `worker_started` and `worker_ended`.
 */
function workersThatRan(profile: Profile, sinceMs: number, nowMs: number): Set<string> {
  const ran = new Set<string>();
  for (const name of listDirs(profile.sessions)) {
    const id = name.replace(/~\d+$/, "");
    if (!isId(id) || id === "pulse") continue;
    if (endOf(`${profile.sessions}/${name}`, nowMs) >= sinceMs) ran.add(id);
  }
  const sinceDay = sinceMs === -Infinity ? "" : localDay(sinceMs);
  // Whole files at a time: taken apart into lines, months would take twice as long.
  eachLogText(profile, "journal", sinceMs, (text) => {
    for (const [, day, id] of text.matchAll(START_LINE)) if (day! >= sinceDay) ran.add(id!);
  });
  eachLogText(profile, "events", sinceMs, (text) => {
    for (const [, at, id] of text.matchAll(EVENT_LINE)) {
      if (sinceMs === -Infinity || Date.parse(at!) >= sinceMs) ran.add(id!);
    }
  });
  return ran;
}

const ID_PART = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";
const START_LINE = new RegExp(
  `^- (\\d{4}-\\d\\d-\\d\\d) \\d\\d:\\d\\d start-worker (${ID_PART})(?: |$)`,
  "gm",
);
const EVENT_LINE = new RegExp(
  `^\\{"ts":"([^"]+)","event":"worker_(?:started|ended)","id":"(${ID_PART})"`,
  "gm",
);

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
