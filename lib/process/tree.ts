/**
 * Processes: who they are, whether they live, and how a whole tree of them ends. `Deno.kill` with SIGURG, which
 * programs ignore by default, is the cheap first probe.
 */
import { type ProcessFact, type ProcessTable, readAllProcesses, readMarked, readProcesses } from "./table.ts";

export {
  parseProcessTable,
  type ProcessFact,
  type ProcessTable,
  readAllProcesses,
  readMarked,
  readMarkedAny,
  readNamed,
  readProcesses,
} from "./table.ts";

/** A process that cannot be mistaken for another: a pid alone is given out again. */
export interface Identity {
  pid: number;
  /** Start time in the kernel's own unit (Linux: clock ticks since boot; macOS: `lstart` text). */
  start: string;
  /** The boot it belongs to; a pid of an earlier boot is dead. */
  boot: string;
}

/** This process's own identity. */
export async function ownIdentity(): Promise<Identity> {
  return await identityOf(Deno.pid) ?? { pid: Deno.pid, start: "", boot: "" };
}

/** The identity of a process that is alive now, or undefined. */
export async function identityOf(pid: number): Promise<Identity | undefined> {
  const table = await readProcesses([pid]);
  const fact = table.processes.get(pid);
  return fact === undefined ? undefined : { pid, start: fact.start, boot: table.boot };
}

/** Whether `identity` is alive in `table`: same boot, same pid, same start time, no zombie. Pure. */
export function isAliveIn(table: ProcessTable, identity: Identity): boolean {
  const fact = table.processes.get(identity.pid);
  return fact !== undefined && fact.state !== "Z" && fact.start === identity.start &&
    table.boot === identity.boot;
}

