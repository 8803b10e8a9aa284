/** Records and informs the agent that calls a verb, by the marks in its environment. */
import { markedAgent } from "../process/agent_marks.ts";
import type { Context, Declaration } from "./verb.ts";

/** Records the agent session that calls a verb, as its environment names it, so that its spend can be read. */
export async function noteAgent(context: Context, { audience }: Declaration): Promise<void> {
  if (audience !== "root" && audience !== "worker") return;
  const { env } = context;
  if (markedAgent(env) === undefined) return;
  const { noteCaller } = await import("../agents/agent_session.ts");
  // The verb does not depend on this record, and reports the same fault (a full disk) itself.
  await Promise.try(() => noteCaller(context.profile, env, Deno.cwd(), context.now())).catch(() => {});
}

/** Reminds a calling worker on stderr that tells are waiting for it. */
export async function noteTells(context: Context, path: string): Promise<void> {
  const { LOOOP_SESSION_ID: id = "" } = context.env;
  if (id === "" || path === "_ told" || context.caller.kind !== "worker") return;
  const { hasTells } = await import("../records/tells.ts");
  try {
    if (!hasTells(context.profile, id)) return;
    context.note("looop: you have been told something: read it with `looop _ told`");
  } catch {
    // The verb is done: a folder that cannot be read, or a closed stderr, must not make it fail.
  }
}
