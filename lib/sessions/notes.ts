/**
 * The processes of a worker's tree, noted at each beat: `sessions/<id>/noted`.
 *
 * A process that has left the agent's session, lost its parent and shows no mark can only be found by these notes
 * when the worker ends: `process/run_notes.ts` says which those are on macOS; `env -i` makes them anywhere.
 */
import type { Identity } from "../process/identity.ts";
import { findTrees, type TreeSpec } from "../process/tree.ts";
import type { Profile } from "../paths.ts";
import { readNotes, writeNotes } from "../records/notes.ts";
import { type Session, sessionMarks } from "./session.ts";

/** The parts of a session that lead to its processes. */
interface Run {
  gen: string;
  dir: string;
  program?: Identity | undefined;
}

function notesPath(dir: string): string {
  return `${dir}/noted`;
}

/** The ways to recognize a session's processes: the agent's first process, the marks, and the notes. */
export function treeOf(
  profile: Profile,
  id: string,
  { gen, dir, program }: Run,
): Pick<TreeSpec, "roots" | "marks" | "noted"> {
  const noted = readNotes(notesPath(dir));
  return {
    roots: program === undefined ? [] : [program],
    marks: sessionMarks(profile, id, gen),
    ...(noted === undefined ? {} : { noted }),
  };
}

/** Whether any process of a session's tree runs; also true when that cannot be determined. */
export async function hasProcesses(
  profile: Profile,
  id: string,
  session: Run,
): Promise<boolean> {
  const found = await findTrees([treeOf(profile, id, session)]);
  return found === undefined || (found.members[0] ?? []).length > 0;
}

/** Whether the agent of a lost session is still running: its supervisor is gone, but that does not end the agent. */
export async function runsOn(profile: Profile, session: Session): Promise<boolean> {
  const { view, isAnothers } = session;
  return view.state === "lost" && view.host === undefined && !isAnothers &&
    await hasProcesses(profile, session.view.id, session);
}

/** Notes the processes of these living sessions' trees now. One look serves them all. */
export async function noteTrees(profile: Profile, sessions: readonly Session[]): Promise<void> {
  const here = sessions.filter(({ view, host, program }) =>
    view.alive && host === undefined && program !== undefined
  );
  if (here.length === 0) return;
  const found = await findTrees(here.map((session) => treeOf(profile, session.view.id, session)));
  if (found === undefined) return;
  here.forEach(({ dir }, n) =>
    writeNotes(notesPath(dir), { boot: found.boot, members: found.members[n] ?? [] })
  );
}
