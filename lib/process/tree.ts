/**
 * Processes: who they are, whether they live, and how a whole tree of them ends.
 *
 * A binary built without network and FFI permission may not read /proc itself (DENO: "Requires all access"),
 * so facts come from small `sh` children; `Deno.kill` with SIGURG, which programs ignore by default, is the
 * cheap first probe.
 */
import { UserError } from "../errors.ts";

/** A process that cannot be mistaken for another: a pid alone is given out again. */
export interface Identity {
  pid: number;
  /** Start time in the kernel's own unit (Linux: clock ticks since boot; macOS: `lstart` text). */
  start: string;
  /** The boot it belongs to; a pid of an earlier boot is dead. */
  boot: string;
}

/** What is known of one process. */
export interface ProcessFact {
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  /** State letter; Z is a zombie, which is dead and only not yet reaped. */
  state: string;
  start: string;
}

/** A moment's view of the machine's processes. */
export interface ProcessTable {
  boot: string;
  processes: Map<number, ProcessFact>;
}

const MACOS = Deno.build.os === "darwin";

// The shell's own `read` takes a byte per system call: right for a few processes, `cat` for many.
const MANY_LINUX = `exec cat /proc/sys/kernel/random/boot_id "$@"`;
const ONE_LINUX = `read -r b </proc/sys/kernel/random/boot_id; echo "$b"
for p in "$@"; do read -r s </proc/$p/stat && echo "$s"; done 2>/dev/null`;
const ALL_LINUX = `cat /proc/sys/kernel/random/boot_id; cat /proc/[0-9]*/stat 2>/dev/null; :`;
// macOS has no /proc: `ps` gives the same facts, start times in whole seconds, and `sysctl` the boot.
const ONE_MACOS = `sysctl -n kern.bootsessionuuid; for p in "$@"; do
ps -o pid=,ppid=,pgid=,sess=,stat=,lstart= -p "$p"; done 2>/dev/null`;
const ALL_MACOS = `sysctl -n kern.bootsessionuuid; ps -axo pid=,ppid=,pgid=,sess=,stat=,lstart=`;

/** Runs a small shell script and returns its standard output. */
async function sh(script: string, args: readonly string[]): Promise<string> {
  const command = new Deno.Command("/bin/sh", {
    args: ["-c", script, "sh", ...args],
    stdin: "null",
    stderr: "null",
    // macOS tells start times in words, which must be the same ones whoever asks.
    env: { LC_ALL: "C", TZ: "UTC0" },
  });
  try {
    return new TextDecoder().decode((await outputOf(command)).stdout);
  } catch (error) {
    throw new UserError(`Cannot ask the system about processes: ${(error as Error).message}`, {
      next: "check that /bin/sh can be run",
      kind: "processes",
      cause: error,
    });
  }
}

async function outputOf(command: Deno.Command): Promise<Deno.CommandOutput> {
  try {
    return await command.output();
  } catch (error) {
    if (!leaveGoneFolder()) throw error;
    return await command.output();
  }
}

/** Goes to `/` when our own folder was removed under us: Deno before 2.5 starts nothing from there. */
function leaveGoneFolder(): boolean {
  try {
    Deno.cwd();
    return false;
  } catch {
    Deno.chdir("/");
    return true;
  }
}

/** Facts of the given processes; those that are gone are absent. */
export async function readProcesses(pids: readonly number[]): Promise<ProcessTable> {
  const many = !MACOS && pids.length > 8;
  const text = many
    ? await sh(MANY_LINUX, pids.map((pid) => `/proc/${pid}/stat`))
    : await sh(MACOS ? ONE_MACOS : ONE_LINUX, pids.map(String));
  return parseProcessTable(text, MACOS);
}

/** Facts of all processes. */
export async function readAllProcesses(): Promise<ProcessTable> {
  return parseProcessTable(await sh(MACOS ? ALL_MACOS : ALL_LINUX, []), MACOS);
}

// A program's name may hold spaces, parentheses and newlines, so the match runs to the last ") X n n n".
const STAT = /^(\d+) \([\s\S]{0,80}?\) ([A-Za-z]) (-?\d+) (-?\d+) (-?\d+)((?: -?\d+){15}) (\d+)[ \n]/gm;
const PS = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(.+?)\s*$/gm;

