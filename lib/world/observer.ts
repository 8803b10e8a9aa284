/**
 * What is new to one observer: a cursor of what it was last given, compared with the world as it is. Pure.
 *
 * The comparison is by level: what changed between two calls is found by the second, whatever happened to
 * events, processes and machines meanwhile.
 */
import { canonical, isListOf, isRecord, isRecordOf, isText } from "../text/json.ts";
import type { Ask } from "../records/mailbox.ts";
import { signalOf } from "./reading.ts";
import type { WorkerView } from "../sessions/session.ts";
import type { Alert, World } from "./world.ts";

/** What an observer was last given; `.cursors/<observer>.json`. */
export interface Cursor {
  v: 1;
  token: string;
  world_hash: string;
  playbook: string;
  goals: Record<string, string>;
  /** Wake hash and signal by reading. */
  signals: Record<string, { wake: string; signal: unknown }>;
  workers: Record<string, { state: string; exit_code: number | null; started: string }>;
  /** Ask id → unix ms of its last delivery. */
  asks: Record<string, number>;
  /** Keys of alerts that were told. */
  alerts: string[];
  /** Whether the pulse was alive. */
  pulse: boolean;
  /** It was alive, and could not publish. */
  failing?: true;
}

const CURSOR_PARTS: Readonly<Record<string, (part: unknown) => boolean>> = {
  token: isText,
  world_hash: isText,
  playbook: isText,
  goals: (part) => isRecordOf(part, isText),
  signals: (part) => isRecordOf(part, (signal) => isRecord(signal) && isText(signal["wake"])),
  workers: (part) => isRecordOf(part, (worker) => isRecord(worker) && isText(worker["state"])),
  asks: (part) => isRecordOf(part, Number.isFinite),
  alerts: (part) => isListOf(part, isText),
  pulse: (part) => typeof part === "boolean",
};

/** Checks that a parsed cursor file is one. */
export function checkCursor(value: unknown): Cursor | string {
  if (!isRecord(value) || value["v"] !== 1) return "not a cursor";
  for (const [key, fits] of Object.entries(CURSOR_PARTS)) {
    if (!fits(value[key])) return `"${key}" is missing or not what looop writes`;
  }
  return value as unknown as Cursor;
}

/** All that an observer can see at one moment. */
export interface Sight {
  world: World;
  asks: readonly Ask[];
  answered: readonly string[];
  workers: readonly WorkerView[];
  pulse: { wanted: boolean; alive: boolean; failing?: string };
  nowMs: number;
}

/** What changed, by item. Empty parts are left out. */
export interface Changes {
  asks?: string[];
  answered?: string[];
  signals?: Record<string, { from?: unknown; to?: unknown }>;
  workers?: { id: string; from: string | null; to: string; exit_code: number | null; ended_by?: string }[];
  goals?: { added?: string[]; changed?: string[]; removed?: string[] };
  policy?: true;
  alerts?: { kind: string; id: string; screen?: string[] }[];
  pulse?: { from: string; to: string };
}

/** The difference and why it wakes; no reasons: nothing that wakes. */
export interface Difference {
  reasons: string[];
  changes: Changes;
}

/** The short opaque name of a sight, for `--since`: it carries which world, asks and alerts were seen. */
export function tokenOf(sight: Sight): string {
  const tags = (texts: string[]) => texts.map(tag).sort().join("");
  const asks = tags(sight.asks.map((ask) => ask.id));
  const alerts = tags(sight.world.alerts.map((alert) => alert.key));
  const pulse = PULSE_WORDS.indexOf(pulseWord(sight.pulse.alive, sight.pulse.failing !== undefined));
  const world = `${sight.world.world_hash.slice(0, 32)}.${pulse}.${asks}`;
  return alerts === "" ? world : `${world}.${alerts}`;
}

/** Six base-36 digits of FNV-1a; enough to tell the pending asks of one moment apart. */
function tag(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return (hash % 36 ** 6).toString(36).padStart(6, "0");
}

