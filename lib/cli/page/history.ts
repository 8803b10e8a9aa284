/** The fleet's history over the last days, read from the logs, the mailbox's archive and the ledger. */
import { sumLedger } from "../../agents/ledger.ts";
import type { CostSummary } from "../../agents/cost.ts";
import { eachLogLine, eachLogText } from "../../records/journal.ts";
import { archivedAsks, type Ask, readMailbox } from "../../records/mailbox.ts";
import { readActivity } from "../../records/journal.ts";
import { rowTime } from "../../records/since.ts";
import type { Profile } from "../../paths.ts";
import { isRecord } from "../../text/json.ts";
import { listFiles, quietText, readLinkedText, valueOf } from "../../store.ts";

/** One run of a worker. Times in unix ms. */
export interface Run {
  id: string;
  runner: string;
  startMs: number;
  /** Undefined while it runs, or when its end was not recorded. */
  endMs: number | undefined;
  /** `running`, `exited`, `killed` or `lost`. */
  state: string;
  endedBy: string;
}

/** One question; without `answeredMs` it is still open. */
export interface Question {
  id: string;
  worker: string;
  prompt: string;
  askedMs: number;
  answeredMs: number | undefined;
}

/** An event at one moment: a move in the journal, or a changed signal. */
export interface Moment {
  atMs: number;
  text: string;
}

/** A goal with its first line and its last move. */
export interface Goal {
  id: string;
  title: string;
  lastMs: number | undefined;
}

/** Everything that a page shows. */
export interface History {
  sinceMs: number;
  nowMs: number;
  runs: Run[];
  questions: Question[];
  moves: Moment[];
  signals: Moment[];
  open: Ask[];
  goals: Goal[];
  spend: CostSummary;
}

const DAY_MS = 86_400_000;
/** Most bars in a plot of spend. */
export const MAX_BARS = 20;
/** Longest part of a goal's first line that is shown, characters. */
const MAX_TITLE = 200;

/** Reads the last `days` days; lines and files that cannot be used are left out. */
export async function readHistory(profile: Profile, nowMs: number, days: number): Promise<History> {
  const sinceMs = nowMs - days * DAY_MS;
  const { runs, signals } = readEvents(profile, sinceMs);
  const { pending } = readMailbox(profile);
  return {
    sinceMs,
    nowMs,
    runs,
    signals,
    questions: questionsOf(profile, pending, sinceMs),
    moves: readMoves(profile, sinceMs),
    open: pending,
    goals: readGoals(profile),
    spend: await sumLedger(profile, nowMs, { shownWorkers: MAX_BARS }),
  };
}

/** A line of an event about a worker or a signal, as looop writes it. */
const EVENT_LINE = /^\{"ts":"[^"]*","event":"(worker_started|worker_ended|signal_changed)","id":"([^"\\]+)"/;
/** What the lines about a worker's start and end have in common. */
const WORKER_EVENT = '","event":"worker_';
/** Time before a page's first moment from which the starts of runs are read. */
const LOOK_BACK_MS = 30 * DAY_MS;

/** The events since a moment, and before them the starts of the runs that had not ended then. */
function eventsSince(profile: Profile, sinceMs: number): string[] {
  const starts = new Map<string, string>();
  eachLogText(profile, "events", sinceMs - LOOK_BACK_MS, (text) => {
    // Only workers' events are searched for: most lines are about signals.
    for (let at = text.indexOf(WORKER_EVENT); at >= 0; at = text.indexOf(WORKER_EVENT, at + 1)) {
      const end = text.indexOf("\n", at);
      const line = text.slice(text.lastIndexOf("\n", at) + 1, end < 0 ? text.length : end);
      const [, name, id = ""] = EVENT_LINE.exec(line) ?? [];
      if (rowTime(line) >= sinceMs) continue;
      if (name === "worker_started") starts.set(id, line);
      else if (name === "worker_ended") starts.delete(id);
    }
  });
  const events: string[] = [];
  eachLogLine(profile, "events", sinceMs, (line) => {
    if (!EVENT_LINE.test(line) || rowTime(line) >= sinceMs) events.push(line);
  });
  return [...starts.values(), ...events];
}

/** Runs and signal changes, from the events; a run that ended before `sinceMs` is left out. */
function readEvents(profile: Profile, sinceMs: number): { runs: Run[]; signals: Moment[] } {
  const runs: Run[] = [];
  const signals: Moment[] = [];
  const alive = new Map<string, Run>();
  for (const line of eventsSince(profile, sinceMs)) {
    const event = parseEvent(line);
    if (event === undefined) continue;
    const { atMs, name, id } = event;
    if (name === "worker_started") {
      const run = {
        id,
        runner: event.runner,
        startMs: atMs,
        endMs: undefined,
        state: "running",
        endedBy: "",
      };
      alive.set(id, run);
      runs.push(run);
    } else if (name === "worker_ended") {
      const run = alive.get(id);
      if (run !== undefined) Object.assign(run, { endMs: atMs, state: event.state, endedBy: event.endedBy });
      alive.delete(id);
    } else if (name === "signal_changed" && atMs >= sinceMs) signals.push({ atMs, text: id });
  }
  return { runs: runs.filter(({ endMs }) => endMs === undefined || endMs >= sinceMs), signals };
}

function parseEvent(line: string) {
  try {
    const value: unknown = JSON.parse(line);
    if (!isRecord(value)) return undefined;
    const text = (key: string) => typeof value[key] === "string" ? value[key] as string : "";
    const atMs = Date.parse(text("ts"));
    if (Number.isNaN(atMs)) return undefined;
    return {
      atMs,
      name: text("event"),
      id: text("id"),
      runner: text("runner"),
      state: text("state") || "exited",
      endedBy: text("ended_by"),
    };
  } catch {
    return undefined;
  }
}

const JOURNAL_LINE = /^- (\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}) (.*)$/;

function readMoves(profile: Profile, sinceMs: number): Moment[] {
  const moves: Moment[] = [];
  eachLogLine(profile, "journal", sinceMs, (line) => {
    const [, day, time, text] = JOURNAL_LINE.exec(line) ?? [];
    const atMs = Date.parse(`${day}T${time}`);
    if (text !== undefined && atMs >= sinceMs) moves.push({ atMs, text });
  });
  return moves;
}

function questionsOf(profile: Profile, pending: readonly Ask[], sinceMs: number): Question[] {
  const open = pending.map((ask) => questionOf(ask, undefined));
  const closed = archivedAsks(profile, sinceMs).map(({ ask, answer }) =>
    questionOf(ask, (answer?.ts ?? ask.ts) * 1000)
  );
  return [...closed.filter(({ answeredMs = 0 }) => answeredMs >= sinceMs), ...open];
}

function questionOf({ id, worker, prompt, ts }: Ask, answeredMs: number | undefined): Question {
  return { id, worker, prompt, askedMs: ts * 1000, answeredMs };
}

function readGoals(profile: Profile): Goal[] {
  const activity = valueOf(readActivity(profile)) ?? {};
  return listFiles(profile.goals, ".md").map((file) => {
    const id = file.slice(0, -3);
    const text = quietText(`${profile.goals}/${file}`, readLinkedText) ?? "";
    const title = text.split("\n").find((line) => line.trim() !== "") ?? "";
    const last = Object.hasOwn(activity, id) ? activity[id] : undefined;
    return {
      id,
      title: title.replace(/^#+\s*/, "").slice(0, MAX_TITLE),
      lastMs: last === undefined ? undefined : last * 1000,
    };
  });
}
