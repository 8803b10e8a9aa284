/** A move: what a mutating verb leaves behind besides its own file. */
import { appendJournal, readActivity } from "./journal.ts";
import type { Profile } from "../paths.ts";
import { poke } from "./poke.ts";
import { replaceFile, withLockSync } from "../store.ts";
import type { Context } from "../cli/verb.ts";

/** Journals a move (`--journal` overrides the text) and pokes the pulse. */
export function recordMove(context: Context, text: string): void {
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
