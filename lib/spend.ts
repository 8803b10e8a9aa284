/**
 * Spend without trust: puts what the agent CLIs have recorded of their own sessions into the ledger, one row a
 * worker's run, marked `source:"runner"`, exactly once.
 *
 * A row is first written down whole beside the session, then appended, then marked as done, all under a lock. A
 * process that dies in between leaves the row behind; the next one looks for that very line in the ledger and
 * appends it only if it is not there.
 */
import {
  type AgentFile,
  type AgentSession,
  type Counted,
  NO_TOKENS,
  readAgent,
  readRootSessions,
  rootLock,
  type RootSession,
  type Tokens,
  writeAgent,
  writeRootSessions,
} from "./agent_session.ts";
import { isRecord } from "./canonical.ts";
import type { Config } from "./config.ts";
import { workerTitle } from "./contract.ts";
import { type CostRow, formatRow } from "./cost_row.ts";
import type { Profile } from "./paths.ts";
import { readFleet } from "./session.ts";
import { addTokens, findOpencodeSession, readRecorded, type Recorded, recordFiles } from "./spend_records.ts";
import {
  appendLine,
  createOnce,
  listDirs,
  readJson,
  readTailBytes,
  replaceFile,
  statOf,
  withLock,
} from "./store.ts";

/** What collecting needs. */
export interface SpendHost {
  profile: Profile;
  env: Readonly<Record<string, string>>;
  now(): number;
}

type Prices = Config["prices"];

/** `sessions/<id>/spend.json`: the row of a run. */
interface SpendFile {
  /** The row as it stands in the ledger. */
  line: string;
  /** Sums of each agent session with this row included: where a resumed run goes on counting. */
  counted: Record<string, Counted>;
  done: boolean;
}

function spendPath(dir: string): string {
  return `${dir}/spend.json`;
}

function readSpend(dir: string): SpendFile | undefined {
  const read = readJson(spendPath(dir), (value) => isRecord(value) ? value : "not an object");
  if (read === undefined || "bad" in read) return undefined;
  const { line, counted, done } = read.value;
  if (typeof line !== "string") return undefined;
  return {
    line,
    counted: isRecord(counted) ? counted as Record<string, Counted> : {},
    done: done === true,
  };
}

/** What the ledger holds of the agent sessions of one run, for the run that resumes them. */
export function countedAfter(dir: string): Record<string, Counted> {
  return { ...readAgent(dir)?.counted, ...readSpend(dir)?.counted };
}

/**
 * Puts one ended run's spend into the ledger, unless it is there already or nothing was recorded (yet).
 * Returns whether a row was appended. Any number of processes may do so at once, and the folder may meanwhile
 * have become that of the id's next run: `gen` says which run is meant.
 */
export async function collectRun(
  host: SpendHost,
  run: { id: string; dir: string; gen: string },
  prices: Prices,
): Promise<boolean> {
  const { id, dir, gen } = run;
  const known = readSpend(dir);
  if (known?.done || readMeta(dir).gen !== gen) return false;
  const fresh = known ?? await makeSpend(host, id, dir, prices);
  if (fresh === undefined) return false;
  // The lock under which a folder makes room for the next run.
  return await withLock(`${host.profile.sessions}/.lock`, () => {
    if (readMeta(dir).gen !== gen) return false;
    createOnce(spendPath(dir), spendText(fresh));
    const spend = readSpend(dir);
    if (spend === undefined || spend.done) return false;
    const missing = !ledgerHas(host.profile, spend.line);
    if (missing) appendLine(host.profile.cost, spend.line);
    replaceFile(spendPath(dir), spendText({ ...spend, done: true }));
    return missing;
  });
}

function spendText(spend: SpendFile): string {
  return `${JSON.stringify({ v: 1, ...spend })}\n`;
}

