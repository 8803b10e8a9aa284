/**
 * The real agent CLIs, as their users install them, as looop's workers and as its root agent. They talk to a
 * scripted model on loopback; `tests/agents/install.sh` installs them, and what is not installed is skipped.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { setConfigValue } from "../../lib/records/config.ts";
import { readAgent } from "../../lib/agents/agent_session.ts";
import { readAllProcesses } from "../../lib/process/table.ts";
import { readRecorded } from "../../lib/agents/records.ts";
import { RECORDS_KINDS, type RecordsKind } from "../../lib/records/presets.ts";
import { withTellHook } from "../../lib/agents/tell_hook.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { ENVIRONMENTS, folderOf, furnish, hurriedGemini, PRICES } from "./homes.ts";
import {
  type Conversation,
  ModelServer,
  type Reply,
  REPLY_TOKENS,
  type Script,
  type Spent,
} from "./model_server.ts";

/** How the root agent is run: without a terminal, so that it ends when its script does. */
const ROOT: Readonly<Record<RecordsKind, readonly string[]>> = {
  // The prompt comes second.
  pi: ["-p"],
  claude: ["-p", "--permission-mode", "dontAsk", "--allowedTools=Bash"],
  codex: ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"],
  opencode: ["run", "--auto"],
  gemini: ["-p", "--skip-trust", "--yolo"],
  qwen: ["--yolo"],
  copilot: ["-p", "--allow-all", "--no-auto-update"],
};
/** A root agent that gets nowhere gives up; opencode alone takes most of a minute to start on a busy machine. */
const GIVE_UP_MS = 150_000;
/** What a worker says of itself: kept, and not added to what its CLI recorded. */
const SELF_REPORT_USD = 9;
/** Dollars of one reply by {@link PRICES}; claude has a list of its own. */
const REPLY_USD = (REPLY_TOKENS.input * PRICES.input + REPLY_TOKENS.output * PRICES.output +
  REPLY_TOKENS.cache_read * PRICES.cached) / 1e6;
/** Replies that a CLI has not written down when it is killed -9 inside a tool call of theirs. */
const UNRECORDED = (cli: RecordsKind) => cli === "opencode" ? 1 : 0;

/** Why a CLI is not tried here; undefined when it is. */
function whyNot(cli: RecordsKind, folder: string | undefined): string | undefined {
  if (folder === undefined) return `run tests/agents/install.sh ${cli}`;
  // Its terminal interface takes half a minute to two minutes to begin on a busy machine of two cores.
  if (cli === "opencode" && Deno.env.get("LOOOP_TEST_OPENCODE") !== "1") {
    return "LOOOP_TEST_OPENCODE=1 runs it";
  }
  return undefined;
}

function skipped(why: string | undefined): string {
  return why === undefined ? "" : ` (skipped: ${why})`;
}

for (const cli of RECORDS_KINDS) {
  const folder = folderOf(cli);
  const why = whyNot(cli, folder);
  const test = (name: string, work: (setting: Setting) => Promise<void>) =>
    Deno.test({
      name: `given ${cli}, ${name}${skipped(why)}`,
      ignore: why !== undefined,
      fn: async () => {
        await using setting = await Setting.of(cli, folder ?? "");
        await work(setting);
      },
    });

  test(
    "when it is root agent and worker, then a question cut off by the shell tool is answered, both end, and the ledger has what both spent",
    loopAsBoth,
  );
  test(
    "when the worker's agent is killed -9 while it asks, then it is resumed, answered, and counted once",
    killedAndResumed,
  );
  test(
    "when a worker follows the contract's lines word for word, then it has its answer, and ends by being done",
    wordForWord,
  );
  test("when workers are killed from outside or by down, then nothing of them is left", killedFromOutside);
  test(
    "when headless workers ask, are killed -9, resumed, answered, or ended, then they end by themselves, legibly and counted once",
    headless,
  );
  // codex, gemini, qwen and copilot have no hook that is given on the command line: they read it by their next call.
  const isHooked = cli === "opencode" ||
    folder !== undefined && withTellHook(`${cli} x`, cli, folder) !== `${cli} x`;
  if (isHooked) {
    test("when a worker is told something in mid-task, then it has it with its next tool call", toldMidTask);
  }
}

