/** Alerts about goals on which nobody has made a move for long, each given once per last move. */
import { readActivity } from "../records/journal.ts";
import { isPolicyName } from "../ids.ts";
import type { Profile } from "../paths.ts";
import { listFiles, quietStat, valueOf } from "../store.ts";
import type { Alert } from "../world/world.ts";

/** Alerts about idle goals, and when the next is due, unix ms; Infinity for never. `idleAfterS` 0 turns them off. */
export function goalAlerts(
  profile: Profile,
  idleAfterS: number,
  nowMs: number,
): { alerts: Alert[]; nextAt: number } {
  if (idleAfterS === 0) return { alerts: [], nextAt: Infinity };
  const moves = valueOf(readActivity(profile)) ?? {};
  const goals = listFiles(profile.goals, ".md").map((name) => name.slice(0, -".md".length)).filter(
    isPolicyName,
  )
    .map((id) => ({ id, movedAt: lastMove(profile, moves, id) }));
  const isIdle = ({ movedAt }: { movedAt: number }) => nowMs >= (movedAt + idleAfterS) * 1000;
  return {
    alerts: goals.filter(isIdle).map(({ id, movedAt }) => ({
      kind: "goal_idle",
      id,
      key: `goal_idle/${id}/${movedAt}`,
    })),
    nextAt: Math.min(
      Infinity,
      ...goals.filter((goal) => !isIdle(goal)).map(({ movedAt }) => (movedAt + idleAfterS) * 1000),
    ),
  };
}

/** Unix seconds of the last move on a goal: by a verb, or by an editor. */
function lastMove(profile: Profile, moves: Readonly<Record<string, number>>, id: string): number {
  const byVerb = Object.hasOwn(moves, id) ? moves[id] ?? 0 : 0;
  const written = (quietStat(`${profile.goals}/${id}.md`)?.mtime?.getTime() ?? 0) / 1000;
  return Math.max(byVerb, Math.floor(written));
}