async function makeSpend(
  host: SpendHost,
  id: string,
  dir: string,
  prices: Prices,
): Promise<SpendFile | undefined> {
  const agent = await completeAgent(host, id, dir);
  if (agent === undefined) return undefined;
  const meta = readMeta(dir);
  const counted: Record<string, Counted> = {};
  let sum: Delta | undefined;
  for (const session of agent.sessions) {
    const recorded = await readRecorded(session, { ...host.env, ...agent.env });
    if (recorded === undefined) continue;
    const runner = agent.preset || session.cli;
    const before = agent.counted[session.id] ?? { tokens: NO_TOKENS, usd: 0 };
    const delta = deltaOf(recorded, before, (model, tokens) => priceOf(prices, runner, model, tokens));
    counted[session.id] = addCounted(before, delta);
    sum = sum === undefined ? delta : addDelta(sum, delta);
  }
  if (sum === undefined) return undefined;
  const line = formatRow(rowOf(sum, { id, runner: meta.runner, gen: meta.gen, tsMs: host.now() }));
  return { line, counted, done: false };
}

function readMeta(dir: string): { runner: string; gen: string; startedMs: number } {
  const read = readJson(`${dir}/meta.json`, (value) => isRecord(value) ? value : "not an object");
  const meta = read !== undefined && "value" in read ? read.value : {};
  return {
    runner: String(meta["runner"] ?? ""),
    gen: String(meta["gen"] ?? ""),
    startedMs: Number(meta["started_at"] ?? 0) * 1000,
  };
}

/** What is known of a run's agent; opencode's session is looked for by the words that only its prompt has. */
export async function completeAgent(
  host: Pick<SpendHost, "env">,
  id: string,
  dir: string,
): Promise<AgentFile | undefined> {
  const agent = readAgent(dir);
  const only = agent?.sessions[0];
  if (agent === undefined || only?.cli !== "opencode" || only.id !== "") return agent;
  const env = { ...host.env, ...agent.env };
  const found = await findOpencodeSession(only.records, workerTitle(id), readMeta(dir).startedMs, env);
  if (found === undefined) return { ...agent, sessions: [] };
  const complete = { ...agent, sessions: [{ ...only, id: found }] };
  writeAgent(dir, complete);
  return complete;
}

/** What one row adds. */
export interface Delta {
  tokens: Tokens;
  /** Absent: the tokens' price is not known. */
  usd?: number;
  closings?: number;
}

/**
 * What a session's record holds beyond what was counted before. Pure.
 *
 * claude's closing sums are of the whole session, or of its last process alone when an earlier one was cut off
 * and so could not hand its sums on: as many tokens as the transcript has mean the whole.
 */
export function deltaOf(
  recorded: Recorded,
  before: Counted,
  price: (model: string, tokens: Tokens) => number | undefined,
): Delta {
  const tokens = without(recorded.tokens, before.tokens);
  const { closing } = recorded;
  if (closing !== undefined && closing.count > (before.closings ?? 0)) {
    const whole = total(closing.tokens) >= total(recorded.tokens);
    const part = whole ? without(closing.tokens, before.tokens) : closing.tokens;
    const usd = Math.max(0, whole ? closing.usd - before.usd : closing.usd);
    return { tokens: total(part) > total(tokens) ? part : tokens, usd, closings: closing.count };
  }
  const usd = recorded.usd ?? sumPrices(recorded.models, price);
  return usd === undefined ? { tokens } : { tokens, usd: Math.max(0, usd - before.usd) };
}

function sumPrices(
  models: Readonly<Record<string, Tokens>>,
  price: (model: string, tokens: Tokens) => number | undefined,
): number | undefined {
  let sum = 0;
  for (const [model, tokens] of Object.entries(models)) {
    const usd = price(model, tokens);
    if (usd === undefined && total(tokens) > 0) return undefined;
    sum += usd ?? 0;
  }
  return sum;
}

