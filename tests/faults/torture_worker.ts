/**
 * `torture_worker.ts ask DIR LOG WORKER COUNT` or `torture_worker.ts answer DIR LOG NAME`: one process of the mailbox
 * torture, which may be killed at any moment and started again.
 *
 * It uses the functions of lib/records/mailbox.ts as the verbs do. Before each further step it appends durably to its
 * log: an asker the answers it was given, an answerer the answers that were acknowledged.
 */
import {
  answerAsk,
  archiveAsk,
  findOutcome,
  postAsk,
  readMailbox,
  takeOutcome,
} from "../../lib/records/mailbox.ts";
import { profileAt } from "../../lib/paths.ts";
import { appendLine } from "../../lib/store.ts";
import { Watch } from "../../lib/file_watch.ts";
import { textAt } from "./lab.ts";

const [role, dir = "", log = "", name = "", count = "0"] = Deno.args;
const profile = profileAt(dir);

/** Asks its questions one after another, beginning with the first without an answer in its log. */
async function ask(): Promise<void> {
  const given = new Set(
    textAt(log).split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line).prompt),
  );
  for (let n = 0; n < Number(count); n++) {
    const prompt = `${name} question ${n}`;
    if (given.has(prompt)) continue;
    const watch = new Watch({ dirs: [profile.answers], pollMs: 50 });
    const { id } = await postAsk(profile, { worker: name, prompt }, "", Date.now());
    while (findOutcome(profile, id) === undefined) await watch.next();
    watch.close();
    const outcome = await takeOutcome(profile, id);
    if (outcome === undefined || !("value" in outcome)) {
      throw new Error(`${id} was answered and cannot be read`);
    }
    appendLine(log, JSON.stringify({ id, prompt, answer: outcome.value.answer }));
    await archiveAsk(profile, id, Date.now());
  }
}

/** Answers pending questions until it is killed. */
async function answer(): Promise<void> {
  const watch = new Watch({ dirs: [profile.asks], pollMs: 50 });
  for (let serial = 0;; serial++) {
    const { pending, bad } = readMailbox(profile);
    for (const file of bad) appendLine(log, JSON.stringify({ bad: file.path, reason: file.reason }));
    for (const { id, prompt } of pending) {
      const text = `${prompt} / ${name} ${Deno.pid} ${serial}`;
      try {
        await answerAsk(
          profile,
          { id, text, outcome: "answered", by: "hand", free: false, replace: false },
          Date.now(),
        );
        appendLine(log, JSON.stringify({ id, text }));
      } catch (error) {
        const { kind } = error as { kind?: string };
        if (kind !== "already_answered" && kind !== "not_found") throw error;
      }
    }
    if (pending.length === 0) await watch.next();
  }
}

if (role === "ask") {
  await ask();
  Deno.exit(0);
} else await answer();
