/**
 * The real agent CLIs, as their users install them, as looop's workers and as its root agent. They talk to a
 * scripted model on loopback; `tests/agents/install.sh` installs them, and what is not installed is skipped.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { setConfigValue } from "../../lib/records/config.ts";
import { presetNamed, type RecordsKind } from "../../lib/records/presets.ts";
import { withTellHook } from "../../lib/agents/tell_hook.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { ENVIRONMENTS, folderOf, furnish, GEMINI_LIMIT_S, PRICES } from "./homes.ts";
import { killAgent, requireSpent, type Row, rowsOf, runningCommand, untilRecorded } from "./runs.ts";
import { type Conversation, ModelServer, type Reply, REPLY_TOKENS, type Script } from "./model_server.ts";

/** Options of the root agent: it runs without a terminal, so that it ends when its script does. */
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
/** Prompts for CLIs with a hook or plugin that reminds their root agent; claude and qwen have it in looop's skill. */
const REMINDED: Readonly<Partial<Record<RecordsKind, string>>> = {
  pi: "[script:leaving]",
  claude: "/looop [script:leaving]",
  opencode: "[script:leaving]",
  gemini: "[script:leaving]",
  qwen: "/looop [script:leaving]",
  copilot: "[script:leaving]",
};
/** Time after which a root agent gives up, ms; on a busy machine opencode takes most of a minute to start. */
const GIVE_UP_MS = 150_000;
/** Dollars that a worker reports of itself; they are kept, but not added to what its CLI recorded. */
const SELF_REPORT_USD = 9;
/** Dollars of one reply by {@link PRICES}; claude has its own prices. */
const REPLY_USD = (REPLY_TOKENS.input * PRICES.input + REPLY_TOKENS.output * PRICES.output +
  REPLY_TOKENS.cache_read * PRICES.cached) / 1e6;
/** Number of replies missing from a CLI's record after it was killed with -9 during their tool call. */
const UNRECORDED = (cli: RecordsKind) => cli === "opencode" ? 1 : 0;

/** Why a CLI is not tried here; undefined if it is. */
function whyNot(cli: RecordsKind, folder: string | undefined): string | undefined {
  if (folder === undefined) return `run tests/agents/install.sh ${cli}`;
  // On two busy cores its terminal interface takes half a minute to two minutes to start.
  if (cli === "opencode" && Deno.env.get("LOOOP_TEST_OPENCODE") !== "1") {
    return "LOOOP_TEST_OPENCODE=1 runs it";
  }
  return undefined;
}

function skipped(why: string | undefined): string {
  return why === undefined ? "" : ` (skipped: ${why})`;
}

/** Registers all tests of one CLI. Each CLI has a file of its own, since files run in parallel. */
export function testAgent(cli: RecordsKind): void {
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
  if (REMINDED[cli] !== undefined) {
    test("when a root agent ends its turn while a question is open, then it is reminded, once", reminded);
  }
  // Other CLIs get the id of their session at the start.
  if (presetNamed(cli)?.session?.start === undefined) {
    test("when a headless worker calls no verb, then its spend is known and it is resumed", mute);
  }
  // codex, gemini, qwen and copilot take no hook on the command line; they read the text at their next looop call.
  const isHooked = cli === "opencode" ||
    folder !== undefined && withTellHook(`${cli} x`, cli, folder) !== `${cli} x`;
  if (isHooked) {
    test("when a worker is told something in mid-task, then it has it with its next tool call", toldMidTask);
  }
  for (const dialog of DIALOGS) if (dialog[0] === cli) testDialog(dialog, folder);
}

/** CLI, a file below the base that makes it stop at a dialog, the file's text, and the warning. */
const DIALOGS: readonly (readonly [RecordsKind, string, string, RegExp])[] = [
  ["pi", "work/.pi/settings.json", "{}", /pi asks whether it may trust the folder.*--no-approve/s],
  [
    "claude",
    "work/.mcp.json",
    '{"mcpServers":{"x":{"command":"true"}}}',
    /MCP servers.*--strict-mcp-config/s,
  ],
  ["codex", "work/.codex/config.toml", 'model = "script"\n', /codex asks whether it may trust.*trust_level/s],
  ["gemini", "home/.gemini/settings.json", "{}", /gemini asks how to log in.*selectedType/s],
  [
    "qwen",
    "home/.qwen/settings.json",
    '{"security":{"auth":{"selectedType":"openai"},"folderTrust":{"enabled":true}}}',
    /qwen asks whether it may trust the folder/,
  ],
  [
    "copilot",
    "data dir/config.json",
    '{"runners":{"copilot":{"preset":"copilot","env":{"COPILOT_ALLOW_ALL":"no"}}}}',
    /copilot asks whether it may trust the folder.*COPILOT_ALLOW_ALL/,
  ],
];

