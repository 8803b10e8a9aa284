/**
 * The published world: every reading and the part of it that can wake an agent, as one value with one hash. Mostly
 * pure.
 */
import type { BadFile } from "../store.ts";
import type { Firing } from "../records/schedules.ts";
import { canonical, isListOf, isRecord, isRecordOf, isText } from "../text/json.ts";
import { isErrorReading, type Reading, signalOf } from "./reading.ts";
import type { LiveSign, Session, WorkerView } from "../sessions/session.ts";
import { sha256 } from "../text/bytes.ts";

/** One reading in the world. Times: unix ms. */
export interface WorldReading {
  value: Reading;
  sensed_at: number;
  /** Wall time of the run, ms; absent for system readings. */
  ms?: number;
  /** SHA-256 of the script that gave it. */
  script?: string;
  error: boolean;
  /** Hash of the signal itself. */
  hash: string;
  /** The hash that counts for waking: while a sensor flaps, the one from before it began to flap. */
  wake: string;
  /** Number of successive sensings that changed the signal. */
  streak: number;
  /** The last value that was not an error, kept while errors last. */
  last_good?: Reading;
}

/** Something that the pulse has noticed and that is given once to each observer. */
export interface Alert {
  /** `not_ready`, `silent`, `limited`, `interrupted`, `goal_idle`, `host`: the part of its reason before the `:`. */
  kind: string;
  /** The worker, goal or machine concerned. */
  id: string;
  /** A name for this occurrence. */
  key: string;
  /** The last lines of the worker's screen, or the interrupted action. */
  screen?: string[];
  /** When a limit ends, unix ms, where that is known. */
  until?: number;
}

/** The pulse's memory of one living worker, so that nothing is reported twice. Times: unix ms. */
export interface Watched {
  /** Whether it was waiting for an answer at the last look. */
  asking?: true;
  /** When it was first seen no longer waiting for an answer. */
  answered_at?: number;
  /** The jumps of the clock during its run: when the last was noticed, and ms by which it is ahead of its start. */
  jumped?: { at: number; ms: number };
  /** The silence reported last. */
  silent?: { since: number; key: string; screen: string[] };
  /**
   * The limit that its agent's CLI shows: since when, its sentence and how many lines stood below it, until when, and
   * whether the record or the screen has it. `over`: the time has come or the agent has gone on, though it still shows.
   */
  limited?: {
    since: number;
    line: string;
    after: number;
    by: "record" | "screen";
    until?: number;
    over?: true;
  };
}

/** How one run of a worker ended, in addition to its session's record. */
export interface EndedFacts {
  gen: string;
  /** The state for which they were composed: a lost worker may still be ended. */
  state: string;
  /** The last lines that it printed; for a lost worker its whole `screen`. */
  last_lines?: string[];
  screen?: string[];
  /** Files in `reports/`; `maybe` when only their time suggests that they are its own. */
  reports?: { file: string; maybe?: true }[];
  /** The tells that it has not read. */
  untold?: string[];
  /** Dollars; null while the cost is not known. */
  cost: number | null;
}

/** Schedules with their next due time, unix ms, the soonest first. Pure. */
export function schedulesDue({ schedules }: Pick<World, "schedules">): { id: string; next: number }[] {
  return Object.entries(schedules.files)
    .flatMap(([id, { next }]) => next === undefined ? [] : [{ id, next }])
    .sort((a, b) => a.next - b.next);
}

/** The settings that `_ wait` needs, in seconds, so that it need not read the config. */
export interface WorldSettings {
  interval_s: number;
  ask_redeliver_s: number;
}

/** `.world.json`. */
export interface World {
  v: 1;
  beat: number;
  /** When it was published, unix ms. */
  published_at: number;
  world_hash: string;
  /** Hash of PLAYBOOK.md, "" when absent. */
  playbook: string;
  /** Goal id → hash of its text. */
  goals: Record<string, string>;
  readings: Record<string, WorldReading>;
  /** Sensor → the stamp of its script, where the reading is that of the script as it is. */
  scripts?: Record<string, string>;
  flapping: string[];
  alerts: Alert[];
  bad_files: BadFile[];
  settings: WorldSettings;
  /** Worker id → how its last run ended. */
  ended: Record<string, EndedFacts>;
  /** Schedule id → hash of its file and next due time, unix ms; and the last firing of each. */
  schedules: { files: Record<string, { hash: string; next?: number }>; firings: Record<string, Firing> };
  /** Generation → the pulse's memory of a living worker. */
  watched: Record<string, Watched>;
  /**
   * The fleet as last read; ended sessions need not be read again while `sessions/` is unchanged, and running ones
   * while their signs are. `dir_mtime` is that folder's time then, unix ms; -1 while another change could still leave
   * the same time.
   */
  fleet: {
    dir_mtime: number;
    workers: (WorkerView & { gen: string })[];
    /** Worker id → the sign that it is still running; absent when only a whole look can show it. */
    live?: Record<string, LiveSign>;
  };
}

