import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { UsageError, type UserError } from "../../../lib/errors.ts";
import { isId, parseAskId } from "../../../lib/ids.ts";
import {
  answerAsk,
  archiveAsk,
  checkPrompt,
  expireUnread,
  findOutcome,
  firstUnused,
  type GivenAnswer,
  mendArchive,
  postAsk,
  readMailbox,
  takeOutcome,
  withdrawAsks,
} from "../../../lib/records/mailbox.ts";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { exists, listFiles } from "../../../lib/store.ts";

const NOW = Date.UTC(2026, 4, 31, 12);
const MONTH = "2026-05";

async function mailbox(): Promise<Profile & AsyncDisposable> {
  const dir = await Deno.makeTempDir({ prefix: "looop mailbox " });
  return { ...profileAt(dir), [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

const post = async (p: Profile, worker: string, prompt: string, options?: string[]) =>
  (await postAsk(p, { worker, prompt, options }, "", NOW)).id;

function reply(id: string, text: string, more: Partial<GivenAnswer> = {}): GivenAnswer {
  return { id, text, outcome: "answered", by: "hand", free: false, replace: false, ...more };
}

const WORKER = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);

Deno.test("given any worker and number, when an ask id is taken apart, then both come back", () => {
  fc.assert(
    fc.property(WORKER, fc.integer({ min: 1, max: 999_999_999 }), (worker, number) => {
      deepStrictEqual(parseAskId(`${worker}-${number}`), { worker, number });
    }),
    { examples: [["w-1", 2], ["w-1-2", 3], ["1", 1], ["a".repeat(64), 1]] },
  );
});

Deno.test("given any text, when it is taken apart as an ask id, then it is refused or is exactly worker-number", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-.\w\/]{0,70}-?\d*$/)), (text) => {
      const id = parseAskId(text);
      if (id === undefined) return;
      strictEqual(`${id.worker}-${id.number}`, text);
      ok(isId(id.worker));
    }),
    { numRuns: 1000 },
  );
  for (
    const bad of ["", "w", "w-", "w-0", "w-01", "-1", "../x-1", "w-1\n", "w 1-1", "w-1.5", "w-1234567890"]
  ) {
    strictEqual(parseAskId(bad), undefined, bad);
  }
});

Deno.test("given numbers used without gaps, when the first unused one is sought, then it is found in few steps", () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.nat(1_000), (last, before) => {
      const from = Math.max(1, last - before);
      let looks = 0;
      const isUsed = (n: number) => {
        looks++;
        return n <= last;
      };
      strictEqual(firstUnused(isUsed, from), Math.max(from, last + 1));
      ok(looks <= 2 * Math.log2(before + 2) + 3, `${looks} looks for ${before}`);
    }),
    { examples: [[0, 0], [1, 0], [1_000_000, 1_000]] },
  );
});

Deno.test("given many questions of one worker at once, when they are posted, then each has a number of its own", async () => {
  await using p = await mailbox();
  const prompts = Array.from({ length: 30 }, (_, n) => `question ${n}`);
  const ids = await Promise.all(prompts.map((prompt) => post(p, "w", prompt)));
  strictEqual(new Set(ids).size, 30);
  deepStrictEqual(readMailbox(p).pending.map((ask) => ask.prompt).sort(), prompts.sort());
});

Deno.test("given the same question at once from many, when it is posted, then it is asked once", async () => {
  await using p = await mailbox();
  const posts = await Promise.all(
    Array.from({ length: 10 }, () => postAsk(p, { worker: "w", prompt: "same?" }, "", NOW)),
  );
  deepStrictEqual([...new Set(posts.map(({ id }) => id))], ["w-1"]);
  strictEqual(posts.filter(({ posted }) => posted).length, 1);
});

Deno.test("given workers whose names end in numbers, when they ask, then nobody's question is mixed up", async () => {
  await using p = await mailbox();
  deepStrictEqual([await post(p, "w", "a"), await post(p, "w-1", "a"), await post(p, "w", "b")], [
    "w-1",
    "w-1-1",
    "w-2",
  ]);
  deepStrictEqual(await withdrawAsks(p, "w", NOW), ["w-1", "w-2"]);
  deepStrictEqual(readMailbox(p).pending.map((ask) => ask.id), ["w-1-1"]);
});

