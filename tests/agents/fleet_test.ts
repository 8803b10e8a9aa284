/**
 * Eight different workers at once, the seven agent CLIs and a shell: each asks two questions and gets its own answers.
 * It takes some minutes, so it runs with `LOOOP_TEST_FLEET=1` alone.
 */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { setConfigValue } from "../../lib/records/config.ts";
import { RECORDS_KINDS, type RecordsKind } from "../../lib/records/presets.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { ENVIRONMENTS, folderOf, furnish, PRICES } from "./homes.ts";
import { ModelServer, type Script } from "./model_server.ts";
import { killAgent, requireSpent, rowsOf, runningCommand, untilRecorded } from "./runs.ts";

/** Workers are named after their runners. */
const IDS = [...RECORDS_KINDS, "shell"] as const;
/** The worker that is killed with -9 while it asks, and the one whose second question is declined. */
const KILLED = "pi";
const DECLINED = "gemini";

const isAsked = Deno.env.get("LOOOP_TEST_FLEET") === "1";
const missing = RECORDS_KINDS.filter((cli) => folderOf(cli) === undefined);
const why = isAsked
  ? missing.map((cli) => `run tests/agents/install.sh ${cli}`)
  : ["LOOOP_TEST_FLEET=1 runs it"];

Deno.test({
  name:
    `given eight different workers at once with two questions each, when they are answered out of order, one is ` +
    `declined, one killed -9 and the pulse as well, then each has its own, nothing is left, and the ledger is the ` +
    `server's count${why.length > 0 ? ` (skipped: ${why.join(", ")})` : ""}`,
  ignore: why.length > 0,
  fn: async () => {
    await using p = await testProfile();
    await using server = new ModelServer(Object.fromEntries(RECORDS_KINDS.map((cli) => [cli, script(p)])));
    await wire(p, server);
    await p.ok("up");
    await Promise.all(
      IDS.map((id) => p.okCall(["_", "worker", "start", id, "--runner", id], { stdin: brief(p, id) })),
    );
    await untilPending(p, 1);

    await untilRecorded(p, KILLED, server.spent(KILLED));
    await killAgent(p, KILLED);
    await p.until(`${KILLED} is dead`, async () => !(await view(p, KILLED)).alive, 60);
    Deno.kill(Number(JSON.parse(p.read(".pulse.json")).pid), "SIGKILL");
    match(await p.ok("_", "worker", "resume", KILLED), /resume-worker/);
    await p.ok("_", "wait", "--json", "--timeout", "20");

    for (const id of [...IDS].reverse()) await p.ok("_", "answer", `${id}-1`, `colour of ${id} is c${id}`);
    await untilPending(p, 2);
    for (const id of [...IDS].sort((a, b) => a.length - b.length || b.localeCompare(a))) {
      const size = `size of ${id} is s${id}`;
      await p.ok("_", "answer", `${id}-2`, ...(id === DECLINED ? ["--decline", size] : [size]));
    }

    for (const id of IDS) {
      await p.until(`${id} ends`, async () => !(await view(p, id)).alive, 240);
      const { state, ended_by, exit_code } = await view(p, id);
      deepStrictEqual([id, state, ended_by, exit_code], [id, "exited", "self", 0]);
      strictEqual(p.read(`reports/${id}.md`).trim(), `colour of ${id} is c${id}, size of ${id} is s${id}`);
    }
    await p.ok("down");
    deepStrictEqual(await p.processes(), []);
    requireMailbox(p);
    await p.ok("cost");
    for (const cli of RECORDS_KINDS) {
      strictEqual(rowsOf(p, cli).length, cli === KILLED ? 2 : 1, cli);
      requireSpent(rowsOf(p, cli), server.spent(cli));
    }
    // The shell uses no tokens.
    strictEqual((await p.json("cost", "--json")).coverage.ratio, RECORDS_KINDS.length / IDS.length);
  },
});

