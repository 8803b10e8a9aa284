/**
 * Schedules: reminders in time, `schedules/<id>.md`, and their history, `.schedules.json`.
 *
 * A schedule that is due is fired once: its due time, and the number of due times that no agent was given, are
 * written durably before anybody is shown them. A reader that remembers the due time of the last firing it was given
 * therefore misses none and gets none twice, whatever happens to pulse and machine in between.
 */
import { isRecord, isRecordOf } from "../text/json.ts";
import { isId } from "../ids.ts";
import type { Profile } from "../paths.ts";
import {
  type BadFile,
  exists,
  listEntries,
  makeDir,
  moveKeepingBoth,
  quietText,
  readJson,
  readLinkedText,
  replaceFile,
  statOf,
  withLockSync,
} from "../store.ts";
import { dueTimes, formatWhen, parseWhen, type When } from "./schedule_times.ts";

/** One schedule on disk. */
export interface Schedule {
  id: string;
  when: When;
  text: string;
  /** The whole text of the file. */
  file: string;
  /** When the file was last written, unix ms: earlier due times do not count for it. */
  writtenMs: number;
}

/** The last firing of a schedule. Times in unix ms. */
export interface Firing {
  /** The last due time; `fired` is when it was fired. */
  due: number;
  at: number;
  /** Number of due times before it that no agent was given. */
  missed: number;
  /** The reminder, cut at {@link MAX_FIRED_CHARS} characters. */
  text: string;
  /** The last due time that any agent was given; 0 when there was none. */
  given: number;
}

/** The record of one schedule in `.schedules.json`. */
interface Entry {
  /** The first line of the file to which the times below belong. */
  when: string;
  /** Due times up to this one have been dealt with, unix ms. */
  until: number;
  firing?: Firing;
}

/** Length at which a reminder is cut in a wake, characters; its file has the whole. */
const MAX_FIRED_CHARS = 2_000;

/** The schedules of a profile with their firings and next due times, unix ms. */
export interface ScheduleView {
  schedules: { id: string; next: number | undefined; file: string }[];
  firings: Record<string, Firing>;
  bad: BadFile[];
}

/** The text of a schedule's file. */
export function formatSchedule(when: When, text: string): string {
  return `${formatWhen(when)}\n${text.endsWith("\n") ? text : `${text}\n`}`;
}

/** A pulse's memory of the files between two looks: their texts, their rules, and each one's next due time. */
export type Known = Map<string, { text: string; when: When; next?: number | undefined }>;

/** Reads every schedule; a file that cannot be used is reported. */
export async function readSchedules(
  profile: Profile,
  known: Known = new Map(),
): Promise<{ schedules: Schedule[]; bad: BadFile[] }> {
  const schedules: Schedule[] = [];
  const bad: BadFile[] = [];
  for (const id of scheduleIds(profile)) {
    const path = schedulePath(profile, id);
    try {
      const text = readLinkedText(path);
      if (text === undefined) continue;
      const [line = "", ...rest] = text.split(/\r?\n/);
      const before = known.get(id);
      const when = before?.text === text ? before.when : await parseWhen(line);
      const body = rest.join("\n").trim();
      if (typeof when === "string") bad.push({ path, reason: when });
      else if (body === "") bad.push({ path, reason: "there is no text after line 1" });
      else {
        if (before?.text !== text) known.set(id, { text, when });
        schedules.push({ id, when, text: body, file: text, writtenMs: statOf(path)?.mtime?.getTime() ?? 0 });
      }
    } catch (error) {
      bad.push({ path, reason: (error as Error).message });
    }
  }
  return { schedules, bad };
}

/** Ids of the schedules on disk, sorted. */
export function scheduleIds(profile: Profile): string[] {
  return listEntries(profile.schedules)
    .filter((entry) => (entry.isFile || entry.isSymlink) && entry.name.endsWith(".md"))
    .map((entry) => entry.name.slice(0, -3)).filter(isId).sort();
}

