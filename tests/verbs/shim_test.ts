import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";
import { WHOLE } from "../whole.ts";
import { BY_BINARY, type Call, Caller, fileText, HOLD, startWorker } from "../workers.ts";

async function workerOf(p: TestProfile, id = "w"): Promise<Caller> {
  await startWorker(p, id, HOLD);
  return new Caller(p, id);
}

function pulsePid(p: TestProfile): number {
  return JSON.parse(p.read(".pulse.json")).pid;
}

/** Whether a call is still the shell that it began as; if the pulse does not serve it, the binary replaces the shell. */
function isShell(pid: number): boolean {
  return Deno.readTextFileSync(`/proc/${pid}/cmdline`).startsWith("/bin/sh\0");
}

/** Waits until a question is posted. */
async function untilPosted(p: TestProfile, ask: string): Promise<void> {
  // The pulse writes the journal's line last, after it has released all locks.
  await p.until("the question is posted", () => fileText(p, "journal.md").includes(`ask ${ask}: `));
}

/** Asks through the pulse; asks again if the pulse was late on a busy machine and the binary ran instead. */
async function askByPulse(p: TestProfile, worker: Caller): Promise<Call> {
  for (let tries = 0; tries < 20; tries++) {
    const asking = worker.start(ASK);
    await untilPosted(p, "w-1");
    await p.until("it waits", () => namesIn(p, ".calls/in").length === 0);
    if (Deno.build.os !== "linux" || isShell(asking.pid)) return asking;
    asking.kill("SIGKILL");
    await asking.result;
    await p.until("the pulse serves", () => fileText(p, ".calls/here") !== "");
  }
  throw new Error("the pulse was late each time");
}

/** A worker whose question is answered after the pulse that took it was killed. */
async function answeredWithoutPulse(p: TestProfile): Promise<{ worker: Caller; asking: Call }> {
  await p.ok("up");
  const worker = await workerOf(p);
  const asking = await askByPulse(p, worker);
  Deno.kill(pulsePid(p), "SIGKILL");
  await p.ok("_", "answer", "w-1", "yes");
  return { worker, asking };
}

/** Names in a folder of the data dir. */
function namesIn(p: TestProfile, dir: string): string[] {
  return [...Deno.readDirSync(p.path(dir))].map(({ name }) => name).sort();
}

/** Names of files that calls have left. */
function leftOvers(p: TestProfile): string[] {
  return ["in", "out", "read", "wait"].flatMap((folder) =>
    namesIn(p, `.calls/${folder}`).map((name) => `${folder}/${name}`)
  );
}

const ASK = ["_", "ask", "w", "--prompt", "Merge PR 12?"];

Deno.test("given a pulse that is stopped in mid-ask, when the question is answered, then its asker has the answer while it is stopped", async () => {
  if (Deno.build.os !== "linux") return;
  await using p = await testProfile();
  await p.ok("up");
  const worker = await workerOf(p);
  const asking = await askByPulse(p, worker);
  const pulse = pulsePid(p);
  Deno.kill(pulse, "SIGSTOP");
  try {
    await p.ok("_", "answer", "w-1", "yes, ship it");
    const { code, stdout } = await asking.result;
    deepStrictEqual([code, stdout], [0, "yes, ship it\n"]);
    // Calls do not wait for a stopped pulse.
    strictEqual((await worker.start(["_", "claim", "task"]).result).code, 0);
  } finally {
    Deno.kill(pulse, "SIGCONT");
  }
  await p.until("the pulse serves again", () => fileText(p, ".calls/here") !== "");
  const again = await worker.start(ASK).result;
  strictEqual(again.stdout, "yes, ship it\n");
  match(again.stderr, /you read the answer to w-1/);
  await p.until("nothing is left", () => leftOvers(p).length === 0);
});

