/** The screen of `looop watch` as lines: the profile and the chosen item, laid out for any size. Pure. */
import { formatUsd } from "../cost_view.ts";
import { secondsSince } from "../problems.ts";
import { endOf, type RankedWorker, stateWords } from "../status.ts";
import type { Ask } from "../../records/mailbox.ts";
import {
  age,
  type Column,
  pad,
  sanitize,
  sanitizeCell,
  type Styler,
  styler,
  table,
  truncate,
  wrap,
} from "../../text/style.ts";
import { localMinute } from "../../text/time.ts";
import { schedulesDue } from "../../world/world.ts";
import { ALL_KEYS, keysLine, typingLine } from "./footer.ts";
import { headLines } from "./head.ts";
import type { Ui } from "./keys.ts";
import { list, type Part, rowsOf, share, title } from "./parts.ts";
import type { Size, View } from "./view.ts";

/** A drawn screen. */
export interface Drawn {
  /** As many as the terminal has rows, none wider than it. */
  lines: string[];
  /** How far the chosen one can be scrolled, rows; and the rows of a page. */
  maxScroll: number;
  page: number;
}

/** From this size on the chosen one stands beside the lists, and below it under them; smaller, only on demand. */
const BESIDE = { columns: 110, rows: 16 };
const BELOW_ROWS = 18;
/** The widest that the lists become. */
const LISTS_COLUMNS = 96;

/** Draws the screen. */
export function drawScreen(view: View, ui: Ui, size: Size, colour: boolean): Drawn {
  const { columns, rows } = size;
  const pen = styler(colour);
  const foot = footer(view, ui, columns, pen);
  const sheet: Sheet = { view, ui, pen, drawn: { maxScroll: 0, page: 1 } };
  const body = bodyOf(sheet, size);
  const head = headLines(view, size, rows - foot.length - 1 - body.wants, pen);
  const room = Math.max(0, rows - head.length - foot.length);
  sheet.drawn.page = Math.max(1, room - 2);
  const filled = [...body.draw(room), ...Array<string>(room).fill("")].slice(0, room);
  return { lines: [...head, ...filled, ...foot].slice(0, rows), ...sheet.drawn };
}

/** What stands between head and foot: the rows that it has use for, and its lines in so many rows. */
interface Body {
  wants: number;
  draw(room: number): string[];
}

function bodyOf(sheet: Sheet, { columns, rows }: Size): Body {
  const { ui, pen } = sheet;
  const isBeside = columns >= BESIDE.columns && rows >= BESIDE.rows;
  const isWhole = ui.isWhole || (ui.typing !== undefined && !isBeside && rows < BELOW_ROWS);
  if (ui.isHelp) return { wants: rows, draw: () => helpLines(columns, pen) };
  if (isWhole) return { wants: rows, draw: (room) => detail(sheet, columns).draw(room) };
  return isBeside ? beside(sheet, columns, rows) : below(sheet, columns, rows >= BELOW_ROWS);
}

function helpLines(columns: number, pen: Styler): string[] {
  const rows = table(ALL_KEYS, { width: columns - 2, columns: [{ min: 8, paint: pen.bold }, { min: 8 }] });
  return [title("keys", columns, pen), ...rows.map((row) => `  ${row}`)];
}

/** What the parts draw from, and what the chosen one tells about its rows. */
interface Sheet {
  view: View;
  ui: Ui;
  pen: Styler;
  drawn: { maxScroll: number; page: number };
}

function beside(sheet: Sheet, columns: number, rows: number): Body {
  const left = Math.min(LISTS_COLUMNS, Math.floor(columns / 2));
  const right = columns - left - 3;
  const lists = listsOf(sheet, left);
  const news = [detail(sheet, right), journal(sheet, right, Math.max(5, Math.floor(rows / 4)))];
  return {
    wants: Math.max(rowsOf(lists), rowsOf(news)),
    draw(room) {
      const [onLeft, onRight] = [share(room, lists), share(room, news)];
      const row = (n: number) => `${pad(onLeft[n] ?? "", left)} ${sheet.pen.dim("│")} ${onRight[n] ?? ""}`;
      return Array.from({ length: room }, (_, n) => row(n));
    },
  };
}

