/**
 * News for one reader: each kind of news in one table, found by comparing a cursor with a sight. Pure.
 *
 * A new kind needs a row in {@link KINDS}, or, when the pulse raises it as an alert, one in {@link ALERTS}.
 */
import {
  askKey,
  type Cursor,
  cursorOf,
  emptyCursor,
  idOfAskKey,
  pulseWord,
  settled,
  type Sight,
  withToken,
  type WorkerRun,
} from "./observer.ts";
import { isErrorReading, messageOf, signalOf } from "./reading.ts";
import { signalChange } from "./signal_change.ts";
import { ANSWERED } from "../records/own_moves.ts";
import { oneLine } from "../errors.ts";
import { canonical } from "../text/json.ts";
import { isoSeconds } from "../text/time.ts";
import type { Alert, EndedFacts } from "./world.ts";

/** The part of a cursor, and the entry in it, that remembers whether an item was given. */
interface Item {
  part: Exclude<keyof Cursor, "v" | "token" | "world_hash">;
  key?: string;
}

/** One thing that differs from what the reader knows. */
export interface News {
  /** Its entry in `reason`: `ask:w1-1`. */
  reason: string;
  /**
   * `wakes`; `rides` along with the next wake; `hidden`: not shown, but the cursor takes it in; `held`: it may become
   * news in a moment.
   */
  weight: "wakes" | "rides" | "hidden" | "held";
  /** Its place in `changes`: the path of a list or, with `key`, of a record. */
  at: readonly string[];
  key?: string;
  /** Its value there, in ever shorter forms; none when the reason says everything. */
  forms: readonly unknown[];
  /** The one who caused it, where that is known. */
  by?: string;
  /** Set for a question that was given before and is still unanswered. */
  again?: true;
  item: Item;
}

/** The reader of a wake. */
export interface Reader {
  /** The reader's cursor; moves under that name are its own. */
  observer: string;
}

type Finder = (cursor: Cursor, sight: Sight, reader: Reader) => News[];

/** Every kind of news, the most urgent first. */
const KINDS: Readonly<Record<string, Finder>> = {
  ask: askNews,
  pulse: pulseNews,
  alert: alertNews,
  schedule: scheduleNews,
  worker: workerNews,
  bad_file: badFileNews,
  policy: policyNews,
  goal: goalNews,
  schedule_file: scheduleFileNews,
  flapping: flappingNews,
  signal: signalNews,
  answered: answeredNews,
};

/** Everything that differs from the cursor, the most urgent first. */
export function newsOf(cursor: Cursor, sight: Sight, reader: Reader): News[] {
  return Object.values(KINDS).flatMap((find) => find(cursor, sight, reader));
}

/** The cursor of a reader who is now given all news except `kept` and held ones, which stay news. */
export function cursorAfter(
  before: Cursor,
  sight: Sight,
  news: readonly News[],
  kept: readonly News[],
): Cursor {
  const keeps = new Set(kept);
  const open = new Set(news.filter((one) => keeps.has(one) || one.weight === "held"));
  const given = news.filter((one) => one.item.part === "asks" && !open.has(one)).map((one) => one.item.key!);
  const next = cursorOf(sight, given, before);
  if (open.size === 0) return next;
  const reverted = revert(next, before, [...open].map(({ item }) => item));
  return withToken({ ...reverted, world_hash: "" }, sight);
}

/** A cursor with some items put back to what they were before. */
function revert(cursor: Cursor, before: Cursor, items: readonly Item[]): Cursor {
  const parts = [...Map.groupBy(items, ({ part }) => part)].map(([part, ofPart]) => {
    const keys = new Set(ofPart.map(({ key }) => key));
    return [part, keys.has(undefined) ? before[part] : revertedPart(cursor[part], before[part], keys)];
  });
  return { ...cursor, ...Object.fromEntries(parts) };
}

function revertedPart(now: unknown, then: unknown, keys: ReadonlySet<string | undefined>): unknown {
  if (Array.isArray(now) && Array.isArray(then)) {
    return [...now.filter((entry) => !keys.has(entry)), ...then.filter((entry) => keys.has(entry))];
  }
  const others = Object.entries(now as object).filter(([key]) => !keys.has(key));
  return Object.fromEntries([...others, ...Object.entries(then as object).filter(([key]) => keys.has(key))]);
}

