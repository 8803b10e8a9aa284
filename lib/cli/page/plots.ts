/** The page's plots as SVG, drawn by Observable Plot on a document that needs no browser. Pure. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom/worker";
import { sanitizeLine } from "../../text/style.ts";
import { localMinute } from "../../text/time.ts";
import { type History, MAX_BARS, type Run } from "./history.ts";

/** Width of a plot over time, px; a narrow page scrolls it. */
const WIDTH = 960;
/** Width of a plot that fits a narrow page, px. */
const SHORT_WIDTH = 560;
const LEFT = 64;
const LANE_PX = 16;
/** Height of all lanes, px, beyond which the lanes become thinner. */
const MAX_LANES_PX = 640;
/** Width of a letter in a bar, px. */
const LETTER_PX = 6.2;

/** States and their colours, as variables of the page's style sheet, which has them for light and dark. */
const STATES = ["running", "exited", "killed", "lost"] as const;
const COLOURS = STATES.map((state) => `var(--${state})`);
/** Marks at the end of a bar, so that colour is not the only sign. */
const END_MARKS: Readonly<Record<string, string>> = { killed: "■", lost: "✕" };

function draw(options: Plot.PlotOptions): string {
  const { document } = parseHTML("<html><body></body></html>") as unknown as { document: unknown };
  const style = { background: "none", color: "currentColor", fontFamily: "inherit", overflow: "visible" };
  const figure = Plot.plot({
    document: document as never,
    width: WIDTH,
    marginLeft: LEFT,
    style,
    ...options,
  });
  return figure.outerHTML;
}

/** The plot of runs: one bar each, in as many lanes as workers ran at once. */
export function runsPlot({ runs, sinceMs, nowMs }: History): string {
  const { bars, lanes } = intoLanes(runs, sinceMs, nowMs);
  const height = Math.min(MAX_LANES_PX, Math.max(1, lanes) * LANE_PX) + 40;
  const widthOf = (from: number, to: number) => (to - from) / (nowMs - sinceMs) * (WIDTH - LEFT);
  const labelled = bars.filter(({ id, from, to }) => widthOf(from, to) > id.length * LETTER_PX + 8);
  const marked = bars.filter(({ state }) => state in END_MARKS);
  return draw({
    height,
    x: { type: "time", domain: [new Date(sinceMs), new Date(nowMs)], label: null },
    y: { axis: null, domain: Array.from({ length: Math.max(1, lanes) }, (_, n) => n) },
    color: { domain: [...STATES], range: COLOURS },
    marks: [
      Plot.gridX({ stroke: "currentColor", strokeOpacity: 0.12 }),
      Plot.barX(bars, {
        x1: "start",
        x2: "end",
        y: "lane",
        fill: "state",
        insetTop: 1,
        insetBottom: 1,
        rx: 2,
        title: "title",
      }),
      Plot.text(labelled, {
        x: "start",
        y: "lane",
        text: "id",
        textAnchor: "start",
        dx: 4,
        fill: "var(--on-bar)",
        fontSize: 10,
      }),
      Plot.text(marked, { x: "end", y: "lane", text: "mark", dx: -5, fill: "var(--on-bar)", fontSize: 9 }),
    ],
  });
}

interface Bar extends Run {
  from: number;
  to: number;
  start: Date;
  end: Date;
  lane: number;
  title: string;
  mark: string;
}

/** Puts each run into the first lane that is free when it starts. Pure. */
export function intoLanes(
  runs: readonly Run[],
  sinceMs: number,
  nowMs: number,
): { bars: Bar[]; lanes: number } {
  const ends: number[] = [];
  const bars = [...runs].sort((a, b) => a.startMs - b.startMs).map((run) => {
    const from = Math.max(run.startMs, sinceMs);
    const to = Math.max(run.endMs ?? nowMs, from + (nowMs - sinceMs) / WIDTH);
    const free = ends.findIndex((end) => end <= from);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = to;
    const ended = run.endedBy === "" ? "" : ` by ${run.endedBy}`;
    const title = `${run.id} (${sanitizeLine(run.runner)}): ${run.state}${ended}\n${
      localMinute(run.startMs)
    } to ${run.endMs === undefined ? "now" : localMinute(run.endMs)}`;
    const times = { from, to, start: new Date(from), end: new Date(to) };
    return { ...run, ...times, lane, title, mark: END_MARKS[run.state] ?? "" };
  });
  return { bars, lanes: ends.length };
}

/** From so many questions on, their dots are small and let others show through. */
const CROWD = 300;

