/**
 * The agent's own session behind a worker, and the sessions of root agents: which CLI, which id, and where its
 * records are. The id is set at a worker's start where the CLI accepts one, otherwise it is learned from the
 * environment of the verbs that the agent calls.
 */
import { checkRecord, isRecord } from "../text/json.ts";
import type { Profile } from "../paths.ts";
import { markedAgent } from "../process/agent_marks.ts";
import { presetNamed, RECORDS_KINDS } from "../records/presets.ts";
import { type AgentSession, COPIED_RECORDS, recordsFolder } from "./record_files.ts";
import { type UnnamedCaller, unnamedCaller } from "./unnamed.ts";
import { NO_TOKENS, type Tokens } from "./tokens.ts";
import { sessionDir } from "../sessions/run_files.ts";
import { appendLine, readJson, replaceFile, statOf, valueOf, withLock } from "../store.ts";

type Env = Readonly<Record<string, string>>;

/** `sessions/<id>/agent.json`: how a worker was started, and the known sessions of its agent. */
export interface AgentFile {
  v: 1;
  /** Preset that the template belongs to; "" for a program that looop does not know. */
  preset: string;
  template: string;
  env: Record<string, string>;
  sessions: AgentSession[];
  /** The amounts that earlier runs of the same sessions have in the ledger, by session id. */
  counted: Record<string, Counted>;
  /** Number of calls of looop's verbs in the agent's record before this run; 0 by default. */
  callsBefore?: number;
}

/** A running sum of the amounts already in the ledger. */
export interface Counted {
  tokens: Tokens;
  usd: number;
  /** claude: how many of its closing sums have been used. */
  closings?: number;
  /** Number of replies without tokens that rows have reported. */
  unrecorded?: number;
}

/** The agent session that a shell tool's environment names, or undefined. Pure. */
export function agentOf(env: Env): AgentSession | undefined {
  const marked = markedAgent(env);
  if (marked?.isNamed !== true) return undefined;
  const { cli, session: id } = marked;
  const file = cli === "pi" ? env["PI_SESSION_FILE"] : undefined;
  return { cli, id, records: recordsFolder(cli, env), ...(file ? { file } : {}) };
}

function agentPath(dir: string): string {
  return `${dir}/agent.json`;
}

/** The record of a worker's agent, in the session's folder; undefined when there is none. */
export function readAgent(dir: string): AgentFile | undefined {
  const read = readJson(agentPath(dir), checkRecord);
  if (read === undefined || "bad" in read) return undefined;
  const { preset, template, env, sessions, counted, callsBefore } = read.value;
  return {
    v: 1,
    preset: typeof preset === "string" ? preset : "",
    template: typeof template === "string" ? template : "",
    env: isRecord(env) ? Object.fromEntries(Object.entries(env).map(([k, v]) => [k, String(v)])) : {},
    sessions: (Array.isArray(sessions) ? sessions.filter(isAgentSession) : []).map((session) =>
      // The folder is renamed when the worker's id is used again.
      session.records === COPIED_RECORDS ? { ...session, records: `${dir}/${COPIED_RECORDS}` } : session
    ),
    counted: isRecord(counted) ? counted as Record<string, Counted> : {},
    ...(typeof callsBefore === "number" ? { callsBefore } : {}),
  };
}

/** Whether a value from disk is a session. */
function isAgentSession(value: unknown): value is AgentSession {
  return isRecord(value) && [...RECORDS_KINDS, "other"].includes(String(value["cli"])) &&
    typeof value["id"] === "string" && typeof value["records"] === "string";
}

/** Writes the record of a worker's agent. */
export function writeAgent(dir: string, agent: AgentFile): void {
  replaceFile(agentPath(dir), `${JSON.stringify(agent)}\n`);
}

/** One session of a root agent in `.root-sessions.json`, with the part of it that is in the ledger. */
export interface RootSession extends AgentSession {
  /** When it first called a verb, unix ms. */
  seen_at: number;
  /** When its last row was written, unix ms; absent before the first. */
  row_at?: number;
  counted: Counted;
  /** A row that is being appended; completed after a crash. */
  pending?: { line: string; counted: Counted };
}

/** `.root-sessions.json`. */
export interface RootAgents {
  sessions: RootSession[];
  /** Callers whose session is still to be found; on disk `opencode`, after the first CLI that had any. */
  unnamed: UnnamedCaller[];
}

/** The record of the root agents. */
export function readRootAgents(profile: Profile): RootAgents {
  const read = readJson(profile.rootSessions, checkRecord);
  const { sessions, opencode } = valueOf(read) ?? {} as RootFile;
  return {
    sessions: (Array.isArray(sessions) ? sessions : []).filter((value): value is RootSession =>
      isAgentSession(value) && isRecord((value as RootSession).counted)
    ),
    unnamed: (Array.isArray(opencode) ? opencode : []).filter((value): value is UnnamedCaller =>
      isRecord(value) && typeof value["records"] === "string" && Array.isArray(value["calls"])
    ).map((value) => ({ ...value, cli: value.cli ?? "opencode" })),
  };
}