/** The file of a schedule. */
export function schedulePath(profile: Profile, id: string): string {
  return `${profile.schedules}/${id}.md`;
}

/**
 * Fires the schedules that are due, durably, and returns the state of all. Called by the pulse alone; cheap without
 * schedules.
 *
 * A schedule that was missed while nothing ran fires once. One that will never be due again moves to the archive.
 * `known` is the caller's memory between two calls.
 */
export async function fireSchedules(
  profile: Profile,
  nowMs: number,
  known: Known = new Map(),
): Promise<ScheduleView> {
  const { schedules, bad } = await readSchedules(profile, known);
  const stored = readEntries(profile);
  const before = mapEntries(stored, (entry) => rewound(entry, nowMs));
  if (schedules.length === 0 && Object.keys(before).length === 0) return { schedules: [], firings: {}, bad };
  const next = new Map<string, number | undefined>();
  const changed: Record<string, Entry> = {};
  for (const schedule of schedules) {
    const memory = known.get(schedule.id);
    const entryBefore = before[schedule.id];
    if (
      memory?.next !== undefined && memory.next > nowMs && entryBefore?.when === formatWhen(schedule.when) &&
      entryBefore === stored[schedule.id]
    ) {
      next.set(schedule.id, memory.next);
      continue;
    }
    const { entry, next: nextMs } = await fireOne(schedule, entryBefore, nowMs);
    if (memory !== undefined) memory.next = nextMs;
    if (entry !== stored[schedule.id]) changed[schedule.id] = entry;
    next.set(schedule.id, nextMs);
  }
  const entries = Object.keys(changed).length === 0
    ? before
    : updateEntries(profile, (now) => ({ ...now, ...withGiven(changed, now) }));
  const done = schedules.filter(({ id, when }) => when.kind === "at" && next.get(id) === undefined);
  for (const { id } of done) putAside(profile, id);
  return {
    schedules: schedules.filter((schedule) => !done.includes(schedule))
      .map(({ id, file }) => ({ id, next: next.get(id), file })),
    firings: firingsOf(entries),
    bad,
  };
}

/** A clock that is set back by more than this was wrong before, ms: an hour is corrected, or a zone is left. */
const SET_BACK_MS = 2 * 3_600_000;

/**
 * An entry that a clock which was far ahead has written begins anew now: else nothing would be due until that time
 * comes again. Pure.
 */
function rewound(entry: Entry, nowMs: number): Entry {
  if (entry.until <= nowMs + SET_BACK_MS) return entry;
  const { firing, ...rest } = entry;
  if (firing === undefined) return { ...rest, until: nowMs };
  const isGiven = firing.given >= firing.due;
  return { ...rest, until: nowMs, firing: { ...firing, due: nowMs, at: nowMs, given: isGiven ? nowMs : 0 } };
}

function mapEntries(
  entries: Readonly<Record<string, Entry>>,
  change: (entry: Entry, id: string) => Entry,
): Record<string, Entry> {
  return Object.fromEntries(Object.entries(entries).map(([id, entry]) => [id, change(entry, id)]));
}

async function fireOne(
  { when, text, writtenMs }: Schedule,
  before: Entry | undefined,
  nowMs: number,
): Promise<{ entry: Entry; next: number | undefined }> {
  const line = formatWhen(when);
  // A schedule that was rewritten begins anew.
  const since = before?.when === line ? before.until : Math.min(writtenMs, nowMs);
  const { count, last, next } = await dueTimes(when, since, nowMs);
  if (count === 0 || last === undefined) {
    return { entry: before?.when === line ? before : { ...before, when: line, until: since }, next };
  }
  const earlier = before?.firing;
  const unseen = earlier === undefined || earlier.given >= earlier.due ? 0 : earlier.missed + 1;
  const firing: Firing = {
    due: last,
    at: nowMs,
    missed: unseen + count - 1,
    text: text.slice(0, MAX_FIRED_CHARS),
    given: earlier?.given ?? 0,
  };
  return { entry: { when: line, until: last, firing }, next };
}

