/** Facts for `status` and `doctor` about the machine and about files that are not part of the world. */
import { runSmall } from "../process/spawn.ts";
import { type Config, defaultConfig, readConfig } from "../records/config.ts";
import { readMailbox } from "../records/mailbox.ts";
import { type Attempt, isCurrent, type Notice, readAttempt, readNotices } from "../records/notices.ts";
import { lastCall } from "../world/listener.ts";
import { UserError } from "../errors.ts";
import { spentToday } from "../agents/ledger.ts";
import type { Profile } from "../paths.ts";
import { findProgram } from "../process/programs.ts";
import { readPulse } from "../world/pulse_record.ts";
import { listDirs } from "../store.ts";
import { listSensors } from "../world/sensors.ts";
import { resolveRunner } from "../agents/resolve.ts";

/** Facts in addition to the world. */
export interface Host {
  config: Config;
  /** Faults and warnings of config.json, one line each. */
  configFaults: string[];
  /** The default runner, and the reason if it cannot start a worker. */
  runner: { name: string; missing?: { what: string; next: string } };
  /** Free bytes on the data dir's file system; undefined when unknown. */
  diskFree: number | undefined;
  /** US dollars; undefined when the ledger cannot be read. */
  spentToday: number | undefined;
  /** Sensors on disk, with their own intervals in seconds. */
  sensors: { name: string; interval?: number }[];
  pulseStartedAt: number | undefined;
  pulseVersion: string | undefined;
  /** Whether the config names a command that reaches a person. */
  reachable: boolean;
  notices: NoticeState[];
  /** Whatever could not be read for these facts: one thing that is not what it should be hides no other. */
  unread: UserError[];
}

/** A notice, and the result of its last try. */
export interface NoticeState {
  notice: Notice;
  attempt: Attempt | undefined;
}

/** Reads these facts. */
export async function readHost(
  profile: Profile,
  env: Readonly<Record<string, string>>,
  nowMs: number,
): Promise<Host> {
  const record = readPulse(profile);
  const { config, faults } = readConfigFaults(profile);
  const unread: UserError[] = [];
  // Whoever reads cursors takes something else in their folder's place for none.
  readOr(unread, [], () => listDirs(profile.cursors));
  return {
    config,
    configFaults: [...new Set([...faults, ...(record?.warnings ?? [])])],
    runner: checkRunner(config, env["PATH"] ?? ""),
    diskFree: await readDiskFree(profile.dir),
    spentToday: readOr(unread, undefined, () => spentToday(profile, nowMs)),
    sensors: readOr(unread, [], () => listSensors(profile)).map(({ name, header }) => ({
      name,
      ...(header.interval === undefined ? {} : { interval: header.interval }),
    })),
    pulseStartedAt: record?.started_at,
    pulseVersion: record?.version,
    reachable: [config.notification, ...config.escalate.map(({ run }) => run)].some((line) => line?.trim()),
    notices: readOr(unread, [], () => readNoticeStates(profile)),
    unread,
  };
}

/** What `read` returns; when it cannot, the reason is added to `unread`. */
function readOr<T>(unread: UserError[], otherwise: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    unread.push(error);
    return otherwise;
  }
}

/** The notices that still matter. */
function readNoticeStates(profile: Profile): NoticeState[] {
  const { notices } = readNotices(profile);
  if (notices.length === 0) return [];
  const at = { asks: readMailbox(profile).pending, notices, lastCall: lastCall(profile)?.at ?? 0 };
  return notices.filter((notice) => isCurrent(notice, at))
    .map((notice) => ({ notice, attempt: readAttempt(profile, notice) }));
}

function readConfigFaults(profile: Profile): { config: Config; faults: string[] } {
  try {
    const { config, warnings } = readConfig(profile.config);
    return { config, faults: warnings };
  } catch (error) {
    return { config: defaultConfig(), faults: [(error as Error).message] };
  }
}

/** Whether the default runner can be started. */
export function checkRunner(config: Config, path: string): Host["runner"] {
  const name = config.default;
  try {
    const { program, install } = resolveRunner(config, name);
    if (program === undefined || findProgram(program, path) !== undefined) return { name };
    const how = install === undefined ? "install it" : install.replace(/^npm .*$/, "install it: `$&`");
    const next = `${how}, or choose another with \`looop init --runner NAME\`; looked along PATH=${path}`;
    return { name, missing: { what: `"${program}" is not on PATH`, next } };
  } catch (error) {
    const { message, next = "see config.json" } = error as UserError;
    return { name, missing: { what: message, next } };
  }
}

/** Free bytes of a folder's file system, according to `df`. */
export async function readDiskFree(dir: string): Promise<number | undefined> {
  try {
    const { stdout: text } = await runSmall("/bin/sh", ["-c", 'LC_ALL=C df -Pk "$1" | tail -n 1', "sh", dir]);
    const match = /\s\d+\s+\d+\s+(\d+)\s+\d+%/.exec(text);
    return match === null ? undefined : Number(match[1]) * 1024;
  } catch {
    return undefined;
  }
}
