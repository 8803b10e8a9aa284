import { ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { nearest } from "../../../lib/text/nearest.ts";
import { RUNS } from "../../properties.ts";

const VERBS = ["up", "down", "status", "logs", "cost", "_ wait", "_ state", "_ answer", "_ worker start"];

Deno.test("given a mistyped verb, when the nearest is sought, then it is the intended one", () => {
  strictEqual(nearest("staus", VERBS), "status");
  strictEqual(nearest("_ wiat", VERBS), "_ wait");
  strictEqual(nearest("_ worker stat", VERBS), "_ worker start");
  strictEqual(nearest("_ asnwer", VERBS), "_ answer");
});

Deno.test("given a word unlike all others, when the nearest is sought, then there is none", () => {
  strictEqual(nearest("deploy-everything", VERBS), undefined);
  strictEqual(nearest("x", []), undefined);
});

Deno.test("given a word and one edit of it, when the nearest is sought, then the word is found", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z]{4,12}$/),
      fc.nat(11),
      fc.constantFrom("cut", "swap", "add"),
      (word, at, edit) => {
        const i = at % (word.length - 1);
        const typed = edit === "cut"
          ? word.slice(0, i) + word.slice(i + 1)
          : edit === "add"
          ? `${word.slice(0, i)}q${word.slice(i)}`
          : word.slice(0, i) + (word[i + 1] ?? "") + (word[i] ?? "") + word.slice(i + 2);
        strictEqual(nearest(typed, ["#####################", word]), word);
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("given a list with the word itself, when the nearest is sought, then no other is offered", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, maxLength: 10 }), { minLength: 1 }), (words) => {
      for (const word of words) strictEqual(nearest(word, words), word);
    }),
    { numRuns: RUNS },
  );
  ok(nearest("ab", ["abcdef", "ba"]) === "ba");
});
