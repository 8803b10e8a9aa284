/**
 * The output of `_ wait --json`: what is new, and what must be known to act on it, within firm bounds. Pure.
 *
 * Agents pay for every byte, and their shell tools cut long output, so everything has a form for every size: the
 * standing parts have space reserved for them, and the news take the rest, the most urgent first. News that do not
 * fit at all stay news for the next call.
 */
import { printableJson } from "../text/json.ts";
import type { Ask } from "../records/mailbox.ts";
import type { News } from "./news.ts";
import { askKey, pulseWord, type Sight } from "./observer.ts";

/** The largest output of one return, bytes, newline included. */
export const MAX_BYTES = 8_000;
/** Space for the parts beside the news, bytes; a reader who is given the whole world gets more. */
const STANDING_BYTES = 1_000;
const STANDING_FIRST_BYTES = 3_000;
/** Most items shown in a standing list. */
const LIST_ITEMS = 10;
/** Longest line of the journal, bytes. */
const JOURNAL_LINE_BYTES = 160;
/** Longest question text as JSON, bytes: whole, and where space is short. */
const PROMPT_BYTES = 2_048;
const PROMPT_SHORT_BYTES = 300;
/** Longest JSON of a question's other parts, bytes. */
const OPTIONS_BYTES = 500;
/** Space reserved for the names of the parts of `changes`, bytes. */
const SLACK_BYTES = 160;

/** Where a reader finds the parts that were cut. */
export interface WakeFiles {
  asks: string;
  snapshots: string;
}

/** A return of `_ wait`. */
export interface Wake {
  text: string;
  /** News for which there was no space. */
  kept: News[];
}

/** The parts of which a wake is composed. */
export interface WakeParts {
  sight: Sight;
  /** Replaces the news' own reasons when the whole world is given. */
  reason: string | undefined;
  news: readonly News[];
  /** The last lines of the journal, oldest first. */
  journal: readonly string[];
  files: WakeFiles;
  /** The token of the cursor after this return. */
  token: string;
}

/** Composes a return. */
export function wakeOf(parts: WakeParts): Wake {
  const { sight, reason, news } = parts;
  const shown = [...news.filter(isWaking), ...shortRides(news)];
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

/** News that wakes nobody: of many answered questions the first, then a count, which leaves room for the rest. */
function shortRides(news: readonly News[]): News[] {
  const rides = news.filter(({ weight }) => weight === "rides");
  const answered = rides.filter(({ at }) => at[0] === "answered");
  const others = rides.filter((one) => !answered.includes(one));
  const elided = answered.slice(LIST_ITEMS);
  if (elided.length === 0) return rides;
  const { by: _, ...last } = elided[0]!;
  return [...answered.slice(0, LIST_ITEMS), { ...last, forms: [{ elided: elided.length }] }, ...others];
}

/** The output of a call that times out without news. */
export function timeoutText(asks: readonly Pick<Ask, "id">[]): string {
  for (let count = 3;; count--) {
    const pending = asks.slice(0, count).map(({ id }) => id);
    const text = printableJson({ timed_out: true, pending, more: asks.length - pending.length });
    if (count === 0 || bytesOf(text) < 199) return text;
  }
}

/** Whether a piece of news is shown at the end of a wait. */
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

/** A piece of news in the form chosen for it, and the question that comes with it. */
interface Choice {
  news: News;
  form: unknown;
  ask?: Record<string, unknown>;
}

/** Chooses a form for each: all get their shortest, then the most urgent get the fullest that fits. */
function fit(news: readonly News[], parts: WakeParts, room: number): { chosen: Choice[]; kept: News[] } {
  let left = room;
  const chosen: { choices: Choice[]; choice: Choice }[] = [];
  const kept: News[] = [];
  for (const one of news) {
    const choices = choicesOf(one, parts);
    const choice = choices.at(-1)!;
    // The first always gets a place: a reader woken without news would be woken again for ever.
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

/** The possible forms of one piece of news, from the fullest to the shortest. */
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
  return sight.asks.find((ask) => askKey(ask) === news.item.key);
}

/** The size of a piece of news with everything it brings along, bytes. */
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

/** All pending questions, the oldest first: new ones whole, and as many of the known ones as fit. */
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

/** The lengths of the lists, in items, and of each line of the journal, in bytes. */
interface Limits {
  asks: number;
  goals: number;
  workers: number;
  failing: number;
  line: number;
}

/** The lists that are shortened when space is short, the longest of them first; a shortened list ends in a count. */
const LISTS = ["goals", "workers", "failing", "asks"] as const;
/** Limits that are lowered only after all the others: the oldest questions, legible journal lines. */
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

/** The limits that free the most space at the least loss; undefined when nothing more can be cut. */
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
    asks: sight.asks.filter((ask) => !fresh.has(askKey(ask))).map((ask) => knownAsk(ask, sight)),
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

/** A text cut so that its JSON has at most `maxBytes` bytes. */
function clipped(text: string, maxBytes: number): string {
  let cut = text;
  for (let bytes = bytesOf(printableJson(cut)); bytes > maxBytes; bytes = bytesOf(printableJson(`${cut}…`))) {
    const length = Math.min(cut.length - 1, Math.floor(cut.length * maxBytes / bytes));
    cut = cut.slice(0, length).replace(/[\ud800-\udbff]$/, "");
  }
  return cut === text ? text : `${cut}…`;
}
