/**
 * Alerts about other machines, each given to the root agent once: one with workers is no longer heard, or is heard
 * again.
 */
import type { Profile } from "../paths.ts";
import type { Config } from "../records/config.ts";
import { type HostRecord, readHost, unreachableS } from "../records/hosts.ts";
import type { Session } from "../sessions/session.ts";
import type { Alert } from "../world/world.ts";

/** Alerts about the machines on which workers live, and ms until the next is due (Infinity for none). */
export function hostAlerts(
  profile: Profile,
  sessions: readonly Session[],
  { host_silent_after }: Pick<Config, "host_silent_after">,
  told: readonly Alert[],
  nowMs: number,
): { alerts: Alert[]; nextMs: number } {
  const alerts: Alert[] = [];
  let nextMs = Infinity;
  const names = new Set(sessions.flatMap(({ host, view }) => host !== undefined && view.alive ? [host] : []));
  for (const name of host_silent_after > 0 ? names : []) {
    const record = readHost(profile, name);
    const silence = unreachableS(record, nowMs);
    const before = told.find((alert) => alert.kind === "host" && alert.id === name);
    if (record !== undefined && silence !== undefined && silence >= host_silent_after) {
      alerts.push(before !== undefined && isLost(before) ? before : lost(record, silence));
    } else if (silence !== undefined) {
      nextMs = Math.min(nextMs, (host_silent_after - silence) * 1000);
      if (before !== undefined) alerts.push(before);
    } else if (before !== undefined) alerts.push(isLost(before) ? back(name, nowMs) : before);
  }
  return { alerts, nextMs };
}

function isLost({ key }: Alert): boolean {
  return key.startsWith("host/") && key.includes("/lost/");
}

function lost({ name, seen, since, error }: HostRecord, silence: number): Alert {
  const why = error === "" ? "" : `: ${error}`;
  return {
    kind: "host",
    id: name,
    key: `host/${name}/lost/${seen || since}`,
    screen: [`not heard for ${silence} s${why}`],
  };
}

function back(name: string, nowMs: number): Alert {
  return { kind: "host", id: name, key: `host/${name}/back/${nowMs}`, screen: ["heard again"] };
}
