/** Every path of a profile, from three environment variables. */
import { UserError } from "./errors.ts";

/** The files and folders of one data dir. All absolute. */
export interface Profile {
  /** The data dir itself. */
  readonly dir: string;
  /** `config.json`, or the file that `LOOOP_CONFIG` names. */
  readonly config: string;
  readonly playbook: string;
  readonly playbookHistory: string;
  readonly goals: string;
  readonly goalsArchive: string;
  readonly sensors: string;
  readonly sensorsArchive: string;
  readonly snapshots: string;
  readonly world: string;
  readonly pulse: string;
  readonly lockDir: string;
  readonly lock: string;
  readonly lockPid: string;
  readonly wanted: string;
  readonly revivals: string;
  readonly cursors: string;
  readonly wal: string;
  readonly goalActivity: string;
  /** The last writer of each text, so that nobody's own move is news to them. */
  readonly moves: string;
  readonly format: string;
  /** The data dir's identity: its id, and where it was. */
  readonly home: string;
  readonly journal: string;
  readonly journalHistory: string;
  readonly events: string;
  readonly eventsHistory: string;
  readonly cost: string;
  /** Sums of the ledger, checked against it. */
  readonly costSums: string;
  /** What is kept of ended sessions so that they need not be read again; checked against their folders. */
  readonly cache: string;
  /** Sessions of root agents that have called verbs, and how much of their spend is in the ledger. */
  readonly rootSessions: string;
  readonly claims: string;
  readonly asks: string;
  readonly asksArchive: string;
  readonly answers: string;
  /** Tells that running workers have not read. */
  readonly tells: string;
  /** The pulse's notices to a person, and their results. */
  readonly notices: string;
  readonly schedules: string;
  readonly schedulesArchive: string;
  /** The record of each schedule's firings. */
  readonly schedulesState: string;
  readonly reports: string;
  readonly prompts: string;
  readonly sessions: string;
  readonly undo: string;
  readonly gitignore: string;
  /** Touched to notify the pulse of a change. */
  readonly poke: string;
  /** The folder in which workers of this machine hand their calls to the pulse. */
  readonly calls: string;
  /** The folder of the launcher script that workers get as LOOOP_BIN. */
  readonly bin: string;
}

/** The environment variables that decide where things are. */
export interface PathEnv {
  LOOOP_DATA_DIR?: string | undefined;
  LOOOP_CONFIG?: string | undefined;
  XDG_STATE_HOME?: string | undefined;
  HOME?: string | undefined;
}

/**
 * The data dir: `LOOOP_DATA_DIR`, else `$XDG_STATE_HOME/looop`, else `~/.local/state/looop`.
 *
 * Relative values are made absolute against `cwd` at once, since workers change directory. A relative
 * `XDG_STATE_HOME` is ignored, as the XDG base directory specification says.
 *
 * @throws {UserError} when neither variable nor `HOME` is set.
 */
export function profileFrom(env: PathEnv, cwd: string): Profile {
  const dir = canonical(dataDir(env, cwd));
  const config = env.LOOOP_CONFIG ? absolute(env.LOOOP_CONFIG, cwd) : `${dir}/config.json`;
  return profileAt(dir, config);
}

/** The profile whose data dir is `dir` (absolute). */
export function profileAt(dir: string, config = `${dir}/config.json`): Profile {
  return {
    dir,
    config,
    playbook: `${dir}/PLAYBOOK.md`,
    playbookHistory: `${dir}/playbook.d`,
    goals: `${dir}/goals`,
    goalsArchive: `${dir}/goals/archive`,
    sensors: `${dir}/sensors`,
    sensorsArchive: `${dir}/sensors/archive`,
    snapshots: `${dir}/snapshots`,
    world: `${dir}/.world.json`,
    pulse: `${dir}/.pulse.json`,
    lockDir: `${dir}/.lock`,
    lock: `${dir}/.lock/lock`,
    lockPid: `${dir}/.lock/pid`,
    wanted: `${dir}/.lock/wanted.json`,
    revivals: `${dir}/.lock/revivals.json`,
    cursors: `${dir}/.cursors`,
    wal: `${dir}/.wal`,
    goalActivity: `${dir}/.goal-activity.json`,
    moves: `${dir}/.moves.json`,
    format: `${dir}/.format`,
    home: `${dir}/.home`,
    journal: `${dir}/journal.md`,
    journalHistory: `${dir}/journal.d`,
    events: `${dir}/events.jsonl`,
    eventsHistory: `${dir}/events.d`,
    cost: `${dir}/cost.jsonl`,
    costSums: `${dir}/.cost-sums.json`,
    cache: `${dir}/.cache`,
    rootSessions: `${dir}/.root-sessions.json`,
    claims: `${dir}/claims`,
    asks: `${dir}/asks`,
    asksArchive: `${dir}/asks/archive`,
    answers: `${dir}/answers`,
    tells: `${dir}/tells`,
    notices: `${dir}/.notices`,
    schedules: `${dir}/schedules`,
    schedulesArchive: `${dir}/schedules/archive`,
    schedulesState: `${dir}/.schedules.json`,
    reports: `${dir}/reports`,
    prompts: `${dir}/prompts`,
    sessions: `${dir}/sessions`,
    undo: `${dir}/.undo`,
    gitignore: `${dir}/.gitignore`,
    poke: `${dir}/.poke`,
    calls: `${dir}/.calls`,
    bin: `${dir}/.bin`,
  };
}

function dataDir(env: PathEnv, cwd: string): string {
  if (env.LOOOP_DATA_DIR) return absolute(env.LOOOP_DATA_DIR, cwd);
  if (env.XDG_STATE_HOME?.startsWith("/")) return `${trimSlash(env.XDG_STATE_HOME)}/looop`;
  if (env.HOME) return `${trimSlash(absolute(env.HOME, cwd))}/.local/state/looop`;
  throw new UserError("Cannot find the data dir: HOME is not set", {
    next: "set LOOOP_DATA_DIR to a directory",
    kind: "environment",
  });
}

/**
 * The real path of a folder: one folder has one name, whatever links lead to it, because processes are found again by
 * the data dir in their environment. A folder that does not exist yet is named below its nearest existing ancestor.
 */
function canonical(dir: string): string {
  let missing = "";
  for (let head = dir; head !== "/"; head = dirName(head)) {
    try {
      return trimSlash(Deno.realPathSync(head)) + missing;
    } catch {
      missing = `/${baseName(head)}${missing}`;
    }
  }
  return dir;
}

/** Resolves `path` against `cwd`, `.` and `..` included. */
export function absolute(path: string, cwd: string): string {
  const whole = path.startsWith("/") ? path : `${cwd}/${path}`;
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function trimSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") : path;
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The folder that contains a path. */
export function dirName(path: string): string {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
}

/** The first character of every temporary name. */
const TEMP_PREFIX = ".";

/** `.NAME.tmp-PID-RANDOM` beside the file: hidden from listings, swept when older than a day. */
export function tempName(path: string): string {
  const random = crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36) ?? "0";
  return `${dirName(path)}/${TEMP_PREFIX}${baseName(path)}.tmp-${Deno.pid}-${random}`;
}

/** Whether a name is one of our temporary files. */
export function isTempName(name: string): boolean {
  return name.startsWith(TEMP_PREFIX) && /\.tmp-\d+-[a-z0-9]+$/.test(name);
}
