/**
 * `looop demo`: runs the whole loop in a throw-away profile, with real verbs, a real repository and a real worker.
 */
import { runSmall, type SmallResult } from "../lib/process/spawn.ts";
import { ownVariables } from "../lib/records/home.ts";
import { childEnv } from "../lib/process/child_env.ts";
import { DEMO_REPORT, demoBrief, demoSensor } from "../lib/cli/demo.ts";
import { oneLine, UserError } from "../lib/errors.ts";
import { profileAt } from "../lib/paths.ts";
import { readMarked } from "../lib/process/table.ts";
import { runStoppable, stoppedError } from "../lib/process/stop.ts";
import { readText, removeTree } from "../lib/store.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

/** The part of `_ wait --json` that the demo reads. */
interface Woken {
  reason: string[];
  timed_out?: boolean;
  asks: { id: string; prompt: string; options?: string[] }[];
  workers: { id: string; alive: boolean; state: string; ended_by?: string }[];
  snapshots: Record<string, { signal?: unknown }>;
}

const STEP_TIMEOUT_S = 10;

export default defineVerb({
  declare: {
    path: "demo",
    summary: "the whole loop in a throw-away profile, in under 15 s",
    audience: "people",
    options: [{ name: "keep", summary: "keep the folder to look at" }],
    example: "looop demo",
    details:
      "A sensor notices a branch, the root side wakes, a worker starts, asks, is answered, merges, reports and\n" +
      "ends. A script plays the agents; everything else is real. Nothing outside a temporary folder is touched.",
  },
  async run(context, input) {
    const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-demo-" }));
    const demo = new Demo(context, base);
    const { value: failure, stoppedBy } = await runStoppable((stop) =>
      demo.play(stop).then(() => undefined, (error: Error) => error)
    );
    const keep = stoppedBy === undefined && (failure !== undefined || input.flag("keep"));
    await demo.tearDown(keep);
    if (stoppedBy !== undefined) throw stoppedError(stoppedBy, "what it had started and its folder are gone");
    if (failure !== undefined) throw asUserError(failure);
    demo.epilogue(keep);
  },
});

function asUserError(failure: Error): UserError {
  if (failure instanceof UserError) return failure;
  return new UserError(`The demo failed: ${failure.message}`, { next: "run `looop doctor`", cause: failure });
}

class Demo {
  readonly #context: Context;
  readonly #base: string;
  readonly #repo: string;
  readonly #env: Record<string, string>;
  readonly #dataDir: string;
  readonly #started = performance.now();
  /** Ends the current step. */
  #stop: AbortSignal | undefined;

  constructor(context: Context, base: string) {
    this.#context = context;
    this.#base = base;
    this.#repo = `${base}/repo`;
    this.#dataDir = `${base}/profile`;
    const profile = profileAt(this.#dataDir);
    // The user's git settings (signing, hooks, templates) must not affect a demo.
    this.#env = childEnv(
      context.env,
      ownVariables(profile, context.self.exe),
      {
        LOOOP_INTERVAL: "1",
        NO_COLOR: "1",
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "looop demo",
        GIT_AUTHOR_EMAIL: "demo@localhost",
        GIT_COMMITTER_NAME: "looop demo",
        GIT_COMMITTER_EMAIL: "demo@localhost",
      },
    );
    delete this.#env["LOOOP_WAIT_POLL_MS"];
  }

