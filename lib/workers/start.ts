/** Starts workers: makes the session, and launches the agent in its terminal or on another machine. */
import { readMarked } from "../process/table.ts";
import { spawnChild } from "../process/spawn.ts";
import { ensureHome, ownVariables } from "../records/home.ts";
import { appendJournal } from "../records/journal.ts";
import { watchesOff } from "../records/env.ts";
import { type AgentFile, writeAgent } from "../agents/agent_session.ts";
import { type AgentSession, COPIED_RECORDS, recordsFolder, recordsThere } from "../agents/record_files.ts";
import { childEnv } from "../process/child_env.ts";
import { readConfig } from "../records/config.ts";
import { describeTemplate, type ResolvedRunner, resolveRunner } from "../agents/resolve.ts";
import { composePrompt, pointerPrompt, workerContract } from "../agents/contract.ts";
import { UsageError, UserError } from "../errors.ts";
import { farDir } from "../hosts/program.ts";
import { Place, requireHost } from "../hosts/place.ts";
import { farRun, launchFar } from "./far.ts";
import { clearTells } from "../records/tells.ts";
import { withRoom } from "./room.ts";
import { prepareHold } from "../agents/hold.ts";
import { tellHookPath, withTellHook, writeTellHook } from "../agents/tell_hook.ts";
import type { Profile } from "../paths.ts";
import { PLATFORM } from "../process/platform.ts";
import { findProgram } from "../process/programs.ts";
import {
  fillTemplate,
  isOneCommand,
  MAX_ARGUMENT_BYTES,
  passesPromptAsArgument,
  withSessionStart,
} from "../agents/runners.ts";
import { refuseAlias } from "../records/policy.ts";
import { presetNamed, RUNNER_PRESETS, type RunnerPreset } from "../records/presets.ts";
import {
  endedStatusText,
  findSession,
  metaText,
  readSession,
  sessionMarks,
  type SessionMeta,
  START_TIMEOUT_MS,
} from "../sessions/session.ts";
import { markReady, sessionDir } from "../sessions/run_files.ts";
import { exists, makeDir, moveFile, removeTree, replaceFile, statOf, withLock } from "../store.ts";
import { Watch } from "../file_watch.ts";
import { describeSearch, searchPath } from "./search_path.ts";
import { runsOn } from "../sessions/notes.ts";
import { SUPERVISOR } from "../sessions/supervisor.ts";

/** The worker to start: its id, brief, runner and limits. */
export interface WorkerSpec {
  id: string;
  brief: string;
  runner?: string | undefined;
  /** Shell template instead of a runner from the config. */
  command?: string | undefined;
  /** Whether to use the runner's form that ends by itself. */
  headless?: boolean | undefined;
  cwd?: string | undefined;
  env: Record<string, string>;
  timeoutS?: number | undefined;
  /** Another machine, as named in config.json. */
  host?: string | undefined;
  /** The goal that it serves: its life counts as moves on that goal. */
  goal?: string | undefined;
  /** Bash line that checks its work after its end; the gate has let it pass. */
  verify?: string | undefined;
}

/** The surroundings in which a worker starts. */
export interface WorkerHost {
  profile: Profile;
  /** One executable path that starts looop, by which workers call back. */
  bin(): Promise<string>;
  env: Readonly<Record<string, string>>;
  now(): number;
}

const MAX_BRIEF_BYTES = 4 * 1024 * 1024;

/**
 * Starts a worker and returns once its agent's process runs in its terminal.
 *
 * @throws {UserError} when the id is alive, the runner is missing, or the agent could not be started.
 */
