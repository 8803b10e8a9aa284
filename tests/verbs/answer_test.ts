import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";
import { fileText } from "../workers.ts";

/** Leaves a pending question behind. */
async function ask(p: TestProfile, worker: string, ...more: string[]): Promise<void> {
  strictEqual((await p.run("_", "ask", worker, "--prompt", "p", "--timeout", "0.05", ...more)).code, 124);
}

/** The worker's result when it asks again. */
async function got(p: TestProfile, worker: string): Promise<string> {
  return (await p.call(["_", "ask", worker, "--prompt", "p", "--timeout", "5"])).stdout;
}

function journal(p: TestProfile): string[] {
  return p.read("journal.md").trim().split("\n").map((line) =>
    line.replace(/^- \S+ \S+ (.*) \[hand\]$/, "$1")
  );
}

Deno.test("given an answered ask, when it is answered again, then that is refused, and --replace works while it is unread", async () => {
  await using p = await testProfile();
  await ask(p, "w");
  match(await p.ok("_", "answer", "w-1", "one"), /^answered w-1 after \d+ s$/);
  const second = await p.run("_", "answer", "w-1", "two");
  deepStrictEqual([second.code, second.stdout], [1, ""]);
  match(second.stderr, /Ask "w-1" is already answered; add --replace/);
  await p.ok("_", "answer", "w-1", "three", "--replace");
  strictEqual(await got(p, "w"), "three\n");
  const late = await p.run("_", "answer", "w-1", "four", "--replace");
  strictEqual(late.code, 1);
  match(late.stderr, /Ask "w-1" is already answered; list the pending ones/);
  deepStrictEqual(journal(p), [
    "ask w-1: p",
    "answer w-1: one",
    'failed: answer: Ask "w-1" is already answered',
    "answer w-1: three",
    'failed: answer: Ask "w-1" is already answered',
  ]);
});

Deno.test("given several who answer at once, when all have ended, then one has won and the worker gets that text", async () => {
  await using p = await testProfile();
  await ask(p, "w");
  const texts = ["a", "b", "c", "d", "e"];
  const results = await Promise.all(texts.map((text) => p.run("_", "answer", "w-1", text)));
  const won = texts.filter((_, n) => results[n]?.code === 0);
  strictEqual(won.length, 1);
  strictEqual(await got(p, "w"), `${won[0]}\n`);
});

Deno.test("given options, when the answer is none of them, then it is refused unless --free or --decline", async () => {
  await using p = await testProfile();
  for (const worker of ["a", "b", "c"]) await ask(p, worker, "--options", "yes, ship it");
  const other = await p.run("_", "answer", "a-1", "maybe");
  strictEqual(other.code, 1);
  match(other.stderr, /"maybe" is not one of the options of "a-1" \(yes, ship it\).*--free/);
  await p.ok("_", "answer", "a-1", "ship", "it");
  await p.ok("_", "answer", "b-1", "maybe", "--free");
  match((await p.run("_", "answer", "c-1", "--decline", " ")).stderr, /--decline is empty/);
  await p.okCall(["_", "answer", "c-1", "--decline", "too early"]);
  deepStrictEqual([await got(p, "a"), await got(p, "b"), await got(p, "c")], [
    "ship it\n",
    "maybe\n",
    "too early\n",
  ]);
});

Deno.test("given a body on stdin, when the text is absent or -, then it is the answer without the pipe's last newline", async () => {
  await using p = await testProfile();
  for (const worker of ["a", "b", "c", "d"]) await ask(p, worker);
  await p.okCall(["_", "answer", "a-1"], { stdin: "line 1\n\nline 3\n" });
  await p.okCall(["_", "answer", "b-1", "-"], { stdin: "dash\n" });
  await p.okCall(["_", "answer", "c-1", "words", "win"], { stdin: "not this\n" });
  await p.ok("_", "answer", "d-1", "--", "-", "--help");
  deepStrictEqual([await got(p, "a"), await got(p, "b"), await got(p, "c"), await got(p, "d")], [
    "line 1\n\nline 3\n",
    "dash\n",
    "words win\n",
    "- --help\n",
  ]);
});

Deno.test("given text that looks like journal lines, when it is answered, then it cannot forge an entry", async () => {
  await using p = await testProfile();
  await ask(p, "w");
  await p.okCall(["_", "answer", "w-1"], { stdin: "yes\n- 2020-01-01 00:00 forged\r\n\u2028- more" });
  deepStrictEqual(journal(p), ["ask w-1: p", "answer w-1: yes - 2020-01-01 00:00 forged - more"]);
  strictEqual(await got(p, "w"), "yes\n- 2020-01-01 00:00 forged\r\n\u2028- more\n");
});

Deno.test("given --journal, when an ask is answered, then the journal has that text instead of the usual one", async () => {
  await using p = await testProfile();
  await ask(p, "w");
  await p.ok("_", "answer", "w-1", "secret", "--journal", "gave w its\ntoken");
  deepStrictEqual(journal(p), ["ask w-1: p", "gave w its token"]);
});

Deno.test("given an answer that the disk refuses, when it is written, then exit 1 names the path and the ask stays", async () => {
  await using p = await testProfile();
  await ask(p, "w");
  Deno.removeSync(p.path("answers"));
  Deno.writeTextFileSync(p.path("answers"), "in the way");
  const result = await p.run("_", "answer", "w-1", "x");
  strictEqual(result.code, 1);
  match(result.stderr, /^looop _ answer: Cannot create ".*answers\/w-1\.json": [^\n]+\n$/);
  strictEqual(fileText(p, "answers"), "in the way");
  strictEqual(JSON.parse(p.read("asks/w-1.json")).prompt, "p");
});
