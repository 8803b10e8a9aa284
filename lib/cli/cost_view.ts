/** The ledger's sums as text for people and as JSON for machines. Pure. */
import type { Amount, CostSummary } from "../agents/cost.ts";
import { bar, pad, sanitizeLine, styler, table, wrap } from "../text/style.ts";

/** Dollars with two decimals: `$0.50`; less than a cent is `<$0.01`. */
export function formatUsd(usd: number): string {
  return usd > 0 && usd < 0.01 ? "<$0.01" : `$${usd.toFixed(2)}`;
}

/** How to show a summary. */
export interface CostView {
  /** Columns of the terminal. */
  width: number;
  unicode: boolean;
  colour: boolean;
  /** The local day, when the summary is of today alone. */
  today?: string;
}

const SHOWN_DAYS = 30;
/** Workers that are shown by name. */
export const SHOWN_WORKERS = 10;
/** Workers that a program is given by name unless it asks for all of them. */
export const JSON_WORKERS = 50;
const SHOWN_GROUPS = 20;

/** The text of `looop cost`; no line is wider than the terminal (of 30 columns or more). */
export function showCost(summary: CostSummary, view: CostView): string {
  const { bold } = styler(view.colour);
  const scope = view.today === undefined ? "all time" : `today (${view.today} local)`;
  return [
    bold(`looop cost — ${scope}`),
    `  total: ${formatUsd(summary.total.usd)}${isLess(summary) ? " and more" : ""}  (${
      callsOf(summary.total)
    })`,
    ...(view.today === undefined ? showDays(summary.byDay, view) : []),
    ...showGroup("kind", summary.byKind, SHOWN_GROUPS, view),
    ...showGroup("runner", summary.byRunner, SHOWN_GROUPS, view),
    ...showGroup("worker", summary.byWorker, SHOWN_WORKERS, view, summary.otherWorkers),
    ...showNotes(summary, view),
  ].join("\n");
}

/** Whether more was spent than the sums show. */
function isLess({ unpriced, unrecorded }: CostSummary): boolean {
  return unpriced.length > 0 || unrecorded.length > 0;
}

function callsOf({ calls }: Amount): string {
  return calls === 1 ? "1 call" : `${calls} calls`;
}

/** One line per day, with a bar in proportion to its cost; the bar takes the columns that are left. */
function showDays(byDay: CostSummary["byDay"], view: CostView): string[] {
  if (byDay.length === 0) return [];
  const shown = byDay.slice(-SHOWN_DAYS);
  const most = Math.max(...shown.map((day) => day.usd));
  const amounts = shown.map((day) => formatUsd(day.usd));
  const amountWidth = Math.max(...amounts.map((amount) => amount.length));
  const room = Math.min(50, view.width - "    2026-06-01  ".length - amountWidth - 2);
  const { green } = styler(view.colour);
  const lines = shown.map(({ day, usd }, i) => {
    // A single day has nothing to be compared with.
    const plot = byDay.length < 2 ? "" : bar(most === 0 ? 0 : usd / most, room, view.unicode);
    return `    ${day}  ${pad(amounts[i]!, amountWidth, "right")}  ${green(plot)}`.trimEnd();
  });
  const earlier = byDay.slice(0, -SHOWN_DAYS);
  if (earlier.length > 0) {
    const usd = earlier.reduce((sum, day) => sum + day.usd, 0);
    lines.unshift(`    earlier: ${formatUsd(usd)} on ${earlier.length} days`);
  }
  return ["  by day:", ...lines];
}

/** The most expensive names of a group, and one row for the rest, with `others` that are not among `sums`. */
function showGroup(
  title: string,
  sums: CostSummary["byKind"],
  most: number,
  view: CostView,
  others = { usd: 0, calls: 0, count: 0 },
): string[] {
  if (sums.length === 0) return [];
  const rows = sums.slice(0, most).map((sum) => [sanitizeLine(sum.name), formatUsd(sum.usd), callsOf(sum)]);
  const count = Math.max(0, sums.length - most) + others.count;
  const rest = sums.slice(most).reduce((sum, { usd, calls }) => ({
    usd: sum.usd + usd,
    calls: sum.calls + calls,
  }), { usd: others.usd, calls: others.calls });
  if (count > 0) rows.push([`${count} more`, formatUsd(rest.usd), callsOf(rest)]);
  const columns = [{ min: 6 }, { align: "right" as const }, { align: "right" as const }];
  return [`  by ${title}:`, ...table(rows, { width: view.width - 4, columns }).map((line) => `    ${line}`)];
}