/** Whether a process exists at all, zombies included; false is certain, true is not. Costs microseconds. */
export function mayExist(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGURG");
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** When an identity was last found alive by its start time: "pid/start/boot" → `performance.now()`. */
const verified = new Map<string, number>();

/**
 * Which of these identities are alive. One `sh` for all that are asked in the same turn, none when no pid exists.
 *
 * One who waits may pass `trustMs`: an identity that was verified no longer ago is taken for alive while a
 * process of its pid exists, which costs no child. Only life is taken on trust, never death, so at worst a
 * zombie, or a pid that was given out again within that time, is noticed that much later.
 */
export async function aliveOf(identities: readonly Identity[], trustMs = 0): Promise<Set<Identity>> {
  const candidates = identities.filter((identity) => identity.pid > 0 && mayExist(identity.pid));
  const trustedFrom = performance.now() - trustMs;
  const isTrusted = (identity: Identity) => (verified.get(identityKey(identity)) ?? -Infinity) > trustedFrom;
  const doubtful = candidates.filter((identity) => trustMs === 0 || !isTrusted(identity));
  const dead = new Set<Identity>();
  if (doubtful.length > 0) {
    const table = await readTogether(doubtful.map((identity) => identity.pid));
    for (const identity of doubtful) {
      if (isAliveIn(table, identity)) verified.set(identityKey(identity), performance.now());
      else {
        verified.delete(identityKey(identity));
        dead.add(identity);
      }
    }
  }
  return new Set(candidates.filter((identity) => !dead.has(identity)));
}

/** Whether all that were last found alive still exist, as far as microseconds can tell; tells of each end once. */
export function allStillThere(): boolean {
  const gone = [...verified.keys()].filter((key) => !mayExist(parseInt(key)));
  for (const key of gone) verified.delete(key);
  return gone.length === 0;
}

/** An identity as one text, equal for equal ones. */
export function identityKey({ pid, start, boot }: Identity): string {
  return `${pid}/${start}/${boot}`;
}

let together: { pids: Set<number>; table: Promise<ProcessTable> } | undefined;

/** Facts of processes; all that is asked before the caller's turn ends is answered by one child. */
function readTogether(pids: readonly number[]): Promise<ProcessTable> {
  if (together === undefined) {
    const all = new Set<number>();
    const table = Promise.resolve().then(() => {
      together = undefined;
      return readProcesses([...all]);
    });
    together = { pids: all, table };
  }
  for (const pid of pids) together.pids.add(pid);
  return together.table;
}

/** Sends a signal to one process or, with a negative number, to a group; false when there is none. */
export function signal(pid: number, name: Deno.Signal): boolean {
  try {
    Deno.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/** What belongs to a tree that is to end. */
export interface TreeSpec {
  /** Processes whose descendants, groups and sessions belong to the tree, themselves included. */
  roots: readonly Identity[];
  /** `NAME=VALUE` marks that all members inherit; all must be there. None: the roots alone tell. */
  marks: readonly string[];
  /** Processes that must live on: the supervisor that writes the status down. */
  spare?: readonly number[];
  /** Time between TERM and KILL, ms. */
  graceMs: number;
  /**
   * How long, ms, those who have left the roots' sessions get no TERM yet, unless all in these have ended: agents
   * give each shell command a session of its own. Everybody gets it at once unless given.
   */
  leadMs?: number;
}

/** TERM to KILL: long enough to flush a log, short enough for `looop down`. */
export const STOP_GRACE_MS = 5_000;
const KILL_PASSES = 5;

/**
 * The members of a tree: roots, their descendants, all in their groups and sessions, all that are marked.
 * Zombies, this process and the spared are left out. Pure.
 */
export function findTree(
  table: ProcessTable,
  spec: Pick<TreeSpec, "roots" | "spare">,
  marked: ReadonlySet<number>,
  noted: readonly ProcessFact[] = [],
): ProcessFact[] {
  const roots = spec.roots.filter((root) => isKnown(table, root)).map((root) => root.pid);
  const stillNoted = noted.filter((fact) => table.processes.get(fact.pid)?.start === fact.start);
  const members = new Set<number>([...roots, ...marked, ...stillNoted.map((fact) => fact.pid)]);
  const groups = new Set(roots);
  for (let grew = true; grew;) {
    grew = false;
    for (const fact of table.processes.values()) {
      if (members.has(fact.pid)) continue;
      if (!members.has(fact.ppid) && !groups.has(fact.pgid) && !groups.has(fact.sid)) continue;
      members.add(fact.pid);
      grew = true;
    }
  }
  const spare = new Set([Deno.pid, ...(spec.spare ?? [])]);
  return [...members].map((pid) => table.processes.get(pid)).filter((fact): fact is ProcessFact =>
    fact !== undefined && fact.state !== "Z" && !spare.has(fact.pid) && fact.pid > 1
  );
}

function isKnown(table: ProcessTable, root: Identity): boolean {
  return table.boot === root.boot && table.processes.get(root.pid)?.start === root.start;
}

/**
 * Ends a whole tree: TERM, grace, then KILL in up to five passes; returns who is still there (nobody, as a
 * rule). A member is signalled only while its start time is the one that was noted, so that a pid given
 * out again is never hit.
 */
export async function killTree(spec: TreeSpec): Promise<ProcessFact[]> {
  let members = await scanTree(spec, []);
  const deadline = performance.now() + spec.graceMs;
  let noted = members;
  if (spec.leadMs !== undefined && members.length > 0) {
    await endLeaders(members, spec.roots, spec.leadMs);
    members = await scanTree(spec, noted);
    noted = merge(noted, members);
  }
  for (const fact of members) signal(fact.pid, "SIGTERM");
  for (let pause = 10; members.length > 0 && performance.now() < deadline; pause = Math.min(pause * 2, 160)) {
    await delay(Math.min(pause, Math.max(1, deadline - performance.now())));
    if (members.every((fact) => mayExist(fact.pid)) && pause < 80) continue;
    members = await scanTree(spec, noted);
    noted = merge(noted, members);
  }
  for (let pass = 0; pass < KILL_PASSES; pass++) {
    members = await scanTree(spec, noted);
    if (members.length === 0) return [];
    noted = merge(noted, members);
    for (const fact of members) signal(fact.pid, "SIGKILL");
    await delay(10 * 2 ** pass);
  }
  return await scanTree(spec, noted);
}

/** Tells those in the roots' sessions to end, and waits until they have or `leadMs` are over. */
async function endLeaders(
  members: readonly ProcessFact[],
  roots: readonly Identity[],
  leadMs: number,
): Promise<void> {
  const isRoot = new Set(roots.map((root) => root.pid));
  const sessions = new Set(members.filter((fact) => isRoot.has(fact.pid)).map((fact) => fact.sid));
  const leaders = members.filter((fact) => sessions.has(fact.sid));
  if (leaders.length === members.length) return;
  for (const fact of leaders) signal(fact.pid, "SIGTERM");
  const deadline = performance.now() + leadMs;
  for (let pause = 10; !(await areGone(leaders)) && performance.now() < deadline;) {
    await delay(pause);
    pause = Math.min(pause * 2, 80);
  }
}

/** Whether none of the processes runs any more; a zombie, which nobody may ever reap, does not. */
async function areGone(facts: readonly ProcessFact[]): Promise<boolean> {
  if (!facts.some((fact) => mayExist(fact.pid))) return true;
  const { processes } = await readProcesses(facts.map((fact) => fact.pid));
  return facts.every(({ pid, start }) =>
    processes.get(pid)?.start !== start || processes.get(pid)?.state === "Z"
  );
}

async function scanTree(spec: TreeSpec, noted: readonly ProcessFact[]): Promise<ProcessFact[]> {
  const [table, marked] = await Promise.all([readAllProcesses(), readMarked(spec.marks)]);
  return findTree(table, spec, marked, noted);
}

function merge(noted: readonly ProcessFact[], more: readonly ProcessFact[]): ProcessFact[] {
  const known = new Set(noted.map((fact) => `${fact.pid}/${fact.start}`));
  return [...noted, ...more.filter((fact) => !known.has(`${fact.pid}/${fact.start}`))];
}

/** Waits some milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
