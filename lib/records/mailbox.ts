/**
 * The mailbox: workers post asks, the root agent answers, and each ask gets exactly one outcome.
 *
 * An ask is a file `asks/<worker>-<n>.json`, its outcome `answers/<id>.json`; each is created whole and only once.
 * When the worker has printed the outcome, the pair moves to `asks/archive/YYYY-MM/`. Every step can be repeated
 * after a crash: an ask without an outcome is pending, and one with an unread outcome is read again.
 */
import { utcMonth } from "../text/time.ts";
import { isRecord, isRecordOf } from "../text/json.ts";
import { oneLine, UsageError, UserError } from "../errors.ts";
import { parseAskId } from "../ids.ts";
import type { Profile } from "../paths.ts";
import {
  type BadFile,
  createOnce,
  exists,
  listDirs,
  listEntries,
  listFiles,
  makeDir,
  moveFile,
  type Parsed,
  readJson,
  removeFile,
  removeTree,
  replaceFile,
  stampFile,
  statOf,
  valueOf,
  withLock,
} from "../store.ts";

/** A question. `id worker prompt reference options ts` are 0.16's; `ts` in unix seconds. */
export interface Ask {
  v: 1;
  id: string;
  worker: string;
  prompt: string;
  reference?: string;
  options?: string[];
  ts: number;
  /** Generation of the asking session; "" when the asker is not a session of ours. */
  gen: string;
}

/** The outcome of a question. `answer ts` are 0.16's. */
export interface Answer {
  v: 1;
  answer: string;
  ts: number;
  outcome: "answered" | "declined" | "withdrawn";
  /** The answerer: `root:…`, `worker:…` or `hand`; absent in answers written by 0.16. */
  by?: string;
}

function checkAsk(value: unknown): Ask | string {
  if (!isRecord(value)) return "not an object";
  const { id, worker, prompt, reference, options, ts, gen } = value;
  if (typeof id !== "string" || parseAskId(id) === undefined) return '"id" is not an ask id';
  if (typeof worker !== "string" || typeof prompt !== "string") return 'needs "worker" and "prompt" as text';
  if (options !== undefined && options !== null && !Array.isArray(options)) return '"options" is not a list';
  return {
    v: 1,
    id,
    worker,
    prompt,
    ...(typeof reference === "string" ? { reference } : {}),
    ...(Array.isArray(options) && options.length > 0 ? { options: options.map(String) } : {}),
    ts: Number(ts) || 0,
    gen: typeof gen === "string" ? gen : "",
  };
}

function checkAnswer(value: unknown): Answer | string {
  if (!isRecord(value)) return "not an object";
  const { answer, ts, outcome, by } = value;
  if (typeof answer !== "string") return 'needs "answer" as text';
  const known = outcome === "declined" || outcome === "withdrawn" ? outcome : "answered";
  return { v: 1, answer, ts: Number(ts) || 0, outcome: known, ...(typeof by === "string" ? { by } : {}) };
}

function askPath(profile: Profile, id: string): string {
  return `${profile.asks}/${id}.json`;
}

function answerPath(profile: Profile, id: string): string {
  return `${profile.answers}/${id}.json`;
}

/** A file that exists once the asker has taken the answer, which then cannot be replaced. */
function takenPath(profile: Profile, id: string): string {
  return `${profile.answers}/${id}.taken`;
}

function mailboxLock(profile: Profile): string {
  return `${profile.asks}/.lock`;
}

/** Asks on disk in order of time, then id, with and without an outcome; and files that cannot be read. */
export interface MailboxView {
  pending: Ask[];
  /** Ids of asks whose outcome nobody has read yet. */
  answered: string[];
  bad: BadFile[];
}

/** Reads the whole live mailbox, but not the archive. */
export function readMailbox(profile: Profile): MailboxView {
  const pending: Ask[] = [];
  const answered: string[] = [];
  const bad: BadFile[] = [];
  const outcomes = new Set(listFiles(profile.answers, ".json"));
  for (const { name, isSymlink } of listEntries(profile.asks)) {
    if (!isSymlink || !name.endsWith(".json")) continue;
    bad.push({ path: `${profile.asks}/${name}`, reason: "it is a symbolic link" });
  }
  for (const file of listFiles(profile.asks, ".json")) {
    const path = `${profile.asks}/${file}`;
    const read = findAsk(profile, file.slice(0, -".json".length));
    if (read === undefined) continue;
    if ("bad" in read) {
      bad.push({ path, reason: read.bad });
      continue;
    }
    const outcome = outcomes.has(file) ? readJson(`${profile.answers}/${file}`, checkAnswer) : undefined;
    if (outcome !== undefined && "bad" in outcome) {
      bad.push({ path: `${profile.answers}/${file}`, reason: outcome.bad });
    }
    if (outcome === undefined || "bad" in outcome) pending.push(read.value);
    else answered.push(read.value.id);
  }
  pending.sort((a, b) => a.ts - b.ts || (a.id < b.id ? -1 : 1));
  return { pending, answered, bad };
}

