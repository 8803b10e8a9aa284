/**
 * Notices: messages that the pulse itself sends to a person, each exactly once, whatever becomes of pulse, agent and
 * machine.
 *
 * A notice is a file `.notices/<id>.<ts>.<age>.json`, on disk before its hook runs. The hook runs below a small shell
 * that first takes the name `<…>.<n>.try`, which only one process can take, and writes its identity and finally the
 * hook's exit into that file. So try n runs once however often it is started, and a new pulse sees whether it has
 * begun, is running, or has ended. A try that was cut off may have sent its message: it is never repeated, and
 * `status` shows it.
 */
import {
  type BadFile,
  createOnce,
  listFiles,
  makeDir,
  quietText,
  readJson,
  readSmallText,
  removeFile,
  replaceFile,
  statOf,
} from "../store.ts";
import type { EscalationStep } from "./config.ts";
import type { Ask } from "./mailbox.ts";
import type { Profile } from "../paths.ts";
import { type Identity, parseIdentity } from "../process/identity.ts";
import { isRecord } from "../text/json.ts";
import { age, sanitizeLine, truncate } from "../text/style.ts";

/** The variable that marks the processes of one try. */
export const NOTICE_MARK = "LOOOP_NOTICE";
/** Id of the notices that no agent has called. */
export const AWAY = "away";

/** One notice. */
export interface Notice {
  v: 1;
  /** The ask's id, or {@link AWAY}. */
  id: string;
  /** The ask's time, unix seconds; of {@link AWAY} the agents' last call, unix ms, 0 when there was none. */
  ts: number;
  /** The age that the ask has reached, seconds; 0 of {@link AWAY}. */
  age: number;
  message: string;
  /** The worker that it is about, "" for none. */
  about: string;
  /** Number of the try under way, or of the last one. */
  tries: number;
  /** The boot in which that was started. */
  boot: string;
  /** Whether it is unknown if that try has sent it. */
  lost: boolean;
}

function checkNotice(value: unknown): Notice | string {
  if (!isRecord(value)) return "not an object";
  const { id, ts, age, message, about, tries, boot, lost } = value;
  if (typeof id !== "string" || typeof message !== "string") return 'needs "id" and "message" as text';
  if (![ts, age, tries].every(Number.isFinite)) return 'needs "ts", "age" and "tries" as numbers';
  const text = (part: unknown) => typeof part === "string" ? part : "";
  return {
    v: 1,
    id,
    ts: Number(ts),
    age: Number(age),
    message,
    about: text(about),
    tries: Number(tries),
    boot: text(boot),
    lost: lost === true,
  };
}

/** The key that identifies a notice. */
export function noticeKey({ id, ts, age }: Pick<Notice, "id" | "ts" | "age">): string {
  return `${id}.${ts}.${age}`;
}

function noticePath(profile: Profile, notice: Notice): string {
  return `${profile.notices}/${noticeKey(notice)}.json`;
}

/** The file in which the current try records how it ended. */
export function tryPath(profile: Profile, notice: Notice): string {
  return `${profile.notices}/${noticeKey(notice)}.${notice.tries}.try`;
}

/** All notices, and the files that are not notices. */
export function readNotices(profile: Profile): { notices: Notice[]; bad: BadFile[] } {
  const notices: Notice[] = [];
  const bad: BadFile[] = [];
  for (const name of listFiles(profile.notices, ".json")) {
    const path = `${profile.notices}/${name}`;
    const read = readJson(path, checkNotice);
    if (read === undefined) continue;
    if ("bad" in read) bad.push({ path, reason: read.bad });
    else if (`${noticeKey(read.value)}.json` !== name) {
      bad.push({ path, reason: "it does not say what its name says" });
    } else notices.push(read.value);
  }
  return { notices, bad };
}

/** Writes a new notice down, durable when it returns; false when there is one of its name. */
export function openNotice(profile: Profile, notice: Notice): boolean {
  makeDir(profile.notices);
  return createOnce(noticePath(profile, notice), `${JSON.stringify(notice)}\n`);
}

/** Records the state of a notice: another try, or an unknown outcome. */
export function updateNotice(profile: Profile, notice: Notice): Notice {
  replaceFile(noticePath(profile, notice), `${JSON.stringify(notice)}\n`);
  return notice;
}

