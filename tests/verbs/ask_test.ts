import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type Running, type TestProfile, testProfile } from "../looop.ts";
import { endedWorker, fileText, HOLD, letGo, looopIn, shell, startWorker } from "../workers.ts";

const QUICK = { LOOOP_ASK_POLL_MS: "50" };
const MONTH = new Date().toISOString().slice(0, 7);

/** Asks in the background; returns once the question is in the mailbox. */
async function asking(p: TestProfile, worker: string, prompt: string, ...more: string[]): Promise<Running> {
  const running = p.start(["_", "ask", worker, "--prompt", prompt, ...more], { env: QUICK });
  await running.said(`${worker}-`);
  return running;
}

async function pending(p: TestProfile): Promise<string[]> {
  return (await p.json("_", "state", "--json")).asks.map((ask: { id: string }) => ask.id);
}

Deno.test("given answers of every kind, when a shell captures them with $(…), then it has them byte for byte", async () => {
  await using p = await testProfile();
  const answers = [
    "yes",
    `it's "quoted" \`date\` $HOME $(date) \\n \\\\ %s %d 100%`,
    "two\n\n  lines\twith\r\nblanks  ",
    "👩‍🚀 ünïcödé 漢字 \u202e",
    "-n",
    "--help",
    "--",
    " leading and trailing ",
    "\ufeffmark first",
    `${"0123456789abcde\n".repeat(4096)}end`,
  ];
  await Promise.all(answers.map(async (answer, n) => {
    const script = 'answer=$("$@") || exit; printf %s "$answer"';
    const captured = shell(p, script, ["_", "ask", `w${n}`, "--prompt", "which?"], QUICK);
    await p.until("it is asked", () => fileText(p, `asks/w${n}-1.json`) !== "");
    if (n % 2 === 0) await p.ok("_", "answer", `w${n}-1`, "--", answer);
    else await p.okCall(["_", "answer", `w${n}-1`], { stdin: `${answer}\n` });
    const { code, stdout } = await captured;
    strictEqual(stdout, answer);
    strictEqual(code, 0);
  }));
});

Deno.test("given an answer, when ask prints it, then stdout holds it and one newline, and all else is on stderr", async () => {
  await using p = await testProfile();
  using one = await asking(p, "w", "?");
  await p.ok("_", "answer", "w-1", "a b");
  const { code, stdout, stderr } = await one.result;
  deepStrictEqual([code, stdout], [0, "a b\n"]);
  match(stderr, /^looop _ ask: asked w-1\n$/);
  ok(fileText(p, `asks/archive/${MONTH}/w-1.answer.json`).includes('"a b"'));
  deepStrictEqual(await pending(p), []);
});

Deno.test("given one worker with eight questions at once, when all are asked, then none is lost", async () => {
  await using p = await testProfile();
  const prompts = Array.from({ length: 8 }, (_, n) => `question ${n}`);
  const results = await Promise.all(
    prompts.map((prompt) => p.run("_", "ask", "w", "--prompt", prompt, "--timeout", "0.05")),
  );
  deepStrictEqual(results.map(({ code }) => code), prompts.map(() => 124));
  const { asks } = await p.json("_", "state", "--json");
  deepStrictEqual(asks.map((ask: { prompt: string }) => ask.prompt).sort(), prompts);
  deepStrictEqual(asks.map((ask: { id: string }) => ask.id).sort(), prompts.map((_, n) => `w-${n + 1}`));
});