/** The content of a question. */
export interface Question {
  worker: string;
  prompt: string;
  reference?: string | undefined;
  options?: readonly string[] | undefined;
}

/** The ask for a question, and whether it is new. */
export interface PostedAsk {
  id: string;
  /** Whether this call posted it. */
  posted: boolean;
  /** Seconds since its answer was read; present when the same run asked it before and is given that answer again. */
  readAgo?: number;
}

/** How long an answer that a run has read is given again for the same question, seconds. */
const ANSWER_STANDS_S = 600;

/**
 * Posts a question, or takes up the one that the same worker asked before in the same words and that is still pending
 * or whose outcome it has never read. A run that repeats a question whose answer it read a few minutes ago gets that
 * answer again, so that no person is asked twice.
 *
 * @param anew Asks again even if the question was answered and the answer read.
 */
export async function postAsk(
  profile: Profile,
  question: Question,
  gen: string,
  nowMs: number,
  anew = false,
): Promise<PostedAsk> {
  makeDir(profile.asks);
  makeDir(profile.answers);
  return await withLock(mailboxLock(profile), () => {
    const open = listFiles(profile.asks, ".json").filter((file) =>
      parseAskId(file.slice(0, -5))?.worker === question.worker
    );
    const same = open.map((file) => readJson(`${profile.asks}/${file}`, checkAsk))
      .flatMap((read) => valueOf(read) ?? [])
      .find((ask) => isSameQuestion(ask, question) && !(gen !== "" && isOverIn016(profile, ask)));
    if (same !== undefined) return { id: same.id, posted: false };
    const next = nextNumber(profile, question.worker);
    const read = anew || gen === "" ? undefined : findRead(profile, question, gen, next, nowMs);
    if (read !== undefined) return read;
    for (let number = next;; number++) {
      const id = `${question.worker}-${number}`;
      const ask: Ask = {
        v: 1,
        id,
        worker: question.worker,
        prompt: question.prompt,
        ...(question.reference === undefined ? {} : { reference: question.reference }),
        ...(question.options === undefined || question.options.length === 0
          ? {}
          : { options: [...question.options] }),
        ts: Math.floor(nowMs / 1000),
        gen,
      };
      // 0.16 does not know our lock; creating the file exclusively keeps its asks safe, too.
      if (createOnce(askPath(profile, id), `${JSON.stringify(ask, null, 2)}\n`)) return { id, posted: true };
    }
  });
}

function isSameQuestion(ask: Ask, question: Question): boolean {
  return ask.worker === question.worker && ask.prompt === question.prompt;
}

/** Number of a run's latest questions that are searched for one whose answer it has read. */
const LOOKED_THROUGH = 100;

/** The same question of the same run, by prompt, reference and options, if its answer was read recently. */
function findRead(
  profile: Profile,
  question: Question,
  gen: string,
  next: number,
  nowMs: number,
): PostedAsk | undefined {
  const months = listDirs(profile.asksArchive).reverse().slice(0, 2);
  for (let number = next - 1; number > Math.max(0, next - 1 - LOOKED_THROUGH); number--) {
    const id = `${question.worker}-${number}`;
    const month = months.find((name) => exists(`${profile.asksArchive}/${name}/${id}.json`));
    if (month === undefined) continue;
    const path = `${profile.asksArchive}/${month}/${id}`;
    const ask = valueOf(readJson(`${path}.json`, checkAsk));
    if (ask?.gen !== gen) return undefined;
    const readAgo = (nowMs - (statOf(`${path}.answer.json`)?.mtime?.getTime() ?? 0)) / 1000;
    if (!isWhollySame(ask, question) || readAgo > ANSWER_STANDS_S) continue;
    const answer = valueOf(readJson(`${path}.answer.json`, checkAnswer));
    if (answer !== undefined && answer.outcome !== "withdrawn") return { id, posted: false, readAgo };
  }
  return undefined;
}

function isWhollySame(ask: Ask, question: Question): boolean {
  const options = (list: readonly string[] = []) => JSON.stringify(list);
  return isSameQuestion(ask, question) && ask.reference === question.reference &&
    options(ask.options) === options(question.options);
}

