/**
 * What `_ wait --json` prints: what is new, and what must be known to act on it, within firm bounds. Pure.
 *
 * Agents pay for every byte and their shell tools cut long output, so everything has a form for every room: the
 * standing parts have a room of their own, and the news take what is left, the most urgent first. What finds no
 * room at all stays news for the next call.
 */
import { printableJson } from "../text/json.ts";
import type { Ask } from "../records/mailbox.ts";
import type { News } from "./news.ts";
import { pulseWord, type Sight } from "./observer.ts";

/** Most bytes of one return, the newline included. */
export const MAX_BYTES = 8_000;
/** Room of what stands beside the news, bytes; a reader who is given the whole world has more of it. */
const STANDING_BYTES = 1_000;
const STANDING_FIRST_BYTES = 3_000;
/** Items that a standing list shows at most. */
const LIST_ITEMS = 10;
/** Most bytes of one line of the journal. */
const JOURNAL_LINE_BYTES = 160;
/** Most bytes of a question's text as JSON, whole and where room is short. */
const PROMPT_BYTES = 2_048;
const PROMPT_SHORT_BYTES = 300;
/** Most bytes of a question's other parts as JSON. */
const OPTIONS_BYTES = 500;
/** Bytes kept for the names of the parts of `changes`. */
const SLACK_BYTES = 160;

/** Where a reader finds what is cut. */
export interface WakeFiles {
  asks: string;
  snapshots: string;
}

/** A return of `_ wait`. */
export interface Wake {
  text: string;
  /** News that found no room. */
  kept: News[];
}

/** What a wake is composed of. */
export interface WakeParts {
  sight: Sight;
  /** Stands in place of the news' own reasons where the whole world is given. */
  reason: string | undefined;
  news: readonly News[];
  /** The last lines of the journal, oldest first. */
  journal: readonly string[];
  files: WakeFiles;
  /** The token of the cursor after this. */
  token: string;
}

/** Composes a return. */
export function wakeOf(parts: WakeParts): Wake {
  const { sight, reason, news } = parts;
  const shown = [...news.filter(isWaking), ...news.filter(({ weight }) => weight === "rides")];
  const standing = standingParts(parts, reason === undefined ? STANDING_BYTES : STANDING_FIRST_BYTES);
  const fixed = render({ reason: [reason ?? ""], changes: {}, ...standing }) +
    printableJson(elidedAsks(sight.asks.length, parts.files));
  const room = MAX_BYTES - bytesOf(fixed) - SLACK_BYTES;
  const { chosen, kept } = fit(shown, parts, room);
  const asks = askList(sight, chosen, standing.asks, parts.files);
  const text = render({
    reason: reason === undefined ? reasonsOf(chosen.map((choice) => choice.news)) : [reason],
    changes: changesOf(chosen),
    ...standing,
    asks,
  });
  return { text, kept };
}

/** What a call prints that comes back without news. */
export function timeoutText(asks: readonly Pick<Ask, "id">[]): string {
  for (let count = 3;; count--) {
    const pending = asks.slice(0, count).map(({ id }) => id);
    const text = printableJson({ timed_out: true, pending, more: asks.length - pending.length });
    if (count === 0 || bytesOf(text) < 199) return text;
  }
}

/** Whether a piece of news is shown when a wait ends. */
export function isShown({ weight }: News): boolean {
  return weight === "wakes" || weight === "rides";
}

/** Whether a piece of news ends a wait. */
export function isWaking({ weight }: News): boolean {
  return weight === "wakes";
}

/** The reasons of news that wake. */
export function reasonsOf(news: readonly News[]): string[] {
  return news.filter(isWaking).map(({ reason }) => reason);
}

/** `changes` with everything in its fullest form. */
export function wholeChanges(news: readonly News[]): Record<string, unknown> {
  return changesOf(
    news.filter(isShown).map((one) => ({ news: one, form: one.forms[0] })),
  );
}

// --- the news -------------------------------------------------------------------------------------------------

/** A piece of news in the form that it is given in, and the question that comes with it. */
interface Choice {
  news: News;
  form: unknown;
  ask?: Record<string, unknown>;
}

/** Chooses a form for each: all have their shortest, then the most urgent have the fullest that fit. */
function fit(news: readonly News[], parts: WakeParts, room: number): { chosen: Choice[]; kept: News[] } {
  let left = room;
  const chosen: { choices: Choice[]; choice: Choice }[] = [];
  const kept: News[] = [];
  for (const one of news) {
    const choices = choicesOf(one, parts);
    const choice = choices.at(-1)!;
    // The first always has a place: a reader who is woken for nothing would be woken for ever.
    if (bytesOfChoice(choice) > left && chosen.length > 0) kept.push(one);
    else {
      left -= bytesOfChoice(choice);
      chosen.push({ choices, choice });
    }
  }
  for (const one of chosen) {
    const bytes = bytesOfChoice(one.choice);
    one.choice = one.choices.find((choice) => bytesOfChoice(choice) - bytes <= left) ?? one.choice;
    left -= bytesOfChoice(one.choice) - bytes;
  }
  return { chosen: chosen.map(({ choice }) => choice), kept };
}

