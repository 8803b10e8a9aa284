/** The surroundings of a pulse, and how its parts write into its log. */
import type { ParseCall } from "../calls/carry.ts";
import type { Config } from "../records/config.ts";
import { formatLog, type LogLevel } from "./log.ts";
import type { Profile } from "../paths.ts";
import type { Identity } from "../process/identity.ts";
import type { Session } from "../sessions/session.ts";
import type { BadFile } from "../store.ts";
import type { Alert } from "../world/world.ts";

/** The surroundings of one pulse. */
export interface PulseHost {
  profile: Profile;
  identity: Identity;
  version: string;
  /** One executable path that starts looop, for sensors. */
  bin: string;
  /** The binary whose replacement is an upgrade; "" where deno runs looop. */
  exe: string;
  env: Readonly<Record<string, string>>;
  jsonLog: boolean;
  log(line: string): void;
  /** The current time, unix ms. */
  now(): number;
  /** Fires when the pulse is to stop. */
  stop: AbortSignal;
  /** Parses the calls that workers on other machines have made. */
  parse: ParseCall;
  /** Whether the single-instance lock is still ours: a data dir that was replaced may have another pulse. */
  holdsLock(): boolean;
}

/** The findings of upkeep that the world is to show. */
export interface UpkeepFindings {
  alerts: Alert[];
  bad: BadFile[];
}

/**
 * Upkeep that needs more than the pulse's own parts: called once a beat with the current fleet. `keepsAll`: nothing is
 * removed for its age, as the clock may be wrong.
 */
export interface PulseUpkeep {
  (
    host: PulseHost,
    config: Config,
    sessions: readonly Session[],
    keepsAll: boolean,
  ): Promise<UpkeepFindings>;
}

/** Writes one line into the pulse's log. */
export function say(
  host: Pick<PulseHost, "jsonLog" | "log" | "now">,
  level: LogLevel,
  event: string,
  msg: string,
  fields: Record<string, unknown> = {},
): void {
  host.log(formatLog(host.jsonLog, new Date(host.now()), level, event, msg, fields));
}
