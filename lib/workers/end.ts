/** Ends workers: one worker's whole tree, its record, its leases and its questions. */
import { readAgent } from "../agents/agent_session.ts";
import { untilHeld, untilRecorded } from "../agents/last_reply.ts";
import { Attempts, notWrittenDown, oneLine, UserError } from "../errors.ts";
import type { Profile } from "../paths.ts";
import { type Identity, isAliveIn, isOfHere, mayExist } from "../process/identity.ts";
import {
  type HiddenProcess,
  type ProcessFact,
  readAllProcesses,
  readHidden,
  readProcesses,
} from "../process/table.ts";
import { delay, killTree, signal, STOP_GRACE_MS } from "../process/tree.ts";
import { homeMark } from "../records/home.ts";
import { withdrawAsks } from "../records/mailbox.ts";
import { poke } from "../records/move.ts";
import { presetNamed } from "../records/presets.ts";
import { releaseLeasesOf } from "../sessions/lease.ts";
import { treeOf } from "../sessions/notes.ts";
import {
  type EndedBy,
  findSession,
  hasEnded,
  readSession,
  recordEnd,
  type Session,
  START_TIMEOUT_MS,
  writeFinalStatus,
} from "../sessions/session.ts";
import { unknownWorker } from "../sessions/run_files.ts";
import type { FarEnd } from "./far.ts";

/** The result of ending a worker. */
export interface KillResult {
  /** Why it is not known to have ended, when no signal of ours can reach it. */
  unreachable?: string;
  /** Whether nothing was running any more. */
  already: boolean;
  survivors: ProcessFact[];
  /** Processes that may be the worker's, but hide the marks that would show it. */
  hidden?: HiddenProcess[];
}

/** Time that the supervisor has to record the end once its agent is gone, ms. */
const STATUS_TIMEOUT_MS = 2_000;

/**
 * Ends one session's whole tree and makes sure that its end is on disk. Idempotent.
 *
 * @throws {UserError} when the end could not be recorded; the tree, which may be what has filled the disk, is ended
 * all the same.
 */
export async function endSession(
  profile: Profile,
  session: Session,
  state: "exited" | "killed",
  by: EndedBy,
  now: () => number,
): Promise<KillResult> {
  if (session.host !== undefined) {
    const over = !session.view.alive && session.view.state !== "lost";
    // The pulse's line to that machine reports the end, however often it takes.
    if (!over) recordEnd(session, state, by);
    return { already: over, survivors: [] };
  }
  if (session.beyond !== undefined) return { already: false, survivors: [], unreachable: session.beyond };
  // A lost session's agent may still be running, so there may be something to end.
  const already = !session.view.alive && session.view.state !== "lost";
  const attempts = new Attempts();
  if (!already) {
    await attempts.try(() => recordEnd(session, state, by));
    await untilRecorded(session.dir);
  }
  if (session.isAnothers) return { already, survivors: [] };
  const current = session.view.state === "starting" ? await untilStarted(profile, session, now) : session;
  const survivors = await killSessionTree(profile, current, now);
  await attempts.try(() => releaseLeasesOf(profile, session.view.id, session.gen));
  if (attempts.failure !== undefined && survivors.length === 0) {
    throw notWrittenDown(`Worker "${session.view.id}" was ended`, attempts.failure);
  }
  return { already, survivors };
}

/**
 * Waits until a session's supervisor has either started the agent or seen that it is to end, and returns the session:
 * before that there is no process that could be found and ended.
 */
async function untilStarted(profile: Profile, session: Session, now: () => number): Promise<Session> {
  const begun = performance.now();
  for (;;) {
    const record = readSession(profile, session.view.id);
    if (record === undefined || record.meta.gen !== session.gen) return session;
    const patience = record.supervisor === undefined ? STATUS_TIMEOUT_MS : START_TIMEOUT_MS;
    if (record.status !== undefined || performance.now() - begun > patience) {
      return await findSession(profile, session.view.id, now()) ?? session;
    }
    await delay(10);
  }
}

/**
 * Time by which the agent is signalled before its command, ms: an agent whose command ended first would ask its model
 * once more, for a reply that nobody reads. claude takes 1.9 s to end.
 */
const LEAD_MS = 2_500;

/**
 * Ends all processes of a session: the agent's own tree and everything that carries the session's marks. The
 * supervisor is spared until it has written the status, then ended, too.
 */
export async function killSessionTree(
  profile: Profile,
  session: Session,
  now: () => number,
): Promise<ProcessFact[]> {
  const starting = session.program === undefined && (session.view.alive || session.view.state === "lost");
  if (starting) await endStart(profile, session);
  const supervisor = session.supervisor;
  const spared = supervisor === undefined ? [] : await supervisorProcesses(supervisor);
  const survivors = await killTree({
    ...treeOf(profile, session.view.id, session),
    spare: spared.map((fact) => fact.pid),
    graceMs: STOP_GRACE_MS,
    leadMs: LEAD_MS,
    leadSignal: presetNamed(readAgent(session.dir)?.preset)?.asksOnceMore ? "SIGKILL" : "SIGTERM",
  });
  const attempts = new Attempts();
  if (session.view.alive || session.view.state === "lost") {
    await attempts.try(() => untilStatus(profile, session, now));
  }
  await killStill(spared);
  if (attempts.failure !== undefined && survivors.length === 0) {
    throw notWrittenDown(`Worker "${session.view.id}" was ended`, attempts.failure);
  }
  return survivors;
}

/**
 * Ends the start by a supervisor that hangs or was killed on its way: before the agent runs nothing carries the
 * session's marks, and `script` could still start it.
 */