  async play(stop: AbortSignal): Promise<void> {
    this.#stop = stop;
    this.#say("a git repository, as yours could be");
    await this.#git("init", "--quiet", "--initial-branch=main");
    await Deno.writeTextFile(`${this.#repo}/greeting.txt`, "Helo, world\n");
    await this.#commit("first");

    await this.#looop("the pulse starts, detached", ["up"]);
    await this.#wait("the root agent's first wait returns at once, with the whole world", () => true);
    await this.#looop("it writes a sensor: which branches are not merged?", [
      "_",
      "sensor",
      "write",
      "branches",
    ], demoSensor(this.#repo));
    await this.#wait("the sensor's first reading arrives", (woken) => "sensor-branches" in woken.snapshots);

    await this.#git("checkout", "--quiet", "-b", "fix-typo");
    await Deno.writeTextFile(`${this.#repo}/greeting.txt`, "Hello, world\n");
    await this.#commit("fix the typo");
    await this.#git("checkout", "--quiet", "main");
    this.#say("meanwhile somebody pushes a branch, fix-typo");
    await this.#wait("SENSE: the root agent is woken", (woken) => signalText(woken).includes("fix-typo"));

    const brief = demoBrief(this.#repo);
    await this.#looop("ACT: it starts a worker in a terminal of its own", [
      "_",
      "worker",
      "start",
      "merge-fix-typo",
      "--runner",
      "shell",
    ], brief);
    const asked = await this.#wait(
      "ASK: the worker needs a decision, and waits",
      (woken) => woken.asks.length > 0,
    );
    const ask = asked.asks[0];
    if (ask === undefined) throw new Error("no question came");
    this.#detail(`${ask.id}: ${oneLine(ask.prompt)}  [${ask.options?.join("/") ?? ""}]`);
    await this.#looop("ANSWER: the human says yes, the root agent passes it on", [
      "_",
      "answer",
      ask.id,
      "yes",
    ]);
    const ended = await this.#wait(
      "the worker merges, reports and ends itself",
      (woken) => woken.workers.every((worker) => !worker.alive),
    );
    const isNothingLeft = (woken: Woken) => signalText(woken) === "[]";
    // Both may have come with one wake; then there is nothing more to wait for.
    if (isNothingLeft(ended)) this.#say("the sensor saw that nothing is left to do");
    else await this.#wait("the sensor sees that nothing is left to do", isNothingLeft);

    const report = readText(`${this.#dataDir}/reports/${DEMO_REPORT}`);
    if (report === undefined) throw new Error("the worker left no report");
    this.#say("REPORT: what the worker left for you");
    for (const line of report.trim().split("\n")) this.#detail(line);
    const merged = await this.#git("show", "main:greeting.txt");
    if (merged !== "Hello, world\n") throw new Error("the branch was not merged");
    this.#say("the journal has every move");
    for (const line of (readText(`${this.#dataDir}/journal.md`) ?? "").trim().split("\n")) this.#detail(line);
  }

  /** Ends everything that the demo runs, reports it, and fails when anything is left. */
  async tearDown(keep: boolean): Promise<void> {
    this.#stop = undefined;
    await this.#looop("everything is torn down, whole process trees", ["down"]).catch((error) =>
      this.#context.note(String(error.message))
    );
    const left = await readMarked([`LOOOP_DATA_DIR=${this.#dataDir}`]);
    if (keep) this.#say(`kept: ${this.#base}`);
    else removeTree(this.#base);
    if (left.size > 0) throw new UserError(`The demo left processes behind: ${[...left].join(", ")}`);
  }

  epilogue(keep: boolean): void {
    this.#say("done, nothing is left running");
    this.#context.out(`
With a real agent you do two things:
  looop up
  pi        (or claude, codex, opencode) and say: Run \`looop help\`, then run the loop it describes
It plays the root agent of this demo, asks you in chat what it may not decide, and starts agents as workers.
${keep ? "" : "`looop demo --keep` leaves the folder for you to look at.\n"}`);
  }

  /** Calls `_ wait` until its output satisfies `fits`. */
  async #wait(what: string, fits: (woken: Woken) => boolean): Promise<Woken> {
    const deadline = performance.now() + STEP_TIMEOUT_S * 1000;
    const args = ["_", "wait", "--json", "--full", "--timeout", String(STEP_TIMEOUT_S)];
    for (;;) {
      const woken = JSON.parse(await this.#call(args)) as Woken;
      if (fits(woken)) {
        this.#say(what, "looop _ wait --json");
        this.#detail(`reason: ${woken.reason.join(", ")}`);
        return woken;
      }
      if (woken.timed_out || performance.now() > deadline) {
        throw new Error(`not within ${STEP_TIMEOUT_S} s: ${what}${this.#complaint()}`);
      }
    }
  }

  /** The last failure in the pulse's log, as the end of a sentence. */
  #complaint(): string {
    const lines = (readText(`${this.#dataDir}/sessions/pulse/output.log`) ?? "").split("\n");
    const last = lines.findLast((line) => line.includes("✗"));
    return last === undefined ? "" : `; the pulse says: ${oneLine(last.replace(/^.*✗ /, ""))}`;
  }

  async #looop(what: string, args: string[], stdin?: string): Promise<void> {
    const out = await this.#call(args, stdin);
    this.#say(what, `looop ${args.join(" ")}${stdin === undefined ? "" : " <…"}`);
    const first = out.split("\n")[0] ?? "";
    if (first !== "") this.#detail(first);
  }

  async #call(args: string[], stdin?: string): Promise<string> {
    const { exe, args: own } = this.#context.self;
    return await this.#spawn(exe, [...own, ...args], stdin);
  }

  #git(...args: string[]): Promise<string> {
    Deno.mkdirSync(this.#repo, { recursive: true });
    return this.#spawn("git", ["-C", this.#repo, ...args]);
  }

  async #commit(message: string): Promise<void> {
    await this.#git("add", ".");
    await this.#git("commit", "--quiet", "-m", message);
  }

  async #spawn(exe: string, args: string[], stdin?: string): Promise<string> {
    this.#stop?.throwIfAborted();
    const { code, stdout, stderr } = await this.#runSmall(exe, args, stdin);
    if (code !== 0) {
      throw new Error(
        `${args.slice(0, 6).join(" ")} ended with ${code}: ${oneLine(stderr)}`,
      );
    }
    return stdout;
  }

  async #runSmall(exe: string, args: string[], input: string | undefined): Promise<SmallResult> {
    try {
      return await runSmall(exe, args, {
        cwd: this.#base,
        wholeEnv: this.#env,
        ...(input === undefined ? {} : { input }),
        ...(this.#stop === undefined ? {} : { stop: this.#stop }),
      });
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`Cannot run "${exe}": ${(error as Error).message}`, {
        next: `install ${exe}, then try again`,
      });
    }
  }

  #say(what: string, command?: string): void {
    const at = `[${((performance.now() - this.#started) / 1000).toFixed(1).padStart(4)} s]`;
    this.#context.out(`${at} ${what}\n${command === undefined ? "" : `         $ ${command}\n`}`);
  }

  #detail(line: string): void {
    this.#context.out(`         ${line}\n`);
  }
}

function signalText(woken: Woken): string {
  return JSON.stringify(woken.snapshots["sensor-branches"]?.signal ?? null);
}