/** The cursor of an observer that is now given this sight. Delivery times of asks are kept or set. */
export function cursorOf(sight: Sight, delivered: readonly string[], before?: Cursor): Cursor {
  const { world } = sight;
  const asks = sight.asks.map((ask) => {
    const known = before?.asks[ask.id];
    return [ask.id, known === undefined || delivered.includes(ask.id) ? sight.nowMs : known] as const;
  });
  return {
    v: 1,
    token: tokenOf(sight),
    world_hash: world.world_hash,
    playbook: world.playbook,
    goals: world.goals,
    signals: Object.fromEntries(
      Object.entries(world.readings).map(([name, r]) => [name, { wake: r.wake, signal: signalOf(r.value) }]),
    ),
    workers: Object.fromEntries(
      sight.workers.map((
        { id, state, exit_code, started },
      ) => [id, { state: settled(state), exit_code, started }]),
    ),
    asks: Object.fromEntries(asks),
    alerts: world.alerts.map((alert) => alert.key),
    pulse: sight.pulse.alive,
    ...(sight.pulse.failing === undefined ? {} : { failing: true }),
  };
}

/** Compares a sight with what the observer was last given. */
export function compare(cursor: Cursor, sight: Sight, redeliverMs: number): Difference {
  const changes: Changes = {};
  const reasons: string[] = [];
  compareAsks(cursor, sight, redeliverMs, changes, reasons);
  compareAlerts(cursor, sight, changes, reasons);
  if (cursor.world_hash !== sight.world.world_hash) {
    comparePolicy(cursor, sight, changes, reasons);
    compareSignals(cursor, sight, changes, reasons);
  }
  compareWorkers(cursor, sight, changes, reasons);
  comparePulse(cursor, sight, changes, reasons);
  return { reasons, changes };
}

function compareAsks(
  cursor: Cursor,
  sight: Sight,
  redeliverMs: number,
  changes: Changes,
  reasons: string[],
): void {
  const due = sight.asks.filter((ask) => {
    const at = cursor.asks[ask.id];
    // A clock that was set back must not make an ask due, nor hide it for ever.
    return at === undefined || Math.abs(sight.nowMs - at) >= redeliverMs;
  }).map((ask) => ask.id);
  if (due.length > 0) changes.asks = due;
  reasons.push(...due.map((id) => `ask:${id}`));
  const pending = new Set(sight.asks.map((ask) => ask.id));
  const answered = Object.keys(cursor.asks).filter((id) => !pending.has(id));
  if (answered.length > 0) changes.answered = answered;
}

function compareAlerts(cursor: Cursor, sight: Sight, changes: Changes, reasons: string[]): void {
  const fresh = sight.world.alerts.filter((alert) => !cursor.alerts.includes(alert.key));
  if (fresh.length === 0) return;
  changes.alerts = alertsShown(fresh);
  reasons.push(...fresh.map((alert) => `${alert.kind}:${alert.id}`));
}

/** Alerts as they are given to an observer. */
export function alertsShown(alerts: readonly Alert[]): NonNullable<Changes["alerts"]> {
  return alerts.map(({ kind, id, screen }) => ({ kind, id, ...(screen === undefined ? {} : { screen }) }));
}

function comparePolicy(cursor: Cursor, sight: Sight, changes: Changes, reasons: string[]): void {
  if (cursor.playbook !== sight.world.playbook) {
    changes.policy = true;
    reasons.push("policy");
  }
  const before = cursor.goals;
  const after = sight.world.goals;
  const added = Object.keys(after).filter((id) => !Object.hasOwn(before, id));
  const removed = Object.keys(before).filter((id) => !Object.hasOwn(after, id));
  const changed = Object.keys(after).filter((id) => Object.hasOwn(before, id) && before[id] !== after[id]);
  if (added.length + removed.length + changed.length === 0) return;
  changes.goals = {
    ...(added.length > 0 ? { added } : {}),
    ...(changed.length > 0 ? { changed } : {}),
    ...(removed.length > 0 ? { removed } : {}),
  };
  reasons.push(...[...added, ...changed, ...removed].map((id) => `goal:${id}`));
}

