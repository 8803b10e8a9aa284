/** The effects of a worker's calls, the same when its own process makes them and when the link to its host does. */
import { isId } from "../ids.ts";
import { formatRow } from "../agents/cost_row.ts";
import type { Profile } from "../paths.ts";
import { type Mover, poke, recordMove } from "../records/move.ts";
import { acquireLease, releaseLease } from "../sessions/lease.ts";
import { markReady, readMeta, unknownWorker } from "../sessions/run_files.ts";
import { appendLine, readTail, withLockSync } from "../store.ts";

/** `_ claim`: takes the lease `name`; returns the text to print. @throws {UserError} when another holds it. */
export async function claim(mover: Mover, name: string, session: string): Promise<string> {
  const outcome = await acquireLease(mover.profile, name, session, mover.now());
  markReady(mover.profile, session);
  if (outcome === "held") return `claimed ${name} (held already)`;
  const how = outcome === "taken_over" ? ", taken over from an ended session" : "";
  recordMove(mover, `claim ${name}: ${session}${how}`);
  return `claimed ${name}`;
}

/** `_ unclaim`: gives the lease `name` back; returns the text to print. @throws {UserError} when another holds it. */
export async function unclaim(mover: Mover, name: string, session: string): Promise<string> {
  const released = await releaseLease(mover.profile, name, session, mover.now());
  markReady(mover.profile, session);
  if (!released) return `${name} was not claimed`;
  recordMove(mover, `unclaim ${name}: ${session}`);
  return `unclaimed ${name}`;
}

/**
 * `_ ready`: records that the worker has begun; returns the text to print. @throws {UserError} when there is no such
 * worker.
 */
export function ready(profile: Profile, id: string): string {
  if (readMeta(profile, id) === undefined) throw unknownWorker(id);
  markReady(profile, id);
  poke(profile);
  return `ready ${id}`;
}

/** A worker's report of its own spend. */
export interface Spent {
  kind: string;
  id: string;
  runner: string;
  costUsd: number;
  /** Id of the call, where the same one may be delivered twice. */
  call?: string;
  /** The machine on which the worker runs, when it is another one. */
  host?: string;
}

/** Length of the ledger's end in which a call is looked for that may already be there, bytes. */
const RECENT_BYTES = 256 * 1024;

/** `_ cost`: adds to the ledger, once for each `call`; returns the text to print. */
export function cost({ profile, now }: Pick<Mover, "profile" | "now">, spent: Spent): string {
  const append = () => appendLine(profile.cost, formatRow({ tsMs: now(), ...spent }));
  if (spent.call === undefined) append();
  else {
    const key = `"call":${JSON.stringify(spent.call)}`;
    // Two processes may carry out the same call at once. The ledger is never rotated, as sums are taken over all of it.
    withLockSync(`${profile.lockDir}/cost`, () => {
      if (!readTail(profile.cost, RECENT_BYTES).includes(key)) append();
    });
  }
  // Any text is accepted as an id, but only a worker's id names a folder.
  if (isId(spent.id)) markReady(profile, spent.id);
  poke(profile);
  return `cost ${spent.id}: $${spent.costUsd}`;
}
