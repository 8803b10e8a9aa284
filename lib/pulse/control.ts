/** Starts, revives and stops the pulse, and ends everything a profile runs. */
import { spawnChild } from "../process/spawn.ts";
import { homeMark, ownVariables, settleHome } from "../records/home.ts";
import { watchesOff } from "../records/env.ts";
import { childEnv } from "../process/child_env.ts";
import { Attempts, EXIT, UserError } from "../errors.ts";
import { appendJournal } from "../records/journal.ts";
import type { Profile } from "../paths.ts";
import { poke } from "../records/move.ts";
import { NOTICE_MARK } from "../records/notices.ts";
import { type HiddenProcess, type ProcessFact, readAllProcesses, readMarks } from "../process/table.ts";
import { delay, killTree, signal, STOP_GRACE_MS } from "../process/tree.ts";
import {
  isMoved,
  isPulseAlive,
  isUnwanted,
  isWanted,
  pulseDir,
  pulseOf016,
  pulseOf016Error,
  type PulseRecord,
  pulseStanding,
  readPulse,
  setWanted,
  wantedLogFormat,
} from "../world/pulse_record.ts";
import { executablePath, type SelfCommand } from "../process/self.ts";
import { listOpenIds, readFleet, recordEnd, type Session } from "../sessions/session.ts";
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
import { endSession, hiddenSince } from "../workers/end.ts";
import { abandonChecks, VERIFY_MARK } from "../workers/verify.ts";

/** The surroundings of starting a pulse. */
export interface ControlHost {
  profile: Profile;
  self: SelfCommand;
  env: Readonly<Record<string, string>>;
  now(): number;
}

/** Longest time that `up` waits for the first publication, ms. */
const READY_TIMEOUT_MS = 15_000;
/** Size above which the pulse's own log is rotated at start, bytes. */
const PULSE_LOG_MAX = 10 * 1024 * 1024;

/** How to start the pulse. */
export interface StartOptions {
  /** Whether it logs NDJSON. */
  json: boolean;
  /** Whether to stop a running pulse first, so that the new one has this environment; an unknown one is given up. */
  restart: boolean;
}

/**
 * Records that the pulse is wanted and makes sure that one of this version runs: a pulse of another version is
 * stopped first, and workers are left alone.
 *
 * @throws {UserError} when it is unknown whether a pulse already runs, unless it is to be restarted.
 */
export async function startPulse(
  host: ControlHost & { version: string },
  { json, restart }: StartOptions,
): Promise<"started" | "running" | "restarted"> {
  const { profile } = host;
  const before = readPulse(profile);
  const standing = await pulseStanding(profile, before);
  const of016 = standing.life === "alive" ? undefined : await pulseOf016(profile);
  if (of016 !== undefined) throw pulseOf016Error(of016);
  if (standing.life === "unknown" && !restart) throw maybeRunning(standing.why);
  await settleHome(profile);
  setWanted(profile, true, host.now(), json ? "json" : "text");
  const isOther = before?.ready === true && (before.version !== host.version || isEarlier(before));
  const stopped = (restart || isOther) && await stopPulse(profile);
  if (restart && standing.life === "unknown") removeFile(profile.pulse);
  const outcome = await ensurePulse(host);
  return stopped ? "restarted" : outcome;
}

/** Whether a pulse is of a looop that gave data dirs no id: its world lacks what today's verbs read. */
function isEarlier({ home, dir }: PulseRecord): boolean {
  return home === "" && dir === "";
}

function maybeRunning(why: string): UserError {
  return new UserError(`A pulse of this data dir may be running: ${why}`, {
    next: "stop it where it runs; if it is gone for good, `looop up --restart` goes on without it",
    kind: "unknown",
  });
}

/**
 * Makes sure that a pulse runs and has published; one of many simultaneous callers starts it. `late`: it was still
 * starting at `until`, a time of `performance.now()`. Without `until`, one that fails is ended.
 *
 * @throws {UserError} with the last lines of its log when it cannot start.
 */