Deno.test("given a pulse that is stopped while two questions of one worker wait, when one is declined and then withdrawn, then each asker gets only its own outcome", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const worker = await workerOf(p);
  const asking = [
    worker.start([...ASK, "--options", "yes,no"]),
    worker.start(["_", "ask", "--prompt", "Which one?"]),
  ];
  await untilPosted(p, "w-2");
  const first = JSON.parse(p.read("asks/w-1.json")).prompt === "Merge PR 12?" ? 0 : 1;
  const pulse = pulsePid(p);
  Deno.kill(pulse, "SIGSTOP");
  try {
    await p.ok("_", "answer", "w-1", "--decline", "not today");
    const declined = await asking[first]!.result;
    deepStrictEqual([declined.code, declined.stdout], [3, "not today\n"]);
    await p.ok("_", "ask", "withdraw", "w-2");
    const withdrawn = await asking[1 - first]!.result;
    deepStrictEqual([withdrawn.code, withdrawn.stdout], [4, ""]);
  } finally {
    Deno.kill(pulse, "SIGCONT");
  }
});

Deno.test("given a pulse that is killed in mid-ask and one that takes its place, when the question is answered, then there is one question and one answer", async () => {
  if (Deno.build.os !== "linux") return;
  await using p = await testProfile();
  await p.ok("up");
  const worker = await workerOf(p);
  const asking = await askByPulse(p, worker);
  Deno.kill(pulsePid(p), "SIGKILL");
  await p.ok("up");
  // The shell turns to the new pulse, or to the binary if the pulse starts too slowly.
  await p.until("the call is carried on", () =>
    !isShell(asking.pid) ||
    fileText(p, ".calls/here").startsWith(`${pulsePid(p)} `) && namesIn(p, ".calls/in").length === 0 &&
      namesIn(p, ".calls/wait").length === 1);
  await p.ok("_", "answer", "w-1", "yes");
  const { code, stdout } = await asking.result;
  deepStrictEqual([code, stdout], [0, "yes\n"]);
  await p.until(
    "it is archived",
    () => [...Deno.readDirSync(p.profile.asks)].every(({ isFile, name }) => !isFile || name.startsWith(".")),
  );
  await p.until("nothing is left", () => leftOvers(p).length === 0);
});

Deno.test("given a pulse that is killed in mid-ask and none after it, when the question is answered, then the binary prints the answer; a call of each kind has one effect", async () => {
  await using p = await testProfile();
  const { worker, asking } = await answeredWithoutPulse(p);
  const results = await Promise.all([
    asking.result,
    ...[["_", "cost", "session", "w", "pi", "0.25"], ["_", "ready", "w"], ["_", "claim", "task"]].map((
      args,
    ) => worker.start(args).result),
  ]);
  deepStrictEqual(results.map(({ code, stdout }) => `${code} ${stdout}`), [
    "0 yes\n",
    "0 cost w: $0.25\n",
    "0 ready w\n",
    "0 claimed task\n",
  ]);
  strictEqual(p.read("cost.jsonl").trim().split("\n").length, 1);
  deepStrictEqual(JSON.parse(await p.ok("_", "ask", "list", "--json")), []);
});

Deno.test("given a pulse that is stopped before it takes a call, when it goes on, then the call was made once, by the binary", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const worker = await workerOf(p);
  const pulse = pulsePid(p);
  Deno.kill(pulse, "SIGSTOP");
  let asking;
  try {
    const cost = await worker.start(["_", "cost", "session", "w", "pi", "0.25"]).result;
    strictEqual(cost.code, 0, cost.stderr);
    asking = worker.start(ASK);
    await p.until("it is asked", () => fileText(p, "asks/w-1.json") !== "");
  } finally {
    Deno.kill(pulse, "SIGCONT");
  }
  await p.until("the pulse serves", () => fileText(p, ".calls/here") !== "");
  // The same question from another shell is taken up, whether the pulse or the binary carries it out.
  const other = worker.start(ASK);
  await p.until("it waits at the pulse", () => leftOvers(p).some((name) => name.startsWith("wait/")));
  await p.ok("_", "answer", "w-1", "yes");
  const results = await Promise.all([asking.result, other.result]);
  deepStrictEqual(results.map(({ code, stdout }) => [code, stdout]), [[0, "yes\n"], [0, "yes\n"]]);
  strictEqual(p.read("cost.jsonl").trim().split("\n").length, 1);
});

