/** Sessions: the records of workers, the state that these show, and whether the workers are alive. */
import { oneLine } from "../errors.ts";
import { isoSeconds, nanoTime, unixSeconds } from "../text/time.ts";
import { isRecord } from "../text/json.ts";
import { isId } from "../ids.ts";
import { readHost, unreachableS } from "../records/hosts.ts";
import type { Profile } from "../paths.ts";
import { homeMark, homeOf, isOfAnother } from "../records/home.ts";
import {
  beyondReach,
  type Identity,
  identityKey,
  mayExist,
  parseIdentity,
  type Standing,
  standingsOf,
} from "../process/identity.ts";
import { type Mark, readMarked, readProcesses } from "../process/table.ts";
import { readMeta, sessionDir, smallText } from "./run_files.ts";
import { type VerifyView, verifyViewOf } from "./verdict.ts";
import { delay } from "../process/tree.ts";
import {
  type BadFile,
  createOnce,
  listDirs,
  oddness,
  parseJson,
  readJson,
  replaceFile,
  settledStamp,
  smallOddness,
  statOf,
} from "../store.ts";

export type SessionState = "starting" | "running" | "exited" | "killed" | "lost";
export type EndedBy = "self" | "root" | "human" | "down" | "timeout" | "crash" | "host";

/** `sessions/<id>/meta.json`, with times in Unix seconds; the file has `started_at` as text. `cmd` and `babysit_pid` are 0.16's. */
export interface SessionMeta {
  v: 1;
  id: string;
  /** Generation: distinguishes two uses of one id. */
  gen: string;
  cmd: string[];
  babysit_pid: number;
  started_at: number;
  runner: string;
  cwd: string;
  /** Unix seconds after which the session is ended by the pulse. */
  deadline?: number;
  /** The other machine on which it was placed, if any; the pulse then writes what that machine reports about it. */
  host?: string;
  /** The engine's own name for its job. */
  handle?: string;
  /** Id of the data dir that has started it. */
  home?: string;
  /** The goal that it serves. */
  goal?: string;
  /** Bash line that checks its work after its end. */
  verify?: string;
}

/** One worker as `_ state` shows it. */
export interface WorkerView {
  id: string;
  state: SessionState;
  alive: boolean;
  exit_code: number | null;
  ended_by?: EndedBy;
  ready: boolean;
  runner: string;
  started: string;
  ended?: string;
  /** The verdict on its work, if it was started with a check and has ended. */
  verify?: VerifyView;
  /** Seconds since its last output. */
  idle_s: number;
  /** Its agent's CLI says that its account or model is used up until then (null: it does not say), in this line. */
  limited?: { until: string | null; line: string };
  /** The other machine on which it runs, if any. */
  host?: string;
  /** Seconds for which that machine has not been heard. */
  unreachable_s?: number;
  /** Why nothing here can determine whether it is alive; it counts as alive. */
  unknown?: string;
}

/** A worker, with the fields that only looop itself needs. */
export interface Session {
  view: WorkerView;
  gen: string;
  dir: string;
  /** The supervisor, once it has recorded itself. */
  supervisor?: Identity;
  /** The agent's first process. */
  program?: Identity;
  deadline?: number;
  startedAt: number;
  endedAt?: number;
  /** Whether an end was requested (`end` exists). */
  ending: boolean;
  /** The other machine on which it runs, if any. */
  host?: string;
  /** The goal that it serves. */
  goal?: string;
  /** Bash line that checks its work after its end, in the folder that it was started in. */
  check?: { line: string; cwd: string };
  /** Why no signal can reach it, though it is or may be alive. */
  beyond?: string;
  /** Set when it was started by the data dir of which this one is a copy: not ours to end, and lost. */
  isAnothers?: true;
  /** The stamp of its `status.json` before that was read; absent while a change could leave the same. */
  statusStamp?: string;
}

/** The signs that show that a running session is still in its known state. */
export interface LiveSign {
  /** The supervisor. */
  pid: number;
  /** The stamp of its `status.json`. */
  status: string;
}