/** Dollars by the config's prices per million: of "runner/model", else the model, else the runner. Pure. */
export function priceOf(prices: Prices, runner: string, model: string, tokens: Tokens): number | undefined {
  const price = prices[`${runner}/${model}`] ?? prices[model] ?? prices[runner];
  if (price === undefined) return undefined;
  const input = price.input ?? 0;
  const sum = (tokens.input + tokens.cache_write) * input + tokens.cache_read * (price.cached ?? input) +
    tokens.output * (price.output ?? 0);
  return sum / 1e6;
}

function total(tokens: Tokens): number {
  return tokens.input + tokens.output + tokens.cache_read + tokens.cache_write;
}

function without(all: Tokens, before: Tokens): Tokens {
  return {
    input: Math.max(0, all.input - before.input),
    output: Math.max(0, all.output - before.output),
    cache_read: Math.max(0, all.cache_read - before.cache_read),
    cache_write: Math.max(0, all.cache_write - before.cache_write),
  };
}

function addDelta(a: Delta, b: Delta): Delta {
  const tokens = addTokens(a.tokens, b.tokens);
  return a.usd === undefined || b.usd === undefined ? { tokens } : { tokens, usd: a.usd + b.usd };
}

function addCounted(before: Counted, delta: Delta): Counted {
  const closings = delta.closings ?? before.closings;
  return {
    tokens: addTokens(before.tokens, delta.tokens),
    usd: before.usd + (delta.usd ?? 0),
    ...(closings === undefined ? {} : { closings }),
  };
}

function rowOf(
  delta: Delta,
  of: { id: string; runner: string; gen: string; tsMs: number },
): CostRow {
  return {
    ...of,
    kind: "session",
    // Without the dust of adding binary fractions.
    costUsd: Math.round((delta.usd ?? 0) * 1e9) / 1e9,
    source: "runner",
    tokens: delta.tokens,
    ...(delta.usd === undefined ? { unpriced: true } : {}),
  };
}

const LOOK_BACK = 1024 * 1024;

/** Whether the ledger has this very line near its end, where the row of an interrupted append would be. */
function ledgerHas(profile: Profile, line: string): boolean {
  const text = new TextDecoder().decode(readTailBytes(profile.cost, LOOK_BACK));
  return text.endsWith(`\n${line}\n`) || text.includes(`\n${line}\n`) || text.startsWith(`${line}\n`);
}

/** Collects every ended run that has no row yet, and what root agents have spent since their last row. */
export async function collectSpend(host: SpendHost, prices: Prices): Promise<void> {
  await collectRuns(host, prices);
  await collectRoots(host, prices, 0);
}

/** A beat looks for the record of a run that ended so long ago; later only `looop cost` and a new pulse do. */
export const LOOKED_FOR_MS = 300_000;

/**
 * Collects every ended run that has no row yet: those of ids that were used again, too.
 *
 * @param maxAgeMs Leaves out runs that ended longer ago: a record that was never written costs no beat for ever.
 */
export async function collectRuns(host: SpendHost, prices: Prices, maxAgeMs = Infinity): Promise<void> {
  const { profile } = host;
  const open = listDirs(profile.sessions).filter((name) => {
    const dir = `${profile.sessions}/${name}`;
    if (statOf(`${dir}/agent.json`) === undefined || readSpend(dir)?.done) return false;
    const endedMs = statOf(`${dir}/status.json`)?.mtime?.getTime() ?? host.now();
    return host.now() - endedMs <= maxAgeMs;
  });
  if (open.length === 0) return;
  const current = await readFleet(profile, host.now(), open.filter((name) => !name.includes("~")));
  const live = new Map(current.map((session) => [session.view.id, session]));
  for (const name of open) {
    const dir = `${profile.sessions}/${name}`;
    const session = live.get(name);
    if (session?.view.alive) continue;
    const gen = session?.gen ?? readMeta(dir).gen;
    await collectRun(host, { id: name.replace(/~\d+$/, ""), dir, gen }, prices);
  }
}