async function ensurePulse(host: ControlHost): Promise<"started" | "running">;
async function ensurePulse(host: ControlHost, until: number): Promise<"started" | "running" | "late">;
async function ensurePulse(host: ControlHost, until?: number): Promise<"started" | "running" | "late"> {
  const { profile } = host;
  const before = readPulse(profile);
  // A pulse started before the data dir was moved stops when it notices, and holds the lock until then.
  if (before !== undefined && isMoved(profile, before)) await stopPulse(profile);
  else if (before?.ready && await isPulseAlive(profile, before)) return "running";
  const child = spawnPulse(host);
  let outcome: "started" | "running" | "late" | "failed" = "failed";
  try {
    outcome = await untilReady(host, child, until ?? Infinity);
  } finally {
    // It is reported as not started, so it must not go on trying unseen.
    if (outcome === "failed" && until === undefined) await endPulse(child);
  }
  if (outcome !== "failed") return outcome;
  const lines = lastLogLines(profile, child.logStart);
  const fix = /too many open files/i.test(lines) ? "raise `ulimit -n`" : "fix that";
  throw new UserError(`Cannot start the pulse: ${lines}`, {
    next: `${fix}, then run \`looop up\` again; \`looop doctor\` checks the rest`,
    kind: "pulse_failed",
  });
}

/** Waits until a pulse has published; `failed`: it has ended, or took too long. */
async function untilReady(
  { profile, env }: ControlHost,
  child: SpawnedPulse,
  until: number,
): Promise<"started" | "running" | "late" | "failed"> {
  const deadline = Math.min(until, performance.now() + READY_TIMEOUT_MS);
  const watch = new Watch({ dirs: [profile.dir], pollMs: 100, off: watchesOff(env) });
  child.ended.then(() => watch.poke());
  try {
    // Other watchers ignore .pulse.json; the first publication of .world.json comes right before it.
    for (
      let failed = false;
      !failed && performance.now() < deadline;
      await watch.next(deadline - performance.now())
    ) {
      const record = readPulse(profile);
      if (record?.ready && !isMoved(profile, record) && await isPulseAlive(profile, record)) {
        return record.pid === child.pid ? "started" : "running";
      }
      failed = child.code() !== undefined && child.code() !== EXIT.pulseRunning;
    }
  } finally {
    watch.close();
  }
  return performance.now() >= until ? "late" : "failed";
}

/** Ends a pulse that this process has started; it ends its sensors itself. */
async function endPulse({ pid, code, ended }: SpawnedPulse): Promise<void> {
  if (code() !== undefined) return;
  signal(pid, "SIGTERM");
  await Promise.race([ended, delay(STOP_GRACE_MS)]);
  if (code() === undefined) signal(pid, "SIGKILL");
}

