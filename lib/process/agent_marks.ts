/** The marks that agent CLIs leave in the environment of the shells they start, as one table. Pure. */

/** The marks by which the shells of one agent CLI are recognized. */
export interface AgentMarks {
  cli: AgentCli;
  /** Variables that hold the id of the agent's session; none when the CLI does not reveal it. */
  session: readonly string[];
  /** A variable that holds one of the agent's process ids, which at least separates its sessions from each other. */
  process?: string;
  /** Variables that count when they are set, to whatever value. */
  present: readonly string[];
}

/** Names of the agent CLIs that looop recognizes by their marks. */
export type AgentCli = "pi" | "claude" | "codex" | "opencode" | "gemini" | "qwen" | "copilot";

/** The marks as the real programs set them. */
export const AGENT_CLIS: readonly AgentMarks[] = [
  { cli: "pi", session: ["PI_SESSION_ID"], present: ["PI_CODING_AGENT"] },
  { cli: "claude", session: ["CLAUDE_CODE_SESSION_ID"], present: ["CLAUDECODE"] },
  { cli: "codex", session: ["CODEX_THREAD_ID", "CODEX_SESSION_ID"], present: ["CODEX_CI"] },
  { cli: "opencode", session: [], process: "OPENCODE_PID", present: ["OPENCODE"] },
  { cli: "gemini", session: [], present: ["GEMINI_CLI"] },
  { cli: "qwen", session: ["QWEN_CODE_SESSION_ID"], present: ["QWEN_CODE"] },
  {
    cli: "copilot",
    session: ["COPILOT_AGENT_SESSION_ID"],
    process: "COPILOT_LOADER_PID",
    present: ["COPILOT_CLI"],
  },
];

/** An agent's session as its marks identify it. */
export interface MarkedAgent {
  cli: AgentCli;
  /** The session's id, else a process id; "" when the CLI gives none, or one that cannot be part of a file name. */
  session: string;
  /** Whether `session` is the CLI's own id for it. */
  isNamed: boolean;
}

type Env = Readonly<Record<string, string>>;

/**
 * The agent whose shell has this environment, or undefined. When one agent was started in another's shell, the marks
 * of both are set; `AI_AGENT`, which the inner one sets anew, decides.
 */
export function markedAgent(env: Env): MarkedAgent | undefined {
  const found = AGENT_CLIS.filter((marks) => namesOf(marks).some((name) => env[name]));
  const marks = found.find(({ cli }) => env["AI_AGENT"]?.startsWith(cli)) ?? found[0];
  if (marks === undefined) return undefined;
  const named = marks.session.map((name) => idIn(env, name)).find((id) => id !== "") ?? "";
  const session = named || idIn(env, marks.process ?? "");
  return { cli: marks.cli, session, isNamed: named !== "" };
}

function namesOf({ session, process, present }: AgentMarks): string[] {
  return [...session, ...(process === undefined ? [] : [process]), ...present];
}

/** An id that may be part of a file name; "" when there is none. */
function idIn(env: Env, name: string): string {
  const id = env[name] ?? "";
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id) ? id : "";
}
