/** The agent session that calls a verb, by the marks in its environment. */
import type { Context, Declaration } from "./verb.ts";

/** Variables that the shell tools of agent CLIs set, one for each CLI. */
const AGENT_SHELLS = ["PI_SESSION_ID", "CLAUDE_CODE_SESSION_ID", "CODEX_THREAD_ID", "OPENCODE_PID"];

/** Records the agent session that calls a verb, as its environment names it, so that its spend can be read. */
export async function noteAgent(context: Context, { audience }: Declaration): Promise<void> {
  if (audience !== "root" && audience !== "worker") return;
  const { env } = context;
  if (!AGENT_SHELLS.some((name) => env[name])) return;
  const { noteCaller } = await import("../agents/agent_session.ts");
  // The verb does not depend on this record, and reports the same fault (a full disk) itself.
  await Promise.try(() => noteCaller(context.profile, env, Deno.cwd(), context.now())).catch(() => {});
}