// --- the kinds ------------------------------------------------------------------------------------------------

function askNews(cursor: Cursor, { asks, world, nowMs }: Sight): News[] {
  const redeliverMs = world.settings.ask_redeliver_s * 1000;
  const due = asks.filter((ask) => {
    const at = cursor.asks[askKey(ask)];
    // A clock that was set back must neither make an ask due nor hide it for ever.
    return at === undefined || (redeliverMs > 0 && Math.abs(nowMs - at) >= redeliverMs);
  });
  return due.map((ask) => ({
    reason: `ask:${ask.id}`,
    weight: "wakes",
    at: ["asks"],
    forms: [ask.id],
    ...(askKey(ask) in cursor.asks ? { again: true } : {}),
    item: { part: "asks", key: askKey(ask) },
  }));
}

function answeredNews(cursor: Cursor, sight: Sight, reader: Reader): News[] {
  const pending = new Set(sight.asks.map(({ id }) => id));
  const gone = Object.keys(cursor.asks).map((key) => ({ key, id: idOfAskKey(key) }))
    .filter(({ id }) => !pending.has(id));
  return gone.map(({ key, id }) => ({
    reason: `answered:${id}`,
    weight: isOwn(sight, reader, `ask:${id}`, ANSWERED) ? "hidden" : "rides",
    at: ["answered"],
    forms: [id],
    ...moverOf(sight, `ask:${id}`, ANSWERED),
    item: { part: "asks", key },
  }));
}

const PULSE_REASONS = {
  down: "pulse_down",
  failing: "pulse_failing",
  stalled: "pulse_stalled",
  stopped: "down",
  alive: "",
} as const;

function pulseNews(cursor: Cursor, sight: Sight): News[] {
  const to = pulseWord(sight);
  if (cursor.pulse === to) return [];
  return [{
    reason: PULSE_REASONS[to],
    weight: to === "alive" ? "hidden" : "wakes",
    at: [],
    key: "pulse",
    forms: [{ from: cursor.pulse, to }],
    item: { part: "pulse" },
  }];
}

/** The place and form in `changes` of each kind of alert; other kinds go into `alerts` with their screen. */
const ALERTS: Readonly<Record<string, { at: string; show(alert: Alert): unknown[] }>> = {};

/** Number of screen lines in a short form. */
const FEW_LINES = 3;

function alertNews(cursor: Cursor, { world }: Sight): News[] {
  return world.alerts.filter(({ key }) => !cursor.alerts.includes(key)).map((alert) => ({
    reason: `${alert.kind}:${alert.id}`,
    weight: "wakes",
    at: [ALERTS[alert.kind]?.at ?? "alerts"],
    forms: ALERTS[alert.kind]?.show(alert) ?? alertForms(alert),
    item: { part: "alerts", key: alert.key },
  }));
}

function alertForms({ kind, id, screen, until }: Alert): unknown[] {
  if (kind === "limited") {
    return [{ kind, id, until: until === undefined ? null : isoSeconds(until), screen }];
  }
  const few = screen !== undefined && screen.length > FEW_LINES
    ? [{ kind, id, screen: screen.slice(-FEW_LINES) }]
    : [];
  return [{ kind, id, ...(screen === undefined ? {} : { screen }) }, ...few, { kind, id }];
}

/** How long to wait for the pulse to say how a worker ended before reporting the end without it, ms. */
const FACTS_MS = 3_000;

