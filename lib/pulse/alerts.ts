/** Alerts about workers, each given to the root agent once: one never began, has gone silent, or is out of quota. */
import { readAgent } from "../agents/agent_session.ts";
import type { Jump } from "./clock.ts";
import type { Config } from "../records/config.ts";
import { readMailbox } from "../records/mailbox.ts";
import type { PulseHost } from "./host.ts";
import type { LimitWatch } from "./limited.ts";
import { screenOf } from "./screen.ts";
import type { Session } from "../sessions/session.ts";
import { statOf } from "../store.ts";
import type { Alert, Watched, World } from "../world/world.ts";

/** The parts of the pulse's surroundings that a look needs. */
type AlertHost = Pick<PulseHost, "profile" | "bin" | "env" | "now">;

/** Number of screen lines in an alert. */
const SCREEN_LINES = 20;
/** Time by which a file may seem younger than now, ms. */
const CLOCKS_APART_MS = 10_000;

/** The current alerts about workers. */
export interface WorkerAlerts {
  alerts: Alert[];
  /** The memory of the living workers, by generation. */
  watched: World["watched"];
  /** Generations of workers that have run for as long as they may. */
  overdue: Set<string>;
  /** When to look again if nothing changes, unix ms. */
  nextAt: number;
}

/**
 * Workers that did not begin, and workers that have gone silent, each reported once and never as both: a worker
 * reported as one is not reported as the other until it has begun. A worker that is out of quota is reported as neither.
 *
 * The memory is part of the published world, so that a restarted pulse reports nothing twice. A worker's limits count
 * the time in which it could run: a jump of the clock makes none of them due.
 */
export async function workerAlerts(
  host: AlertHost,
  sessions: readonly Session[],
  config: Pick<Config, "ready_timeout" | "silent_after">,
  { alerts: told, watched }: Pick<World, "alerts" | "watched">,
  limits: LimitWatch,
  { nowMs, jump }: { nowMs: number; jump?: Jump },
): Promise<WorkerAlerts> {
  const alive = sessions.filter(({ view }) => view.alive);
  const asking = new Set(
    alive.length === 0 ? [] : readMailbox(host.profile).pending.map((ask) => ask.worker),
  );
  const found: WorkerAlerts = { alerts: [], watched: {}, overdue: new Set(), nextAt: Infinity };
  for (const session of alive) {
    const known = withJump(watched[session.gen] ?? {}, isFromBefore(session, limits, nowMs, jump), nowMs);
    const look = { session, known, isAsking: asking.has(session.view.id), told, config };
    const { alert, memory, nextAt } = await lookAt(host, look, limits);
    if (alert !== undefined) found.alerts.push(alert);
    if (Object.keys(memory).length > 0) found.watched[session.gen] = memory;
    const endAt = (session.deadline ?? Infinity) * 1000 + (memory.jumped?.ms ?? 0);
    if (nowMs >= endAt) found.overdue.add(session.gen);
    found.nextAt = Math.min(found.nextAt, nextAt, endAt);
  }
  limits.keep(new Set(alive.map(({ gen }) => gen)));
  return found;
}

/** The jump, if a worker ran before it: one that was looked at did, else the nearer of the two times tells. Pure. */
function isFromBefore(
  { gen, startedAt }: Session,
  limits: LimitWatch,
  nowMs: number,
  jump: Jump | undefined,
): Jump | undefined {
  if (jump === undefined || limits.knows(gen)) return jump;
  const age = nowMs - startedAt * 1000;
  return Math.abs(age - jump.ms) < Math.abs(age) ? jump : undefined;
}

function withJump(known: Watched, jump: Jump | undefined, nowMs: number): Watched {
  if (jump === undefined) return known;
  return { ...known, jumped: { at: nowMs, ms: (known.jumped?.ms ?? 0) + jump.ms } };
}

/** One look at one living worker. */
interface Look {
  session: Session;
  known: Watched;
  isAsking: boolean;
  told: readonly Alert[];
  config: Pick<Config, "ready_timeout" | "silent_after">;
}

/** The findings of a look at one worker. */
interface Found {
  alert?: Alert;
  memory: Watched;
  nextAt: number;
}

async function lookAt(host: AlertHost, look: Look, limits: LimitWatch): Promise<Found> {
  const { session, known: { limited: before, ...others } } = look;
  const { limited, nextAt } = await limits.look(session, before, host.now());
  const memory = limited === undefined ? others : { ...others, limited };
  if (limited !== undefined && limited.over !== true) {
    return { alert: limitedAlert(session, limited), memory, nextAt };
  }
  const found = await lookForSilence(host, { ...look, known: memory });
  return { ...found, nextAt: Math.min(found.nextAt, nextAt) };
}

