/**
 * Intents: the actions that `_ run` and `_ notify` are about to take, written to disk before they begin and removed
 * after.
 *
 * An intent whose owner is dead was cut off halfway. Nobody knows how far it got, so it is reported and never done
 * again. It stays in `.wal/` until the pulse reports it, then in `.wal/interrupted/` for `_ wait`.
 */
import { isRecord } from "../text/json.ts";
import { oneLine } from "../errors.ts";
import { appendEvent, appendJournal } from "./journal.ts";
import type { Profile } from "../paths.ts";
import { type Identity, identityIn, ownIdentity, standingsOf } from "../process/identity.ts";
import { killTree } from "../process/tree.ts";
import { readNotes, writeNotes } from "./notes.ts";
import { sha256 } from "../text/bytes.ts";
import { type BadFile, listFiles, makeDir, moveFile, readJson, removeFile, replaceFile } from "../store.ts";

/** The variable that marks the processes of one `_ run`; its value is the intent's id. */
export const RUN_MARK = "LOOOP_RUN";

/** `.wal/<id>.json`. */
export interface Intent {
  v: 1;
  id: string;
  kind: "run" | "notify";
  /** SHA-256 of the whole command or message. */
  fingerprint: string;
  /** The command or message, shortened to one line for people. */
  what: string;
  /** Unix ms. */
  ts: number;
  owner: Identity;
  reason?: string;
  /** The human's words that let it pass the gate. */
  approved?: string;
}

/** The action that a verb is about to take. */
export interface IntentSpec {
  kind: Intent["kind"];
  /** The whole command or message; only its hash is kept. */
  text: string;
  /** The command or message, shortened to one line for people. */
  what: string;
  reason?: string | undefined;
  approved?: string | undefined;
}

const WHAT_CHARS = 300;

/** Durably records the action that this process is about to take. */
export async function openIntent(profile: Profile, spec: IntentSpec, nowMs: number): Promise<Intent> {
  const intent: Intent = {
    v: 1,
    id: `${spec.kind}-${crypto.randomUUID().slice(0, 8)}`,
    kind: spec.kind,
    fingerprint: await sha256(spec.text),
    what: oneLine(spec.what, WHAT_CHARS),
    ts: nowMs,
    owner: await ownIdentity(),
    ...(spec.reason === undefined ? {} : { reason: spec.reason }),
    ...(spec.approved === undefined ? {} : { approved: spec.approved }),
  };
  makeDir(profile.wal);
  replaceFile(`${profile.wal}/${intent.id}.json`, `${JSON.stringify(intent)}\n`);
  return intent;
}

/** Removes an intent whose outcome is journaled. */
export function closeIntent(profile: Profile, intent: Intent): void {
  writeNotes(runNotesPath(profile, intent), undefined);
  removeFile(`${profile.wal}/${intent.id}.json`);
}

function checkIntent(value: unknown): Intent | string {
  if (!isRecord(value)) return "not an object";
  const { id, kind, owner, ts } = value;
  if (typeof id !== "string" || !/^[A-Za-z0-9-]{1,64}$/.test(id)) return '"id" is missing';
  if (kind !== "run" && kind !== "notify") return '"kind" is neither run nor notify';
  if (!isRecord(owner) || typeof owner["pid"] !== "number") return '"owner" is missing';
  if (typeof ts !== "number") return '"ts" is missing';
  return {
    v: 1,
    id,
    kind,
    fingerprint: String(value["fingerprint"] ?? ""),
    what: String(value["what"] ?? ""),
    ts,
    owner: identityIn({ ...owner, pid: owner["pid"] }),
    ...(typeof value["reason"] === "string" ? { reason: value["reason"] } : {}),
    ...(typeof value["approved"] === "string" ? { approved: value["approved"] } : {}),
  };
}

/** The folder of reported intents, which `_ wait` still has to deliver. */
export function interruptedDir(profile: Profile): string {
  return `${profile.wal}/interrupted`;
}

function readIntents(dir: string): { intents: Intent[]; bad: BadFile[] } {
  const intents: Intent[] = [];
  const bad: BadFile[] = [];
  for (const name of listFiles(dir, ".json")) {
    const path = `${dir}/${name}`;
    const read = readJson(path, checkIntent);
    if (read === undefined) continue;
    if ("bad" in read) bad.push({ path, reason: read.bad });
    else if (`${read.value.id}.json` !== name) bad.push({ path, reason: '"id" is not the name of the file' });
    else intents.push(read.value);
  }
  return { intents, bad };
}

/** Time between TERM and KILL for the processes of a run whose owner is gone, ms. */
const ORPHAN_GRACE_MS = 2_000;

/**
 * Ends the processes of intents whose owner is dead, reports each intent (journal, events.jsonl) and moves it to
 * where {@link interruptions} finds it. An intent with a living owner is left alone, however long it takes. Nothing
 * is run again.
 *
 * The processes are ended first and the file moves last, so that a crash in between repeats the work and loses
 * nothing.
 */
export async function reapIntents(
  profile: Profile,
  nowMs: number,
): Promise<{ interrupted: Intent[]; bad: BadFile[] }> {
  const { intents, bad } = readIntents(profile.wal);
  const standings = await standingsOf(intents.map((intent) => intent.owner));
  const interrupted = intents.filter(({ owner }) => standings.get(owner)?.life === "dead");
  for (const intent of interrupted) {
    if (intent.kind === "run") await endOrphans(profile, intent);
    const at = new Date(nowMs);
    appendJournal(profile, describe(intent), at);
    appendEvent(profile, "tick_interrupted", {
      action: intent.kind,
      fingerprint: intent.fingerprint,
      id: intent.id,
    }, at);
    makeDir(interruptedDir(profile));
    moveFile(`${profile.wal}/${intent.id}.json`, `${interruptedDir(profile)}/${intent.id}.json`);
  }
  return { interrupted, bad };
}

/** Where a running `_ run` keeps notes of its processes, for the reaper if it is interrupted. */
export function runNotesPath(profile: Profile, intent: Intent): string {
  return `${profile.wal}/${intent.id}.noted`;
}

async function endOrphans(profile: Profile, intent: Intent): Promise<void> {
  const noted = readNotes(runNotesPath(profile, intent));
  const marks = [`${RUN_MARK}=${intent.id}`];
  await killTree({ roots: [], marks, graceMs: ORPHAN_GRACE_MS, ...(noted === undefined ? {} : { noted }) });
  writeNotes(runNotesPath(profile, intent), undefined);
}

function describe({ kind, what, reason, approved }: Intent): string {
  const why = reason === undefined ? "" : ` (${reason})`;
  const yes = approved === undefined ? "" : `; approved by the human: "${approved}"`;
  const advice = kind === "run" ? "see what it did before running it again" : "it may not have been sent";
  return `interrupted: ${kind} ${what}${why}: looop ended in the middle of it; ${advice}${yes}`;
}

/** Every reported intent that is still kept: its id, and one line that says what was interrupted. */
export function interruptions(profile: Profile): { id: string; text: string }[] {
  return readIntents(interruptedDir(profile)).intents.map((intent) => ({
    id: intent.id,
    text: describe(intent),
  }));
}
