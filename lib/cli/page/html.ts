/** The page as one HTML file: no script, nothing loaded from elsewhere, and agents' texts as plain text. Pure. */
import { formatUsd } from "../cost_view.ts";
import { age, sanitize } from "../../text/style.ts";
import { localMinute } from "../../text/time.ts";
import type { History } from "./history.ts";
import { momentsPlot, questionsPlot, runsPlot, spendByDayPlot, spendByWorkerPlot } from "./plots.ts";

/** Longest part of a text that a page shows, and the part shown before it is opened, characters. */
const MAX_PROMPT = 4_000;
const MAX_OPEN = 600;
/** Number of last moves that are listed. */
const MAX_MOVES = 40;

/** Text as HTML text: no markup, no control characters, no direction marks. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return sanitize(text).replace(/[&<>"']/g, (char) => entities[char] as string);
}

const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--dim:#5b6470;--line:#d8dee6;--running:#2f7ed8;--exited:#3d9a5f;
--killed:#8a8f98;--lost:#c4442c;--on-bar:#fff;--ask:#b56a00;--move:#6b5bd2;--signal:#2a9d9d;--money:#3d9a5f}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e8ee;--dim:#98a2b0;--line:#2c333c;--running:#5aa2f0;
--exited:#52b67a;--killed:#7b828d;--lost:#ea6a52;--on-bar:#101317;--ask:#e09a3a;--move:#9a8cf0;--signal:#4fc4c4;--money:#52b67a}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem;max-width:62rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p.sub{color:var(--dim);margin:.2rem 0 1rem}
figure{margin:0;overflow-x:auto;direction:rtl}figure svg{width:100%;min-width:44rem;height:auto;direction:ltr}
figure.short svg{min-width:0;max-width:35rem}figure.short{direction:ltr}
ul.key{list-style:none;padding:0;margin:.3rem 0;color:var(--dim);font-size:.85rem;display:flex;gap:1rem;flex-wrap:wrap}
ul.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.3em;vertical-align:-.05em}
table{border-collapse:collapse;width:100%;font-size:.92rem}
td,th{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:500}td.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.id{white-space:nowrap}td.id,td.num,th:not(:last-child){width:1%}
summary{cursor:pointer}
.text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}
.none{color:var(--dim)}
@media print{figure svg{min-width:0}body{max-width:none;padding:0}h2{break-after:avoid}tr,figure{break-inside:avoid}}
`;

/** The whole page. */
export function pageHtml(history: History, title: string): string {
  const { nowMs, sinceMs, spend, open, goals, runs } = history;
  const days = Math.round((nowMs - sinceMs) / 86_400_000);
  const alive = runs.filter(({ endMs }) => endMs === undefined).length;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<header><h1>${escapeHtml(title)}</h1>
<p class="sub">${count(alive, "worker")} running, ${count(open.length, "question")} open, ${
    escapeHtml(formatUsd(spend.total.usd))
  } spent in all; as of ${escapeHtml(localMinute(nowMs))}, ${count(days, "day")}</p></header>
<main>
${section("Open questions", questionsTable(history))}
${
    section(
      "Workers",
      runs.length === 0
        ? none("No worker ran in these days.")
        : `${key(STATE_KEY)}${figure(runsPlot(history))}`,
    )
  }
${
    section(
      "How long questions waited",
      history.questions.length === 0
        ? none("Nobody asked in these days.")
        : `${key([["ask", "a question; a hollow dot is still open"]])}${figure(questionsPlot(history))}`,
    )
  }
${
    section(
      "Spend",
      spend.counted === 0
        ? none("Nothing was spent, or no agent has told.")
        : `${figure(spendByDayPlot(history))}<figure class="short">${spendByWorkerPlot(history)}</figure>`,
    )
  }
${section("Goals", goals.length === 0 ? none("There are no goals.") : goalsTable(history))}
${
    section(
      "Moves and signals",
      `${key([["move", "moves"], ["signal", "signals that changed"]])}${figure(momentsPlot(history))}${
        movesTable(history)
      }`,
    )
  }
</main></body></html>
`;
}

const STATE_KEY: readonly (readonly [string, string])[] = [
  ["running", "running"],
  ["exited", "ended by itself"],
  ["killed", "■ ended by others"],
  ["lost", "✕ lost"],
];

function section(title: string, body: string): string {
  return `<section><h2>${escapeHtml(title)}</h2>\n${body}</section>`;
}

/** A plot over time; where it is wider than the page, it scrolls in its own box, from the present back. */
function figure(svg: string): string {
  return `<figure tabindex="0">${svg}</figure>`;
}

function key(entries: readonly (readonly [string, string])[]): string {
  const items = entries.map(([name, text]) =>
    `<li><i style="background:var(--${name})"></i>${escapeHtml(text)}</li>`
  );
  return `<ul class="key">${items.join("")}</ul>`;
}

function none(text: string): string {
  return `<p class="none">${escapeHtml(text)}</p>`;
}

function questionsTable({ open, nowMs }: History): string {
  if (open.length === 0) return none("No question waits for you.");
  const rows = open.map(({ id, prompt, options, ts }) => {
    const choices = options === undefined ? "" : `\n[${options.join(" | ")}]`;
    return `<tr><td class="id">${escapeHtml(id)}</td><td class="num">${
      age(nowMs / 1000 - ts)
    }</td><td class="text">${foldable(prompt)}${escapeHtml(choices)}</td></tr>`;
  });
  return table(["question", "waits", "text"], rows);
}

function movesTable({ moves }: History): string {
  const rows = moves.slice(-MAX_MOVES).reverse().map(({ atMs, text }) =>
    `<tr><td class="num">${escapeHtml(localMinute(atMs))}</td><td class="text">${
      escapeHtml(cut(text))
    }</td></tr>`
  );
  return rows.length === 0 ? none("Nothing was done in these days.") : table(["when", "move"], rows);
}

function goalsTable({ goals, nowMs }: History): string {
  const rows = goals.map(({ id, title, lastMs }) =>
    `<tr><td class="id">${escapeHtml(id)}</td><td class="num">${
      lastMs === undefined ? "never" : `${age((nowMs - lastMs) / 1000)} ago`
    }</td><td class="text">${escapeHtml(title)}</td></tr>`
  );
  return table(["goal", "last move", "what"], rows);
}

function table(heads: readonly string[], rows: readonly string[]): string {
  const head = heads.map((name) => `<th>${escapeHtml(name)}</th>`).join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>\n${rows.join("\n")}\n</tbody></table>`;
}

function cut(text: string): string {
  return text.length <= MAX_PROMPT ? text : `${text.slice(0, MAX_PROMPT)} … (${text.length} characters)`;
}

/** A text as HTML; a long one is folded after its beginning. */
function foldable(text: string): string {
  if (text.length <= MAX_OPEN) return escapeHtml(text);
  return `<details><summary>${escapeHtml(text.slice(0, MAX_OPEN))} …</summary>${
    escapeHtml(cut(text).slice(MAX_OPEN))
  }</details>`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
