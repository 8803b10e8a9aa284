/** The pulse as others see it: its record, whether it is alive, whether it is wanted. */
import { checkRecord, isRecord } from "../text/json.ts";
import type { Profile } from "../paths.ts";
import {
  type Identity,
  identityIn,
  mayExist,
  readLocks,
  type Standing,
  standingsOf,
} from "../process/identity.ts";
import { UserError } from "../errors.ts";
import { homeOf, isOfAnother } from "../records/home.ts";
import { endedStatusText, runningStatusText } from "../sessions/session.ts";
import { makeDir, readJson, replaceFile, statOf, valueOf } from "../store.ts";
import { nanoTime } from "../text/time.ts";

/** `.pulse.json`, written by the pulse at the start and end of each beat. */
export interface PulseRecord extends Identity {
  v: 1;
  /**
   * The data dir's id and path at the time of writing: a copy's pulse, or one from before a move, is not this one.
   */
  home: string;
  dir: string;
  /** looop's version and executable, to detect upgrades. */
  version: string;
  exe: string;
  /** The PATH with which it was started; workers' programs are looked up there, too. */
  path: string;
  beat: number;
  /** The machine's uptime at the last sign of life, seconds: unaffected when the clock is set. */
  uptime_s: number;
  interval_s: number;
  /** Whether the first publication is done. */
  ready: boolean;
  /** When it was started, unix ms. */
  started_at: number;
  /** Why it cannot publish, after several failures in a row; "" when it can. */
  failing: string;
  /** One line for each thing that people should know (such as a broken config that it runs without). */
  warnings: string[];
}

function checkPulse(value: unknown): PulseRecord | string {
  if (!isRecord(value) || typeof value["pid"] !== "number") return "not a pulse record";
  const text = (key: string) => typeof value[key] === "string" ? value[key] as string : "";
  const number = (key: string) => Number(value[key]) || 0;
  return {
    v: 1,
    ...identityIn({ ...value, pid: value["pid"] }),
    home: text("home"),
    dir: text("dir"),
    version: text("version"),
    exe: text("exe"),
    path: text("path"),
    beat: number("beat"),
    uptime_s: number("uptime_s"),
    interval_s: number("interval_s") || 60,
    ready: value["ready"] === true,
    started_at: number("started_at"),
    failing: text("failing"),
    warnings: Array.isArray(value["warnings"]) ? value["warnings"].map(String) : [],
  };
}

/** The pulse's record, or undefined when none can be read. */
export function readPulse(profile: Profile): PulseRecord | undefined {
  const read = readJson(profile.pulse, checkPulse);
  return valueOf(read);
}

/** Writes the pulse's record. It is derived, so it is not fsynced. */
export function writePulse(profile: Profile, record: PulseRecord): void {
  replaceFile(profile.pulse, `${JSON.stringify(record)}\n`, { durable: false });
}

/**
 * Records the pulse as 0.16 records its own, as a session: so 0.16's `up` starts none beside a living one, and is not
 * kept from starting by a folder that it cannot read. `v` tells ours from one of 0.16.
 */
export function writePulseSession(
  profile: Profile,
  { pid, startedAt }: { pid: number; startedAt: number },
  isRunning: boolean,
  nowMs: number,
): void {
  const meta = { v: 1, id: "pulse", cmd: ["looop", "_", "pulse"], babysit_pid: pid };
  const status = isRunning
    ? runningStatusText(nowMs)
    : endedStatusText({ state: "exited", by: "self" }, 0, nowMs);
  makeDir(pulseDir(profile));
  const metaText = `${JSON.stringify({ ...meta, started_at: nanoTime(startedAt) })}\n`;
  replaceFile(`${pulseDir(profile)}/meta.json`, metaText, { durable: false });
  replaceFile(`${pulseDir(profile)}/status.json`, status, { durable: false });
}

/** Whether that record is there: 0.16's `down` removes it. */
export function hasPulseSession(profile: Profile): boolean {
  return statOf(`${pulseDir(profile)}/meta.json`) !== undefined;
}

/** Where the pulse's session lives. */
export function pulseDir(profile: Profile): string {
  return `${profile.sessions}/pulse`;
}

/** The pulse as `_ state` shows it. */
export interface PulseView {
  wanted: boolean;
  alive: boolean;
  beat: number;
  /** Seconds since the last sign of life; null when there never was one. */
  age_s: number | null;
  interval_s: number;
  /** Whether it is alive, but silent for over two intervals or unable to publish. */
  stalled: boolean;
  /** Why it cannot publish; absent when it can. */
  failing?: string;
  /** Why nothing here can determine whether it is alive; it counts as alive. */
  unknown?: string;
  /** Pid of a living pulse of looop 0.16 in place of ours. */
  of016?: number;
}

