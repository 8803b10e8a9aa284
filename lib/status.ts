/** The status screen: what looop is doing, and what keeps anything from happening. Pure but for {@link readHost}. */
import { isRecord } from "./canonical.ts";
import { type Config, defaultConfig, readConfig } from "./config.ts";
import { formatUsd } from "./cost_view.ts";
import type { UserError } from "./errors.ts";
import { spentToday } from "./ledger.ts";
import type { Profile } from "./paths.ts";
import { readPulse } from "./pulse_status.ts";
import { listSensors } from "./sensors.ts";
import type { WorkerView } from "./session.ts";
import type { Snapshot } from "./state.ts";
import { age, sanitizeLine, styler, table, truncate, wrap } from "./style.ts";
import { findProgram } from "./programs.ts";
import { resolveRunner } from "./worker.ts";

/** What status asks of the machine besides the world. */
export interface Host {
  config: Config;
  /** Faults and oddities of config.json, one line each. */
  configFaults: string[];
  /** The default runner and why no worker can be started with it. */
  runner: { name: string; missing?: { what: string; next: string } };
  /** Bytes that can still be written where the data dir is; undefined when unknown. */
  diskFree: number | undefined;
  spentToday: number;
  /** Sensors on disk and their own intervals, seconds. */
  sensors: { name: string; interval?: number }[];
  pulseStartedAt: number | undefined;
  pulseVersion: string | undefined;
}

/** Asks the machine and the files that are not part of the world. */
export async function readHost(
  profile: Profile,
  env: Readonly<Record<string, string>>,
  nowMs: number,
): Promise<Host> {
  const record = readPulse(profile);
  const { config, faults } = readConfigFaults(profile);
  return {
    config,
    configFaults: [...new Set([...faults, ...(record?.warnings ?? [])])],
    runner: checkRunner(config, env["PATH"] ?? ""),
    diskFree: await readDiskFree(profile.dir),
    spentToday: spentToday(profile, nowMs),
    sensors: listSensors(profile).map(({ name, header }) => ({
      name,
      ...(header.interval === undefined ? {} : { interval: header.interval }),
    })),
    pulseStartedAt: record?.started_at,
    pulseVersion: record?.version,
  };
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
    return { name, missing: { what: `"${program}" is not on PATH`, next: `${how}, or choose another` } };
  } catch (error) {
    const { message, next = "see config.json" } = error as UserError;
    return { name, missing: { what: message, next } };
  }
}

/** Free bytes of the file system that a folder is on, as `df` says. */
export async function readDiskFree(dir: string): Promise<number | undefined> {
  try {
    const command = new Deno.Command("/bin/sh", {
      args: ["-c", 'LC_ALL=C df -Pk "$1" | tail -n 1', "sh", dir],
      stdin: "null",
      stderr: "null",
    });
    const text = new TextDecoder().decode((await command.output()).stdout);
    const match = /\s\d+\s+\d+\s+(\d+)\s+\d+%/.exec(text);
    return match === null ? undefined : Number(match[1]) * 1024;
  } catch {
    return undefined;
  }
}

/** Below this a write may fail at any moment, bytes. */
export const DISK_FULL = 64 * 1024 * 1024;
/** Below this somebody should look, bytes. */
export const DISK_LOW = 1024 * 1024 * 1024;

/** A reason why less happens than should. */
export interface Problem {
  kind: string;
  /** What it is about: a worker, a sensor, a path. */
  id?: string;
  message: string;
  /** How it is mended. */
  next: string;
}

/** A reading that is older than so many of its intervals is stale. */
const STALE_INTERVALS = 3;

/** Everything that may keep things from happening, the gravest first. */
export function problemsOf(snapshot: Snapshot, host: Host): Problem[] {
  return [
    ...pulseProblems(snapshot),
    ...hostProblems(host),
    ...askProblems(snapshot),
    ...workerProblems(snapshot, host.config),
    ...sensorProblems(snapshot, host),
    ...snapshot.bad.map(({ path, reason }) => ({
      kind: "bad_file",
      id: path,
      message: `${shortPath(path, snapshot)} cannot be read: ${reason}`,
      next: "mend it by hand, or move it away",
    })),
  ];
}

