/** `looop _ tell`: sends a message to a running worker, to steer it. */
import { UserError } from "../lib/errors.ts";
import { checkId } from "../lib/ids.ts";
import { recordMove } from "../lib/records/move.ts";
import { postTell, withdrawTell } from "../lib/records/tells.ts";
import { findSession } from "../lib/sessions/session.ts";
import { unknownWorker } from "../lib/sessions/run_files.ts";
import { bodyOf, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ tell",
    summary: "send a message to a running worker; kept until it reads it",
    audience: "root",
    args: [
      { name: "worker", summary: "a running worker", kind: "worker" },
      { name: "text", summary: "the message; from stdin when absent or -", optional: true, many: true },
    ],
    mutating: true,
    example: 'looop _ tell fix-42 "Leave the parser alone; only the tests are wrong"',
    details:
      "It reads the text at its next tool call if its CLI has hooks for that, else when it next calls\n" +
      "looop, by `_ told`. Messages that it has not read when it ends are reported with its end.",
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const text = (await bodyOf(context, input.words.slice(1), "text")).replace(/\n$/, "");
    const session = await findSession(context.profile, id, context.now());
    if (session === undefined) throw unknownWorker(id);
    if (!session.view.alive) throw ended(id);
    const { n } = postTell(
      context.profile,
      id,
      { gen: session.gen, text, by: context.caller.by },
      context.now(),
    );
    const after = await findSession(context.profile, id, context.now());
    // A tell at the very moment of an end is either reported with the end or refused.
    const isOver = after?.gen !== session.gen || !after.view.alive;
    if (isOver && withdrawTell(context.profile, id, { n })) throw ended(id);
    recordMove(context, `tell ${id}: ${text}`);
    return { text: `tell ${id}: kept until it reads it`, json: { id, n } };
  },
});

function ended(id: string): UserError {
  return new UserError(`Worker "${id}" has ended`, {
    next: `go on with \`looop _ worker resume ${id} "…"\`, or start a new one`,
    kind: "ended",
  });
}
