/** A move: what a mutating verb leaves behind besides its own file. */
import { appendEvent, appendJournal, readActivity } from "./journal.ts";
import type { Profile } from "../paths.ts";
import { replaceFile, touchFile, withLockSync } from "../store.ts";

/** Who makes a move, as the records name them. */
export interface Mark {
  /** In events, answers and `changes.by`. */
  by: string;
  /** In the journal. */
  label: string;
  /** The cursor that is theirs alone. */
  observer: string;
}

/** Where, when and by whom a move is made; a verb's context has all of it. */
export interface Mover {
  profile: Profile;
  /** The text of `--journal`, which replaces the verb's own. */
  journalText: string | undefined;
  readonly caller: Mark;
  /** Unix ms. */
  now(): number;
}

/** Journals a move (`--journal` overrides the text) and pokes the pulse. */
export function recordMove(mover: Mover, text: string): void {
  journalAs(mover, mover.journalText ?? text);
  poke(mover.profile);
}

/** Journals a text under the name of whoever calls. */
export function journalAs({ profile, caller, now }: Omit<Mover, "journalText">, text: string): void {
  appendJournal(profile, text, new Date(now()), caller.label);
}

/** Appends a lifecycle event under the name of whoever calls. */
export function eventAs(
  { profile, caller, now }: Omit<Mover, "journalText">,
  event: string,
  fields: Record<string, unknown>,
): void {
  appendEvent(profile, event, { ...fields, by: caller.by }, new Date(now()));
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
