/** The facts about ended workers: what an agent would ask next, composed once for each run and kept in the world. */
import { RunCosts } from "../agents/run_cost.ts";
import type { Profile } from "../paths.ts";
import { lastPlainLines, type ScreenHost, screenOf } from "./screen.ts";
import type { Session } from "../sessions/session.ts";
import { listFiles, quietStat, statOf } from "../store.ts";
import { untold } from "../records/tells.ts";
import { truncate } from "../text/style.ts";
import type { EndedFacts, World } from "../world/world.ts";

/** Number of latest runs whose facts are kept. */
const RUNS_KEPT = 50;
/** Number of last lines of an ended worker, and of the screen of a lost one. */
const LAST_LINES = 5;
const SCREEN_LINES = 20;
/** Longest of these lines, columns. */
const LINE_COLUMNS = 160;
/** Number of unread tells that are shown for one run. */
const MAX_UNTOLD = 10;
/** Most reports named for one run. */
const MAX_REPORTS = 10;
/** Time after its end for which a run's cost is still looked for, ms. */
const COST_LATE_MS = 600_000;
/** Time after the end within which a report may have been written, ms. */
const REPORT_LATE_MS = 2_000;

/** Number of drawings at once: each is a child process. */
const DRAWINGS_AT_ONCE = 2;

type Ended = World["ended"];

/** Composes the facts of ended runs, and remembers those that still have to be drawn. */
export class EndedRuns {
  readonly #host: ScreenHost;
  readonly #onDrawn: () => void;
  /** Run → its last lines once they are drawn; undefined until then. */
  readonly #drawn = new Map<string, string[] | undefined>();
  /** The ledger when late costs were last looked for: a cost that becomes known adds a row to it. */
  #ledger: string | undefined;
  /** The facts as last composed, which need not have been published. */
  #facts: Ended = {};
  #drawing: Promise<void> = Promise.resolve();

  /** `onDrawn` is called when facts can be composed that had to wait for a drawing. */
  constructor(host: ScreenHost, onDrawn: () => void) {
    this.#host = host;
    this.#onDrawn = onDrawn;
  }

  /** Resolves when no drawing is left. */
  get ended(): Promise<void> {
    return this.#drawing;
  }

  /**
   * The facts of all ended runs. Known ones stay as they are, except for a cost that comes late; a run whose last
   * lines must be drawn first has none yet.
   */
  facts(sessions: readonly Session[], before: Ended, nowMs: number): Ended {
    const over = sessions.filter(({ view }) => !view.alive).sort((a, b) => endOf(b) - endOf(a)).slice(
      0,
      RUNS_KEPT,
    );
    const { profile } = this.#host;
    const costs = new RunCosts(profile);
    const hasNewRows = this.#noteLedger();
    const facts: Ended = {};
    const missing: Session[] = [];
    for (const session of over) {
      const known = this.#facts[session.view.id] ?? before[session.view.id];
      const isKnown = known?.gen === session.gen && known.state === session.view.state;
      const lines = isKnown
        ? []
        : lastPlainLines(session, linesOf(session)) ?? this.#drawn.get(keyOf(session));
      if (isKnown) {
        facts[session.view.id] = hasNewRows ? withLateCost(costs, session, known, nowMs) : known;
      } else if (lines !== undefined) facts[session.view.id] = factsOf(profile, costs, session, lines);
      else missing.push(session);
    }
    this.#draw(missing);
    return this.#facts = facts;
  }

  /** Whether the ledger has changed since the last look. */
  #noteLedger(): boolean {
    const info = statOf(this.#host.profile.cost);
    const before = this.#ledger;
    this.#ledger = `${info?.ino}/${info?.size}/${info?.mtime?.getTime()}`;
    return this.#ledger !== before;
  }

