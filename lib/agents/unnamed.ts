/**
 * Agents whose shell tools do not name their session (opencode, gemini): which session called a verb is found out
 * afterwards, by what each session's record says it was running at that moment.
 */
import { recordsFolder, sessionsSince } from "./record_files.ts";
import { isRecord, parseRecord } from "../text/json.ts";
import { dirName } from "../paths.ts";
import { markedAgent } from "../process/agent_marks.ts";
import { quietText } from "../store.ts";

type Env = Readonly<Record<string, string>>;

/** A verb called from a shell that names no session: when (unix ms), and in which folder. */
export interface UnnamedCall {
  at: number;
  cwd: string;
}

/** A process of such an agent that called verbs as root agent. */
export interface UnnamedCaller {
  cli: "opencode" | "gemini";
  /** Process id of the agent; "" where it is not told. */
  pid: string;
  /** As in `AgentSession`. */
  records: string;
  /** Unix ms of the last call that was noted. */
  noted_at: number;
  /** Unix ms at which the sessions were last looked for. */
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

/** Such an agent by the marks in its shell, with this one call; undefined for any other. Pure. */
export function unnamedCaller(env: Env, cwd: string, nowMs: number): UnnamedCaller | undefined {
  const marked = markedAgent(env);
  if (marked === undefined || marked.isNamed) return undefined;
  const { cli, session: pid } = marked;
  if (cli !== "opencode" && cli !== "gemini") return undefined;
  const caller = { cli, pid, records: recordsFolder(cli, env) };
  return { ...caller, noted_at: nowMs, calls: [{ at: nowMs, cwd }] };
}

/** A command is taken to run for a day at most, ms. */
export const LONGEST_COMMAND_MS = 86_400_000;

/** The sessions of gemini that may have made these calls; those of workers are none of them. */
export function geminiCandidates(calls: readonly UnnamedCall[], records: string): Candidate[] {
  const first = Math.min(...calls.map(({ at }) => at));
  return [...sessionsSince("gemini", records, first)].flatMap(([file, id]) => {
    const directory = (quietText(`${dirName(dirName(file))}/.project_root`) ?? "").trim();
    const spans = looopCommands(quietText(file) ?? "");
    return calls.filter(({ at }) => spans.some(([from, to]) => from <= at && at <= to))
      .map(({ at }) => ({ at: Math.floor(at), id, directory }));
  });
}

/** From when to when a record of gemini's says that commands of looop's were running, unix ms. */
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
 * The session that made each call of one process, by the call's index. Where several sessions were running something of
 * looop's at that moment, it is the one of the call's folder, else the one that could have made all the calls; else
 * none, as a guess would put one agent's spend down as another's. Pure.
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