Deno.test("given an answer that a shell has printed and a pulse that was killed before it noted that, when the same is asked anew by the binary, then that is a new question", async () => {
  await using p = await testProfile();
  const { worker, asking } = await answeredWithoutPulse(p);
  await asking.result;
  // As if the pulse had been killed right after the shell had printed the answer.
  const [month] = [...Deno.readDirSync(p.path("asks/archive"))].map(({ name }) => name);
  for (const [from, to] of [["w-1.json", "asks/w-1.json"], ["w-1.answer.json", "answers/w-1.json"]]) {
    Deno.renameSync(p.path(`asks/archive/${month}/${from}`), p.path(to ?? ""));
  }
  Deno.writeTextFileSync(p.path("answers/w-1.taken"), "");
  const gen = JSON.parse(p.read("sessions/w/meta.json")).gen;
  Deno.writeTextFileSync(p.path(`.calls/read/w,${gen},key,${asking.pid}`), "w-1\n");
  const anew = worker.start([...ASK, "--new"]);
  await p.until("it is asked", () => fileText(p, "asks/w-2.json") !== "");
  await p.ok("_", "answer", "w-2", "no");
  strictEqual((await anew.result).stdout, "no\n");
});

/** A worker's call, and the root agent's call while it waits; `ID` stands for the question. */
type Row = readonly [call: readonly string[], meanwhile?: readonly string[]];

const ask = (prompt: string, ...more: string[]) => ["_", "ask", "w", `--prompt=${prompt}`, ...more];
const answer = (...words: string[]) => ["_", "answer", "ID", ...words];
const ODD = 'it\'s "odd": $(x) `y` \\0101 %s \\ * ~ 🧀\n\tsecond line  ';

/** Forms of calls that only `deno task faults whole` tries. */
const SELDOM: readonly Row[] = [
  [["_", "ready", "v"]],
  [["_", "ready", "w", "x"]],
  [["_", "ready", "w", "--json"]],
  ...["-1", "NaN", "1,5", "Infinity", ""].map((amount): Row => [["_", "cost", "session", "w", "pi", amount]]),
  [["_", "cost", "session", "w", "pi", "--", "-1"]],
  [["_", "cost", "session", "w"]],
  [["_", "claim", "held", "--json"]],
  [["_", "claim", "../x"]],
  [["_", "claim", "x", "--session", "v"]],
  [["_", "claim", "x", "--session"]],
  [["_", "claim", "x", "--sesion=w"]],
  [["_", "unclaim", "held"]],
  [["_", "unclaim"]],
  [["_", "told", "v"]],
  [["_", "told", "w", "--hook", "nope"]],
  [ask("x", "--prompts")],
  [["_", "ask", "../w", "--prompt", "x"]],
  [ask("lines"), answer("a\n\nb\n")],
  [ask("no", "--json", "--new"), answer("--decline", "never")],
  ...["ready", "cost", "claim", "unclaim", "told", "ask"].map((verb): Row => [["_", verb, "--help"]]),
  [["_"]],
  [["_", "done", "v"]],
  [["_", "answer", "w-1", "yes"]],
  [["version"]],
];

/** Forms of calls that a worker makes. */
const ROWS: readonly Row[] = [
  [["_", "ready", "w"]],
  [["_", "ready"]],
  [["_", "cost", "session", "w", "pi", "0.25"]],
  [["_", "cost", "session", "w", "pi", "0.25"]],
  [["_", "cost", "a b", "w", "pi", "1e-3", "--json"]],
  [["_", "claim", "task"]],
  [["_", "claim", "task"]],
  [["_", "claim", "other", "--json", "--journal", "took\nit"]],
  [["_", "claim", "held"]],
  [["_", "claim"]],
  [["_", "unclaim", "task"]],
  [["_", "unclaim", "task"]],
  [["_", "told"]],
  [["_", "told", "--json"]],
  [["_", "ready", "w"], ["_", "tell", "w", "stop at noon"]],
  [["_", "told", "w", "--hook=claude"]],
  [["_", "ready", "w"], ["_", "tell", "w", ODD]],
  [["_", "told"]],
  [["_", "ask"]],
  [ask("")],
  [ask("x", "--timeout", "soon")],
  [["_", "ask", "v", "--prompt", "x"]],
  [ask("plain"), answer("yes")],
  [ask("plain")],
  [ask("plain", "--new"), answer("no")],
  [["_", "ask", "--prompt", "by its own id", "--options", "yes, no,", "--ref", "notes.md"], answer("no")],
  [ask(ODD), answer(ODD)],
  [ask("-dash", "--json"), answer("--", "-n")],
  [ask("long"), answer("0123456789".repeat(2_000))],
  [ask("no"), answer("--decline", "it's too late")],
  [ask("back"), ["_", "ask", "withdraw", "ID"]],
  [ask("later", "--timeout", "0.1")],
  [ask("later"), answer("now")],
  [["_", "ask", "list"]],
  [["_", "ask", "withdraw", "w-1"]],
  [["_", "aks", "w"]],
  [["_", "cost", "session", "w", "pi", "-1"]],
  [["_", "claim", "--help"]],
  ...(WHOLE ? SELDOM : []),
];