/** A root agent gets a row at most this often while the pulse beats; `looop cost` brings it up to date. */
export const ROOT_ROW_EVERY_MS = 600_000;
/** A root session whose record has not changed for this long is over and forgotten. */
const ROOT_KEPT_MS = 30 * 86_400_000;

/** Appends what root agents' sessions have spent since their last row, for those whose row is `everyMs` old. */
export async function collectRoots(host: SpendHost, prices: Prices, everyMs: number): Promise<void> {
  const { profile } = host;
  const now = host.now();
  for (const session of readRootSessions(profile)) {
    if (session.pending === undefined) {
      if (now - (session.row_at ?? session.seen_at) < everyMs) continue;
      const touched = lastTouched(session);
      if (touched !== undefined && touched <= (session.row_at ?? 0)) {
        if (now - touched > ROOT_KEPT_MS) await updateRoot(profile, session, () => undefined);
        continue;
      }
    }
    const next = session.pending === undefined ? await rootRow(host, session, prices) : undefined;
    if (session.pending === undefined && next === undefined) continue;
    await appendRoot(profile, session, next, now);
  }
}

/** Unix ms at which a session's record was last written, or undefined. */
function lastTouched(session: AgentSession): number | undefined {
  const times = recordFiles(session).map((file) => statOf(file)?.mtime?.getTime() ?? 0);
  return times.length === 0 ? undefined : Math.max(...times);
}

async function rootRow(
  host: SpendHost,
  session: RootSession,
  prices: Prices,
): Promise<RootSession["pending"]> {
  const recorded = await readRecorded(session, host.env);
  if (recorded === undefined) return undefined;
  const price = (model: string, tokens: Tokens) => priceOf(prices, session.cli, model, tokens);
  const delta = deltaOf(recorded, session.counted, price);
  if (total(delta.tokens) === 0 && (delta.usd ?? 0) === 0) return undefined;
  const gen = `${session.id}/${total(session.counted.tokens)}`;
  const row = rowOf(delta, { id: ROOT_ID, runner: session.cli, gen, tsMs: host.now() });
  return { line: formatRow(row), counted: addCounted(session.counted, delta) };
}

/** Whose spend a root agent's row is, in the ledger. */
export const ROOT_ID = "root";

async function appendRoot(
  profile: Profile,
  seen: RootSession,
  next: RootSession["pending"],
  now: number,
): Promise<void> {
  await withLock(rootLock(profile), () => {
    const session = readRootSessions(profile).find((one) => one.cli === seen.cli && one.id === seen.id);
    if (session === undefined) return;
    // Somebody else has counted meanwhile: what was read here is of yesterday.
    const stale = JSON.stringify(session.counted) !== JSON.stringify(seen.counted);
    const pending = session.pending ?? (stale ? undefined : next);
    if (pending === undefined) return;
    if (session.pending === undefined) replaceRoot(profile, { ...session, pending });
    if (session.pending === undefined || !ledgerHas(profile, pending.line)) {
      appendLine(profile.cost, pending.line);
    }
    const { pending: _done, ...rest } = session;
    replaceRoot(profile, { ...rest, counted: pending.counted, row_at: now });
  });
}

function replaceRoot(profile: Profile, session: RootSession): void {
  const all = readRootSessions(profile);
  writeRootSessions(
    profile,
    all.map((one) => one.cli === session.cli && one.id === session.id ? session : one),
  );
}

async function updateRoot(
  profile: Profile,
  session: RootSession,
  change: (session: RootSession) => RootSession | undefined,
): Promise<void> {
  await withLock(rootLock(profile), () => {
    const all = readRootSessions(profile).flatMap((one) => {
      if (one.cli !== session.cli || one.id !== session.id) return [one];
      const changed = change(one);
      return changed === undefined ? [] : [changed];
    });
    writeRootSessions(profile, all);
  });
}
