import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type Result, type TestProfile, testProfile } from "../looop.ts";
import { fileText, HOLD, letGo, startWorker } from "../workers.ts";

/** Starts a worker that waits; returns the marks of its environment. */
async function workerEnv(p: TestProfile, id: string): Promise<Record<string, string>> {
  const script = `"$LOOOP_BIN" _ ready ${id}
env | grep -E '^LOOOP_(SESSION_ID|SESSION_GEN|HOME)=' >reports/.${id} && mv reports/.${id} reports/${id}.env
${HOLD}`;
  await startWorker(p, id, script);
  await p.until(`${id} has begun`, () => fileText(p, `reports/${id}.env`) !== "");
  const lines = p.read(`reports/${id}.env`).trim().split("\n").map((line) =>
    line.split("=") as [string, string]
  );
  return { ...Object.fromEntries(lines), LOOOP_AGENT: "", LOOOP_INTERVAL: "3600" };
}

/** Posts a question of a worker and leaves it open. */
async function openAsk(p: TestProfile, id: string, prompt: string): Promise<void> {
  strictEqual((await p.run("_", "ask", id, "--prompt", prompt, "--timeout", "0.1")).code, 124);
}

/** Text of everything below the data dir that a move could change, by path. */
function contents(p: TestProfile, below = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, isDirectory } of Deno.readDirSync(p.path(below))) {
    const path = below === "" ? name : `${below}/${name}`;
    // Files that only record a look, and files that workers and the supervisor write.
    if (/^(sessions|\.lock|\.cursors|\.bin|\.poke|journal\.md|\.wal|\.root-sessions\.json)$/.test(path)) {
      continue;
    }
    if (isDirectory) Object.assign(found, contents(p, path));
    else found[path] = Deno.readTextFileSync(p.path(path));
  }
  return found;
}

function journalOf(p: TestProfile): string[] {
  return fileText(p, "journal.md").split("\n").filter((line) => line !== "");
}

interface Case {
  words: string[];
  stdin?: string;
}

const inWords = (line: string): Case => ({ words: line.split(" ") });

/** Calls that a person may make and worker w1 may not. */
const REFUSED: readonly Case[] = [
  ...[
    "_ answer w2-1 yes",
    "_ answer w1-1 yes",
    "_ answer w2-1 --decline no",
    "_ answer w2-1 --free --replace yes",
    "_ note yes",
    "_ tell w2 stop",
    "_ tell w1 go",
    "_ run --approved yes true",
    "_ run --approved=yes true",
    "_ run --reason why --approved yes true",
    "_ run --approved=yes -- true",
    "_ worker kill w2",
    "_ worker kill w1",
    "_ worker kill w2 --forget",
    "_ worker start w3 --runner shell true",
    "_ worker resume w2 on",
    "_ playbook write mine",
    "_ goal write ship mine",
    "_ goal archive setup",
    "_ sensor write mine true",
    "_ sensor add disk",
    "_ sensor remove today",
    "_ schedule write tea --every 1h tea",
    "_ schedule remove tea",
    "_ undo playbook",
    "_ notify hello",
    "_ wait --timeout 0.1",
    "_ wait --as robin --timeout 0.1",
    "_ ask w2 --prompt hello --timeout 0.1",
    "_ ask withdraw w2-1",
    "_ claim task --session w2",
    "_ claim task --session=w2",
    "_ unclaim task --session w2",
    "_ cost session w2 pi 1",
    "_ ready w2",
    "_ kill w2",
    "_ done w2",
    "_ told w2",
    "up",
    "up --restart",
    "down",
    "init",
    "page",
    "service install --dry-run",
    "demo",
    "_ host check far",
  ].map(inWords),
  { words: ["_", "answer", "w2-1"], stdin: "yes" },
  { words: ["_", "answer", "w2-1", "-"], stdin: "yes" },
  { words: ["_", "note", "--journal", "the human said yes", "x"] },
  { words: ["_", "playbook", "write"], stdin: "mine" },
  { words: ["_", "answer", "--", "w2-1", "yes"] },
];

/** Calls of a worker about itself, or that only read. */
const ALLOWED: readonly string[] = [
  "_ ready w1",
  "_ ask w1 --prompt hello --timeout 0.1",
  "_ ask --prompt hello --timeout 0.1",
  "_ claim task",
  "_ claim task --session w1",
  "_ unclaim task",
  "_ cost session w1 pi 1",
  "_ told",
  "_ told w1",
  "_ ask withdraw w1-1",
  "_ run true",
  "_ state --json",
  "_ ask list",
  "_ worker list",
  "_ worker log w2",
  "_ sensor list",
  "_ sensor examples",
  "_ host examples",
  "journal",
  "status",
  "cost",
  "help",
  "help all",
  "version",
  "logs w2",
  "config bash",
];

async function two(): Promise<{ p: TestProfile; env: Record<string, string> }> {
  const p = await testProfile();
  await p.ok("_", "state");
  Deno.mkdirSync(p.profile.reports, { recursive: true });
  const env = await workerEnv(p, "w1");
  await workerEnv(p, "w2");
  await openAsk(p, "w1", "Which colour?");
  await openAsk(p, "w2", "Merge PR 12?");
  return { p, env };
}