function compareWorkers(cursor: Cursor, sight: Sight, changes: Changes, reasons: string[]): void {
  const changed = sight.workers.filter((worker) => {
    const before = cursor.workers[worker.id];
    return before === undefined || before.state !== settled(worker.state) ||
      before.exit_code !== worker.exit_code;
  });
  if (changed.length === 0) return;
  changes.workers = changed.map((worker) => ({
    id: worker.id,
    from: cursor.workers[worker.id]?.state ?? null,
    to: worker.state,
    exit_code: worker.exit_code,
    ...(worker.ended_by === undefined ? {} : { ended_by: worker.ended_by }),
  }));
  reasons.push(...changed.map((worker) => `worker:${worker.id}`));
}

function settled(state: string): string {
  return state === "starting" ? "running" : state;
}

function compareSignals(cursor: Cursor, sight: Sight, changes: Changes, reasons: string[]): void {
  const signals: Record<string, { from?: unknown; to?: unknown }> = {};
  for (const [name, reading] of Object.entries(sight.world.readings)) {
    const before = cursor.signals[name];
    if (before?.wake === reading.wake) continue;
    if (name === "sys-sessions") continue;
    const to = signalOf(reading.value);
    if (before !== undefined && canonical(before.signal) === canonical(to)) continue;
    signals[name] = before === undefined ? { to } : { from: before.signal, to };
  }
  for (const name of Object.keys(cursor.signals)) {
    if (!(name in sight.world.readings)) signals[name] = { from: cursor.signals[name]?.signal };
  }
  if (Object.keys(signals).length === 0) return;
  changes.signals = signals;
  reasons.push(...Object.keys(signals).map((name) => `signal:${name}`));
}

function comparePulse(cursor: Cursor, sight: Sight, changes: Changes, reasons: string[]): void {
  const from = pulseWord(cursor.pulse, cursor.failing === true);
  const to = pulseWord(sight.pulse.alive, sight.pulse.failing !== undefined);
  if (from === to) return;
  changes.pulse = { from, to };
  if (to !== "alive") reasons.push(`pulse_${to}`);
}

/**
 * Whether a cursor is behind a sight in what wakes nobody: what ended long ago was cleared away, or the pulse came
 * back. It must be noted all the same, or the next time that the pulse goes would be no news.
 */
export function isBehind(cursor: Cursor, { world, pulse }: Sight): boolean {
  return cursor.world_hash !== world.world_hash ||
    pulseWord(cursor.pulse, cursor.failing === true) !== pulseWord(pulse.alive, pulse.failing !== undefined);
}

/** In the order of their digits in a token. */
const PULSE_WORDS = ["down", "alive", "failing"] as const;

function pulseWord(alive: boolean, failing: boolean): typeof PULSE_WORDS[number] {
  if (!alive) return "down";
  return failing ? "failing" : "alive";
}

/**
 * The cursor that `--since TOKEN` stands for: the remembered one when it is that, else what the token itself
 * tells, which is enough to wake for the right things but not to say what they were before.
 */
export function cursorSince(token: string, remembered: Cursor | undefined, sight: Sight): Cursor | undefined {
  if (remembered?.token === token) return remembered;
  const [hash, alive, tags, alertTags = ""] = token.split(".");
  if (hash === undefined || alive === undefined || tags === undefined) return undefined;
  if (!/^[0-9a-f]*$/.test(hash) || !/^[012]$/.test(alive) || !/^([0-9a-z]{6})*$/.test(tags + alertTags)) {
    return undefined;
  }
  const seen = new Set(tags.match(/.{6}/g) ?? []);
  const told = new Set(alertTags.match(/.{6}/g) ?? []);
  const { failing: _, ...now } = cursorOf(sight, []);
  const same = sight.world.world_hash.startsWith(hash) && hash !== "";
  const asks = sight.asks.filter((ask) => seen.has(tag(ask.id))).map((ask) => [ask.id, sight.nowMs] as const);
  return {
    ...now,
    token,
    world_hash: same ? now.world_hash : hash,
    asks: Object.fromEntries(asks),
    alerts: now.alerts.filter((key) => told.has(tag(key))),
    pulse: alive !== "0",
    ...(alive === "2" ? { failing: true } : {}),
    ...(same ? {} : { playbook: "", goals: {}, signals: {}, workers: {} }),
  };
}