/** A file in the folder at which a CLI stops at a dialog, and how that is told. */
const FOLDERS: readonly (readonly [RecordsKind, string, string, RegExp])[] = [
  ["pi", ".pi/settings.json", "{}", /pi asks whether it may trust the folder.*--no-approve/s],
  ["claude", ".mcp.json", '{"mcpServers":{"x":{"command":"true"}}}', /MCP servers.*--strict-mcp-config/s],
  ["codex", ".codex/config.toml", 'model = "script"\n', /codex asks whether it may trust.*trust_level/s],
];

for (const [cli, file, text, said] of FOLDERS) {
  const folder = folderOf(cli);
  const why = whyNot(cli, folder);
  Deno.test({
    name: `given ${cli} and a folder with ${file}, when it is tried, then the dialog it stops at is told${
      skipped(why)
    }`,
    ignore: why !== undefined,
    fn: async () => {
      await using setting = await Setting.of(cli, folder ?? "");
      const { p } = setting;
      const path = `${p.base}/work/${file}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(path, text);
      const { code, stdout } = await p.run("doctor", "--runner", cli, "--cwd", `${p.base}/work`);
      strictEqual(code, 1);
      match(stdout.replace(/\s+/g, " "), said);
    },
  });
}

/** One profile, one server, one CLI. */
class Setting implements AsyncDisposable {
  readonly #began = performance.now();
  private constructor(readonly cli: RecordsKind, readonly p: TestProfile, readonly server: ModelServer) {}

  static async of(cli: RecordsKind, folder: string): Promise<Setting> {
    const p = await testProfile();
    const scripts: Record<string, Script> = {};
    const server = new ModelServer(scripts);
    furnish(p, cli, folder, server.url);
    const setting = new Setting(cli, p, server);
    const { root, hurried, patient, brief, literal, steered } = setting;
    Object.assign(scripts, { root, hurried, patient, brief, literal, steered });
    await p.ok("init", "--runner", cli);
    // Of two that start at once in a fresh home, one may fail at making the database of both.
    if (cli === "opencode") await setting.runCli("db", "select 1");
    // Some compute no dollars: the config's prices do.
    const config = p.read("config.json");
    const prices = Object.fromEntries(["codex", "gemini", "qwen", "copilot"].map((name) => [name, PRICES]));
    // copilot keeps its keys, and gemini its address, from the shells that start workers below them.
    const runner = { preset: cli, env: ENVIRONMENTS[cli](server.url, folder) };
    const priced = setConfigValue(config, ["prices"], prices);
    Deno.writeTextFileSync(p.profile.config, setConfigValue(priced, ["runners", cli], runner));
    return setting;
  }

  /** Resolves when a shell tool's limit has been reached and the question goes on: codex polls the command. */
  readonly cutOff = Promise.withResolvers<void>();

  /** Waits until the question of `w1` is waited for beyond the limit: by the same command called again, or polled. */
  async untilTakenUp(): Promise<void> {
    const again = `${this.p.profile.reports}/ask-2`;
    const isTakenUp = () => readIfThere(again).includes("took up w1-1");
    await Promise.race([this.cutOff.promise, this.p.until("the question is taken up", isTakenUp, 60)]);
  }

  /** Starts a worker, answers its question, and is done when the worker is. */
  readonly root: Script = async ({ results }) => {
    const looop = `'${this.p.base}/bin/looop'`; // codex's shell is a login shell, which resets PATH
    const state = stateIn(results.at(-1) ?? "");
    const ask = state?.asks?.[0]?.id;
    if (results.length === 0) {
      return { shell: `${looop} up && ${looop} _ worker start w1 "[script:hurried] Ask for a colour."` };
    }
    if (ask !== undefined) {
      await this.untilTakenUp();
      return { shell: `${looop} _ answer ${ask} emerald` };
    }
    if (performance.now() - this.#began > GIVE_UP_MS) return { text: `given up: ${results.at(-1)}` };
    if (/"worker:w1"/.test(results.at(-1) ?? "")) return { text: "w1 has ended" };
    return { shell: `${looop} _ wait --json --timeout 20` };
  };

  /** Asks with a short limit, asks again, reports the answer, ends itself. */
  readonly hurried: Script = (conversation) => this.#work(conversation, { timeoutS: 2 });

  /** The same without a limit. */
  readonly patient: Script = (conversation) => this.#work(conversation, {});

  /** Asks and says what it was told: an agent without a terminal ends with its turn. */
  readonly brief: Script = (conversation) => {
    const { results } = conversation;
    const told = results.some((result) => result.includes("emerald"));
    if (told) return { text: "All done, the colour is emerald." };
    return runningCommand(conversation) ?? { shell: `"$LOOOP_BIN" _ ask --prompt "Which colour?"` };
  };

  /** Follows the contract's lines word for word, and reports the answer. */
  readonly literal: Script = (conversation) => {
    const { results, users } = conversation;
    const running = runningCommand(conversation);
    if (running !== undefined) return running;
    const line = (verb: string) =>
      users.join("\n").split("\n").find((text) => /^ {3}'?\//.test(text) && text.includes(` _ ${verb} `))
        ?.trim();
    const said = results.some((result) => result.includes("not yet, wait for CI"));
    if (results.length === 0) return { shell: line("ready") ?? "false" };
    if (!said) return { shell: line("ask") ?? "false" };
    if (!results.some((result) => result.includes("written down"))) {
      const report = `${this.p.profile.reports}/w1.md`;
      return { shell: `echo "told: not yet, wait for CI" >'${report}' && echo written down` };
    }
    return { shell: line("done") ?? "false" };
  };

  /** Works on, call after call, until it has heard of a colour that nobody but its root agent names. */
  readonly steered: Script = ({ results, users }) => {
    const reports = this.p.profile.reports;
    if (results.length === 0) {
      return {
        shell: `touch '${reports}/begun'; until [ -e '${reports}/go' ]; do sleep 0.2; done; echo step`,
      };
    }
    const heard = [...results, ...users].find((text) => text.includes("take emerald"));
    if (heard === undefined && results.length < 6) return { shell: `sleep 0.5; echo step ${results.length}` };
    const said = heard === undefined ? "nothing" : "emerald";
    return {
      shell: `echo "told ${said} after ${results.length}" >'${reports}/w1.md' && "$LOOOP_BIN" _ done`,
    };
  };

  #work(conversation: Conversation, limit: { timeoutS?: number }): Reply {
    const { results } = conversation;
    const ask =
      `"$LOOOP_BIN" _ ask --prompt "Which colour?" 2>"$LOOOP_DATA_DIR/reports/ask-${results.length}"`;
    const running = runningCommand(conversation);
    if (running !== undefined) {
      this.cutOff.resolve();
      return running;
    }
    if (results.length === 0) return { shell: `"$LOOOP_BIN" _ ready "$LOOOP_SESSION_ID"` };
    if (results.length === 1) return { shell: ask, ...limit };
    if (!results.some((result) => result.includes("emerald"))) return { shell: ask };
    return {
      shell: `echo "told emerald" >"$LOOOP_DATA_DIR/reports/$LOOOP_SESSION_ID.md" && ` +
        `"$LOOOP_BIN" _ cost session "$LOOOP_SESSION_ID" self ${SELF_REPORT_USD} && ` +
        `"$LOOOP_BIN" _ done "$LOOOP_SESSION_ID"`,
    };
  }

  /** Gives workers more environment. */
  addRunnerEnv(env: Record<string, string>): void {
    const path = this.p.profile.config;
    const text = Object.entries(env).reduce(
      (config, [name, value]) => setConfigValue(config, ["runners", this.cli, "env", name], value),
      Deno.readTextFileSync(path),
    );
    Deno.writeTextFileSync(path, text);
  }

  /** Rows of the ledger of one id. */
  rows(id: string): Row[] {
    return this.p.read("cost.jsonl").trim().split("\n").map((line) => JSON.parse(line) as Row)
      .filter((row) => row.id === id && row.source === "runner");
  }

  /** Starts a worker and waits until its question is open. */
  async startAsking(id: string, script = "patient", ...options: string[]): Promise<void> {
    const brief = `[script:${script}] Ask for a colour.`;
    match(await this.p.ok("_", "worker", "start", id, ...options, brief), /start-worker/);
    await this.p.until(`${id} asks`, () => this.pending().some((ask) => ask.startsWith(`${id}-`)), 150);
  }

  pending(): string[] {
    return [...Deno.readDirSync(this.p.profile.asks)].filter((entry) => /^[^.].*\.json$/.test(entry.name))
      .map((entry) => entry.name);
  }

  /** The worker as `_ worker list` shows it. */
  async view(id: string): Promise<View> {
    const all: View[] = await this.p.json("_", "worker", "list", "--json");
    return all.find((one) => one.id === id)!;
  }

  /** Waits until a worker has ended and returns how: state, who ended it, exit code. */
  async ending(id: string): Promise<unknown[]> {
    await this.p.until(`${id} ends`, async () => !(await this.view(id)).alive, 120);
    const { state, ended_by, exit_code } = await this.view(id);
    return [state, ended_by, exit_code];
  }

  /**
   * Kills the agent's own programs (some start themselves again below a launcher) once its record has all replies:
   * some write what a reply cost only after they have begun to ask.
   */
  async killAgent(id: string, script: string): Promise<void> {
    const all = this.server.spent(script).output;
    const recorded = async () => {
      const sessions = readAgent(`${this.p.profile.sessions}/${id}`)?.sessions ?? [];
      const records = await Promise.all(sessions.map((one) => readRecorded(one, { env: this.p.env })));
      return records.reduce((sum, record) => sum + (record?.tokens.output ?? 0), 0);
    };
    if (this.cli !== "opencode") {
      await this.p.until("all replies are recorded", async () => await recorded() === all);
    }
    const pid = Number(this.p.read(`sessions/${id}/program`).split(" ")[0]);
    const { processes } = await readAllProcesses();
    for (const fact of processes.values()) {
      try {
        if (fact.pgid === pid) Deno.kill(fact.pid, "SIGKILL");
      } catch {
        // Ended with one that was killed before it.
      }
    }
  }

  /** Runs the CLI without a terminal as root agent and returns what it said. */
  async runRoot(): Promise<string> {
    const [mode, ...options] = ROOT[this.cli];
    return await this.runCli(mode ?? "", "[script:root] Run the loop.", ...options);
  }

  /** Runs the CLI without a terminal and returns what it said. */
  async runCli(...args: string[]): Promise<string> {
    const child = new Deno.Command(`${this.p.base}/bin/${this.cli}`, {
      args,
      env: this.p.env,
      clearEnv: true,
      cwd: this.p.base,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    const { stdout, stderr } = await child.output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutOff.resolve();
    await this.p[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

interface Row {
  id: string;
  runner: string;
  cost_usd: number;
  unpriced?: boolean;
  unrecorded?: number;
  source?: string;
  tokens: { input: number; output: number; cache_read: number; cache_write: number };
}

interface View {
  id: string;
  state: string;
  alive: boolean;
  ended_by?: string;
  exit_code: number | null;
}

interface State {
  asks?: { id: string }[];
  workers?: { id: string; alive: boolean; state: string }[];
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The world that `_ wait --json` printed, out of whatever a shell tool puts around it. */
function stateIn(result: string): State | undefined {
  try {
    return JSON.parse(result.slice(result.indexOf("{"), result.lastIndexOf("}") + 1)) as State;
  } catch {
    return undefined;
  }
}

/** codex says that a command still runs, and wants to be asked again. */
function runningCommand({ results }: Conversation): Reply | undefined {
  const running = /Process running with session ID (\d+)/.exec(results.at(-1) ?? "");
  return running === null ? undefined : { poll: Number(running[1]) };
}

/** The ledger's tokens are the server's, but for the replies of which it says itself that they are missing. */
function requireSpent(rows: readonly Row[], spent: Spent, unrecorded = 0): void {
  const sum = (name: "input" | "output" | "cache_read") =>
    rows.reduce((total, row) => total + row.tokens[name], 0);
  strictEqual(rows.reduce((total, row) => total + (row.unrecorded ?? 0), 0), unrecorded);
  deepStrictEqual(
    [sum("input"), sum("output"), sum("cache_read")],
    [
      spent.input - REPLY_TOKENS.input * unrecorded,
      spent.output - REPLY_TOKENS.output * unrecorded,
      spent.cache_read - REPLY_TOKENS.cache_read * unrecorded,
    ],
  );
  for (const row of rows) {
    ok(row.tokens.output === 0 || row.cost_usd > 0 || row.unpriced, "dollars, or said to be unknown");
  }
}

async function loopAsBoth(setting: Setting): Promise<void> {
  const { cli, p, server } = setting;
  // The root agent itself waits longer than that.
  if (cli === "gemini") setting.addRunnerEnv(hurriedGemini(p));
  match(await setting.runRoot(), /w1 has ended/);
  deepStrictEqual(await setting.ending("w1"), ["exited", "self", 0]);
  strictEqual(p.read("reports/w1.md"), "told emerald\n");
  await p.ok("down");
  deepStrictEqual(await p.processes(), []);
  deepStrictEqual(setting.pending(), []);
  const month = new Date().toISOString().slice(0, 7);
  const archived = [...Deno.readDirSync(`${p.profile.asksArchive}/${month}`)].map(({ name }) => name).sort();
  deepStrictEqual(archived, ["w1-1.answer.json", "w1-1.json"], "asked once, however often it was called");
  strictEqual(setting.rows("w1").length, 1);
  requireSpent(setting.rows("w1"), server.spent("hurried"));
  requireSpent(setting.rows("root"), server.spent("root"));
  const cost = await p.json("cost", "--json");
  deepStrictEqual([cost.superseded.usd, cost.coverage.ratio], [SELF_REPORT_USD, 1]);
  const rows = [...setting.rows("w1"), ...setting.rows("root")];
  const usd = rows.reduce((sum, row) => sum + row.cost_usd, 0);
  ok(Math.abs(cost.total_usd - usd) < 1e-6, `${cost.total_usd} is ${usd}`);
  const replies = rows.reduce((sum, row) => sum + row.tokens.output, 0) / REPLY_TOKENS.output;
  ok(cli === "claude" || Math.abs(usd - replies * REPLY_USD) < 1e-6, `${usd} for ${replies} replies`);
}

async function killedAndResumed(setting: Setting): Promise<void> {
  const { cli, p, server } = setting;
  await p.ok("up");
  await setting.startAsking("w1");
  await setting.killAgent("w1", "patient");
  strictEqual((await setting.ending("w1"))[1], "crash");
  deepStrictEqual(setting.pending(), ["w1-1.json"]);
  match(await p.ok("_", "worker", "resume", "w1"), /resume-worker w1/);
  await p.ok("_", "answer", "w1-1", "emerald");
  deepStrictEqual(await setting.ending("w1"), ["exited", "self", 0]);
  strictEqual(p.read("reports/w1.md"), "told emerald\n");
  await p.ok("down");
  strictEqual(setting.rows("w1").length, 2, "one row a run");
  requireSpent(setting.rows("w1"), server.spent("patient"), UNRECORDED(cli));
  // claude writes its dollars down as it ends: killed, it has told its tokens alone.
  const { unpriced, coverage } = await p.json("cost", "--json");
  deepStrictEqual([unpriced, coverage.ratio], [cli === "claude" ? ["w1"] : [], 1]);
}

async function wordForWord(setting: Setting): Promise<void> {
  const { p, server } = setting;
  await p.ok("up");
  await p.ok("_", "worker", "start", "w1", "[script:literal] Merge it.");
  await p.until("w1 asks", () => setting.pending().includes("w1-1.json"), 150);
  const { asks } = await p.json("_", "state", "--json");
  deepStrictEqual([asks[0].prompt, asks[0].options], ["Merge PR 12 of api into main?", ["yes", "no"]]);
  await p.ok("_", "answer", "w1-1", "--free", "not yet, wait for CI");
  deepStrictEqual(await setting.ending("w1"), ["exited", "self", 0]);
  strictEqual(p.read("reports/w1.md"), "told: not yet, wait for CI\n");
  await p.ok("down");
  requireSpent(setting.rows("w1"), server.spent("literal"));
}

async function killedFromOutside(setting: Setting): Promise<void> {
  const { p } = setting;
  await p.ok("up");
  await Promise.all([setting.startAsking("w1"), setting.startAsking("w2")]);
  match(await p.ok("_", "worker", "kill", "w1"), /killed worker w1/);
  deepStrictEqual(await setting.ending("w1"), ["killed", "root", null]);
  match(await p.ok("down"), /stopped 1 worker \(w2\)/);
  deepStrictEqual(await setting.ending("w2"), ["killed", "down", null]);
  deepStrictEqual(await p.processes(), []);
  await p.ok("cost");
  // Within which of their replies they were met is chance; each is counted or said to be missing.
  const rows = [...setting.rows("w1"), ...setting.rows("w2")];
  const unrecorded = rows.reduce((sum, row) => sum + (row.unrecorded ?? 0), 0);
  const spent = setting.server.spent("patient");
  requireSpent(rows, spent, unrecorded);
  strictEqual(spent.replies, 4, "two each, and none for a command that ended because its worker did");
}

async function toldMidTask(setting: Setting): Promise<void> {
  const { p } = setting;
  await p.ok("up");
  Deno.mkdirSync(p.profile.reports, { recursive: true });
  await p.ok("_", "worker", "start", "w1", "[script:steered] Choose a colour.");
  await p.until("it works", () => isThere(`${p.profile.reports}/begun`), 150);
  await p.ok("_", "tell", "w1", "Please", "take", "emerald");
  Deno.writeTextFileSync(`${p.profile.reports}/go`, "");
  deepStrictEqual(await setting.ending("w1"), ["exited", "self", 0]);
  strictEqual(p.read("reports/w1.md"), "told emerald after 1\n");
  deepStrictEqual([...Deno.readDirSync(p.path("tells/w1"))].map(({ name }) => name), ["1.done"]);
}

async function headless(setting: Setting): Promise<void> {
  const { cli, p, server } = setting;
  await p.ok("up");
  await Promise.all(
    ["w1", "w2"].map((id) => setting.startAsking(id, id === "w1" ? "brief" : "patient", "--headless")),
  );
  match(await p.ok("_", "worker", "kill", "w2"), /killed worker w2/);
  deepStrictEqual(await setting.ending("w2"), ["killed", "root", null]);
  await setting.killAgent("w1", "brief");
  strictEqual((await setting.ending("w1"))[1], "crash");
  match(await p.ok("_", "worker", "resume", "w1"), /resume-worker w1/);
  await p.ok("_", "answer", "w1-1", "emerald");
  deepStrictEqual(await setting.ending("w1"), ["exited", "self", 0]);
  const log = await p.ok("logs", "w1");
  match(log, /All done, the colour is emerald\./);
  // pi says nothing before its end.
  ok(cli === "pi" || /_ ask --prompt "Which colour\?"/.test(log), log);
  ok(!log.includes('{"type":'), log);
  await p.ok("down");
  deepStrictEqual(await p.processes(), []);
  strictEqual(setting.rows("w1").length, 2, "one row a run");
  requireSpent(setting.rows("w1"), server.spent("brief"), UNRECORDED(cli));
}