/** The forms that one piece of news can be given in, from the fullest to the shortest. */
function choicesOf(news: News, { sight, files }: WakeParts): Choice[] {
  const asked = askOf(news, sight);
  const forms = news.forms.length === 0 ? [undefined] : news.forms;
  const choices = forms.map((form) => ({ news, form }));
  if (asked !== undefined) {
    const whole = (bytes: number) => ({ ...choices[0]!, ask: wholeAsk(asked, news, sight, files, bytes) });
    return [whole(PROMPT_BYTES), whole(PROMPT_SHORT_BYTES), ...choices];
  }
  if (news.at[0] !== "signals") return choices;
  const elided = bytesOf(printableJson(forms[0]));
  const inFile = { news, form: { elided, file: `${files.snapshots}/${news.key}.json` } };
  return bytesOfChoice(inFile) < bytesOfChoice(choices.at(-1)!) ? [...choices, inFile] : choices;
}

function askOf(news: News, sight: Sight): Ask | undefined {
  if (news.item.part !== "asks" || news.weight !== "wakes") return undefined;
  return sight.asks.find(({ id }) => id === news.item.key);
}

/** The bytes of a piece of news with all that it brings along. */
function bytesOfChoice({ news: { key, by, reason }, form, ask }: Choice): number {
  const parts = [reason, ...(form === undefined ? [] : [form]), ...(ask === undefined ? [] : [ask])];
  const names = [...(key === undefined ? [] : [key]), ...(by === undefined ? [] : [{ [reason]: by }])];
  return [...parts, ...names].reduce<number>((sum, part) => sum + bytesOf(printableJson(part)) + 1, 0);
}

type Tree = { [key: string]: Tree | unknown };

function changesOf(choices: readonly Choice[]): Record<string, unknown> {
  const changes: Tree = {};
  for (const { news: { at, key }, form } of choices) {
    if (form === undefined) continue;
    const path = key === undefined ? at : [...at, key];
    const holder = path.slice(0, -1).reduce((tree, part) => (tree[part] ??= {}) as Tree, changes);
    const last = path.at(-1)!;
    if (key === undefined) (holder[last] ??= [] as unknown[], (holder[last] as unknown[]).push(form));
    else {Object.defineProperty(holder, last, {
        value: form,
        enumerable: true,
        configurable: true,
        writable: true,
      });}
  }
  const by = choices.filter(({ news }) => news.by !== undefined).map(({ news }) => [news.reason, news.by]);
  return by.length === 0 ? changes : { ...changes, by: Object.fromEntries(by) };
}

// --- the questions --------------------------------------------------------------------------------------------

function wholeAsk(
  ask: Ask,
  { again }: News,
  sight: Sight,
  files: WakeFiles,
  promptBytes: number,
): Record<string, unknown> {
  const { id, worker, reference, options } = ask;
  const prompt = clipped(ask.prompt, promptBytes);
  const more = {
    ...(reference === undefined ? {} : { reference: clipped(reference, OPTIONS_BYTES) }),
    ...(options === undefined || bytesOf(printableJson(options)) > OPTIONS_BYTES ? {} : { options }),
  };
  const isWhole = prompt === ask.prompt && more.reference === reference && more.options === options;
  const asker = sight.workers.find((one) => one.id === worker);
  return {
    id,
    worker,
    prompt,
    ...more,
    age_s: ageOf(ask, sight),
    worker_alive: asker === undefined ? null : asker.alive,
    ...(again === undefined ? {} : { again }),
    ...(isWhole ? {} : { file: `${files.asks}/${id}.json` }),
  };
}

function knownAsk(ask: Ask, sight: Sight): Record<string, unknown> {
  return { id: ask.id, worker: ask.worker, age_s: ageOf(ask, sight) };
}

function ageOf({ ts }: Ask, { nowMs }: Sight): number {
  return Math.max(0, Math.floor(nowMs / 1000 - ts));
}

/** All pending questions, the oldest first: the new ones whole, as many of the known ones as have room. */
function askList(
  sight: Sight,
  chosen: readonly Choice[],
  known: readonly Record<string, unknown>[],
  files: WakeFiles,
): unknown[] {
  const whole = new Map(chosen.filter(({ ask }) => ask !== undefined).map(({ ask }) => [ask!["id"], ask!]));
  const brief = new Map(known.filter((ask) => "id" in ask).map((ask) => [ask["id"], ask]));
  const list = sight.asks.map(({ id }) => whole.get(id) ?? brief.get(id)).filter((ask) => ask !== undefined);
  const elided = sight.asks.length - list.length;
  return elided === 0 ? list : [...list, elidedAsks(elided, files)];
}