function workerNews(cursor: Cursor, sight: Sight, reader: Reader): News[] {
  const { workers, world } = sight;
  return workers.flatMap((worker): News[] => {
    const { id, gen, state, exit_code, ended_by, verify } = worker;
    const known = Object.hasOwn(cursor.workers, id) ? cursor.workers[id] : undefined;
    const isSame = known?.gen === gen && known.state === settled(state);
    if (worker.alive || isSame) return [];
    const facts = factsOf(world.ended[id], worker);
    const from = known?.gen === gen ? known.state : null;
    const ended = { id, from, to: state, exit_code, ...(ended_by === undefined ? {} : { ended_by }) };
    const full = verify === undefined ? ended : { ...ended, verify };
    // These must not be lost when space is short.
    const unread = facts?.untold === undefined ? {} : { untold: [`see tells/${id}/`] };
    const verdict = typeof verify === "object" ? { ok: verify.ok, code: verify.code } : verify;
    const short = { ...ended, ...(verify === undefined ? {} : { verify: verdict }), ...unread };
    const { gen: _, state: _state, last_lines, ...more } = facts ?? { gen, state, cost: null };
    return [{
      reason: `worker:${id}`,
      // The verdict comes when a pulse runs, however late; the end is reported once, with it.
      weight: verify === "running" || facts === undefined && isComing(sight, worker)
        ? "held"
        : isOwn(sight, reader, `worker:${id}`, gen)
        ? "rides"
        : "wakes",
      at: ["workers"],
      forms: [{ ...full, ...more, ...(last_lines === undefined ? {} : { last_lines }) }, {
        ...full,
        ...more,
      }, short],
      ...moverOf(sight, `worker:${id}`, gen),
      item: { part: "workers", key: id },
    }];
  });
}

/** The facts, if they are of this run in this state. */
function factsOf(facts: EndedFacts | undefined, { gen, state }: WorkerRun): EndedFacts | undefined {
  return facts?.gen === gen && facts.state === state ? facts : undefined;
}

/** Whether a living pulse is about to publish how a worker ended; for a lost one it always will. */
function isComing(sight: Sight, { ended }: WorkerRun): boolean {
  if (pulseWord(sight) !== "alive") return false;
  return ended === undefined || Math.abs(sight.nowMs - Date.parse(ended)) < FACTS_MS;
}

function badFileNews(cursor: Cursor, { bad, configFile }: Sight): News[] {
  return bad.filter(({ path }) => !cursor.bad.includes(path)).map(({ path, reason }) => ({
    reason: path === configFile ? "config" : `bad_file:${path}`,
    weight: "wakes",
    ...(path === configFile ? { at: [], key: "config", forms: [reason] } : {
      at: ["bad_files"],
      forms: [{ path, reason }, { path }],
    }),
    item: { part: "bad", key: path },
  }));
}

function policyNews(cursor: Cursor, sight: Sight, reader: Reader): News[] {
  const { playbook } = sight.world;
  if (cursor.playbook === playbook) return [];
  return [{
    reason: "policy",
    weight: isOwn(sight, reader, "policy", playbook) ? "hidden" : "wakes",
    at: [],
    key: "policy",
    forms: [true],
    ...moverOf(sight, "policy", playbook),
    item: { part: "playbook" },
  }];
}

function goalNews(cursor: Cursor, sight: Sight, reader: Reader): News[] {
  const [before, after] = [cursor.goals, sight.world.goals];
  const ids = [...new Set([...Object.keys(after), ...Object.keys(before)])];
  return ids.flatMap((id): News[] => {
    const [was, is] = [own(before, id), own(after, id)];
    if (was === is) return [];
    return [{
      reason: `goal:${id}`,
      weight: isOwn(sight, reader, `goal:${id}`, is ?? "") ? "hidden" : "wakes",
      at: ["goals", was === undefined ? "added" : is === undefined ? "removed" : "changed"],
      forms: [id],
      ...moverOf(sight, `goal:${id}`, is ?? ""),
      item: { part: "goals", key: id },
    }];
  });
}

/** Reminders that are due; a reminder that an agent was given before this reader began is not given again. */
function scheduleNews(cursor: Cursor, { world, nowMs }: Sight): News[] {
  return Object.entries(world.schedules.firings).flatMap(([id, { due, at, missed, text, given }]): News[] => {
    const known = own(cursor.schedules, id) ?? (at > cursor.seen ? 0 : given);
    if (due <= known) return [];
    const late_s = Math.max(0, Math.floor((nowMs - due) / 1000));
    const times = { due: isoSeconds(due), late_s, missed };
    return [{
      reason: `schedule:${id}`,
      weight: "wakes",
      at: ["schedules"],
      forms: [{ id, text, ...times }, { id, text: oneLine(text, MESSAGE_CHARS), ...times }, { id, ...times }],
      item: { part: "schedules", key: id },
    }];
  });
}

