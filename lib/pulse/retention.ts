/**
 * The time for which everything is kept: one table, and the pass that applies it to a profile.
 *
 * Handled elsewhere, when it happens: an answered ask moves to its archive (mailbox.ts), journal and events rotate
 * (journal.ts), the last 20 playbooks are kept (policy.ts), and the last 500 own moves (own_moves.ts). The journal, the
 * ledger, archived goals and sensors, and `reports/` are people's: they are kept for ever.
 *
 * Replaced as a whole and derived again when they are gone: `.cost-sums.json` has a line for each worker of the ledger
 * (ledger_sums.ts), `.cache/` an entry for each session that is kept (folder_memory.ts). A number in a session's folder,
 * `output.cut`, says how much of its output is gone (output_log.ts); it goes with the folder.
 */
import { isId } from "../ids.ts";
import { outputBytes, rotateOutput, trimOutput } from "../sessions/output_log.ts";
import { checkRecord } from "../text/json.ts";
import { isTempName, type Profile } from "../paths.ts";
import { standingsOf } from "../process/identity.ts";
import { hasProcesses } from "../sessions/notes.ts";
import { hasEnded, readSession, type Session, type SessionRecord } from "../sessions/session.ts";
import { cursorDirs, cursorPath, listObservers } from "../world/cursor_file.ts";
import {
  type BadFile,
  listDirs,
  listEntries,
  listFiles,
  moveFile,
  readJson,
  removeFile,
  removeTree,
  statOf,
  valueOf,
  withLock,
} from "../store.ts";
import { interruptedDir } from "../records/intents.ts";
import { trimArchive } from "../records/mailbox.ts";
import { forgetActivity } from "../records/move.ts";
import { sweepNotices } from "../records/notices.ts";
import { forgetSchedules } from "../records/schedules.ts";
import { dropTells } from "../records/tells.ts";
import { utcMonth } from "../text/time.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 * 1024;

/** Limits and times of what is kept. `session_ttl` comes from the config. */
export const RETENTION = {
  /** Runs of an id that are kept beyond session_ttl, which applies to all ended sessions. */
  runsKept: 3,
  /** Most runs that are kept for longer, the newest ones, so that ids used once do not pile up. */
  runsKeptInAll: 100,
  /** Recorded output of all ended sessions together; beyond it the oldest keep only beginning and end. */
  endedOutputBytes: 64 * MIB,
  endedOutputTailBytes: 64 * 1024,
  /** Half-written files left by a writer that was killed. */
  tempMs: DAY_MS,
  /** `sessions/.new-*` of a start that was interrupted. */
  stageMs: HOUR_MS,
  /** Old logs in `sessions/pulse/`. */
  pulseLogMs: 90 * DAY_MS,
  /** Earlier texts in `.undo/`, where no limit on their number applies. */
  undoMs: 90 * DAY_MS,
  /** Cursors of observers that have been given nothing since. */
  cursorMs: 90 * DAY_MS,
  /** Answered questions, the log of events, reminders that are over: whole months, so that a year can be compared. */
  archiveMs: 400 * DAY_MS,
  /** Times of the last move on ids that are no goals: workers, whose ids are mostly used once. */
  activityMs: 7 * DAY_MS,
  /** Records of schedules that are gone, for readers that were away. */
  scheduleMs: 90 * DAY_MS,
  /** A notice that matters no more. */
  noticeMs: DAY_MS,
  /** An interruption that was delivered, and one that nobody ever asked for. */
  toldMs: DAY_MS,
  untoldMs: 90 * DAY_MS,
} as const;

/** The result of one pass. */
export interface RetentionResult {
  /** Names of removed session folders. */
  removed: string[];
  /** Session folders that cannot be read; they are left alone. */
  bad: BadFile[];
}

/**
 * Applies the table to a profile; sessions that are not `known` to have ended are read. Safe beside any verb: a run is
 * read again before it is removed.
 */
export async function applyRetention(
  profile: Profile,
  ttlS: number,
  nowMs: number,
  known: readonly Session[] = [],
): Promise<RetentionResult> {
  const { ended, bad } = await readEnded(profile, nowMs, known);
  const expired = planExpired(ended, ttlS, nowMs);
  const removed: string[] = [];
  for (const run of expired) if (await removeRun(profile, run)) removed.push(run.name);
  trimEnded(profile, ended.filter((run) => !expired.includes(run)));
  sweepSessionsDir(profile, nowMs);
  sweepPrompts(profile, ttlS, nowMs);
  sweepTemps(profile, nowMs);
  removeOld(
    `${profile.sessions}/pulse`,
    RETENTION.pulseLogMs,
    nowMs,
    (name) => /^output\..+\.log$/.test(name),
  );
  for (const dir of cursorDirs(profile)) {
    removeOld(dir, RETENTION.cursorMs, nowMs, (name) => name.endsWith(".json"));
  }
  sweepUndo(profile, nowMs);
  sweepInterrupted(profile, nowMs);
  sweepNotices(profile, RETENTION.noticeMs, nowMs);
  await sweepArchives(profile, nowMs);
  sweepRecords(profile, nowMs);
  return { removed, bad };
}