/** A pulse that was just spawned. */
interface SpawnedPulse {
  pid: number;
  /** Offset at which its lines begin in the log, bytes. */
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
  const own = ownVariables(profile, executablePath(profile, self));
  const child = spawnChild({
    argv: [self.exe, ...self.args, "_", "pulse"],
    cwd: profile.dir,
    env: childEnv(env, own, { LOOOP_PULSE: "1", LOOOP_LOG_FORMAT: wantedLogFormat(profile) }),
    output: { file: log },
  });
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

/** Most revivals within this time; after that a person is informed. */
export const REVIVAL_LIMIT = { count: 5, windowMs: 600_000 } as const;

/** The remembered revivals that still count, even if the clock was set back. Pure. */
export function recentRevivals(times: readonly number[], nowMs: number): number[] {
  return times.filter((at) => Math.abs(nowMs - at) < REVIVAL_LIMIT.windowMs);
}

/** The result of reviving a wanted pulse that has died; `late`: it was still starting when the time was up. */
export type Revival = "alive" | "failed" | "late";

/**
 * Starts a wanted pulse that has died, unless it has died too often to try again now. Journaled. Several observers
 * that notice it at once count as one revival.
 *
 * @param until Bounds the whole call, a time of `performance.now()`.
 */
export async function revivePulse(host: ControlHost, until = Infinity): Promise<Revival> {
  const { profile } = host;
  if (await isRunning(profile)) return "alive";
  // Held until the pulse is up, so that others who noticed at the same time find it alive and count nothing.
  const patience = Math.max(1, Math.min(2 * READY_TIMEOUT_MS, until - performance.now()));
  const lock = await acquireLock(`${profile.lockDir}/revive`, patience);
  try {
    if (await isRunning(profile)) return "alive";
    if (lock === undefined) return performance.now() >= until ? "late" : "failed";
    return isWanted(profile) && countRevival(host) ? await revive(host, until) : "failed";
  } finally {
    lock?.close();
  }
}

async function isRunning(profile: Profile): Promise<boolean> {
  const record = readPulse(profile);
  return record !== undefined && !isMoved(profile, record) && await isPulseAlive(profile, record);
}

/** Whether the last attempts were so long ago that a caller who gave up may try again. */
export function isRevivalDue({ profile, now }: ControlHost): boolean {
  return rememberedRevivals(profile, now()).length === 0;
}

function rememberedRevivals(profile: Profile, nowMs: number): number[] {
  const read = readJson(profile.revivals, (value) => Array.isArray(value) ? value.map(Number) : "not a list");
  return recentRevivals(valueOf(read) ?? [], nowMs);
}

/** Counts one more revival; false when there were too many. */
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

/** Something that may still run after `down`, why nothing here can end it, and what to do. */
export interface Unreached {
  /** A worker, or `pulse`. */
  id: string;
  why: string;
  next: string;
}

/** The result of `down`. */
export interface DownResult {
  workers: string[];
  pulse: boolean;
  survivors: ProcessFact[];
  /** Processes that may be a worker's, but hide the marks that would show it. */
  hidden: HiddenProcess[];
  unreached: Unreached[];
  /** The first failure to record an end. */
  failure: Error | undefined;
}

/**
 * Ends the pulse, then all workers, whole trees; whatever remains afterwards is named. A full disk keeps nothing
 * alive: failures to record an end are reported last.
 */
export async function stopAll(host: ControlHost): Promise<DownResult> {
  const { profile } = host;
  const attempts = new Attempts();
  const pulse = await downPulse(host, attempts);
  // Where the sessions cannot be listed, everything that carries the profile's marks is ended all the same.
  const fleet = await attempts.try(() => readFleet(profile, host.now(), listOpenIds(profile))) ?? [];
  const alive = fleet.filter(({ view }) => view.alive || view.state === "lost");
  const isFar = (session: Session) => session.host !== undefined;
  const isHere = (session: Session) => !isFar(session) && session.beyond === undefined;
  const [far, results] = await Promise.all([
    endFarAll(host, alive.filter(isFar)),
    Promise.all(
      alive.filter(isHere).map((session) =>
        attempts.try(() => endSession(profile, session, "killed", "down", host.now))
      ),
    ),
  ]);
  const survivors = [
    ...results.flatMap((result) => result?.survivors ?? []),
    ...await sweepProfile(profile, alive.filter((session) => !isHere(session)).map(({ gen }) => gen)),
  ];
  // Once the pulse has stopped, nothing else would end the commands whose `_ run` is gone.
  await attempts.try(() => reapIntents(profile, host.now()));
  if (pulse.unreached.length === 0) await attempts.try(() => abandonChecks(profile, host.now()));
  const unreached = [...pulse.unreached, ...far, ...alive.flatMap(unreachedOf)];
  const left = new Set(unreached.map(({ id }) => id));
  const workers = alive.filter(({ view }) => view.alive && !left.has(view.id)).map(({ view }) => view.id);
  const hidden = await hiddenSince(alive.filter(isHere));
  return { workers, pulse: pulse.stopped, survivors, hidden, unreached, failure: attempts.failure };
}

/** A worker that no signal of ours can reach. */
function unreachedOf({ view, host, beyond }: Session): Unreached[] {
  if (host !== undefined || beyond === undefined) return [];
  const next = `end it where it runs, or give it up with \`looop _ worker kill ${view.id} --forget\``;
  return [{ id: view.id, why: beyond, next }];
}

/** Records that no pulse is wanted and ends the running one. */
async function downPulse(
  host: ControlHost,
  attempts: Attempts,
): Promise<{ stopped: boolean; unreached: Unreached[] }> {
  const { profile } = host;
  // Checked first: a pulse that reads that it is unwanted ends by itself, but was still stopped by this call.
  const standing = await pulseStanding(profile, readPulse(profile));
  const isInReach = standing.life === "alive" && standing.beyond === undefined;
  const wasAlive = isInReach || await attempts.try(() => isLockHeld(profile, LOCK_PATIENCE_MS)) === true;
  if (exists(profile.lockDir)) {
    await attempts.try(() => setWanted(profile, false, host.now(), wantedLogFormat(profile)));
  }
  const stopped = await stopPulse(profile) || isInReach ||
    (wasAlive && await attempts.try(() => awaitUnrecorded(profile)) === true);
  if (standing.life !== "unknown") return { stopped, unreached: [] };
  return { stopped, unreached: [{ id: "pulse", why: standing.why, next: "stop it where it runs" }] };
}

/** Time that `down` spends on ending workers on other machines, ms. */
const FAR_MS = 10_000;

/** Ends workers on other machines; returns those that could not be reached, with the reason. */
async function endFarAll(host: ControlHost, sessions: readonly Session[]): Promise<Unreached[]> {
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
    next: "the next `looop up` ends it",
  }));
}

