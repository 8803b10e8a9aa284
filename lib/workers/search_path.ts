/**
 * Where a worker's program is looked for: along the caller's PATH, then along the pulse's. Some agents' shells reset
 * PATH, so that a root agent may see less of the machine than the person who started the pulse.
 */
import type { Profile } from "../paths.ts";
import { readPulse } from "../world/pulse_record.ts";

type Env = Readonly<Record<string, string>>;

/** The PATH along which programs are looked for and with which workers start. */
export function searchPath(profile: Profile, env: Env): string {
  const dirs = [env["PATH"] ?? "", readPulse(profile)?.path ?? ""].flatMap((path) => path.split(":"));
  return [...new Set(dirs)].filter((dir) => dir !== "").join(":");
}

/** The search path in words, for the message that a program was not found. */
export function describeSearch(profile: Profile, env: Env): string {
  const own = env["PATH"] ?? "";
  const pulses = readPulse(profile)?.path ?? "";
  return `looked along PATH ${own || "(empty)"}${
    pulses === "" || pulses === own ? "" : ` and the pulse's ${pulses}`
  }`;
}