Deno.test("given --timeout, when nobody answers, then exit 124, the ask stays, and asking again takes it up", async () => {
  await using p = await testProfile();
  const first = await p.run(
    "_",
    "ask",
    "w",
    "--prompt",
    "p",
    "--ref",
    "a file",
    "--options",
    " yes, no ,",
    "--timeout",
    "0.1",
  );
  deepStrictEqual([first.code, first.stdout], [124, ""]);
  match(first.stderr, /w-1 is not answered yet; ask the same again/);
  const { asks } = await p.json("_", "state", "--json");
  const { id, worker, prompt, reference, options, worker_alive } = asks[0];
  deepStrictEqual({ id, worker, prompt, reference, options, worker_alive }, {
    id: "w-1",
    worker: "w",
    prompt: "p",
    reference: "a file",
    options: ["yes", "no"],
    worker_alive: null,
  });
  using again = await asking(p, "w", "p");
  await p.ok("_", "answer", "w-1", "yes");
  const result = await again.result;
  deepStrictEqual([result.code, result.stdout], [0, "yes\n"]);
  match(result.stderr, /took up w-1/);
  strictEqual(fileText(p, "journal.md").split("ask w-1: p").length, 2, "it is journaled once");
});

Deno.test("given a killed ask that was answered meanwhile, when it is asked again, then it has the answer at once", async () => {
  await using p = await testProfile();
  using one = await asking(p, "w", "p");
  one.kill("SIGKILL");
  await one.result;
  deepStrictEqual(await pending(p), ["w-1"]);
  await p.ok("_", "answer", "w-1", "late");
  deepStrictEqual(await p.ok("_", "ask", "w", "--prompt", "p", "--timeout", "5"), "late");
  // The answer was read, so the same words are a new question.
  strictEqual((await p.run("_", "ask", "w", "--prompt", "p", "--timeout", "0.05")).code, 124);
  deepStrictEqual(await pending(p), ["w-2"]);
});

Deno.test("given an ask killed between taking its answer and printing it, when it is asked again, then it has it", async () => {
  await using p = await testProfile();
  await p.run("_", "ask", "w", "--prompt", "p", "--timeout", "0.05");
  await p.ok("_", "answer", "w-1", "kept");
  Deno.writeTextFileSync(p.path("answers/w-1.taken"), "");
  strictEqual((await p.run("_", "answer", "w-1", "other", "--replace")).code, 1);
  strictEqual(await p.ok("_", "ask", "w", "--prompt", "p", "--timeout", "5"), "kept");
});

Deno.test("given the same question twice at once, when it is answered once, then both have the answer", async () => {
  await using p = await testProfile();
  using one = await asking(p, "w", "p");
  using two = await asking(p, "w", "p");
  deepStrictEqual(await pending(p), ["w-1"]);
  await p.ok("_", "answer", "w-1", "both");
  for (const { code, stdout } of [await one.result, await two.result]) {
    deepStrictEqual([code, stdout], [0, "both\n"]);
  }
  deepStrictEqual([...Deno.readDirSync(p.path("answers"))].map((entry) => entry.name), []);
});

Deno.test("given a no with its reason, when ask ends, then exit 3 and the reason is on stdout", async () => {
  await using p = await testProfile();
  using one = await asking(p, "w", "Deploy?", "--options", "yes,later");
  await p.ok("_", "answer", "w-1", "--decline", "not before the audit\nsee MEMO");
  const { code, stdout } = await one.result;
  deepStrictEqual([code, stdout], [3, "not before the audit\nsee MEMO\n"]);
});

Deno.test("given questions answered and archived, when the worker asks on, then numbers go up and never back", async () => {
  await using p = await testProfile();
  for (const n of [1, 2, 3]) {
    await p.run("_", "ask", "w", "--prompt", `p${n}`, "--timeout", "0.05");
    await p.ok("_", "answer", `w-${n}`, "x");
    await p.ok("_", "ask", "w", "--prompt", `p${n}`, "--timeout", "5");
  }
  deepStrictEqual(
    [...Deno.readDirSync(p.path("asks"))].map(({ name }) => name).filter((name) => /^w/.test(name)),
    [],
  );
  await p.run("_", "ask", "w", "--prompt", "p1", "--timeout", "0.05");
  deepStrictEqual(await pending(p), ["w-4"]);
  match((await p.run("_", "answer", "w-1", "again")).stderr, /"w-1" is already answered/);
});

