/** Starts, revives and stops the pulse, and ends everything a profile runs. */
import { watchesOff } from "../records/env.ts";
import { childEnv } from "../process/child_env.ts";
import { Attempts, EXIT, UserError } from "../errors.ts";
import { appendJournal } from "../records/journal.ts";
import type { Profile } from "../paths.ts";
import { poke } from "../records/move.ts";
import { type ProcessFact, readAllProcesses, readMarked, readNamed } from "../process/table.ts";
import { delay, killTree, signal, STOP_GRACE_MS } from "../process/tree.ts";
import {
  isPulseAlive,
  isUnwanted,
  isWanted,
  readPulse,
  setWanted,
  wantedLogFormat,
} from "../world/pulse_record.ts";
import { executablePath, type SelfCommand } from "../process/self.ts";
import { readFleet, recordEnd, type Session } from "../sessions/session.ts";
import {
  acquireLock,
  exists,
  makeDir,
  moveFile,
  oddness,
  readJson,
  readTail,
  removeFile,
  replaceFile,
  statOf,
  valueOf,
} from "../store.ts";
import { Watch } from "../file_watch.ts";
import { reapIntents } from "../records/intents.ts";
import { endFarRuns, reasonOf } from "../workers/far.ts";
import { endSession } from "../workers/worker.ts";

/** What starting needs. */
export interface ControlHost {
  profile: Profile;
  self: SelfCommand;
  env: Readonly<Record<string, string>>;
  now(): number;
}

/** How long `up` waits for the first publication, ms. */
const READY_TIMEOUT_MS = 15_000;
/** Its own log beyond this size is put aside at start. */
const PULSE_LOG_MAX = 10 * 1024 * 1024;

/** Where the pulse's session lives. */
export function pulseDir(profile: Profile): string {
  return `${profile.sessions}/pulse`;
}

/**
 * Records that the pulse is wanted and makes sure that one of this version runs: a pulse of another version is
 * stopped first, workers are not touched.
 */
export async function startPulse(
  host: ControlHost & { version: string },
  json: boolean,
): Promise<"started" | "running" | "restarted"> {
  setWanted(host.profile, true, host.now(), json ? "json" : "text");
  const before = readPulse(host.profile);
  const other = before?.ready === true && before.version !== host.version && await stopPulse(host.profile);
  const outcome = await ensurePulse(host);
  return other ? "restarted" : outcome;
}

/**
 * Makes sure that a pulse runs and has published; of many callers at once one starts it. `late`: at `until`, a
 * time of `performance.now()`, it was still starting.
 *
 * @throws {UserError} with the last lines of its log when it cannot start.
 */
async function ensurePulse(host: ControlHost): Promise<"started" | "running">;
async function ensurePulse(host: ControlHost, until: number): Promise<"started" | "running" | "late">;
async function ensurePulse(host: ControlHost, until = Infinity): Promise<"started" | "running" | "late"> {
  const { profile } = host;
  const before = readPulse(profile);
  if (before?.ready && await isPulseAlive(before)) return "running";
  const child = spawnPulse(host);
  const deadline = Math.min(until, performance.now() + READY_TIMEOUT_MS);
  const watch = new Watch({ dirs: [profile.dir], pollMs: 100, off: watchesOff(host.env) });
  child.ended.then(() => watch.poke());
  try {
    // .pulse.json is quiet to other watchers; the first publication of .world.json comes right before it.
    for (
      let failed = false;
      !failed && performance.now() < deadline;
      await watch.next(deadline - performance.now())
    ) {
      const record = readPulse(profile);
      if (record?.ready && await isPulseAlive(record)) {
        return record.pid === child.pid ? "started" : "running";
      }
      failed = child.code() !== undefined && child.code() !== EXIT.pulseRunning;
    }
  } finally {
    watch.close();
  }
  if (performance.now() >= until) return "late";
  throw new UserError(`Cannot start the pulse: ${lastLogLines(profile, child.logStart)}`, {
    next: "mend that, then run `looop up` again; `looop doctor` checks the rest",
    kind: "pulse_failed",
  });
}

/** A pulse that was just spawned. */
interface SpawnedPulse {
  pid: number;
  /** Where its lines begin in the log, bytes. */
  logStart: number;
  /** Its exit code, once it has ended. */
  code(): number | undefined;
  ended: Promise<void>;
}

