/**
 * Takes over a profile of the first looop 0.1.0, whose data dirs had no id and whose records named no machine, while its
 * pulse and its workers live. The program is made from this repository's history; without it these tests are skipped.
 */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Result, type TestProfile, testProfile } from "../looop.ts";
import { isGone, published, pulsePid } from "../published.ts";
import { endedWorker, fileText, letGo, textOf } from "../workers.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** The last commit of that looop. */
const COMMIT = "f8612a4";
/** Time limit of one call of the old program, ms. */
const LIMIT_MS = 60_000;

const hasHistory = (await git("cat-file", "-e", `${COMMIT}^{commit}`)).success;

function git(...args: string[]): Promise<Deno.CommandOutput> {
  return new Deno.Command("git", { args: ["-C", ROOT, ...args], stdout: "null", stderr: "null" }).output()
    .catch(() => ({ success: false }) as Deno.CommandOutput);
}

/** Checks the old program out beside the profile. */
async function checkOut(tree: string): Promise<void> {
  await Deno.mkdir(tree);
  const { success } = await new Deno.Command("sh", {
    args: ["-c", 'git -C "$1" archive "$2" | tar -x -C "$3"', "sh", ROOT, COMMIT, tree],
  }).output();
  ok(success, "the old program is there");
}

function given(name: string, work: (p: TestProfile) => Promise<void>): void {
  Deno.test({
    name: `given ${name}${hasHistory ? "" : " (skipped: the history is not here)"}`,
    ignore: !hasHistory,
    async fn() {
      await using p = await testProfile();
      await checkOut(`${p.base}/old`);
      await work(p);
    },
  });
}

async function old(p: TestProfile, args: string[], stdin = ""): Promise<Result> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-prompt", `${p.base}/old/main.ts`, ...args],
    env: p.env,
    clearEnv: true,
    cwd: p.base,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(LIMIT_MS),
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

async function oldOk(p: TestProfile, args: string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await old(p, args, stdin);
  strictEqual(code, 0, `0.1.0: ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const ASKS = `color=$("$LOOOP_BIN" _ ask w1 --prompt "Which?" --options red,blue)
until [ -e "$LOOOP_DATA_DIR/reports/go" ]; do sleep 0.05; done
echo "$color" >"$LOOOP_DATA_DIR/reports/w1.md"
"$LOOOP_BIN" _ kill w1`;

/** Starts a pulse, a worker with a question and a lease, and another worker. */
async function oldFleet(p: TestProfile): Promise<number> {
  await oldOk(p, ["up"]);
  await oldOk(p, ["_", "goal", "write", "ship", "Ship it."]);
  await oldOk(p, ["_", "worker", "start", "w1", "--runner", "shell"], ASKS);
  await oldOk(p, ["_", "worker", "start", "w2", "--runner", "shell"], "sleep 600");
  await oldOk(p, ["_", "claim", "task", "--session", "w1"]);
  await p.until("the question is there", () => fileText(p, "asks/w1-1.json") !== "");
  return pulsePid(p);
}

const alive = (state: { workers: { id: string; state: string; alive: boolean }[] }) =>
  state.workers.map(({ id, state, alive }) => [id, state, alive]);
const BOTH = [["w1", "running", true], ["w2", "running", true]];

for (const up of [["up"], ["up", "--restart"]]) {
  given(
    `a living fleet of 0.1.0, when \`${up.join(" ")}\` takes it over, then nothing of it is lost`,
    async (p) => {
      const before = await oldFleet(p);
      deepStrictEqual(alive(await p.json("_", "state", "--json")), BOTH, "seen before it is taken over");
      match(await p.ok(...up), /pulse restarted/);
      ok(isGone(before), "the old pulse has ended");
      notStrictEqual(pulsePid(p), before);
      strictEqual(await pulses(p), 1);
      const state = await p.json("_", "state", "--json");
      deepStrictEqual(alive(state), BOTH);
      deepStrictEqual([state.pulse.alive, state.pulse.stalled, state.bad_files], [true, false, []]);
      ok(state.goals.includes("ship"));
      deepStrictEqual(state.asks.map(({ id }: { id: string }) => id), ["w1-1"]);
      match((await p.run("_", "claim", "task", "--session", "other")).stderr, /held by "w1"/);
      const { beat } = published(p);
      await p.until("it beats", () => published(p).beat > beat + 1);
      match(p.read("journal.md"), /write-goal ship[^]*start-worker w1/);
      const { reason, asks } = await p.wait("--fresh", "--timeout", "20");
      deepStrictEqual(asks.map(({ id }: { id: string }) => id), ["w1-1"]);
      ok(!reason.some((one: string) => /^(worker|not_ready|bad_file|pulse)/.test(one)), reason.join());
      await p.ok("_", "answer", "w1-1", "blue");
      letGo(p);
      strictEqual(await textOf(p, "reports/w1.md"), "blue\n");
      const ended = await endedWorker(p, "w1");
      deepStrictEqual([ended.state, ended.exit_code, ended.ended_by], ["exited", 0, "self"]);
      await p.ok("_", "claim", "task", "--session", "other");
      await p.ok("_", "worker", "kill", "w2");
      await p.ok("down");
      deepStrictEqual(await p.processes(), []);
    },
  );
}

given(
  "a living fleet of 0.1.0 whose pulse is killed, when an observer waits, then ours goes on with it",
  async (p) => {
    const before = await oldFleet(p);
    Deno.kill(before, "SIGKILL");
    await p.until("the old pulse is dead", () => isGone(before));
    const { asks } = await p.wait("--timeout", "30");
    deepStrictEqual(asks.map(({ id }: { id: string }) => id), ["w1-1"]);
    deepStrictEqual(alive(await p.json("_", "state", "--json")), BOTH);
    strictEqual(await pulses(p), 1);
    await p.ok("down");
    deepStrictEqual(await p.processes(), []);
  },
);

/** Number of this data dir's pulses. */
async function pulses(p: TestProfile): Promise<number> {
  const lines = await Promise.all(
    (await p.processes()).map((pid) =>
      new Deno.Command("ps", { args: ["-o", "args=", "-p", `${pid}`] }).output()
    ),
  );
  return lines.filter(({ stdout }) => / _ pulse\n$/.test(new TextDecoder().decode(stdout))).length;
}
