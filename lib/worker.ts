/** Starts and ends workers. */
import { childEnv } from "./child_env.ts";
import { type Config, readConfig } from "./config.ts";
import { composePrompt, workerContract } from "./contract.ts";
import { UsageError, UserError } from "./errors.ts";
import { releaseLeasesOf } from "./lease.ts";
import { withdrawAsks } from "./mailbox.ts";
import { nearest } from "./nearest.ts";
import type { Profile } from "./paths.ts";
import { findProgram } from "./programs.ts";
import {
  delay,
  type Identity,
  isAliveIn,
  killTree,
  mayExist,
  type ProcessFact,
  readAllProcesses,
  signal,
  STOP_GRACE_MS,
} from "./process.ts";
import { fillTemplate, programOf, RUNNER_PRESETS, type RunnerPreset } from "./runners.ts";
import {
  type EndedBy,
  findSession,
  readSession,
  recordEnd,
  type Session,
  sessionDir,
  type SessionMeta,
  writeFinalStatus,
} from "./session.ts";
import { exists, makeDir, moveFile, removeTree, replaceFile, statOf, Watch, withLock } from "./store.ts";
import { SUPERVISOR } from "./supervisor.ts";

/** What a worker is started with. */
export interface WorkerSpec {
  id: string;
  brief: string;
  runner?: string | undefined;
  /** Shell template instead of a runner of the config. */
  command?: string | undefined;
  cwd?: string | undefined;
  env: Record<string, string>;
  timeoutS?: number | undefined;
}

/** The surroundings a worker starts in. */
export interface WorkerHost {
  profile: Profile;
  /** One executable path that is looop. */
  bin: string;
  env: Readonly<Record<string, string>>;
  now(): number;
}

/** A runner ready to be used: template and how the prompt is given. */
export interface ResolvedRunner {
  name: string;
  template: string;
  prompt: RunnerPreset["prompt"];
  program: string | undefined;
  install: string | undefined;
}

/** Finds the runner of a name: the config's, else a preset of that name. @throws {UserError} unknown. */
export function resolveRunner(config: Config, name: string): ResolvedRunner {
  const wired = config.runners[name];
  const preset = RUNNER_PRESETS[wired?.preset ?? name];
  const template = withoutFormatter(wired?.interactive ?? preset?.interactive);
  if (template === undefined) {
    const known = [...new Set([...Object.keys(config.runners), ...Object.keys(RUNNER_PRESETS)])];
    const match = nearest(name, known);
    throw new UsageError(`Unknown runner "${name}"`, {
      next: match === undefined ? `known runners: ${known.join(", ")}` : `did you mean "${match}"?`,
    });
  }
  return {
    name,
    template,
    prompt: preset?.prompt ?? "text",
    program: programOf(template),
    install: preset?.install,
  };
}

/** Configs of early looop versions end in a pipe into `looop _ fmt`, which is no verb any more. */
function withoutFormatter(template: string | undefined): string | undefined {
  return template?.replace(/\s*\|\s*(\S*looop\S*|"\$LOOOP_BIN"|\$LOOOP_BIN)\s+_\s+fmt\s*$/, "");
}

/** How long the supervisor may take to bring the agent up before `worker start` gives up, ms. */
const START_TIMEOUT_MS = 8_000;
const MAX_BRIEF_BYTES = 4 * 1024 * 1024;
/** Linux takes no single argument beyond this (MAX_ARG_STRLEN, execve(2)), its ending NUL included. */
const MAX_ARGUMENT_BYTES = 128 * 1024;

/**
 * Starts a worker and returns once its agent's process runs in its terminal.
 *
 * @throws {UserError} when the id is alive, the runner is missing, or the agent could not be started.
 */