/** Starts a detached pulse whose output goes to its log from the first byte. */
function spawnPulse(host: ControlHost): SpawnedPulse {
  const { profile, self, env } = host;
  const dir = pulseDir(profile);
  makeDir(dir);
  const log = `${dir}/output.log`;
  if (oddness(log) !== undefined) removeFile(log);
  if ((statOf(log)?.size ?? 0) > PULSE_LOG_MAX) moveFile(log, `${dir}/output.1.log`);
  const logStart = statOf(log)?.size ?? 0;
  const own = { bin: executablePath(profile, self), dataDir: profile.dir, config: profile.config };
  // sh closes what the caller had open and opens the log; exec keeps process, group and session the same.
  const script = 'exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; umask 077; log=$1; shift; exec "$@" >>"$log" 2>&1';
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", script, "looop-pulse", log, self.exe, ...self.args, "_", "pulse"],
    cwd: profile.dir,
    env: childEnv(env, own, { LOOOP_PULSE: "1", LOOOP_LOG_FORMAT: wantedLogFormat(profile) }),
    clearEnv: true,
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  child.unref();
  let code: number | undefined;
  const ended = child.status.then((status) => {
    code = status.code;
  });
  return { pid: child.pid, logStart, code: () => code, ended };
}

function lastLogLines(profile: Profile, from: number): string {
  const size = statOf(`${pulseDir(profile)}/output.log`)?.size ?? 0;
  const text = readTail(`${pulseDir(profile)}/output.log`, Math.min(4096, Math.max(0, size - from)));
  const lines = text.trim().split("\n").slice(-3).join(" | ");
  return lines === "" ? "it did not become ready within 15 s" : lines;
}

/** At most this many revivals in this time; then a person is told. */
export const REVIVAL_LIMIT = { count: 5, windowMs: 600_000 } as const;

/** Which of the remembered revivals still count, the clock having possibly been set back. Pure. */
export function recentRevivals(times: readonly number[], nowMs: number): number[] {
  return times.filter((at) => Math.abs(nowMs - at) < REVIVAL_LIMIT.windowMs);
}

/** What became of a wanted pulse that has died; `late`: it was still starting when the time was up. */
export type Revival = "alive" | "failed" | "late";

/**
 * Starts a wanted pulse that has died, unless it died too often to try again now. Journaled. Of several observers
 * that notice at once one counts.
 *
 * @param until Bounds the whole call, a time of `performance.now()`.
 */
export async function revivePulse(host: ControlHost, until = Infinity): Promise<Revival> {
  const { profile } = host;
  if (await isPulseAlive(readPulse(profile))) return "alive";
  // Held until the pulse is up, so that those who noticed at the same time find it alive and count nothing.
  const patience = Math.max(1, Math.min(2 * READY_TIMEOUT_MS, until - performance.now()));
  const lock = await acquireLock(`${profile.lockDir}/revive`, patience);
  try {
    if (await isPulseAlive(readPulse(profile))) return "alive";
    if (lock === undefined) return performance.now() >= until ? "late" : "failed";
    return isWanted(profile) && countRevival(host) ? await revive(host, until) : "failed";
  } finally {
    lock?.close();
  }
}

/** Whether the last attempts were so long ago that one who gave up may try again. */
export function isRevivalDue({ profile, now }: ControlHost): boolean {
  return rememberedRevivals(profile, now()).length === 0;
}

function rememberedRevivals(profile: Profile, nowMs: number): number[] {
  const read = readJson(profile.revivals, (value) => Array.isArray(value) ? value.map(Number) : "not a list");
  return recentRevivals(valueOf(read) ?? [], nowMs);
}

/** Remembers one more revival, or says no when there were too many. */
function countRevival({ profile, now }: ControlHost): boolean {
  const recent = rememberedRevivals(profile, now());
  if (recent.length >= REVIVAL_LIMIT.count) return false;
  replaceFile(profile.revivals, `${JSON.stringify([...recent, now()])}\n`, { durable: false });
  return true;
}

async function revive(host: ControlHost, until: number): Promise<Revival> {
  const at = new Date(host.now());
  try {
    const outcome = await ensurePulse(host, until);
    if (outcome !== "running") appendJournal(host.profile, "pulse: was dead, started again", at);
    return outcome === "late" ? "late" : "alive";
  } catch (error) {
    const why = (error as Error).message;
    appendJournal(host.profile, `pulse: was dead and could not be started: ${why}`, at);
    return "failed";
  }
}

/** What `down` ended. */
export interface DownResult {
  workers: string[];
  pulse: boolean;
  survivors: ProcessFact[];
  /** Workers on machines that were not heard, with the reason; their ends are made by the next pulse. */
  unreached: { id: string; why: string }[];
  /** The first thing that could not be written down. */
  failure: Error | undefined;
}

/**
 * Ends the pulse, then all workers, whole trees; what is still there afterwards is named. A full disk keeps
 * nobody alive: what cannot be written down is told at the end.
 */