/** The plot of waiting times: a line from question to answer; open questions extend to the present. */
export function questionsPlot({ questions, sinceMs, nowMs }: History): string {
  const lines = questions.map((question) => ({
    start: new Date(Math.max(question.askedMs, sinceMs)),
    end: new Date(question.answeredMs ?? nowMs),
    hours: ((question.answeredMs ?? nowMs) - question.askedMs) / 3_600_000,
    open: question.answeredMs === undefined,
    title: `${question.id}${question.answeredMs === undefined ? " (open)" : ""}: ${
      sanitizeLine(question.prompt.slice(0, 120))
    }`,
  }));
  const isCrowd = lines.length > CROWD;
  return draw({
    height: 150,
    x: { type: "time", domain: [new Date(sinceMs), new Date(nowMs)], label: null },
    y: { label: "hours waited", zero: true, nice: true, ticks: 4 },
    marks: [
      Plot.gridX({ stroke: "currentColor", strokeOpacity: 0.12 }),
      Plot.ruleY(lines, {
        x1: "start",
        x2: "end",
        y: "hours",
        stroke: "var(--ask)",
        strokeWidth: isCrowd ? 1 : 2,
      }),
      Plot.dot(lines, {
        x: "end",
        y: "hours",
        r: isCrowd ? 1.5 : 3,
        fillOpacity: isCrowd ? 0.5 : 1,
        stroke: (line) => line.open || !isCrowd ? "var(--ask)" : "none",
        fill: (line) => line.open ? "none" : "var(--ask)",
        title: "title",
      }),
    ],
  });
}

/** The plot of moves and signal changes: their number by parts of a day. */
export function momentsPlot({ moves, signals, sinceMs, nowMs }: History): string {
  const all = [
    ...moves.map(({ atMs }) => ({ at: new Date(atMs), kind: "moves" })),
    ...signals.map(({ atMs }) => ({ at: new Date(atMs), kind: "signals" })),
  ];
  const interval = nowMs - sinceMs > 20 * 86_400_000 ? "day" : "3 hours";
  return draw({
    height: 130,
    x: { type: "time", domain: [new Date(sinceMs), new Date(nowMs)], label: null },
    y: { label: "moves, signals", ticks: 3 },
    color: { domain: ["moves", "signals"], range: ["var(--move)", "var(--signal)"] },
    marks: [
      Plot.rectY(
        all,
        Plot.binX({ y: "count" }, { x: "at", fill: "kind", interval, inset: 0.5 } as never),
      ),
      Plot.ruleY([0], { stroke: "currentColor" }),
    ],
  });
}

/** Least and most bars of dollars by day. */
const MIN_DAYS = 14;
const MAX_DAYS = 90;

/** Dollars by day: those of the page, and a few more beside which a short time can be seen. */
export function spendByDayPlot({ spend, sinceMs, nowMs }: History): string {
  const shown = Math.ceil((nowMs - sinceMs) / 86_400_000) + 1;
  const days = spend.byDay.slice(-Math.min(MAX_DAYS, Math.max(MIN_DAYS, shown))).map(({ day, usd }) => ({
    day: new Date(`${day}T12:00`),
    usd,
    title: day,
  }));
  return draw({
    height: 160,
    x: { type: "utc", label: null },
    y: { label: "dollars", nice: true, ticks: 4 },
    marks: [
      Plot.rectY(days, {
        x: "day",
        interval: "day",
        y: "usd",
        fill: "var(--money)",
        title: "title",
        inset: 1,
      }),
      Plot.ruleY([0], { stroke: "currentColor" }),
    ],
  });
}

/** Dollars of the most expensive workers. */
export function spendByWorkerPlot({ spend }: History): string {
  const workers = spend.byWorker.slice(0, MAX_BARS).map(({ name, usd }) => ({
    name: sanitizeLine(name),
    usd,
  }));
  const longest = Math.max(0, ...workers.map(({ name }) => name.length));
  return draw({
    width: SHORT_WIDTH,
    height: Math.max(2, workers.length) * 18 + 30,
    marginLeft: Math.min(SHORT_WIDTH / 2, Math.max(LEFT, longest * LETTER_PX + 16)),
    // The amount of the longest bar stands behind it.
    marginRight: 64,
    x: { label: "dollars", ticks: 5 },
    y: { domain: workers.map(({ name }) => name), label: null },
    marks: [
      Plot.barX(workers, { x: "usd", y: "name", fill: "var(--money)", insetTop: 1, insetBottom: 1 }),
      Plot.text(workers, {
        x: "usd",
        y: "name",
        text: (worker) => `$${worker.usd.toFixed(2)}`,
        textAnchor: "start",
        dx: 4,
      }),
      Plot.ruleX([0], { stroke: "currentColor" }),
    ],
  });
}