/** The standing of the pulse in a record. Asks the system only when the pid alone does not show that it is dead. */
export async function pulseStanding(
  profile: Profile,
  record: PulseRecord | undefined,
  trustMs = 0,
): Promise<Standing> {
  if (record === undefined || isOfAnother(homeOf(profile), record.home)) return { life: "dead" };
  const standings = await standingsOf([record], trustMs, () => profile.lock);
  return standings.get(record) ?? { life: "dead" };
}

/**
 * The pid of a living pulse of looop 0.16, or undefined. It is a session with the name `pulse`, without `v`, and
 * holds the same lock as ours, which no process with a reused pid does.
 */
export async function pulseOf016(profile: Profile): Promise<number | undefined> {
  const [meta, status] = ["meta", "status"].map((name) =>
    valueOf(readJson(`${pulseDir(profile)}/${name}.json`, checkRecord))
  );
  const pid = Number(meta?.["babysit_pid"]);
  if (meta?.["v"] !== undefined || status?.["state"] !== "running" || !(pid > 0) || !mayExist(pid)) {
    return undefined;
  }
  const [lock] = await readLocks([profile.lock]);
  return lock === "free" ? undefined : pid;
}

/** The advice for a person about a pulse of looop 0.16. */
export const NEXT_OF_016 = "stop it with the `looop down` of that version, then run `looop up`";

/** The error of a verb that needs our pulse while one of looop 0.16 runs. */
export function pulseOf016Error(pid: number): UserError {
  return new UserError(`A pulse of looop 0.16 runs on this data dir (pid ${pid})`, {
    next: NEXT_OF_016,
    kind: "pulse_other",
  });
}

/** Whether the pulse is, or may be, alive. */
export async function isPulseAlive(
  profile: Profile,
  record: PulseRecord | undefined,
  trustMs = 0,
): Promise<boolean> {
  return (await pulseStanding(profile, record, trustMs)).life !== "dead";
}

/** Whether a living pulse was started at the data dir's previous place: it stops as soon as it notices. */
export function isMoved(profile: Profile, { dir }: PulseRecord): boolean {
  return dir !== "" && dir !== profile.dir;
}

/** The pulse's present state. */
export async function viewPulse(
  profile: Profile,
  record: PulseRecord | undefined,
  nowMs: number,
  trustMs = 0,
): Promise<PulseView> {
  const standing = await pulseStanding(profile, record, trustMs);
  const alive = standing.life !== "dead" && !(record !== undefined && isMoved(profile, record));
  const age = record === undefined ? null : ageOf(profile, record, alive, nowMs);
  const interval = record?.interval_s ?? 60;
  const failing = alive ? record?.failing ?? "" : "";
  const of016 = alive ? undefined : await pulseOf016(profile);
  return {
    wanted: isWanted(profile),
    alive,
    beat: record?.beat ?? 0,
    age_s: age,
    interval_s: interval,
    stalled: failing !== "" || (alive && age !== null && age > 2 * interval),
    ...(failing === "" ? {} : { failing }),
    ...(alive && standing.life === "unknown" ? { unknown: standing.why } : {}),
    ...(of016 === undefined ? {} : { of016 }),
  };
}

/** Uptime is compared only while the pulse is alive: a dead one's may be from an earlier boot. */
function ageOf(profile: Profile, record: PulseRecord, alive: boolean, nowMs: number): number {
  if (alive) return Math.max(0, Math.floor(Deno.osUptime() - record.uptime_s));
  const last = statOf(profile.pulse)?.mtime?.getTime() ?? record.started_at;
  return Math.max(0, Math.floor((nowMs - last) / 1000));
}

/** Whether `up` was called last, not `down`. */
export function isWanted(profile: Profile): boolean {
  return lastWord(profile)["wanted"] === true;
}

/** Whether `down` was called last. A missing or broken record counts as neither. */
export function isUnwanted(profile: Profile): boolean {
  return lastWord(profile)["wanted"] === false;
}

/** When `up` or `down` was last called, unix ms; 0 when neither is on record. */
export function lastWordAt(profile: Profile): number {
  return (Number(lastWord(profile)["ts"]) || 0) * 1000;
}

/** The record of the last `up` or `down`; empty when there is none that can be read. */
function lastWord(profile: Profile): Record<string, unknown> {
  const read = readJson(profile.wanted, checkRecord);
  return valueOf(read) ?? {};
}

/** Records whether the pulse is wanted. Durable, because it decides what happens after a reboot. */
export function setWanted(profile: Profile, wanted: boolean, nowMs: number, logFormat: string): void {
  const record = { v: 1, wanted, ts: Math.floor(nowMs / 1000), log_format: logFormat };
  replaceFile(profile.wanted, `${JSON.stringify(record)}\n`);
}

/** The log format given to the last `up`. */
export function wantedLogFormat(profile: Profile): string {
  return lastWord(profile)["log_format"] === "json" ? "json" : "text";
}
