/** A move: the traces that a mutating verb leaves besides its own file. */
import { appendEvent, appendJournal, readActivity } from "./journal.ts";
import type { Profile } from "../paths.ts";
import { notWrittenDown } from "../errors.ts";
import { replaceFile, touchFile, valueOf, withLockSync } from "../store.ts";

/** The maker of a move, as the records name it. */
export interface Mark {
  /** Name in events, answers and `changes.by`. */
  by: string;
  /** Name in the journal. */
  label: string;
  /** The maker's own cursor. */
  observer: string;
}

/** Where, when and by whom a move is made; part of every verb's context. */
export interface Mover {
  profile: Profile;
  /** The text of `--journal`, which replaces the verb's own. */
  journalText: string | undefined;
  readonly caller: Mark;
  /** Unix ms. */
  now(): number;
}

/**
 * Journals a move (`--journal` overrides the text), notes the goals or workers that it acted on, and pokes the pulse.
 *
 * @throws {UserError} that says that the move was made all the same, as on a full disk.
 */
export function recordMove(mover: Mover, text: string, actedOn: readonly string[] = []): void {
  try {
    for (const id of actedOn) noteActivity(mover.profile, id, mover.now());
    journalAs(mover, mover.journalText ?? text);
  } catch (error) {
    throw notWrittenDown(`"${text}" was done`, error as Error);
  } finally {
    poke(mover.profile);
  }
}

/** Journals a text under the caller's name. */
export function journalAs({ profile, caller, now }: Omit<Mover, "journalText">, text: string): void {
  appendJournal(profile, text, new Date(now()), caller.label);
}

/** Appends a lifecycle event under the caller's name. */
export function eventAs(
  { profile, caller, now }: Omit<Mover, "journalText">,
  event: string,
  fields: Record<string, unknown>,
): void {
  appendEvent(profile, event, { ...fields, by: caller.by }, new Date(now()));
}

/** Records that a goal or worker was acted on just now. */
export function noteActivity(profile: Profile, id: string, nowMs: number): void {
  changeActivity(profile, (before) => ({ ...before, [id]: Math.floor(nowMs / 1000) }));
}

/** Forgets the last moves on what `isKept` does not know; returns how many. */
export function forgetActivity(profile: Profile, isKept: (id: string, unixS: number) => boolean): number {
  const gone = Object.entries(valueOf(readActivity(profile)) ?? {}).filter(([id, at]) => !isKept(id, at));
  if (gone.length === 0) return 0;
  changeActivity(
    profile,
    (before) => Object.fromEntries(Object.entries(before).filter(([id, at]) => isKept(id, at))),
  );
  return gone.length;
}

function changeActivity(
  profile: Profile,
  change: (before: Record<string, number>) => Record<string, number>,
): void {
  // Read and written under a lock, so that simultaneous moves are all kept.
  withLockSync(`${profile.lockDir}/activity`, () => {
    const before = readActivity(profile);
    // A file that does not parse is for a person to fix; ages are a convenience that must not stop a verb.
    if ("bad" in before) return;
    replaceFile(profile.goalActivity, `${JSON.stringify(change(before.value), null, 2)}\n`);
  });
}

/** Touches `.poke`. A failure costs only time: a pulse that is not poked finds the change at its next look. */
export function poke(profile: Profile): void {
  try {
    touchFile(profile.poke);
  } catch {
    // A full disk, or something else in its place: only speed is lost.
  }
}
