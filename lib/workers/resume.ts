/** Goes on with the agent session of a worker that has ended: after a crash, a reboot, a kill. */
import type { AgentFile } from "../agents/agent_session.ts";
import { readConfig } from "../records/config.ts";
import { UserError } from "../errors.ts";
import { presetNamed, type SessionWords } from "../records/presets.ts";
import { withSessionResume } from "../agents/runners.ts";
import { findSession, readSession, type SessionMeta, unknownWorker } from "../sessions/session.ts";
import { collectRun, completeAgent, countedAfter } from "../agents/spend.ts";
import { killSessionTree } from "./end.ts";
import { alreadyAlive, launchRun, newGeneration, requireProgram, type WorkerHost } from "./start.ts";
import { describeTemplate, envOf, type ResolvedRunner } from "../agents/resolve.ts";

/**
 * Starts the same agent session again as a new run of the same worker, with `text` as its next prompt.
 *
 * @throws {UserError} when the worker is alive, unknown, or its agent's session is not known.
 */
export async function resumeWorker(host: WorkerHost, id: string, text: string): Promise<ResolvedRunner> {
  const { profile } = host;
  const before = await findSession(profile, id, host.now());
  const record = readSession(profile, id);
  if (before === undefined || record === undefined) throw unknownWorker(id);
  if (before.view.alive) throw alreadyAlive(id);
  const agent = await completeAgent(host, id, before.dir);
  const runner = resumedRunner(host, record.meta.runner, agent);
  const session = agent?.sessions.at(-1);
  const words = presetNamed(runner.preset)?.session;
  if (agent === undefined || session === undefined || (words === undefined && runner.resume === undefined)) {
    throw new UserError(`Worker "${id}" (${record.meta.runner}) has no agent session that could be resumed`, {
      next: `start it again with \`looop _ worker start ${id} …\``,
      kind: "no_session",
    });
  }
  if (before.host === undefined) requireProgram(runner, { ...host.env, ...agent.env });
  // What the agent has left running must not go on beside its successor.
  if (before.host === undefined) await killSessionTree(profile, before, host.now);
  await collectRun(host, { id, dir: before.dir, gen: before.gen }, readConfig(profile.config).config.prices);
  await launchRun(host, {
    spec: {
      id,
      brief: text,
      cwd: record.meta.cwd === "" ? undefined : record.meta.cwd,
      env: agent.env,
      timeoutS: limitOf(record.meta),
      host: before.host,
    },
    gen: newGeneration(),
    runner,
    template: runner.resume ?? withSessionResume(runner.template, words as SessionWords),
    sessionId: session.id,
    prompt: { text: `${text}\n`, inSession: true },
    sessions: [session],
    counted: countedAfter(before.dir),
  });
  return runner;
}

/** How long the run before might take, in seconds: the next one may as long. */
function limitOf({ deadline, started_at }: SessionMeta): number | undefined {
  return deadline === undefined ? undefined : deadline - started_at;
}

/** The runner as it was at the start, so that its options stay; the config may add how to resume. */
function resumedRunner(host: WorkerHost, name: string, agent: AgentFile | undefined): ResolvedRunner {
  const wired = readConfig(host.profile.config).config.runners[name];
  const runner = describeTemplate(name, agent?.template ?? "", agent?.preset);
  return { ...runner, resume: wired?.resume, ...envOf(wired) };
}
