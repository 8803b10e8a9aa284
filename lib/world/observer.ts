/**
 * An observer: what can be seen at one moment, and the cursor, which holds what one reader was last given of it.
 * Pure.
 *
 * The comparison is level-triggered: a change between two calls is found by the second, whatever happened to events,
 * processes and machines in the meantime. `news.ts` makes it.
 */
import { isListOf, isRecord, isRecordOf, isText } from "../text/json.ts";
import type { Ask } from "../records/mailbox.ts";
import type { OwnMoves } from "../records/own_moves.ts";
import { signalOf } from "./reading.ts";
import type { WorkerView } from "../sessions/session.ts";
import type { BadFile } from "../store.ts";
import type { World } from "./world.ts";

/** A worker, and which run of its id it is. */
export type WorkerRun = WorkerView & { gen: string };

/** Everything that an observer can see at one moment. */
export interface Sight {
  world: World;
  /** Pending questions, the oldest first. */
  asks: readonly Ask[];
  /** Ids of questions whose outcome nobody has read yet. */
  answered: readonly string[];
  workers: readonly WorkerRun[];
  pulse: { wanted: boolean; alive: boolean; stalled: boolean; failing?: string };
  bad: readonly BadFile[];
  /** Path of config.json: a fault in it is reported as `config`. */
  configFile: string;
  moves: OwnMoves;
  nowMs: number;
}

/** The pulse's states, in the order of {@link PULSE_SIGNS}. */
export const PULSE_WORDS = ["down", "alive", "failing", "stalled", "stopped"] as const;
/** The states' signs in a token. */
const PULSE_SIGNS = "012sx";

/** `down`: wanted and dead; `stopped`: a person has ended the loop, or never started it. */
export type PulseWord = typeof PULSE_WORDS[number];

/** The pulse's state in one word. */
export function pulseWord({ pulse }: Pick<Sight, "pulse">): PulseWord {
  if (!pulse.alive) return pulse.wanted ? "down" : "stopped";
  if (pulse.failing !== undefined) return "failing";
  return pulse.stalled ? "stalled" : "alive";
}

/**
 * The record of what an observer was last given; in `.cursors/<observer>.json` with who it is and whether it waits.
 */
export interface Cursor {
  v: 2;
  token: string;
  /** Hash of the world that was given; "" when parts of it are still to be given. */
  world_hash: string;
  playbook: string;
  goals: Record<string, string>;
  /** Wake hash and signal of each reading. */
  signals: Record<string, { wake: string; signal: unknown }>;
  workers: Record<string, { gen: string; state: string }>;
  /** {@link askKey} → unix ms of its last delivery. */
  asks: Record<string, number>;
  /** Keys of the alerts given, the newest last. */
  alerts: string[];
  flapping: string[];
  /** Paths of the files reported as bad. */
  bad: string[];
  pulse: PulseWord;
  /** Schedule id → the last due time given, unix ms; and the hash of its file. */
  schedules: Record<string, number>;
  /** The time of the sight, unix ms: a schedule that fired later is new even though the cursor does not know it. */
  seen: number;
  schedule_files: Record<string, string>;
}

/** Parts that a cursor of an earlier version does not have. */
const LATER_PARTS: Partial<Cursor> = { schedules: {}, seen: 0, schedule_files: {} };

const CURSOR_PARTS: Readonly<Record<keyof Cursor, (part: unknown) => boolean>> = {
  v: (part) => part === 2,
  token: isText,
  world_hash: isText,
  playbook: isText,
  goals: (part) => isRecordOf(part, isText),
  signals: (part) => isRecordOf(part, (signal) => isRecord(signal) && isText(signal["wake"])),
  workers: (part) =>
    isRecordOf(part, (worker) => isRecord(worker) && isText(worker["gen"]) && isText(worker["state"])),
  asks: (part) => isRecordOf(part, Number.isFinite),
  alerts: (part) => isListOf(part, isText),
  flapping: (part) => isListOf(part, isText),
  bad: (part) => isListOf(part, isText),
  pulse: (part) => PULSE_WORDS.includes(part as PulseWord),
  schedules: (part) => isRecordOf(part, Number.isFinite),
  seen: (part) => typeof part === "number",
  schedule_files: (part) => isRecordOf(part, isText),
};

/** The cursor in a parsed file, or the reason why it is not one. */
export function checkCursor(value: unknown): Cursor | string {
  if (!isRecord(value)) return "not a cursor";
  const whole: Record<string, unknown> = { ...LATER_PARTS, ...value };
  for (const [key, fits] of Object.entries(CURSOR_PARTS)) {
    if (!fits(whole[key])) return `"${key}" is missing or not what looop writes`;
  }
  return whole as unknown as Cursor;
}

/** The cursor of a reader who has been given nothing yet. */
export function emptyCursor(): Cursor {
  return {
    v: 2,
    token: "",
    world_hash: "",
    playbook: "",
    goals: {},
    signals: {},
    workers: {},
    asks: {},
    alerts: [],
    flapping: [],
    bad: [],
    pulse: "alive",
    schedules: {},
    seen: Infinity,
    schedule_files: {},
  };
}