function below(sheet: Sheet, columns: number, hasDetail: boolean): Body {
  const [asks, workers, ...others] = listsOf(sheet, columns);
  const shown = hasDetail ? [detail(sheet, columns)] : [];
  const parts = [asks!, workers!, ...shown, ...others, journal(sheet, columns, 8)];
  return { wants: rowsOf(parts), draw: (room) => share(room, parts) };
}

function listsOf(sheet: Sheet, columns: number): Part[] {
  return [asks, workers, sensors, schedules, machines].map((part) => part(sheet, columns));
}

// --- foot ---------------------------------------------------------------------------------------------------------

function footer(view: View, ui: Ui, columns: number, pen: Styler): string[] {
  const notice = ui.notice === "" ? [] : [pen.yellow(truncate(sanitizeCell(ui.notice), columns))];
  if (ui.typing !== undefined) return [...notice, pen.bold(typingLine(ui.typing, columns))];
  if (notice.length > 0) return notice;
  const ask = view.snapshot.asks.find(({ id }) => ui.chosen === `ask:${id}`);
  return [pen.dim(keysLine(ui, ask?.options?.length, view.locked !== undefined, columns))];
}

// --- lists --------------------------------------------------------------------------------------------------------

/** The part of a prompt of which its first line is taken, characters. */
const PROMPT_HEAD = 400;

function asks({ view, ui, pen }: Sheet, columns: number): Part {
  const { asks, nowMs } = view.snapshot;
  const count = asks.length;
  const head = count === 0
    ? pen.dim("questions: none waits for you")
    : pen.yellow(`questions: ${count} ${count === 1 ? "waits" : "wait"} for you`);
  return list({
    title: title(head, columns, pen),
    count,
    want: 8,
    chosen: asks.findIndex(({ id }) => ui.chosen === `ask:${id}`),
    rows: (from, to) =>
      table(
        asks.slice(from, to).map(({ id, ts, prompt, options }) => {
          const choices = options === undefined ? "" : ` [${options.join(" | ").slice(0, PROMPT_HEAD)}]`;
          const since = age(secondsSince(nowMs, ts * 1000));
          return [id, since, sanitizeCell(`${prompt.trimStart().slice(0, PROMPT_HEAD)}${choices}`)];
        }),
        { width: columns - 2, columns: [{ min: 8 }, { align: "right" }, { min: 8 }] },
      ),
    pen,
  });
}

function workers({ view, ui, pen }: Sheet, columns: number): Part {
  const { workers, snapshot: { nowMs } } = view;
  const alive = workers.filter(({ worker }) => worker.alive).length;
  const hasHosts = workers.some(({ worker }) => worker.host !== undefined);
  const cells = [
    ({ worker }: RankedWorker) => worker.id,
    ({ worker, condition }: RankedWorker) => condition || stateWords(worker),
    ({ worker }: RankedWorker) => {
      const since = age(secondsSince(nowMs, Date.parse(worker.ended ?? worker.started)));
      return worker.alive ? `for ${since}` : `${since} ago`;
    },
    ({ worker }: RankedWorker) => worker.alive ? `idle ${age(worker.idle_s)}` : endOf(worker),
    ({ worker }: RankedWorker) => spentOn(view, worker),
    ({ worker }: RankedWorker) => sanitizeCell(worker.runner),
    ({ worker }: RankedWorker) => worker.host ?? (hasHosts ? "here" : ""),
  ];
  const shape: Column[] = [
    { min: 6 },
    { min: 7, paint: (cell) => paintState(cell, pen) },
    {},
    {},
    { align: "right" },
    { min: 4 },
    { min: 4 },
  ];
  const most = columns < 50 ? 4 : columns < 64 ? 5 : hasHosts ? 7 : 6;
  return list({
    title: title(`workers: ${alive} alive, ${workers.length - alive} ended`, columns, pen),
    count: workers.length,
    want: 10,
    chosen: workers.findIndex(({ worker }) => ui.chosen === `worker:${worker.id}`),
    rows: (from, to) =>
      table(
        workers.slice(from, to).map((ranked) => cells.slice(0, most).map((cell) => cell(ranked))),
        { width: columns - 2, columns: shape.slice(0, most) },
      ),
    pen,
  });
}

