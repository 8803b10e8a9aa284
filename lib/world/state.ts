/** Reads the profile's present state, and shows it as `_ state` and `_ wait` print it. */
import type { FitFiles } from "./fit.ts";
import { isPolicyName } from "../ids.ts";
import { parseExact } from "../text/json.ts";
import { journalTail, readActivity } from "../records/journal.ts";
import { listLeases } from "../sessions/lease.ts";
import { type Ask, readMailbox } from "../records/mailbox.ts";
import {
  type BadFile,
  listEntries,
  oddness,
  readJson,
  readLinkedText,
  settledStamp,
  statOf,
} from "../store.ts";
import { type HostRecord, readHosts, unreachableS } from "../records/hosts.ts";
import { unreadSensors } from "./sensors.ts";
import { type Sight, tokenOf, type WorkerRun } from "./observer.ts";
import { readOwnMoves } from "../records/own_moves.ts";
import type { Profile } from "../paths.ts";
import { allStillThere, isOfHere, noteSeen } from "../process/identity.ts";
import { type PulseView, readPulse, viewPulse } from "./pulse_record.ts";
import { isoSeconds } from "../text/time.ts";
import {
  badSessionFiles,
  listSessionIds,
  readFleet,
  viewBySign,
  type WorkerView,
} from "../sessions/session.ts";
import { checkWorld, emptyWorld, type OwnState, withOwnState, type World } from "./world.ts";

/** The world as last parsed here: a blocked wait looks every second, and usually it is the same. */
let parsed: { path: string; stamp: string; world: World } | undefined;

/** The published world, or an empty one; and the reason if an existing file cannot be used. */
export function readWorld(profile: Profile, nowMs: number): { world: World; bad: BadFile[] } {
  const { world: path } = profile;
  const stamp = settledStamp(path, nowMs);
  if (parsed !== undefined && parsed.path === path && parsed.stamp === stamp) {
    return { world: parsed.world, bad: [] };
  }
  parsed = undefined;
  const read = readJson(path, checkWorld, parseExact);
  if (read === undefined) return { world: emptyWorld(), bad: [] };
  if ("bad" in read) return { world: emptyWorld(), bad: [{ path, reason: read.bad }] };
  if (stamp !== undefined) parsed = { path, stamp, world: read.value };
  return { world: read.value, bad: [] };
}

/** Stands for the text of a file that exists but cannot be read: neither absent nor any text. */
const UNREADABLE = "\0unreadable";

/** A policy file's text; a file that cannot be read is listed in `bad` and stops nothing. */
function readPolicy(path: string, bad: BadFile[]): string | undefined {
  try {
    return readLinkedText(path);
  } catch (error) {
    bad.push({ path, reason: (error as Error).message });
    return UNREADABLE;
  }
}

function readGoals(profile: Profile, bad: BadFile[]): Record<string, string> {
  const goals: Record<string, string> = {};
  for (const { id, path, isSymlink } of policyFiles(profile.goals, ".md", bad)) {
    const text = readPolicy(path, bad);
    if (text !== undefined) goals[id] = text;
    else if (isSymlink) bad.push({ path, reason: "it is a link to nothing" });
  }
  return goals;
}

/** Files of a policy folder, links included. A file whose name none may have is bad, since it would be silently ignored. */
function policyFiles(
  dir: string,
  suffix: string,
  bad: BadFile[],
): { id: string; path: string; isSymlink: boolean }[] {
  const files = listEntries(dir)
    .filter(({ name, isFile, isSymlink }) =>
      (isFile || isSymlink) && !name.startsWith(".") && name.endsWith(suffix)
    )
    .map(({ name, isSymlink }) => ({ id: name.slice(0, -suffix.length), path: `${dir}/${name}`, isSymlink }))
    .sort((a, b) => a.id < b.id ? -1 : 1);
  for (const { id, path } of files) {
    if (!isPolicyName(id)) {
      bad.push({ path, reason: "its name is too long, begins with - or shows as another text" });
    }
  }
  return files.filter(({ id }) => isPolicyName(id));
}

