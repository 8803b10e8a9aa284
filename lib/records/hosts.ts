/** `hosts/<name>.json`: the known state of another machine. Written by the pulse, read by everybody who shows it. */
import { isId } from "../ids.ts";
import type { Profile } from "../paths.ts";
import { listFiles, makeDir, readJson, replaceFile } from "../store.ts";
import { isRecord } from "../text/json.ts";

/** The known state of one host. Times in ms since 1970. */
export interface HostRecord {
  v: 1;
  name: string;
  /** `up`: its reports show the state of its workers; `down`: it does not answer; `idle`: nothing runs there. */
  state: "up" | "down" | "idle";
  /** When this state began. */
  since: number;
  /** When it was last heard. */
  seen: number;
  /** Why it is down. */
  error: string;
  boot: string;
  /** How far its clock is ahead of ours, s; negative when it is behind. */
  skew_s: number;
  /** Number of lines from it that were not looop's, since the pulse began. */
  bad_lines: number;
  /** Runs on it that this home does not know, as `id.gen`. */
  strays: string[];
}

/** Age at which an `up` is no longer believed, ms: the record is written every 5 s while the host is heard. */
const FRESH_MS = 30_000;

/** Folder of the records. */
function hostsDir(profile: Profile): string {
  return `${profile.dir}/hosts`;
}

function checkHost(value: unknown): HostRecord | string {
  if (!isRecord(value)) return "not an object";
  const { name, state, since, seen, error, boot, skew_s, bad_lines, strays } = value;
  if (typeof name !== "string") return 'needs "name"';
  return {
    v: 1,
    name,
    state: state === "up" || state === "idle" ? state : "down",
    since: Number(since) || 0,
    seen: Number(seen) || 0,
    error: typeof error === "string" ? error : "",
    boot: typeof boot === "string" ? boot : "",
    skew_s: Number(skew_s) || 0,
    bad_lines: Number(bad_lines) || 0,
    strays: Array.isArray(strays) ? strays.map(String) : [],
  };
}

/** The known state of a host; undefined when nothing is known. */
export function readHost(profile: Profile, name: string): HostRecord | undefined {
  const read = readJson(`${hostsDir(profile)}/${name}.json`, checkHost);
  return read !== undefined && "value" in read ? read.value : undefined;
}

/** All hosts with a record. */
export function readHosts(profile: Profile): HostRecord[] {
  return listFiles(hostsDir(profile), ".json").map((file) => file.slice(0, -".json".length)).filter(isId)
    .map((name) => readHost(profile, name)).filter((host) => host !== undefined);
}

/** Writes a host's record. */
export function writeHost(profile: Profile, host: HostRecord): void {
  makeDir(hostsDir(profile));
  replaceFile(`${hostsDir(profile)}/${host.name}.json`, `${JSON.stringify(host)}\n`, { durable: false });
}

/**
 * Seconds for which a host has not been heard; undefined while it is heard. For a host that nobody has tried yet it
 * is 0, since that one is not unreachable.
 */
export function unreachableS(host: HostRecord | undefined, nowMs: number): number | undefined {
  if (host === undefined) return undefined;
  if (host.state === "up" && nowMs - host.seen < FRESH_MS) return undefined;
  if (host.state === "idle") return undefined;
  return Math.max(0, Math.floor((nowMs - (host.seen > 0 ? host.seen : host.since)) / 1000));
}