function limitedAlert(
  { view, gen }: Session,
  { since, line, until }: NonNullable<Watched["limited"]>,
): Alert {
  const key = `limited/${view.id}/${gen}/${since}`;
  return { kind: "limited", id: view.id, key, screen: [line], ...(until === undefined ? {} : { until }) };
}

async function lookForSilence(host: AlertHost, look: Look): Promise<Found> {
  const { session, isAsking, config } = look;
  const now = host.now();
  const known = answered(look.known, isAsking, now);
  const readyAt = session.view.ready || config.ready_timeout === 0
    ? Infinity
    : lastOf([session.startedAt * 1000, known.jumped?.at ?? 0], now) + config.ready_timeout * 1000;
  // Waiting for an answer is not silence.
  const silence = isAsking || config.silent_after === 0
    ? undefined
    : await silenceOf(session, known, config, now);
  const isSilent = silence !== undefined && now >= silence.at;
  if (now >= readyAt && known.silent === undefined) {
    return { alert: await notReady(host, look), memory: known, nextAt: Infinity };
  }
  if (!isSilent) {
    return { memory: known, nextAt: Math.min(now >= readyAt ? Infinity : readyAt, silence?.at ?? Infinity) };
  }
  const silent = await silentOf(host, session, known, silence.since);
  const { key, screen } = silent;
  return {
    alert: { kind: "silent", id: session.view.id, key, screen },
    memory: { ...known, silent },
    nextAt: Infinity,
  };
}

/** Remembers when the worker stopped asking: its silence begins with its last output or then. */
function answered({ asking, ...known }: Watched, isAsking: boolean, now: number): Watched {
  if (isAsking) return { ...known, asking: true };
  return asking === true ? { ...known, answered_at: now } : known;
}

/** Since when a worker is quiet, and when that is to be reported, unix ms. */
async function silenceOf(
  session: Session,
  { answered_at, jumped }: Watched,
  { silent_after }: Look["config"],
  now: number,
): Promise<{ since: number; at: number }> {
  const silentMs = silent_after * 1000;
  const times = [session.startedAt * 1000, outputStamp(session), answered_at ?? 0, jumped?.at ?? 0];
  let since = lastOf(times, now);
  if (now >= since + silentMs) since = lastOf([since, await recordStamp(session)], now);
  return { since, at: since + silentMs };
}

/** The last of these times. One that is yet to come was written before the clock was set back, and says nothing. */
function lastOf(times: readonly number[], now: number): number {
  const past = times.filter((time) => time <= now + CLOCKS_APART_MS);
  return past.length === 0 ? now : Math.max(...past);
}

async function notReady(host: AlertHost, { session, told }: Look): Promise<Alert> {
  const key = `not_ready/${session.view.id}/${session.gen}`;
  const known = told.find((alert) => alert.key === key);
  return known ??
    {
      kind: "not_ready",
      id: session.view.id,
      key,
      screen: await screenOf(host, session.view.id, SCREEN_LINES),
    };
}

/**
 * The silence that began at `since`. One after which the screen is unchanged counts as the same: it was only a
 * redraw.
 */
async function silentOf(
  host: AlertHost,
  { view, gen }: Session,
  { silent }: Watched,
  since: number,
): Promise<NonNullable<Watched["silent"]>> {
  if (silent?.since === since) return silent;
  const screen = await screenOf(host, view.id, SCREEN_LINES);
  const isSame = silent !== undefined && silent.screen.join("\n") === screen.join("\n");
  return { since, key: isSame ? silent.key : `silent/${view.id}/${gen}/${since}`, screen };
}

function outputStamp(session: Session): number {
  return statOf(`${session.dir}/output.log`)?.mtime?.getTime() ?? 0;
}

/** When the agent last wrote to its own record, unix ms: without a terminal some print nothing before their end. */
async function recordStamp(session: Session): Promise<number> {
  const { recordFiles } = await import("../agents/record_files.ts");
  // opencode's record is one file for all its sessions: it says nothing about this one.
  const own = readAgent(session.dir)?.sessions.filter(({ cli, id }) => cli !== "opencode" && id !== "") ?? [];
  return Math.max(0, ...own.flatMap(recordFiles).map((file) => statOf(file)?.mtime?.getTime() ?? 0));
}
