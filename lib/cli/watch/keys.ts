/** The effects of the keys of `looop watch`: from one state of the screen to the next. Pure. */
import type { GivenAnswer } from "../../records/mailbox.ts";
import { sanitizeLine } from "../../text/style.ts";

/** An answer that is being typed or chosen. */
export interface Typing {
  kind: "answer" | "choose" | "decline";
  /** The question. */
  id: string;
  text: string;
  /** Whether it may differ from the options: the person has been warned and sends it again. */
  free: boolean;
}

/** The state of the screen. */
export interface Ui {
  /** The chosen item: `ask:ID`, `worker:ID`, or "" for none. */
  chosen: string;
  /** The chosen one fills the screen. */
  isWhole: boolean;
  /** Rows that the chosen one is scrolled by: a question down from its beginning, a worker up from its end. */
  scroll: number;
  /** All keys are shown in place of the lists. */
  isHelp: boolean;
  /** A worker's terminal is shown even where its agent keeps a transcript. */
  isScreen: boolean;
  typing: Typing | undefined;
  /** The message shown until the next key. */
  notice: string;
}

/** The state in which the screen begins. */
export const FIRST: Ui = {
  chosen: "",
  isWhole: false,
  scroll: 0,
  isHelp: false,
  isScreen: false,
  typing: undefined,
  notice: "",
};

/** A question as far as keys need it. */
export interface KeyAsk {
  id: string;
  options?: readonly string[];
}

/** The items that can be chosen, in the order of the screen. */
export interface Choices {
  asks: readonly KeyAsk[];
  /** Ids. */
  workers: readonly string[];
  /** Why nothing can be answered here; undefined where it can. */
  locked: string | undefined;
  /** Rows of a page. */
  page: number;
}

/** The action that a key asks for, in addition to another screen. */
export type Order =
  | { kind: "quit" }
  | { kind: "suspend" }
  | ({ kind: "reply" } & Omit<GivenAnswer, "by" | "replace">);

/** A key by its name (`up`, `enter`, `esc`, …) or as `text:` with what was typed. */
export type Key = string;

/** The longest answer that can be typed; a longer one is given by `_ answer` from a file. */
const MAX_TYPED = 4_000;

/** The names of what can be chosen, in order. */
export function namesOf({ asks, workers }: Pick<Choices, "asks" | "workers">): string[] {
  return [...asks.map(({ id }) => `ask:${id}`), ...workers.map((id) => `worker:${id}`)];
}

/** The state with something chosen that is there: what was, else what now stands where it stood. */
export function settle(ui: Ui, choices: Pick<Choices, "asks" | "workers">, before: readonly string[]): Ui {
  const names = namesOf(choices);
  if (ui.chosen !== "" && names.includes(ui.chosen)) return ui;
  const at = Math.max(0, before.indexOf(ui.chosen));
  const chosen = names[Math.min(at, names.length - 1)] ?? "";
  return chosen === ui.chosen ? ui : { ...ui, chosen, scroll: 0, isWhole: ui.isWhole && chosen !== "" };
}

/** The effect of a key. */
export function press(ui: Ui, key: Key, choices: Choices): { ui: Ui; order?: Order } {
  if (key === "ctrl-c") return { ui, order: { kind: "quit" } };
  if (key === "ctrl-z") return { ui, order: { kind: "suspend" } };
  const quiet = ui.notice === "" ? ui : { ...ui, notice: "" };
  return ui.typing === undefined ? pressPlain(quiet, key, choices) : pressTyping(quiet, key, ui.typing);
}

function pressTyping(ui: Ui, key: Key, typing: Typing): { ui: Ui; order?: Order } {
  const typed = (text: string) => ({ ui: { ...ui, typing: { ...typing, text, free: false } } });
  if (key === "esc") return { ui: { ...ui, typing: undefined, notice: "nothing was sent" } };
  if (key === "enter") {
    const { id, kind, text, free } = typing;
    if (text.trim() === "") {
      return { ui: { ...ui, notice: "it is empty: type something, or esc to go back" } };
    }
    const outcome = kind === "decline" ? "declined" : "answered";
    return { ui, order: { kind: "reply", id, text, outcome, free } };
  }
  if (typing.kind === "choose") return { ui };
  if (key === "backspace") return typed([...typing.text].slice(0, -1).join(""));
  if (key === "ctrl-u") return typed("");
  if (!key.startsWith("text:")) return { ui };
  return typed((typing.text + key.slice("text:".length)).slice(0, MAX_TYPED));
}

