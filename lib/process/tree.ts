/** Ends a whole tree of processes. */
import { type Identity, isOfHere, mayExist } from "./identity.ts";
import {
  type Mark,
  type Marks,
  type ProcessFact,
  type ProcessTable,
  readAllProcesses,
  readSystem,
} from "./table.ts";

/** Sends a signal to one process or, with a negative number, to a group; false when there is none. */
export function signal(pid: number, name: Deno.Signal): boolean {
  try {
    Deno.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/** A process that was seen to belong to a tree. */
export type Noted = Pick<ProcessFact, "pid" | "start">;

/**
 * Processes seen to belong to a tree earlier, while the chain of their parents was whole, and the boot they belong
 * to.
 */
export interface TreeNotes {
  boot: string;
  members: readonly Noted[];
}

/** The tree to end. */
export interface TreeSpec {
  /** Processes whose descendants, groups and sessions belong to the tree, themselves included. */
  roots: readonly Identity[];
  /** Marks that all members inherit; all of them must be present. Without any, the roots alone decide. */
  marks: readonly Mark[];
  noted?: TreeNotes;
  /** Processes that must live on: the supervisor, which records the status. */
  spare?: readonly number[];
  /** Time between TERM and KILL, ms. */
  graceMs: number;
  /**
   * How long processes outside the roots' sessions get no TERM, ms, unless all inside have ended: agents give each
   * shell command a session of its own. By default everybody gets it at once.
   */
  leadMs?: number;
  /** The first signal sent to the roots' sessions; TERM by default. */
  leadSignal?: Deno.Signal;
}

/** Time from TERM to KILL, ms: long enough to flush a log, short enough for `looop down`. */
export const STOP_GRACE_MS = 5_000;
const KILL_PASSES = 5;

/**
 * The members of a tree: roots, their descendants, everything in their groups and sessions, everything marked.
 * Zombies, this process and the spared are left out, and so are the `others`, which belong to another run whoever
 * their parent is. Pure.
 */
export function findTree(
  table: ProcessTable,
  spec: Pick<TreeSpec, "roots" | "spare">,
  marked: ReadonlySet<number>,
  noted: readonly Noted[] = [],
  others: ReadonlySet<number> = new Set(),
): ProcessFact[] {
  const roots = spec.roots.filter((root) => isKnown(table, root)).map((root) => root.pid);
  const stillNoted = noted.filter((fact) =>
    table.processes.get(fact.pid)?.start === fact.start && !others.has(fact.pid)
  );
  const members = new Set<number>([...roots, ...marked, ...stillNoted.map((fact) => fact.pid)]);
  // A group belongs to the tree when its leader does: a noted one, unless its pid now belongs to another process.
  const isStill = ({ pid, start }: Noted) => (table.processes.get(pid)?.start ?? start) === start;
  const groups = new Set([...roots, ...noted.filter(isStill).map(({ pid }) => pid)]);
  for (let grew = true; grew;) {
    grew = false;
    for (const fact of table.processes.values()) {
      if (members.has(fact.pid) || others.has(fact.pid)) continue;
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
  return isOfHere(root) && table.boot === root.boot && table.processes.get(root.pid)?.start === root.start;
}

/**
 * Ends a whole tree: TERM, grace, then KILL in up to five passes; returns the processes that remain (normally none).
 * A member is signalled only while its start time is the noted one, so that a reused pid is never hit.
 */
export async function killTree(spec: TreeSpec): Promise<ProcessFact[]> {
  let members = await scanTree(spec, []);
  const deadline = performance.now() + spec.graceMs;
  let noted: readonly Noted[] = members;
  if (spec.leadMs !== undefined && members.length > 0) {
    await endLeaders(members, spec, spec.leadMs);
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
  // One look does not see a process whose parent ends during it, or that is just becoming another program.
  let isBare = members.length === 0;
  for (let pass = 0; pass < KILL_PASSES; pass++) {
    members = await scanTree(spec, noted);
    if (isBare && members.length === 0) return [];
    isBare = members.length === 0;
    noted = merge(noted, members);
    for (const fact of members) signal(fact.pid, "SIGKILL");
    await delay(10 * 2 ** pass);
  }
  return await scanTree(spec, noted);
}

/** Signals the processes in the roots' sessions to end, and waits until they have or `leadMs` have passed. */
async function endLeaders(
  members: readonly ProcessFact[],
  { roots, leadSignal = "SIGTERM" }: Pick<TreeSpec, "roots" | "leadSignal">,
  leadMs: number,
): Promise<void> {
  const isRoot = new Set(roots.map((root) => root.pid));
  const sessions = new Set(members.filter((fact) => isRoot.has(fact.pid)).map((fact) => fact.sid));
  const leaders = members.filter((fact) => sessions.has(fact.sid));
  if (leaders.length === members.length) return;
  for (const fact of leaders) signal(fact.pid, leadSignal);
  const deadline = performance.now() + leadMs;
  for (let pause = 10; !(await areGone(leaders)) && performance.now() < deadline;) {
    await delay(pause);
    pause = Math.min(pause * 2, 80);
  }
}

/** Whether none of the processes runs any more; a zombie, which may never be reaped, does not run. */
async function areGone(facts: readonly ProcessFact[]): Promise<boolean> {
  if (!facts.some((fact) => mayExist(fact.pid))) return true;
  const { processes } = await readAllProcesses();
  return facts.every(({ pid, start }) =>
    processes.get(pid)?.start !== start || processes.get(pid)?.state === "Z"
  );
}

async function scanTree(spec: TreeSpec, noted: readonly Noted[]): Promise<ProcessFact[]> {
  return (await findTrees([spec], noted))?.members[0] ?? [];
}

/** The members of several trees and their boot, found in one look; undefined when it shows nothing. */
export async function findTrees(
  specs: readonly Pick<TreeSpec, "roots" | "marks" | "noted" | "spare">[],
  noted: readonly Noted[] = [],
): Promise<{ boot: string; members: ProcessFact[][] } | undefined> {
  const { table, marks } = await readSystem();
  // When the table cannot be read, the marks' pids may be those of another namespace.
  if (table.unreadable !== undefined) return undefined;
  const members = specs.map((spec) => {
    const marked = marks.withAll(spec.marks);
    const earlier = spec.noted?.boot === table.boot ? spec.noted.members : [];
    return findTree(table, spec, marked, [...earlier, ...noted], othersIn(marks, marked));
  });
  return { boot: table.boot, members };
}

/** Processes of any looop run except the one that owns the `marked` ones: workers, their supervisors, a pulse. */
export function othersIn(marks: Marks, marked: ReadonlySet<number>): Set<number> {
  const runs = ["LOOOP_SESSION_GEN", "LOOOP_WORKER_GEN"].map((name) => marks.named(name));
  return new Set([...runs, marks.withAll(["LOOOP_PULSE=1"])].flatMap((pids) => [...pids]))
    .difference(marked);
}

function merge(noted: readonly Noted[], more: readonly Noted[]): Noted[] {
  const known = new Set(noted.map((fact) => `${fact.pid}/${fact.start}`));
  return [...noted, ...more.filter((fact) => !known.has(`${fact.pid}/${fact.start}`))];
}

/** Waits for some milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
