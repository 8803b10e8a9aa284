/**
 * Identifies processes and determines whether they are alive. No other file compares pids.
 *
 * A process is (machine, boot, pid namespace, pid, start time). A process that cannot be checked is unknown: never
 * dead, never ours, never signalled.
 */
import { machineAtHand, ownMachine, ownSpace, spaceAtHand } from "./place.ts";
import { runSmall } from "./spawn.ts";
import { type ProcessTable, readProcesses } from "./table.ts";

/** A process that cannot be mistaken for another: a pid alone may be reused. */
export interface Identity {
  pid: number;
  /** Start time in the kernel's own unit (Linux: clock ticks since boot; macOS: `lstart` text); `-` if unknown. */
  start: string;
  /** The boot it belongs to; a process of an earlier boot of the same machine is dead. */
  boot: string;
  /** The machine; absent in records of looop 0.1.0, which were written on this one. */
  machine?: string;
  /** The pid namespace, `-` where there are none; absent in records of 0.1.0. */
  space?: string;
}

/**
 * Whether a process is alive, as far as that can be determined. A process that is alive beyond our reach, as its lock
 * shows, carries the reason; for an unknown one, `lock` is true when a free lock would prove its death.
 */
export type Standing =
  | { life: "alive"; beyond?: string }
  | { life: "dead" }
  | { life: "unknown"; why: string; lock: boolean };

/** Why no signal can reach a process that may be alive, or undefined. */
export function beyondReach(standing: Standing): string | undefined {
  if (standing.life === "dead") return undefined;
  return standing.life === "unknown" ? standing.why : standing.beyond;
}

const ALIVE: Standing = { life: "alive" };
const DEAD: Standing = { life: "dead" };
const OTHER_MACHINE: Standing = { life: "unknown", why: "it is of another machine", lock: false };
const OTHER_SPACE: Standing = { life: "unknown", why: "it is of another pid namespace", lock: true };
const NO_START: Standing = { life: "unknown", why: "its start time is not known", lock: true };

/** An identity as one text, the same for equal identities. */
export function identityKey({ pid, start, boot, machine = "", space = "" }: Identity): string {
  return `${pid}/${start}/${boot}/${machine}/${space}`;
}

/** Parses "pid start boot machine space" as a supervisor writes it, with `_` for blanks in the start. Pure. */
export function parseIdentity(text: string | undefined): Identity | undefined {
  const [pid, start, boot, machine, space] = (text ?? "").trim().split(/ +/);
  if (!pid || !start || !boot || !(Number(pid) > 0)) return undefined;
  return { pid: Number(pid), start: start.replace(/_+/g, " "), boot, ...placeIn({ machine, space }) };
}

/** The identity in a JSON record that has other keys, too. */
export function identityIn(record: { pid: number; [key: string]: unknown }): Identity {
  const text = (value: unknown) => typeof value === "string" ? value : undefined;
  const { pid, start, boot, machine, space } = record;
  return {
    pid,
    start: text(start) ?? "",
    boot: text(boot) ?? "",
    ...placeIn({ machine: text(machine), space: text(space) }),
  };
}

function placeIn(
  { machine, space }: { machine: string | undefined; space: string | undefined },
): { machine?: string; space?: string } {
  return { ...(machine === undefined ? {} : { machine }), ...(space === undefined ? {} : { space }) };
}

/** This process's own identity. */
export async function ownIdentity(): Promise<Identity> {
  const identity = await identityOf(Deno.pid);
  return identity ??
    { pid: Deno.pid, start: "-", boot: "-", machine: await ownMachine(), space: await ownSpace() };
}

/** The identity of a running process, or undefined. */
export async function identityOf(pid: number): Promise<Identity | undefined> {
  const { processes, boot } = await readProcesses([pid]);
  const fact = processes.get(pid);
  if (fact === undefined) return undefined;
  return { pid, start: fact.start, boot, machine: await ownMachine(), space: await ownSpace() };
}

/** Whether an identity belongs to this machine and namespace, as far as that is known without asking. */
export function isOfHere(identity: Identity): boolean {
  const own = { machine: machineAtHand(), space: spaceAtHand() };
  const fits = (theirs: string | undefined, ours: string | undefined) =>
    theirs === undefined || ours === undefined || theirs === ours;
  return fits(identity.machine, own.machine) && fits(identity.space, own.space);
}

// --- whether it lives -----------------------------------------------------------------------------------------

/**
 * Whether `identity`, of this machine and namespace, is alive in `table`: same boot, pid and start, and no zombie.
 * Pure.
 */
export function isAliveIn(table: ProcessTable, identity: Identity): boolean {
  const fact = table.processes.get(identity.pid);
  return fact !== undefined && fact.state !== "Z" && fact.start === identity.start &&
    table.boot === identity.boot;
}