export async function stopAll(host: ControlHost): Promise<DownResult> {
  const { profile } = host;
  // Asked first: a pulse that reads that it is unwanted ends by itself, and was stopped by this all the same.
  const recorded = await isPulseAlive(readPulse(profile));
  const wasAlive = recorded || await isLockHeld(profile, LOCK_PATIENCE_MS);
  const attempts = new Attempts();
  if (exists(profile.lockDir)) {
    await attempts.try(() => setWanted(profile, false, host.now(), wantedLogFormat(profile)));
  }
  const pulse = await stopPulse(profile) || recorded ||
    (wasAlive && await attempts.try(() => awaitUnrecorded(profile)) === true);
  const fleet = await readFleet(profile, host.now());
  const alive = fleet.filter((session) => session.view.alive || session.view.state === "lost");
  const far = alive.filter((session) => session.host !== undefined);
  const [unreached, results] = await Promise.all([
    endFarAll(host, far),
    inPool(
      alive.filter((session) => session.host === undefined),
      (session) => attempts.try(() => endSession(profile, session, "killed", "down", host.now)),
    ),
  ]);
  const survivors = [
    ...results.flatMap((result) => result?.survivors ?? []),
    ...await sweepProfile(profile),
  ];
  // Commands whose `_ run` is gone are left to nobody else once the pulse has stopped.
  await attempts.try(() => reapIntents(profile, host.now()));
  const left = new Set(unreached.map(({ id }) => id));
  const workers = alive.filter(({ view }) => view.alive && !left.has(view.id)).map(({ view }) => view.id);
  return { workers, pulse, survivors, unreached, failure: attempts.failure };
}

/** How long `down` tries to end what runs on other machines, ms. */
const FAR_MS = 10_000;

/** Ends workers on other machines; those that could not be reached, with the reason. */
async function endFarAll(host: ControlHost, sessions: readonly Session[]): Promise<DownResult["unreached"]> {
  for (const session of sessions) recordEnd(session, "killed", "down");
  const names = [...new Set(sessions.map((session) => session.host ?? ""))];
  const ended = await Promise.all(names.map(async (name) => {
    const there = sessions.filter((session) => session.host === name);
    return await endFarRuns(host, name, there, FAR_MS).catch(() => []);
  }));
  const gone = new Set(ended.flat().map(({ gen }) => gen));
  return sessions.filter(({ gen }) => !gone.has(gen)).map((session) => ({
    id: session.view.id,
    why: reasonOf(host, session),
  }));
}

/** Each ending looks at all processes again and again: more of them at once would only slow each other down. */
const ENDINGS_AT_ONCE = 16;

/** Runs `work`, which does not fail, for each item, a few at a time. */
async function inPool<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const queue = [...items];
  const results: R[] = [];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) results.push(await work(item));
  };
  await Promise.all(Array.from({ length: ENDINGS_AT_ONCE }, worker));
  return results;
}

/** TERM lets the pulse end its sensors; then its whole tree goes. False when none ran. */
async function stopPulse(profile: Profile): Promise<boolean> {
  const record = readPulse(profile);
  if (record === undefined || !await isPulseAlive(record)) return false;
  signal(record.pid, "SIGTERM");
  const deadline = performance.now() + STOP_GRACE_MS;
  for (let pause = 5; performance.now() < deadline; pause = Math.min(pause * 2, 100)) {
    await delay(pause);
    if (!await isPulseAlive(record)) return true;
  }
  await killTree({ roots: [record], marks: [], graceMs: 0 });
  return true;
}

/** Whether a pulse still holds its lock after this time, whatever is recorded. */
async function isLockHeld(profile: Profile, patienceMs: number): Promise<boolean> {
  if (!exists(profile.lock)) return false;
  const lock = await acquireLock(profile.lock, patienceMs);
  lock?.close();
  return lock === undefined;
}

/** How long a lock that nobody holds may take to be had, ms. */
const LOCK_PATIENCE_MS = 50;

/**
 * Waits for the end of a pulse whose record is missing or broken: it reads that it is unwanted. False when `up`
 * wants it again.
 */
async function awaitUnrecorded(profile: Profile): Promise<boolean> {
  poke(profile);
  if (!await isLockHeld(profile, STOP_GRACE_MS)) return true;
  if (!isUnwanted(profile)) return false;
  throw new UserError(`Cannot stop the pulse: it holds "${profile.lock}" and does not answer`, {
    next: `end the process that \`cat '${profile.lockPid}'\` names, then run \`looop down\` again`,
    kind: "pulse_failed",
  });
}

/** Ends what still carries this profile's marks: sensor runs and workers of whatever generation. */
async function sweepProfile(profile: Profile): Promise<ProcessFact[]> {
  const data = `LOOOP_DATA_DIR=${profile.dir}`;
  const carriers = await readMarked([data]);
  carriers.delete(Deno.pid);
  if (carriers.size === 0) return [];
  const ours = new Set([...await readNamed("LOOOP_SESSION_ID"), ...await readNamed("LOOOP_SENSOR_RUN")]);
  const left = [...carriers].filter((pid) => ours.has(pid));
  if (left.length === 0) return [];
  const table = await readAllProcesses();
  const roots = left.map((pid) => table.processes.get(pid)).filter((fact) => fact !== undefined)
    .map((fact) => ({ pid: fact.pid, start: fact.start, boot: table.boot }));
  return await killTree({ roots, marks: [], graceMs: STOP_GRACE_MS });
}