  #draw(sessions: readonly Session[]): void {
    for (const key of this.#drawn.keys()) {
      if (!sessions.some((session) => keyOf(session) === key)) this.#drawn.delete(key);
    }
    const queue = sessions.filter((session) => !this.#drawn.has(keyOf(session)));
    if (queue.length === 0) return;
    for (const session of queue) this.#drawn.set(keyOf(session), undefined);
    const draw = async () => {
      for (let session = queue.shift(); session !== undefined; session = queue.shift()) {
        const lines = await screenOf(this.#host, session.view.id, linesOf(session)).catch(() => []);
        this.#drawn.set(keyOf(session), lines);
        this.#onDrawn();
      }
    };
    this.#drawing = Promise.all([this.#drawing, ...Array.from({ length: DRAWINGS_AT_ONCE }, draw)]).then(
      () => {},
    );
  }
}

function keyOf({ view, gen }: Session): string {
  return `${view.id}/${gen}/${view.state}`;
}

function linesOf({ view }: Session): number {
  return view.state === "lost" ? SCREEN_LINES : LAST_LINES;
}

/** When a session ended, unix seconds; a lost session's end is not known, so it counts as new. */
function endOf({ endedAt }: Session): number {
  return endedAt ?? Infinity;
}

function factsOf(
  profile: Profile,
  costs: RunCosts,
  session: Session,
  lastLines: readonly string[],
): EndedFacts {
  const lines = lastLines.map((line) => truncate(line, LINE_COLUMNS));
  const reports = reportsOf(profile, session);
  const isLost = session.view.state === "lost";
  const left = untoldLines(profile, session);
  return {
    gen: session.gen,
    state: session.view.state,
    ...(reports.length === 0 ? {} : { reports }),
    ...(left.length === 0 ? {} : { untold: left }),
    cost: costOf(costs, session),
    ...(lines.length === 0 ? {} : isLost ? { screen: lines } : { last_lines: lines }),
  };
}

/** The first tells that the run has not read, and the number of the others. */
function untoldLines(profile: Profile, { view: { id }, gen }: Session): string[] {
  const texts = untold(profile, id, gen).map(({ text }) => truncate(text, LINE_COLUMNS));
  const more = texts.length - MAX_UNTOLD;
  return more <= 0 ? texts : [...texts.slice(0, MAX_UNTOLD), `… and ${more} more in tells/${id}/`];
}

function withLateCost(costs: RunCosts, session: Session, known: EndedFacts, nowMs: number): EndedFacts {
  const isLate = nowMs - endOf(session) * 1000 > COST_LATE_MS;
  return known.cost !== null || isLate ? known : { ...known, cost: costOf(costs, session) };
}

function costOf(costs: RunCosts, { view, dir, startedAt }: Session): number | null {
  return costs.of({ id: view.id, dir, startedAt });
}

/**
 * The reports of one run: files named after the worker and written since its start; others that were written while it
 * ran may also be its own.
 */
function reportsOf(profile: Profile, session: Session): NonNullable<EndedFacts["reports"]> {
  const { id } = session.view;
  const until = endOf(session) * 1000 + REPORT_LATE_MS;
  const files = listFiles(profile.reports).map((name) => {
    const mtime = quietStat(`${profile.reports}/${name}`)?.mtime?.getTime() ?? 0;
    return { file: `reports/${name}`, isOwn: isNamedAfter(name, id), mtime };
  });
  const ofItsTime = files.filter(({ mtime }) => mtime >= session.startedAt * 1000 && mtime <= until);
  const own = ofItsTime.filter(({ isOwn }) => isOwn).map(({ file }) => ({ file }));
  const others = ofItsTime.filter(({ isOwn }) => !isOwn).map(({ file }) => ({ file, maybe: true as const }));
  return [...own, ...others].slice(0, MAX_REPORTS);
}

/**
 * Whether a file's name begins with this id and not a longer one: `w1-notes.md` is not of `w`, nor `w10.md` of `w1`.
 */
function isNamedAfter(name: string, id: string): boolean {
  return name.startsWith(id) && !/^[A-Za-z0-9_]/.test(name.slice(id.length));
}