/** looop's own state, read from its files. */
export async function readOwnState(
  profile: Profile,
  nowMs: number,
  known?: OwnState["sessions"],
): Promise<OwnState & { bad: BadFile[] }> {
  const { leases, bad } = listLeases(profile);
  const sessions = known ?? await readFleet(profile, nowMs);
  const open = sessions.filter(({ view }) => view.alive || view.state === "lost").map(({ view }) => view.id);
  bad.push(...badSessionFiles(profile, new Set(sessions.map(({ view }) => view.id)), open, nowMs));
  policyFiles(profile.sensors, ".sh", bad);
  const activity = readActivity(profile);
  if ("bad" in activity) bad.push({ path: profile.goalActivity, reason: activity.bad });
  return {
    playbook: readPolicy(profile.playbook, bad),
    goals: readGoals(profile, bad),
    sessions,
    claims: leases,
    activity: "bad" in activity ? {} : activity.value,
    nowMs,
    bad,
  };
}

/**
 * All workers. The ended ones are taken from the published world while `sessions/` has not changed, so that the cost
 * depends on the living, not on the past.
 *
 * @param near Workers whose present state is known; they are not read.
 */
export async function readWorkers(
  profile: Profile,
  world: World,
  nowMs: number,
  trustMs = 0,
  near: ReadonlyMap<string, WorkerRun> = new Map(),
): Promise<WorkerRun[]> {
  const mtime = statOf(profile.sessions)?.mtime?.getTime() ?? 0;
  const trusted = world.fleet.dir_mtime === mtime && mtime !== 0;
  const ended = trusted
    ? world.fleet.workers.filter(({ alive, state, verify }) =>
      !alive && state !== "lost" && verify !== "running"
    )
    : [];
  const known = new Set([...near.keys(), ...ended.map((worker) => worker.id)]);
  const ids = listSessionIds(profile).filter((id) => !known.has(id));
  const live = await readFleet(profile, nowMs, ids, trustMs);
  const runs = [...ended, ...near.values(), ...live.map(({ view, gen }) => ({ ...view, gen }))]
    .map((run) => ({ ...run, ...limitIn(world, run, run.gen) }));
  return runs.sort((a, b) => a.id < b.id ? -1 : 1);
}

/** The limit that the pulse has seen for a living worker. */
function limitIn({ watched }: World, { alive }: WorkerView, gen: string): Pick<WorkerView, "limited"> {
  const known = Object.hasOwn(watched, gen) ? watched[gen]?.limited : undefined;
  if (!alive || known === undefined || known.over === true) return {};
  const until = known.until === undefined ? null : isoSeconds(known.until);
  return { limited: { until, line: known.line } };
}

/** Running workers that still are as the published world has them; it holds only while a pulse verifies them. */
function workersBySign(profile: Profile, { fleet }: World, nowMs: number): Map<string, WorkerRun> {
  const near = new Map<string, WorkerRun>();
  for (const worker of fleet.workers) {
    const live = fleet.live ?? {};
    const sign = Object.hasOwn(live, worker.id) ? live[worker.id] : undefined;
    const now = sign === undefined ? undefined : viewBySign(profile, worker, sign, nowMs);
    if (sign === undefined || now === undefined) continue;
    near.set(worker.id, now);
    noteSeen(sign.pid);
  }
  return near;
}

/** Everything that can be seen at one moment, for `_ state`, `_ wait` and `status`. */
export interface Snapshot extends Sight {
  profile: Profile;
  pulse: PulseView;
  /** Other machines with a record. */
  hosts: HostView[];
  bad: BadFile[];
}

/**
 * Looks at the profile. While the pulse is alive its published world is the truth; without a pulse looop's own part
 * of the world is recomputed here, so that nothing shown is older than the files.
 *
 * @param trustMs As in `aliveOf`, for callers that look again and again.
 */
export async function look(profile: Profile, nowMs: number, trustMs = 0): Promise<Snapshot> {
  const { world: published, bad } = readWorld(profile, nowMs);
  const record = readPulse(profile);
  const near = record?.ready ? workersBySign(profile, published, nowMs) : new Map<string, WorkerRun>();
  // In one turn, so that one child process answers for the pulse and the workers alike.
  const [pulse, quickly] = await Promise.all([
    viewPulse(profile, record, nowMs, trustMs),
    readWorkers(profile, published, nowMs, trustMs, near),
  ]);
  const isVerified = pulse.alive && !pulse.stalled && record !== undefined && isOfHere(record);
  const workers = isVerified || near.size === 0
    ? quickly
    : await readWorkers(profile, published, nowMs, trustMs);
  const mailbox = readMailbox(profile);
  let world = published;
  if (!pulse.alive || published.published_at === 0) {
    const own = await readOwnState(profile, nowMs, workers.map((view) => ({ view })));
    world = await withOwnState(published, own);
    bad.push(...own.bad);
  }
  const journal = oddness(profile.journal);
  if (journal !== undefined) bad.push({ path: profile.journal, reason: journal });
  const files = [...bad, ...world.bad_files, ...mailbox.bad];
  return {
    profile,
    world,
    asks: mailbox.pending,
    answered: mailbox.answered,
    workers,
    pulse,
    hosts: readHosts(profile).map((host) => hostView(host, workers, nowMs)),
    nowMs,
    bad: files.filter((file, i) => files.findIndex((other) => other.path === file.path) === i),
    configFile: profile.config,
    moves: readOwnMoves(profile),
  };
}

