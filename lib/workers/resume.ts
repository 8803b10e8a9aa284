/** Resumes the agent session of a worker that has ended: after a crash, a reboot, a kill. */
import type { AgentFile } from "../agents/agent_session.ts";
import { resumePrompt } from "../agents/contract.ts";
import { readConfig } from "../records/config.ts";
import { UserError } from "../errors.ts";
import { presetNamed, type SessionWords } from "../records/presets.ts";
import { withSessionResume } from "../agents/runners.ts";
import { withTellHook } from "../agents/tell_hook.ts";
import { COPIED_RECORDS } from "../agents/record_files.ts";
import { findSession, readSession, type SessionMeta, type SessionRecord } from "../sessions/session.ts";
import { unknownWorker } from "../sessions/run_files.ts";
import { completeAgent } from "../agents/find_session.ts";
import { type Asking, NotAnswered } from "../agents/opencode.ts";
import { collectRun, countedAfter } from "../agents/spend.ts";
import { callsRecorded } from "../agents/story_source.ts";
import { Place } from "../hosts/place.ts";
import { farDir } from "../hosts/program.ts";
import { readMailbox } from "../records/mailbox.ts";
import { killSessionTree } from "./end.ts";
import {
  alreadyAlive,
  launchRun,
  mendHalfStart,
  newGeneration,
  pathOf,
  requireProgram,
  withSearchPath,
  type WorkerHost,
} from "./start.ts";
import { describeTemplate, envOf, type ResolvedRunner } from "../agents/resolve.ts";

/**
 * Starts the same agent session again as a new run of the same worker, with `said` as its next prompt; by default it
 * is told where it stands.
 *
 * @throws {UserError} when the worker is alive, unknown, or its agent's session is not known.
 */
export async function resumeWorker(
  caller: WorkerHost & Pick<Asking, "waiting">,
  id: string,
  said?: string,
): Promise<ResolvedRunner> {
  const host = withSearchPath(caller);
  const { profile } = host;
  await mendHalfStart(profile, id);
  const before = await findSession(profile, id, host.now());
  const record = readSession(profile, id);
  if (before === undefined || record === undefined) throw unknownWorker(id);
  if (before.view.alive) throw alreadyAlive(id);
  const asking = { ...caller, env: host.env };
  const agent = await completeAgent(asking, id, before.dir).catch((error) => refuse(id, error));
  const runner = resumedRunner(host, record.meta.runner, agent);
  const session = agent?.sessions.at(-1);
  const words = presetNamed(runner.preset)?.session;
  if (agent === undefined || session === undefined || (words === undefined && runner.resume === undefined)) {
    throw new UserError(`Worker "${id}" (${record.meta.runner}) has no agent session that could be resumed`, {
      next: session?.cli === "other"
        ? `give "runners.${record.meta.runner}" in config.json a "resume" line with {{session_id}}, or start it again`
        : `start it again with \`looop _ worker start ${id} …\``,
      kind: "no_session",
    });
  }
  if (before.host === undefined) requireProgram(host, runner, agent.env);
  // Processes that the agent has left running must not continue beside its successor.
  if (before.host === undefined) await killSessionTree(profile, before, host.now);
  const run = { id, dir: before.dir, gen: before.gen };
  // Collected before the agent continues: its further spend is the next run's.
  await collectRun(asking, run, readConfig(profile.config).config.prices).catch((error) => refuse(id, error));
  const told = before.host === undefined
    ? withTellHook(runner.template, runner.preset, pathOf(host, runner, agent.env))
    : runner.template;
  const gen = newGeneration();
  const text = said ?? resumePrompt(
    before.host === undefined ? await host.bin() : `${farDir({ gen })}/looop`,
    readMailbox(profile).pending.filter((ask) => ask.worker === id),
  );
  await launchRun(host, {
    spec: {
      id,
      brief: text,
      cwd: await folderOf(host, record),
      env: agent.env,
      timeoutS: limitOf(record.meta),
      host: before.host,
      goal: record.meta.goal,
      verify: record.meta.verify,
    },
    gen,
    runner,
    template: runner.resume ?? withSessionResume(told, words as SessionWords),
    sessionId: session.id,
    // Some CLIs take a prompt that begins with a dash for an option.
    prompt: { text: `${text.startsWith("-") ? "Your root agent says:\n" : ""}${text}\n`, inSession: true },
    sessions: [before.host === undefined ? session : { ...session, records: COPIED_RECORDS }],
    counted: countedAfter(before.dir),
    callsBefore: callsRecorded([session]),
  });
  return runner;
}

/**
 * The folder of the previous run, by which some CLIs find their sessions. On another machine it is the run's own folder
 * unless one was named; an engine's job takes its folder with it, unless that is one which home sees, too.
 */
async function folderOf(host: WorkerHost, { id, meta }: SessionRecord): Promise<string | undefined> {
  if (meta.cwd !== "") return meta.cwd;
  if (meta.host === undefined) return undefined;
  const { hosts } = readConfig(host.profile.config).config;
  if (!Object.hasOwn(hosts, meta.host)) return undefined;
  const { driver } = Place.named(host, meta.host);
  return driver === undefined || await driver.isFolder() ? `../${id}.${meta.gen}` : undefined;
}

/** @throws {UserError} when an agent's records have not answered, so that its spend and its session are unknown. */
function refuse(id: string, error: unknown): never {
  if (!(error instanceof NotAnswered)) throw error;
  throw new UserError(`Cannot resume worker "${id}" now: ${error.message}`, {
    next: "nothing is lost; try again in a minute",
    kind: "not_answered",
    cause: error,
  });
}

/** The time limit of the previous run, in seconds: the next one gets the same. */
function limitOf({ deadline, started_at }: SessionMeta): number | undefined {
  return deadline === undefined ? undefined : deadline - started_at;
}

/** The runner as it was at the start, so that its options stay; the config may add how to resume. */
function resumedRunner(host: WorkerHost, name: string, agent: AgentFile | undefined): ResolvedRunner {
  const wired = readConfig(host.profile.config).config.runners[name];
  const runner = describeTemplate(name, agent?.template ?? "", agent?.preset);
  return { ...runner, resume: wired?.resume, ...envOf(wired) };
}
