/** Room for one more worker: the limits of config.json, kept exactly however many start at once. */
import { type Config, readConfig } from "../records/config.ts";
import { UserError } from "../errors.ts";
import type { Profile } from "../paths.ts";
import { readFleet, type Session } from "../sessions/session.ts";
import { acquireLock } from "../store.ts";

/** The surroundings of a start: profile, clock and the limits that apply. */
export interface RoomHost {
  profile: Profile;
  /** The current time, unix ms. */
  now(): number;
}

/** Longest wait of a start for the starts before it, ms. */
const WAIT_MS = 60_000;

/**
 * Runs `open`, which makes the session of worker `id`, when there is room for it. Starts to which a limit applies
 * take turns, so that each counts the ones before.
 *
 * @throws {UserError} when a limit is reached.
 */
export async function withRoom(
  host: RoomHost,
  id: string,
  hostName: string | undefined,
  open: () => Promise<void>,
): Promise<void> {
  const { profile } = host;
  const { config } = readConfig(profile.config);
  if (limitsOf(config, hostName).length === 0) return await open();
  const lock = await acquireLock(`${profile.lockDir}/start`, WAIT_MS);
  if (lock === undefined) {
    throw new UserError("Other workers are starting", { next: "try again in a moment", kind: "limit" });
  }
  try {
    const fleet = (await readFleet(profile, host.now())).filter(({ view }) => view.alive && view.id !== id);
    for (const limit of limitsOf(config, hostName)) requireRoom(fleet, limit);
    await open();
  } finally {
    lock.close();
  }
}

interface Limit {
  what: string;
  key: string;
  most: number;
  counts(session: Session): boolean;
}

function limitsOf(config: Config, hostName: string | undefined): Limit[] {
  const all = { what: "The profile", key: "max_workers", most: config.max_workers, counts: () => true };
  const onHost = {
    what: `Host "${hostName}"`,
    key: `hosts.${hostName}.max_workers`,
    most: hostName === undefined ? 0 : config.hosts[hostName]?.max_workers ?? 0,
    counts: (session: Session) => session.host === hostName,
  };
  return [all, onHost].filter(({ most }) => most > 0);
}

function requireRoom(fleet: readonly Session[], { what, key, most, counts }: Limit): void {
  const alive = fleet.filter(counts).length;
  if (alive < most) return;
  throw new UserError(
    `${what} has ${alive} worker${alive === 1 ? "" : "s"} alive, as many as it may (max_workers ${most})`,
    {
      next: `wait until one ends, or raise ${key} in config.json`,
      kind: "limit",
    },
  );
}