function shortPath(path: string, { profile }: Snapshot): string {
  return path.startsWith(`${profile.dir}/`) ? path.slice(profile.dir.length + 1) : path;
}

function pulseProblems({ pulse }: Snapshot): Problem[] {
  const seen = pulse.age_s === null ? "" : `, last sign of life ${age(pulse.age_s)} ago`;
  if (pulse.stalled) {
    const next = "see `looop logs`; `looop down` and `looop up` restart it";
    return [{ kind: "pulse_stalled", message: `the pulse is stalled${seen}`, next }];
  }
  if (pulse.alive) return [];
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

function hostProblems({ diskFree, runner, configFaults }: Host): Problem[] {
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
      case "silent": {
        const message = `worker ${id} has printed nothing for ${age(worker.idle_s)}`;
        return [{ kind: "silent", id, message, next: look }];
      }
      default:
        return [];
    }
  });
}

/** What is wrong or special with a worker, in a word. */
function conditionOf(
  worker: WorkerView,
  asking: ReadonlySet<string>,
  config: Config,
  nowMs: number,
): "lost" | "asking" | "not ready" | "silent" | "" {
  if (worker.state === "lost") return "lost";
  if (!worker.alive) return "";
  if (asking.has(worker.id)) return "asking";
  if (!worker.ready && secondsSince(nowMs, Date.parse(worker.started)) >= config.ready_timeout) {
    return "not ready";
  }
  return worker.idle_s >= config.silent_after ? "silent" : "";
}

function secondsSince(nowMs: number, thenMs: number): number {
  return Math.max(0, (nowMs - thenMs) / 1000);
}

