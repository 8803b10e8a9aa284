/** The status screen: what looop is doing, and what keeps anything from happening. Pure. */
import { formatUsd } from "./cost_view.ts";
import type { Host } from "./machine.ts";
import { conditionOf, limitWords, type Problem, problemsOf, secondsSince } from "./problems.ts";
import type { Listener } from "../world/listener.ts";
import type { WorkerRun } from "../world/observer.ts";
import type { WorkerView } from "../sessions/session.ts";
import { verdictWords } from "../sessions/verdict.ts";
import type { Snapshot } from "../world/state.ts";
import { schedulesDue } from "../world/world.ts";
import { isoSeconds } from "../text/time.ts";
import { age, sanitizeLine, styler, table, truncate, wrap } from "../text/style.ts";

/** How to draw the screen. */
export interface StatusStyle {
  width: number;
  colour: boolean;
}

/** The listener's absence, and what ends it. */
export const NOBODY = {
  message: "root agent: nobody listens",
  next: "start one and say: Run `looop help`, then run the loop it describes",
};

/** The line about the listener, since the commonest reason why nothing happens is that nobody listens. */
export function listenerLine(listener: Listener | null, nowMs: number): string {
  if (listener === null) {
    return `${NOBODY.message}; ${NOBODY.next}`;
  }
  const { agent, session, since, blocked, last_call_s } = listener;
  const who = sanitizeLine(session === "" ? agent : `${agent}-${session.slice(0, 4)}`);
  const how = blocked ? "listens" : `called ${age(last_call_s)} ago`;
  return `root agent: ${who} ${how}, here since ${age(secondsSince(nowMs, Date.parse(since)))}`;
}

/** Said of a profile whose config names no command that reaches a person. */
export const NO_NOTIFICATION = {
  message: "no `notification`: nobody can be reached",
  next: "see `looop help config`",
};

/** Most rows of each part: a screen of 24 lines holds all of them when nothing much is wrong. */
const MAX_PROBLEMS = 8;
const MAX_ASKS = 5;
const MAX_WORKERS = 8;
const MAX_SCHEDULES = 3;

/** The whole screen; no line is wider than `width`. */
export function showStatus(
  snapshot: Snapshot,
  host: Host,
  style: StatusStyle,
  listener: Listener | null,
): string {
  const { bold } = styler(style.colour);
  const problems = problemsOf(snapshot, host);
  return [
    ...wrap(summaryOf(snapshot, host), style.width, 0).map(bold),
    ...wrap(listenerLine(listener, snapshot.nowMs), style.width, 0),
    ...host.reachable ? [] : wrap(`${NO_NOTIFICATION.message}; ${NO_NOTIFICATION.next}`, style.width, 0),
    ...showProblems(problems, style),
    ...showAsks(snapshot, style),
    ...showWorkers(snapshot, host, style),
    ...showHosts(snapshot, style),
    ...showSchedules(snapshot, style),
  ].join("\n");
}

function summaryOf(snapshot: Snapshot, host: Host): string {
  const { pulse, profile } = snapshot;
  const beat = pulse.age_s === null ? "" : ` (beat ${pulse.beat}, ${age(pulse.age_s)} ago)`;
  const [word, ...parts] = summaryParts(snapshot, host);
  return `${[`${word}${beat}`, ...parts].join(" · ")}\n${sanitizeLine(profile.dir)}`;
}