export async function startWorker(host: WorkerHost, spec: WorkerSpec): Promise<{ runner: string }> {
  const { profile } = host;
  if (new TextEncoder().encode(spec.brief).length > MAX_BRIEF_BYTES) {
    throw new UsageError("The brief is larger than 4 MB", {
      next: "put the material in a file and name its path",
    });
  }
  const runner = pickRunner(host, spec);
  requireProgram(runner, { ...host.env, ...spec.env });
  const cwd = spec.cwd ?? profile.dir;
  if (statOf(cwd)?.isDirectory !== true) {
    throw new UsageError(`Cannot start in "${cwd}": no such folder`, {
      next: "give an existing folder to --cwd",
    });
  }
  const promptFile = `${profile.prompts}/${spec.id}.md`;
  const command = fillTemplate(runner.template, { prompt_file: promptFile });
  const now = host.now();
  const meta: SessionMeta = {
    v: 1,
    id: spec.id,
    gen: crypto.randomUUID().slice(0, 8),
    cmd: ["/bin/sh", "-c", command],
    babysit_pid: 0,
    started_at: Math.floor(now / 1000),
    runner: runner.name,
    cwd,
    ...(spec.timeoutS === undefined ? {} : { deadline: Math.ceil(now / 1000 + spec.timeoutS) }),
  };
  const contract = workerContract({ id: spec.id, bin: host.bin, dataDir: profile.dir, runner: runner.name });
  const prompt = composePrompt(contract, spec.brief, runner.prompt);
  requireFit(runner, prompt);
  await openSession(profile, meta, now);
  replaceFile(promptFile, prompt);
  launch(host, spec, meta, command, cwd);
  await untilRunning(profile, spec.id);
  return { runner: runner.name };
}

function pickRunner(host: WorkerHost, spec: WorkerSpec): ResolvedRunner {
  if (spec.command !== undefined) {
    const program = programOf(spec.command);
    return { name: "command", template: spec.command, prompt: "text", program, install: undefined };
  }
  const { config } = readConfig(host.profile.config);
  return resolveRunner(config, spec.runner ?? config.default);
}

/** @throws {UserError} when the runner's program is not on PATH; says how to install it. */
function requireProgram(runner: ResolvedRunner, env: Readonly<Record<string, string>>): void {
  if (runner.program === undefined || findProgram(runner.program, env["PATH"] ?? "") !== undefined) return;
  const install = runner.install === undefined ? "install it" : `install it with \`${runner.install}\``;
  throw new UserError(`Runner "${runner.name}" needs "${runner.program}", which is not on PATH`, {
    next: `${install}, or choose another with --runner (shell, ${
      Object.keys(RUNNER_PRESETS).slice(0, 4).join(", ")
    })`,
    kind: "runner_missing",
  });
}