/** Whether a process with this pid exists, zombies included; false is certain, true is not. Takes microseconds. */
export function mayExist(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGURG");
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/**
 * The last standing of each process that was not dead, by {@link identityKey}, and its time by `performance.now()`.
 */
const verified = new Map<string, { standing: Standing; at: number }>();

/**
 * The standings of identities. One `sh` serves all that are asked for in the same turn; none is started when no
 * process with their pids exists.
 *
 * A caller that waits may pass `trustMs`: a result no older than that counts while a process with its pid exists,
 * which costs no child process. Death is always checked anew, so at worst a zombie, or a pid reused within that time,
 * is noticed that much later.
 *
 * @param lockOf Path of the lock that an identity holds for as long as it lives; tried where its pid does not decide.
 */
export async function standingsOf(
  identities: readonly Identity[],
  trustMs = 0,
  lockOf: (identity: Identity) => string | undefined = () => undefined,
): Promise<Map<Identity, Standing>> {
  // Only when it is not at hand, because awaiting would keep questions asked in one turn from sharing a child
  // process.
  if (spaceAtHand() === undefined) await ownSpace();
  const standings = new Map<Identity, Standing>();
  const doubtful = identities.filter((identity) => {
    const standing = standingAtHand(identity, trustMs);
    if (standing !== undefined) standings.set(identity, standing);
    return standing === undefined;
  });
  if (doubtful.length === 0) return standings;
  const table = await readTogether(doubtful.map((identity) => identity.pid));
  for (const identity of doubtful) standings.set(identity, await standingIn(table, identity));
  await askLocks(standings, lockOf);
  for (const identity of doubtful) {
    const standing = standings.get(identity) ?? DEAD;
    if (standing.life === "dead") verified.delete(identityKey(identity));
    else verified.set(identityKey(identity), { standing, at: performance.now() });
  }
  return standings;
}

async function askLocks(
  standings: Map<Identity, Standing>,
  lockOf: (identity: Identity) => string | undefined,
): Promise<void> {
  const unknown = [...standings].flatMap(([identity, standing]) => {
    const path = standing.life === "unknown" ? lockOf(identity) : undefined;
    return path === undefined ? [] : [{ identity, standing, path }];
  });
  const locks = await readLocks(unknown.map(({ path }) => path));
  unknown.forEach(({ identity, standing }, n) =>
    standings.set(identity, withLock(standing, locks[n] ?? "unknown"))
  );
}

/** The standing as far as it is known without a child process. */
function standingAtHand(identity: Identity, trustMs: number): Standing | undefined {
  if (!(identity.pid > 0)) return DEAD;
  const [machine, space] = [machineAtHand(), spaceAtHand()];
  if (machine !== undefined && (identity.machine ?? machine) !== machine) return OTHER_MACHINE;
  const isHere = (identity.space ?? space) === space;
  const isOurs = machine !== undefined || identity.machine === undefined;
  if (isHere && isOurs && !mayExist(identity.pid)) return DEAD;
  const last = trustMs > 0 ? verified.get(identityKey(identity)) : undefined;
  if (last === undefined || performance.now() - last.at >= trustMs) return undefined;
  return isInReach(last.standing) && !mayExist(identity.pid) ? undefined : last.standing;
}

/** The standing by a process table; in another namespace's table only the boot can be compared. */
async function standingIn(table: ProcessTable, identity: Identity): Promise<Standing> {
  if (table.boot === "") return unreadable(table);
  if (identity.boot !== table.boot && identity.boot !== "-") {
    return (identity.machine ?? await ownMachine()) === await ownMachine() ? DEAD : OTHER_MACHINE;
  }
  const space = spaceAtHand();
  if ((identity.space ?? space) !== space) return OTHER_SPACE;
  if (table.unreadable !== undefined) return unreadable(table);
  if (identity.start !== "-" && identity.start !== "") return isAliveIn(table, identity) ? ALIVE : DEAD;
  return table.processes.has(identity.pid) ? NO_START : DEAD;
}

function isInReach(standing: Standing): boolean {
  return standing.life === "alive" && standing.beyond === undefined;
}

function unreadable(table: ProcessTable): Standing {
  return { life: "unknown", why: table.unreadable ?? "the boot cannot be read", lock: true };
}

/** The identities that are certainly alive. */
export async function aliveOf(identities: readonly Identity[], trustMs = 0): Promise<Set<Identity>> {
  const standings = await standingsOf(identities, trustMs);
  return new Set(identities.filter((identity) => standings.get(identity)?.life === "alive"));
}

/** Records a process that was verified elsewhere, so that {@link allStillThere} reports its end, too. */
export function noteSeen(pid: number): void {
  verified.set(`${pid}/seen`, { standing: ALIVE, at: performance.now() });
}

/** Whether all processes last found alive may still be; each end is reported once. Takes microseconds. */
export function allStillThere(): boolean {
  const gone = [...verified].filter(([key, { standing }]) => isInReach(standing) && !mayExist(parseInt(key)));
  for (const [key] of gone) verified.delete(key);
  return gone.length === 0;
}

let together: { pids: Set<number>; table: Promise<ProcessTable> } | undefined;

/** Facts about processes; everything asked before the caller's turn ends is answered by one child process. */
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

// --- locks ----------------------------------------------------------------------------------------------------

/** Whether a process holds a lock; `unknown` where there is no `flock` program, or nothing to lock. */
export type LockState = "held" | "free" | "unknown";

const ASK_LOCKS = `command -v flock >/dev/null || exit 0
for file in "$@"; do
  if [ -f "$file" ] && [ ! -L "$file" ]; then flock -n -s "$file" true; echo $?; else echo -; fi
done`;

/**
 * Tries locks, shared and without waiting. Kernel locks hold across pid namespaces, so a held lock proves that its
 * holder is alive even when its pid proves nothing.
 */
export async function readLocks(paths: readonly string[]): Promise<LockState[]> {
  if (paths.length === 0) return [];
  const { stdout } = await runSmall("/bin/sh", ["-c", ASK_LOCKS, "sh", ...paths]);
  const codes = stdout.split("\n");
  return paths.map((_, n) => codes[n] === "0" ? "free" : codes[n] === "1" ? "held" : "unknown");
}

/** The standing of a process after its lock was tried: a held lock means alive, a free one on this machine dead. */
export function withLock(standing: Standing, lock: LockState): Standing {
  if (standing.life !== "unknown" || lock === "unknown") return standing;
  if (lock === "held") return { life: "alive", beyond: standing.why };
  return standing.lock ? DEAD : standing;
}