type RootFile = Record<string, unknown>;

/** The root agents' sessions. */
export function readRootSessions(profile: Profile): RootSession[] {
  return readRootAgents(profile).sessions;
}

/** Replaces the record of the root agents; call it under {@link rootLock}. */
export function writeRootAgents(profile: Profile, agents: RootAgents): void {
  const { sessions, unnamed } = agents;
  const more = unnamed.length === 0 ? {} : { opencode: unnamed };
  replaceFile(profile.rootSessions, `${JSON.stringify({ v: 1, sessions, ...more })}\n`);
}

/** Replaces the list of root agents' sessions; call it under {@link rootLock}. */
export function writeRootSessions(profile: Profile, sessions: readonly RootSession[]): void {
  writeRootAgents(profile, { ...readRootAgents(profile), sessions: [...sessions] });
}

/** Lock of `.root-sessions.json`. */
export function rootLock(profile: Profile): string {
  return `${profile.lockDir}/root-sessions`;
}

/**
 * Records the agent session that calls a verb: a worker's in its session's folder, else a root agent's. Costs one
 * small read when it is already known; writes only what is new.
 */
export async function noteCaller(profile: Profile, env: Env, cwd: string, nowMs: number): Promise<void> {
  if (statOf(profile.lockDir) === undefined) return;
  const agent = agentOf(env);
  const worker = env["LOOOP_SESSION_ID"];
  if (worker) {
    const dir = sessionDir(profile, worker);
    if (agent === undefined || statOf(`${dir}/meta.json`) === undefined) return;
    await noteWorker(dir, agent);
    if (presetNamed(agent.cli)?.asksOnceMore) appendLine(callsMade(dir), "", { durable: false });
  } else if (agent !== undefined) await noteRoot(profile, agent, nowMs);
  else {
    const caller = unnamedCaller(env, cwd, nowMs);
    if (caller !== undefined) await noteUnnamed(profile, caller);
  }
}

/**
 * A file with a line for each verb that a worker has called, for CLIs whose records must have them all before the
 * end.
 */
export function callsMade(dir: string): string {
  return `${dir}/calls_made`;
}

/**
 * Interval at which calls of one unnamed caller are recorded, ms: it calls again and again, and its session may
 * change.
 */
const CALL_EVERY_MS = 60_000;
/** Number of calls without a session that are kept per caller. */
const MAX_CALLS = 20;

async function noteUnnamed(profile: Profile, next: UnnamedCaller): Promise<void> {
  const isSame = (one: UnnamedCaller) =>
    one.cli === next.cli && one.pid === next.pid && one.records === next.records;
  const isNoted = (one: UnnamedCaller) =>
    isSame(one) && Math.abs(next.noted_at - one.noted_at) < CALL_EVERY_MS;
  if (readRootAgents(profile).unnamed.some(isNoted)) return;
  await withLock(rootLock(profile), () => {
    const agents = readRootAgents(profile);
    if (agents.unnamed.some(isNoted)) return;
    const known = agents.unnamed.find(isSame);
    const calls = [...known?.calls ?? [], ...next.calls].slice(-MAX_CALLS);
    const unnamed = [...agents.unnamed.filter((one) => !isSame(one)), { ...known, ...next, calls }];
    writeRootAgents(profile, { ...agents, unnamed });
  });
}

async function noteWorker(dir: string, agent: AgentSession): Promise<void> {
  const isKnown = () => readAgent(dir)?.sessions.some((one) => isSame(one, agent) && one.file === agent.file);
  if (isKnown()) return;
  await withLock(`${dir}/.agent.lock`, () => {
    const known = readAgent(dir) ??
      { v: 1, preset: agent.cli, template: "", env: {}, sessions: [], counted: {} };
    // This replaces an expected session whose id was not known at the start.
    const others = known.sessions.filter((one) =>
      !isSame(one, agent) && !(one.cli === agent.cli && one.id === "")
    );
    writeAgent(dir, { ...known, sessions: [...others, agent] });
  });
}

async function noteRoot(profile: Profile, agent: AgentSession, nowMs: number): Promise<void> {
  if (readRootSessions(profile).some((one) => isSame(one, agent))) return;
  await withLock(rootLock(profile), () => {
    const known = readRootSessions(profile);
    if (known.some((one) => isSame(one, agent))) return;
    const counted = { tokens: { ...NO_TOKENS }, usd: 0 };
    writeRootSessions(profile, [...known, { ...agent, seen_at: nowMs, counted }]);
  });
}

function isSame(a: AgentSession, b: AgentSession): boolean {
  return a.cli === b.cli && a.id === b.id;
}
