/** The head of the screen: a line of facts, and below it what keeps things from happening. Pure. */
import { problemsOf } from "../problems.ts";
import { inTurns, listenerLine, NO_NOTIFICATION, NOBODY, summaryParts } from "../status.ts";
import { displayWidth, sanitizeCell, type Styler, truncate, wrap } from "../../text/style.ts";
import { fitting } from "./footer.ts";
import type { Size, View } from "./view.ts";

/** From so many rows on, or below so many columns, the first reason may take two rows. */
const ROOMY_ROWS = 20;
const NARROW_COLUMNS = 60;
/** Parts of the screen that reasons may take from everything else: any, and those that stop much. */
const ANY_SHARE = 1 / 6;
const GRAVE_SHARE = 1 / 3;
/** Longest message that is looked at, characters. */
const MESSAGE_HEAD = 400;

/** A reason why less happens than should, and the way out. */
export interface Reason {
  kind: string;
  message: string;
  next: string;
}

/** The head, at least two rows: as many reasons as fit into their share of the screen, or into `free` rows. */
export function headLines(view: View, { columns, rows }: Size, free: number, pen: Styler): string[] {
  const reasons = reasonsOf(view);
  if (reasons.length === 0) {
    const { listener, snapshot } = view;
    const well = `✓ nothing stands in the way; ${listenerLine(listener, snapshot.nowMs)}`;
    return [factsLine(view, columns, pen), ...clipped(inRows(well, columns), columns, 2).map(pen.green)];
  }
  const least = rows >= ROOMY_ROWS || columns < NARROW_COLUMNS ? 2 : 1;
  const most = (share: number) => Math.max(least, free, Math.floor(rows * share));
  const lines = reasonLines(reasons, columns, (reason) => most(isGrave(reason) ? GRAVE_SHARE : ANY_SHARE));
  return [factsLine(view, columns, pen), ...lines.map(pen.red)];
}

function factsLine({ snapshot, host, listener }: View, columns: number, pen: Styler): string {
  const who = listener === null
    ? []
    : [`${sanitizeCell(listener.agent)} ${listener.blocked ? "listens" : "is busy"}`];
  const facts = truncate(fitting(["looop", ...summaryParts(snapshot, host), ...who], columns), columns);
  const dir = sanitizeCell(snapshot.profile.dir);
  const free = columns - displayWidth(facts) - displayWidth(dir);
  return free < 2 ? pen.bold(facts) : `${pen.bold(facts)}${" ".repeat(free)}${pen.dim(dir)}`;
}

/** Everything that keeps things from happening but questions, which stand right below; the gravest first. */
export function reasonsOf(
  { snapshot, host, listener }: Pick<View, "snapshot" | "host" | "listener">,
): Reason[] {
  const problems = problemsOf(snapshot, host).filter(({ kind }) => kind !== "asks");
  return [
    ...problems.filter(isGrave),
    ...listener === null ? [{ kind: "listener", ...NOBODY }] : [],
    ...inTurns(problems.filter((problem) => !isGrave(problem))),
    ...host.reachable ? [] : [{ kind: "notification", ...NO_NOTIFICATION }],
  ];
}

/** Whether nothing, or nothing of a machine, is seen any more. */
function isGrave({ kind }: Pick<Reason, "kind">): boolean {
  return kind.startsWith("pulse") || kind === "host_unreachable";
}

/** As many reasons as fit, each whole where all are, else in at most two rows; the last one counts those that do not. */
function reasonLines(
  reasons: readonly Reason[],
  columns: number,
  most: (reason: Reason) => number,
): string[] {
  const shown = reasons.filter((reason) => !isListed(reason, reasons));
  const whole = shown.flatMap((reason) => inRows(wordsOf(reason), columns));
  const rest = reasons.length - shown.length;
  if (whole.length <= Math.min(...shown.map(most))) return rest === 0 ? whole : counted(whole, rest, columns);
  const lines: string[] = [];
  for (const [n, reason] of shown.entries()) {
    const room = Math.min(2, most(reason) - lines.length);
    if (room < 1) return counted(lines, reasons.length - n, columns);
    lines.push(...reasonIn(reason, columns, room, n + 1 < reasons.length));
  }
  return rest === 0 ? lines : counted(lines, rest, columns);
}

/** What the list of workers says of each of them. */
const OF_WORKERS = ["worker_lost", "not_ready", "limited", "silent"];

/** Whether two others of its kind stand before it, and it is in the list of workers, too. */
function isListed(reason: Reason, reasons: readonly Reason[]): boolean {
  if (!OF_WORKERS.includes(reason.kind)) return false;
  return reasons.filter(({ kind }) => kind === reason.kind).indexOf(reason) >= 2;
}

function wordsOf({ message, next }: Pick<Reason, "message" | "next">): string {
  return `! ${sanitizeCell(message.slice(0, MESSAGE_HEAD))}; ${sanitizeCell(next)}`;
}

/** A reason in so many rows, with place for a count behind it: where that makes its way out fit, its message is cut. */
function reasonIn({ message, next }: Reason, columns: number, rows: number, hasMore: boolean): string[] {
  const count = hasMore ? "_(+99)" : "";
  for (let cut = message, length = rows * columns; length > columns / 2; length -= 2) {
    const words = wordsOf({ message: cut, next });
    if (inRows(words + count, columns).length <= rows) return inRows(words, columns);
    cut = truncate(sanitizeCell(message.slice(0, MESSAGE_HEAD)), length);
  }
  return clipped(inRows(wordsOf({ message, next }), columns), columns, rows);
}

/** A text in rows, the later ones below its second word. */
function inRows(text: string, columns: number): string[] {
  return wrap(text, columns - 2, 0, true).map((line, n) => n === 0 ? line : `  ${line}`);
}

function clipped(lines: readonly string[], columns: number, most: number): string[] {
  return lines.length <= most ? [...lines] : [
    ...lines.slice(0, most - 1),
    truncate(lines.slice(most - 1).join(" ").replace(/(\S) +/g, "$1 "), columns),
  ];
}

function counted(lines: readonly string[], more: number, columns: number): string[] {
  const last = lines.at(-1) ?? "";
  const long = ` (and ${more} more: \`looop status\`)`;
  const count = displayWidth(last) + displayWidth(long) <= columns ? long : ` (+${more})`;
  return [...lines.slice(0, -1), truncate(last, columns - displayWidth(count)) + count];
}
