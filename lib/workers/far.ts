/** Workers on other machines: what their start and end need in addition to those of local ones. */
import { pointerPrompt } from "../agents/contract.ts";
import type { ResolvedRunner } from "../agents/resolve.ts";
import { fillTemplate, isOneCommand, MAX_ARGUMENT_BYTES, passesPromptAsArgument } from "../agents/runners.ts";
import { UserError } from "../errors.ts";
import type { PlaceHost } from "../hosts/home.ts";
import { ensureHome } from "../records/home.ts";
import { dropStart, keepStart, Place } from "../hosts/place.ts";
import { farDir, type FarRun } from "../hosts/program.ts";
import { poke } from "../records/move.ts";
import { type Config, readConfig } from "../records/config.ts";
import { presetNamed } from "../records/presets.ts";
import { readHost, unreachableS } from "../records/hosts.ts";
import { delay } from "../process/tree.ts";
import {
  type EndedBy,
  endedStatusText,
  hasEnded,
  readSession,
  recordEnd,
  runningStatusText,
  type Session,
} from "../sessions/session.ts";
import { sessionDir } from "../sessions/run_files.ts";
import { createOnce, replaceFile } from "../store.ts";

/** The parts of a far run, as known at home. */
export interface FarStart {
  id: string;
  gen: string;
  runner: ResolvedRunner;
  template: string;
  sessionId: string | undefined;
  prompt: string;
  env: Readonly<Record<string, string>>;
  cwd: string | undefined;
  records: string;
}

/** Command line and files of a run on a host; {@link farDir} stands for its folder there. Pure. */
export function farRun(start: FarStart, config: Config, hostName: string): FarRun {
  const { id, gen, template, runner } = start;
  const dir = farDir({ gen });
  const host = config.hosts[hostName];
  const isLong = passesPromptAsArgument(template) &&
    new TextEncoder().encode(start.prompt).length > MAX_ARGUMENT_BYTES;
  const promptFile = `${dir}/prompt.md`;
  const command = fillTemplate(template, {
    prompt_file: isLong ? `${dir}/pointer.md` : promptFile,
    session_id: start.sessionId ?? "",
  });
  return {
    id,
    gen,
    command: isOneCommand(template) ? `exec ${command}` : command,
    files: {
      "prompt.md": start.prompt,
      ...(isLong ? { "pointer.md": pointerPrompt(id, promptFile) } : {}),
    },
    env: { ...host?.env, ...start.env },
    cwd: start.cwd ?? host?.cwd,
    program: runner.program,
    records: start.records,
    lead: presetNamed(runner.preset)?.asksOnceMore ? "KILL" : undefined,
    orphanMinutes: config.orphan_after > 0 ? Math.max(1, Math.ceil(config.orphan_after / 60)) : 0,
  };
}

/**
 * Starts a run that home has recorded. When the outcome is unknown, the record stays and the pulse finds out.
 *
 * @throws {UserError} when the host refuses it; then the run is over.
 */
export async function launchFar(host: PlaceHost, name: string, run: FarRun): Promise<void> {
  const { profile } = host;
  ensureHome(profile);
  keepStart(profile, run);
  const dir = sessionDir(profile, run.id);
  try {
    const handle = await Place.named(host, name).start(run);
    // Its end may have come home in the meantime.
    if (handle === undefined) {
      createOnce(`${dir}/status.json`, runningStatusText(host.now()));
    }
    dropStart(profile, run.id);
  } catch (error) {
    if (!(error instanceof UserError) || error.kind === "host_refused" || error.kind === "usage") {
      const text = endedStatusText({ state: "exited", by: "host" }, 126, host.now());
      replaceFile(`${dir}/status.json`, text);
      replaceFile(`${dir}/mirror.json`, `${JSON.stringify({ v: 1, fetched: true })}\n`, { durable: false });
    }
    throw error;
  } finally {
    poke(profile);
  }
}

/** Time that the pulse has to end a worker on a host that it can reach, ms: TERM, 5 s, KILL, and transmission. */
const PULSE_PATIENCE_MS = 15_000;

/** Whether a worker's end was confirmed, or the reason why it was not. */
export type FarEnd = "already" | "ended" | { unreachable: string };

/**
 * Ends a worker on another machine. The end is recorded first, so that it happens in any case when the machine is
 * heard again; it is then carried out over the pulse's line, or over a line of its own when there is no pulse.
 */
export async function endFar(
  host: PlaceHost,
  session: Session,
  state: "exited" | "killed",
  by: EndedBy,
  hasPulse: boolean,
): Promise<FarEnd> {
  const { profile } = host;
  if (!session.view.alive && session.view.state !== "lost") return "already";
  recordEnd(session, state, by);
  poke(profile);
  if (hasPulse) {
    const deadline = performance.now() + PULSE_PATIENCE_MS;
    while (performance.now() < deadline) {
      if (isEnded(host, session)) return "ended";
      if (unreachableS(readHost(profile, session.host ?? ""), host.now()) !== undefined) {
        const record = readHost(profile, session.host ?? "");
        if (
          record !== undefined && record.error !== "" &&
          performance.now() > deadline - PULSE_PATIENCE_MS + 3_000
        ) break;
      }
      await delay(50);
    }
    return isEnded(host, session) ? "ended" : { unreachable: reasonOf(host, session) };
  }
  return (await endFarRuns(host, session.host ?? "", [session], STOP_MS)).length > 0
    ? "ended"
    : { unreachable: reasonOf(host, session) };
}

/** Time limit of one command that ends runs, ms. */
const STOP_MS = 20_000;

/**
 * Ends runs of one host over a line of its own; returns those that have ended. Their ends must be recorded already.
 */
export async function endFarRuns(
  host: PlaceHost,
  name: string,
  sessions: readonly Session[],
  limitMs: number,
): Promise<Session[]> {
  const { profile, now } = host;
  const runs = sessions.map(({ view, gen }) => {
    const end = readSession(profile, view.id)?.end ?? { state: "killed", by: "down" };
    return { id: view.id, gen, ...end };
  });
  const { config } = readConfig(profile.config);
  if (!Object.hasOwn(config.hosts, name)) return [];
  const stopped = new Set((await Place.named(host, name).stop(runs, limitMs)).map(({ gen }) => gen));
  for (const { gen, state, by, id } of runs) {
    const record = readSession(profile, id);
    if (!stopped.has(gen) || record?.meta.gen !== gen || hasEnded(record)) continue;
    const text = endedStatusText({ state, by }, state === "exited" ? 0 : null, now());
    replaceFile(`${record.dir}/status.json`, text);
  }
  return sessions.filter(({ gen }) => stopped.has(gen));
}

function isEnded({ profile }: PlaceHost, { view, gen }: Session): boolean {
  const record = readSession(profile, view.id);
  return record === undefined || record.meta.gen !== gen || hasEnded(record);
}

/** Why a host is not heard, in a few words. */
export function reasonOf({ profile, now }: PlaceHost, { host = "" }: Session): string {
  const record = readHost(profile, host);
  const seconds = unreachableS(record, now());
  const since = seconds === undefined ? "" : ` for ${seconds} s`;
  const why = record?.error ? ` (${record.error})` : "";
  return `host "${host}" is not heard${since}${why}`;
}
