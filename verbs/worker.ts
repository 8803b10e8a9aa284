/** `looop _ worker …`: the fleet. */
import { resumePrompt } from "../lib/agents/contract.ts";
import { EXIT, UsageError, UserError } from "../lib/errors.ts";
import { checkId } from "../lib/ids.ts";
import { appendEvent } from "../lib/records/journal.ts";
import { lastLines } from "../lib/workers/logs.ts";
import { readMailbox } from "../lib/records/mailbox.ts";
import { noteActivity, recordMove } from "../lib/records/move.ts";
import { absolute } from "../lib/paths.ts";
import { openProfile } from "../lib/records/profile.ts";
import { launcherPath } from "../lib/process/self.ts";
import type { WorkerView } from "../lib/sessions/session.ts";
import { readWorkers, readWorld } from "../lib/world/state.ts";
import { age, sanitizeLine } from "../lib/text/style.ts";
import { bodyOf, type Context, defineVerb, type Input } from "../lib/cli/verb.ts";
import { killWorker, startWorker, type WorkerHost } from "../lib/workers/worker.ts";
import type { ResolvedRunner } from "../lib/agents/resolve.ts";

export const start = defineVerb({
  declare: {
    path: "_ worker start",
    summary: "start an agent in the background, in a terminal of its own",
    audience: "root",
    args: [
      { name: "id", summary: "a new id; one of an ended worker may be used again", kind: "worker" },
      { name: "prompt", summary: "the brief; from stdin when absent or -", optional: true, many: true },
    ],
    options: [
      { name: "runner", value: "NAME", summary: "the agent, as named in config.json", kind: "runner" },
      { name: "headless", summary: "the runner's form that ends by itself when the task is done" },
      { name: "command", value: "TPL", summary: "a shell template instead; {{prompt_file}} is filled in" },
      { name: "cwd", value: "DIR", summary: "where it starts; the data dir unless given", kind: "dir" },
      { name: "env", value: "K=V", summary: "a variable for it", many: true },
      { name: "timeout", value: "S", summary: "end it after S seconds" },
    ],
    mutating: true,
    example: 'looop _ worker start fix-42 "Fix issue 42 in ~/src/app; done when the tests pass"',
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const env = parseEnv(input);
    const cwd = input.text("cwd");
    const timeoutS = input.seconds("timeout");
    if (input.text("runner") !== undefined && input.text("command") !== undefined) {
      throw new UsageError("Both --runner and --command", { next: "give one of them" });
    }
    const brief = await bodyOf(context, input.words.slice(1), "brief");
    openProfile(context.profile);
    const runner = await startWorker(hostOf(context), {
      id,
      brief,
      runner: input.text("runner"),
      headless: input.flag("headless"),
      command: input.text("command"),
      cwd: cwd === undefined ? undefined : absolute(cwd, Deno.cwd()),
      env,
      timeoutS,
    });
    noteActivity(context.profile, id, context.now());
    appendEvent(context.profile, "worker_started", { id, runner: runner.name }, new Date(context.now()));
    recordMove(context, `start-worker ${id} (${runner.name})`);
    await warn(context, runner, cwd === undefined ? context.profile.dir : absolute(cwd, Deno.cwd()), env);
    return { text: `start-worker ${id} (${runner.name})` };
  },
});

function hostOf(context: Context): WorkerHost {
  const { profile, self, env, now } = context;
  return {
    profile,
    // Written when it is needed: a start that is refused touches nothing.
    get bin() {
      return launcherPath(profile, self);
    },
    env,
    now,
  };
}

/** Says on stderr at which dialog the agent is about to stop, as far as can be seen from outside. */
async function warn(
  context: Context,
  runner: ResolvedRunner,
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const { runnerWarnings } = await import("../lib/agents/runner_check.ts");
  for (const line of runnerWarnings(runner, cwd, { ...context.env, ...runner.env, ...env })) {
    context.note(`looop _ worker: ${line}`);
  }
}

