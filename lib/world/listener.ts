/** Whether a root agent listens: the reader that waits, else the one that called last. */
import { cursorPath, listObservers, readCursorFile } from "./cursor_file.ts";
import type { Profile } from "../paths.ts";
import { aliveOf, identityIn } from "../process/identity.ts";
import { HAND } from "../sessions/caller.ts";
import { quietStat } from "../store.ts";

/** A root agent as `status` shows it. */
export interface Listener {
  observer: string;
  agent: string;
  session: string;
  /** ISO time of its first call. */
  since: string;
  /** Whether it is blocked in a wait now. */
  blocked: boolean;
  last_call_s: number;
}

/** Time without a call after which a reader no longer counts as listening, ms. */
const PRESENT_MS = 1_800_000;

/** The agent that called last, and when, unix ms; undefined when none ever has. Looks once at each cursor. */
export function lastCall(profile: Profile): { observer: string; at: number } | undefined {
  const calls = listObservers(profile).filter((observer) => observer !== HAND.observer).map((observer) => ({
    observer,
    at: quietStat(cursorPath(profile, observer))?.mtime?.getTime() ?? 0,
  }));
  return calls.sort((a, b) => b.at - a.at)[0];
}

/** Whether a wait of this reader blocks now. */
export async function isBlocked(profile: Profile, observer: string): Promise<boolean> {
  const waiting = readCursorFile(cursorPath(profile, observer))?.waiting;
  return waiting !== undefined && (await aliveOf([identityIn({ ...waiting })])).size > 0;
}

/**
 * The root agent that listens, or null; a person does not count.
 *
 * @param trustMs As in `aliveOf`: for a caller that looks again and again.
 */
export async function readListener(profile: Profile, nowMs: number, trustMs = 0): Promise<Listener | null> {
  const readers = listObservers(profile).flatMap((observer) => {
    const path = cursorPath(profile, observer);
    const file = readCursorFile(path);
    if (file === undefined || file.reader.agent === "") return [];
    return [{ observer, file, calledAt: quietStat(path)?.mtime?.getTime() ?? 0 }];
  });
  const waits = readers.flatMap(({ file }) =>
    file.waiting === undefined ? [] : [identityIn({ ...file.waiting })]
  );
  const alive = new Set([...await aliveOf(waits, trustMs)].map(({ pid, start }) => `${pid}/${start}`));
  const listeners = readers.map(({ observer, file, calledAt }): Listener => {
    const { reader, waiting } = file;
    const blocked = waiting !== undefined && alive.has(`${waiting.pid}/${waiting.start}`);
    return {
      observer,
      agent: reader.agent,
      session: reader.session,
      since: new Date(reader.since).toISOString().replace(/\.\d+Z$/, "Z"),
      blocked,
      last_call_s: blocked ? 0 : Math.max(0, Math.floor((nowMs - calledAt) / 1000)),
    };
  });
  const [first] = listeners.sort((a, b) => a.last_call_s - b.last_call_s);
  return first !== undefined && first.last_call_s * 1000 <= PRESENT_MS ? first : null;
}
