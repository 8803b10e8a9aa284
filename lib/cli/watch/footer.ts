/** The last line of the screen: which keys do what, or the answer that is being typed. Pure. */
import { displayWidth, sanitizeCell, truncate } from "../../text/style.ts";
import type { Typing, Ui } from "./keys.ts";

/** The keys that do something now, as many as fit; the first are the most needed. */
export function keysLine(
  ui: Ui,
  options: number | undefined,
  isLocked: boolean,
  columns: number,
): string {
  if (ui.isHelp) return fitting(["any key goes back", "q quit"], columns);
  const isAsk = ui.chosen.startsWith("ask:");
  const digits = options === undefined ? [] : [`1${options > 1 ? `-${Math.min(9, options)}` : ""} option`];
  const answering = isLocked ? ["answering is off in a worker"] : [...digits, "a answer", "d decline"];
  const keys = [
    "q quit",
    ...(ui.chosen === "" ? [] : ["↑↓ move", ui.isWhole ? "esc back" : "⏎ open"]),
    ...(isAsk ? answering : ui.chosen === "" ? [] : ["s screen/transcript"]),
    "? all keys",
    ...(ui.chosen === "" ? [] : ["PgUp/PgDn scroll", "tab next part"]),
  ];
  return fitting(keys, columns);
}

/** Every key and what it does. */
export const ALL_KEYS: readonly (readonly [keys: string, what: string])[] = [
  ["↑ ↓", "choose a question or worker"],
  ["tab", "questions or workers"],
  ["⏎", "whole screen, and back"],
  ["PgUp PgDn", "scroll; also b and space"],
  ["1 … 9", "answer with that option"],
  ["a", "type an answer"],
  ["d", "decline, and say why"],
  ["s", "terminal or transcript"],
  ["esc", "back; nothing is sent"],
  ["ctrl-u", "begin the line anew"],
  ["ctrl-z", "to the shell; `fg` returns"],
  ["q ctrl-c", "quit"],
];

/** The parts that fit into a line. */
export function fitting(parts: readonly string[], columns: number): string {
  return parts.reduce((line, part) => {
    const longer = line === "" ? part : `${line} · ${part}`;
    return displayWidth(longer) <= columns ? longer : line;
  }, "");
}

/** The line in which an answer is typed; of a long text its end is shown. */
export function typingLine({ kind, id, text }: Typing, columns: number): string {
  const shown = sanitizeCell(text) + (text.endsWith(" ") ? " " : "");
  if (kind === "choose") {
    const send = " ⏎ send · esc back";
    return `${truncate(`answer ${id} with "${shown}"?`, columns - displayWidth(send))}${send}`;
  }
  const prompt = `${kind === "answer" ? `answer ${id}` : `decline ${id}, because`} › `;
  const send = columns >= 60 ? "  ⏎ send · esc back" : "";
  const room = columns - displayWidth(prompt) - displayWidth(send) - 1;
  return truncate(`${prompt}${endOf(shown, room)}▏${send}`, columns);
}

function endOf(text: string, width: number): string {
  let used = 0;
  const end: string[] = [];
  for (const char of [...text].reverse()) {
    used += displayWidth(char);
    if (used > width) break;
    end.unshift(char);
  }
  return end.join("");
}
