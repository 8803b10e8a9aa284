/** The sensors of a profile, and the limits of each. */
import { numberFrom } from "../records/env.ts";
import { isPolicyName } from "../ids.ts";
import type { Profile } from "../paths.ts";
import { messageOf, parseHeader, type SensorHeader } from "./reading.ts";
import { listEntries, quietStat, quietText, readLinkedText, settledStamp } from "../store.ts";
import { sha256 } from "../text/bytes.ts";
import type { World } from "./world.ts";

const DEFAULT_TIMEOUT_S = 60;
const DEFAULT_MAX_BYTES = 8192;

/** One sensor script on disk. */
export interface SensorFile {
  name: string;
  path: string;
  header: SensorHeader;
}

/** The sensors of a profile, by name; scripts may be symbolic links into a repository. */
export function listSensors(profile: Profile): SensorFile[] {
  return sensorNames(profile).map((name) => {
    const path = sensorPath(profile, name);
    // An unreadable script is reported by its reading.
    return { name, path, header: parseHeader(quietText(path, readLinkedText) ?? "") };
  });
}

function sensorNames(profile: Profile): string[] {
  return listEntries(profile.sensors)
    .filter((entry) =>
      (entry.isFile || entry.isSymlink) && entry.name.endsWith(".sh") &&
      isPolicyName(entry.name.slice(0, -3))
    )
    .map((entry) => entry.name.slice(0, -3)).sort();
}

function sensorPath(profile: Profile, name: string): string {
  return `${profile.sensors}/${name}.sh`;
}

/** One sensor script, with the hash and time of its text. */
export interface SensorScript extends SensorFile {
  /** SHA-256 of its text, "" when it cannot be read. */
  hash: string;
  /** When it was last written, unix ms. */
  writtenMs: number;
  /** The file's stamp from before its text was read; undefined while that shows nothing. */
  stamp: string | undefined;
}

/** The sensors of a profile with the hashes of their scripts; with their stamps where the time is given. */
export async function listScripts(profile: Profile, nowMs?: number): Promise<SensorScript[]> {
  return await Promise.all(
    listSensors(profile).map(async (sensor) => {
      const stamp = nowMs === undefined ? undefined : settledStamp(sensor.path, nowMs);
      const text = quietText(sensor.path, readLinkedText);
      const writtenMs = quietStat(sensor.path)?.mtime?.getTime() ?? 0;
      return { ...sensor, hash: text === undefined ? "" : await sha256(text), writtenMs, stamp };
    }),
  );
}

/** Whether there is no reading yet, or only one of a different text of the script. */
export function isUnread({ hash }: SensorScript, reading: { script?: string } | undefined): boolean {
  return reading?.script !== hash;
}

/**
 * Names, as in the world, of the sensors whose script has given no reading yet. Where all files have the stamps under
 * which the pulse has read them, none is read again.
 */
export async function unreadSensors(
  profile: Profile,
  { readings, scripts = {} }: Pick<World, "readings" | "scripts">,
  nowMs: number,
): Promise<string[]> {
  // A folder that cannot be listed is for the pulse to report: known readings are shown all the same.
  const names = attempt(() => sensorNames(profile)) ?? [];
  const isKnown = (name: string) =>
    Object.hasOwn(scripts, name) && Object.hasOwn(readings, `sensor-${name}`) &&
    attempt(() => settledStamp(sensorPath(profile, name), nowMs)) === scripts[name];
  if (names.every(isKnown)) return [];
  const found = await listScripts(profile, nowMs).catch(() => []);
  return found.filter((script) => isUnread(script, readings[`sensor-${script.name}`]))
    .map(({ name }) => `sensor-${name}`);
}

/** What `read` returns; undefined when it fails. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** One sensor as it is shown. */
export interface SensorView {
  name: string;
  interval_s: number;
  /** Age of its reading, null where there is none. */
  age_s: number | null;
  state: "unread" | "failing" | "flapping" | "ok";
  /** Why it fails. */
  message?: string;
}

/** The sensors with how each stands. */
export async function viewSensors(
  profile: Profile,
  world: Pick<World, "readings" | "flapping" | "settings" | "scripts">,
  nowMs: number,
): Promise<SensorView[]> {
  const unread = new Set(await unreadSensors(profile, world, nowMs));
  return listSensors(profile).map(({ name, header }) => {
    const reading = world.readings[`sensor-${name}`];
    const state = unread.has(`sensor-${name}`)
      ? "unread"
      : reading?.error === true
      ? "failing"
      : world.flapping.includes(`sensor-${name}`)
      ? "flapping"
      : "ok";
    return {
      name,
      interval_s: header.interval ?? world.settings.interval_s,
      age_s: reading === undefined ? null : Math.max(0, Math.floor((nowMs - reading.sensed_at) / 1000)),
      state,
      ...(state === "failing" ? { message: messageOf(reading?.value) } : {}),
    };
  });
}

/**
 * Time and size limits of a sensor: from the header, then the environment, then the default; 0 in the environment
 * means no limit. The time limit is at most a day: timers hold 24.8 days, and one set for longer fires at once.
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
