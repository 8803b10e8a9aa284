/**
 * Carries out calls that workers have made elsewhere, once each, and keeps their results until they are read.
 *
 * A call is identified by its worker, generation and number. `sessions/<id>/calls/<n>.json` holds the question that
 * it has asked, later its result, on disk before the reply leaves; so a caller, a link or a pulse that is killed at
 * any moment finds the same result again. An ask is archived only once its answer has been read.
 */
import { checkAmount } from "../agents/cost_row.ts";
import { EXIT, formatError, oneLine, UserError } from "../errors.ts";
import { isId } from "../ids.ts";
import {
  type Answer,
  archiveAsk,
  checkPrompt,
  findOutcome,
  postAsk,
  takeOutcome,
} from "../records/mailbox.ts";
import { journalAs, type Mover, poke } from "../records/move.ts";
import { openProfile } from "../records/profile.ts";
import { finishTells, type Given, showTells, takeTells, tellRows } from "../records/tells.ts";
import { workerCaller } from "../sessions/caller.ts";
import { readSession } from "../sessions/session.ts";
import { generationOf, markReady, sessionDir } from "../sessions/run_files.ts";
import { listFiles, makeDir, readJson, removeFile, replaceFile } from "../store.ts";
import { isRecord } from "../text/json.ts";
import { claim, cost, ready, unclaim } from "./worker_calls.ts";

/** A parsed command line of a verb. */
export interface CallInput {
  words: readonly string[];
  text(name: string): string | undefined;
  flag(name: string): boolean;
}

/** Parses words as the verbs do. @throws {UsageError} as they do. */
export interface ParseCall {
  (words: readonly string[]): Promise<{ path: string; input: CallInput }>;
}

/** The surroundings of carrying out: profile, clock and the parser. */
export interface CallHost {
  profile: Mover["profile"];
  now(): number;
  parse: ParseCall;
}

/** One call of a worker. */
export interface Call {
  id: string;
  gen: string;
  /** Number of the call, unique within the run. */
  n: string;
  words: readonly string[];
  /** The small file that `--ref` names, when it is not on this machine. */
  ref?: Uint8Array;
  /** The machine on which the worker runs, when it is another one. */
  host?: string;
}

/** The caller's output, and its exit code. */
export interface CallReply {
  code: number;
  out: string;
  err: string;
}

/** `calls/<n>.json`: an open question, or a result that has not been read yet. */
interface CallRecord {
  v: 1;
  ask?: string;
  json?: boolean;
  reply?: CallReply;
  /** Tells that the reply prints: marked as taken, and as done once the reply has been read. */
  tells?: Given[];
}

function callsDir(host: CallHost, id: string): string {
  return `${sessionDir(host.profile, id)}/calls`;
}

function checkRecord(value: unknown): CallRecord | string {
  if (!isRecord(value)) return "not an object";
  const { ask, json, reply, tells } = value;
  return {
    v: 1,
    ...(typeof ask === "string" ? { ask } : {}),
    ...(json === true ? { json } : {}),
    ...(isRecord(reply) ? { reply: reply as unknown as CallReply } : {}),
    ...(Array.isArray(tells) ? { tells: tells as Given[] } : {}),
  };
}

function readCall(host: CallHost, id: string, n: string): CallRecord | undefined {
  const read = readJson(`${callsDir(host, id)}/${n}.json`, checkRecord);
  return read !== undefined && "value" in read ? read.value : undefined;
}

function writeCall(host: CallHost, id: string, n: string, record: CallRecord): void {
  makeDir(callsDir(host, id));
  replaceFile(`${callsDir(host, id)}/${n}.json`, `${JSON.stringify(record)}\n`);
}

/** Calls of a worker whose question is open or whose result has not been read. */
export function openCalls(host: CallHost, id: string): string[] {
  return listFiles(callsDir(host, id), ".json").map((file) => file.slice(0, -".json".length));
}

/**
 * Carries a call out, or returns the result it had before. Undefined while its question is unanswered. The caller's
 * mistakes are in the reply, as they would be on its terminal.
 */