/** 0.16 does not mark answers as read: its answered questions are not those of a session that looop has started. */
function isOverIn016(profile: Profile, ask: Ask): boolean {
  return ask.gen === "" && exists(answerPath(profile, ask.id));
}

/** One more than the highest number ever given to this worker. Takes a few looks, however long the history. */
function nextNumber(profile: Profile, worker: string): number {
  const trimmed = readTrimmed(profile);
  let highest = Object.hasOwn(trimmed, worker) ? trimmed[worker] ?? 0 : 0;
  for (const file of [...listFiles(profile.asks, ".json"), ...listFiles(profile.answers, ".json")]) {
    const id = parseAskId(file.slice(0, -5));
    if (id?.worker === worker) highest = Math.max(highest, id.number);
  }
  const months = listDirs(profile.asksArchive);
  const isUsed = (n: number) =>
    n <= highest || months.some((month) => exists(`${profile.asksArchive}/${month}/${worker}-${n}.json`));
  return firstUnused(isUsed, highest + 1);
}

/** The first unused number from `from` on, given that used numbers have no gaps. Gallops, then halves. */
export function firstUnused(isUsed: (n: number) => boolean, from: number): number {
  if (!isUsed(from)) return from;
  let low = from;
  let step = 1;
  while (isUsed(low + step)) {
    low += step;
    step *= 2;
  }
  let high = low + step;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isUsed(middle)) low = middle;
    else high = middle;
  }
  return high;
}

/** The ask with an id while it is live, whatever its outcome. */
export function findAsk(profile: Profile, id: string): Parsed<Ask> | undefined {
  const read = readJson(askPath(profile, id), checkAsk);
  if (read === undefined || "bad" in read || read.value.id === id) return read;
  // As tools that synchronize folders leave it beside the question itself.
  return { bad: `it is the ask "${oneLine(read.value.id, 90)}", copied` };
}

/** The outcome of an ask, archived or not; undefined while it is pending. A broken file reads as `bad`. */
export function findOutcome(profile: Profile, id: string): Parsed<Answer> | undefined {
  const live = readJson(answerPath(profile, id), checkAnswer);
  if (live !== undefined) return live;
  if (exists(askPath(profile, id))) return undefined;
  for (const month of listDirs(profile.asksArchive).reverse()) {
    const read = readJson(`${profile.asksArchive}/${month}/${id}.answer.json`, checkAnswer);
    if (read !== undefined) return read;
  }
  return undefined;
}

/** An answer, and how it may be given. */
export interface GivenAnswer {
  id: string;
  text: string;
  outcome: "answered" | "declined";
  /** The answerer, named as in {@link Answer}. */
  by: string;
  /** Accept a text that is not one of the offered options. */
  free: boolean;
  /** Replace an answer that nobody has read yet. */
  replace: boolean;
}

/**
 * Answers an ask; the first answer wins. @throws {UserError} when it is unknown, already answered or already read.
 */
export async function answerAsk(profile: Profile, reply: GivenAnswer, nowMs: number): Promise<Ask> {
  const { id } = reply;
  const read = findAsk(profile, id);
  if (read === undefined) throw unknownAsk(profile, id);
  if ("bad" in read) {
    throw new UserError(`Ask "${id}" cannot be read: ${read.bad}`, {
      next: `fix ${askPath(profile, id)}`,
      kind: "bad_file",
    });
  }
  const ask = read.value;
  requireOption(ask, reply);
  const answer: Answer = {
    v: 1,
    answer: reply.text,
    ts: Math.floor(nowMs / 1000),
    outcome: reply.outcome,
    by: reply.by,
  };
  const text = `${JSON.stringify(answer, null, 2)}\n`;
  await withLock(mailboxLock(profile), () => {
    if (!exists(askPath(profile, id))) throw unknownAsk(profile, id);
    if (createOnce(answerPath(profile, id), text)) return;
    if (exists(takenPath(profile, id))) throw overAsk(id, "is already answered, and the worker has read it");
    if (!reply.replace) {
      throw overAsk(id, "is already answered", "add --replace to change it while it is unread");
    }
    replaceFile(answerPath(profile, id), text);
  });
  knock(profile, id);
  return ask;
}

