/** `looop _ worker start`: starts an agent in the background, in a terminal of its own. */
import { EXIT, UsageError, UserError } from "../../lib/errors.ts";
import { exists } from "../../lib/store.ts";
import { checkId, checkPolicyName } from "../../lib/ids.ts";
import { eventAs, recordMove } from "../../lib/records/move.ts";
import { absolute } from "../../lib/paths.ts";
import { openProfile } from "../../lib/records/profile.ts";
import { bodyOf, type Context, defineVerb, type Input } from "../../lib/cli/verb.ts";
import { startWorker } from "../../lib/workers/start.ts";
import type { ResolvedRunner } from "../../lib/agents/resolve.ts";
import { workerHost } from "../../lib/cli/context.ts";

export default defineVerb({
  declare: {
    path: "_ worker start",
    summary: "start an agent in the background, in a terminal of its own",
    audience: "root",
    args: [
      { name: "id", summary: "a new id; an ended worker's id may be reused", kind: "worker" },
      { name: "prompt", summary: "the brief; from stdin when absent or -", optional: true, many: true },
    ],
    options: [
      { name: "runner", value: "NAME", summary: "the agent, as named in config.json", kind: "runner" },
      { name: "headless", summary: "the runner's form that ends by itself when the task is done" },
      { name: "command", value: "TPL", summary: "a shell template instead; {{prompt_file}} is filled in" },
      { name: "cwd", value: "DIR", summary: "where it starts; the data dir by default", kind: "dir" },
      { name: "env", value: "K=V", summary: "a variable for it", many: true },
      { name: "host", value: "NAME", summary: "another machine, as named in config.json" },
      {
        name: "timeout",
        value: "S",
        summary: "end it after S seconds; a jump of the clock and the machine's sleep do not count",
      },
      {
        name: "goal",
        value: "ID",
        summary: "the goal that it serves: its start and end count as moves on it",
        kind: "goal",
      },
      {
        name: "verify",
        value: "CMD",
        summary: "a bash line that checks its work after its end, in its folder",
      },
    ],
    mutating: true,
    example: 'looop _ worker start fix-42 "Fix issue 42 in ~/src/app; done when the tests pass"',
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const env = parseEnv(input);
    const cwd = input.text("cwd");
    const timeoutS = input.seconds("timeout");
    const host = input.text("host");
    if (host !== undefined && cwd !== undefined && !/^\/[^\n]*$/.test(cwd)) {
      throw new UsageError(`--cwd is "${cwd}"`, { next: "on another machine give an absolute path" });
    }
    if (input.text("runner") !== undefined && input.text("command") !== undefined) {
      throw new UsageError("Both --runner and --command", { next: "give one of them" });
    }
    const goal = input.text("goal");
    const isGoal = (name: string) => exists(`${context.profile.goals}/${name}.md`);
    if (goal !== undefined && !isGoal(checkPolicyName("goal", goal, isGoal))) {
      throw new UserError(`There is no goal "${goal}"`, {
        next: "`looop _ state` lists the goals",
        kind: "not_found",
      });
    }
    const brief = await bodyOf(context, input.words.slice(1), "brief");
    const folder = cwd === undefined || host !== undefined ? cwd : absolute(cwd, Deno.cwd());
    openProfile(context.profile);
    const verify = await verifyOf(context, input, folder);
    const runner = await startWorker(workerHost(context), {
      id,
      brief,
      runner: input.text("runner"),
      headless: input.flag("headless"),
      command: input.text("command"),
      cwd: folder,
      env,
      timeoutS,
      host,
      goal,
      verify,
    });
    eventAs(context, "worker_started", { id, runner: runner.name });
    recordMove(context, `start-worker ${id} (${runner.name})`, goal === undefined ? [id] : [id, goal]);
    if (host === undefined) {
      await warn(context, runner, folder ?? context.profile.dir, env);
    }
    return { text: `start-worker ${id} (${runner.name})` };
  },
});

/**
 * The command of `--verify`, which the gate has let pass.
 *
 * @throws {UserError} with exit 126 when the gate refuses it.
 */
async function verifyOf(
  context: Context,
  input: Input,
  folder: string | undefined,
): Promise<string | undefined> {
  const line = input.text("verify");
  if (line === undefined) return undefined;
  if (line.trim() === "" || line.includes("\0")) {
    throw new UsageError("--verify is no command", { next: "as in --verify 'deno task test'" });
  }
  const { judgeIn } = await import("../../lib/records/gate.ts");
  const verdict = judgeIn(context, { line }, folder);
  if (verdict.allowed) return line;
  // Nobody is there to be asked when it runs, so no human's word lets it pass.
  const { rule, part, why, instead: next } = verdict;
  throw new UserError(`The gate refuses --verify (rule ${rule}, for "${part}"): ${why}`, {
    next,
    kind: "refused",
    code: EXIT.refused,
  });
}

function parseEnv(input: Input): Record<string, string> {
  return Object.fromEntries(
    input.many("env").map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1 || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(pair.slice(0, at))) {
        throw new UsageError(`--env is "${pair}"`, { next: "give NAME=VALUE" });
      }
      // A worker with another data dir or session id could not be found again and ended.
      if (/^LOOOP_(BIN|DATA_DIR|CONFIG|SESSION_\w+|WORKER_\w+)=/.test(pair)) {
        throw new UsageError(`--env is "${pair}"`, {
          next: "looop sets that variable itself; use another name",
        });
      }
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** Warns on stderr about dialogs at which the agent will stop, as far as its settings show. */
async function warn(
  context: Context,
  runner: ResolvedRunner,
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  if (runner.prompt === "brief") {
    context.note(
      `looop _ worker: ${runner.name} carries out the brief and ends; it has no shell, so it cannot ask`,
    );
  }
  const { runnerWarnings } = await import("../../lib/agents/runner_check.ts");
  for (const line of runnerWarnings(runner, cwd, { ...context.env, ...runner.env, ...env })) {
    context.note(`looop _ worker: ${line}`);
  }
}