/** @throws {UsageError} when the template hands the prompt over as one argument and it is too long for that. */
function requireFit(runner: ResolvedRunner, prompt: string): void {
  if (!/\$\(\s*(cat|<)\s*["']?\{\{prompt_file\}\}/.test(runner.template)) return;
  const bytes = new TextEncoder().encode(prompt).length;
  if (bytes < MAX_ARGUMENT_BYTES) return;
  throw new UsageError(
    `The prompt has ${bytes} bytes, runner "${runner.name}" takes ${MAX_ARGUMENT_BYTES - 1}`,
    {
      next: "put the material in a file and name its path",
    },
  );
}

/** Makes the session's folder under the fleet's lock, so that of many starts of one id one wins. */
async function openSession(profile: Profile, meta: SessionMeta, nowMs: number): Promise<void> {
  makeDir(profile.sessions);
  const dir = sessionDir(profile, meta.id);
  const before = await findSession(profile, meta.id, nowMs);
  if (before?.view.alive) throw alreadyAlive(meta.id);
  const stage = `${profile.sessions}/.new-${meta.id}-${meta.gen}`;
  makeDir(stage);
  replaceFile(`${stage}/meta.json`, `${JSON.stringify(meta)}\n`);
  replaceFile(`${stage}/output.log`, "", { durable: false });
  try {
    await withLock(`${profile.sessions}/.lock`, () => {
      if (exists(dir)) {
        if (readSession(profile, meta.id)?.meta.gen !== before?.gen) throw alreadyAlive(meta.id);
        moveFile(dir, nextRunName(dir));
      }
      moveFile(stage, dir);
    });
  } finally {
    removeTree(stage);
  }
}

function alreadyAlive(id: string): UserError {
  return new UserError(`Worker "${id}" is alive already`, {
    next:
      `watch it with \`looop _ worker log ${id}\`, end it with \`looop _ worker kill ${id}\`, or use another id`,
    kind: "alive",
  });
}

function nextRunName(dir: string): string {
  for (let n = 1;; n++) if (!exists(`${dir}~${n}`)) return `${dir}~${n}`;
}

function launch(host: WorkerHost, spec: WorkerSpec, meta: SessionMeta, command: string, cwd: string): void {
  const { profile } = host;
  const own = { bin: host.bin, dataDir: profile.dir, config: profile.config };
  const env = childEnv(host.env, own, {
    TERM: "xterm-256color",
    ...spec.env,
    LOOOP_WORKER_CMD: command,
    LOOOP_WORKER_ID: spec.id,
    LOOOP_WORKER_GEN: meta.gen,
  });
  const supervisor = new Deno.Command("/bin/sh", {
    args: ["-c", SUPERVISOR, "looop-supervisor", sessionDir(profile, spec.id), profile.poke],
    cwd,
    env,
    clearEnv: true,
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  const child = spawnSupervisor(profile, meta, supervisor);
  child.unref();
  replaceFile(
    `${sessionDir(profile, spec.id)}/meta.json`,
    `${JSON.stringify({ ...meta, babysit_pid: child.pid })}\n`,
  );
}

/** @throws {UserError} when the system refuses, as it does when command and environment are too long. */
function spawnSupervisor(profile: Profile, meta: SessionMeta, supervisor: Deno.Command): Deno.ChildProcess {
  try {
    return supervisor.spawn();
  } catch (error) {
    const last_change = Math.floor(Date.now() / 1000);
    const status = { state: "exited", child_pid: 0, exit_code: 126, last_change, ended_by: "crash" };
    replaceFile(`${sessionDir(profile, meta.id)}/status.json`, `${JSON.stringify(status)}\n`);
    throw new UserError(`Cannot start worker "${meta.id}": ${(error as Error).message}`, {
      next: "shorten the runner's template or the environment if they are long, then try again",
      kind: "start_failed",
      cause: error,
    });
  }
}

async function untilRunning(profile: Profile, id: string): Promise<void> {
  const dir = sessionDir(profile, id);
  const deadline = performance.now() + START_TIMEOUT_MS;
  const watch = new Watch({ dirs: [dir], pollMs: 100, ignore: ["output.log"] });
  try {
    while (performance.now() < deadline) {
      if (statOf(`${dir}/status.json`) !== undefined) return;
      await watch.next();
    }
  } finally {
    watch.close();
  }
  throw new UserError(`Worker "${id}" did not come up within 8 s`, {
    next: `see \`looop _ worker log ${id}\` and \`looop doctor\` (is \`script\` installed?)`,
    kind: "start_failed",
  });
}

/** What ending a worker came to. */
export interface KillResult {
  /** Nothing was running any more. */
  already: boolean;
  survivors: ProcessFact[];
}

/** How long the supervisor may take to write the end down once its agent is gone, ms. */
const STATUS_TIMEOUT_MS = 2_000;

/** Ends one session's whole tree and makes sure that its end is on disk. Idempotent. */
export async function endSession(
  profile: Profile,
  session: Session,
  state: "exited" | "killed",
  by: EndedBy,
  now: () => number,
): Promise<KillResult> {
  // Of a lost session the agent may well run on: ending it is no idle call.
  const already = !session.view.alive && session.view.state !== "lost";
  if (!already) recordEnd(session, state, by);
  const current = session.view.state === "starting" ? await untilStarted(profile, session, now) : session;
  const survivors = await killSessionTree(profile, current, now);
  await releaseLeasesOf(profile, session.view.id, session.gen);
  return { already, survivors };
}

/**
 * The session once its supervisor has either brought the agent up or seen that it is to end: before that there
 * is no process to be found that could be ended.
 */
async function untilStarted(profile: Profile, session: Session, now: () => number): Promise<Session> {
  const begun = performance.now();
  for (;;) {
    const record = readSession(profile, session.view.id);
    if (record === undefined || record.meta.gen !== session.gen) return session;
    const patience = record.supervisor === undefined ? STATUS_TIMEOUT_MS : START_TIMEOUT_MS;
    if (record.status !== undefined || performance.now() - begun > patience) {
      return await findSession(profile, session.view.id, now()) ?? session;
    }
    await delay(10);
  }
}

/**
 * Ends all processes of a session: the agent's own tree and everything that carries the session's marks.
 * The supervisor is spared until it has written the status, then ended too.
 */
export async function killSessionTree(
  profile: Profile,
  session: Session,
  now: () => number,
): Promise<ProcessFact[]> {
  const starting = session.program === undefined && (session.view.alive || session.view.state === "lost");
  if (starting) await endStart(profile, session);
  const supervisor = session.supervisor;
  const spare = supervisor === undefined ? [] : await supervisorPids(supervisor);
  const survivors = await killTree({
    roots: session.program === undefined ? [] : [session.program],
    marks: sessionMarks(profile, session),
    spare,
    graceMs: STOP_GRACE_MS,
  });
  if (session.view.alive || session.view.state === "lost") await untilStatus(profile, session, now);
  for (const pid of spare) if (mayExist(pid)) signal(pid, "SIGKILL");
  return survivors;
}

/**
 * Ends what a supervisor that hangs or was killed on its way has begun: before the agent runs nothing carries
 * the session's marks, and `script` could still bring it up.
 */
async function endStart(profile: Profile, session: Session): Promise<void> {
  const marks = [`LOOOP_WORKER_GEN=${session.gen}`, `LOOOP_DATA_DIR=${profile.dir}`];
  await killTree({ roots: [], marks, graceMs: 0 });
}

/** What every process of one run of a session carries in its environment; the rarest first. */
export function sessionMarks(profile: Profile, session: Session): string[] {
  return [
    `LOOOP_SESSION_GEN=${session.gen}`,
    `LOOOP_SESSION_ID=${session.view.id}`,
    `LOOOP_DATA_DIR=${profile.dir}`,
  ];
}

async function supervisorPids(supervisor: Identity): Promise<number[]> {
  const table = await readAllProcesses();
  if (!isAliveIn(table, supervisor)) return [];
  const children = [...table.processes.values()].filter((fact) =>
    fact.ppid === supervisor.pid && fact.sid === supervisor.pid
  );
  return [supervisor.pid, ...children.map((fact) => fact.pid)];
}

async function untilStatus(profile: Profile, session: Session, now: () => number): Promise<void> {
  const hasSupervisor = session.program !== undefined && session.view.state !== "lost";
  const patience = hasSupervisor ? STATUS_TIMEOUT_MS : 0;
  const deadline = performance.now() + patience;
  while (performance.now() < deadline) {
    const record = readSession(profile, session.view.id);
    if (record === undefined || record.meta.gen !== session.gen) return;
    if (record.status?.state === "exited" || record.status?.state === "killed") return;
    await delay(10);
  }
  writeFinalStatus(session, now());
}

/** `_ worker kill`: ends a worker from outside and withdraws its questions. */
export async function killWorker(
  profile: Profile,
  id: string,
  by: EndedBy,
  now: () => number,
): Promise<KillResult> {
  const session = await findSession(profile, id, now());
  if (session === undefined) {
    throw new UserError(`There is no worker "${id}"`, {
      next: "list them with `looop _ worker list`",
      kind: "not_found",
    });
  }
  const wasAlive = session.view.alive;
  if (wasAlive) recordEnd(session, "killed", by);
  if (by === "root") await withdrawAsks(profile, id, now());
  const result = await endSession(profile, session, "killed", by, now);
  // What the worker asked between the first look and its end goes with it too.
  if (by === "root") await withdrawAsks(profile, id, now());
  return result;
}