export async function startWorker(caller: WorkerHost, asked: WorkerSpec): Promise<ResolvedRunner> {
  const host = withSearchPath(caller);
  const { runner, hostName } = pickRunner(host, asked);
  const spec = { ...asked, host: hostName, timeoutS: asked.timeoutS ?? timeoutOf(host, asked, runner.name) };
  if (spec.verify !== undefined) requirePlaceToVerify(host, spec.host);
  if (spec.host === undefined) requireProgram(host, runner, spec.env);
  if (new TextEncoder().encode(spec.brief).length > MAX_BRIEF_BYTES) {
    throw new UsageError("The brief is larger than 4 MB", {
      next: "put the material in a file and name its path",
    });
  }
  if (spec.cwd !== undefined && spec.host === undefined) requireFolder(spec.cwd);
  const preset = presetNamed(runner.preset);
  const gen = newGeneration();
  const far = spec.host === undefined ? undefined : farDir({ gen });
  const told = far === undefined
    ? withTellHook(runner.template, runner.preset, pathOf(host, runner, spec.env))
    : runner.template;
  const template = withSessionStart(told, preset?.session);
  const sessionId = template.includes("{{session_id}}") ? crypto.randomUUID() : undefined;
  const sessions: AgentSession[] = far === undefined
    ? sessionsAtStart(preset, sessionId, { ...host.env, ...runner.env, ...spec.env })
    // What it records on another machine can only be asked for by its id.
    : sessionId === undefined
    ? []
    : [{ cli: preset?.records ?? "other", id: sessionId, records: COPIED_RECORDS }];
  const isRead = far === undefined
    ? preset?.records !== undefined
    : sessions.some((one) => recordsThere(one) !== "");
  await launchRun(host, {
    spec,
    gen,
    runner,
    template,
    sessionId,
    prompt: { text: await promptOf(host, runner, spec, far, isRead), inSession: false },
    sessions,
    counted: {},
  });
  // It has no shell, and so no way to report that it has begun.
  if (runner.prompt === "brief") markReady(host.profile, spec.id);
  return runner;
}

/** A name for one run of a worker, 8 hex digits. */
export function newGeneration(): string {
  return crypto.randomUUID().slice(0, 8);
}

/** The same surroundings, with the PATH along which programs are looked for. */
export function withSearchPath(host: WorkerHost): WorkerHost {
  const path = searchPath(host.profile, host.env);
  return {
    profile: host.profile,
    env: path === "" ? host.env : { ...host.env, PATH: path },
    now: host.now,
    bin: () => host.bin(),
  };
}

/**
 * The contract and the brief; the brief alone for an agent that could not keep the contract.
 *
 * @param far The worker's folder on another machine.
 * @param isRead Whether looop reads the agent's spend from its records.
 */
async function promptOf(
  host: WorkerHost,
  runner: ResolvedRunner,
  spec: WorkerSpec,
  far: string | undefined,
  isRead: boolean,
): Promise<string> {
  if (runner.prompt === "brief") return spec.brief;
  const preset = presetNamed(runner.preset);
  const dataDir = far ?? host.profile.dir;
  const contract = workerContract({
    id: spec.id,
    bin: far === undefined ? await host.bin() : `${far}/looop`,
    dataDir,
    cwd: spec.cwd ?? (far === undefined ? dataDir : undefined),
    reportsSpendAs: isRead ? undefined : runner.name,
    shellLimit: preset?.shellLimit,
  });
  return composePrompt(contract, spec.brief, runner.prompt);
}

/** The agent session as far as it is known before the agent runs; an id that cannot be given is found later. */
function sessionsAtStart(
  preset: RunnerPreset | undefined,
  sessionId: string | undefined,
  env: Readonly<Record<string, string>>,
): AgentSession[] {
  const cli = preset?.records;
  if (cli !== undefined) return [{ cli, id: sessionId ?? "", records: recordsFolder(cli, env) }];
  return sessionId === undefined ? [] : [{ cli: "other", id: sessionId, records: "" }];
}

/** @throws {UsageError} when there is no such folder. */
function requireFolder(cwd: string): void {
  if (statOf(cwd)?.isDirectory === true) return;
  throw new UsageError(`Cannot start in "${cwd}": no such folder`, {
    next: "give an existing folder to --cwd",
  });
}

/** One run of a worker about to be launched. */
export interface Run {
  spec: WorkerSpec;
  gen: string;
  runner: ResolvedRunner;
  template: string;
  sessionId: string | undefined;
  /** A resumed run's prompt is kept in the session's folder, so that the worker's own prompt stays as it was. */
  prompt: { text: string; inSession: boolean };
  sessions: AgentSession[];
  counted: AgentFile["counted"];
  callsBefore?: number;
}

