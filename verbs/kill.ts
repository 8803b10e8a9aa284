/** `looop _ kill`: a worker ends its own session. */
import { childEnv } from "../lib/process/child_env.ts";
import { checkId } from "../lib/ids.ts";
import { noteLastCall } from "../lib/agents/last_reply.ts";
import { recordMove } from "../lib/records/move.ts";
import { findSession, recordEnd, type Session, unknownWorker, untilEnded } from "../lib/sessions/session.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ kill",
    summary: "end your own session: the very last thing a worker does",
    audience: "worker",
    args: [{ name: "id", summary: "the worker's own id", kind: "worker" }],
    mutating: true,
    example: "looop _ kill w1",
    details: "The end is written down first; a process outside the worker's tree then ends the whole of it.",
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const session = await findSession(context.profile, id, context.now());
    if (session === undefined) {
      throw unknownWorker(id);
    }
    const isInside = context.env["LOOOP_SESSION_ID"] === id;
    // A lost session's agent (its supervisor was killed) may still be running, and ends itself like any other.
    const runs = session.view.alive || session.view.state === "lost";
    const isHeld = runs && isInside && noteLastCall(session.dir, context.env);
    if (runs && recordEnd(session, "exited", "self")) {
      recordMove(context, `kill ${id}: ended itself`);
    }
    if (runs) spawnReaper(context, session);
    const text = `killed session ${id}`;
    if (!runs || !isInside || isHeld) return { text };
    context.out(context.json ? `${JSON.stringify({ message: text })}\n` : `${text}\n`);
    await untilEnded(context.profile, id, session.gen);
  },
});

/** Starts the process that does the killing; without the session's marks it is not part of the tree. */
function spawnReaper(context: Context, session: Session): void {
  const { profile, self, env } = context;
  const own = { bin: context.bin(), dataDir: profile.dir, config: profile.config };
  new Deno.Command(self.exe, {
    args: [...self.args, "_", "reap", session.view.id, session.gen],
    cwd: profile.dir,
    env: childEnv(env, own),
    clearEnv: true,
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn().unref();
}
