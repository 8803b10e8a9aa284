/** The published world, read from its file: cheaper than `_ state` where a test waits for something. */
import type { TestProfile } from "./looop.ts";

/** The parts of the world that tests wait for. */
export interface Published {
  beat: number;
  // deno-lint-ignore no-explicit-any -- readings are any JSON, and tests look into them freely
  snapshots: Record<string, any>;
  goals: string[];
  flapping: string[];
  bad_files: { path: string; reason: string }[];
}

/** The published world, or an empty one if there is none yet. */
export function published(p: TestProfile): Published {
  let world: Record<string, unknown>;
  try {
    world = JSON.parse(p.read(".world.json"));
  } catch {
    return { beat: 0, snapshots: {}, goals: [], flapping: [], bad_files: [] };
  }
  const readings = Object.entries(world["readings"] as Record<string, { value: unknown }>);
  return {
    beat: world["beat"] as number,
    snapshots: Object.fromEntries(readings.map(([name, reading]) => [name, reading.value])),
    goals: Object.keys(world["goals"] as object),
    flapping: world["flapping"] as string[],
    bad_files: world["bad_files"] as Published["bad_files"],
  };
}

/** The pid that `.pulse.json` names. */
export function pulsePid(p: TestProfile): number {
  return JSON.parse(p.read(".pulse.json")).pid;
}

/** Whether a process has ended; a zombie counts as ended. */
export function isGone(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGURG");
    if (Deno.build.os !== "linux") return false;
    return /^ Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\)/s, ""));
  } catch {
    return true;
  }
}

/** Kills the pulse as a crash would, and waits for its end. */
export async function crashPulse(p: TestProfile): Promise<number> {
  const pid = pulsePid(p);
  Deno.kill(pid, "SIGKILL");
  await p.until("the pulse is dead", () => isGone(pid));
  return pid;
}