function showNotes(summary: CostSummary, { width }: CostView): string[] {
  const { superseded, skippedLines, coverage, unpriced, unrecorded, roots } = summary;
  const notes: string[] = [];
  if (coverage !== undefined) notes.push(coverageNote(coverage));
  if (unpriced.length > 0) {
    notes.push(
      `dollars not known, only tokens: ${
        someOf(unpriced)
      }; "prices" in config.json gives them a price from then on`,
    );
  }
  if (unrecorded.length > 0) {
    const replies = unrecorded.reduce((sum, one) => sum + one.replies, 0);
    const names = someOf(unrecorded.map(({ name }) => name));
    notes.push(
      `in no record: ${replies === 1 ? "1 reply" : `${replies} replies`} of ${names}, cut off by a kill`,
    );
  }
  if (roots !== undefined && roots.known < roots.seen) {
    notes.push(`root agents: the spend of ${roots.known} of ${roots.seen} sessions is known`);
  }
  if (superseded.calls > 0) {
    notes.push(
      `not added: ${formatUsd(superseded.usd)} of self-reports that the runner's own figures replace`,
    );
  }
  if (skippedLines > 0) {
    notes.push(`not read: ${skippedLines === 1 ? "1 line" : `${skippedLines} lines`} of the ledger`);
  }
  return notes.flatMap((note) => wrap(note, width, 2));
}

function coverageNote(
  { ran, withoutCost, priced, elsewhere = [] }: NonNullable<CostSummary["coverage"]>,
): string {
  const reported = ran - withoutCost.length;
  const known = `coverage: ${reported} of ${ran} workers have a cost` +
    (priced < reported ? `, ${priced} of them in dollars` : "");
  const missing = withoutCost.length === 0 ? known : `${known}; none from ${someOf(withoutCost)}`;
  return elsewhere.length === 0
    ? missing
    : `${missing} (on other machines, their agents' records not read: ${someOf(elsewhere)})`;
}

/** The first names of a list, and the number of the others. */
function someOf(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return `${names.slice(0, 5).map(sanitizeLine).join(", ")}${more}`;
}

/** The most expensive workers, and the sum of the others, if there are any. */
function workersJson({ byWorker, otherWorkers }: CostSummary, most: number): Record<string, unknown> {
  const rest = byWorker.slice(most);
  const sumOf = (key: "usd" | "calls") => rest.reduce((sum, one) => sum + one[key], otherWorkers?.[key] ?? 0);
  const count = rest.length + (otherWorkers?.count ?? 0);
  const others = { count, usd: Math.round(sumOf("usd") * 1e9) / 1e9, calls: sumOf("calls") };
  return { by_worker: byWorker.slice(0, most), ...(count === 0 ? {} : { other_workers: others }) };
}

/** The summary for machines, keys in snake_case; dollars as numbers. */
export function costSummaryJson(summary: CostSummary, mostWorkers = Infinity): Record<string, unknown> {
  const json: Record<string, unknown> = {
    total_usd: summary.total.usd,
    calls: summary.total.calls,
    by_day: summary.byDay,
    by_kind: summary.byKind,
    by_runner: summary.byRunner,
    ...workersJson(summary, mostWorkers),
    counted: summary.counted,
    superseded: summary.superseded,
    skipped_lines: summary.skippedLines,
    unpriced: summary.unpriced,
    unrecorded: summary.unrecorded,
  };
  if (summary.coverage !== undefined) {
    const { ran, withoutCost, priced, elsewhere = [] } = summary.coverage;
    const reported = ran - withoutCost.length;
    const ratio = ran === 0 ? null : Math.round((reported / ran) * 1000) / 1000;
    json.coverage = {
      ran,
      reported,
      priced,
      ratio,
      without_cost: withoutCost,
      ...(elsewhere.length === 0 ? {} : { elsewhere }),
    };
  }
  if (summary.roots !== undefined) json.root_sessions = summary.roots;
  return json;
}