/** Limits the recorded output of running sessions: one look at a file per name, at every beat. */
export function boundOutputs(profile: Profile, running: readonly string[]): string[] {
  return [...running, "pulse"].filter((name) => rotateOutput(`${profile.sessions}/${name}`));
}

// --- sessions ---------------------------------------------------------------------------------------------

/** One ended run of a worker id. Times: unix seconds. */
export interface EndedRun {
  /** Its folder: `id`, or `id~n` for an earlier run. */
  name: string;
  id: string;
  gen: string;
  startedAt: number;
  endedAt: number;
}

/**
 * The runs to remove: those that ended more than `ttlS` ago, except the last three of each id as long as these are
 * not too many in total. Folder numbers say nothing about age, since a free number is used again. Pure.
 */
export function planExpired(runs: readonly EndedRun[], ttlS: number, nowMs: number): EndedRun[] {
  const newestFirst = [...runs].sort((a, b) => b.startedAt - a.startedAt || b.endedAt - a.endedAt);
  const seen = new Map<string, number>();
  let keptLonger = 0;
  return newestFirst.filter((run) => {
    const rank = seen.get(run.id) ?? 0;
    seen.set(run.id, rank + 1);
    if (nowMs / 1000 - run.endedAt <= ttlS) return false;
    if (rank >= RETENTION.runsKept || keptLonger >= RETENTION.runsKeptInAll) return true;
    keptLonger++;
    return false;
  });
}

/**
 * All runs that have ended; a run whose supervisor is gone without a record counts once none of its processes is
 * left.
 */
async function readEnded(
  profile: Profile,
  nowMs: number,
  known: readonly Session[],
): Promise<{ ended: EndedRun[]; bad: BadFile[] }> {
  const ended = known.flatMap(({ view: { id }, gen, startedAt, endedAt }) =>
    endedAt === undefined ? [] : [{ name: id, id, gen, startedAt, endedAt: endedAt || startedAt }]
  );
  const isKnown = new Set(ended.map(({ name }) => name));
  const bad: BadFile[] = [];
  const silent: { record: SessionRecord; run: EndedRun }[] = [];
  for (const name of listDirs(profile.sessions)) {
    const id = name.replace(/~\d+$/, "");
    if (!isId(id) || id === "pulse" || isKnown.has(name)) continue;
    const record = readRecord(profile, name);
    if (typeof record === "string") {
      bad.push({ path: `${profile.sessions}/${name}`, reason: record });
      continue;
    }
    const { meta, status, lastOutput } = record;
    const base = { name, id, gen: meta.gen, startedAt: meta.started_at };
    if (hasEnded(record)) ended.push({ ...base, endedAt: status?.last_change || meta.started_at });
    else silent.push({ record, run: { ...base, endedAt: Math.floor(lastOutput / 1000) } });
  }
  const standings = await standingsOf(
    silent.map(({ record }) => record.supervisor).filter((supervisor) => supervisor !== undefined),
  );
  const mayLive = ({ supervisor }: SessionRecord) =>
    supervisor !== undefined && standings.get(supervisor)?.life !== "dead";
  for (const { record, run } of silent) {
    const recent = nowMs - run.endedAt * 1000 < HOUR_MS;
    if (recent || mayLive(record)) continue;
    if (await hasProcesses(profile, run.id, { ...record, gen: run.gen })) continue;
    ended.push(run);
  }
  return { ended, bad };
}

