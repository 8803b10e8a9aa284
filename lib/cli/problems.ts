/** Everything that keeps things from happening, the gravest first, and how to fix each. Pure. */
import type { Config } from "../records/config.ts";
import type { Host } from "./machine.ts";
import { AWAY, retryAt } from "../records/notices.ts";
import type { WorkerView } from "../sessions/session.ts";
import { NEXT_OF_016 } from "../world/pulse_record.ts";
import { messageOf } from "../world/reading.ts";
import type { Snapshot } from "../world/state.ts";
import { age } from "../text/style.ts";

/** Free space below which a write may fail at any moment, bytes. */
export const DISK_FULL = 64 * 1024 * 1024;
/** Free space below which somebody should look, bytes. */
export const DISK_LOW = 1024 * 1024 * 1024;

/** A reason why less happens than should. */
export interface Problem {
  kind: string;
  /** The thing concerned: a worker, a sensor, a path. */
  id?: string;
  message: string;
  /** How to fix it. */
  next: string;
}

/** Age beyond which a reading is stale, in its own intervals. */
const STALE_INTERVALS = 3;

/** Everything that may keep things from happening, the gravest first. */
export function problemsOf(snapshot: Snapshot, host: Host): Problem[] {
  return [
    ...pulseProblems(snapshot),
    ...farProblems(snapshot),
    ...hostProblems(host),
    ...askProblems(snapshot),
    ...noticeProblems(host, snapshot.nowMs),
    ...workerProblems(snapshot, host.config),
    ...sensorProblems(snapshot, host),
    ...snapshot.bad.map(({ path, reason }) => ({
      kind: "bad_file",
      id: path,
      message: `${shortPath(path, snapshot)} cannot be read: ${reason}`,
      next: "fix it by hand, or move it away",
    })),
  ];
}

function shortPath(path: string, { profile }: Snapshot): string {
  return path.startsWith(`${profile.dir}/`) ? path.slice(profile.dir.length + 1) : path;
}

function pulseProblems({ pulse }: Snapshot): Problem[] {
  const seen = pulse.age_s === null ? "" : `, last sign of life ${age(pulse.age_s)} ago`;
  if (pulse.failing !== undefined) {
    return [{
      kind: "pulse_failing",
      message: `the pulse cannot publish: ${pulse.failing}`,
      next: "fix that; until then everything shown is old",
    }];
  }
  if (pulse.stalled) {
    const next = "see `looop logs`; `looop down` and `looop up` restart it";
    return [{ kind: "pulse_stalled", message: `the pulse is stalled${seen}`, next }];
  }
  if (pulse.alive) return [];
  if (pulse.of016 !== undefined) {
    const message = `a pulse of looop 0.16 runs on this data dir (pid ${pulse.of016})`;
    return [{ kind: "pulse_other", message, next: NEXT_OF_016 }];
  }
  if (pulse.wanted) {
    return [{
      kind: "pulse_dead",
      message: `the pulse is dead${seen}`,
      next: "`looop up` starts it; why it died: `looop logs`",
    }];
  }
  return [{
    kind: "pulse_stopped",
    message: "the pulse is stopped: nothing is sensed",
    next: "`looop up` starts it",
  }];
}

/** Machines with workers that are not heard; without a beating pulse only those that it has found so. */
function farProblems({ hosts, pulse }: Snapshot): Problem[] {
  const beating = pulse.alive && !pulse.stalled;
  return hosts.flatMap(({ name, workers, unreachable_s, error }) => {
    if (unreachable_s === undefined || workers === 0 || !beating && error === undefined) return [];
    const count = `${workers} ${workers === 1 ? "worker" : "workers"}`;
    const why = error === undefined ? "" : `: ${error}`;
    const message = `host ${name} (${count}) has not been heard for ${age(unreachable_s)}${why}`;
    const next = `check it: \`looop _ host check ${name}\``;
    return [{ kind: "host_unreachable", id: name, message, next }];
  });
}

function hostProblems({ diskFree, runner, configFaults, unread }: Host): Problem[] {
  const problems: Problem[] = [];
  if (diskFree !== undefined && diskFree < DISK_LOW) {
    const full = diskFree < DISK_FULL;
    problems.push({
      kind: full ? "disk_full" : "disk_low",
      message: `the disk is ${full ? "full" : "almost full"}: ${megabytes(diskFree)} left`,
      next: "free some space",
    });
  }
  problems.push(...configFaults.map((message) => ({
    kind: "config",
    message,
    next: "edit that line of config.json",
  })));
  problems.push(...unread.map(({ message, next = "move it away" }) => ({ kind: "bad_file", message, next })));
  if (runner.missing !== undefined) {
    const { what, next } = runner.missing;
    const message = `the default runner "${runner.name}" cannot start workers: ${what}`;
    problems.push({ kind: "runner_missing", id: runner.name, message, next });
  }
  return problems;
}

/** Bytes as megabytes or gigabytes. */
export function megabytes(bytes: number): string {
  const mb = bytes / 1024 / 1024;
  return mb >= 10_240 ? `${Math.floor(mb / 1024)} GB` : `${Math.floor(mb)} MB`;
}