/** Number of successive sensings, each with a changed signal, from which a sensor counts as flapping. */
export const FLAP_STREAK = 5;

/** Settings used before any pulse has published. */
export const DEFAULT_SETTINGS: WorldSettings = { interval_s: 60, ask_redeliver_s: 600 };

/** The world before anything was sensed. */
export function emptyWorld(): World {
  return {
    v: 1,
    beat: 0,
    published_at: 0,
    world_hash: "",
    playbook: "",
    goals: {},
    readings: {},
    flapping: [],
    alerts: [],
    bad_files: [],
    settings: DEFAULT_SETTINGS,
    ended: {},
    schedules: { files: {}, firings: {} },
    watched: {},
    fleet: { dir_mtime: 0, workers: [] },
  };
}

/** The checks of each part of a published world, so that a file edited by hand is either usable or refused. */
const WORLD_PARTS: Readonly<Record<string, (part: unknown) => boolean>> = {
  beat: Number.isFinite,
  published_at: Number.isFinite,
  world_hash: isText,
  playbook: isText,
  goals: (part) => isRecordOf(part, isText),
  readings: (part) => isRecordOf(part, isWorldReading),
  scripts: (part) => part === undefined || isRecordOf(part, isText),
  flapping: (part) => isListOf(part, isText),
  alerts: (part) => isListOf(part, (alert) => hasTexts(alert, ["kind", "id", "key"])),
  bad_files: (part) => isListOf(part, (file) => hasTexts(file, ["path", "reason"])),
  settings: (part) =>
    isRecord(part) && Number.isFinite(part["interval_s"]) && Number.isFinite(part["ask_redeliver_s"]),
  ended: (part) => isRecordOf(part, (facts) => hasTexts(facts, ["gen"])),
  schedules: (part) =>
    isRecord(part) && isRecordOf(part["files"], (file) => hasTexts(file, ["hash"])) &&
    isRecordOf(part["firings"], (firing) =>
      isRecord(firing) && [firing["due"], firing["at"]].every(Number.isFinite)),
  watched: (part) => isRecordOf(part, isRecord),
  fleet: (part) =>
    isRecord(part) && Number.isFinite(part["dir_mtime"]) &&
    isListOf(part["workers"], (worker) => hasTexts(worker, ["id", "state", "runner", "started", "gen"])) &&
    (part["live"] === undefined || isRecordOf(part["live"], isLiveSign)),
};

/** Parts that a pulse of an earlier version does not write. */
const LATER_PARTS: Partial<World> = { ended: {}, schedules: { files: {}, firings: {} }, watched: {} };

function isLiveSign(sign: unknown): boolean {
  return hasTexts(sign, ["status"]) && isRecord(sign) && Number.isInteger(sign["pid"]) &&
    Number(sign["pid"]) > 1;
}

function isWorldReading(value: unknown): boolean {
  return hasTexts(value, ["hash", "wake"]) && isRecord(value) && "value" in value &&
    Number.isFinite(value["sensed_at"]) && Number.isFinite(value["streak"]);
}

function hasTexts(value: unknown, keys: readonly string[]): boolean {
  return isRecord(value) && keys.every((key) => isText(value[key]));
}

/** The world in a parsed `.world.json`, or the reason why it is not one. */
export function checkWorld(value: unknown): World | string {
  if (!isRecord(value)) return "not an object";
  if (value["v"] !== 1) return `version ${JSON.stringify(value["v"])} is not known`;
  const whole: Record<string, unknown> = { ...LATER_PARTS, ...value };
  for (const [key, fits] of Object.entries(WORLD_PARTS)) {
    if (!fits(whole[key])) return `"${key}" is missing or not what looop writes`;
  }
  return whole as unknown as World;
}

/** A sensor's new reading, with streak and wake hash carried on from the one before. */
export async function nextReading(
  before: WorldReading | undefined,
  value: Reading,
  atMs: number,
  { ms, script }: Pick<WorldReading, "ms" | "script"> = {},
): Promise<WorldReading> {
  const hash = await sha256(canonical(signalOf(value)));
  // The signals of a different text of the script say nothing about how steady this one is.
  const isSame = script === before?.script || before?.script === undefined;
  const changed = before !== undefined && before.hash !== hash && isSame;
  const streak = changed ? before.streak + 1 : 0;
  const error = isErrorReading(value);
  const lastGood = error ? (before?.error ? before.last_good : before?.value) : undefined;
  return {
    value,
    sensed_at: atMs,
    ...(ms === undefined ? {} : { ms }),
    ...(script === undefined ? {} : { script }),
    error,
    hash,
    wake: streak >= FLAP_STREAK ? before?.wake ?? hash : hash,
    streak,
    ...(lastGood === undefined ? {} : { last_good: lastGood }),
  };
}