function readRecord(profile: Profile, name: string): SessionRecord | string {
  try {
    return readSession(profile, name) ?? "meta.json is missing or not readable";
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Removes one run; its prompt, too, when its folder has the id's own name. The fleet's lock excludes a start of the
 * same id in progress; if one came first, it has moved the folder, and nothing is removed.
 */
async function removeRun(profile: Profile, run: EndedRun): Promise<boolean> {
  const dir = `${profile.sessions}/${run.name}`;
  const grave = `${profile.sessions}/.old-${run.name}-${run.gen}`;
  const moved = await withLock(`${profile.sessions}/.lock`, () => {
    const now = readSession(profile, run.name);
    if (now?.meta.gen !== run.gen || now.meta.started_at !== run.startedAt) return false;
    if (run.name === run.id) removeFile(`${profile.prompts}/${run.id}.md`, { durable: false });
    // After a power cut the run may be back, and is removed again.
    return moveFile(dir, grave, { durable: false });
  });
  if (moved) removeTree(grave);
  return moved;
}

/**
 * Counts recorded output against the budget, newest first; output that no longer fits keeps only beginning and end.
 */
function trimEnded(profile: Profile, runs: readonly EndedRun[]): void {
  const newestFirst = [...runs].sort((a, b) => b.endedAt - a.endedAt);
  let used = 0;
  for (const run of newestFirst) {
    const dir = `${profile.sessions}/${run.name}`;
    // It may have printed much just before its end.
    rotateOutput(dir);
    const size = outputBytes(dir);
    if (used + size > RETENTION.endedOutputBytes) trimOutput(dir, RETENTION.endedOutputTailBytes);
    used += outputBytes(dir);
  }
}

function sweepSessionsDir(profile: Profile, nowMs: number): void {
  for (const { name, isDirectory } of listEntries(profile.sessions)) {
    if (!isDirectory) continue;
    const path = `${profile.sessions}/${name}`;
    if (name.startsWith(".old-")) removeTree(path);
    else if (name.startsWith(".new-") && ageMs(path, nowMs) > RETENTION.stageMs) removeTree(path);
  }
}

/** Removes prompts whose session is gone, left by a failed start or an older looop. */
function sweepPrompts(profile: Profile, ttlS: number, nowMs: number): void {
  const sessions = new Set(listDirs(profile.sessions));
  const ttlMs = Math.max(ttlS * 1000, DAY_MS);
  removeOld(
    profile.prompts,
    ttlMs,
    nowMs,
    (name) => name.endsWith(".md") && isId(name.slice(0, -3)) && !sessions.has(name.slice(0, -3)),
  );
}

// --- small files ------------------------------------------------------------------------------------------

function sweepTemps(profile: Profile, nowMs: number): void {
  const { dir, goals, sensors, asks, answers, claims, prompts, lockDir, snapshots, wal, sessions, undo } =
    profile;
  const { playbookHistory, goalsArchive, sensorsArchive, bin, cache, schedules, reports, notices, calls } =
    profile;
  const parents = [sessions, profile.tells, calls, `${undo}/history`];
  const dirs = [
    dir,
    goals,
    sensors,
    asks,
    answers,
    claims,
    prompts,
    lockDir,
    snapshots,
    wal,
    sessions,
    undo,
    playbookHistory,
    goalsArchive,
    sensorsArchive,
    bin,
    cache,
    schedules,
    reports,
    notices,
    calls,
    `${dir}/hosts`,
    ...cursorDirs(profile),
    ...parents.flatMap((parent) => listDirs(parent).map((name) => `${parent}/${name}`)),
  ];
  for (const folder of dirs) {
    removeOld(folder, RETENTION.tempMs, nowMs, isTempName);
  }
}

/** Old undo texts: history entries expire by age; an undo slot expires once its goal or sensor no longer exists. */
function sweepUndo(profile: Profile, nowMs: number): void {
  const history = `${profile.undo}/history`;
  for (const name of listDirs(history)) removeOld(`${history}/${name}`, RETENTION.undoMs, nowMs, () => true);
  removeOld(profile.undo, RETENTION.undoMs, nowMs, (name) => {
    const [, kind, id] = /^(goal|sensor)-(.+)$/.exec(name) ?? [];
    if (kind === undefined) return false;
    return statOf(kind === "goal" ? `${profile.goals}/${id}.md` : `${profile.sensors}/${id}.sh`) ===
      undefined;
  });
}

async function sweepArchives(profile: Profile, nowMs: number): Promise<void> {
  await trimArchive(profile, utcMonth(nowMs - RETENTION.archiveMs));
  removeOld(profile.eventsHistory, RETENTION.archiveMs, nowMs, (name) => name.endsWith(".jsonl"));
  removeOld(profile.schedulesArchive, RETENTION.archiveMs, nowMs, (name) => name.endsWith(".md"));
}

/** Removes what is remembered of ids that are gone. */
function sweepRecords(profile: Profile, nowMs: number): void {
  const goals = new Set(listFiles(profile.goals, ".md").map((file) => file.slice(0, -3)));
  const since = (nowMs - RETENTION.activityMs) / 1000;
  forgetActivity(profile, (id, at) => at >= since || goals.has(id));
  forgetSchedules(profile, nowMs - RETENTION.scheduleMs);
  const sessions = new Set(listDirs(profile.sessions));
  for (const id of listDirs(profile.tells)) {
    if (!sessions.has(id) && ageMs(`${profile.tells}/${id}`, nowMs) > DAY_MS) dropTells(profile, id);
  }
}

/** Delivered interruptions: each is reported once to each observer, so it stays for a while after the first. */
function sweepInterrupted(profile: Profile, nowMs: number): void {
  const told = new Set(
    listObservers(profile).flatMap((name) => {
      const alerts = valueOf(readJson(cursorPath(profile, name), checkRecord))?.["alerts"];
      return Array.isArray(alerts) ? alerts : [];
    }),
  );
  const dir = interruptedDir(profile);
  for (const name of listFiles(dir, ".json")) {
    const isTold = told.has(`interrupted/${name.slice(0, -".json".length)}`);
    const keptMs = isTold ? RETENTION.toldMs : RETENTION.untoldMs;
    if (ageMs(`${dir}/${name}`, nowMs) > keptMs) removeFile(`${dir}/${name}`, { durable: false });
  }
}

function removeOld(dir: string, maxAgeMs: number, nowMs: number, fits: (name: string) => boolean): void {
  for (const { name, isFile } of listEntries(dir)) {
    if (isFile && fits(name) && ageMs(`${dir}/${name}`, nowMs) > maxAgeMs) {
      removeFile(`${dir}/${name}`, { durable: false });
    }
  }
}

function ageMs(path: string, nowMs: number): number {
  return nowMs - (statOf(path)?.mtime?.getTime() ?? nowMs);
}