Deno.test("given broken ask and answer files, when verbs run, then they are listed, kept, and stop nothing", async () => {
  await using p = await testProfile();
  using one = await asking(p, "w", "p");
  Deno.writeTextFileSync(p.path("asks/broken-1.json"), '{"id":"broken-1",');
  Deno.writeTextFileSync(p.path("answers/w-1.json"), '{"answer": yes}');
  await one.said("answers/w-1.json cannot be read");
  const state = await p.json("_", "state", "--json");
  deepStrictEqual(
    state.bad_files.map((file: { path: string }) => file.path.slice(p.profile.dir.length + 1)).sort(),
    ["answers/w-1.json", "asks/broken-1.json"],
  );
  deepStrictEqual(state.asks.map((ask: { id: string }) => ask.id), ["w-1"], "a broken answer is no answer");
  match(
    (await p.run("_", "answer", "broken-1", "x")).stderr,
    /Ask "broken-1" cannot be read.*fix .*broken-1\.json/,
  );
  strictEqual(fileText(p, "asks/broken-1.json"), '{"id":"broken-1",');
  Deno.writeTextFileSync(p.path("answers/.mended"), '{"answer":"mended","ts":1}');
  Deno.renameSync(p.path("answers/.mended"), p.path("answers/w-1.json"));
  const { code, stdout } = await one.result;
  deepStrictEqual([code, stdout], [0, "mended\n"]);
});

Deno.test("given a blocked ask, when the shell that ran it is killed with -9, then it ends and the ask stays", async () => {
  await using p = await testProfile();
  const { exe, args } = looopIn(["_", "ask", "w", "--prompt", "p"]);
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", '"$@"; echo never >&2', "sh", exe, ...args],
    env: { ...p.env, ...QUICK },
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await p.until("it is asked", () => fileText(p, "asks/w-1.json") !== "");
  strictEqual((await p.processes()).length, 2, "the shell and the ask");
  child.kill("SIGKILL");
  await child.status;
  await p.until("the ask has ended too", async () => (await p.processes()).length === 0);
  deepStrictEqual(await pending(p), ["w-1"]);
});

Deno.test("given a worker with a blocked ask outside its tree, when it ends by itself, then the ask ends with 1 and stays", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", HOLD);
  using one = await asking(p, "w", "p");
  letGo(p);
  strictEqual((await endedWorker(p, "w")).state, "exited");
  const { code, stdout, stderr } = await one.result;
  deepStrictEqual([code, stdout], [1, ""]);
  match(stderr, /Worker "w" has ended while "w-1" was open; the question stays/);
  const { asks } = await p.json("_", "state", "--json");
  deepStrictEqual([asks[0].id, asks[0].worker_alive], ["w-1", false]);
});

Deno.test("given a worker that the root agent kills, when its asks are blocked, then they exit 4 and are pending no more", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", '"$LOOOP_BIN" _ ask --prompt inside');
  await p.until("the worker asks", () => fileText(p, "asks/w-1.json") !== "");
  using outside = await asking(p, "w", "outside");
  await p.ok("_", "worker", "kill", "w");
  const { code, stdout, stderr } = await outside.result;
  deepStrictEqual([code, stdout], [4, ""]);
  match(stderr, /withdrawn/);
  deepStrictEqual(await pending(p), []);
  for (const id of ["w-1", "w-2"]) {
    match(fileText(p, `asks/archive/${MONTH}/${id}.answer.json`), /"withdrawn"/);
  }
});

Deno.test("given a worker that asks in a session of its own, as agents do, when it is killed, then the agent gets no result", async () => {
  await using p = await testProfile();
  const ask = 'setsid -w "$LOOOP_BIN" _ ask --prompt';
  await startWorker(p, "w", `${ask} inside; echo "$?" >"$LOOOP_DATA_DIR/reports/after"`);
  await startWorker(p, "v", `${ask} inside; echo "$?" >"$LOOOP_DATA_DIR/reports/after"`);
  await p.until("both ask", () => fileText(p, "asks/w-1.json") !== "" && fileText(p, "asks/v-1.json") !== "");
  await p.ok("_", "worker", "kill", "w");
  await p.ok("down");
  strictEqual(fileText(p, "reports/after"), "");
  deepStrictEqual(await pending(p), ["v-1"]);
});