export async function carryOut(host: CallHost, call: Call): Promise<CallReply | undefined> {
  const before = generationOf(host.profile, call.id) === call.gen
    ? readCall(host, call.id, call.n)
    : undefined;
  if (before?.reply !== undefined) return before.reply;
  if (before?.ask !== undefined) return await outcomeOf(host, call.id, call.n);
  let path = "";
  try {
    const parsed = await host.parse(call.words);
    path = parsed.path;
    const record = await perform(host, call, path, parsed.input);
    writeCall(host, call.id, call.n, record);
    return record.reply ?? await outcomeOf(host, call.id, call.n);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // A full disk is not an answer: the call stays and is tried again.
    if (error.kind === "io" || error.kind === "locked") throw error;
    return { code: error.code, out: "", err: `${formatError(path, error)}\n` };
  }
}

/**
 * The reply to a call whose question has its outcome by now; undefined while there is none, and for a question that was
 * withdrawn because its worker is being ended.
 */
export async function outcomeOf(host: CallHost, id: string, n: string): Promise<CallReply | undefined> {
  const record = readCall(host, id, n);
  if (record?.reply !== undefined) return record.reply;
  if (record?.ask === undefined) return undefined;
  const outcome = findOutcome(host.profile, record.ask);
  if (outcome === undefined || "bad" in outcome) return undefined;
  // An agent whose command returned before its end would ask its model once more.
  if (outcome.value.outcome === "withdrawn" && readSession(host.profile, id)?.end !== undefined) {
    return undefined;
  }
  const taken = await takeOutcome(host.profile, record.ask);
  if (taken === undefined || "bad" in taken) return undefined;
  const reply = replyOf(taken.value, record.json === true);
  writeCall(host, id, n, { ...record, reply });
  return reply;
}

/**
 * Closes a call whose reply was read, or which nobody reads any more: then its question stays as it is. Idempotent.
 */
export async function closeCall(host: CallHost, id: string, n: string, wasRead: boolean): Promise<void> {
  const record = readCall(host, id, n);
  if (wasRead && record?.ask !== undefined) await archiveAsk(host.profile, record.ask, host.now());
  if (wasRead && record?.tells !== undefined) finishTells(host.profile, id, record.tells);
  removeFile(`${callsDir(host, id)}/${n}.json`);
}

function replyOf({ outcome, answer }: Answer, json: boolean): CallReply {
  const code = outcome === "declined" ? EXIT.declined : outcome === "withdrawn" ? EXIT.withdrawn : EXIT.ok;
  if (json) return { code, out: `${JSON.stringify({ outcome, answer })}\n`, err: "" };
  if (outcome === "withdrawn") return { code, out: "", err: "looop _ ask: the question was withdrawn\n" };
  return { code, out: answer.endsWith("\n") ? answer : `${answer}\n`, err: "" };
}

async function perform(host: CallHost, call: Call, path: string, input: CallInput): Promise<CallRecord> {
  const action = ACTIONS[path];
  if (action === undefined) {
    throw new UserError(`A worker on another machine cannot call this`, {
      next: "ask for what you need with `looop _ ask`",
      kind: "worker",
    });
  }
  requireOwnRun(host, call);
  return await action(host, call, input);
}

function requireOwnRun(host: CallHost, { id, gen }: Call): void {
  if (generationOf(host.profile, id) === gen) return;
  throw new UserError(`"${id}" is another run by now`, { next: "this one is over: stop", kind: "worker" });
}

/** A worker speaks only for itself. */
function requireSelf(call: Call, named: string | undefined): void {
  if (named === undefined || named === call.id) return;
  throw new UserError(`Worker "${call.id}" cannot speak for "${oneLine(named, 70)}"`, {
    next: `use its own id, ${call.id}`,
    kind: "worker",
  });
}

const ACTIONS: Readonly<
  Record<string, (host: CallHost, call: Call, input: CallInput) => Promise<CallRecord>>