/** Path of the supervisor's record of a session. */
export function statusPath(profile: Profile, id: string): string {
  return `${sessionDir(profile, id)}/status.json`;
}

/**
 * The sign of a session whose supervisor is of this machine and verified; undefined when only a whole look can show
 * it.
 */
export function liveSignOf({ view, supervisor, host, beyond, statusStamp }: Session): LiveSign | undefined {
  const isPlain = view.state === "running" && view.unknown === undefined && beyond === undefined;
  if (!isPlain || host !== undefined || supervisor === undefined || statusStamp === undefined) {
    return undefined;
  }
  return { pid: supervisor.pid, status: statusStamp };
}

/** A running session as it is now, if its sign shows that only its last output can have changed; else undefined. */
export function viewBySign<V extends WorkerView>(
  profile: Profile,
  known: V,
  { pid, status }: LiveSign,
  nowMs: number,
): V | undefined {
  const isStill = mayExist(pid) && settledStamp(statusPath(profile, known.id), nowMs) === status;
  const dir = sessionDir(profile, known.id);
  if (!isStill || (!known.ready && statOf(`${dir}/ready`) !== undefined)) return undefined;
  const startedMs = Date.parse(known.started);
  const lastOutput = statOf(`${dir}/output.log`)?.mtime?.getTime() ?? startedMs;
  return { ...known, idle_s: idleSeconds(lastOutput, nowMs) };
}

function idleSeconds(lastOutputMs: number, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - Math.min(lastOutputMs, nowMs)) / 1000));
}

/** Time after which a supervisor that has not recorded itself has failed, ms. */
const STARTING_MS = 10_000;

/** Time after which `worker start` gives up on a supervisor that has not started the agent, ms. */
export const START_TIMEOUT_MS = 8_000;

/** Session ids on disk: workers only, neither the pulse nor earlier runs (`id~n`). */
export function listSessionIds(profile: Profile): string[] {
  return listDirs(profile.sessions).filter((name) => isId(name) && name !== "pulse");
}

/** The ids whose record does not show an end: all that may need to be ended. Reads one file of each. */
export function listOpenIds(profile: Profile): string[] {
  return listSessionIds(profile).filter((id) => !hasEnded(readStatus(sessionDir(profile, id))));
}

/** The ids as last listed, for one who looks again and again. */
let listed: { dir: string; stamp: string; ids: readonly string[] } | undefined;

/** The same; the folder is not listed again while nothing was added to it or removed. */
export function sessionIdsNow(profile: Profile, nowMs: number): readonly string[] {
  const { sessions: dir } = profile;
  const stamp = settledStamp(dir, nowMs);
  if (stamp !== undefined && listed?.dir === dir && listed.stamp === stamp) return listed.ids;
  const ids = listSessionIds(profile);
  listed = stamp === undefined ? undefined : { dir, stamp, ids };
  return ids;
}

/** The text of `meta.json`. */
export function metaText(meta: SessionMeta): string {
  return `${JSON.stringify({ ...meta, started_at: nanoTime(meta.started_at * 1000) })}\n`;
}

/** The text of `status.json` for a session that has ended. */
export function endedStatusText(
  end: { state: string; by: string },
  exitCode: number | null,
  nowMs: number,
): string {
  const status = { state: end.state, child_pid: null, exit_code: exitCode, last_change: nanoTime(nowMs) };
  return `${JSON.stringify({ ...status, ended_by: end.by })}\n`;
}

/** The text of `status.json` for a session that runs on another machine. */
export function runningStatusText(nowMs: number): string {
  const status = { state: "running", child_pid: null, exit_code: null, last_change: nanoTime(nowMs) };
  return `${JSON.stringify(status)}\n`;
}

/** `sessions/<id>/status.json`, its time in Unix seconds; `child_pid` is of use for sessions of 0.16 alone. */
interface Status {
  state: string;
  child_pid?: number;
  exit_code: number | null;
  last_change: number;
  ended_by?: string;
}

