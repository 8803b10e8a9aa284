/**
 * The spend of root agents: rows of what their CLIs have recorded since the last row. Each row is stored with the
 * session before it is appended, so that a crash in between neither loses nor doubles it.
 */
import {
  readRootAgents,
  readRootSessions,
  rootLock,
  type RootSession,
  writeRootAgents,
  writeRootSessions,
} from "./agent_session.ts";
import { NO_TOKENS, type Recorded, type Tokens } from "./tokens.ts";
import { formatRow } from "./cost_row.ts";
import { findCandidates, readOpencode } from "./opencode.ts";
import { geminiCandidates, sessionsOfCalls, type UnnamedCaller } from "./unnamed.ts";
import type { Profile } from "../paths.ts";
import { type AgentSession, recordFiles } from "./record_files.ts";
import { readRecorded } from "./records.ts";
import {
  addCounted,
  deltaOf,
  ledgerHas,
  priceOf,
  type Prices,
  rowOf,
  type SpendHost,
  total,
} from "./spend_rows.ts";
import { appendLine, statOf, withLock } from "../store.ts";

/** Interval of a root agent's rows while the pulse beats, ms; `looop cost` adds one at any time. */
export const ROOT_ROW_EVERY_MS = 600_000;
/** Time after which a root session whose record has not changed is forgotten, ms. */
const ROOT_KEPT_MS = 30 * 86_400_000;

/**
 * Appends the spend of root agents' sessions since their last row, for sessions whose row is at least `everyMs` old.
 */
export async function collectRoots(host: SpendHost, prices: Prices, everyMs: number): Promise<void> {
  const { profile } = host;
  const now = host.now();
  await nameCallers(host, everyMs);
  const sessions = readRootSessions(profile);
  const read = recordsReader(host, sessions);
  for (const session of sessions) {
    if (session.pending === undefined) {
      if (now - (session.row_at ?? session.seen_at) < everyMs) continue;
      const touched = lastTouched(session);
      if (touched !== undefined && touched <= (session.row_at ?? 0)) {
        if (now - touched > ROOT_KEPT_MS) await updateRoot(profile, session, () => undefined);
        continue;
      }
    }
    const recorded = session.pending === undefined ? await read(session) : undefined;
    if (now - (recorded?.touchedMs ?? now) > ROOT_KEPT_MS) {
      await updateRoot(profile, session, () => undefined);
    }
    const next = recorded === undefined ? undefined : rootRow(host, session, recorded, prices);
    if (session.pending === undefined && next === undefined) continue;
    await appendRoot(profile, session, next, now);
  }
}

/** Reads records one by one; those in an opencode database all at once, as each query takes a second. */
function recordsReader(
  host: SpendHost,
  sessions: readonly RootSession[],
): (session: RootSession) => Promise<Recorded | undefined> {
  const databases = new Map<string, Promise<Map<string, Recorded>>>();
  return async (session) => {
    if (session.cli !== "opencode") return await readRecorded(session, host);
    const { records } = session;
    const ids = sessions.filter((one) => one.cli === "opencode" && one.records === records).map(({ id }) =>
      id
    );
    const database = databases.get(records) ?? readOpencode(ids, records, host);
    databases.set(records, database);
    return (await database).get(session.id);
  };
}

/** Time for which a call's session is searched for, ms: after that it stays unknown. */
const CALL_SOUGHT_MS = 3_600_000;

/** Finds the sessions that have called verbs as root agents without a name; looks at most every `everyMs`. */
async function nameCallers(host: SpendHost, everyMs: number): Promise<void> {
  const now = host.now();
  for (const caller of readRootAgents(host.profile).unnamed) {
    const calls = caller.calls.filter(({ at }) => now - at < CALL_SOUGHT_MS);
    const due = now - (caller.tried_at ?? calls[0]?.at ?? now) >= everyMs;
    if (calls.length > 0 && due) {
      const candidates = caller.cli === "gemini"
        ? geminiCandidates(calls, caller.records)
        : await findCandidates(calls, caller.records, host);
      const found = sessionsOfCalls(calls, candidates);
      await noteFound(host.profile, caller, new Map(calls.map(({ at }, n) => [at, found[n]])), now);
    } else if (now - caller.noted_at > ROOT_KEPT_MS) await noteFound(host.profile, caller, new Map(), now);
  }
}

/** Turns calls whose session was found into sessions; a caller that is long gone is forgotten. */
async function noteFound(
  profile: Profile,
  { cli, pid, records }: UnnamedCaller,
  found: ReadonlyMap<number, string | undefined>,
  now: number,
): Promise<void> {
  await withLock(rootLock(profile), () => {
    const { sessions, unnamed } = readRootAgents(profile);
    const known = new Set(sessions.map(({ id }) => id));
    const ids = new Set([...found.values()].filter((id) => id !== undefined && !known.has(id)) as string[]);
    const fresh = [...ids].map((id): RootSession => ({
      cli,
      id,
      records,
      seen_at: Math.min(...[...found].filter(([, one]) => one === id).map(([at]) => at)),
      counted: { tokens: { ...NO_TOKENS }, usd: 0 },
    }));
    writeRootAgents(profile, {
      sessions: [...sessions, ...fresh],
      unnamed: unnamed.filter((one) => now - one.noted_at <= ROOT_KEPT_MS).map((one) =>
        one.cli === cli && one.pid === pid && one.records === records
          ? { ...one, tried_at: now, calls: one.calls.filter(({ at }) => found.get(at) === undefined) }
          : one
      ),
    });
  });
}

/** When a session's record was last written, unix ms, or undefined. */
function lastTouched(session: AgentSession): number | undefined {
  const times = recordFiles(session).map((file) => statOf(file)?.mtime?.getTime() ?? 0);
  return times.length === 0 ? undefined : Math.max(...times);
}

function rootRow(
  host: SpendHost,
  session: RootSession,
  recorded: Recorded,
  prices: Prices,
): RootSession["pending"] {
  const price = (model: string, tokens: Tokens) => priceOf(prices, session.cli, model, tokens);
  // In a session that continues, a reply without tokens is one whose tool call is still running.
  const { unrecorded: _running, ...finished } = recorded;
  const delta = deltaOf(finished, session.counted, price);
  if (total(delta.tokens) === 0 && (delta.usd ?? 0) === 0) return undefined;
  const gen = `${session.id}/${total(session.counted.tokens)}`;
  const row = rowOf(delta, { id: ROOT_ID, runner: session.cli, gen, tsMs: host.now() });
  return { line: formatRow(row), counted: addCounted(session.counted, delta) };
}

/** The spender named in a root agent's row of the ledger. */
const ROOT_ID = "root";

async function appendRoot(
  profile: Profile,
  seen: RootSession,
  next: RootSession["pending"],
  now: number,
): Promise<void> {
  await withLock(rootLock(profile), () => {
    const session = readRootSessions(profile).find((one) => one.cli === seen.cli && one.id === seen.id);
    if (session === undefined) return;
    // Another process has counted in the meantime: the record read here is outdated.
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