function testDialog([cli, file, text, said]: typeof DIALOGS[number], folder: string | undefined): void {
  const why = whyNot(cli, folder);
  Deno.test({
    name:
      `given ${cli}, when it is tried and ${file} makes it ask, then the dialog it stops at is told, else it is well${
        skipped(why)
      }`,
    ignore: why !== undefined,
    fn: async () => {
      await using setting = await Setting.of(cli, folder ?? "");
      const { p } = setting;
      const doctor = () => p.run("doctor", "--runner", cli, "--cwd", `${p.base}/work`);
      const path = `${p.base}/${file}`;
      Deno.mkdirSync(`${p.base}/work`);
      // The skill that reminds a root agent must not stop a worker.
      await p.ok("init", "--skill", cli);
      const well = await doctor();
      match(well.stdout.replace(/\s+/g, " "), /^ok .* stops at no dialog/, well.stderr);
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(path, text);
      const { code, stdout } = await doctor();
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
    const { root, hurried, patient, brief, literal, steered, silent, leaving } = setting;
    Object.assign(scripts, { root, hurried, patient, brief, literal, steered, silent, leaving });
    await p.ok("init", "--runner", cli);
    // If two start at once in a fresh home, one may fail to create their shared database.
    if (cli === "opencode") await setting.runCli("db", "select 1");
    // These CLIs record tokens but no dollars, so the config sets prices.
    const config = p.read("config.json");
    const prices = Object.fromEntries(["codex", "gemini", "qwen", "copilot"].map((name) => [name, PRICES]));
    // copilot hides its keys, and gemini its address, from its shells, so the runner's own line sets them.
    const runner = { preset: cli, env: ENVIRONMENTS[cli](server.url, folder) };
    const priced = setConfigValue(config, ["prices"], prices);
    Deno.writeTextFileSync(p.profile.config, setConfigValue(priced, ["runners", cli], runner));
    return setting;
  }

  /** Resolves when the ask has outlived the shell tool's limit and codex polls the command. */
  readonly cutOff = Promise.withResolvers<void>();

  /** Waits until the agent waits for `w1-1` beyond its tool's limit, by calling the same command again or by a poll. */
  async untilTakenUp(): Promise<void> {
    const again = `${this.p.profile.reports}/ask-2`;
    const isTakenUp = () => readIfThere(again).includes("took up w1-1");
    await Promise.race([this.cutOff.promise, this.p.until("the question is taken up", isTakenUp, 60)]);
  }

  /** Starts a worker, answers its question, and is done when the worker is. */
  readonly root: Script = async ({ results }) => {
    const looop = `'${this.p.base}/bin/looop'`; // codex runs a login shell, which resets PATH
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
    const seconds = this.cli === "gemini" ? GEMINI_LIMIT_S / 2 : 20;
    // gemini and qwen take five equal calls for a loop, so help says to number them.
    return { shell: `${looop} _ wait --json --timeout ${seconds} # ${results.length}` };
  };

  /** Asks with a short limit, asks again, reports the answer, ends itself. */
  readonly hurried: Script = (conversation) => this.#work(conversation, { timeoutS: 2 });

  /** The same without a limit. */
  readonly patient: Script = (conversation) => this.#work(conversation, {});

  /** Asks and says the answer; without a terminal the agent ends when its turn does. */
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

  /** Makes one call after another until it hears of a colour that only its root agent names. */
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

  /** Runs one command that is not looop's and says how often it was prompted. */
  readonly silent: Script = ({ results, users }) => {
    if (results.length === 0) return { shell: "echo step" };
    return { text: `asked ${users.filter((text) => text.includes("Go.")).length} times` };
  };

  /** A root agent that ends its turn while a question is open, and does not answer it when it is reminded. */
  readonly leaving: Script = ({ results, users }) => {
    if (results.length === 0) return { shell: `'${this.p.base}/bin/looop' _ wait --json --timeout 5` };
    this.reminders = users.filter((text) => text.includes("Questions of workers are open")).length;
    return { text: `reminded ${this.reminders} times` };
  };
  reminders = 0;

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

  /** Rows of the ledger of one id. */
  rows(id: string): Row[] {
    return rowsOf(this.p, id);
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
   * Kills the agent's own programs (some start themselves again below a launcher) once its record has all replies, since
   * some record a reply's tokens only after they have begun to ask.
   */
  async killAgent(id: string, script: string): Promise<void> {
    if (this.cli !== "opencode") await untilRecorded(this.p, id, this.server.spent(script));
    await killAgent(this.p, id);
  }

  /** Runs the CLI without a terminal as root agent and returns what it said. */
  async runRoot(): Promise<string> {
    const [mode, ...options] = ROOT[this.cli];
    return await this.runCli(mode ?? "", "[script:root] Run the loop.", ...options);
  }

  /** Runs a line in a terminal until it is disposed of. */
  inTerminal(line: string): AsyncDisposable {
    const child = new Deno.Command("script", {
      args: ["-qefc", `stty rows 40 cols 120; exec ${line}`, "/dev/null"],
      env: this.p.env,
      clearEnv: true,
      cwd: this.p.base,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return {
      async [Symbol.asyncDispose]() {
        child.kill("SIGTERM");
        await child.status;
      },
    };
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

/** The world that `_ wait --json` printed, without the text that a shell tool puts around it. */
function stateIn(result: string): State | undefined {
  try {
    return JSON.parse(result.slice(result.indexOf("{"), result.lastIndexOf("}") + 1)) as State;
  } catch {
    return undefined;
  }
}

async function loopAsBoth(setting: Setting): Promise<void> {
  const { cli, p, server } = setting;
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
  // claude records its dollars as it ends; once killed, it has recorded only its tokens.
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
  // The kill may hit any reply; each one is either counted or reported as missing.
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
  // pi prints nothing before it ends.
  ok(cli === "pi" || /_ ask --prompt "Which colour\?"/.test(log), log);
  ok(!log.includes('{"type":'), log);
  await p.ok("down");
  deepStrictEqual(await p.processes(), []);
  strictEqual(setting.rows("w1").length, 2, "one row a run");
  requireSpent(setting.rows("w1"), server.spent("brief"), UNRECORDED(cli));
}

async function mute(setting: Setting): Promise<void> {
  const { p, server } = setting;
  await p.ok("up");
  await p.ok("_", "worker", "start", "w1", "--headless", "[script:silent] Go.");
  deepStrictEqual(await setting.ending("w1"), ["exited", "self", 0]);
  match(await p.ok("_", "worker", "resume", "w1", "Go."), /resume-worker w1/);
  deepStrictEqual(await setting.ending("w1"), ["exited", "self", 0]);
  match(await p.ok("logs", "w1"), /asked 2 times/);
  await p.ok("down");
  strictEqual(setting.rows("w1").length, 2, "one row a run");
  requireSpent(setting.rows("w1"), server.spent("silent"));
}

async function reminded(setting: Setting): Promise<void> {
  const { cli, p, server } = setting;
  await p.ok("init", "--skill", cli);
  await p.ok("up");
  await p.run("_", "ask", "w1", "--prompt", "Now?", "--timeout", "0.05");
  const [mode, ...options] = ROOT[cli];
  const run = () => setting.runCli(mode ?? "", REMINDED[cli] ?? "", ...options);
  if (cli === "opencode") {
    // Without its terminal interface it ends with its turn, even if a plugin asks it to go on.
    await using _terminal = setting.inTerminal(`opencode --auto --prompt '${REMINDED[cli]}'`);
    await p.until("it is reminded", () => server.spent("leaving").replies === 3, 150);
    await p.until("its last reply is there", () => setting.reminders === 1, 10);
    return;
  }
  match(await run(), /reminded 1 times/);
  strictEqual(server.spent("leaving").replies, 3, "once");
  await p.ok("_", "ask", "withdraw", "w1-1");
  match(await run(), /reminded 0 times/);
  await p.ok("down");
}
