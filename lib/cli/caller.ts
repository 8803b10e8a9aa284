/** The agent session that calls a verb, by the marks in its environment. */
import type { Context, Declaration } from "./verb.ts";

/** Each is set in the shell tool of one agent CLI. */
const AGENT_SHELLS = ["PI_SESSION_ID", "CLAUDE_CODE_SESSION_ID", "CODEX_THREAD_ID", "OPENCODE_PID"];

/** An agent that calls a verb tells in its environment which of its sessions it is: its spend is read there. */
export async function noteAgent(context: Context, { audience }: Declaration): Promise<void> {
  if (audience !== "root" && audience !== "worker") return;
  const { env } = context;
  if (!AGENT_SHELLS.some((name) => env[name])) return;
  const { noteCaller } = await import("../agents/agent_session.ts");
  // A verb's work does not depend on it: what hinders it (a full disk) is told by the verb itself.
  await Promise.try(() => noteCaller(context.profile, env, Deno.cwd(), context.now())).catch(() => {});
}
