/**
 * The agent's own session behind a worker, and the sessions of root agents: which CLI, which id, and where it
 * writes its records. Given at a worker's start where the CLI can be told an id, else learned from the
 * environment of the verbs that the agent calls.
 */
import { checkRecord, isRecord } from "../text/json.ts";
import type { OpencodeCall } from "./opencode.ts";
import type { Profile } from "../paths.ts";
import type { RecordsKind } from "../records/presets.ts";
import { NO_TOKENS, type Tokens } from "./tokens.ts";
import { sessionDir } from "../sessions/session.ts";
import { readJson, replaceFile, statOf, valueOf, withLock } from "../store.ts";

type Env = Readonly<Record<string, string>>;

/** One session of an agent CLI. */
export interface AgentSession {
  cli: RecordsKind;
  /** The CLI's own id of it. */
  id: string;
  /** Folder (opencode: data home) below which the CLI keeps its records. */
  records: string;
  /** The record itself, where the CLI told its path. */
  file?: string;
}

/** `sessions/<id>/agent.json`: how a worker was started and which sessions of its agent are known. */
export interface AgentFile {
  v: 1;
  /** Preset that the template belongs to; "" for a program that looop does not know. */
  preset: string;
  template: string;
  env: Record<string, string>;
  sessions: AgentSession[];
  /** What earlier runs of the same sessions have put into the ledger, by session id. */
  counted: Record<string, Counted>;
}

/** A running sum of what was already put into the ledger. */
export interface Counted {
  tokens: Tokens;
  usd: number;
  /** claude: how many of its closing sums have been used. */
  closings?: number;
  /** Replies without tokens that rows have told of. */
  unrecorded?: number;
}

/** Where a CLI keeps its records, by the environment that it runs in. Pure. */
export function recordsFolder(cli: RecordsKind, env: Env): string {
  const home = env["HOME"] ?? "";
  switch (cli) {
    case "pi":
      return env["PI_CODING_AGENT_SESSION_DIR"] ||
        `${env["PI_CODING_AGENT_DIR"] || `${home}/.pi/agent`}/sessions`;
    case "claude":
      return `${env["CLAUDE_CONFIG_DIR"] || `${home}/.claude`}/projects`;
    case "codex":
      return `${env["CODEX_HOME"] || `${home}/.codex`}/sessions`;
    case "opencode":
      return env["XDG_DATA_HOME"] || `${home}/.local/share`;
  }
}

/** The agent session that a shell tool's environment tells of, or undefined. Pure. */
export function agentOf(env: Env): AgentSession | undefined {
  const [cli, id] = env["PI_SESSION_ID"]
    ? ["pi", env["PI_SESSION_ID"]] as const
    : env["CLAUDE_CODE_SESSION_ID"]
    ? ["claude", env["CLAUDE_CODE_SESSION_ID"]] as const
    : env["CODEX_THREAD_ID"]
    ? ["codex", env["CODEX_THREAD_ID"]] as const
    : [undefined, ""] as const;
  // It becomes part of a path: what is no plain word is not believed.
  if (cli === undefined || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id)) return undefined;
  const file = cli === "pi" ? env["PI_SESSION_FILE"] : undefined;
  return { cli, id, records: recordsFolder(cli, env), ...(file ? { file } : {}) };
}

function agentPath(dir: string): string {
  return `${dir}/agent.json`;
}

/** What is known of a worker's agent, by its session's folder. */
export function readAgent(dir: string): AgentFile | undefined {
  const read = readJson(agentPath(dir), checkRecord);
  if (read === undefined || "bad" in read) return undefined;
  const { preset, template, env, sessions, counted } = read.value;
  return {
    v: 1,
    preset: typeof preset === "string" ? preset : "",
    template: typeof template === "string" ? template : "",
    env: isRecord(env) ? Object.fromEntries(Object.entries(env).map(([k, v]) => [k, String(v)])) : {},
    sessions: Array.isArray(sessions) ? sessions.filter(isAgentSession) : [],
    counted: isRecord(counted) ? counted as Record<string, Counted> : {},
  };
}

/** Whether a value from disk is a session. */
function isAgentSession(value: unknown): value is AgentSession {
  return isRecord(value) && ["pi", "claude", "codex", "opencode"].includes(String(value["cli"])) &&
    typeof value["id"] === "string" && typeof value["records"] === "string";
}

/** Writes down what is known of a worker's agent. */
export function writeAgent(dir: string, agent: AgentFile): void {
  replaceFile(agentPath(dir), `${JSON.stringify(agent)}\n`);
}

/** One session of a root agent in `.root-sessions.json`, with what of it is in the ledger. */
export interface RootSession extends AgentSession {
  /** Unix ms at which it first called a verb. */
  seen_at: number;
  /** Unix ms of its last row; absent before the first. */
  row_at?: number;
  counted: Counted;
  /** A row that is being appended: finished after a crash. */
  pending?: { line: string; counted: Counted };
}

