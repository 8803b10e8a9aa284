/** The pulse's housekeeping at each beat: interrupted moves, unread answers, growing logs, and old files. */
import type { SeenRuns } from "../agents/spend.ts";
import type { Config } from "../records/config.ts";
import type { Session } from "../sessions/session.ts";
import { numberFrom } from "../records/env.ts";
import { expireUnread } from "../records/mailbox.ts";
import { type PulseHost, type PulseUpkeep, say } from "./host.ts";
import { applyRetention, boundOutputs, type RetentionResult } from "./retention.ts";
import { interruptions, reapIntents } from "../records/intents.ts";
import { noteTrees } from "../sessions/notes.ts";
import type { BadFile } from "../store.ts";

/** Interval of a pass through the whole table, ms; it is also made soon after a worker has ended. */
const PASS_EVERY_MS = 3_600_000;
const PASS_AT_MOST_MS = 60_000;

/** The upkeep of a pulse; it remembers its last pass through everything. */
export function makeUpkeep(): PulseUpkeep {
  let lastPass = -Infinity;
  let endedThen = "";
  let badSessions: BadFile[] = [];
  let collecting: Promise<void> | undefined;
  const runs: { seen?: SeenRuns } = {};
  return async (host, config, sessions, keepsAll) => {
    const { profile } = host;
    const now = host.now();
    const ttlS = numberFrom(host.env["LOOOP_SESSION_TTL"]) ?? config.session_ttl;
    const alive = sessions.filter((session) => session.view.alive).map((session) => session.view.id);
    const ended = sessions.filter((session) => !session.view.alive).map((session) => session.gen).join(" ");
    const bad: BadFile[] = [];
    // A folder that cannot be tidied must not stop the sensing: it is reported, and the next beat tries again.
    const attempt = async (path: string, work: () => Promise<void>) => {
      await work().catch((error) => bad.push({ path, reason: (error as Error).message }));
    };
    await attempt(profile.wal, async () => {
      const reaped = await reapIntents(profile, now);
      bad.push(...reaped.bad);
      for (const { kind, what } of reaped.interrupted) {
        say(host, "info", "tick.interrupted", `${kind} was interrupted: ${what}`, { action: kind });
      }
    });
    await attempt(
      profile.answers,
      () => expireUnread(profile, ttlS, (worker) => alive.includes(worker), now),
    );
    await attempt(profile.sessions, () => noteTrees(profile, sessions));
    await attempt(profile.sessions, async () => {
      boundOutputs(profile, alive);
      if (keepsAll || !isPassDue(lastPass, now, ended !== endedThen)) return;
      lastPass = now;
      endedThen = ended;
      const result = await applyRetention(profile, ttlS, now, sessions);
      badSessions = result.bad;
      tellRemoved(host, result);
    });
    await attempt(profile.cost, async () => {
      collecting ??= collect(host, config, sessions, runs).finally(() => collecting = undefined);
      // One agent's records may take a minute to answer: the beat continues meanwhile.
      const patience = Promise.withResolvers<void>();
      const timer = setTimeout(patience.resolve, COLLECT_PATIENCE_MS);
      await Promise.race([collecting, patience.promise]).finally(() => clearTimeout(timer));
    });
    const alerts = interruptions(profile).map(({ id, text }) => ({
      kind: "interrupted" as const,
      id,
      key: `interrupted/${id}`,
      screen: [text],
    }));
    return { alerts, bad: [...bad, ...badSessions] };
  };
}

/** Time that a beat waits for agents' records of their spend, ms. */
const COLLECT_PATIENCE_MS = 2_000;

/** Puts agents' recorded spend into the ledger, and finds the sessions of agents that were not given an id. */
async function collect(
  host: PulseHost,
  config: Config,
  sessions: readonly Session[],
  runs: { seen?: SeenRuns },
): Promise<void> {
  const { collectRuns, findLiveSessions, LOOKED_FOR_MS, SeenRuns } = await import("../agents/spend.ts");
  const { collectRoots, ROOT_ROW_EVERY_MS } = await import("../agents/root_spend.ts");
  const { NotAnswered } = await import("../agents/opencode.ts");
  try {
    const seen = runs.seen ??= new SeenRuns(host.profile);
    await collectRuns(host, config.prices, { maxAgeMs: LOOKED_FOR_MS, known: { sessions, seen } });
    await collectRoots(host, config.prices, ROOT_ROW_EVERY_MS);
    const running = sessions.filter(({ view }) => view.alive).map(({ view, dir }) => ({ id: view.id, dir }));
    await findLiveSessions(host, running);
  } catch (error) {
    if (!(error instanceof NotAnswered)) throw error; // the next beat tries again
  }
}

/** Whether the whole pass is due; a clock that was set back makes it due. Pure. */
export function isPassDue(lastMs: number, nowMs: number, somethingEnded: boolean): boolean {
  const since = Math.abs(nowMs - lastMs);
  return since >= (somethingEnded ? PASS_AT_MOST_MS : PASS_EVERY_MS);
}

function tellRemoved(host: PulseHost, { removed }: RetentionResult): void {
  if (removed.length === 0) return;
  say(
    host,
    "info",
    "sessions.removed",
    `removed ${removed.length} ended session${removed.length === 1 ? "" : "s"}`,
    {
      removed: removed.length,
    },
  );
}
