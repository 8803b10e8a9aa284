/** The marks that agent CLIs leave in the environment of the shells they start, as one table. Pure. */

/** What marks the shells of one agent CLI. */
export interface AgentMarks {
  cli: string;
  /** Variables that hold the id of the agent's session, the most exact first; the last resort is a process id. */
  session: readonly string[];
  /** Variables that are set to anything at all. */
  present: readonly string[];
}

/** The agent CLIs that looop knows by their marks. */
export const AGENT_CLIS: readonly AgentMarks[] = [
  { cli: "pi", session: ["PI_SESSION_ID"], present: ["PI_CODING_AGENT"] },
  { cli: "claude", session: ["CLAUDE_CODE_SESSION_ID"], present: ["CLAUDECODE"] },
  { cli: "codex", session: ["CODEX_THREAD_ID", "CODEX_SESSION_ID"], present: ["CODEX_CI"] },
  { cli: "opencode", session: ["OPENCODE_SESSION_ID", "OPENCODE_PID"], present: ["OPENCODE"] },
  { cli: "gemini", session: ["GEMINI_CLI_SESSION_ID", "GEMINI_SESSION_ID"], present: ["GEMINI_CLI"] },
  { cli: "qwen", session: ["QWEN_CODE_SESSION_ID"], present: ["QWEN_CODE"] },
  { cli: "copilot", session: ["COPILOT_AGENT_SESSION_ID", "COPILOT_LOADER_PID"], present: ["COPILOT_CLI"] },
];

/** An agent session as its marks name it. */
export interface MarkedAgent {
  cli: string;
  /** The session's id; "" where the CLI gives none, or one that cannot be part of a file's name. */
  session: string;
}

type Env = Readonly<Record<string, string>>;

/**
 * The agent in whose shell an environment is, or undefined. Where an agent was started in the shell of another,
 * the marks of both are there; `AI_AGENT`, which the inner one sets anew, decides.
 */
export function markedAgent(env: Env): MarkedAgent | undefined {
  const found = AGENT_CLIS.filter(({ session, present }) =>
    [...session, ...present].some((name) => env[name])
  );
  const named = found.find(({ cli }) => env["AI_AGENT"]?.startsWith(cli));
  const marks = named ?? found[0];
  if (marks === undefined) return undefined;
  const id = marks.session.map((name) => env[name] ?? "").find((value) => value !== "") ?? "";
  return { cli: marks.cli, session: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id) ? id : "" };
}
