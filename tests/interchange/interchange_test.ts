/**
 * A data dir that the real looop 0.16.0 and ours use in turn. `LOOOP_0_16_BIN` names that program, which
 * `cargo install looop --version 0.16.0 --locked` builds; without it these tests are skipped.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { existsSync } from "node:fs";
import { crashPulse, isGone, published } from "../published.ts";
import { fileText } from "../workers.ts";
import { type Result, type TestProfile, testProfile } from "../looop.ts";

const OLD = Deno.env.get("LOOOP_0_16_BIN");

/** Time limit of one call of the old program, ms; most of its verbs have none of their own. */
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

/** Calls looop 0.16 on the profile. Its stdout is a file, since processes that it starts keep a copy open. */
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

/** Checks that a state, printed by either program, has both workers alive and the question open. */
// deno-lint-ignore no-explicit-any -- the state of either program
function requireBothAndTheQuestion({ workers, asks }: any): void {
  deepStrictEqual(
    workers.toSorted(byId).map(({ id, state, alive }: Record<string, unknown>) => [id, state, alive]),
    [["w1", "running", true], ["w2", "running", true]],
  );
  deepStrictEqual(
    asks.map(({ id, prompt, options }: Record<string, unknown>) => [id, prompt, options]),
    [["w1-1", "Which?", ["a", "b"]]],
  );
}

/** Sorts workers by id, since 0.16 lists them in no order. */
const byId = (a: { id: string }, b: { id: string }) => a.id < b.id ? -1 : 1;

