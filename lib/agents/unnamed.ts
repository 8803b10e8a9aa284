/**
 * Agents whose shell tools do not name their session (opencode, gemini): the session that called a verb is determined
 * afterwards, from each session's record of what it was running at that moment.
 */
import { recordsFolder, sessionsSince } from "./record_files.ts";
import { isRecord, parseRecord } from "../text/json.ts";
import { dirName } from "../paths.ts";
import { markedAgent } from "../process/agent_marks.ts";
import { quietText } from "../store.ts";

type Env = Readonly<Record<string, string>>;

/** A verb called from a shell that names no session: the time (unix ms) and the folder. */
export interface UnnamedCall {
  at: number;
  cwd: string;
}

/** A process of such an agent that called verbs as a root agent. */
export interface UnnamedCaller {
  cli: "opencode" | "gemini";
  /** Process id of the agent; "" when it is not known. */
  pid: string;
  /** As in `AgentSession`. */
  records: string;
  /** Time of the last recorded call, unix ms. */
  noted_at: number;
  /** Time of the last search for the sessions, unix ms. */
  tried_at?: number;
  /** Calls whose session is not known yet, oldest first. */
  calls: UnnamedCall[];
}

/** A session whose shell tool was running a command that names looop at the moment `at`. */
export interface Candidate {
  at: number;
  id: string;
  directory: string;
}

/**
 * The agent identified by the marks in its shell, with this one call; undefined for agents that name their session.
 * Pure.
 */
export function unnamedCaller(env: Env, cwd: string, nowMs: number): UnnamedCaller | undefined {
  const marked = markedAgent(env);
  if (marked === undefined || marked.isNamed) return undefined;
  const { cli, session: pid } = marked;
  if (cli !== "opencode" && cli !== "gemini") return undefined;
  const caller = { cli, pid, records: recordsFolder(cli, env) };
  return { ...caller, noted_at: nowMs, calls: [{ at: nowMs, cwd }] };
}

/** Longest time that a command is assumed to run, ms (a day). */
export const LONGEST_COMMAND_MS = 86_400_000;

/** The gemini sessions that may have made these calls; workers' sessions are excluded. */
export function geminiCandidates(calls: readonly UnnamedCall[], records: string): Candidate[] {
  const first = Math.min(...calls.map(({ at }) => at));
  return [...sessionsSince("gemini", records, first)].flatMap(([file, id]) => {
    const directory = (quietText(`${dirName(dirName(file))}/.project_root`) ?? "").trim();
    const spans = looopCommands(quietText(file) ?? "");
    return calls.filter(({ at }) => spans.some(([from, to]) => from <= at && at <= to))
      .map(({ at }) => ({ at: Math.floor(at), id, directory }));
  });
}

/** The periods in which commands of looop's were running, according to a gemini record, unix ms. */
function looopCommands(text: string): [from: number, to: number][] {
  const entries = text.split("\n").map(parseRecord).filter((entry) => entry !== undefined);
  if (entries.some(isWorkerPrompt)) return [];
  return entries.flatMap((entry) => {
    const calls = Array.isArray(entry["toolCalls"]) ? entry["toolCalls"].filter(isRecord) : [];
    return calls.filter((call) => JSON.stringify(call["args"]).includes("looop"))
      .map((call): [number, number] => [
        Date.parse(String(entry["timestamp"])),
        Date.parse(String(call["timestamp"])),
      ]);
  });
}

function isWorkerPrompt(entry: Record<string, unknown>): boolean {
  return entry["type"] === "user" && JSON.stringify(entry["content"]).slice(0, 80).includes("You are worker");
}

/**
 * The session that made each call of one process, by the call's index. Where several sessions were running something
 * of looop's at that moment, it is the one in the call's folder, else the one that could have made all the calls;
 * else none, because a guess could book one agent's spend under another. Pure.
 */
export function sessionsOfCalls(
  calls: readonly UnnamedCall[],
  candidates: readonly Candidate[],
): (string | undefined)[] {
  const ofCall = calls.map(({ at }) => candidates.filter((one) => one.at === Math.floor(at)));
  const inAll = (id: string) => ofCall.every((some) => some.some((one) => one.id === id));
  return calls.map(({ cwd }, n) => {
    const all = ofCall[n] ?? [];
    return only(all) ?? only(all.filter((one) => one.directory === cwd)) ??
      (calls.length > 1 ? only(all.filter((one) => inAll(one.id))) : undefined);
  });
}

function only(candidates: readonly Candidate[]): string | undefined {
  const ids = new Set(candidates.map(({ id }) => id));
  return ids.size === 1 ? [...ids][0] : undefined;
}
