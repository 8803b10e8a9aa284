/** The benchmark's report: rows with their bars, the table, and rows that got slower since an earlier run. Pure. */

/** Limits of a row. */
export interface Limits {
  /** What the limits apply to: the value, or its ratio to the baseline in wall time or in CPU time. */
  of: "value" | "ratio" | "cpuRatio";
  bar: number;
  aim?: number;
}

/** One measured row. */
export interface Row {
  id: string;
  what: string;
  unit: "ms" | "MB" | "B";
  /** Median; undefined if it could not be measured here, in which case `note` says why. */
  value?: number;
  baseline?: { name: string; value: number };
  /** Value over baseline, both medians of interleaved runs. */
  ratio?: number;
  /** The same ratio of CPU time (user and system), which a busy machine disturbs less. */
  cpuRatio?: number;
  /** Median of looop 0.16, if that program was given. */
  old?: number;
  /** Number of runs. */
  n?: number;
  /** Relative standard error of the figure that `limits` and the comparison use. */
  noise?: number;
  limits: Limits;
  bar: string;
  aim: string;
  note?: string;
}

/** A whole run, as `--json` prints and `--compare` reads it. */
export interface Report {
  v: 1;
  version: string;
  date: string;
  machine: { os: string; arch: string; cpus: number; load: number };
  rows: Row[];
}

/** Median, and the relative standard error of that median. */
export interface Series {
  median: number;
  noise: number;
  n: number;
}

/** How long the runs of one subject took. */
export interface Timings {
  wall: Series;
  cpu: Series;
}

/** The part of a row that compares a subject with the baseline measured in turn with it, ms. */
export function against(subject: Timings, name: string, baseline: Timings) {
  return {
    value: subject.wall.median,
    baseline: { name, value: baseline.wall.median },
    ratio: subject.wall.median / baseline.wall.median,
    cpuRatio: subject.cpu.median / baseline.cpu.median,
    n: subject.wall.n,
    noise: Math.hypot(subject.cpu.noise, baseline.cpu.noise),
  };
}

/** Median and noise of runs; one disturbed run does not move them. */
export function seriesOf(values: readonly number[]): Series {
  const median = medianOf(values);
  const spread = 1.4826 * medianOf(values.map((value) => Math.abs(value - median)));
  const error = 1.2533 * spread / Math.sqrt(Math.max(1, values.length));
  return { median, noise: median === 0 ? 0 : error / median, n: values.length };
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Whether a row reaches its aim, only its bar, or neither. */
export function verdictOf(row: Row): "aim" | "bar" | "missed" | "not measured" {
  const figure = row[row.limits.of];
  if (figure === undefined) return "not measured";
  if (row.limits.aim !== undefined && figure <= row.limits.aim) return "aim";
  return figure <= row.limits.bar ? "bar" : "missed";
}

const VERDICTS = { aim: "aim", bar: "bar", missed: "**missed**", "not measured": "not measured" } as const;

/** The report as a Markdown table, with the machine and the notes below it. */
export function formatTable(report: Report): string {
  const { machine } = report;
  const hasOld = report.rows.some(({ old }) => old !== undefined);
  const columns = [
    "what",
    "measured",
    ...(hasOld ? ["looop 0.16"] : []),
    "baseline in the same run",
    "ratio",
  ];
  columns.push("CPU ratio", "bar", "aim", "reached");
  const lines = [
    `| ${columns.join(" | ")} |`,
    `|${"---|".repeat(columns.length)}`,
    ...report.rows.map((row) =>
      `| ${
        [
          row.what,
          row.value === undefined ? "–" : `${round(row.value)} ${row.unit}`,
          ...(hasOld ? [row.old === undefined ? "–" : `${round(row.old)} ${row.unit}`] : []),
          row.baseline === undefined ? "–" : `${row.baseline.name}: ${round(row.baseline.value)} ${row.unit}`,
          row.ratio === undefined ? "–" : `${row.ratio.toFixed(2)} ×`,
          row.cpuRatio === undefined ? "–" : `${row.cpuRatio.toFixed(2)} ×`,
          row.bar,
          row.aim,
          VERDICTS[verdictOf(row)],
        ].join(" | ")
      } |`
    ),
    "",
    `looop ${report.version}, ${machine.os} ${machine.arch}, ${machine.cpus} CPUs, load ${
      machine.load.toFixed(1)
    } during the run. Medians of interleaved runs.`,
    ...report.rows.filter((row) => row.note !== undefined).map((row) => `- ${row.what}: ${row.note}`),
  ];
  return lines.join("\n");
}

function round(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** The smallest relative difference that counts as slower, even if the runs were quiet. */
const LEAST_CHANGE = 0.1;

/** Rows that got slower or larger by more than the noise of both runs, and by how much. */
export function slowerThan(
  before: Report,
  now: Report,
): { id: string; what: string; from: number; to: number; change: number }[] {
  const slower = [];
  for (const row of now.rows) {
    const old = before.rows.find((candidate) => candidate.id === row.id);
    // The ratio to the baseline can be compared across machines and loads; the figure alone cannot.
    const from = old?.cpuRatio ?? old?.ratio ?? old?.value;
    const to = row.cpuRatio ?? row.ratio ?? row.value;
    if (old === undefined || from === undefined || to === undefined || from <= 0) continue;
    const change = to / from - 1;
    const noise = 3 * Math.hypot(old.noise ?? 0, row.noise ?? 0);
    if (change > Math.max(LEAST_CHANGE, noise)) slower.push({ id: row.id, what: row.what, from, to, change });
  }
  return slower;
}
