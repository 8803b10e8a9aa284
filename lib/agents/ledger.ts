/** The ledger on disk: its sums, and the workers that ran, including those whose sessions were pruned. */
import { readRootAgents } from "./agent_session.ts";
import { CostSum, type CostSummary, localDay, startOfLocalDay } from "./cost.ts";
import { isId } from "../ids.ts";
import { unixSeconds } from "../text/time.ts";
import type { Profile } from "../paths.ts";
import { eachLogLine } from "../records/journal.ts";
import { sumOfLedger } from "./ledger_sums.ts";
import { listDirs, openToRead, readJson, readPieces, statOf } from "../store.ts";

/** Size up to which a file is read whole, bytes. */
const CHUNK = 64 * 1024;

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

/**
 * Time before the wanted rows from which they are searched for, ms: rows are in order except where clocks were set.
 */
const CLOCK_SLACK_MS = 3_600_000;

/** Dollars spent today, read from the end of the ledger, so that the time it takes does not grow with the years. */
export function spentToday(profile: Profile, nowMs: number): number {
  return sumSince(profile, startOfLocalDay(nowMs)).total.usd;
}

/** Dollars by worker since a moment, read in the same way. */
export function spentByWorker(profile: Profile, sinceMs: number): Map<string, number> {
  return new Map(sumSince(profile, sinceMs).byWorker.map(({ name, usd }) => [name, usd]));
}

function sumSince(profile: Profile, sinceMs: number): CostSummary {
  const sum = new CostSum({ sinceMs });
  readPieces(
    profile.cost,
    offsetOfTime(profile.cost, sinceMs - CLOCK_SLACK_MS),
    (piece) => sum.push(piece),
  );
  return sum.summary();
}

/** Longest row that is looked for, bytes. */
const WINDOW = 64 * 1024;
const TIME = /"ts":(?:"([^"]+)"|(\d+))/;

/** The start of a line before which all rows are older than `sinceMs`, found by bisection; 0 when in doubt. */
function offsetOfTime(path: string, sinceMs: number): number {
  let low = 0;
  let high = statOf(path)?.size ?? 0;
  if (high <= CHUNK) return 0;
  const file = openToRead(path);
  if (file === undefined) return 0;
  try {
    while (high - low > CHUNK) {
      const middle = Math.floor((low + high) / 2);
      const line = firstLineFrom(file, middle);
      if (line === undefined || line.ms >= sinceMs) high = middle;
      else low = line.at;
    }
    return low;
  } finally {
    file.close();
  }
}

/** The first whole line after `offset` that has a time: where it begins, and its time in unix ms. */
function firstLineFrom(file: Deno.FsFile, offset: number): { at: number; ms: number } | undefined {
  file.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(WINDOW);
  const n = file.readSync(bytes) ?? 0;
  for (let end = bytes.indexOf(10); end >= 0 && end < n;) {
    const next = bytes.indexOf(10, end + 1);
    const line = new TextDecoder().decode(bytes.subarray(end + 1, next < 0 ? n : Math.min(next, n)));
    const match = TIME.exec(line);
    const ms = match === null ? NaN : match[2] === undefined ? Date.parse(match[1] ?? "") : +match[2] * 1000;
    if (!Number.isNaN(ms)) return { at: offset + end + 1, ms };
    end = next;
  }
  return undefined;
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
  eachLogLine(profile, "journal", sinceMs, (line) => {
    const match = START_LINE.exec(line);
    if (match !== null && match[1]! >= sinceDay) ran.add(match[2]!);
  });
  eachLogLine(profile, "events", sinceMs, (line) => {
    const match = EVENT_LINE.exec(line);
    if (match !== null && Date.parse(match[1]!) >= sinceMs) ran.add(match[2]!);
  });
  return ran;
}

const ID_PART = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";
const START_LINE = new RegExp(`^- (\\d{4}-\\d\\d-\\d\\d) \\d\\d:\\d\\d start-worker (${ID_PART})(?: |$)`);
const EVENT_LINE = new RegExp(`^\\{"ts":"([^"]+)","event":"worker_(?:started|ended)","id":"(${ID_PART})"`);

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