/** Names a question among all there ever were: looop 0.16 gives an answered question's number to the next one. */
export function askKey({ id, ts, prompt }: Pick<Ask, "id" | "ts" | "prompt">): string {
  return `${id} ${ts} ${tag(prompt)}`;
}

/** The id in an {@link askKey}; a cursor of an earlier version has the id alone. */
export function idOfAskKey(key: string): string {
  return key.replace(/ \S+ \S+$/, "");
}

/** Number of alerts remembered as given; one that returns after so many others is given again. */
const MAX_ALERTS = 300;

/**
 * The cursor of an observer that is now given this sight. `delivered` are the keys of the asks given; the others keep
 * the time of their last delivery.
 */
export function cursorOf(sight: Sight, delivered: readonly string[], before?: Cursor): Cursor {
  const { world } = sight;
  const asks = sight.asks.map((ask) => {
    const key = askKey(ask);
    const known = before?.asks[key];
    return [key, known === undefined || delivered.includes(key) ? sight.nowMs : known] as const;
  });
  const keys = world.alerts.map((alert) => alert.key);
  const earlier = (before?.alerts ?? []).filter((key) => !keys.includes(key));
  return withToken({
    v: 2,
    token: "",
    world_hash: world.world_hash,
    playbook: world.playbook,
    goals: world.goals,
    signals: Object.fromEntries(
      Object.entries(world.readings).filter(([name]) => !name.startsWith("sys-"))
        .map(([name, { wake, value }]) => [name, { wake, signal: signalOf(value) }]),
    ),
    workers: Object.fromEntries(
      sight.workers.map(({ id, gen, state }) => [id, { gen, state: settled(state) }]),
    ),
    asks: Object.fromEntries(asks),
    alerts: [...earlier, ...keys].slice(-MAX_ALERTS),
    flapping: [...world.flapping],
    bad: sight.bad.map(({ path }) => path),
    pulse: pulseWord(sight),
    schedules: Object.fromEntries(Object.entries(world.schedules.firings).map(([id, { due }]) => [id, due])),
    seen: sight.nowMs,
    schedule_files: Object.fromEntries(
      Object.entries(world.schedules.files).map(([id, { hash }]) => [id, hash]),
    ),
  }, sight);
}

/** The state for comparisons: a worker that is coming up counts as running, so its start is one change at most. */
export function settled(state: string): string {
  return state === "starting" ? "running" : state;
}

/** Most tags of each kind in a token, to keep it short; items left out are given again. */
const MAX_TAGS = 20;

/** A cursor with its token: the short opaque name that `--since` takes. */
export function withToken(cursor: Cursor, { world }: Sight): Cursor {
  const asks = tagsOf(Object.keys(cursor.asks));
  const alerts = tagsOf(world.alerts.map(({ key }) => key).filter((key) => cursor.alerts.includes(key)));
  const hash = cursor.world_hash.slice(0, 16);
  const head = `${hash}.${PULSE_SIGNS[PULSE_WORDS.indexOf(cursor.pulse)]}.${asks}`;
  return { ...cursor, token: alerts === "" ? head : `${head}.${alerts}` };
}

function tagsOf(texts: readonly string[]): string {
  return texts.slice(-MAX_TAGS).map(tag).sort().join("");
}

/** Six base-36 digits of FNV-1a, enough to distinguish the pending asks of one moment. */
function tag(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return (hash % 36 ** 6).toString(36).padStart(6, "0");
}

/** The token of a reader who has seen all of this sight. */
export function tokenOf(sight: Sight): string {
  return cursorOf(sight, []).token;
}

/**
 * The cursor for `--since TOKEN`: the remembered one if the token is its own, else one made from the token alone,
 * which is enough to wake for the right things but not to say what they were before.
 */
export function cursorSince(token: string, remembered: Cursor | undefined, sight: Sight): Cursor | undefined {
  if (remembered?.token === token) return remembered;
  const [, hash, sign, tags, alertTags = ""] =
    /^([0-9a-f]*)\.([012sx])\.((?:[0-9a-z]{6})*)(?:\.((?:[0-9a-z]{6})*))?$/.exec(token) ?? [];
  if (hash === undefined || sign === undefined || tags === undefined) return undefined;
  const seen = new Set(tags.match(/.{6}/g) ?? []);
  const given = new Set(alertTags.match(/.{6}/g) ?? []);
  const now = cursorOf(sight, []);
  const isSame = hash !== "" && sight.world.world_hash.startsWith(hash);
  const asks = sight.asks.map(askKey).filter((key) => seen.has(tag(key))).map((key) =>
    [key, sight.nowMs] as const
  );
  const { playbook, goals, signals, workers } = isSame ? now : emptyCursor();
  return {
    ...now,
    token,
    world_hash: isSame ? now.world_hash : hash,
    asks: Object.fromEntries(asks),
    alerts: now.alerts.filter((key) => given.has(tag(key))),
    pulse: PULSE_WORDS[PULSE_SIGNS.indexOf(sign)] ?? "alive",
    ...{ playbook, goals, signals, workers },
  };
}