/** Everything recorded about one session, before its liveness is known. */
export interface SessionRecord {
  id: string;
  dir: string;
  meta: SessionMeta;
  status: Status | undefined;
  supervisor: Identity | undefined;
  /** The file that the supervisor keeps locked for as long as it lives, where locking was possible. */
  lock: string | undefined;
  program: Identity | undefined;
  end: { state: string; by: string } | undefined;
  ready: boolean;
  /** The verdict on its work; absent without a check. */
  verify?: VerifyView;
  lastOutput: number;
}

/** Reads one session's files; undefined when there is no readable session. */
export function readSession(profile: Profile, id: string): SessionRecord | undefined {
  const dir = sessionDir(profile, id);
  const meta = parseMeta(profile, id);
  if (meta === undefined) return undefined;
  const output = statOf(`${dir}/output.log`)?.mtime?.getTime();
  const { supervisor, lock } = readSupervisor(dir);
  return {
    id,
    dir,
    meta,
    // An unreadable file of one session must not hide all the others.
    ...readStatus(dir),
    supervisor,
    lock,
    program: parseIdentity(smallText(`${dir}/program`)),
    end: parseEnd(smallText(`${dir}/end`)),
    ready: statOf(`${dir}/ready`) !== undefined,
    ...(meta.verify === undefined ? {} : { verify: readVerify(dir) }),
    lastOutput: output ?? meta.started_at * 1000,
  };
}

function readVerify(dir: string): VerifyView {
  const path = `${dir}/verify.json`;
  return verifyViewOf(smallText(path), statOf(path) !== undefined);
}

/** The supervisor's own record, in `sup`. */
function readSupervisor(dir: string): { supervisor: Identity | undefined; lock: string | undefined } {
  const text = smallText(`${dir}/sup`);
  const isLocked = text?.trimEnd().endsWith(" locked") === true;
  return { supervisor: parseIdentity(text), lock: isLocked ? `${dir}/lock` : undefined };
}

/** Faults in the folders of sessions: unreadable files of `open` sessions, and folders that are not sessions. */
export function badSessionFiles(
  profile: Profile,
  known: ReadonlySet<string>,
  open: readonly string[],
  nowMs: number,
): BadFile[] {
  const files = open.flatMap((id) => {
    const dir = sessionDir(profile, id);
    const odd = ["status.json", "sup", "program", "end"].map((
      name,
    ) => [name, smallOddness(`${dir}/${name}`)]);
    const log = ["output.log", oddness(`${dir}/output.log`)];
    return [...odd, log].flatMap(([name, reason]) =>
      reason === undefined ? [] : [{ path: `${dir}/${name}`, reason }]
    );
  });
  const strays = sessionIdsNow(profile, nowMs).filter((id) =>
    !known.has(id) && readSession(profile, id) === undefined
  ).map((id) => ({
    path: sessionDir(profile, id),
    reason: strayReason(profile, id),
  }));
  return [...files, ...strays];
}

function strayReason(profile: Profile, id: string): string {
  const path = `${sessionDir(profile, id)}/meta.json`;
  const odd = smallOddness(path);
  if (odd !== undefined) return `its meta.json cannot be read: ${odd}`;
  const read = readJson(path, (value) => isRecord(value) ? value : "not an object");
  if (read === undefined) return "it has no meta.json";
  if ("bad" in read) return `its meta.json cannot be read: ${read.bad}`;
  return `it is the session of "${oneLine(String(read.value["id"]), 70)}", copied`;
}

function parseMeta(profile: Profile, id: string): SessionMeta | undefined {
  const value = readMeta(profile, id);
  if (value === undefined) return undefined;
  return {
    v: 1,
    id,
    gen: typeof value["gen"] === "string" ? value["gen"] : "",
    cmd: Array.isArray(value["cmd"]) ? value["cmd"].map(String) : [],
    babysit_pid: Number(value["babysit_pid"] ?? 0),
    started_at: unixSeconds(value["started_at"]),
    runner: typeof value["runner"] === "string" ? value["runner"] : "",
    cwd: typeof value["cwd"] === "string" ? value["cwd"] : "",
    ...(typeof value["deadline"] === "number" ? { deadline: value["deadline"] } : {}),
    ...(typeof value["goal"] === "string" ? { goal: value["goal"] } : {}),
    ...(typeof value["verify"] === "string" ? { verify: value["verify"] } : {}),
    ...(typeof value["host"] === "string" ? { host: value["host"] } : {}),
    ...(typeof value["handle"] === "string" ? { handle: value["handle"] } : {}),
    ...(typeof value["home"] === "string" ? { home: value["home"] } : {}),
  };
}

