/** `looop _ ask`: a worker asks, waits, and prints the answer alone. */
import { EXIT, UsageError, UserError } from "../lib/errors.ts";
import { checkId, parseAskId } from "../lib/ids.ts";
import { holds } from "../lib/agents/last_reply.ts";
import { journalAs } from "../lib/records/move.ts";
import {
  type Answer,
  archiveAsk,
  checkPrompt,
  findAsk,
  findOutcome,
  postAsk,
  type PostedAsk,
  takeOutcome,
} from "../lib/records/mailbox.ts";
import { Watch, type WatchOptions } from "../lib/file_watch.ts";
import { noteAllRead } from "../lib/calls/read_replies.ts";
import { requireDir } from "../lib/records/profile_check.ts";
import { openQuickly } from "../lib/cli/open_profile.ts";
import { hasEnded, readSession, untilEnded } from "../lib/sessions/session.ts";
import { markReady } from "../lib/sessions/run_files.ts";
import { pollMs, watchesOff } from "../lib/records/env.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ ask",
    summary: "ask the human side one question, wait, print the answer alone",
    audience: "worker",
    args: [{
      name: "id",
      summary: "the asking worker; $LOOOP_SESSION_ID by default",
      optional: true,
      kind: "worker",
    }],
    options: [
      { name: "prompt", value: "TEXT", summary: "the question", required: true },
      { name: "ref", value: "PATH", summary: "a file or link to look at", kind: "file" },
      { name: "options", value: "A,B", summary: "the answers to choose from, comma-separated" },
      {
        name: "timeout",
        value: "S",
        summary: "give up waiting after S seconds (exit 124); the question stays",
      },
      { name: "new", summary: "ask again what was answered and read in the last 10 minutes" },
    ],
    example: 'looop _ ask w1 --prompt "Merge PR 12?" --options yes,no',
    details:
      "Exit 0: answered. 3: declined, the reason is on stdout. 4: withdrawn. 124: timed out, the question\n" +
      "stays. Asking the same again takes up the same question: nothing is asked twice, no answer is lost.\n" +
      "For 10 minutes after its answer was read, the same question is given that answer again.",
  },
  async run(context, input) {
    const worker = input.words[0] ?? context.env["LOOOP_SESSION_ID"];
    if (!worker) {
      throw new UsageError("A question needs an asker", {
        next: "run this in a worker, or give the worker's id",
      });
    }
    checkId("worker", worker);
    const prompt = checkPrompt(input.text("prompt") ?? "");
    const timeoutS = input.seconds("timeout");
    const options = input.text("options")?.split(",").map((option) => option.trim()).filter((option) =>
      option !== ""
    );
    await openQuickly(context.profile);
    if (context.watch === undefined) await noteAllRead(context.profile, context.now());
    const watched: WatchOptions = {
      dirs: [context.profile.answers, context.profile.asks],
      pollMs: pollMs(context.env["LOOOP_ASK_POLL_MS"]),
      off: watchesOff(context.env),
    };
    const watch = context.watch?.(watched) ?? new Watch(watched);
    const record = readSession(context.profile, worker);
    const session = record === undefined || hasEnded(record) ? undefined : record;
    const gen = session?.meta.gen ?? "";
    const question = { worker, prompt, reference: input.text("ref"), options };
    const posted = postedBefore(context, worker) ??
      await postAsk(context.profile, question, gen, context.now(), input.flag("new"));
    const { id } = posted;
    context.asked?.(id);
    markReady(context.profile, worker);
    if (posted.posted) journalAs(context, `ask ${id}: ${prompt}`);
    context.note(`looop _ ask: ${describePosted(posted)}`);
    const mustNotReturn = session !== undefined && context.env["LOOOP_SESSION_ID"] === worker &&
      !holds(session.dir, context.env);
    const deadline = timeoutS === undefined ? Infinity : performance.now() + timeoutS * 1000;
    for (let warned = false;;) {
      // An orphaned call has no reader: its agent was killed, and asks again if it comes back.
      if (context.isOrphan()) return { code: EXIT.failed };
      const outcome = findOutcome(context.profile, id);
      if (outcome !== undefined && "value" in outcome) {
        const code = await deliver(context, id);
        if (code === EXIT.withdrawn && mustNotReturn) {
          await untilEnded(context.profile, worker, gen, context.env);
        }
        if (code !== undefined) return { code };
      } else if (outcome !== undefined && !warned) {
        warned = true;
        context.note(
          `looop _ ask: answers/${id}.json cannot be read (${outcome.bad}); waiting until it is fixed`,
        );
      }
      if (performance.now() >= deadline) {
        context.note(`looop _ ask: ${id} is not answered yet; ask the same again to go on waiting`);
        return { code: EXIT.timeout };
      }
      const end = session === undefined ? undefined : endOf(context, worker, gen);
      requireDir(context.profile);
      if (end !== undefined) {
        if (end === "root") context.note(WITHDRAWN);
        if (mustNotReturn) await untilEnded(context.profile, worker, gen, context.env);
        if (end === "root") return { code: EXIT.withdrawn };
        throw endedMeanwhile(worker, id);
      }
      await watch.next(deadline - performance.now());
    }
  },
});