> = {
  "_ ready": (host, call, input) => {
    requireSelf(call, input.words[0]);
    return Promise.resolve(said(input, ready(host.profile, call.id)));
  },
  "_ claim": (host, call, input) => lease(host, call, input, claim),
  "_ unclaim": (host, call, input) => lease(host, call, input, unclaim),
  "_ cost": (host, call, input) => {
    const [kind = "", id, runner = "", usd = ""] = input.words;
    requireSelf(call, id);
    requireNames(kind, runner);
    const name = `${call.id}/${call.gen}/${call.n}`;
    const where = call.host === undefined ? {} : { host: call.host };
    const spent = { kind, id: call.id, runner, costUsd: checkAmount(usd), call: name, ...where };
    return Promise.resolve(said(input, cost(host, spent)));
  },
  "_ ask": ask,
  "_ told": (host, call, input) => {
    requireSelf(call, input.words[0]);
    return Promise.resolve(told(host, call, input));
  },
};

/** The tells waiting for the worker; they count as read only once the reply has been printed over there. */
function told(host: CallHost, { id, gen }: Call, input: CallInput): CallRecord {
  const tells = takeTells(host.profile, id, gen);
  markReady(host.profile, id);
  const shown = showTells(tells);
  const out = input.flag("json") ? `${JSON.stringify(tellRows(tells))}\n` : shown === "" ? "" : `${shown}\n`;
  return { v: 1, tells, reply: { code: EXIT.ok, out, err: "" } };
}

function said(input: CallInput, text: string): CallRecord {
  const out = input.flag("json") ? JSON.stringify({ message: text }) : text;
  return { v: 1, reply: { code: EXIT.ok, out: `${out}\n`, err: "" } };
}

function requireNames(...names: string[]): void {
  for (const name of names) {
    if (!isId(name)) {
      throw new UserError(`Bad name "${oneLine(name, 70)}"`, {
        next: "use 1-64 letters, digits, '.', '_' or '-'",
        kind: "usage",
        code: EXIT.usage,
      });
    }
  }
}

async function lease(
  host: CallHost,
  call: Call,
  input: CallInput,
  act: (mover: Mover, name: string, session: string) => Promise<string>,
): Promise<CallRecord> {
  requireSelf(call, input.text("session"));
  const name = input.words[0] ?? "";
  requireNames(name);
  const caller = workerCaller(call.id);
  const mover = { profile: host.profile, now: host.now, journalText: input.text("journal"), caller };
  return said(input, await act(mover, name, call.id));
}

/** Longest file of a `--ref` that is kept here, bytes. */
const MAX_REF_BYTES = 1_000_000;

async function ask(host: CallHost, call: Call, input: CallInput): Promise<CallRecord> {
  requireSelf(call, input.words[0]);
  const prompt = checkPrompt(input.text("prompt") ?? "");
  const options = input.text("options")?.split(",").map((one) => one.trim()).filter((one) => one !== "");
  openProfile(host.profile);
  const question = {
    worker: call.id,
    prompt,
    reference: keptReference(host, call, input.text("ref")),
    options,
  };
  const record = readSession(host.profile, call.id);
  const { id, posted } = await postAsk(host.profile, question, record?.meta.gen ?? "", host.now());
  markReady(host.profile, call.id);
  if (posted) journalAs({ ...host, caller: workerCaller(call.id) }, `ask ${id}: ${prompt}`);
  poke(host.profile);
  return { v: 1, ask: id, ...(input.flag("json") ? { json: true } : {}) };
}

/** Path of the local copy of a question's file, which is on the worker's machine. */
function keptReference(host: CallHost, call: Call, reference: string | undefined): string | undefined {
  if (reference === undefined || call.ref === undefined || call.ref.length > MAX_REF_BYTES) return reference;
  const name = reference.slice(reference.lastIndexOf("/") + 1).replace(/[^A-Za-z0-9._-]/g, "_").slice(-64);
  const dir = `${sessionDir(host.profile, call.id)}/refs`;
  makeDir(dir);
  const path = `${dir}/${call.n}-${name}`;
  replaceFile(path, call.ref);
  return path;
}
