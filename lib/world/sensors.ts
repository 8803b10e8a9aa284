/** The sensors of a profile: which there are, and the limits each runs under. */
import { numberFrom } from "../records/env.ts";
import { isId } from "../ids.ts";
import type { Profile } from "../paths.ts";
import { parseHeader, type SensorHeader } from "./reading.ts";
import { listEntries, quietText, readLinkedText } from "../store.ts";

const DEFAULT_TIMEOUT_S = 60;
const DEFAULT_MAX_BYTES = 8192;

/** One sensor script on disk. */
export interface SensorFile {
  name: string;
  path: string;
  header: SensorHeader;
}

/** The sensors of a profile by name; scripts may be symbolic links to a repository. */
export function listSensors(profile: Profile): SensorFile[] {
  return listEntries(profile.sensors)
    .filter((entry) =>
      (entry.isFile || entry.isSymlink) && entry.name.endsWith(".sh") && isId(entry.name.slice(0, -3))
    )
    .map((entry) => entry.name.slice(0, -3)).sort()
    .map((name) => {
      const path = `${profile.sensors}/${name}.sh`;
      // One that is unreadable says so in its reading.
      return { name, path, header: parseHeader(quietText(path, readLinkedText) ?? "") };
    });
}

/**
 * Time and size limits of a sensor: header, then environment, then default; 0 in the environment is
 * none. A day is the most: timers hold 24.8 days, and one that is set for longer fires at once.
 */
export function sensorLimits(
  header: SensorHeader,
  env: Readonly<Record<string, string>>,
): { timeoutS: number; maxBytes: number } {
  const day = 86_400;
  const fromEnv = numberFrom(env["LOOOP_SENSOR_TIMEOUT"]) ?? DEFAULT_TIMEOUT_S;
  const maxBytes = numberFrom(env["LOOOP_SENSOR_MAX_BYTES"]) ?? DEFAULT_MAX_BYTES;
  return {
    timeoutS: Math.min(day, header.timeout ?? (fromEnv > 0 ? fromEnv : day)),
    maxBytes: maxBytes > 0 ? maxBytes : 64 * 1024 * 1024,
  };
}
