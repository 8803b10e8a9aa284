/** Identifies the caller of a verb: a root agent, a worker of this profile, or a person. */
import { isId } from "../ids.ts";
import { listDirs } from "../store.ts";
import { markedAgent } from "../process/agent_marks.ts";
import type { Profile } from "../paths.ts";
import { generationOf } from "./run_files.ts";

/** The caller, and the names under which it is recorded. */
export interface Caller {
  kind: "root" | "worker" | "hand";
  /** Name in events, answers and `changes.by`: `root:<cli>-<4 of the session>`, `worker:<id>` or `hand`. */
  by: string;
  /** Name in the journal, in brackets. */
  label: string;
  /**
   * Name of its cursor below `.cursors/`, with the whole session id: two sessions may share the 4 letters in `by`.
   */
  observer: string;
  /** The agent CLI, or the name in `LOOOP_AGENT`; "" for others. */
  agent: string;
  /** Id of the agent's session, "" where there is none. */
  session: string;
  /** Id of the worker, "" for others. */
  worker: string;
}

type Env = Readonly<Record<string, string>>;

/** A person, or a program that leaves no mark. */
export const HAND: Caller = {
  kind: "hand",
  by: "hand",
  label: "hand",
  observer: "hand",
  agent: "",
  session: "",
  worker: "",
};

/** A worker of this profile. */
export function workerCaller(worker: string): Caller {
  return { ...HAND, kind: "worker", by: `worker:${worker}`, label: `worker ${worker}`, observer: "", worker };
}

/** Identifies the caller by its environment; only for a worker does this read a small file. */
export function callerOf(profile: Profile, env: Env): Caller {
  const worker = workerOf(profile, env);
  if (worker !== undefined) return workerCaller(worker);
  const name = env["LOOOP_AGENT"] ?? "";
  if (isId(name)) {
    return { ...HAND, kind: "root", by: `root:${name}`, label: "root", observer: name, agent: name };
  }
  const agent = markedAgent(env);
  return agent === undefined ? HAND : rootCaller(agent.cli, agent.session);
}

function rootCaller(cli: string, session: string): Caller {
  return {
    ...HAND,
    kind: "root",
    by: session === "" ? `root:${cli}` : `root:${cli}-${session.slice(0, 4)}`,
    label: "root",
    observer: session === "" ? `root/${cli}` : `root/${cli}-${session}`,
    agent: cli,
    session,
  };
}

/**
 * The worker of this profile to which an environment belongs: session and generation match, and the data dir is the
 * one that the environment itself has led to.
 */
function workerOf(profile: Profile, env: Env): string | undefined {
  const { LOOOP_SESSION_ID: id = "", LOOOP_SESSION_GEN: gen = "" } = env;
  if (id === "" || gen === "" || !isId(id)) return undefined;
  if (generationOf(profile, id) === gen) return id;
  // Processes left by an earlier run of the id still count as a worker's.
  const earlier = listDirs(profile.sessions).filter((name) => name.startsWith(`${id}~`));
  return earlier.some((name) => generationOf(profile, name) === gen) ? id : undefined;
}