/** The data dir's records of all calls, without times and generations. */
function recordsOf(p: TestProfile): Record<string, unknown> {
  const lines = (name: string) =>
    fileText(p, name).trim().split("\n").map((line) => JSON.parse(line || "{}"));
  const strip = ({ ts: _ts, gen: _gen, call: _call, ...rest }: Record<string, unknown>) => rest;
  const month = new Date().toISOString().slice(0, 7);
  const dirs = ["claims", "asks", "answers", `asks/archive/${month}`].flatMap((dir) =>
    [...Deno.readDirSync(p.path(dir))].filter(({ name }) => name.endsWith(".json")).map(({ name }) =>
      `${dir}/${name}`
    )
  ).sort();
  return {
    journal: p.read("journal.md").split("\n").map((line) => line.slice("- 2026-01-01 00:00 ".length)),
    events: lines("events.jsonl").filter(({ event }) => !/^pulse/.test(event)).map(strip),
    cost: lines("cost.jsonl").map(strip),
    files: dirs.map((name) => [name, strip(JSON.parse(p.read(name)))]),
    tells: namesIn(p, "tells/w"),
    isReady: fileText(p, "sessions/w/ready") !== "",
  };
}

/** Makes a call and the root agent's call meanwhile; returns the result of the first. */
async function made(p: TestProfile, worker: Caller, [call, meanwhile]: Row, env: Record<string, string>) {
  if (meanwhile?.[1] === "tell") await p.ok(...meanwhile);
  const calling = worker.start(call, env);
  if (meanwhile !== undefined && meanwhile[1] !== "tell") {
    const pending = () =>
      namesIn(p, "asks").find((name) => /^w-.*json$/.test(name) && !namesIn(p, "answers").includes(name));
    const idOf = () => pending()?.slice(0, -".json".length) ?? "";
    // The journal names a question once it is posted.
    await p.until("it is asked", () => idOf() !== "" && p.read("journal.md").includes(` ask ${idOf()}: `));
    const id = idOf();
    await p.ok(...meanwhile.map((word) => word === "ID" ? id : word));
  }
  const { code, stdout, stderr } = await calling.result;
  const plain = (text: string) => text.replaceAll(p.base, "BASE").replace(/\d+ s ago/g, "N s ago");
  return { code, stdout: plain(stdout), stderr: plain(stderr) };
}

Deno.test("given every form of a worker's calls, when the pulse carries them out and when the binary does, then they print, exit and record the same", async () => {
  await using served = await testProfile();
  await using alone = await testProfile();
  const profiles = [[served, {}], [alone, BY_BINARY]] as const;
  const results = await Promise.all(profiles.map(async ([p, env]) => {
    await p.ok("up");
    const worker = await workerOf(p);
    await startWorker(p, "v", HOLD);
    await p.ok("_", "claim", "held", "--session", "v");
    const replies = [];
    for (const row of ROWS) replies.push(await made(p, worker, row, env));
    await p.until("all that was read is archived", () => leftOvers(p).length === 0);
    return { replies, records: recordsOf(p) };
  }));
  const [ours, theirs] = results;
  for (const [n, row] of ROWS.entries()) {
    deepStrictEqual(ours?.replies[n], theirs?.replies[n], row[0].join(" "));
  }
  deepStrictEqual(ours?.records, theirs?.records);
  match(profiles[0][0].read("cost.jsonl"), /"call":/, "the pulse has carried out what it can");
});