// --- the standing parts ---------------------------------------------------------------------------------------

type Standing = Record<string, unknown> & { asks: Record<string, unknown>[] };

/** How much of each list is shown, and of each line of the journal, bytes. */
interface Limits {
  asks: number;
  goals: number;
  workers: number;
  failing: number;
  line: number;
}

/** What gives way first, the longest of them first; a list that is cut ends in a count. */
const LISTS = ["goals", "workers", "failing", "asks"] as const;
/** Limits below which nothing gives way before everything else has: the oldest questions, lines that can be read. */
const FLOOR: Limits = { asks: 3, goals: 0, workers: 0, failing: 0, line: 80 };

function standingParts(parts: WakeParts, room: number): Standing {
  const lists = listsOf(parts);
  let limits: Limits = {
    asks: LIST_ITEMS,
    goals: LIST_ITEMS,
    workers: LIST_ITEMS,
    failing: LIST_ITEMS,
    line: JOURNAL_LINE_BYTES,
  };
  for (;;) {
    const standing = cutTo(lists, limits, parts);
    const next = bytesOf(render(standing)) <= room ? undefined : tighter(limits, standing, lists);
    if (next === undefined) return standing;
    limits = next;
  }
}

/** The limits that make most room at the least price; undefined when there is nothing left to give. */
function tighter(limits: Limits, standing: Standing, lists: Lists): Limits | undefined {
  const bytes = (name: typeof LISTS[number]) => bytesOf(printableJson(standing[name]));
  const giving = LISTS.filter((name) => Math.min(limits[name], lists[name].length) > FLOOR[name]);
  const [longest] = giving.sort((a, b) => bytes(b) - bytes(a));
  if (longest !== undefined) {
    const half = Math.min(limits[longest], lists[longest].length) >> 1;
    return { ...limits, [longest]: Math.max(FLOOR[longest], half) };
  }
  if (limits.line > FLOOR.line) return { ...limits, line: limits.line - 20 };
  return limits.asks > 0 ? { ...limits, asks: 0 } : undefined;
}

type Lists = ReturnType<typeof listsOf>;

function listsOf({ sight, news }: WakeParts) {
  const fresh = new Set(news.filter(({ item }) => item.part === "asks").map(({ item }) => item.key));
  return {
    asks: sight.asks.filter(({ id }) => !fresh.has(id)).map((ask) => knownAsk(ask, sight)),
    goals: Object.keys(sight.world.goals),
    workers: sight.workers.filter(({ alive }) => alive).map(({ id, state, idle_s, host }) => ({
      id,
      state,
      idle_s,
      ...(host === undefined ? {} : { host }),
    })),
    failing: Object.keys(sight.world.readings).filter((name) => sight.world.readings[name]!.error),
  };
}

function cutTo(lists: Lists, limits: Limits, { sight, journal, token, files }: WakeParts): Standing {
  const counted = (name: "goals" | "workers" | "failing") => {
    const shown: unknown[] = lists[name].slice(0, limits[name]);
    const more = lists[name].length - shown.length;
    return more === 0 ? shown : [...shown, { more }];
  };
  const asks = lists.asks.slice(0, limits.asks);
  return {
    asks: asks.length === lists.asks.length
      ? asks
      : [...asks, elidedAsks(lists.asks.length - asks.length, files)],
    workers: counted("workers"),
    counts: {
      workers: sight.workers.length,
      goals: lists.goals.length,
      readings: Object.keys(sight.world.readings).length,
    },
    failing: counted("failing"),
    goals: counted("goals"),
    journal_tail: journal.map((line) => clipped(line, limits.line)),
    ...(pulseWord(sight) === "alive" ? {} : { pulse: sight.pulse }),
    cursor: token,
  };
}

function elidedAsks(elided: number, { asks }: WakeFiles): Record<string, unknown> {
  return { elided, file: asks };
}

// --- text -----------------------------------------------------------------------------------------------------

/** Compact JSON with one top-level key a line. */
function render(value: Record<string, unknown>): string {
  const lines = Object.entries(value).map(([key, part]) => `${printableJson(key)}:${printableJson(part)}`);
  return `{${lines.join(",\n")}}`;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** A text whose JSON has at most so many bytes. */
function clipped(text: string, maxBytes: number): string {
  let cut = text;
  for (let bytes = bytesOf(printableJson(cut)); bytes > maxBytes; bytes = bytesOf(printableJson(`${cut}…`))) {
    const length = Math.min(cut.length - 1, Math.floor(cut.length * maxBytes / bytes));
    cut = cut.slice(0, length).replace(/[\ud800-\udbff]$/, "");
  }
  return cut === text ? text : `${cut}…`;
}