/** Keys while nothing is typed, by what they do. */
const NAMES: Readonly<Record<string, string>> = {
  "text:q": "quit",
  "text:k": "up",
  "text:j": "down",
  "text: ": "pagedown",
  "text:b": "pageup",
  "text:s": "screen",
  "text:a": "answer",
  "text:d": "decline",
  "text:?": "help",
};

function pressPlain(ui: Ui, key: Key, choices: Choices): { ui: Ui; order?: Order } {
  const name = NAMES[key] ?? key;
  if (ui.isHelp && name !== "quit") return { ui: { ...ui, isHelp: false } };
  switch (name) {
    case "quit":
      return { ui, order: { kind: "quit" } };
    case "help":
      return { ui: { ...ui, isHelp: true } };
    case "up":
      return { ui: moved(ui, choices, -1) };
    case "down":
      return { ui: moved(ui, choices, 1) };
    case "tab":
      return { ui: nextPart(ui, choices) };
    case "enter":
      return { ui: { ...ui, isWhole: ui.chosen !== "" && !ui.isWhole } };
    case "esc":
      return { ui: { ...ui, isWhole: false, scroll: 0 } };
    case "pageup":
      return { ui: scrolled(ui, choices.page) };
    case "pagedown":
      return { ui: scrolled(ui, -choices.page) };
    case "screen":
      return { ui: { ...ui, isScreen: !ui.isScreen, scroll: 0 } };
    default:
      return { ui: begun(ui, name, choices) };
  }
}

function moved(ui: Ui, choices: Choices, by: number): Ui {
  const names = namesOf(choices);
  const at = Math.min(names.length - 1, Math.max(0, names.indexOf(ui.chosen) + by));
  const chosen = names[at] ?? "";
  return chosen === ui.chosen ? ui : { ...ui, chosen, scroll: 0 };
}

function nextPart(ui: Ui, { asks, workers }: Choices): Ui {
  const first = [asks[0] && `ask:${asks[0].id}`, workers[0] && `worker:${workers[0]}`];
  const to = ui.chosen.startsWith("ask:") ? first[1] : first[0] ?? first[1];
  return to === undefined || to === ui.chosen ? ui : { ...ui, chosen: to, scroll: 0 };
}

/** Towards earlier lines by `rows`. How far there are any is known when it is drawn. */
function scrolled(ui: Ui, rows: number): Ui {
  const by = ui.chosen.startsWith("ask:") ? -rows : rows;
  return { ...ui, scroll: Math.max(0, ui.scroll + by) };
}

/** Begins an answer to the chosen question: `answer`, `decline`, or an option's digit. */
function begun(ui: Ui, name: string, { asks, locked }: Choices): Ui {
  const ask = asks.find(({ id }) => ui.chosen === `ask:${id}`);
  if (ask === undefined) return ui;
  const digit = /^text:([1-9])$/.exec(name)?.[1];
  const option = digit === undefined ? undefined : ask.options?.[Number(digit) - 1];
  const kind = option !== undefined ? "choose" : name === "answer" || name === "decline" ? name : undefined;
  if (kind === undefined) return ui;
  if (locked !== undefined) return { ...ui, notice: locked };
  return { ...ui, typing: { kind, id: ask.id, text: option ?? "", free: false } };
}

/** The state that shows the result of a reply. */
export function replied(ui: Ui, result: { done: string } | { failed: string; mayForce: boolean }): Ui {
  if ("done" in result) return { ...ui, typing: undefined, notice: result.done, isWhole: false };
  const typing = ui.typing === undefined || !result.mayForce ? ui.typing : { ...ui.typing, free: true };
  const more = result.mayForce ? "⏎ again sends it all the same: " : "";
  return { ...ui, typing, notice: `${more}${result.failed}` };
}

/** The keys in a piece of typed text: its lines' ends are `enter`. */
export function keysIn(text: string): Key[] {
  return text.split(/(\r\n|\r|\n)/).filter((part) => part !== "").flatMap((part) =>
    /^[\r\n]/.test(part) ? ["enter"] : [...part].map((char) => `text:${char}`)
  );
}

/** A pasted text as one key: on one line, so that nothing is sent by a line's end. */
export function pasted(text: string): Key {
  return `text:${sanitizeLine(text)}`;
}