Deno.test("given a kill that is only recorded so far, when a blocked ask sees it first, then it exits 4 all the same", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", "sleep 600");
  using one = await asking(p, "w", "p");
  Deno.writeTextFileSync(p.path("sessions/w/end"), "killed root\n");
  strictEqual((await one.result).code, 4);
  await p.ok("_", "worker", "kill", "w");
  deepStrictEqual(await pending(p), []);
});

Deno.test("given a worker that died with its answer unread, when one of its id starts and asks the same, then it has it at once", async () => {
  await using p = await testProfile();
  const brief = 'a=$("$LOOOP_BIN" _ ask --prompt "same?"); echo "$a" >"$LOOOP_DATA_DIR/reports/a"';
  await startWorker(p, "w", brief);
  await p.until("it is asked", () => fileText(p, "asks/w-1.json") !== "");
  await p.until("it is running", () => fileText(p, "sessions/w/program") !== "");
  const [pid] = fileText(p, "sessions/w/program").split(" ");
  Deno.kill(Number(pid), "SIGKILL");
  strictEqual((await endedWorker(p, "w")).ended_by, "crash");
  await p.ok("_", "answer", "w-1", "stored");
  await startWorker(p, "w", brief);
  await p.until("it has its answer", () => fileText(p, "reports/a") === "stored\n");
  await endedWorker(p, "w");
  strictEqual(fileText(p, "asks/w-2.json"), "");
});

Deno.test("given a root agent that is done with a dead worker, when it kills it, then its question is withdrawn", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", '"$LOOOP_BIN" _ ask --prompt p --timeout 0.1; exit 3');
  await endedWorker(p, "w");
  deepStrictEqual(await pending(p), ["w-1"]);
  await p.ok("_", "worker", "kill", "w");
  deepStrictEqual(await pending(p), []);
  match(
    (await p.run("_", "answer", "w-1", "late")).stderr,
    /Ask "w-1" was withdrawn, as its worker was killed; list/,
  );
});

Deno.test("given a runner that is not installed, when a worker's verbs and down run, then they work", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.writeTextFileSync(
    p.profile.config,
    '{"default":"nobody","runners":{"nobody":{"interactive":"no-such-agent x"}}}',
  );
  strictEqual((await p.run("_", "ask", "w", "--prompt", "p", "--timeout", "0.05")).code, 124);
  await p.ok("_", "claim", "task", "--session", "w");
  await p.ok("_", "unclaim", "task", "--session", "w");
  await p.ok("_", "answer", "w-1", "x");
  match(await p.ok("down"), /pulse was not running/);
});

Deno.test("given an answer that a run has read, when it soon asks the same again, then it gets that answer without a new question", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", HOLD);
  using one = await asking(p, "w", "Merge PR 12?", "--options", "yes,no", "--ref", "a.md");
  await p.ok("_", "answer", "w-1", "yes");
  strictEqual((await one.result).stdout, "yes\n");
  const same = ["_", "ask", "w", "--prompt", "Merge PR 12?", "--options", "yes, no", "--ref", "a.md"];
  const again = await p.run(...same);
  deepStrictEqual([again.code, again.stdout], [0, "yes\n"]);
  match(again.stderr, /you read the answer to w-1 \d+ s ago, here it is again; --new asks anew/);
  deepStrictEqual(await pending(p), []);
  const others = [
    [...same, "--new"],
    ["_", "ask", "w", "--prompt", "Merge PR 12?", "--options", "yes,no"],
    ["_", "ask", "w", "--prompt", "Merge PR 12?", "--ref", "a.md"],
    ["_", "ask", "w", "--prompt", "Merge PR 13?", "--options", "yes,no", "--ref", "a.md"],
  ];
  for (const [n, other] of others.entries()) {
    const { code, stderr } = await p.run(...other, "--timeout", "0.05");
    strictEqual(code, 124);
    match(stderr, new RegExp(`asked w-${n + 2}\\b`), other.join(" "));
    await p.ok("_", "answer", `w-${n + 2}`, n === 2 ? "--decline" : "--free", "not now");
    await p.run(...other.filter((word) => word !== "--new"));
  }
  const declined = await p.run(...(others[2] ?? []));
  deepStrictEqual([declined.code, declined.stdout], [3, "not now\n"], "a no is given again, too");
  letGo(p);
});