function readStatus(dir: string): Pick<SessionRecord, "status"> {
  return { status: parseStatus(smallText(`${dir}/status.json`)) };
}

function parseStatus(text: string | undefined): SessionRecord["status"] {
  if (text === undefined) return undefined;
  const parsed = parseJson(text, (value) => isRecord(value) ? value : "not an object");
  if ("bad" in parsed) return undefined;
  const { state, child_pid, exit_code, last_change, ended_by } = parsed.value;
  return {
    state: String(state),
    ...(typeof child_pid === "number" ? { child_pid } : {}),
    exit_code: typeof exit_code === "number" ? exit_code : null,
    last_change: unixSeconds(last_change),
    ...(typeof ended_by === "string" ? { ended_by } : {}),
  };
}

function parseEnd(text: string | undefined): SessionRecord["end"] {
  const [state, by] = (text ?? "").trim().split(" ");
  return state && by ? { state, by } : undefined;
}

/** Whether the record alone shows that the session is over. */
export function hasEnded({ status }: Pick<SessionRecord, "status">): boolean {
  return status?.state === "exited" || status?.state === "killed";
}

/**
 * The marks that every process of one run of a session carries in its environment; the rarest first. 0.16 knows no
 * generations.
 */
export function sessionMarks(profile: Profile, id: string, gen: string): Mark[] {
  const marks = [`LOOOP_SESSION_ID=${id}`, homeMark(profile)];
  return gen === "" ? marks : [`LOOOP_SESSION_GEN=${gen}`, ...marks];
}

/** The facts that lead to the processes of a session that 0.16 has started. */
type RunOf016 = Partial<Pick<SessionRecord, "supervisor" | "program">>;

/** What leads to the processes of a session that 0.16 has started, if it runs on: at least their marks. */
async function runOf016(profile: Profile, record: SessionRecord): Promise<RunOf016 | undefined> {
  const { id, meta, supervisor, status } = record;
  if (meta.gen !== "" || supervisor !== undefined || status?.state !== "running") return undefined;
  const { babysit_pid } = meta;
  if (!(babysit_pid > 0) || !mayExist(babysit_pid)) return undefined;
  const run = await pairOf016(profile, babysit_pid, status.child_pid ?? 0);
  if (run !== undefined) return run;
  return (await readMarked(sessionMarks(profile, id, ""))).size > 0 ? {} : undefined;
}

/**
 * The supervisor and the agent behind the bare pids that 0.16 recorded. These prove nothing; but the one is the other's
 * parent, and both carry the data dir's mark. An agent that its shell has not become lacks the session's.
 */
async function pairOf016(profile: Profile, parent: number, child: number): Promise<RunOf016 | undefined> {
  if (!(child > 0)) return undefined;
  const { processes, boot } = await readProcesses([parent, child]);
  const facts = [parent, child].map((pid) => processes.get(pid)).filter((fact) => fact !== undefined);
  if (facts.length < 2 || facts[1]?.ppid !== parent) return undefined;
  const marked = await readMarked([homeMark(profile)]);
  if (!facts.every(({ pid }) => marked.has(pid))) return undefined;
  const [supervisor, program] = facts.map(({ pid, start }) => ({ pid, start, boot }));
  return { supervisor, program };
}

