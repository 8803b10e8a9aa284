/**
 * A data dir that the real looop 0.16.0 and ours use in turn. `LOOOP_0_16_BIN` names that program, which
 * `cargo install looop --version 0.16.0 --locked` builds; without it these tests are skipped.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileText } from "../workers.ts";
import { type Result, type TestProfile, testProfile } from "../looop.ts";

const OLD = Deno.env.get("LOOOP_0_16_BIN");

/** How long one call of the old program may take, ms: most of its verbs know no time limit. */
const LIMIT_MS = 20_000;

function given(name: string, work: (p: TestProfile) => Promise<void>): void {
  Deno.test({
    name: `given ${name}${OLD === undefined ? " (skipped: LOOOP_0_16_BIN names no looop 0.16)" : ""}`,
    ignore: OLD === undefined,
    async fn() {
      await using p = await testProfile();
      await Deno.mkdir(p.profile.dir, { mode: 0o700 });
      const config = { default: "sh", runners: { sh: { interactive: "bash '{{prompt_file}}'" } } };
      await Deno.writeTextFile(p.profile.config, JSON.stringify(config));
      try {
        await work(p);
      } finally {
        await old(p, "down");
      }
    },
  });
}

let calls = 0;

/** Calls looop 0.16 on the profile. What it starts keeps a copy of its stdout, so that is a file. */
async function old(p: TestProfile, ...args: string[]): Promise<Result> {
  const reply = `${p.base}/reply-${++calls}`;
  const script = 'reply=$1; shift; exec "$@" >"$reply" 2>"$reply.err"';
  const { code } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", reply, OLD ?? "", ...args],
    env: p.env,
    clearEnv: true,
    cwd: p.base,
    stdin: "null",
    signal: AbortSignal.timeout(LIMIT_MS),
  }).spawn().status;
  return { code, stdout: Deno.readTextFileSync(reply), stderr: Deno.readTextFileSync(`${reply}.err`) };
}