/** Wakes the shells that may wait for this outcome (calls/shim.ts), should the pulse that serves them be stopped. */
function knock(profile: Profile, id: string): void {
  const dir = `${profile.calls}/wait`;
  const worker = `${parseAskId(id)?.worker},`;
  try {
    for (
      const name of listEntries(dir).map((entry) => entry.name).filter((name) => name.startsWith(worker))
    ) {
      ring(`${dir}/${name}`, `k ${id}\n`);
    }
  } catch {
    // The outcome is on disk; only a stopped pulse would keep it from the shell.
  }
}

function ring(fifo: string, line: string): void {
  try {
    if (!Deno.lstatSync(fifo).isFifo) return;
    // Open for both directions, so that it does not wait for a reader that is gone.
    using file = Deno.openSync(fifo, { read: true, write: true });
    file.writeSync(new TextEncoder().encode(line));
  } catch {
    // The shell has gone: it was served.
  }
}

function requireOption(ask: Ask, reply: GivenAnswer): void {
  if (reply.outcome !== "answered" || reply.free || ask.options === undefined) return;
  if (ask.options.includes(reply.text)) return;
  throw new UserError(
    `"${reply.text}" is not one of the options of "${ask.id}" (${ask.options.join(", ")})`,
    {
      next: "use one of them, or --free to say something else",
      kind: "not_an_option",
    },
  );
}

function unknownAsk(profile: Profile, id: string): UserError {
  const archived = findOutcome(profile, id);
  if (archived !== undefined) {
    const isWithdrawn = "value" in archived && archived.value.outcome === "withdrawn";
    return overAsk(id, isWithdrawn ? "was withdrawn, as its worker was killed" : "is already answered");
  }
  const pending = readMailbox(profile).pending.map((ask) => ask.id);
  return new UserError(`There is no ask "${id}"`, {
    next: pending.length === 0 ? "nothing is pending" : `pending: ${pending.slice(0, 20).join(", ")}`,
    kind: "not_found",
  });
}

/** The error for an ask that already has its outcome. */
function overAsk(id: string, how: string, next = "list the pending ones with `looop _ state`"): UserError {
  return new UserError(`Ask "${id}" ${how}`, { next, kind: "already_answered" });
}

/** Marks an outcome as taken, so that it cannot be replaced while it is being printed. */
export async function takeOutcome(profile: Profile, id: string): Promise<Parsed<Answer> | undefined> {
  return await withLock(mailboxLock(profile), () => {
    const outcome = findOutcome(profile, id);
    if (outcome !== undefined && "value" in outcome && exists(answerPath(profile, id))) {
      createOnce(takenPath(profile, id), "", { durable: false });
    }
    return outcome;
  });
}

/** Moves a pair to the archive whose asker has taken the answer, and is known to have printed it. */
export async function archiveTaken(profile: Profile, id: string, nowMs: number): Promise<void> {
  if (exists(takenPath(profile, id))) await archiveAsk(profile, id, nowMs);
}

/** Moves a read pair to the archive. The ask goes first, so that it never looks pending again. */
export async function archiveAsk(profile: Profile, id: string, nowMs: number): Promise<void> {
  const month = `${profile.asksArchive}/${utcMonth(nowMs)}`;
  makeDir(month);
  await withLock(mailboxLock(profile), () => {
    const isFirst = moveFile(askPath(profile, id), `${month}/${id}.json`);
    finishArchive(profile, id, month);
    // The answer is given again for the same question for a while, counted from when it was read.
    if (isFirst) stampFile(`${month}/${id}.answer.json`, nowMs);
  });
}

function finishArchive(profile: Profile, id: string, month: string): void {
  moveFile(answerPath(profile, id), `${month}/${id}.answer.json`);
  removeFile(takenPath(profile, id));
}

/** Takes one pending ask back and archives it at once. @throws {UserError} when it is unknown or already answered. */
export async function withdrawAsk(profile: Profile, id: string, by: string, nowMs: number): Promise<void> {
  const answer: Answer = { v: 1, answer: "", ts: Math.floor(nowMs / 1000), outcome: "withdrawn", by };
  await withLock(mailboxLock(profile), () => {
    if (!exists(askPath(profile, id))) throw unknownAsk(profile, id);
    if (!createOnce(answerPath(profile, id), `${JSON.stringify(answer, null, 2)}\n`)) {
      throw overAsk(id, "is already answered");
    }
  });
  await archiveAsk(profile, id, nowMs);
  knock(profile, id);
}

