/**
 * Who belongs to a worker's tree, noted at each beat: `sessions/<id>/noted`.
 *
 * A process that has left the agent's session, lost its parent and shows no mark is found by nothing else when the
 * worker ends: `process/run_notes.ts` says which those are on macOS, `env -i` makes them anywhere.
 */
import { findTrees, type TreeNotes, type TreeSpec } from "../process/tree.ts";
import type { Profile } from "../paths.ts";
import { quietText, replaceFile } from "../store.ts";
import { type Session, sessionMarks } from "./session.ts";

/** What was noted of a session's tree; undefined when nothing was. */
export function readNotes(dir: string): TreeNotes | undefined {
  const [boot = "", ...lines] = (quietText(`${dir}/noted`) ?? "").split("\n");
  const members = lines.map((line) => /^(\d+) (.+)$/.exec(line)).filter((match) => match !== null)
    .map(([, pid, start = ""]) => ({ pid: Number(pid), start }));
  return boot === "" || members.length === 0 ? undefined : { boot, members };
}

/** By what the processes of a session are known: the agent's first one, the marks, and the notes. */
export function treeOf(
  profile: Profile,
  { view, gen, dir, program }: Session,
): Pick<TreeSpec, "roots" | "marks" | "noted"> {
  const noted = readNotes(dir);
  return {
    roots: program === undefined ? [] : [program],
    marks: sessionMarks(profile, view.id, gen),
    ...(noted === undefined ? {} : { noted }),
  };
}

/** Notes who belongs to the trees of these living sessions now. One look serves them all. */
export async function noteTrees(profile: Profile, sessions: readonly Session[]): Promise<void> {
  const here = sessions.filter(({ view, host, program }) =>
    view.alive && host === undefined && program !== undefined
  );
  if (here.length === 0) return;
  const found = await findTrees(here.map((session) => treeOf(profile, session)));
  here.forEach(({ dir }, n) =>
    writeNotes(dir, { boot: found?.boot ?? "", members: found?.members[n] ?? [] })
  );
}

function writeNotes(dir: string, { boot, members }: TreeNotes): void {
  if (boot === "") return;
  const text = [boot, ...members.map(({ pid, start }) => `${pid} ${start}`)].join("\n");
  if (quietText(`${dir}/noted`) !== text) replaceFile(`${dir}/noted`, text, { durable: false });
}