/** Starts a worker of 0.16 that only sleeps: its prompt is the contract, which the runner must not run as a script. */
async function oldWorker(p: TestProfile, id: string): Promise<void> {
  const config = JSON.parse(p.read("config.json"));
  config.runners.sh.interactive = "sleep 300; : '{{prompt_file}}'";
  await Deno.writeTextFile(p.profile.config, JSON.stringify(config));
  await oldOk(p, "_", "worker", "start", id, "brief");
  await p.until("it runs", () => fileText(p, `sessions/${id}/status.json`).includes("running"));
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
    requireBothAndTheQuestion(state);
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
    requireBothAndTheQuestion(state);
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

given("a living pulse of ours, when 0.16 is called, then it sees it and starts none beside it", async (p) => {
  await p.ok("up");
  match(await oldOk(p, "up"), /pulse already running/);
  deepStrictEqual(JSON.parse(await oldOk(p, "_", "state", "--json")).workers, []);
  await p.ok("down");
  strictEqual(JSON.parse(p.read("sessions/pulse/status.json")).state, "exited");
  match(await oldOk(p, "up"), /pulse started/);
  await oldOk(p, "down");
  match(await p.ok("up"), /pulse started/);
  const dead = await crashPulse(p);
  // 0.16 takes a zombie for alive, and the process that adopts it may reap it late.
  await p.until("nothing is left of it", () => !existsSync(`/proc/${dead}`), 60);
  match(await oldOk(p, "up"), /pulse started/, "a dead one keeps it from nothing");
});

given("a living pulse of ours, when 0.16 calls down, then ours goes on as itself", async (p) => {
  await p.ok("up");
  const { beat } = published(p);
  await old(p, "down");
  await p.until("it beats on", () => published(p).beat > beat + 1);
  match(await oldOk(p, "up"), /pulse already running/);
  strictEqual((await p.json("status", "--json")).pulse.alive, true);
  match(await p.ok("down"), /pulse/);
});

given("leases of both, when either pulse publishes them, then their form is one", async (p) => {
  await oldWorker(p, "w1");
  await oldOk(p, "_", "claim", "theirs", "--session", "w1");
  await p.ok("_", "claim", "ours", "--session", "w1");
  const signal = () => {
    const text = fileText(p, "snapshots/sys-claims.json");
    return text === "" ? undefined : JSON.parse(text).signal;
  };
  await oldOk(p, "up");
  await p.until("0.16 has published", () => signal() !== undefined);
  const theirs = signal();
  await oldOk(p, "down");
  strictEqual(
    (await p.json("_", "state", "--json")).workers[0].alive,
    false,
    "its down has ended its worker",
  );
  for (const name of ["theirs", "ours"]) await p.ok("_", "claim", name, "--session", "w2");
  await p.ok("up");
  await p.until("ours has published", () => JSON.stringify(signal() ?? "").includes("w2"));
  const held = (name: string, session: string) => ({ name, claim: { name, session } });
  deepStrictEqual(signal(), [held("ours", "w2"), held("theirs", "w2")]);
  const keys = (value: unknown) =>
    (value as Record<string, object>[]).map((one) => [Object.keys(one), Object.keys(one["claim"] ?? {})]);
  deepStrictEqual(
    keys(theirs).map((one) =>
      one.map((names) => names.filter((name) => name !== "v" && name !== "ts" && name !== "gen").sort())
    ),
    keys(signal()).map((one) => one.map((names) => names.sort())),
  );
});

given(
  "goals and sensors of 0.16 with blanks and umlauts, when ours read them, then they count",
  async (p) => {
    const [goal, sensor] = ["Größere Sachen", "Tür 2"];
    await oldOk(p, "_", "goal", "write", goal, "first");
    await oldOk(p, "_", "goal", "write", goal, "second");
    await oldOk(p, "_", "sensor", "write", sensor, "#!/bin/sh\necho '{\"signal\":1}'");
    await p.ok("up");
    await p.until("it is sensed", () => published(p).snapshots[`sensor-${sensor}`]?.signal === 1);
    const state = await p.json("_", "state", "--json");
    ok(state.goals.includes(goal), JSON.stringify(state.goals));
    deepStrictEqual(state.snapshots[`sensor-${sensor}`], { signal: 1 });
    deepStrictEqual(state.bad_files, []);
    ok((await p.json("_", "wait", "--json", "--fresh")).goals.includes(goal));
    deepStrictEqual((await p.json("_", "sensor", "run", sensor)).signal, 1);
    await p.ok("_", "goal", "archive", goal);
    await p.ok("_", "sensor", "remove", sensor);
    ok(!JSON.parse(await oldOk(p, "_", "state", "--json")).goals.includes(goal));
    await p.ok("_", "undo", "goal", goal);
    await p.ok("_", "undo", "sensor", sensor);
    strictEqual(p.read(`goals/${goal}.md`), "second\n");
    ok(JSON.parse(await oldOk(p, "_", "state", "--json")).goals.includes(goal));
    for (const words of [["goal", "write", "Neue Sache"], ["sensor", "write", "Neue Tür"]]) {
      const { code, stderr } = await p.run("_", ...words, "true");
      deepStrictEqual([code, /Bad (goal|sensor) id/.test(stderr)], [2, true], stderr);
    }
  },
);

given("a worker of 0.16, when ours kills it, then its tree is gone and both say killed", async (p) => {
  await oldWorker(p, "w1");
  const session = p.path("sessions/w1");
  const [meta, status] = ["meta", "status"].map((name) =>
    JSON.parse(Deno.readTextFileSync(`${session}/${name}.json`))
  );
  match(await p.ok("_", "worker", "kill", "w1"), /^killed worker w1/);
  await p.until(
    "its supervisor and its agent are gone",
    () => isGone(meta.babysit_pid) && isGone(status.child_pid),
  );
  const seen = ({ id, state, alive }: Record<string, unknown>) => [id, state, alive];
  for (const read of [() => p.ok("_", "state", "--json"), () => oldOk(p, "_", "state", "--json")]) {
    deepStrictEqual(JSON.parse(await read()).workers.map(seen), [["w1", "killed", false]]);
  }
  deepStrictEqual(await p.processes(), []);
  match(await p.ok("_", "worker", "kill", "w1"), /had ended already/);
});

given(
  "a worker of ours, when 0.16 would kill it, then it says that it cannot, and both say running",
  async (p) => {
    await p.ok("_", "worker", "start", "w1", "--command", "exec sleep 300", "brief");
    const { code, stderr } = await old(p, "_", "worker", "kill", "w1");
    strictEqual(code, 1, "ours listens on no socket");
    match(stderr, /w1|socket|connect/i);
    for (const read of [() => p.ok("_", "state", "--json"), () => oldOk(p, "_", "state", "--json")]) {
      deepStrictEqual(
        JSON.parse(await read()).workers.map(({ state, alive }: Record<string, unknown>) => [state, alive]),
        [["running", true]],
      );
    }
    await p.ok("_", "worker", "kill", "w1");
    deepStrictEqual(JSON.parse(await oldOk(p, "_", "state", "--json")).workers[0].state, "killed");
  },
);