Deno.test("given a worker's environment, when a person's or another's verb is called, then exit 1, nothing changes, and nothing is journaled as the human's", async () => {
  const { p: profile, env } = await two();
  await using p = profile;
  for (const { words, stdin } of REFUSED) {
    const before = contents(p);
    const lines = journalOf(p).length;
    const { code, stdout, stderr } = await p.call(words, { env, ...(stdin === undefined ? {} : { stdin }) });
    const call = words.join(" ");
    deepStrictEqual([call, code, stdout], [call, 1, ""], stderr);
    match(
      stderr,
      /Worker "w1" may not call `looop [^`]+`.*; ask for it with `looop _ ask w1 --prompt "…"`/,
      call,
    );
    deepStrictEqual(contents(p), before, call);
    for (const line of journalOf(p).slice(lines)) match(line, / failed: .* \[worker w1\]$/, call);
  }
  const { error } = JSON.parse((await p.call(["_", "note", "yes", "--json"], { env })).stderr);
  strictEqual(error.kind, "worker");
  ok(!journalOf(p).some((line) => /approved by the human/.test(line)));
  letGo(p);
});

Deno.test("given a worker's environment, when its calls are about itself or only read, then they are allowed, under its own name", async () => {
  const { p: profile, env } = await two();
  await using p = profile;
  for (const line of ALLOWED) {
    const { stderr } = await p.call(line.split(" "), { env });
    ok(!/may not call/.test(stderr), `${line}: ${stderr}`);
  }
  const own = journalOf(p).filter((line) => /withdraw w1-1|run true|claim/.test(line));
  ok(own.length >= 2, own.join("\n"));
  for (const line of own) match(line, /\[worker w1\]$/);
  letGo(p);
});

Deno.test("given the same calls in a person's environment, when they are made, then none is refused as a worker's call", async () => {
  const { p: profile } = await two();
  await using p = profile;
  // Calls that run long, start something or end everything have their own tests.
  const skipped =
    /^(up|down|init|demo|page|service|_ wait|_ worker start|_ worker resume|_ kill|_ done|_ worker kill)/;
  const answered: Result[] = [];
  for (const { words, stdin } of REFUSED) {
    if (skipped.test(words.join(" "))) continue;
    const result = await p.call(words, stdin === undefined ? {} : { stdin });
    ok(!/may not call/.test(result.stderr), `${words.join(" ")}: ${result.stderr}`);
    if (words[1] === "answer") answered.push(result);
  }
  ok(answered.some(({ code }) => code === 0));
  ok(journalOf(p).some((line) => line.endsWith("answer w2-1: yes [hand]")), journalOf(p).join("\n"));
  letGo(p);
});

Deno.test("given a worker that runs looop below `_ run`, a shell or an agent, when that calls a person's verb, then it is still the worker", async () => {
  const { p: profile, env } = await two();
  await using p = profile;
  await p.ok("_", "goal", "write", "ship", "Ship it");
  const before = contents(p);
  const nested = async (args: string[], more: Record<string, string> = {}) => {
    const { code, stderr } = await p.call(args, { env: { ...env, ...more } });
    match(stderr, /Worker "w1" may not call/, args.join(" "));
    strictEqual(code, 1, args.join(" "));
  };
  await nested(["_", "run", '"$LOOOP_BIN" _ answer w2-1 yes']);
  await nested(["_", "run", '"$LOOOP_BIN" _ run --approved yes true']);
  await nested(["_", "run", `"$LOOOP_BIN" _ run '"$LOOOP_BIN" _ note yes'`]);
  await nested(["_", "note", "yes"], { CLAUDECODE: "1", CLAUDE_CODE_SESSION_ID: "abcd" });
  await nested(["_", "note", "yes"], { LOOOP_AGENT: "robin" });
  await Deno.symlink(p.profile.dir, `${p.base}/link`);
  await nested(["_", "note", "yes"], { LOOOP_DATA_DIR: `${p.base}/link` });
  await nested(["_", "note", "yes"], { LOOOP_DATA_DIR: `${p.profile.dir}/.` });
  deepStrictEqual(contents(p), before);
  ok(!journalOf(p).some((line) => /yes \[(hand|root)\]$/.test(line)), journalOf(p).join("\n"));
  letGo(p);
});

Deno.test("given marks of another run, of another profile or half of them, when a person's verb is called, then no worker of this profile calls", async () => {
  const { p: profile, env } = await two();
  await using p = profile;
  await using other = await testProfile();
  await other.ok("_", "state");
  match((await other.call(["_", "note", "mine"], { env })).stdout, /noted/);
  match(other.read("journal.md"), /note: mine \[hand\]$/m);
  for (
    const wrong of [{ LOOOP_SESSION_GEN: "00000000" }, { LOOOP_SESSION_GEN: "" }, { LOOOP_SESSION_ID: "" }]
  ) {
    match((await p.call(["_", "note", "mine"], { env: { ...env, ...wrong } })).stdout, /noted/);
  }
  letGo(p);
});