async function oldOk(p: TestProfile, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await old(p, ...args);
  strictEqual(code, 0, `0.16: ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** 0.16 lists workers in no order. */
const byId = (a: { id: string }, b: { id: string }) => a.id < b.id ? -1 : 1;

/** A worker of 0.16 that runs on: its prompt is the contract, so the runner is told to do something else. */
async function oldWorker(p: TestProfile, id: string): Promise<void> {
  const config = JSON.parse(p.read("config.json"));
  config.runners.sh.interactive = "sleep 300; : '{{prompt_file}}'";
  await Deno.writeTextFile(p.profile.config, JSON.stringify(config));
  await oldOk(p, "_", "worker", "start", id, "brief");
}

given(
  "a living pulse of 0.16, when ours are called, then up, status and wait name it at once, and start nothing",
  async (p) => {
    await oldOk(p, "up");
    const started = performance.now();
    for (
      const words of [["up"], ["_", "wait", "--timeout", "3"], ["_", "wait", "--json", "--timeout", "3"]]
    ) {
      const { code, stderr } = await p.run(...words);
      strictEqual(code, 1, words.join(" "));
      match(stderr, /A pulse of looop 0\.16 runs on this data dir \(pid \d+\)/);
      match(stderr, /stop it with the `looop down` of that version, then run `looop up`/);
    }
    ok(performance.now() - started < 9_000, "they waited for nothing");
    match(await p.ok("status"), /a pulse of looop 0\.16 runs on this data dir/);
    ok(!fileText(p, "journal.md").includes("pulse: was dead"));
    await oldOk(p, "down");
    match(await p.ok("up"), /pulse started/);
  },
);

given(
  "two workers, a lease and a question of 0.16, when ours go on, then each is what it was there",
  async (p) => {
    await oldWorker(p, "w1");
    await oldWorker(p, "w2");
    await oldOk(p, "_", "claim", "task", "--session", "w1");
    const asking = old(p, "_", "ask", "w1", "--prompt", "Which?", "--options", "a,b");
    await p.until("the question is there", () => fileText(p, "asks/w1-1.json") !== "");
    const state = await p.json("_", "state", "--json");
    deepStrictEqual(
      state.workers.toSorted(byId).map(({ id, state, alive }: Record<string, unknown>) => [id, state, alive]),
      [
        ["w1", "running", true],
        ["w2", "running", true],
      ],
    );
    deepStrictEqual(
      state.asks.map(({ id, prompt, options }: Record<string, unknown>) => [id, prompt, options]),
      [
        ["w1-1", "Which?", ["a", "b"]],
      ],
    );
    const claim = await p.run("_", "claim", "task", "--session", "other");
    strictEqual(claim.code, 1, "the lease of a living worker");
    match(claim.stderr, /held by "w1"/);
    strictEqual(
      (await p.run("_", "worker", "start", "w1", "--command", "true", "x")).code,
      1,
      "its id is taken",
    );
    await p.ok("_", "answer", "w1-1", "a");
    match((await asking).stdout, /a\n$/);
    await p.ok("up");
    const woken = await p.wait("--timeout", "5");
    deepStrictEqual(woken.workers.map(({ id, alive }: Record<string, unknown>) => [id, alive]), [
      ["w1", true],
      [
        "w2",
        true,
      ],
    ]);
    ok(!woken.reason.some((reason: string) => reason.startsWith("not_ready")));
    match(fileText(p, "snapshots/sys-claims.json"), /"claim"\s*:/);
  },
);

given(
  "two workers, a lease and a question of ours, when 0.16 reads them, then it sees each as it is",
  async (p) => {
    for (const id of ["w1", "w2"]) {
      await p.ok(
        "_",
        "worker",
        "start",
        id,
        "--command",
        "exec sleep 300",
        "brief",
      );
    }
    await p.ok("_", "claim", "task", "--session", "w1");
    using asking = p.start(["_", "ask", "w1", "--prompt", "Which?", "--options", "a,b"]);
    await asking.said("asked w1-1");
    const state = JSON.parse(await oldOk(p, "_", "state", "--json"));
    deepStrictEqual(
      state.workers.toSorted(byId).map(({ id, state, alive }: Record<string, unknown>) => [id, state, alive]),
      [
        ["w1", "running", true],
        ["w2", "running", true],
      ],
    );
    deepStrictEqual(
      state.asks.map(({ id, prompt, options }: Record<string, unknown>) => [id, prompt, options]),
      [
        ["w1-1", "Which?", ["a", "b"]],
      ],
    );
    strictEqual(
      (await old(p, "_", "claim", "task", "--session", "other")).code,
      1,
      "the lease of a living worker",
    );
    strictEqual((await old(p, "_", "worker", "start", "w1", "x")).code, 1, "its id is taken");
    await oldOk(p, "_", "answer", "w1-1", "b");
    strictEqual((await asking.result).stdout, "b\n");
  },
);

given(
  "a question that ours have archived, when 0.16 gives its number out again, then that is a new one",
  async (p) => {
    using first = p.start(["_", "ask", "w1", "--prompt", "First?"]);
    await first.said("asked w1-1");
    await p.ok("_", "answer", "w1-1", "one");
    strictEqual((await first.result).stdout, "one\n");
    const second = old(p, "_", "ask", "w1", "--prompt", "Second?");
    await p.until("the question is there", () => fileText(p, "asks/w1-1.json").includes("Second?"));
    deepStrictEqual(
      (await p.json("_", "state", "--json")).asks.map(({ prompt }: { prompt: string }) => prompt),
      [
        "Second?",
      ],
    );
    await p.ok("_", "answer", "w1-1", "two");
    match((await second).stdout, /two\n$/);
  },
);

given("calls in the words of 0.16, when ours get them, then they do the same", async (p) => {
  await oldOk(p, "_", "state");
  strictEqual(await p.ok("_", "run", "ls reports", "--reason", "see"), await p.ok("_", "run", "ls reports"));
  await p.ok("_", "cost", "session of a kind", "id with blanks", "anthropic/claude-sonnet", "0.5");
  match(await oldOk(p, "cost"), /\$0\.5/);
  await oldOk(p, "_", "cost", "session", "a/b", "openai/gpt", "0.25");
  match(await p.ok("cost"), /0\.75/);
  await p.ok("_", "goal", "write", "ours", "text");
  ok(JSON.parse(await oldOk(p, "_", "state", "--json")).goals.includes("ours"));
});
