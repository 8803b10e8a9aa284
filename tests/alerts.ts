/** Helpers for tests of alerts: a pulse that raises them within seconds, and waits for one of them. */
import type { TestProfile } from "./looop.ts";

/** Starts the pulse with this config. */
export async function up(p: TestProfile, config: Record<string, unknown>): Promise<void> {
  await Deno.mkdir(p.profile.dir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, JSON.stringify(config));
  await p.ok("up");
  await p.wait();
}

/** Starts a worker. */
export async function start(p: TestProfile, id: string, brief: string): Promise<void> {
  await p.okCall(["_", "worker", "start", id, "--runner", "shell"], { stdin: brief });
}

/** Reasons that may come before the one that a test waits for. */
const MOST_OTHERS = 50;

/** Waits until a reason of this kind comes; returns that call's output and all reasons so far. */
// deno-lint-ignore no-explicit-any -- tests look into it freely
export async function wokenBy(p: TestProfile, reason: string): Promise<{ woken: any; before: string[] }> {
  const before: string[] = [];
  while (before.length < MOST_OTHERS) {
    const woken = await p.wait("--timeout", "20");
    if (woken.reason?.includes(reason)) return { woken, before };
    if (woken.timed_out) throw new Error(`never woken by ${reason}, but by ${before.join(" ")}`);
    before.push(...woken.reason);
  }
  throw new Error(`not woken by ${reason}, but by ${before.join(" ")}`);
}

/** Beats of the pulse so far. */
export function beats(p: TestProfile): number {
  return JSON.parse(p.read(".world.json")).beat;
}

/** Waits for a number of beats. */
export async function passBeats(p: TestProfile, count: number): Promise<void> {
  const from = beats(p);
  await p.until(`${count} beats`, () => beats(p) >= from + count);
}