/** Names of sensors that flap. */
export function flappingOf(readings: Readonly<Record<string, WorldReading>>): string[] {
  return Object.keys(readings).filter((name) => (readings[name]?.streak ?? 0) >= FLAP_STREAK).sort();
}

/** The parts of the world other than users' sensors. */
export interface OwnState {
  playbook: string | undefined;
  goals: Record<string, string>;
  sessions: readonly Pick<Session, "view">[];
  claims: readonly { name: string; session: string }[];
  activity: Readonly<Record<string, number>>;
  nowMs: number;
}

/** looop's own readings, in 0.16's shapes. */
export function systemReadings(own: OwnState): Record<string, Reading> {
  const sessions = own.sessions.map(({ view }) => ({
    id: view.id,
    // A worker that is coming up counts as running, so that one start is one change.
    state: view.state === "starting" ? "running" : view.state,
    exit_code: view.exit_code,
  })).sort((a, b) => a.id < b.id ? -1 : 1);
  const goals = Object.fromEntries(
    Object.keys(own.goals).map((id) => {
      const acted = Object.hasOwn(own.activity, id) ? own.activity[id] : undefined;
      const age = acted === undefined ? null : Math.max(0, Math.floor(own.nowMs / 1000 - acted));
      return [id, { last_acted_unix: acted ?? null, age_s: age }];
    }),
  );
  const claims = own.claims.map(({ name, session }) => ({ name, claim: { name, session } }));
  return {
    "sys-sessions": { signal: sessions, detail: { count: sessions.length } },
    "sys-claims": { signal: claims, detail: { count: claims.length } },
    "sys-goals": { signal: {}, detail: { goals } },
  };
}

/** Puts looop's own state into a world: policy hashes, system readings and the world's hash. */
export async function withOwnState(world: World, own: OwnState): Promise<World> {
  const readings = { ...world.readings };
  for (const [name, value] of Object.entries(systemReadings(own))) {
    readings[name] = await systemReading(name, value, own.nowMs);
  }
  const playbook = own.playbook === undefined ? "" : await sha256(own.playbook);
  const goals: Record<string, string> = {};
  for (const id of Object.keys(own.goals).sort()) goals[id] = await sha256(own.goals[id] ?? "");
  return {
    ...world,
    playbook,
    goals,
    readings,
    flapping: flappingOf(readings),
    world_hash: await hashWorld(playbook, goals, readings),
  };
}

/** The last signal of each system reading with its hash: it is usually the same, and a large fleet's is long. */
const lastSignals = new Map<string, { text: string; hash: string }>();

async function systemReading(name: string, value: Reading, nowMs: number): Promise<WorldReading> {
  const text = JSON.stringify(signalOf(value));
  const last = lastSignals.get(name);
  if (last?.text === text) {
    return { value, sensed_at: nowMs, error: false, hash: last.hash, wake: last.hash, streak: 0 };
  }
  const reading = await nextReading(undefined, value, nowMs);
  lastSignals.set(name, { text, hash: reading.hash });
  return reading;
}

/** SHA-256 over PLAYBOOK.md, the goals and the signals: a hash of the items' hashes, so framing is unambiguous. */
export function hashWorld(
  playbook: string,
  goals: Readonly<Record<string, string>>,
  readings: Readonly<Record<string, Pick<WorldReading, "wake">>>,
): Promise<string> {
  const signals = Object.fromEntries(Object.entries(readings).map(([name, reading]) => [name, reading.wake]));
  return sha256(canonical({ playbook, goals, signals }));
}

/**
 * Whether the second of two worlds shows a reader more than new times and ages. Pure.
 *
 * A new reading counts even when its value is the same, because its time is shown.
 */
export function isNews(before: World, next: World): boolean {
  const settled = next.fleet.dir_mtime >= 0 && next.fleet.dir_mtime !== before.fleet.dir_mtime;
  return settled || hasNewSign(before, next) || gistOf(before) !== gistOf(next);
}

/** A running worker has gained a sign, so that readers no longer need to look at it as a whole. */
function hasNewSign({ fleet: before }: World, { fleet: next }: World): boolean {
  return Object.entries(next.live ?? {}).some(([id, { status }]) => before.live?.[id]?.status !== status);
}

function gistOf({ world_hash, alerts, bad_files, settings, readings, fleet, ...rest }: World): string {
  const sensed = Object.entries(readings).filter(([name]) => name.startsWith("sensor-"))
    .map(([name, { sensed_at }]) => [name, sensed_at]);
  const workers = fleet.workers.map(({ id, gen, state, ready, verify }) => [id, gen, state, ready, verify]);
  const { schedules, watched } = rest;
  return JSON.stringify([world_hash, alerts, bad_files, settings, sensed, workers, schedules, watched]);
}