/** Follows the contract and reports the answers it got, even if they were meant for another worker. */
function script(p: TestProfile): Script {
  return (conversation) => {
    const { results, users } = conversation;
    const running = runningCommand(conversation);
    if (running !== undefined) return running;
    const id = /You are worker "(\w+)"/.exec(users.join("\n"))?.[1] ?? "nobody";
    if (results.length === 0) return { shell: `"$LOOOP_BIN" _ ready ${id}` };
    const told = ["colour", "size"].map((what) =>
      new RegExp(`${what} of \\w+ is \\w+`).exec(results.join("\n"))?.[0]
    );
    const next = told[0] === undefined ? "colour" : told[1] === undefined ? "size" : undefined;
    const question = `"$LOOOP_BIN" _ ask ${id} --prompt "Which ${next} has ${id}?" # ${results.length}`;
    if (next !== undefined) return { shell: question, timeoutS: 600 };
    return {
      shell: `echo "${told.join(", ")}" >'${p.profile.reports}/${id}.md' && "$LOOOP_BIN" _ done ${id}`,
    };
  };
}

/** The brief of a worker. The shell runs its brief as a script; the others take each step from their model. */
function brief(p: TestProfile, id: string): string {
  if (id !== "shell") return `[script:${id}] Ask for a colour and a size.`;
  return `colour=$("$LOOOP_BIN" _ ask --prompt "Which colour has shell?")
size=$("$LOOOP_BIN" _ ask --prompt "Which size has shell?")
echo "$colour, $size" >'${p.profile.reports}/shell.md'
`;
}

/** One home and one config for all CLIs. */
async function wire(p: TestProfile, server: ModelServer): Promise<void> {
  for (const cli of RECORDS_KINDS) furnish(p, cli, folderOf(cli) ?? "", server.url);
  await p.ok("init", "--runner", "pi");
  await new Deno.Command(`${p.base}/bin/opencode`, {
    args: ["db", "select 1"],
    env: p.env,
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  const prices = Object.fromEntries(["codex", "gemini", "qwen", "copilot"].map((name) => [name, PRICES]));
  const config = RECORDS_KINDS.reduce(
    (text, cli) => setConfigValue(text, ["runners", cli], { preset: cli, env: environment(cli, server.url) }),
    setConfigValue(p.read("config.json"), ["prices"], prices),
  );
  Deno.writeTextFileSync(p.profile.config, config);
}

function environment(cli: RecordsKind, url: string): Record<string, string> {
  return ENVIRONMENTS[cli](url, folderOf(cli) ?? "");
}

async function untilPending(p: TestProfile, n: number): Promise<void> {
  const open = IDS.map((id) => `${id}-${n}.json`).sort();
  const all = () => {
    const names = new Set([...Deno.readDirSync(p.profile.asks)].map(({ name }) => name));
    return open.every((name) => names.has(name));
  };
  await p.until(`all have asked question ${n}`, all, 300);
}

async function view(p: TestProfile, id: string) {
  const all = await p.json("_", "worker", "list", "--json") as {
    id: string;
    alive: boolean;
    state: string;
    ended_by?: string;
    exit_code: number | null;
  }[];
  return all.find((one) => one.id === id)!;
}

/** Each question was asked once and answered once. */
function requireMailbox(p: TestProfile): void {
  deepStrictEqual(
    [...Deno.readDirSync(p.profile.asks)].filter(({ name }) => /^\w+-\d+\.json$/.test(name)),
    [],
  );
  const months = [...Deno.readDirSync(p.profile.asksArchive)].map(({ name }) => name);
  const names = months.flatMap((month) =>
    [...Deno.readDirSync(`${p.profile.asksArchive}/${month}`)].map(({ name }) => name)
  );
  const asks = IDS.flatMap((id) => [1, 2].flatMap((n) => [`${id}-${n}.json`, `${id}-${n}.answer.json`]));
  deepStrictEqual(names.sort(), asks.sort());
}