/** Ends everything that carries a profile's marks, when its records must not be read; returns what remains. */
export async function stopMarked(profile: Profile): Promise<ProcessFact[]> {
  return [...await sweepProfile(profile, [], ["LOOOP_PULSE"]), ...await sweepProfile(profile, [])];
}

/** Stops the pulse: TERM lets it end its sensors; then its whole tree is ended. False when none ran. */
async function stopPulse(profile: Profile): Promise<boolean> {
  const record = readPulse(profile);
  const standing = await pulseStanding(profile, record);
  if (record === undefined || standing.life !== "alive" || standing.beyond !== undefined) return false;
  signal(record.pid, "SIGTERM");
  const deadline = performance.now() + STOP_GRACE_MS;
  for (let pause = 5; performance.now() < deadline; pause = Math.min(pause * 2, 100)) {
    await delay(pause);
    if (!await isPulseAlive(profile, record)) return true;
  }
  await killTree({ roots: [record], marks: [], graceMs: 0 });
  return true;
}

/** Whether a pulse still holds its lock after this time, whatever the records say. */
async function isLockHeld(profile: Profile, patienceMs: number): Promise<boolean> {
  if (!exists(profile.lock)) return false;
  const lock = await acquireLock(profile.lock, patienceMs);
  lock?.close();
  return lock === undefined;
}

/** Time that taking a free lock may need, ms. */
const LOCK_PATIENCE_MS = 50;

/**
 * Waits for the end of a pulse whose record is missing or broken, and which stops when it reads that it is unwanted.
 * False when `up` wants it again.
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

/** Marks of all runs; supervisors, too: one that was stopped with SIGSTOP outlives its worker's end. */
const RUN_MARKS = ["LOOOP_SESSION_ID", "LOOOP_WORKER_GEN", "LOOOP_SENSOR_RUN", NOTICE_MARK, VERIFY_MARK];

/**
 * Ends everything that still carries this profile's marks: sensor runs, notification hooks, workers and supervisors
 * of all runs but the spared ones.
 */
async function sweepProfile(
  profile: Profile,
  spared: readonly string[],
  names: readonly string[] = RUN_MARKS,
): Promise<ProcessFact[]> {
  const marks = await readMarks();
  const ours = new Set(names.flatMap((name) => [...marks.named(name)]));
  const sparedMarks = spared.flatMap((gen) => [`LOOOP_SESSION_GEN=${gen}`, `LOOOP_WORKER_GEN=${gen}`]);
  const others = marks.withAll([sparedMarks]);
  const left = marks.withAll([homeMark(profile)]).intersection(ours).difference(others);
  left.delete(Deno.pid);
  if (left.size === 0) return [];
  const table = await readAllProcesses();
  const roots = [...left].map((pid) => table.processes.get(pid)).filter((fact) => fact !== undefined)
    .map((fact) => ({ pid: fact.pid, start: fact.start, boot: table.boot }));
  return await killTree({ roots, marks: [], graceMs: STOP_GRACE_MS });
}
