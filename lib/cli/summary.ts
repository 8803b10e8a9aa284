/** A world as a short text for people: what `_ state` and `_ wait` print without `--json`. Pure. */
import type { News } from "../world/news.ts";
import { pulseWord } from "../world/observer.ts";
import type { Snapshot } from "../world/state.ts";
import type { WorkerView } from "../sessions/session.ts";
import { verdictWords } from "../sessions/verdict.ts";
import { schedulesDue } from "../world/world.ts";
import { sanitizeLine } from "../text/style.ts";
import { isoSeconds } from "../text/time.ts";

/** Number of next reminders that are shown. */
const MAX_SCHEDULES = 3;

/** The short text, together with the reasons for a wake and everything else that is new. */
export function summaryOf(
  snapshot: Snapshot,
  reasons: readonly string[] = [],
  news: readonly News[] = [],
): string {
  const { asks, workers, world, bad } = snapshot;
  const alive = workers.filter((worker) => worker.alive).length;
  const parts = [
    `asks: ${asks.length}`,
    `workers: ${alive}`,
    `goals: ${Object.keys(world.goals).length}`,
    `pulse: ${PULSE_NAMES[pulseWord(snapshot)]}`,
  ];
  const lines = [
    ...(reasons.length > 0 ? [`woken by: ${sanitizeLine(reasons.join(", "))}`] : []),
    parts.join("  ·  "),
    ...asks.map((ask) => `  ⚑ ${ask.id} (${ask.worker}): ${sanitizeLine(ask.prompt)}`),
    ...news.flatMap(newsLine),
    ...schedulesDue(world).slice(0, MAX_SCHEDULES).map(({ id, next }) =>
      `  ⏰ ${id} is due at ${isoSeconds(next)}`
    ),
    ...world.flapping.map((name) => `  ! ${name} flaps: its changes do not wake`),
    ...bad.map((file) => `  ! ${sanitizeLine(file.path)} cannot be read: ${sanitizeLine(file.reason)}`),
  ];
  return lines.join("\n");
}

const PULSE_NAMES = {
  alive: "alive",
  failing: "stalled",
  stalled: "stalled",
  down: "DEAD",
  stopped: "stopped",
} as const;

function newsLine({ reason, item, forms }: News): string[] {
  if (item.part === "signals") return [`  signal ${item.key} changed`];
  if (item.part === "schedules") {
    const { text = "" } = forms[0] as { text?: string };
    return [`  ⏰ ${item.key}: ${sanitizeLine(text)}`];
  }
  if (item.part !== "workers") return [];
  const { from, to, verify } = forms.at(-1) as Pick<WorkerView, "verify"> & {
    from: string | null;
    to: string;
  };
  const verdict = verify === undefined ? "" : `, ${verdictWords(verify)}`;
  return [`  ${reason.replace(":", " ")}: ${from ?? "new"} → ${to}${verdict}`];
}
