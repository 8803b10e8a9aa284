import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../../lib/errors.ts";
import { findVerb, loadVerb } from "../../../lib/cli/verb_table.ts";
import { VERBS } from "../../../main.ts";
import { RUNS } from "../../properties.ts";

/** Verbs that end, remove or put away something. */
const ENDS = Object.keys(VERBS).filter((path) =>
  /\b(down|kill|done|remove|archive|withdraw|reap)$/.test(path)
);

/** The verb that the error suggests for unknown words; "" if it suggests none or the words are a verb. */
function meant(argv: readonly string[]): string {
  try {
    findVerb(VERBS, argv);
    return "";
  } catch (error) {
    ok(error instanceof UsageError);
    strictEqual(error.code, 2);
    return /did you mean `looop ([^`]+)`\?/.exec(error.next ?? "")?.[1] ?? "";
  }
}

/** A word with a typing error. */
const slip = (word: string) =>
  fc.tuple(
    fc.nat(word.length),
    fc.constantFrom("drop", "swap", "double", "change"),
    fc.constantFrom(..."aeiklnst"),
  )
    .map(([at, how, letter]) => {
      const [head, tail] = [word.slice(0, at), word.slice(at)];
      if (how === "drop") return head + tail.slice(1);
      if (how === "swap") return head + (tail[1] ?? "") + (tail[0] ?? "") + tail.slice(2);
      return how === "double" ? head + letter + tail : head + letter + tail.slice(1);
    });

Deno.test("given the verbs that end or remove something, when their summaries are read, then the list of this test has them all", async () => {
  const summaries = await Promise.all(
    Object.keys(VERBS).map(async (path) => [path, (await loadVerb(VERBS, path)).declare.summary] as const),
  );
  const telling = summaries.filter(([, summary]) =>
    /^(end|stop|remove|move .*archive|archive|take .* back)\b/i.test(summary)
  );
  deepStrictEqual(telling.filter(([path]) => !ENDS.includes(path)), []);
  ok(ENDS.length >= 8);
});

Deno.test("given any slip in any verb, or any word, when it is no verb, then no verb is suggested that ends or removes something", () => {
  const path = fc.constantFrom(...Object.keys(VERBS)).chain((path) =>
    fc.oneof(fc.constant(path), slip(path))
  );
  const words = fc.oneof(path, path.chain(slip), fc.string({ maxLength: 12 }));
  fc.assert(
    fc.property(words, fc.boolean(), (text, bare) => {
      const argv = text.split(" ").filter((word, n) => !(bare && n === 0 && word === "_"));
      const match = meant([...argv, "w1"]);
      ok(!ENDS.includes(match), `${argv.join(" ")} is taken for ${match}`);
    }),
    { numRuns: 20 * RUNS },
  );
});

Deno.test("given slips in a harmless verb, when they are no verb, then that verb is suggested", () => {
  strictEqual(meant(["statsu"]), "status");
  strictEqual(meant(["_", "anser", "w1-1"]), "_ answer");
  strictEqual(meant(["_", "tel", "w1", "x"]), "_ tell");
  strictEqual(meant(["_", "worker", "strat", "w1"]), "_ worker start");
});

Deno.test("given slips in a verb that ends something, when they are no verb, then no other similar verb is suggested", () => {
  strictEqual(meant(["dwn"]), "");
  strictEqual(meant(["_", "worker", "kil", "w1"]), "");
  strictEqual(meant(["_", "sensor", "remov", "disk"]), "");
});