/** Parses the boot id line and the process lines of Linux's `stat` files or macOS's `ps`. Pure. */
export function parseProcessTable(text: string, macos: boolean): ProcessTable {
  const firstLine = text.indexOf("\n");
  const boot = text.slice(0, firstLine).trim();
  const rest = text.slice(firstLine + 1);
  const processes = new Map<number, ProcessFact>();
  for (const match of rest.matchAll(macos ? PS : STAT)) {
    const fact = macos ? fromPs(match) : fromStat(match);
    processes.set(fact.pid, fact);
  }
  return { boot, processes };
}

function fromStat(match: RegExpExecArray): ProcessFact {
  return {
    pid: Number(match[1]),
    state: match[2] ?? "?",
    ppid: Number(match[3]),
    pgid: Number(match[4]),
    sid: Number(match[5]),
    start: match[7] ?? "",
  };
}

function fromPs(match: RegExpExecArray): ProcessFact {
  return {
    pid: Number(match[1]),
    ppid: Number(match[2]),
    pgid: Number(match[3]),
    // macOS prints the session as an address; 0 never equals a pid, so sessions are found by their marks.
    sid: 0,
    state: (match[5] ?? "?").slice(0, 1),
    // Its day of the month is padded with a blank, which a supervisor's shell takes out (`supervisor.ts`).
    start: (match[6] ?? "").replace(/ +/g, " "),
  };
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

/** Processes that carry every one of these `NAME=VALUE` marks in their environment. */
export async function readMarked(marks: readonly string[]): Promise<Set<number>> {
  if (marks.length === 0) return new Set();
  const text = await sh(MACOS ? MARKED_MACOS : MARKED_LINUX, marks);
  return new Set(text.split("\n").map(Number).filter((pid) => pid > 0));
}

// grep -z takes each NAME=VALUE as a line; -x the whole of it; -F no patterns. Later marks filter the files
// that the first one found, so that the usual case is one pass over /proc.
const MARKED_LINUX = `m=$1; shift
for f in $(grep -lzxF -e "$m" /proc/[0-9]*/environ 2>/dev/null); do
  ok=1; for n in "$@"; do grep -qzxF -e "$n" "$f" 2>/dev/null || ok=; done
  [ -n "$ok" ] && { f=\${f#/proc/}; echo "\${f%%/*}"; }
done; :`;
// \`ps -E\` shows the environment of own processes after the command, words apart by blanks.
const MARKED_MACOS = `ps -axEo pid=,command= | while read -r pid rest; do
  ok=1; for n in "$@"; do case " $rest " in *" $n "*) ;; *) ok=;; esac; done
  [ -n "$ok" ] && echo "$pid"
done; :`;

/** Like {@link readMarked}, for processes that carry any one of the marks: one pass for any number of them. */
export async function readMarkedAny(marks: readonly string[]): Promise<Set<number>> {
  if (marks.length === 0) return new Set();
  const text = await sh(MACOS ? MARKED_ANY_MACOS : MARKED_ANY_LINUX, marks);
  return new Set(text.split("\n").map(Number).filter((pid) => pid > 0));
}

const MARKED_ANY_LINUX = `for m in "$@"; do set -- "$@" -e "$m"; shift; done
grep -lzxF "$@" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ pid _; do echo "$pid"; done; :`;
const MARKED_ANY_MACOS = `ps -axEo pid=,command= | while read -r pid rest; do
  for n in "$@"; do case " $rest " in *" $n "*) echo "$pid"; break;; esac; done
done; :`;

/** Processes that have a variable of this name in their environment, whatever its value. */
export async function readNamed(name: string): Promise<Set<number>> {
  const text = await sh(
    MACOS
      ? `ps -axEo pid=,command= | while read -r pid rest; do case " $rest" in *" $1="*) echo "$pid";; esac; done; :`
      : `grep -lz -e "^$1=" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ pid _; do echo "$pid"; done; :`,
    [name],
  );
  return new Set(text.split("\n").map(Number).filter((pid) => pid > 0));
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
