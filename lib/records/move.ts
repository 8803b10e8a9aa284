/** A move: what a mutating verb leaves behind besides its own file. */
import { appendJournal, readActivity } from "./journal.ts";
import type { Profile } from "../paths.ts";
import { replaceFile, touchFile, withLockSync } from "../store.ts";

/** Where and when a move is made; a verb's context has all of it. */
export interface Mover {
  profile: Profile;
  /** The text of `--journal`, which replaces the verb's own. */
  journalText: string | undefined;
  /** Unix ms. */
  now(): number;
}

/** Journals a move (`--journal` overrides the text) and pokes the pulse. */
export function recordMove(context: Mover, text: string): void {
  appendJournal(context.profile, context.journalText ?? text, new Date(context.now()));
  poke(context.profile);
}

/** Notes that a goal or worker was acted on just now. */
export function noteActivity(profile: Profile, id: string, nowMs: number): void {
  // Read and written under a lock: of moves made at once none is forgotten.
  withLockSync(`${profile.lockDir}/activity`, () => {
    const before = readActivity(profile);
    // What does not parse is a person's to mend; ages are a convenience that must not stop a verb.
    if ("bad" in before) return;
    const activity = { ...before.value, [id]: Math.floor(nowMs / 1000) };
    replaceFile(profile.goalActivity, `${JSON.stringify(activity, null, 2)}\n`);
  });
}

/** Touches `.poke`. What was done stands without it: a pulse that is not told finds it at its next look. */
export function poke(profile: Profile): void {
  try {
    touchFile(profile.poke);
  } catch {
    // A full disk, or something else in its place: only speed is lost.
  }
}
