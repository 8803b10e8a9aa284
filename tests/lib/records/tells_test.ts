import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { profileAt } from "../../../lib/paths.ts";
import {
  clearTells,
  dropTells,
  finishTells,
  hasTells,
  postTell,
  takeTells,
  untold,
  withdrawTell,
} from "../../../lib/records/tells.ts";

async function profileOf() {
  const dir = await Deno.makeTempDir({ prefix: "looop-tells-" });
  const end = async () => await Deno.remove(dir, { recursive: true });
  return { ...profileAt(dir), [Symbol.asyncDispose]: end };
}

Deno.test("given what a worker was told, when it takes it and finishes, then each text comes once and in order", async () => {
  await using profile = await profileOf();
  for (const text of ["one", "two\nlines", "three"]) {
    postTell(profile, "w1", { gen: "g", text, by: "root" }, 5_000);
  }
  ok(hasTells(profile, "w1"));
  const given = takeTells(profile, "w1", "g");
  deepStrictEqual(given.map(({ n, text, again }) => [n, text, again]), [
    [1, "one", false],
    [2, "two\nlines", false],
    [3, "three", false],
  ]);
  finishTells(profile, "w1", given);
  deepStrictEqual(takeTells(profile, "w1", "g"), []);
  strictEqual(hasTells(profile, "w1"), false);
  strictEqual(postTell(profile, "w1", { gen: "g", text: "four", by: "root" }, 5_000).n, 4);
});

Deno.test("given a taker that was killed before it was done, when the next takes, then it is given again and says so", async () => {
  await using profile = await profileOf();
  postTell(profile, "w1", { gen: "g", text: "one", by: "root" }, 0);
  takeTells(profile, "w1", "g");
  postTell(profile, "w1", { gen: "g", text: "two", by: "root" }, 0);
  deepStrictEqual(untold(profile, "w1", "g").map(({ text }) => text), ["one", "two"]);
  deepStrictEqual(takeTells(profile, "w1", "g").map(({ text, again }) => [text, again]), [
    ["one", true],
    ["two", false],
  ]);
});

Deno.test("given another run of the worker, when it takes its texts, then it does not get those of an earlier run", async () => {
  await using profile = await profileOf();
  postTell(profile, "w1", { gen: "old", text: "one", by: "root" }, 0);
  deepStrictEqual(takeTells(profile, "w1", "new"), []);
  deepStrictEqual(untold(profile, "w1", "old").length, 1);
  postTell(profile, "w1", { gen: "old", text: "two", by: "root" }, 0);
  finishTells(profile, "w1", takeTells(profile, "w1", "old").slice(0, 1));
  postTell(profile, "w1", { gen: "new", text: "three", by: "root" }, 0);
  const kept: string[] = [];
  clearTells(profile, "w1", "new", ({ text }) => kept.push(text));
  deepStrictEqual(kept, ["two"]);
  deepStrictEqual(untold(profile, "w1", "old"), []);
  deepStrictEqual(untold(profile, "w1", "new").map(({ text }) => text), ["three"]);
  dropTells(profile, "w1");
  deepStrictEqual(untold(profile, "w1", "new"), []);
});

Deno.test("given a teller that takes its text back late, when another text was told meanwhile, then the other text stays", async () => {
  await using profile = await profileOf();
  const { n } = postTell(profile, "w1", { gen: "old", text: "one", by: "root" }, 0);
  clearTells(profile, "w1", "new", () => {});
  postTell(profile, "w1", { gen: "new", text: "two", by: "root" }, 0);
  strictEqual(withdrawTell(profile, "w1", { n }), false);
  deepStrictEqual(untold(profile, "w1", "new").map(({ text }) => text), ["two"]);
});

Deno.test("given a broken tell, when others are taken, then they are given", async () => {
  await using profile = await profileOf();
  postTell(profile, "w1", { gen: "g", text: "one", by: "root" }, 0);
  await Deno.writeTextFile(`${profile.tells}/w1/2.json`, "{");
  await Deno.writeTextFile(`${profile.tells}/w1/x.json`, "{}");
  deepStrictEqual(takeTells(profile, "w1", "g").map(({ text }) => text), ["one"]);
});