async function endStart(profile: Profile, session: Session): Promise<void> {
  const marks = [`LOOOP_WORKER_GEN=${session.gen}`, homeMark(profile)];
  // When the supervisor's environment is hidden, only its identity shows that it belongs to the session.
  const roots = session.supervisor === undefined ? [] : [session.supervisor];
  await killTree({ roots, marks, graceMs: 0 });
}

/** The supervisor's shell and its `script`. */
async function supervisorProcesses(supervisor: Identity): Promise<ProcessFact[]> {
  const table = await readAllProcesses();
  if (!isAliveIn(table, supervisor)) return [];
  return [...table.processes.values()].filter((fact) =>
    fact.pid === supervisor.pid || (fact.ppid === supervisor.pid && fact.sid === supervisor.pid)
  );
}

/** Kills the processes that are still the same: their pids may have been reused in the meantime. */
async function killStill(facts: readonly ProcessFact[]): Promise<void> {
  const left = facts.filter((fact) => mayExist(fact.pid));
  if (left.length === 0) return;
  const { processes } = await readProcesses(left.map((fact) => fact.pid));
  for (const { pid, start } of left) if (processes.get(pid)?.start === start) signal(pid, "SIGKILL");
}

async function untilStatus(profile: Profile, session: Session, now: () => number): Promise<void> {
  const hasSupervisor = session.program !== undefined && session.view.state !== "lost";
  const patience = hasSupervisor ? STATUS_TIMEOUT_MS : 0;
  const deadline = performance.now() + patience;
  while (performance.now() < deadline) {
    const record = readSession(profile, session.view.id);
    if (record === undefined || record.meta.gen !== session.gen) return;
    // A supervisor of 0.16 knows how its agent ended, and not by whom.
    if (hasEnded(record) && session.gen === "") break;
    if (hasEnded(record)) return;
    await delay(10);
  }
  writeFinalStatus(session, now());
}

/**
 * `_ worker kill`: ends a worker from outside and withdraws its questions. `elsewhere` ends one that no signal of
 * ours can reach, once its end is recorded.
 */
export async function killWorker(
  profile: Profile,
  id: string,
  by: EndedBy,
  now: () => number,
  elsewhere: (session: Session) => Promise<FarEnd>,
): Promise<KillResult> {
  const session = await findSession(profile, id, now());
  if (session === undefined) throw unknownWorker(id);
  const attempts = new Attempts();
  if (session.view.alive) await attempts.try(() => recordEnd(session, "killed", by));
  const withdraw = async () =>
    by === "root" ? await attempts.try(() => withdrawAsks(profile, id, now())) ?? [] : [];
  if ((await withdraw()).length > 0) await untilHeld(session.dir);
  const result = session.host === undefined && session.beyond === undefined
    ? await endSession(profile, session, "killed", by, now)
    : killedFar(await elsewhere(session));
  const hidden = result.already ? [] : await hiddenSince([session]);
  // Questions that the worker asked between the first look and its end are withdrawn, too.
  await withdraw();
  if (attempts.failure !== undefined) throw notWrittenDown(`Worker "${id}" was ended`, attempts.failure);
  return { ...result, hidden };
}

/**
 * Processes that may be left over from one of these sessions: they hide their environment and began during the runs.
 */
export async function hiddenSince(sessions: readonly Session[]): Promise<HiddenProcess[]> {
  const starts = sessions.flatMap(({ program }) =>
    program === undefined || !isOfHere(program) ? [] : [program.start]
  );
  const [first] = starts.sort((a, b) => Number(a) - Number(b));
  return first === undefined ? [] : await readHidden(first);
}

/** The note about such a process for people. */
export function hiddenNote({ pid, name }: HiddenProcess): string {
  return `process ${pid} (${
    oneLine(name, 40)
  }) hides its environment and began meanwhile; if a worker left it, end it with \`kill ${pid}\``;
}

function killedFar(end: FarEnd): KillResult {
  const already = end === "already";
  return { already, survivors: [], ...(typeof end === "string" ? {} : { unreachable: end.unreachable }) };
}

/** Time that the pulse has to end a worker that it can reach and we cannot, ms: TERM, grace, KILL, and more. */
const PULSE_PATIENCE_MS = 10_000;

/** Leaves a worker in another pid namespace, whose end is recorded, to the pulse, if that one runs there. */
export async function endByPulse(profile: Profile, session: Session, hasPulse: boolean): Promise<FarEnd> {
  poke(profile);
  const deadline = performance.now() + (hasPulse ? PULSE_PATIENCE_MS : 0);
  while (performance.now() < deadline) {
    const record = readSession(profile, session.view.id);
    if (record === undefined || record.meta.gen !== session.gen || hasEnded(record)) return "ended";
    await delay(50);
  }
  return { unreachable: session.beyond ?? "" };
}

/**
 * `_ worker kill --forget`: gives up the record of a worker that cannot be checked; its processes may be alive. False
 * when it had already ended.
 *
 * @throws {UserError} when it can be ended.
 */
export async function forgetWorker(profile: Profile, id: string, now: () => number): Promise<boolean> {
  const session = await findSession(profile, id, now());
  if (session === undefined) throw unknownWorker(id);
  if (!session.view.alive && session.view.state !== "lost") return false;
  if (session.host === undefined && session.beyond === undefined && !session.isAnothers) {
    throw new UserError(`Worker "${id}" can be ended, so there is no need to forget it`, {
      next: `end it with \`looop _ worker kill ${id}\``,
      kind: "alive",
    });
  }
  recordEnd(session, "killed", "root");
  await withdrawAsks(profile, id, now());
  writeFinalStatus(session, now());
  await releaseLeasesOf(profile, id, session.gen);
  return true;
}