/**
 * A summary by which a waiting reader can skip a look: equal glances mean that nothing it would look at was
 * published, posted or ended in between. Undefined when a glance does not suffice.
 */
export function glance(profile: Profile, nowMs: number): string | undefined {
  if (!allStillThere()) return undefined;
  const { world, wanted, asks, answers, sessions } = profile;
  const stamps = [world, wanted, asks, answers, sessions].map((path) => settledStamp(path, nowMs));
  return stamps.includes(undefined) ? undefined : stamps.join(" ");
}

/** One pending ask, shown whole. */
export interface AskView extends Omit<Ask, "v" | "gen"> {
  age_s: number;
  /** Whether the asking worker is still running; null when the asker is not a session of looop. */
  worker_alive: boolean | null;
}

/** A pending ask as it is shown whole. */
export function askView(ask: Ask, workers: readonly WorkerView[], nowMs: number): AskView {
  const { v: _v, gen: _gen, ...rest } = ask;
  const worker = workers.find((candidate) => candidate.id === ask.worker);
  return {
    ...rest,
    age_s: Math.max(0, Math.floor(nowMs / 1000 - ask.ts)),
    worker_alive: worker === undefined ? null : worker.alive,
  };
}

/** A worker as it is shown: without the generation, which is internal to looop. */
export function viewOf({ gen: _, ...view }: WorkerRun): WorkerView {
  return view;
}

/** The value that `_ state --json` prints. */
export async function stateOf(snapshot: Snapshot): Promise<Record<string, unknown>> {
  const { world, nowMs, profile } = snapshot;
  const readings: Record<string, unknown> = {};
  const snapshots: Record<string, unknown> = {};
  for (const name of Object.keys(world.readings).sort()) {
    const reading = world.readings[name];
    if (reading === undefined) continue;
    snapshots[name] = reading.value;
    readings[name] = {
      sensed_at: isoSeconds(reading.sensed_at),
      age_s: Math.max(0, Math.floor((nowMs - reading.sensed_at) / 1000)),
      ok: !reading.error,
      ...(reading.ms === undefined ? {} : { ms: reading.ms }),
    };
  }
  return {
    world_hash: world.world_hash,
    cursor: tokenOf(snapshot),
    data_dir: profile.dir,
    asks: snapshot.asks.map((ask) => askView(ask, snapshot.workers, nowMs)),
    workers: snapshot.workers.map(viewOf),
    goals: Object.keys(world.goals),
    pulse: snapshot.pulse,
    hosts: snapshot.hosts,
    schedules: Object.entries(world.schedules.files).map(([id, { next }]) => ({
      id,
      next: next === undefined ? null : isoSeconds(next),
    })),
    flapping: world.flapping,
    unread: await unreadSensors(profile, world, nowMs),
    bad_files: snapshot.bad,
    snapshots,
    readings,
    journal_tail: journalTail(profile, 20),
  };
}

/** One other machine as it is shown. */
export interface HostView {
  name: string;
  state: HostRecord["state"];
  workers: number;
  unreachable_s?: number;
  error?: string;
  strays?: string[];
}

/** A machine with its number of living workers. Pure. */
function hostView(host: HostRecord, workers: readonly WorkerView[], nowMs: number): HostView {
  const silence = unreachableS(host, nowMs);
  return {
    name: host.name,
    state: silence === undefined ? host.state : "down",
    workers: workers.filter((worker) => worker.host === host.name && worker.alive).length,
    ...(silence === undefined ? {} : { unreachable_s: silence }),
    ...(host.error === "" ? {} : { error: host.error }),
    ...(host.strays.length === 0 ? {} : { strays: host.strays }),
  };
}

/** Files in which a reader finds the parts that its limit cuts away. */
export function fitFiles(profile: Profile): FitFiles {
  return {
    snapshot: (name) => `${profile.snapshots}/${name}.json`,
    journal: profile.journal,
    sessions: profile.sessions,
    world: profile.world,
  };
}
