/** A world as a short text for people: what `_ state` and `_ wait` print without `--json`. Pure. */
import type { Changes } from "../world/observer.ts";
import type { Snapshot } from "../world/state.ts";
import { sanitizeLine } from "../text/style.ts";

/** The short text. */
export function summaryOf(
  snapshot: Snapshot,
  reasons: readonly string[] = [],
  changes: Changes = {},
): string {
  const { asks, workers, world, pulse, bad } = snapshot;
  const alive = workers.filter((worker) => worker.alive).length;
  const lines = [
    ...(reasons.length > 0 ? [`woken by: ${sanitizeLine(reasons.join(", "))}`] : []),
    `asks: ${asks.length}  ·  workers: ${alive}  ·  goals: ${Object.keys(world.goals).length}  ·  pulse: ${
      pulseWord(pulse)
    }`,
    ...asks.map((ask) => `  ⚑ ${ask.id} (${ask.worker}): ${sanitizeLine(ask.prompt)}`),
    ...(changes.workers ?? []).map((worker) =>
      `  worker ${worker.id}: ${worker.from ?? "new"} → ${worker.to}`
    ),
    ...Object.keys(changes.signals ?? {}).map((name) => `  signal ${name} changed`),
    ...world.flapping.map((name) => `  ! ${name} flaps: its changes do not wake`),
    ...bad.map((file) => `  ! ${sanitizeLine(file.path)} cannot be read: ${sanitizeLine(file.reason)}`),
  ];
  return lines.join("\n");
}

function pulseWord(pulse: { alive: boolean; wanted: boolean; stalled: boolean }): string {
  if (pulse.stalled) return "stalled";
  if (pulse.alive) return "alive";
  return pulse.wanted ? "DEAD" : "stopped";
}