/**
 * The question that this call has posted in another process, which then handed it over (lib/calls/shim.ts): it is not
 * asked anew when it has been withdrawn or answered meanwhile.
 */
function postedBefore({ profile, env }: Context, worker: string): PostedAsk | undefined {
  const id = env["LOOOP_ASKED"] ?? "";
  if (parseAskId(id)?.worker !== worker) return undefined;
  const isKnown = findAsk(profile, id) !== undefined || findOutcome(profile, id) !== undefined;
  return isKnown ? { id, posted: false } : undefined;
}

function describePosted({ id, posted, readAgo }: PostedAsk): string {
  if (readAgo === undefined) return `${posted ? "asked" : "took up"} ${id}`;
  return `you read the answer to ${id} ${Math.round(readAgo)} s ago, here it is again; --new asks anew`;
}

const WITHDRAWN = "looop _ ask: the question was withdrawn";

/**
 * The one who has ended the worker, or is about to; undefined while it lives. If it is `root`, the worker's questions
 * are withdrawn, even when this is seen before the withdrawal itself is on disk; otherwise they stay.
 */
function endOf(context: Context, worker: string, gen: string): string | undefined {
  const session = readSession(context.profile, worker);
  if (session === undefined || session.meta.gen !== gen) return "another run";
  if (!hasEnded(session) && session.end === undefined) return undefined;
  return session.end?.by ?? session.status?.ended_by ?? "itself";
}

function endedMeanwhile(worker: string, id: string): UserError {
  return new UserError(`Worker "${worker}" has ended while "${id}" was open`, {
    next: "the question stays in the mailbox",
    kind: "worker_ended",
  });
}

/** Takes, prints and archives an outcome; undefined when it has become unreadable in the meantime. */
async function deliver(context: Context, id: string): Promise<number | undefined> {
  const outcome = await takeOutcome(context.profile, id);
  if (outcome === undefined || "bad" in outcome) return undefined;
  print(context, outcome.value);
  await context.whenRead(() => archiveAsk(context.profile, id, context.now()), id);
  return exitOf(outcome.value);
}

/** Prints the answer byte for byte, plus the newline that `$(…)` removes again. */
function print(context: Context, answer: Answer): void {
  if (context.json) context.out(`${JSON.stringify({ outcome: answer.outcome, answer: answer.answer })}\n`);
  else if (answer.outcome === "withdrawn") context.note(WITHDRAWN);
  else context.out(answer.answer.endsWith("\n") ? answer.answer : `${answer.answer}\n`);
}

function exitOf(answer: Answer): number {
  if (answer.outcome === "declined") return EXIT.declined;
  return answer.outcome === "withdrawn" ? EXIT.withdrawn : EXIT.ok;
}