function spentOn({ spent, snapshot }: View, { id, gen, alive }: RankedWorker["worker"]): string {
  const facts = snapshot.world.ended[id];
  const usd = (!alive && facts?.gen === gen ? facts.cost : undefined) ?? spent.get(id);
  return usd === undefined ? "–" : formatUsd(usd);
}

function paintState(cell: string, pen: Styler): string {
  const word = cell.trim();
  if (/^(lost|killed|exited [1-9])/.test(word)) return pen.red(cell);
  if (/^(asking|silent|not ready|limited)/.test(word)) return pen.yellow(cell);
  return /^(running|starting)/.test(word) ? pen.green(cell) : pen.dim(cell);
}

/** Seconds are not shown: the screen would be drawn again for each sensor that is read as it should be. */
function sensors({ view: { sensors }, pen }: Sheet, columns: number): Part {
  const odd = sensors.filter(({ state }) => state !== "ok");
  const words = ["failing", "flapping", "unread"].flatMap((state) => {
    const n = odd.filter((sensor) => sensor.state === state).length;
    return n === 0 ? [] : [`${n} ${state}`];
  });
  const counts = [`${sensors.length - odd.length} ok`, ...words].join(", ");
  const head = `sensors: ${sensors.length === 0 ? "none" : counts}`;
  const sorted = [...odd, ...sensors.filter(({ state }) => state === "ok")];
  return list({
    title: title(odd.length > 0 ? pen.yellow(head) : head, columns, pen),
    count: sorted.length,
    want: 6,
    rows: (from, to) =>
      table(
        sorted.slice(from, to).map(({ name, state, age_s, interval_s, message = "" }) => [
          name,
          state,
          age_s === null ? "never read" : `read ${age_s < 60 ? "<1 min" : age(age_s)} ago`,
          message === "" ? `every ${age(interval_s)}` : sanitizeCell(message.slice(0, PROMPT_HEAD)),
        ]),
        {
          width: columns - 2,
          columns: [{ min: 8 }, { paint: (cell) => paintSensor(cell, pen) }, {}, { min: 8 }],
        },
      ),
    pen,
  });
}

function paintSensor(cell: string, pen: Styler): string {
  const word = cell.trim();
  return word === "failing" ? pen.red(cell) : word === "ok" ? pen.green(cell) : pen.yellow(cell);
}

function schedules({ view: { snapshot }, pen }: Sheet, columns: number): Part {
  const { world: { schedules: { firings } }, nowMs } = snapshot;
  const due = Object.entries(firings).filter(([, { due, given }]) => due > given)
    .map(([id, { due, text }]) => ({ id, at: due, text }));
  const next = schedulesDue(snapshot.world).map(({ id, next }) => ({ id, at: next, text: "" }));
  const sorted = [...due, ...next].sort((a, b) => a.at - b.at);
  if (sorted.length === 0) return { min: 0, want: 0, draw: () => [] };
  const head = `schedules: ${due.length === 0 ? "" : `${due.length} DUE, `}${next.length} to come`;
  return list({
    title: title(due.length > 0 ? pen.yellow(head) : head, columns, pen),
    count: sorted.length,
    want: 5,
    rows: (from, to) =>
      table(
        sorted.slice(from, to).map(({ id, at, text }) => [
          id,
          at <= nowMs
            ? `due ${age((nowMs - at) / 1000)} ago, not taken yet`
            : `in ${age((at - nowMs) / 1000)}`,
          text === "" ? clock(at, nowMs) : sanitizeCell(text.slice(0, PROMPT_HEAD)),
        ]),
        { width: columns - 2, columns: [{ min: 8 }, { min: 8 }, { min: 8 }] },
      ),
    pen,
  });
}

