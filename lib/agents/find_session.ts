/**
 * Finds the session of a worker's agent when it was not known at the start: by the words that only the worker's
 * prompt has, in what the CLI has recorded since then.
 */
import { type AgentFile, readAgent, writeAgent } from "./agent_session.ts";
import { workerTitle } from "./contract.ts";
import { AGENT_SESSION_FILE } from "./hold.ts";
import { type Asking, findOpencodeSession } from "./opencode.ts";
import { type AgentSession, sessionsSince } from "./record_files.ts";
import type { Profile } from "../paths.ts";
import { unixSeconds } from "../text/time.ts";
import { checkRecord } from "../text/json.ts";
import { quietText, readHeadBytes, readJson, valueOf, withLock } from "../store.ts";

/** Length of a record's beginning that holds its first prompt, bytes: some CLIs write long instructions before it. */
const PROMPT_BYTES = 512 * 1024;

/** The lock under which a session's folder is made free for the next run. */
export function sessionsLock(profile: Profile): string {
  return `${profile.sessions}/.lock`;
}

/** The runner, generation and start of a run, from its `meta.json`. */
export function readMeta(dir: string): { runner: string; gen: string; startedMs: number; host?: string } {
  const meta = valueOf(readJson(`${dir}/meta.json`, checkRecord)) ?? {};
  return {
    runner: String(meta["runner"] ?? ""),
    gen: String(meta["gen"] ?? ""),
    startedMs: unixSeconds(meta["started_at"]) * 1000,
    ...(typeof meta["host"] === "string" ? { host: meta["host"] } : {}),
  };
}

/**
 * The record of a run's agent, after searching for sessions that are not known yet; those not found are left out.
 *
 * @throws {NotAnswered} when opencode did not answer: then nothing is known yet.
 */
export async function completeAgent(
  host: Asking & { profile: Profile },
  id: string,
  dir: string,
): Promise<AgentFile | undefined> {
  const agent = readAgent(dir);
  const expected = agent?.sessions.find((session) => session.id === "");
  if (agent === undefined || expected === undefined) return agent;
  const { gen, startedMs } = readMeta(dir);
  const asking = { ...host, env: { ...host.env, ...agent.env } };
  const found = await findSession(expected, id, dir, startedMs, asking);
  const complete = (known: AgentFile): AgentFile => ({
    ...known,
    sessions: [
      ...known.sessions.filter((session) => session.id !== "" && session.id !== found),
      ...(found === undefined ? [] : [{ ...expected, id: found }]),
    ],
  });
  if (found !== undefined) {
    await withLock(sessionsLock(host.profile), () => {
      // The search may take seconds, in which the folder may have been taken over by the id's next run.
      if (readMeta(dir).gen === gen) writeAgent(dir, complete(readAgent(dir) ?? agent));
    });
  }
  return complete(agent);
}

async function findSession(
  { cli, records }: AgentSession,
  id: string,
  dir: string,
  sinceMs: number,
  asking: Asking,
): Promise<string | undefined> {
  if (cli === "other") return undefined;
  if (cli === "opencode") {
    const told = (quietText(`${dir}/${AGENT_SESSION_FILE}`) ?? "").trim();
    return /^\w+$/.test(told) ? told : await findOpencodeSession(records, id, sinceMs, asking);
  }
  // The words as they appear in a line of JSON.
  const title = JSON.stringify(workerTitle(id)).slice(1, -1);
  const hasTitle = (file: string) =>
    new TextDecoder().decode(readHeadBytes(file, PROMPT_BYTES)).includes(title);
  return [...sessionsSince(cli, records, sinceMs)].find(([file]) => hasTitle(file))?.[1];
}