/** The session that a record and its supervisor's standing describe. Pure. */
export function sessionOf(record: SessionRecord, supervisor: Standing, nowMs: number): Session {
  const { meta, status } = record;
  const ended = hasEnded(record);
  const state = stateOf(record, supervisor.life !== "dead", nowMs);
  const beyond = ended ? undefined : beyondReach(supervisor);
  const alive = state === "running" || state === "starting";
  const endedBy = endedByOf(record, state);
  const endedAt = ended ? status?.last_change : undefined;
  const view: WorkerView = {
    id: record.id,
    state,
    alive,
    exit_code: state === "exited" ? status?.exit_code ?? null : null,
    ...(endedBy === undefined ? {} : { ended_by: endedBy }),
    ready: record.ready,
    runner: meta.runner,
    started: isoSeconds(meta.started_at * 1000),
    ...(endedAt === undefined ? {} : { ended: isoSeconds(endedAt * 1000) }),
    ...(endedAt === undefined || record.verify === undefined ? {} : { verify: record.verify }),
    idle_s: idleSeconds(record.lastOutput, nowMs),
    ...(meta.host === undefined ? {} : { host: meta.host }),
    ...(ended || supervisor.life !== "unknown" ? {} : { unknown: supervisor.why }),
  };
  return {
    view,
    gen: meta.gen,
    dir: record.dir,
    ...(record.supervisor === undefined ? {} : { supervisor: record.supervisor }),
    ...(record.program === undefined ? {} : { program: record.program }),
    ...(meta.deadline === undefined ? {} : { deadline: meta.deadline }),
    ...(meta.goal === undefined ? {} : { goal: meta.goal }),
    ...(meta.verify === undefined ? {} : { check: { line: meta.verify, cwd: meta.cwd } }),
    startedAt: meta.started_at,
    ...(meta.host === undefined ? {} : { host: meta.host }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ending: record.end !== undefined,
    ...(beyond === undefined ? {} : { beyond }),
  };
}

function stateOf(record: SessionRecord, supervisorAlive: boolean, nowMs: number): SessionState {
  const said = record.status?.state;
  if (said === "exited" || said === "killed") return said;
  // Only the machine itself can declare one of its workers lost: its silence means nothing.
  if (record.meta.host !== undefined) return said === "lost" || said === "running" ? said : "starting";
  if (supervisorAlive) return said === "running" ? "running" : "starting";
  if (record.supervisor !== undefined) return "lost";
  const age = nowMs - record.meta.started_at * 1000;
  return age < STARTING_MS && age > -STARTING_MS ? "starting" : "lost";
}

function endedByOf(record: SessionRecord, state: SessionState): EndedBy | undefined {
  if (state === "running" || state === "starting") return undefined;
  const said = record.status?.ended_by ?? record.end?.by;
  if (said !== undefined) return said as EndedBy;
  return state === "lost" ? "crash" : undefined;
}

/** The standings of supervisors, each determined once. */
class Standings {
  readonly #found = new Map<string, Standing>();
  readonly #trustMs: number;

  constructor(trustMs: number) {
    this.#trustMs = trustMs;
  }

  /** Dead when there is no supervisor, or when its standing was not asked for. */
  of(record: Pick<SessionRecord, "supervisor">): Standing {
    const { supervisor } = record;
    return (supervisor === undefined ? undefined : this.#found.get(identityKey(supervisor))) ??
      { life: "dead" };
  }

  isNew({ supervisor }: Pick<SessionRecord, "supervisor">): boolean {
    return supervisor !== undefined && !this.#found.has(identityKey(supervisor));
  }

  async ask(records: readonly Pick<SessionRecord, "supervisor" | "lock">[]): Promise<void> {
    const locks = new Map(records.map(({ supervisor, lock }) => [supervisor, lock]));
    const supervisors = [...locks.keys()].filter((supervisor) => supervisor !== undefined);
    const found = await standingsOf(supervisors, this.#trustMs, (identity) => locks.get(identity));
    for (const [identity, standing] of found) this.#found.set(identityKey(identity), standing);
  }
}

/**
 * All sessions, with liveness determined in one go (`trustMs` as in {@link standingsOf}). Sorted by id.
 *
 * The child process answers while the files are read, so a worker may end in between. A session that seems dead
 * without an end is therefore read again: a supervisor that is gone by then had written its status before, so no
 * worker that ends meanwhile ever looks lost. Nor does one that has just started: a supervisor that is new at the
 * second reading is asked for, too.
 */
export async function readFleet(
  profile: Profile,
  nowMs: number,
  ids = listSessionIds(profile),
  trustMs = 0,
): Promise<Session[]> {
  const standings = new Standings(trustMs);
  const isOpen = (record: SessionRecord) => !hasEnded(record) && standings.of(record).life === "dead";
  const dirs = ids.map((id) => sessionDir(profile, id));
  const asking = standings.ask(dirs.filter((dir) => !hasEnded(readStatus(dir))).map(readSupervisor));
  // One turn, in which the child is started.
  await Promise.resolve();
  let records = ids.map((id) => readSession(profile, id)).filter((record) => record !== undefined);
  await asking;
  for (;;) {
    records = records.map((record) => isOpen(record) ? readSession(profile, record.id) ?? record : record);
    const fresh = records.filter((record) => isOpen(record) && standings.isNew(record));
    if (fresh.length === 0) break;
    await standings.ask(fresh);
  }
  const home = homeOf(profile);
  const sessions = await Promise.all(records.map(async (record) => {
    if (isOfAnother(home, record.meta.home)) return anothersSession(record, nowMs);
    const of016 = await runOf016(profile, record);
    if (of016 !== undefined) return sessionOf({ ...record, ...of016 }, { life: "alive" }, nowMs);
    return sessionOf(record, standings.of(record), nowMs);
  }));
  addReach(profile, sessions, nowMs);
  return sessions;
}

/** Adds to living workers on other machines how long those machines have not been heard. */
function addReach(profile: Profile, sessions: readonly Session[], nowMs: number): void {
  const silence = new Map<string, number | undefined>();
  for (const { host, view } of sessions) {
    if (host === undefined || !view.alive) continue;
    if (!silence.has(host)) silence.set(host, unreachableS(readHost(profile, host), nowMs));
    const seconds = silence.get(host);
    if (seconds !== undefined) view.unreachable_s = seconds;
  }
}

/** A session that came with a copy: any living process of it belongs to the original. */
function anothersSession(record: SessionRecord, nowMs: number): Session {
  const { host: _host, ...meta } = record.meta;
  const gone = { ...record, meta, supervisor: record.supervisor ?? { pid: 0, start: "", boot: "" } };
  return { ...sessionOf(gone, { life: "dead" }, nowMs), isAnothers: true };
}

/** One session by id, or undefined. */
export async function findSession(profile: Profile, id: string, nowMs: number): Promise<Session | undefined> {
  return (await readFleet(profile, nowMs, [id]))[0];
}

/**
 * Records how a session is about to end, before any signal. The first record wins: `killed root` and the like for a
 * kill, `exited self` for a worker that ends itself.
 */
export function recordEnd(session: Session, state: "exited" | "killed", by: EndedBy): boolean {
  return createOnce(`${session.dir}/end`, `${state} ${by}\n`);
}

/**
 * Longest wait for the session's own end, ms: if TERM and KILL have not sufficed, something is wrong that waiting
 * does not fix.
 */
const END_TIMEOUT_MS = 10_000;

/**
 * Waits, inside a session's tree, for the recorded end. An agent whose command returned now would ask its model once
 * more, and pay for a reply that nobody reads; some agents outlive their terminal by seconds, so the wait lasts until
 * this process is ended, too.
 */
export async function untilEnded(
  profile: Profile,
  id: string,
  gen: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const isMarked = env["LOOOP_SESSION_GEN"] === gen;
  const deadline = performance.now() + END_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const record = readSession(profile, id);
    if (record === undefined || record.meta.gen !== gen || record.end === undefined) return;
    if (hasEnded(record) && !isMarked) return;
    await delay(50);
  }
}

/** Writes the final status in place of a supervisor that could not. */
export function writeFinalStatus(session: Session, nowMs: number): void {
  const end = parseEnd(smallText(`${session.dir}/end`)) ?? { state: "killed", by: "crash" };
  const text = endedStatusText(end, end.state === "killed" ? null : 0, nowMs);
  replaceFile(`${session.dir}/status.json`, text);
}