export const resume = defineVerb({
  declare: {
    path: "_ worker resume",
    summary: "go on with the agent session of a worker that was cut off",
    audience: "root",
    args: [
      { name: "id", summary: "a worker that has ended", kind: "worker" },
      {
        name: "text",
        summary: "what to tell it; a text of looop's unless given",
        optional: true,
        many: true,
      },
    ],
    mutating: true,
    example: "looop _ worker resume fix-42",
    details:
      "A new run of the same worker: its conversation, its questions and its answers are kept, running commands\n" +
      "are not. For agents that can (pi, claude, codex, opencode).",
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const { resumeWorker } = await import("../lib/workers/resume.ts");
    const host = hostOf(context);
    const text = input.words.length < 2
      ? resumePrompt(host.bin, readMailbox(context.profile).pending.filter((ask) => ask.worker === id))
      : await bodyOf(context, input.words.slice(1), "text");
    openProfile(context.profile);
    const runner = await resumeWorker(host, id, text);
    noteActivity(context.profile, id, context.now());
    appendEvent(context.profile, "worker_started", { id, runner: runner.name }, new Date(context.now()));
    recordMove(context, `resume-worker ${id} (${runner.name})`);
    return { text: `resume-worker ${id} (${runner.name})` };
  },
});

function parseEnv(input: Input): Record<string, string> {
  return Object.fromEntries(
    input.many("env").map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1 || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(pair.slice(0, at))) {
        throw new UsageError(`--env is "${pair}"`, { next: "give NAME=VALUE" });
      }
      // A worker with another data dir or session id could not be found again to be ended.
      if (/^LOOOP_(BIN|DATA_DIR|CONFIG|SESSION_\w+|WORKER_\w+)=/.test(pair)) {
        throw new UsageError(`--env is "${pair}"`, {
          next: "looop sets that variable itself; use another name",
        });
      }
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

export const kill = defineVerb({
  declare: {
    path: "_ worker kill",
    summary: "end a worker's whole process tree and withdraw its questions",
    audience: "root",
    args: [{ name: "id", summary: "worker", kind: "worker" }],
    mutating: true,
    example: "looop _ worker kill fix-42",
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const { already, survivors } = await killWorker(context.profile, id, "root", context.now);
    if (survivors.length > 0) {
      throw new UserError(`Worker "${id}" left processes: ${survivors.map((fact) => fact.pid).join(", ")}`, {
        next: "they ignore SIGKILL (a stuck disk or network mount?); look at them with `ps`",
        kind: "survivors",
      });
    }
    if (already) return { text: `worker ${id} had ended already` };
    recordMove(context, `kill-worker ${id}`);
    return { text: `killed worker ${id}` };
  },
});

export const list = defineVerb({
  declare: {
    path: "_ worker list",
    summary: "the fleet",
    audience: "root",
    options: [{ name: "json", summary: "as JSON, as in workers[] of `_ state`" }],
    example: "looop _ worker list",
  },
  async run(context) {
    const now = context.now();
    const workers = await readWorkers(context.profile, readWorld(context.profile, now).world, now);
    const text = workers.length === 0
      ? "no workers"
      : workers.map((worker) => workerLine(worker, context.now())).join("\n");
    return { text, json: workers };
  },
});

function workerLine(worker: WorkerView, nowMs: number): string {
  const since = age((nowMs - Date.parse(worker.ended ?? worker.started)) / 1000);
  const code = worker.exit_code === null ? "" : ` ${worker.exit_code}`;
  const by = worker.ended_by === undefined ? "" : ` by ${worker.ended_by}`;
  const quiet = worker.alive
    ? `, quiet for ${age(worker.idle_s)}${worker.ready ? "" : ", not ready yet"}`
    : "";
  return sanitizeLine(`${worker.id}  ${worker.state}${code}${by}  ${worker.runner}  ${since} ago${quiet}`);
}

export const log = defineVerb({
  declare: {
    path: "_ worker log",
    summary: "the last lines of a worker's terminal, codes rendered away",
    audience: "root",
    args: [{ name: "id", summary: "worker", kind: "worker" }],
    options: [{ name: "lines", short: "n", value: "N", summary: "how many; 40 unless given" }],
    example: "looop _ worker log fix-42 -n 20",
  },
  run(context, input) {
    const id = checkId("worker", input.word(0));
    const count = input.count("lines") ?? 40;
    const lines = lastLines(context.profile, id, count);
    if (lines === undefined) {
      throw new UserError(`There is no worker "${id}"`, {
        next: "list them with `looop _ worker list`",
        kind: "not_found",
      });
    }
    return Promise.resolve({ text: lines.join("\n"), code: EXIT.ok });
  },
});