/** Makes the session, writes the prompt and launches the agent in its terminal. */
export async function launchRun(host: WorkerHost, run: Run): Promise<void> {
  const { profile } = host;
  const { spec, runner } = run;
  // A shell cannot pass it on, so the agent would read a different text.
  if (spec.brief.includes("\0")) {
    throw new UsageError("The text holds a NUL byte", { next: "take it out, or put the material in a file" });
  }
  if (spec.host !== undefined) return await launchOnHost(host, run, spec.host);
  const cwd = spec.cwd ?? profile.dir;
  requireFolder(cwd);
  requireScript({ ...host.env, ...spec.env });
  const bin = await host.bin();
  const ownPrompt = `${sessionDir(profile, spec.id)}/prompt.md`;
  const promptFile = run.prompt.inSession ? ownPrompt : `${profile.prompts}/${spec.id}.md`;
  const tooLong = passesPromptAsArgument(run.template) &&
    new TextEncoder().encode(run.prompt.text).length > MAX_ARGUMENT_BYTES;
  const command = fillTemplate(run.template, {
    tell_hook: tellHookPath(runner.preset, sessionDir(profile, spec.id)),
    prompt_file: tooLong ? `${sessionDir(profile, spec.id)}/pointer.md` : promptFile,
    session_id: run.sessionId ?? "",
  });
  const now = host.now();
  const meta = metaOf(profile, run, command, cwd, now);
  const agent = agentOf(run);
  await withRoom(host, spec.id, undefined, () => openSession(profile, meta, agent, now));
  const supervisor = orEnded(host, spec.id, () => {
    replaceFile(promptFile, run.prompt.text);
    if (tooLong) {
      replaceFile(`${sessionDir(profile, spec.id)}/pointer.md`, pointerPrompt(spec.id, promptFile));
    }
    const env = { ...presetEnv(host, runner), ...runner.env, ...spec.env };
    writeTellHook(run.template, runner.preset, sessionDir(profile, spec.id));
    const hold = prepareHold(sessionDir(profile, spec.id), runner.preset, { ...host.env, ...env });
    const line = isOneCommand(run.template) ? `exec ${command}` : command;
    return spawnSupervisor(host, bin, { ...spec, env: { ...env, ...hold } }, meta, line, cwd);
  });
  supervisor.unref();
  replaceFile(
    `${sessionDir(profile, spec.id)}/meta.json`,
    metaText({ ...meta, babysit_pid: supervisor.pid }),
  );
  await untilRunning(host, spec.id);
}

/** The result of `launch`; where it fails, the session that was made for it is recorded as ended. */
function orEnded<T>({ profile, now }: WorkerHost, id: string, launch: () => T): T {
  try {
    return launch();
  } catch (error) {
    const status = endedStatusText({ state: "exited", by: "crash" }, 126, now());
    replaceFile(`${sessionDir(profile, id)}/status.json`, status);
    throw error;
  }
}

function metaOf(
  profile: Profile,
  { spec, runner, gen }: Run,
  command: string,
  cwd: string,
  now: number,
): SessionMeta {
  return {
    v: 1,
    id: spec.id,
    gen,
    cmd: ["/bin/sh", "-c", command],
    babysit_pid: 0,
    started_at: Math.floor(now / 1000),
    runner: runner.name,
    cwd,
    ...(spec.timeoutS === undefined ? {} : { deadline: Math.ceil(now / 1000 + spec.timeoutS) }),
    ...(spec.host === undefined ? {} : { host: spec.host }),
    ...(spec.goal === undefined ? {} : { goal: spec.goal }),
    ...(spec.verify === undefined ? {} : { verify: spec.verify }),
    home: ensureHome(profile),
  };
}

function agentOf({ spec, runner, sessions, counted, callsBefore }: Run): AgentFile {
  return {
    v: 1,
    preset: runner.preset ?? "",
    template: runner.template,
    env: spec.env,
    sessions,
    counted,
    ...(callsBefore === undefined ? {} : { callsBefore }),
  };
}

/** Makes the session here and starts the agent over there. */
async function launchOnHost(host: WorkerHost, run: Run, name: string): Promise<void> {
  const { profile } = host;
  const { spec, gen, runner } = run;
  const { config } = readConfig(profile.config);
  await new Place(host, name, requireHost(config, name)).accept({ id: spec.id, gen });
  const env = { ...presetNamed(runner.preset)?.env, ...runner.env, ...spec.env };
  const { template, sessionId, prompt } = run;
  const records = run.sessions.map(recordsThere).join("");
  const start = {
    id: spec.id,
    gen,
    runner,
    template,
    sessionId,
    prompt: prompt.text,
    env,
    cwd: spec.cwd,
    records,
  };
  const far = farRun(start, config, name);
  const meta = metaOf(profile, run, far.command, far.cwd ?? "", host.now());
  await withRoom(host, spec.id, name, () => openSession(profile, meta, agentOf(run), host.now()));
  replaceFile(
    run.prompt.inSession ? `${sessionDir(profile, spec.id)}/prompt.md` : `${profile.prompts}/${spec.id}.md`,
    prompt.text,
  );
  await launchFar(host, name, far);
}