/** A process of opencode's that called verbs as root agent: which of its sessions did is found out later. */
export interface OpencodeProcess {
  pid: string;
  /** As in {@link AgentSession}. */
  records: string;
  /** Unix ms of the last call that was noted. */
  noted_at: number;
  /** Unix ms at which the sessions were last looked for. */
  tried_at?: number;
  /** Calls whose session is not known yet, oldest first. */
  calls: OpencodeCall[];
}

/** `.root-sessions.json`. */
export interface RootAgents {
  sessions: RootSession[];
  opencode: OpencodeProcess[];
}

/** What is known of the root agents. */
export function readRootAgents(profile: Profile): RootAgents {
  const read = readJson(profile.rootSessions, checkRecord);
  const { sessions, opencode } = valueOf(read) ?? {} as RootFile;
  return {
    sessions: (Array.isArray(sessions) ? sessions : []).filter((value): value is RootSession =>
      isAgentSession(value) && isRecord((value as RootSession).counted)
    ),
    opencode: (Array.isArray(opencode) ? opencode : []).filter((value): value is OpencodeProcess =>
      isRecord(value) && typeof value["records"] === "string" && Array.isArray(value["calls"])
    ),
  };
}

type RootFile = Record<string, unknown>;

/** The root agents' sessions. */
export function readRootSessions(profile: Profile): RootSession[] {
  return readRootAgents(profile).sessions;
}

/** Replaces what is known of the root agents; to be called under {@link rootLock}. */
export function writeRootAgents(profile: Profile, agents: RootAgents): void {
  const { sessions, opencode } = agents;
  const more = opencode.length === 0 ? {} : { opencode };
  replaceFile(profile.rootSessions, `${JSON.stringify({ v: 1, sessions, ...more })}\n`);
}

/** Replaces the list of root agents' sessions; to be called under {@link rootLock}. */
export function writeRootSessions(profile: Profile, sessions: readonly RootSession[]): void {
  writeRootAgents(profile, { ...readRootAgents(profile), sessions: [...sessions] });
}

/** Lock of `.root-sessions.json`. */
export function rootLock(profile: Profile): string {
  return `${profile.lockDir}/root-sessions`;
}

/**
 * Notes the agent session that calls a verb: a worker's in its session's folder, else a root agent's.
 * Costs one small read when it is known already; writes only what is new.
 */
export async function noteCaller(profile: Profile, env: Env, cwd: string, nowMs: number): Promise<void> {
  if (statOf(profile.lockDir) === undefined) return;
  const agent = agentOf(env);
  const worker = env["LOOOP_SESSION_ID"];
  const pid = env["OPENCODE_PID"] ?? "";
  if (worker) {
    if (agent !== undefined) await noteWorker(sessionDir(profile, worker), agent);
  } else if (agent !== undefined) await noteRoot(profile, agent, nowMs);
  else if (/^\d+$/.test(pid)) {
    const call = { at: nowMs, cwd };
    await noteOpencode(profile, {
      pid,
      records: recordsFolder("opencode", env),
      noted_at: nowMs,
      calls: [call],
    });
  }
}

/** Of one opencode process a call is noted so often, ms: its sessions may change, it calls again and again. */
const CALL_EVERY_MS = 60_000;
/** Calls without a session that are kept of a process. */
const MAX_CALLS = 20;

async function noteOpencode(profile: Profile, next: OpencodeProcess): Promise<void> {
  const isSame = (one: OpencodeProcess) => one.pid === next.pid && one.records === next.records;
  const isNoted = (one: OpencodeProcess) =>
    isSame(one) && Math.abs(next.noted_at - one.noted_at) < CALL_EVERY_MS;
  if (readRootAgents(profile).opencode.some(isNoted)) return;
  await withLock(rootLock(profile), () => {
    const agents = readRootAgents(profile);
    if (agents.opencode.some(isNoted)) return;
    const known = agents.opencode.find(isSame);
    const calls = [...known?.calls ?? [], ...next.calls].slice(-MAX_CALLS);
    const opencode = [...agents.opencode.filter((one) => !isSame(one)), { ...known, ...next, calls }];
    writeRootAgents(profile, { ...agents, opencode });
  });
}

async function noteWorker(dir: string, agent: AgentSession): Promise<void> {
  const isKnown = () => readAgent(dir)?.sessions.some((one) => isSame(one, agent) && one.file === agent.file);
  if (statOf(`${dir}/meta.json`) === undefined || isKnown()) return;
  await withLock(`${dir}/.agent.lock`, () => {
    const known = readAgent(dir) ??
      { v: 1, preset: agent.cli, template: "", env: {}, sessions: [], counted: {} };
    writeAgent(dir, { ...known, sessions: [...known.sessions.filter((one) => !isSame(one, agent)), agent] });
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