/** A try that was begun. */
export interface Attempt {
  identity: Identity | undefined;
  /** The hook's exit code; absent while it runs, and when it was cut off. */
  code?: number;
  /** When it was begun or, with a code, when it ended, unix ms. */
  at: number;
}

/** The try under way or the last one; undefined when it was never begun. */
export function readAttempt(profile: Profile, notice: Notice): Attempt | undefined {
  const path = tryPath(profile, notice);
  const text = quietText(path, readSmallText);
  if (text === undefined) return undefined;
  const [who, how] = text.split("\n");
  const code = /^exit (\d+)$/.exec(how ?? "")?.[1];
  return {
    identity: parseIdentity(who),
    ...(code === undefined ? {} : { code: Number(code) }),
    at: statOf(path)?.mtime?.getTime() ?? 0,
  };
}

/** Time from the first failure to the second try, and the longest from one to the next, seconds. */
const FIRST_RETRY_S = 2;
const LONGEST_RETRY_S = 3600;

/** When the next try of a notice whose last one failed is due, unix ms. Pure. */
export function retryAt({ tries }: Notice, failedAt: number): number {
  return failedAt + Math.min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (tries - 1)) * 1000;
}

/** Whether a notice still matters: its ask is pending and no older age was reached, or no agent has called since. Pure. */
export function isCurrent(
  { id, ts, age }: Notice,
  { asks, notices, lastCall }: { asks: readonly Ask[]; notices: readonly Notice[]; lastCall: number },
): boolean {
  if (id === AWAY) return ts === lastCall;
  return asks.some((ask) => ask.id === id && ask.ts === ts) &&
    !notices.some((other) => other.id === id && other.ts === ts && other.age > age);
}

/** Longest message of a notice, in columns. */
const MESSAGE_COLUMNS = 400;

/**
 * The notices due for questions, only the highest age of each, and when the next will be due, unix ms. One message
 * makes up for those missed while no pulse ran. Pure.
 */
export function planEscalation(
  asks: readonly Ask[],
  steps: readonly EscalationStep[],
  notices: readonly Pick<Notice, "id" | "ts" | "age">[],
  nowMs: number,
): { due: Omit<Notice, "boot">[]; nextAt: number } {
  const ages = steps.map(({ after }) => after).filter((after) => after > 0);
  const due: Omit<Notice, "boot">[] = [];
  let nextAt = Infinity;
  for (const { id, ts, worker, prompt } of asks) {
    const reached = ages.filter((after) => nowMs >= (ts + after) * 1000);
    const highest = Math.max(0, ...reached);
    const told = notices.filter((one) => one.id === id && one.ts === ts).map((one) => one.age);
    if (highest > Math.max(0, ...told)) {
      const waited = age(nowMs / 1000 - ts);
      const message = truncate(sanitizeLine(`${id} has waited ${waited}: ${prompt}`), MESSAGE_COLUMNS);
      due.push({ v: 1, id, ts, age: highest, message, about: worker, tries: 1, lost: false });
    }
    nextAt = Math.min(nextAt, ...ages.filter((after) => after > highest).map((after) => (ts + after) * 1000));
  }
  return { due, nextAt };
}

/**
 * Removes notices that no longer matter: those untouched for `keptMs` whose ask is gone, or whose absence is over.
 */
export function sweepNotices(profile: Profile, keptMs: number, nowMs: number): void {
  const { notices } = readNotices(profile);
  const newest = Math.max(0, ...notices.filter(({ id }) => id === AWAY).map(({ ts }) => ts));
  const isOver = ({ id, ts }: Notice) =>
    id === AWAY ? ts < newest : statOf(`${profile.asks}/${id}.json`) === undefined;
  for (const notice of notices.filter(isOver)) {
    const path = noticePath(profile, notice);
    if (nowMs - (statOf(path)?.mtime?.getTime() ?? nowMs) <= keptMs) continue;
    removeFile(path, { durable: false });
    const tries = listFiles(profile.notices, ".try").filter((name) =>
      name.startsWith(`${noticeKey(notice)}.`)
    );
    for (const name of tries) removeFile(`${profile.notices}/${name}`, { durable: false });
  }
}
