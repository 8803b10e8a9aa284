import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";

/** A process that follows the journal. */
class Follower implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  text = "";

  constructor(p: TestProfile, ...args: string[]) {
    const [exe, ...first] = looopCommand();
    this.#child = new Deno.Command(exe!, {
      args: [...first, "journal", "-f", ...args],
      env: p.env,
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads until the text holds `part`; fails if the output ends first. */
  async until(part: string): Promise<void> {
    while (!this.text.includes(part)) {
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`ended without "${part}": ${this.text}`);
      this.text += value;
    }
  }

  /** Closes the reading end, as `head` does; returns the exit code. */
  async leave(): Promise<number> {
    await this.#reader.cancel();
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
  }
}

const line = (n: number) => `- 2026-01-01 10:00 move ${n} [hand]`;

function append(p: TestProfile, ...numbers: number[]): void {
  const text = numbers.map((n) => `${line(n)}\n`).join("");
  Deno.writeTextFileSync(p.profile.journal, text, { append: true });
}

Deno.test("given moves over rotated files, when the journal is shown, then the requested number of last moves come in order", async () => {
  await using p = await testProfile();
  deepStrictEqual([await p.ok("journal"), await p.json("journal", "--json")], ["", []]);
  await p.ok("_", "state");
  Deno.mkdirSync(p.profile.journalHistory);
  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
  Deno.writeTextFileSync(p.path("journal.d/2025-11.md"), numbers(1, 30).map((n) => `${line(n)}\n`).join(""));
  Deno.writeTextFileSync(p.path("journal.d/2025-12.md"), numbers(31, 60).map((n) => `${line(n)}\n`).join(""));
  append(p, ...numbers(61, 70));
  deepStrictEqual((await p.ok("journal")).split("\n"), numbers(31, 70).map(line));
  deepStrictEqual((await p.ok("journal", "-n", "65")).split("\n"), numbers(6, 70).map(line));
  deepStrictEqual(await p.json("journal", "-n", "2", "--json"), [line(69), line(70)]);
  strictEqual(await p.ok("journal", "-n", "0"), "");
  strictEqual((await p.run("journal", "-n", "some")).code, 2);
});

Deno.test("given a move by a verb and a line with escape codes, when the journal is shown, then it names the verb's caller and has no codes", async () => {
  await using p = await testProfile();
  await p.ok("_", "note", "the human wants releases on Fridays only");
  Deno.writeTextFileSync(p.profile.journal, "- 2026-01-01 10:00 \x1b[2Jcleared\n", { append: true });
  const [note = "", odd] = (await p.ok("journal")).split("\n");
  match(note, /^- \d{4}-\d\d-\d\d \d\d:\d\d note: the human wants releases on Fridays only \[hand\]$/);
  strictEqual(odd, "- 2026-01-01 10:00 cleared");
});

Deno.test("given a journal that is followed, when it grows, is rotated and goes on, then every line comes once and in order", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  append(p, 1, 2);
  await using follower = new Follower(p, "-n", "1");
  await follower.until(line(2));
  append(p, 3);
  await follower.until(line(3));
  // Written and rotated at once, so that the follower finds it only in the old file.
  append(p, 4);
  Deno.mkdirSync(p.profile.journalHistory);
  Deno.renameSync(p.profile.journal, p.path("journal.d/2026-01.md"));
  append(p, 5);
  await follower.until(line(5));
  await p.ok("_", "note", "six");
  await follower.until("note: six [hand]\n");
  const lines = follower.text.trimEnd().split("\n");
  deepStrictEqual(lines.slice(0, 4), [2, 3, 4, 5].map(line));
  strictEqual(lines.length, 5);
  strictEqual(await follower.leave(), 0);
});

Deno.test("given no journal yet, when it is followed, then the first move comes", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await using follower = new Follower(p);
  await p.ok("_", "note", "one");
  await follower.until("note: one [hand]\n");
  strictEqual(follower.text.trimEnd().split("\n").length, 1);
  ok(follower.text.startsWith("- "));
});