/** A moment in the machine's zone: the time, with the day where it is another. */
function clock(ms: number, nowMs: number): string {
  const text = localMinute(ms);
  return text.slice(0, 10) === localMinute(nowMs).slice(0, 10) ? text.slice(11) : text;
}

function machines({ view: { machines }, pen }: Sheet, columns: number): Part {
  if (machines.length === 0) return { min: 0, want: 0, draw: () => [] };
  return list({
    title: title(`other machines: ${machines.length}`, columns, pen),
    count: machines.length,
    want: 4,
    rows: (from, to) =>
      table(machines.slice(from, to), {
        width: columns - 2,
        columns: [{ min: 6 }, { min: 8 }, { min: 8 }],
      }),
    pen,
  });
}

function journal({ view, pen }: Sheet, columns: number, want: number): Part {
  const today = `- ${localMinute(view.snapshot.nowMs).slice(0, 10)} `;
  return {
    min: 2,
    want: view.journal.length === 0 ? 2 : want,
    draw(height) {
      if (height < 1) return [];
      const lines = height === 1 ? [] : view.journal.slice(1 - height);
      const shown = lines.map((line) => {
        const entry = line.startsWith(today) ? line.slice(today.length) : line.slice(2);
        return truncate(`  ${sanitizeCell(entry.slice(0, 4 * columns))}`, columns);
      });
      return [
        title("journal", columns, pen),
        ...shown.length === 0 ? [truncate("  nothing was done yet", columns)] : shown,
      ]
        .slice(0, height);
    },
  };
}

// --- the chosen one -----------------------------------------------------------------------------------------------

/** The part that shows the chosen one whole. */
function detail(sheet: Sheet, columns: number): Part {
  const { view, ui } = sheet;
  const ask = view.snapshot.asks.find(({ id }) => ui.chosen === `ask:${id}`);
  if (ask !== undefined) {
    const prompt = promptLines(ask, columns - 2);
    const want = Math.min(40, 1 + prompt.length + (ask.options === undefined ? 0 : 1));
    return {
      min: Math.min(5, want),
      want,
      grows: true,
      draw: (height) => askLines(sheet, ask, prompt, columns, height),
    };
  }
  const worker = view.workers.find(({ worker }) => ui.chosen === `worker:${worker.id}`);
  if (worker === undefined) return { min: 0, want: 0, draw: () => [] };
  const want = Math.min(40, Math.max(5, 1 + (view.log?.lines.length ?? 0)));
  return { min: 5, want, grows: true, draw: (height) => workerLines(sheet, worker, columns, height) };
}

/** Longest part of a question that is shown, characters; all of it is in its file. */
const MAX_PROMPT = 64 * 1024;

/** The question that was last wrapped: it is drawn far more often than it changes. */
let wrapped: { prompt: string; width: number; lines: string[] } | undefined;

function promptLines({ id, prompt }: Ask, width: number): string[] {
  if (wrapped?.prompt === prompt && wrapped.width === width) return wrapped.lines;
  const text = sanitize(prompt.slice(0, MAX_PROMPT)).trim().split("\n").map(sanitizeCell).join("\n");
  const rest = prompt.length > MAX_PROMPT ? [`… all ${prompt.length} characters: asks/${id}.json`] : [];
  const lines = [...wrap(text, width, 0, true), ...rest.map((line) => truncate(line, width))];
  wrapped = { prompt, width, lines };
  return lines;
}