/** Entries about to be written, together with what a wait has recorded about their firings in the meantime. */
function withGiven(
  changed: Readonly<Record<string, Entry>>,
  now: Readonly<Record<string, Entry>>,
): Record<string, Entry> {
  return mapEntries(changed, (entry, id) => raiseGiven(entry, now[id]?.firing?.given ?? 0));
}

function raiseGiven(entry: Entry, given: number): Entry {
  const { firing } = entry;
  // Given later than it was due: by a clock that has been set back since.
  if (firing === undefined || given > firing.due) return entry;
  return given <= firing.given ? entry : { ...entry, firing: { ...firing, given } };
}

function firingsOf(entries: Readonly<Record<string, Entry>>): Record<string, Firing> {
  return Object.fromEntries(
    Object.entries(entries).flatMap(([id, { firing }]) => firing === undefined ? [] : [[id, firing]]),
  );
}

/** Durably remembers up to which due time an agent was given each schedule's firings, unix ms by id. */
export function noteGiven(profile: Profile, given: Readonly<Record<string, number>>): void {
  if (Object.keys(given).length === 0) return;
  updateEntries(
    profile,
    (entries) =>
      Object.fromEntries(
        Object.entries(entries).map(([id, entry]) => [id, raiseGiven(entry, given[id] ?? 0)]),
      ),
  );
}

/** Forgets what became of schedules that are gone and fired last before `beforeMs`. */
export function forgetSchedules(profile: Profile, beforeMs: number): void {
  const ids = new Set(scheduleIds(profile));
  const isKept = ([id, { until, firing }]: [string, Entry]) =>
    ids.has(id) || Math.max(until, firing?.at ?? 0) >= beforeMs;
  if (Object.entries(readEntries(profile)).every(isKept)) return;
  updateEntries(profile, (entries) => Object.fromEntries(Object.entries(entries).filter(isKept)));
}

/** Removes a schedule: its file moves to `schedules/archive/`. False when there is none. */
export function removeSchedule(profile: Profile, id: string): boolean {
  if (!exists(schedulePath(profile, id))) return false;
  return putAside(profile, id) !== undefined;
}

function putAside(profile: Profile, id: string): string | undefined {
  makeDir(profile.schedulesArchive);
  return moveKeepingBoth(schedulePath(profile, id), `${profile.schedulesArchive}/${id}`, {
    suffix: ".md",
    lock: `${profile.lockDir}/move`,
  });
}

function checkEntries(value: unknown): Record<string, Entry> | string {
  if (!isRecord(value) || !isRecordOf(value["schedules"], isEntry)) return 'needs "schedules"';
  return value["schedules"] as Record<string, Entry>;
}

function isEntry(value: unknown): boolean {
  return isRecord(value) && typeof value["when"] === "string" && typeof value["until"] === "number" &&
    (value["firing"] === undefined || isFiring(value["firing"]));
}

function isFiring(value: unknown): boolean {
  return isRecord(value) && ["due", "at", "missed", "given"].every((key) => typeof value[key] === "number") &&
    typeof value["text"] === "string";
}

/**
 * Entries by id; none when the file is absent or broken: every due time since each schedule was written then fires
 * again.
 */
function readEntries(profile: Profile): Record<string, Entry> {
  const read = readJson(profile.schedulesState, checkEntries);
  return read !== undefined && "value" in read ? read.value : {};
}

/** Changes the entries under a lock, because the pulse fires while a wait records what it has delivered. */
function updateEntries(
  profile: Profile,
  change: (entries: Record<string, Entry>) => Record<string, Entry>,
): Record<string, Entry> {
  return withLockSync(`${profile.lockDir}/schedules`, () => {
    const before = readEntries(profile);
    const after = change(before);
    const text = `${JSON.stringify({ v: 1, schedules: after }, null, 2)}\n`;
    if (quietText(profile.schedulesState) !== text) replaceFile(profile.schedulesState, text);
    return after;
  });
}
