/** Ends a worker's session at its own request, for `_ kill` and `_ done`. */
import { spawnChild } from "../process/spawn.ts";
import { ownVariables } from "../records/home.ts";
import { noteLastCall } from "../agents/last_reply.ts";
import { childEnv } from "../process/child_env.ts";
import { recordMove } from "../records/move.ts";
import { findSession, recordEnd, type Session, untilEnded } from "../sessions/session.ts";
import { unknownWorker } from "../sessions/run_files.ts";
import type { Context, Reply } from "./verb.ts";

/**
 * Records the end, then has a process outside the worker's tree end all of it. Returns at once when it is called from
 * outside, or when nothing was running any more.
 *
 * @throws {UserError} when there is no such worker.
 */
export async function endItself(context: Context, id: string): Promise<Reply | void> {
  const session = await findSession(context.profile, id, context.now());
  if (session === undefined) throw unknownWorker(id);
  const isInside = context.env["LOOOP_SESSION_ID"] === id;
  // A lost session's agent (its supervisor was killed) may still be running, and ends itself like any other.
  const runs = session.view.alive || session.view.state === "lost";
  const isHeld = runs && isInside && noteLastCall(session.dir, context.env);
  if (runs && recordEnd(session, "exited", "self")) recordMove(context, `kill ${id}: ended itself`);
  if (runs) spawnReaper(context, session);
  const text = `killed session ${id}`;
  if (!runs || !isInside || isHeld) return { text };
  context.out(context.json ? `${JSON.stringify({ message: text })}\n` : `${text}\n`);
  await untilEnded(context.profile, id, session.gen, context.env);
}

/** Starts the process that does the killing; without the session's marks it is not part of the tree. */
function spawnReaper(context: Context, session: Session): void {
  const { profile, self, env } = context;
  const own = ownVariables(profile, context.bin());
  spawnChild({
    argv: [self.exe, ...self.args, "_", "reap", session.view.id, session.gen],
    cwd: profile.dir,
    env: childEnv(env, own),
    output: "null",
  }).unref();
}