/** Schedules that somebody wrote, rewrote or removed; a finished one has moved away by itself. */
function scheduleFileNews(cursor: Cursor, sight: Sight, reader: Reader): News[] {
  const { files, firings } = sight.world.schedules;
  const ids = [...new Set([...Object.keys(files), ...Object.keys(cursor.schedule_files)])];
  return ids.flatMap((id): News[] => {
    const [was, is] = [own(cursor.schedule_files, id), own(files, id)];
    if (was === is?.hash) return [];
    const hash = is?.hash ?? "";
    // A file that became bad is reported as a bad file.
    const isBad = sight.bad.some(({ path }) => path.endsWith(`/schedules/${id}.md`));
    const isDone = is === undefined && (isBad || own(firings, id) !== undefined);
    const next = is?.next === undefined ? {} : { next: isoSeconds(is.next) };
    return [{
      reason: `schedule:${id}`,
      weight: isDone || isOwn(sight, reader, `schedule:${id}`, hash) ? "hidden" : "wakes",
      at: ["schedules"],
      forms: [{ id, is: was === undefined ? "added" : is === undefined ? "removed" : "changed", ...next }],
      ...moverOf(sight, `schedule:${id}`, hash),
      item: { part: "schedule_files", key: id },
    }];
  });
}

function flappingNews(cursor: Cursor, { world }: Sight): News[] {
  return world.flapping.filter((name) => !cursor.flapping.includes(name)).map((name) => ({
    reason: `flapping:${name}`,
    weight: "wakes",
    at: ["flapping"],
    forms: [name],
    item: { part: "flapping", key: name },
  }));
}

function signalNews(cursor: Cursor, sight: Sight, reader: Reader): News[] {
  const { readings } = sight.world;
  const gone = Object.keys(cursor.signals).filter((name) => !Object.hasOwn(readings, name));
  const changed = Object.keys(readings).filter((name) => !name.startsWith("sys-")).filter((name) => {
    const before = own(cursor.signals, name);
    if (before?.wake === readings[name]!.wake) return false;
    return before === undefined || canonical(before.signal) !== canonical(signalOf(readings[name]!.value));
  });
  const news = (name: string, forms: unknown[], isGone: boolean): News => {
    const item = `sensor:${name.replace(/^sensor-/, "")}`;
    return {
      reason: `signal:${name}`,
      weight: isGone && isOwn(sight, reader, item, "") ? "hidden" : "wakes",
      at: ["signals"],
      key: name,
      forms,
      ...(isGone ? moverOf(sight, item, "") : {}),
      item: { part: "signals", key: name },
    };
  };
  return [
    ...changed.map((name) =>
      news(name, signalForms(own(cursor.signals, name), readings[name]!.value), false)
    ),
    ...gone.map((name) => news(name, [{ from: own(cursor.signals, name)?.signal }, { gone: true }], true)),
  ];
}

/** Longest message of a failure, characters. */
const MESSAGE_CHARS = 300;

/** The change of a reading; a failure comes with its message. */
function signalForms(before: { signal: unknown } | undefined, reading: unknown): unknown[] {
  const to = signalOf(reading);
  if (isErrorReading(reading)) {
    const message = oneLine(messageOf(reading), MESSAGE_CHARS);
    return [...(before === undefined ? [] : [{ from: before.signal, to, message }]), { to, message }];
  }
  if (before === undefined) return [{ to }];
  return [signalChange(before.signal, to), { to }];
}

// --- whose move it is -----------------------------------------------------------------------------------------

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Whether an item is still as the reader itself left it; nothing counts as a person's own. */
function isOwn({ moves }: Sight, { observer }: Reader, item: string, hash: string): boolean {
  const move = own(moves, item);
  return observer !== "hand" && move?.hash === hash && move.observer === observer;
}

function moverOf({ moves }: Sight, item: string, hash: string): { by?: string } {
  const move = own(moves, item);
  return move?.hash === hash ? { by: move.by } : {};
}

/** The news for a reader without a cursor: the whole world, except for what the standing parts show anyway. */
export function wholeWorld(sight: Sight, reader: Reader): News[] {
  return newsOf(emptyCursor(), sight, reader)
    .filter(({ item }) => !["goals", "playbook", "pulse", "schedule_files"].includes(item.part))
    .map((news) => news.item.part === "workers" ? { ...news, forms: news.forms.slice(-1) } : news);
}