/** Withdraws and archives all pending asks of a worker that the root agent ends; returns their ids. */
export async function withdrawAsks(profile: Profile, worker: string, nowMs: number): Promise<string[]> {
  const ids = readMailbox(profile).pending.filter((ask) => ask.worker === worker).map((ask) => ask.id);
  const answer: Answer = { v: 1, answer: "", ts: Math.floor(nowMs / 1000), outcome: "withdrawn" };
  const withdrawn = ids.filter((id) =>
    createOnce(answerPath(profile, id), `${JSON.stringify(answer, null, 2)}\n`)
  );
  for (const id of withdrawn) await archiveAsk(profile, id, nowMs);
  for (const id of withdrawn) knock(profile, id);
  return withdrawn;
}

/** The highest number of each worker whose questions have been removed from the archive. */
function trimmedPath(profile: Profile): string {
  return `${profile.asksArchive}/numbers.json`;
}

function readTrimmed(profile: Profile): Readonly<Record<string, number>> {
  const isNumber = (value: unknown) => typeof value === "number";
  const read = readJson(trimmedPath(profile), (value) => isRecordOf(value, isNumber) ? value : "no numbers");
  return valueOf(read) as Record<string, number> | undefined ?? {};
}

/**
 * Removes the archived questions of months before `month` (`YYYY-MM`); returns which months. The numbers that were given
 * out are written down first, since none is ever given out again.
 */
export async function trimArchive(profile: Profile, month: string): Promise<string[]> {
  const old = listDirs(profile.asksArchive).filter((name) => /^\d{4}-\d\d$/.test(name) && name < month);
  if (old.length === 0) return [];
  await withLock(mailboxLock(profile), () => {
    const numbers: Record<string, number> = { ...readTrimmed(profile) };
    for (const file of old.flatMap((name) => listFiles(`${profile.asksArchive}/${name}`, ".json"))) {
      const id = parseAskId(file.replace(/(\.answer)?\.json$/, ""));
      if (id !== undefined) numbers[id.worker] = Math.max(numbers[id.worker] ?? 0, id.number);
    }
    replaceFile(trimmedPath(profile), `${JSON.stringify(numbers)}\n`);
    for (const name of old) removeTree(`${profile.asksArchive}/${name}`);
  });
  return old;
}

/** Completes archivings that a crash interrupted: answers whose ask is already in the archive. */
export async function mendArchive(profile: Profile): Promise<void> {
  const orphans = listFiles(profile.answers, ".json").map((file) => file.slice(0, -5)).filter((id) =>
    !exists(askPath(profile, id))
  );
  for (const id of orphans) {
    const month = listDirs(profile.asksArchive).find((name) =>
      exists(`${profile.asksArchive}/${name}/${id}.json`)
    );
    if (month === undefined) continue;
    await withLock(mailboxLock(profile), () => finishArchive(profile, id, `${profile.asksArchive}/${month}`));
  }
}

/**
 * Archives answered asks of workers that are gone and will not read them, once they are older than `ttlS` seconds.
 */
export async function expireUnread(
  profile: Profile,
  ttlS: number,
  isAlive: (worker: string) => boolean,
  nowMs: number,
): Promise<void> {
  for (const id of readMailbox(profile).answered) {
    const outcome = findOutcome(profile, id);
    if (outcome === undefined || "bad" in outcome || nowMs / 1000 - outcome.value.ts < ttlS) continue;
    if (!isAlive(parseAskId(id)?.worker ?? "")) await archiveAsk(profile, id, nowMs);
  }
}

/** Checks a prompt before it is posted. @throws {UsageError} when it is empty or far too long. */
export function checkPrompt(text: string): string {
  if (text.trim() === "") throw new UsageError("The question is empty", { next: 'say it with --prompt "…"' });
  if (text.length > 1024 * 1024) {
    throw new UsageError("The question is longer than 1 MB", {
      next: "put the material in a file and name it with --ref",
    });
  }
  return text;
}

/** Questions archived since `sinceMs`, each with its outcome. */
export function archivedAsks(profile: Profile, sinceMs: number): { ask: Ask; answer: Answer | undefined }[] {
  const since = utcMonth(sinceMs);
  return listDirs(profile.asksArchive).filter((month) => month >= since).flatMap((month) => {
    const dir = `${profile.asksArchive}/${month}`;
    return listFiles(dir, ".json").filter((file) => !file.endsWith(".answer.json")).flatMap((file) => {
      const reply = `${dir}/${file.slice(0, -5)}.answer.json`;
      if ((statOf(reply)?.mtime?.getTime() ?? Infinity) < sinceMs) return [];
      const ask = valueOf(readJson(`${dir}/${file}`, checkAsk));
      const answer = valueOf(readJson(reply, checkAnswer));
      return ask === undefined ? [] : [{ ask, answer }];
    });
  });
}
