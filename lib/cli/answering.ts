/** Answers a question in the caller's name, for `_ answer` and `looop watch`. */
import { answerAsk, type GivenAnswer } from "../records/mailbox.ts";
import { type Mover, recordMove } from "../records/move.ts";
import { ANSWERED, noteOwn } from "../records/own_moves.ts";

/** Gives one answer and journals it; returns the line that says so. @throws {UserError} as {@link answerAsk} does. */
export async function answerAs(mover: Mover, reply: Omit<GivenAnswer, "by">): Promise<string> {
  const { id, text, outcome } = reply;
  const ask = await answerAsk(mover.profile, { ...reply, by: mover.caller.by }, mover.now());
  noteOwn(mover, `ask:${id}`, ANSWERED);
  recordMove(mover, `${outcome === "answered" ? "answer" : "decline"} ${id}: ${text}`);
  const waited = Math.max(0, Math.round(mover.now() / 1000 - ask.ts));
  return `${outcome} ${id} after ${waited} s`;
}