Deno.test("given an archive of years, when a worker asks again, then no number is given out again", async () => {
  await using p = await mailbox();
  for (let n = 1; n <= 7; n++) {
    const id = await post(p, "w", `q${n}`);
    strictEqual(id, `w-${n}`);
    await answerAsk(p, reply(id, "a"), NOW);
    await archiveAsk(p, id, NOW - n * 40 * 86_400_000);
  }
  strictEqual(await post(p, "w", "q1"), "w-8");
  deepStrictEqual(listFiles(p.asks), ["w-8.json"]);
  deepStrictEqual(listFiles(p.answers), []);
});

Deno.test("given an answer without its ask, as after a crash, when the worker asks, then the number is not used", async () => {
  await using p = await mailbox();
  await post(p, "w", "q1");
  await answerAsk(p, reply("w-1", "for q1"), NOW);
  Deno.renameSync(`${p.asks}/w-1.json`, `${p.dir}/lost.json`);
  strictEqual(await post(p, "w", "q2"), "w-2");
});

Deno.test("given racing answers, when they are written, then one wins and the others are refused", async () => {
  await using p = await mailbox();
  await post(p, "w", "q");
  const texts = Array.from({ length: 12 }, (_, n) => `answer ${n}`);
  const outcomes = await Promise.allSettled(texts.map((text) => answerAsk(p, reply("w-1", text), NOW)));
  const won = texts.filter((_, n) => outcomes[n]?.status === "fulfilled");
  strictEqual(won.length, 1);
  const outcome = findOutcome(p, "w-1");
  ok(outcome !== undefined && "value" in outcome);
  strictEqual(outcome.value.answer, won[0]);
});

Deno.test("given an answer, when it is replaced, then that works until it is taken and never after", async () => {
  await using p = await mailbox();
  await post(p, "w", "q");
  await answerAsk(p, reply("w-1", "one"), NOW);
  await rejects(answerAsk(p, reply("w-1", "two"), NOW), /already answered/);
  await answerAsk(p, reply("w-1", "two", { replace: true }), NOW);
  const taken = await takeOutcome(p, "w-1");
  deepStrictEqual(taken !== undefined && "value" in taken ? taken.value.answer : "", "two");
  await rejects(answerAsk(p, reply("w-1", "three", { replace: true }), NOW), /already answered/);
  // If the asker is killed between taking and printing, the same question finds the same answer.
  deepStrictEqual(await postAsk(p, { worker: "w", prompt: "q" }, "", NOW), { id: "w-1", posted: false });
  await archiveAsk(p, "w-1", NOW);
  await rejects(answerAsk(p, reply("w-1", "four", { replace: true }), NOW), /already answered/);
  deepStrictEqual(listFiles(p.answers), []);
});

Deno.test("given options, when another answer is given, then it is refused without free, and declining needs no option", async () => {
  await using p = await mailbox();
  for (const n of [1, 2, 3]) await post(p, "w", `q${n}`, ["yes", "no"]);
  await rejects(
    answerAsk(p, reply("w-1", "maybe"), NOW),
    /"maybe" is not one of the options of "w-1" \(yes, no\)/,
  );
  strictEqual(findOutcome(p, "w-1"), undefined);
  await answerAsk(p, reply("w-1", "no"), NOW);
  await answerAsk(p, reply("w-2", "maybe", { free: true }), NOW);
  await answerAsk(p, reply("w-3", "not now", { outcome: "declined" }), NOW);
  deepStrictEqual(readMailbox(p).answered, ["w-1", "w-2", "w-3"]);
});

Deno.test("given an unknown ask, when it is answered, then the pending ones are named and nothing is written", async () => {
  await using p = await mailbox();
  await post(p, "w", "q");
  await rejects(answerAsk(p, reply("ghost-1", "x"), NOW), (error: UserError) => {
    strictEqual(error.kind, "not_found");
    ok(error.next?.includes("w-1"));
    return true;
  });
  deepStrictEqual(listFiles(p.answers), []);
});