/** How the pulse stands, how many workers live, what was spent: each a few words. */
export function summaryParts({ pulse, workers }: Snapshot, host: Host): string[] {
  const word = pulse.stalled
    ? "STALLED"
    : pulse.alive
    ? "alive"
    : pulse.of016
    ? "of 0.16"
    : pulse.wanted
    ? "DEAD"
    : "stopped";
  const alive = workers.filter((worker) => worker.alive).length;
  const fleet = `${alive} ${alive === 1 ? "worker" : "workers"}`;
  const spent = host.spentToday === undefined ? "unknown" : formatUsd(host.spentToday);
  return [`pulse: ${word}`, fleet, `spent today: ${spent}`];
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

function capped(problems: readonly Problem[], most: number): Problem[] {
  const chosen = new Set(inTurns(problems).slice(0, most));
  return problems.filter((problem) => chosen.has(problem));
}

/** Problems in an order in which no kind comes more than twice before all kinds have had their turn. */
export function inTurns<T extends { kind: string }>(problems: readonly T[]): T[] {
  const counts = new Map<string, number>();
  const first: T[] = [];
  const rest: T[] = [];
  for (const problem of problems) {
    const count = (counts.get(problem.kind) ?? 0) + 1;
    counts.set(problem.kind, count);
    (count <= 2 ? first : rest).push(problem);
  }
  return [...first, ...rest];
}

const MAX_MESSAGE = 160;

function clipped(message: string): string {
  return truncate(sanitizeLine(message), MAX_MESSAGE);
}

function moreOf(count: number, shown: number, where: string, { width }: StatusStyle): string[] {
  return count > shown ? wrap(`… and ${count - shown} more: ${where}`, width, 2) : [];
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

/** A worker with what is special with it, in a word. */
export interface RankedWorker {
  worker: WorkerRun;
  condition: string;
}

/** The fleet: what is lost first, then what needs a look, what runs, and what ended last. */
export function rankWorkers({ workers, asks, nowMs }: Snapshot, host: Host): RankedWorker[] {
  const asking = new Set(asks.map((ask) => ask.worker));
  const ranked = workers.map((worker) => {
    const word = conditionOf(worker, asking, host.config, nowMs);
    return { worker, condition: word === "limited" ? limitWords(worker) : word };
  });
  const rank = ({ worker, condition }: RankedWorker) =>
    worker.state === "lost" ? 0 : !worker.alive ? 3 : condition ? 1 : 2;
  const ended = ({ worker }: RankedWorker) => -Date.parse(worker.ended ?? worker.started);
  return ranked.sort((a, b) => rank(a) - rank(b) || ended(a) - ended(b));
}

function showWorkers(snapshot: Snapshot, host: Host, style: StatusStyle): string[] {
  const { workers, nowMs } = snapshot;
  if (workers.length === 0) return [];
  const rows = rankWorkers(snapshot, host).slice(0, MAX_WORKERS).map(({ worker, condition }) => [
    worker.id,
    stateWords(worker),
    age(secondsSince(nowMs, Date.parse(worker.ended ?? worker.started))),
    sanitizeLine(worker.runner),
    condition || (worker.alive ? `quiet ${age(worker.idle_s)}` : endOf(worker)),
  ]);
  const columns = [{ min: 8 }, { min: 7 }, { align: "right" as const }, { min: 4 }, { min: 6 }];
  const more = moreOf(workers.length, MAX_WORKERS, "`looop _ worker list`", style);
  const alive = workers.filter((worker) => worker.alive).length;
  return section(`workers: ${alive} alive, ${workers.length - alive} ended`, rows, columns, more, style);
}

/** The one who ended a worker, and the result of its check. */
export function endOf({ ended_by, verify }: WorkerView): string {
  return `by ${ended_by ?? "?"}${verify === undefined ? "" : `, ${verdictWords(verify)}`}`;
}

function showHosts(snapshot: Snapshot, style: StatusStyle): string[] {
  const rows = hostRows(snapshot);
  if (rows.length === 0) return [];
  return section(`other machines: ${rows.length}`, rows, [{ min: 6 }, { min: 8 }, { min: 8 }], [], style);
}

/** Other machines on which something runs, or that are not heard: name, who is there, how it stands. */
export function hostRows({ hosts, workers, asks }: Snapshot): string[][] {
  return hosts.filter(({ workers, state }) => workers > 0 || state === "down").map((host) => {
    const there = new Set(workers.filter((worker) => worker.host === host.name).map(({ id }) => id));
    const held = asks.filter((ask) => there.has(ask.worker)).length;
    const how = host.unreachable_s === undefined
      ? "heard"
      : `UNREACHABLE ${age(host.unreachable_s)}${
        host.error === undefined ? "" : ` (${sanitizeLine(host.error)})`
      }`;
    const counts = `${host.workers} ${host.workers === 1 ? "worker" : "workers"}, ${held} asking`;
    return [host.name, counts, how];
  });
}

/** The reminders that are due next. */
function showSchedules({ world, nowMs }: Snapshot, style: StatusStyle): string[] {
  const due = schedulesDue(world);
  if (due.length === 0) return [];
  const rows = due.slice(0, MAX_SCHEDULES).map(({ id, next }) => [
    id,
    next <= nowMs ? "due now" : `in ${age((next - nowMs) / 1000)}`,
    `${isoSeconds(next).slice(0, 16)}Z`,
  ]);
  const more = moreOf(due.length, MAX_SCHEDULES, "`looop _ state --json`", style);
  const title = `reminders due next, of ${due.length}`;
  return section(title, rows, [{ min: 8 }, { align: "right" }, { min: 8 }], more, style);
}

/** A worker's state, with its exit code where there is one. */
export function stateWords({ state, exit_code }: WorkerView): string {
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

/** The fields that status adds to the state for machines. */
export function statusJson(snapshot: Snapshot, host: Host): Record<string, unknown> {
  return {
    problems: problemsOf(snapshot, host),
    spent_today_usd: host.spentToday ?? null,
    runner: { name: host.runner.name, ok: host.runner.missing === undefined },
    disk_free_bytes: host.diskFree ?? null,
    reachable: host.reachable,
  };
}