/** The preset's variables, except those that the user has set. */
function presetEnv(host: WorkerHost, runner: ResolvedRunner): Record<string, string> {
  const wanted = Object.entries(presetNamed(runner.preset)?.env ?? {});
  return Object.fromEntries(wanted.filter(([name]) => host.env[name] === undefined));
}

/** The runner of a start, and the machine that the caller or the runner names. */
function pickRunner(
  host: WorkerHost,
  spec: WorkerSpec,
): { runner: ResolvedRunner; hostName: string | undefined } {
  if (spec.command !== undefined) {
    return { runner: describeTemplate("command", spec.command), hostName: spec.host };
  }
  const { config } = readConfig(host.profile.config);
  const name = spec.runner ?? config.default;
  const runner = resolveRunner(config, name, spec.headless);
  return { runner, hostName: spec.host ?? config.runners[name]?.host };
}

/** The time limit that config.json gives to a goal's workers, else to a runner's, seconds. */
function timeoutOf({ profile }: WorkerHost, { goal = "" }: WorkerSpec, runner: string): number | undefined {
  const { config } = readConfig(profile.config);
  const wired = Object.hasOwn(config.goals, goal) ? config.goals[goal]?.timeout : undefined;
  const timeout = wired ??
    (Object.hasOwn(config.runners, runner) ? config.runners[runner]?.timeout : undefined);
  return timeout === 0 ? undefined : timeout;
}

/** @throws {UsageError} when a worker's place ends with it, as an engine's job does: nothing can be checked there. */
function requirePlaceToVerify({ profile }: WorkerHost, hostName = ""): void {
  const { hosts } = readConfig(profile.config).config;
  if (!Object.hasOwn(hosts, hostName) || hosts[hostName]?.driver === undefined) return;
  throw new UsageError(`--verify cannot run on "${hostName}": its engine's jobs end with their workers`, {
    next: "leave it away, and have the worker itself say what it has checked",
  });
}

/** Where a worker's programs are looked for. */
export function pathOf(
  { env }: Pick<WorkerHost, "env">,
  runner: ResolvedRunner,
  more: Readonly<Record<string, string>>,
): string {
  return { ...env, ...runner.env, ...more }["PATH"] ?? "";
}

/**
 * @throws {UserError} when the runner's program is not on PATH; says how to install it, and where it was looked for.
 */
export function requireProgram(
  { profile, env }: WorkerHost,
  runner: ResolvedRunner,
  more: Readonly<Record<string, string>>,
): void {
  const path = pathOf({ env }, runner, more);
  if (runner.program === undefined || findProgram(runner.program, path) !== undefined) return;
  const install = runner.install === undefined ? "install it" : `install it with \`${runner.install}\``;
  throw new UserError(`Runner "${runner.name}" needs "${runner.program}", which is not on PATH`, {
    next: `${install}, or choose another with --runner (shell, ${
      Object.keys(RUNNER_PRESETS).slice(0, 4).join(", ")
    }); ${describeSearch(profile, { PATH: path })}`,
    kind: "runner_missing",
  });
}

/** @throws {UserError} when there is no `script`, which gives each agent its terminal. */
function requireScript(env: Readonly<Record<string, string>>): void {
  if (findProgram("script", env["PATH"] ?? "") !== undefined) return;
  throw new UserError("Workers need `script`, which is not on PATH", {
    next: "install it (util-linux; Debian: bsdutils), then see `looop doctor`",
    kind: "script_missing",
  });
}