function askLines(
  { view, ui, pen, drawn }: Sheet,
  ask: Ask,
  prompt: readonly string[],
  columns: number,
  height: number,
): string[] {
  const asker = view.workers.find(({ worker }) => worker.id === ask.worker)?.worker;
  const state = asker === undefined ? "" : ` (${asker.alive ? asker.state : "it has ended: nobody waits"})`;
  const about = ask.reference === undefined ? "" : ` about ${ask.reference.slice(0, PROMPT_HEAD)}`;
  const head = title(pen.yellow(sanitizeCell(`${ask.id}: ${ask.worker}${state} asks${about}`)), columns, pen);
  const options = optionLines(ask.options ?? [], columns - 2, Math.max(1, Math.floor(height / 3)));
  const room = Math.max(0, height - 1 - options.length);
  drawn.page = Math.max(1, room - 1);
  drawn.maxScroll = Math.max(0, prompt.length - room);
  const from = Math.min(ui.scroll, drawn.maxScroll);
  const shown = prompt.slice(from, from + room);
  const isCut = from + room < prompt.length;
  if (isCut && shown.length > 0) {
    shown[shown.length - 1] = truncate(`… ${prompt.length - from - room + 1} more lines: PgDn`, columns - 2);
  }
  const lines = [head, ...shown.map((line) => `  ${line}`), ...options.map((line) => `  ${pen.bold(line)}`)];
  const free = height - lines.length - 1;
  const doing = asker === undefined || free < SOME_ROWS ? [] : [
    "",
    ...logLines({ view, pen }, columns, free, 0, title(`${ask.worker} meanwhile`, columns, pen)).lines,
  ];
  return [...lines, ...doing].slice(0, height);
}

/** Where a question leaves so many rows free, its worker's last lines stand below it. */
const SOME_ROWS = 5;

/** The options with their digits. */
function optionLines(options: readonly string[], width: number, most: number): string[] {
  if (options.length === 0) return [];
  const text = options.map((option, n) => `${n < 9 ? `${n + 1} ` : ""}${sanitizeCell(option.slice(0, 200))}`);
  const lines = wrap(text.map((option) => option.replaceAll(" ", "\u00a0")).join(" · "), width, 0, true)
    .map((line) => line.replaceAll("\u00a0", " "));
  return lines.length <= most
    ? lines
    : [...lines.slice(0, most - 1), truncate(`${lines[most - 1]} …`, width)];
}

function workerLines(
  { view, ui, pen, drawn }: Sheet,
  { worker, condition }: RankedWorker,
  columns: number,
  height: number,
): string[] {
  const state = condition || stateWords(worker);
  const what = view.log?.id === worker.id ? `: ${view.log.kind}` : "";
  const head = title(`${worker.id} ${state}${what}`, columns, pen);
  const { lines, hidden } = logLines({ view, pen }, columns, height, ui.scroll, head);
  drawn.page = Math.max(1, height - 2);
  drawn.maxScroll = hidden;
  return lines;
}

/** A head and as many of a worker's last lines as fit, and how many there are more. */
function logLines(
  { view: { log } }: Pick<Sheet, "view" | "pen">,
  columns: number,
  height: number,
  scroll: number,
  head: string,
): { lines: string[]; hidden: number } {
  const all = log === undefined || log.lines.length === 0
    ? ["(nothing yet)"]
    : log.kind === "screen"
    ? log.lines.map((line) => truncate(sanitizeIndented(line), columns - 2))
    : log.lines.slice(-LOG_LINES).flatMap((line) => wrap(sanitizeIndented(line), columns - 2, 0, true));
  const room = Math.max(0, height - 1);
  const hidden = Math.max(0, all.length - room);
  const end = all.length - Math.min(scroll, hidden);
  const shown = all.slice(Math.max(0, end - room), end).map((line) => `  ${line}`);
  return { lines: [head, ...shown].slice(0, height), hidden };
}

/** Lines of a transcript that are wrapped. */
const LOG_LINES = 500;

/** The same as a cell, with the spaces at its beginning. */
function sanitizeIndented(line: string): string {
  const indent = /^ */.exec(line)?.[0] ?? "";
  return indent + sanitizeCell(line);
}
