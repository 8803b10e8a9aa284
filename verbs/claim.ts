/** `looop _ claim` and `_ unclaim`: a worker takes a lease on a task and gives it back. */
import { UsageError } from "../lib/errors.ts";
import { checkId } from "../lib/ids.ts";
import { acquireLease, releaseLease } from "../lib/sessions/lease.ts";
import { recordMove } from "../lib/records/move.ts";
import { markReady } from "../lib/sessions/session.ts";
import { type Context, defineVerb, type Input, type Option } from "../lib/cli/verb.ts";

const SESSION: Option = {
  name: "session",
  value: "ID",
  summary: "the holder; $LOOOP_SESSION_ID unless given",
  kind: "worker",
};

export const claim = defineVerb({
  declare: {
    path: "_ claim",
    summary: "take the lease on a task; exit 1 when a live session holds it",
    audience: "worker",
    args: [{ name: "name", summary: "the task", kind: "claim" }],
    options: [SESSION],
    mutating: true,
    example: "looop _ claim issue-42",
  },
  async run(context, input) {
    const { name, session } = holderOf(context, input);
    const outcome = await acquireLease(context.profile, name, session, context.now());
    markReady(context.profile, session);
    if (outcome === "held") return { text: `claimed ${name} (held already)` };
    const how = outcome === "taken_over" ? ", taken over from an ended session" : "";
    recordMove(context, `claim ${name}: ${session}${how}`);
    return { text: `claimed ${name}` };
  },
});

export const unclaim = defineVerb({
  declare: {
    path: "_ unclaim",
    summary: "give a lease back",
    audience: "worker",
    args: [{ name: "name", summary: "the task", kind: "claim" }],
    options: [SESSION],
    mutating: true,
    example: "looop _ unclaim issue-42",
  },
  async run(context, input) {
    const { name, session } = holderOf(context, input);
    const released = await releaseLease(context.profile, name, session, context.now());
    markReady(context.profile, session);
    if (!released) return { text: `${name} was not claimed` };
    recordMove(context, `unclaim ${name}: ${session}`);
    return { text: `unclaimed ${name}` };
  },
});

function holderOf(context: Context, input: Input): { name: string; session: string } {
  const name = checkId("claim", input.word(0));
  const session = input.text("session") ?? context.env["LOOOP_SESSION_ID"];
  if (!session) {
    throw new UsageError("A lease needs a holder", { next: "run this in a worker, or give --session ID" });
  }
  return { name, session: checkId("worker", session) };
}