Deno.test("given an answer read ten minutes ago, or by another run, when the same is asked, then it is a new question", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", HOLD);
  const ask = async (...more: string[]) =>
    (await p.run("_", "ask", "w", "--prompt", "Now?", "--timeout", "0.05", ...more)).stderr;
  for (const n of [1, 2, 3]) {
    match(await ask(), new RegExp(`asked w-${n}\\b`));
    await p.ok("_", "answer", `w-${n}`, "yes");
    match(await ask(), new RegExp(`took up w-${n}\\b`));
    match(await ask(), new RegExp(`the answer to w-${n} `));
    const read = p.path(`asks/archive/${MONTH}/w-${n}.answer.json`);
    if (n === 1) Deno.utimeSync(read, new Date(), new Date(Date.now() - 601_000));
    if (n !== 2) continue;
    letGo(p);
    await endedWorker(p, "w");
    await startWorker(p, "w", "sleep 600");
  }
});

Deno.test("given a pending question, when it is withdrawn, then its asker exits 4, it is archived, and it cannot be withdrawn or answered again", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  using blocked = p.start(["_", "ask", "w", "--prompt", "Merge PR 12?"]);
  await blocked.said("asked w-1");
  strictEqual(await p.ok("_", "ask", "withdraw", "w-1"), "withdrew w-1");
  const { code, stdout, stderr } = await blocked.result;
  deepStrictEqual([code, stdout], [4, ""]);
  match(stderr, /the question was withdrawn/);
  deepStrictEqual(await p.json("_", "ask", "list", "--json"), []);
  match(fileText(p, "journal.md"), /withdraw w-1 \[hand\]\n$/);
  for (const args of [["ask", "withdraw", "w-1"], ["answer", "w-1", "yes"]]) {
    const late = await p.run("_", ...args);
    strictEqual(late.code, 1, args.join(" "));
    match(late.stderr, /Ask "w-1" was withdrawn/);
  }
  const unknown = await p.run("_", "ask", "withdraw", "w-7");
  match(unknown.stderr, /There is no ask "w-7"; nothing is pending/);
  strictEqual((await p.run("_", "ask", "withdraw", "w")).code, 2);
});

Deno.test("given a question that is answered and not read, when it is withdrawn, then that is refused and the answer stands", async () => {
  await using p = await testProfile();
  strictEqual((await p.run("_", "ask", "w", "--prompt", "Go?", "--timeout", "0.1")).code, 124);
  await p.ok("_", "answer", "w-1", "yes");
  const { code, stderr } = await p.run("_", "ask", "withdraw", "w-1");
  strictEqual(code, 1);
  match(stderr, /Ask "w-1" is already answered/);
  strictEqual(await p.ok("_", "ask", "w", "--prompt", "Go?"), "yes");
});

Deno.test("given a question that somebody else has withdrawn, when a root agent waits, then the next wake mentions it", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const env = { LOOOP_AGENT: "robin" };
  const woken = async () => JSON.parse(await p.okCall(["_", "wait", "--json", "--timeout", "20"], { env }));
  await woken();
  strictEqual((await p.run("_", "ask", "w", "--prompt", "Go?", "--timeout", "0.1")).code, 124);
  for (let reasons: string[] = []; !reasons.includes("ask:w-1");) reasons = (await woken()).reason;
  await p.ok("_", "ask", "withdraw", "w-1");
  await Deno.writeTextFile(p.path("goals/ship.md"), "Ship it\n");
  let changes: Record<string, unknown> = {};
  for (let reasons: string[] = []; !reasons.includes("goal:ship");) {
    const one = await woken();
    reasons = one.reason;
    changes = { ...changes, ...one.changes };
  }
  deepStrictEqual(changes["answered"], ["w-1"]);
});