function sensorProblems({ world, pulse, nowMs }: Snapshot, host: Host): Problem[] {
  const problems: Problem[] = [];
  const flapping = new Set(world.flapping);
  for (const { name, interval } of host.sensors) {
    const reading = world.readings[`sensor-${name}`];
    const next = `try it: \`looop _ sensor run ${name}\``;
    const own = Math.max(interval ?? 0, pulse.interval_s);
    // Without a beating pulse every reading is old, and that is the pulse's matter.
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

function messageOf(value: unknown): string {
  const detail = isRecord(value) ? value["detail"] : undefined;
  return isRecord(detail) ? String(detail["message"] ?? "") : "";
}

/** How the screen is drawn. */
export interface StatusStyle {
  width: number;
  colour: boolean;
}

/** Rows of each part: a screen of 24 lines holds all of them when nothing much is wrong. */
const MAX_PROBLEMS = 8;
const MAX_ASKS = 5;
const MAX_WORKERS = 8;

/** The whole screen; no line is wider than `width`. */
export function showStatus(snapshot: Snapshot, host: Host, style: StatusStyle): string {
  const { bold } = styler(style.colour);
  const problems = problemsOf(snapshot, host);
  return [
    ...wrap(summaryOf(snapshot, host), style.width, 0).map(bold),
    ...showProblems(problems, style),
    ...showAsks(snapshot, style),
    ...showWorkers(snapshot, host, style),
  ].join("\n");
}

function summaryOf({ pulse, workers, profile }: Snapshot, host: Host): string {
  const beat = pulse.age_s === null ? "" : ` (beat ${pulse.beat}, ${age(pulse.age_s)} ago)`;
  const word = pulse.stalled ? "STALLED" : pulse.alive ? "alive" : pulse.wanted ? "DEAD" : "stopped";
  const alive = workers.filter((worker) => worker.alive).length;
  const fleet = `${alive} ${alive === 1 ? "worker" : "workers"}`;
  const parts = [`pulse: ${word}${beat}`, fleet, `spent today: ${formatUsd(host.spentToday)}`];
  return `${parts.join(" · ")}\n${sanitizeLine(profile.dir)}`;
}

function showProblems(problems: readonly Problem[], style: StatusStyle): string[] {
  const { green, red } = styler(style.colour);
  if (problems.length === 0) return [green("nothing stands in the way")];
  const shown = capped(problems, MAX_PROBLEMS).flatMap(({ message, next }) => {
    const [first = "", ...rest] = wrap(sanitizeLine(`${clipped(message)}; ${next}`), style.width - 2);
    return [`${red("!")} ${first}`, ...rest.map((line) => `  ${line}`)];
  });
  return [...shown, ...moreOf(problems.length, MAX_PROBLEMS, "see `looop doctor`", style)];
}

/** Problems, at most two of a kind before all kinds have had their turn. */
function capped(problems: readonly Problem[], most: number): Problem[] {
  if (problems.length <= most) return [...problems];
  const counts = new Map<string, number>();
  const first: Problem[] = [];
  const rest: Problem[] = [];
  for (const problem of problems) {
    const count = (counts.get(problem.kind) ?? 0) + 1;
    counts.set(problem.kind, count);
    (count <= 2 ? first : rest).push(problem);
  }
  const chosen = new Set([...first, ...rest].slice(0, most));
  return problems.filter((problem) => chosen.has(problem));
}

const MAX_MESSAGE = 160;

function clipped(message: string): string {
  return truncate(sanitizeLine(message), MAX_MESSAGE);
}

function moreOf(count: number, shown: number, where: string, { width }: StatusStyle): string[] {
  return count > shown ? [truncate(`  … and ${count - shown} more: ${where}`, width)] : [];
}

function showAsks({ asks, workers, nowMs }: Snapshot, style: StatusStyle): string[] {
  if (asks.length === 0) return [];
  const rows = asks.slice(0, MAX_ASKS).map((ask) => {
    const worker = workers.find((candidate) => candidate.id === ask.worker);
    const dead = worker !== undefined && !worker.alive ? "(worker ended) " : "";
    const prompt = dead + sanitizeLine(ask.prompt);
    return [ask.id, age(secondsSince(nowMs, ask.ts * 1000)), prompt];
  });
  return section(
    `questions for you: ${asks.length}`,
    rows,
    [{ min: 8 }, { align: "right" }, { min: 8 }],
    moreOf(asks.length, MAX_ASKS, "`looop _ state`", style),
    style,
  );
}

function showWorkers({ workers, asks, nowMs }: Snapshot, host: Host, style: StatusStyle): string[] {
  if (workers.length === 0) return [];
  const asking = new Set(asks.map((ask) => ask.worker));
  const condition = (worker: WorkerView) => conditionOf(worker, asking, host.config, nowMs);
  const rank = (worker: WorkerView) =>
    worker.state === "lost" ? 0 : !worker.alive ? 3 : condition(worker) ? 1 : 2;
  const ended = (worker: WorkerView) => -Date.parse(worker.ended ?? worker.started);
  const sorted = [...workers].sort((a, b) => rank(a) - rank(b) || ended(a) - ended(b));
  const rows = sorted.slice(0, MAX_WORKERS).map((worker) => [
    worker.id,
    stateOf(worker),
    age(secondsSince(nowMs, Date.parse(worker.ended ?? worker.started))),
    sanitizeLine(worker.runner),
    condition(worker) || (worker.alive ? `quiet ${age(worker.idle_s)}` : `by ${worker.ended_by ?? "?"}`),
  ]);
  const columns = [{ min: 8 }, { min: 7 }, { align: "right" as const }, { min: 4 }, { min: 6 }];
  const more = moreOf(workers.length, MAX_WORKERS, "`looop _ worker list`", style);
  const alive = workers.filter((worker) => worker.alive).length;
  return section(`workers: ${alive} alive, ${workers.length - alive} ended`, rows, columns, more, style);
}

function stateOf({ state, exit_code }: WorkerView): string {
  return exit_code === null ? state : `${state} ${exit_code}`;
}

function section(
  title: string,
  rows: readonly (readonly string[])[],
  columns: Parameters<typeof table>[1]["columns"],
  more: readonly string[],
  style: StatusStyle,
): string[] {
  const { bold } = styler(style.colour);
  const lines = table(rows, { width: style.width - 2, columns });
  return [bold(truncate(title, style.width)), ...lines.map((line) => `  ${line}`), ...more];
}

/** What status adds to the state for machines. */
export function statusJson(snapshot: Snapshot, host: Host): Record<string, unknown> {
  return {
    problems: problemsOf(snapshot, host),
    spent_today_usd: host.spentToday,
    runner: { name: host.runner.name, ok: host.runner.missing === undefined },
    disk_free_bytes: host.diskFree ?? null,
  };
}