/** Makes the session's folder under the fleet's lock, so that one of many starts of the same id wins. */
async function openSession(
  profile: Profile,
  meta: SessionMeta,
  agent: AgentFile,
  nowMs: number,
): Promise<void> {
  makeDir(profile.sessions);
  const dir = sessionDir(profile, meta.id);
  refuseAlias(dir);
  const before = await findSession(profile, meta.id, nowMs);
  if (before?.view.unknown !== undefined) throw maybeAlive(meta.id, before.view.unknown);
  if (before?.view.alive) throw alreadyAlive(meta.id);
  if (before !== undefined && await runsOn(profile, before)) throw lostAlive(meta.id);
  // A folder without a readable record may be a living worker's.
  if (
    before === undefined && exists(dir) && (await readMarked(sessionMarks(profile, meta.id, ""))).size > 0
  ) {
    throw alreadyAlive(meta.id);
  }
  const stage = `${profile.sessions}/.new-${meta.id}-${meta.gen}`;
  makeDir(stage);
  replaceFile(`${stage}/meta.json`, metaText(meta));
  writeAgent(stage, agent);
  replaceFile(`${stage}/output.log`, "", { durable: false });
  try {
    await withLock(`${profile.sessions}/.lock`, () => {
      if (exists(dir)) {
        if (readSession(profile, meta.id)?.meta.gen !== before?.gen) throw alreadyAlive(meta.id);
        moveFile(dir, nextRunName(dir));
      }
      moveFile(stage, dir);
    });
    keepUntold(profile, meta, nowMs);
  } finally {
    removeTree(stage);
  }
}

/**
 * Journals the tells that earlier runs have not read: they are reported with those runs' end, but the id may be
 * reused before anybody has seen that report.
 */
function keepUntold(profile: Profile, { id, gen }: SessionMeta, nowMs: number): void {
  clearTells(profile, id, gen, ({ text }) => {
    appendJournal(profile, `untold: an earlier run of ${id} has not read: ${text}`, new Date(nowMs));
  });
}

/** The error for an id that is in use. */
export function alreadyAlive(id: string): UserError {
  return new UserError(`Worker "${id}" is alive already`, {
    next:
      `watch it with \`looop _ worker log ${id}\`, end it with \`looop _ worker kill ${id}\`, or use another id`,
    kind: "alive",
  });
}

function maybeAlive(id: string, why: string): UserError {
  return new UserError(`Worker "${id}" may be alive: ${why}`, {
    next: `end it where it runs, give it up with \`looop _ worker kill ${id} --forget\`, or use another id`,
    kind: "unknown",
  });
}

function lostAlive(id: string): UserError {
  return new UserError(`Worker "${id}" is lost, but its agent still runs`, {
    next: `end it with \`looop _ worker kill ${id}\` first, or use another id`,
    kind: "alive",
  });
}

/**
 * Undoes a start that was killed after it had moved the previous run aside and before it took its place: then the id
 * has no session, though it has had one.
 */
export async function mendHalfStart(profile: Profile, id: string): Promise<void> {
  const dir = sessionDir(profile, id);
  if (exists(dir) || !exists(`${dir}~1`)) return;
  await withLock(`${profile.sessions}/.lock`, () => {
    let n = 1;
    while (exists(`${dir}~${n + 1}`)) n++;
    if (!exists(dir)) moveFile(`${dir}~${n}`, dir);
  });
}

function nextRunName(dir: string): string {
  for (let n = 1;; n++) if (!exists(`${dir}~${n}`)) return `${dir}~${n}`;
}

/** @throws {UserError} when the system refuses, as it does when command and environment are too long. */
function spawnSupervisor(
  host: WorkerHost,
  bin: string,
  spec: WorkerSpec,
  meta: SessionMeta,
  command: string,
  cwd: string,
): Deno.ChildProcess {
  const { profile } = host;
  const own = ownVariables(profile, bin);
  const env = childEnv(host.env, own, {
    TERM: "xterm-256color",
    ...spec.env,
    LOOOP_WORKER_CMD: command,
    LOOOP_WORKER_ID: spec.id,
    LOOOP_WORKER_GEN: meta.gen,
    LOOOP_OS: PLATFORM,
  });
  const dir = sessionDir(profile, spec.id);
  const argv = ["/bin/sh", "-c", SUPERVISOR, "looop-supervisor", dir, "../../.poke", cwd];
  try {
    return spawnChild({ argv, cwd: dir, env, output: "null" });
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot start worker "${meta.id}": ${(error as Error).message}`, {
      next: "shorten the runner's template or the environment if they are long, then try again",
      kind: "start_failed",
      cause: error,
    });
  }
}

/** Waits until the supervisor has reported that the agent runs, or that it has ended. */
async function untilRunning({ profile, env }: WorkerHost, id: string): Promise<void> {
  const status = `${sessionDir(profile, id)}/status.json`;
  const deadline = performance.now() + START_TIMEOUT_MS;
  const watch = new Watch({ dirs: [profile.dir], pollMs: 100, off: watchesOff(env) });
  try {
    while (performance.now() < deadline) {
      if (statOf(status) !== undefined) return;
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