Deno.test("given files that do not parse, when the mailbox is read, then they are listed, kept, and stop nothing", async () => {
  await using p = await mailbox();
  await post(p, "w", "good");
  await post(p, "w", "answered badly");
  const broken: Record<string, string> = {
    [`${p.asks}/b-1.json`]: "{",
    [`${p.asks}/b-2.json`]: "",
    [`${p.asks}/b-3.json`]: '{"id":"b-3"}',
    [`${p.asks}/b-4.json`]: "[]",
    [`${p.asks}/b-5.json`]: '{"id":"../x","worker":"w","prompt":"p"}',
    [`${p.answers}/w-2.json`]: '{"answer":',
  };
  for (const [path, text] of Object.entries(broken)) Deno.writeTextFileSync(path, text);
  const view = readMailbox(p);
  deepStrictEqual(view.bad.map((bad) => bad.path).sort(), Object.keys(broken).sort());
  ok(view.bad.every((bad) => bad.reason.length > 0));
  deepStrictEqual(view.pending.map((ask) => ask.id), ["w-1", "w-2"]);
  await rejects(answerAsk(p, reply("b-1", "x"), NOW), /cannot be read/);
  strictEqual(await post(p, "b", "next"), "b-6");
  for (const [path, text] of Object.entries(broken)) strictEqual(Deno.readTextFileSync(path), text);
});

Deno.test("given files of 0.16, when they are read, then nothing is missing or bad", async () => {
  await using p = await mailbox();
  await post(p, "x", "makes the folders");
  Deno.writeTextFileSync(
    `${p.asks}/w-1.json`,
    JSON.stringify({ id: "w-1", worker: "w", prompt: "p", reference: "r", options: ["a"], ts: 5 }),
  );
  Deno.writeTextFileSync(
    `${p.asks}/w-2.json`,
    JSON.stringify({ id: "w-2", worker: "w", prompt: "p2", ts: 6 }),
  );
  Deno.writeTextFileSync(`${p.answers}/w-2.json`, JSON.stringify({ answer: "yes", ts: 7 }));
  const { pending, answered, bad } = readMailbox(p);
  deepStrictEqual(bad, []);
  deepStrictEqual(answered, ["w-2"]);
  deepStrictEqual(pending[0], {
    v: 1,
    id: "w-1",
    worker: "w",
    prompt: "p",
    reference: "r",
    options: ["a"],
    ts: 5,
    gen: "",
  });
  deepStrictEqual(findOutcome(p, "w-2"), { value: { v: 1, answer: "yes", ts: 7, outcome: "answered" } });
  strictEqual(await post(p, "w", "p"), "w-1", "it takes up a question that 0.16 asked");
});

Deno.test("given an archiving that was cut in two, when it is mended, then the pair is together and not pending", async () => {
  await using p = await mailbox();
  await post(p, "w", "q");
  await answerAsk(p, reply("w-1", "a"), NOW);
  await takeOutcome(p, "w-1");
  Deno.mkdirSync(`${p.asksArchive}/${MONTH}`, { recursive: true });
  Deno.renameSync(`${p.asks}/w-1.json`, `${p.asksArchive}/${MONTH}/w-1.json`);
  deepStrictEqual(readMailbox(p).pending, []);
  await mendArchive(p);
  deepStrictEqual(listFiles(`${p.asksArchive}/${MONTH}`), ["w-1.answer.json", "w-1.json"]);
  deepStrictEqual(listFiles(p.answers), []);
});

Deno.test("given answers that nobody will read, when they are old, then they are archived; those of living workers stay", async () => {
  await using p = await mailbox();
  for (const worker of ["dead", "alive", "fresh"]) {
    const id = await post(p, worker, "q");
    await answerAsk(p, reply(id, "a"), worker === "fresh" ? NOW : NOW - 100_000);
  }
  await expireUnread(p, 60, (worker) => worker === "alive", NOW);
  deepStrictEqual(listFiles(p.asks, ".json"), ["alive-1.json", "fresh-1.json"]);
  ok(exists(`${p.asksArchive}/${MONTH}/dead-1.answer.json`));
});

Deno.test("given empty or huge questions, when they are checked, then they are refused", () => {
  for (const bad of ["", " ", "\n\t", "x".repeat(1024 * 1024 + 1)]) {
    throws(() => checkPrompt(bad), UsageError);
  }
  strictEqual(checkPrompt(" a\nb "), " a\nb ");
});
