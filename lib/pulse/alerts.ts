/** What the root agent is told once of a worker: that it never began, or that it has gone silent. */
import { readAgent } from "../agents/agent_session.ts";
import type { Config } from "../records/config.ts";
import { readMailbox } from "../records/mailbox.ts";
import { screenOf } from "./screen.ts";
import type { PulseHost } from "./host.ts";
import type { Session } from "../sessions/session.ts";
import { statOf } from "../store.ts";
import type { Alert } from "../world/world.ts";

/** What looking needs of the pulse. */
type AlertHost = Pick<PulseHost, "profile" | "bin" | "env" | "now">;

/** Lines of a screen that an alert shows. */
const SCREEN_LINES = 20;

/** Looks at the fleet again and again; remembers who waited for an answer, and when to look next. */
export class WorkerAlerts {
  /** When the next alert is due if nothing changes, unix ms. */
  #deadlines: number[] = [];

  /** Generations of sessions that waited for an answer when last looked at. */
  readonly #asking = new Set<string>();
  /** Generation → when it was first seen with nothing to wait for again, unix ms. */
  readonly #answeredAt = new Map<string, number>();

  /** Workers that did not begin, and workers that have gone silent: told once each. */
  async look(
    host: AlertHost,
    sessions: readonly Session[],
    config: Pick<Config, "ready_timeout" | "silent_after">,
    told: readonly Alert[],
  ): Promise<Alert[]> {
    const { profile } = host;
    const now = host.now();
    const { ready_timeout, silent_after } = config;
    const alerts: Alert[] = [];
    this.#deadlines = [];
    const asking = new Set(
      sessions.some((session) => session.view.alive)
        ? readMailbox(profile).pending.map((ask) => ask.worker)
        : [],
    );
    for (const session of sessions) {
      const { view } = session;
      if (!view.alive) continue;
      if (session.deadline !== undefined) this.#deadlines.push(session.deadline * 1000);
      const readyBy = (session.startedAt + ready_timeout) * 1000;
      if (!view.ready && now >= readyBy) {
        alerts.push(await alertOf(host, "not_ready", session, session.gen, told));
      } else if (!view.ready) this.#deadlines.push(readyBy);
      if (asking.has(view.id)) {
        this.#asking.add(session.gen);
        continue;
      }
      // Waiting for an answer is no silence: that begins with the last output or with the end of the asking.
      if (this.#asking.delete(session.gen)) this.#answeredAt.set(session.gen, now);
      const silentMs = silent_after * 1000;
      let quietSince = Math.max(
        session.startedAt * 1000,
        outputStamp(session),
        this.#answeredAt.get(session.gen) ?? 0,
      );
      if (now >= quietSince + silentMs) quietSince = Math.max(quietSince, await recordStamp(session));
      const silentAt = quietSince + silentMs;
      if (now < silentAt) this.#deadlines.push(silentAt);
      else alerts.push(await alertOf(host, "silent", session, `${session.gen}/${quietSince}`, told));
    }
    this.#forget(new Set(sessions.filter(({ view }) => view.alive).map(({ gen }) => gen)));
    return alerts;
  }

  /** A pulse runs for months: of workers that have ended nothing is remembered. */
  #forget(alive: ReadonlySet<string>): void {
    for (const known of [this.#asking, this.#answeredAt]) {
      for (const gen of known.keys()) if (!alive.has(gen)) known.delete(gen);
    }
  }

  /** Milliseconds until something is due; Infinity when nothing is. */
  msToNext(now: number): number {
    const next = Math.min(Infinity, ...this.#deadlines);
    return next === Infinity ? Infinity : Math.max(50, next - now);
  }
}

/** An alert that was told already keeps the screen that it was told with. */
async function alertOf(
  host: AlertHost,
  kind: Alert["kind"],
  session: Session,
  occurrence: string,
  told: readonly Alert[],
): Promise<Alert> {
  const key = `${kind}/${session.view.id}/${occurrence}`;
  const known = told.find((alert) => alert.key === key);
  return known ??
    { kind, id: session.view.id, key, screen: await screenOf(host, session.view.id, SCREEN_LINES) };
}

function outputStamp(session: Session): number {
  return statOf(`${session.dir}/output.log`)?.mtime?.getTime() ?? 0;
}

/** When the agent last wrote to its own record, unix ms: without a terminal some print nothing before their end. */
async function recordStamp(session: Session): Promise<number> {
  const { recordFiles } = await import("../agents/records.ts");
  // opencode's record is one file for all its sessions: it tells nothing of this one.
  const own = readAgent(session.dir)?.sessions.filter(({ cli, id }) => cli !== "opencode" && id !== "") ?? [];
  return Math.max(0, ...own.flatMap(recordFiles).map((file) => statOf(file)?.mtime?.getTime() ?? 0));
}