function askProblems({ asks, nowMs }: Snapshot): Problem[] {
  const oldest = asks[0];
  if (oldest === undefined) return [];
  const since = age(secondsSince(nowMs, oldest.ts * 1000));
  const message = asks.length === 1
    ? `a question waits for an answer: ${oldest.id}, ${since}`
    : `${asks.length} questions wait for an answer, the oldest ${since}: ${oldest.id}`;
  const next = `tell your agent, or \`looop _ answer ${oldest.id} <text>\``;
  return [{ kind: "asks", id: oldest.id, message, next }];
}

/** Notices that have not reached anybody, or perhaps not. */
function noticeProblems({ notices }: Host, nowMs: number): Problem[] {
  return notices.flatMap(({ notice, attempt }): Problem[] => {
    const what = notice.id === AWAY ? "that no agent listens" : `about ${notice.id}`;
    if (notice.lost) {
      const message = `nobody knows whether the notification ${what} was sent: it was cut off`;
      return [{ kind: "notice_unknown", id: notice.id, message, next: "it is not sent again" }];
    }
    const isUnderWay = attempt?.code === undefined;
    const failures = notice.tries - (isUnderWay ? 1 : 0);
    if (failures === 0 || attempt?.code === 0) return [];
    const when = isUnderWay ? "now" : `in ${age(secondsSince(retryAt(notice, attempt.at), nowMs))}`;
    const how = isUnderWay ? "" : ` with exit ${attempt.code}`;
    const message = `the notification ${what} failed${how} (${failures}), the next try is ${when}`;
    const next = "see `notification` in config.json; try it: `looop _ notify test`";
    return [{ kind: "notice_failed", id: notice.id, message, next }];
  });
}

function workerProblems({ workers, asks, nowMs }: Snapshot, config: Config): Problem[] {
  const asking = new Set(asks.map((ask) => ask.worker));
  return workers.flatMap((worker) => {
    const { id } = worker;
    const look = `see \`looop logs ${id}\`, end it with \`looop _ worker kill ${id}\``;
    switch (conditionOf(worker, asking, config, nowMs)) {
      case "lost":
        return [{
          kind: "worker_lost",
          id,
          message: `worker ${id} is lost: its supervisor was killed`,
          next: look,
        }];
      case "not ready":
        return [{ kind: "not_ready", id, message: `worker ${id} has never begun`, next: look }];
      case "limited": {
        const message = `worker ${id} is ${limitWords(worker)}: ${worker.limited?.line}`;
        return [{ kind: "limited", id, message, next: `leave it until then, or ${look}` }];
      }
      case "silent": {
        const message = `worker ${id} has printed nothing for ${age(worker.idle_s)}`;
        return [{ kind: "silent", id, message, next: look }];
      }
      default:
        return [];
    }
  });
}

/** A worker's fault or special condition in a word; "" for none. */
export function conditionOf(
  worker: WorkerView,
  asking: ReadonlySet<string>,
  config: Config,
  nowMs: number,
): "lost" | "asking" | "limited" | "not ready" | "silent" | "" {
  if (worker.state === "lost") return "lost";
  if (!worker.alive) return "";
  if (asking.has(worker.id)) return "asking";
  if (worker.limited !== undefined) return "limited";
  const { ready_timeout, silent_after } = config;
  const isLate = secondsSince(nowMs, Date.parse(worker.started)) >= ready_timeout;
  if (!worker.ready && ready_timeout > 0 && isLate) return "not ready";
  return silent_after > 0 && worker.idle_s >= silent_after ? "silent" : "";
}

/** The time until which a worker's agent is out of quota, in UTC, for people. */
export function limitWords({ limited }: Pick<WorkerView, "limited">): string {
  const until = limited?.until;
  return until === undefined || until === null
    ? "limited, it does not say until when"
    : `limited until ${until.slice(0, 16)}Z`;
}

/** Seconds from one moment (ms) to another; 0 when a clock was set back. */
export function secondsSince(nowMs: number, thenMs: number): number {
  return Math.max(0, (nowMs - thenMs) / 1000);
}

function sensorProblems({ world, pulse, nowMs }: Snapshot, host: Host): Problem[] {
  const problems: Problem[] = [];
  const flapping = new Set(world.flapping);
  for (const { name, interval } of host.sensors) {
    const reading = world.readings[`sensor-${name}`];
    const next = `try it: \`looop _ sensor run ${name}\``;
    const own = Math.max(interval ?? 0, pulse.interval_s);
    // Without a beating pulse every reading is old, which is reported as the pulse's fault.
    const beating = pulse.alive && !pulse.stalled;
    const sensedAt = reading?.sensed_at ?? host.pulseStartedAt ?? nowMs;
    if (reading?.error) {
      const message = `sensor ${name} fails: ${messageOf(reading.value)}`;
      problems.push({ kind: "sensor_fails", id: name, message, next });
    } else if (beating && secondsSince(nowMs, sensedAt) > STALE_INTERVALS * own) {
      const message = reading === undefined
        ? `sensor ${name} has never given a reading`
        : `sensor ${name} is stale: read ${age(secondsSince(nowMs, sensedAt))} ago, due every ${age(own)}`;
      problems.push({ kind: "sensor_stale", id: name, message, next });
    }
    if (!flapping.has(`sensor-${name}`)) continue;
    const message = `sensor ${name} flaps: its signal changes at each reading, so it no longer wakes`;
    const advice = "keep what always changes in .detail, out of .signal";
    problems.push({ kind: "sensor_flaps", id: name, message, next: advice });
  }
  return problems;
}
