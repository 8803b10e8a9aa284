/** The form of an iCalendar file (RFC 5545, 3.1 and 3.4): folded lines, properties, components. */
import type { Bad } from "./bad.ts";

/** One property: `NAME;PARAM=…:value`, unfolded. Names are in capitals. */
export interface Property {
  line: number;
  name: string;
  params: Readonly<Record<string, string>>;
  /** The value as written; text is not unescaped. */
  value: string;
}

/** A `BEGIN` … `END` with its properties and components. */
export interface Component {
  line: number;
  name: string;
  properties: Property[];
  components: Component[];
}

/** The components of a file, under one root, and the faults in its form. */
export function parseComponents(text: string): { root: Component; bad: Bad[] } {
  const open = [component("", 1)];
  const bad: Bad[] = [];
  let last = 1;
  for (const { line, content } of unfolded(text)) {
    last = line;
    const [, edge, name = ""] = /^(BEGIN|END)\s*:\s*(\S+)\s*$/i.exec(content) ?? [];
    if (edge === undefined) addProperty(open.at(-1)!, line, content, bad);
    else if (edge.toUpperCase() === "BEGIN") begin(open, name.toUpperCase(), line, bad);
    else end(open, name.toUpperCase(), line, bad);
  }
  if (open.length > 1) bad.push({ line: last, reason: `the file ends before END:${open[1]!.name}` });
  leaveOpen(open, 1, bad);
  return { root: open[0]!, bad };
}

function component(name: string, line: number): Component {
  return { name, line, properties: [], components: [] };
}

/** Joins each line with its continuation lines. */
function* unfolded(text: string): Generator<{ line: number; content: string }> {
  let content = "";
  let start = 1;
  let line = 0;
  for (const raw of text.split(/\r\n|\r|\n/)) {
    line++;
    if (raw.startsWith(" ") || raw.startsWith("\t")) {
      content += raw.slice(1);
      continue;
    }
    if (content.trim() !== "") yield { line: start, content };
    [content, start] = [raw, line];
  }
  if (content.trim() !== "") yield { line: start, content };
}

/** Calendar components that stand side by side: when one begins within another, the outer one was left open. */
const SIDE_BY_SIDE = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"];

function begin(open: Component[], name: string, line: number, bad: Bad[]): void {
  const within = name === "VCALENDAR" ? [name] : SIDE_BY_SIDE.includes(name) ? SIDE_BY_SIDE : [];
  const at = open.findIndex((outer) => within.includes(outer.name));
  if (at > 0) leaveOpen(open, at, bad);
  open.push(component(name, line));
}

function end(open: Component[], name: string, line: number, bad: Bad[]): void {
  const at = open.findLastIndex((outer) => outer.name === name);
  if (at <= 0) {
    bad.push({ line, reason: `END:${name} has no BEGIN` });
    return;
  }
  leaveOpen(open, at + 1, bad);
  const closed = open.pop()!;
  open.at(-1)!.components.push(closed);
}

/** Gives up the components from `at` inwards, which have no end. A calendar is kept for its complete parts. */
function leaveOpen(open: Component[], at: number, bad: Bad[]): void {
  while (open.length > at) {
    const left = open.pop()!;
    if (left.name === "VCALENDAR") open.at(-1)!.components.push(left);
    else bad.push({ line: left.line, reason: `BEGIN:${left.name} has no END` });
  }
}

/** Properties whose value is a list of times: a zone name before it may hold colons without quotes. */
const TIMES = /^(DTSTART|DTEND|RECURRENCE-ID|EXDATE|RDATE)\b(.*):(\s*\d{4}-?\d{2}-?\d{2}.*)$/i;
const ANY = /^([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^":;])*)*):(.*)$/s;
/** For parameters that follow no rule: the value begins at the first colon. */
const LOOSE = /^([A-Za-z0-9-]+)(;[^:]*)?:(.*)$/s;

function addProperty(to: Component, line: number, content: string, bad: Bad[]): void {
  const [, name, params = "", value = ""] = TIMES.exec(content) ?? ANY.exec(content) ?? LOOSE.exec(content) ??
    [];
  if (name !== undefined) {
    to.properties.push({ line, name: name.toUpperCase(), params: parseParams(params), value: value.trim() });
  } else if (bad.at(-1)?.reason !== NO_PROPERTY || bad.at(-1)!.line < to.line) {
    // Wrongly folded text yields many such lines; they count as one fault.
    bad.push({ line, reason: NO_PROPERTY });
  }
}

const NO_PROPERTY = "a line that is no property (NAME:value)";

function parseParams(text: string): Record<string, string> {
  const params: Record<string, string> = {};
  // A value ends at the next `;NAME=`, so that one with colons, commas or semicolons is complete even without quotes.
  for (const part of text.split(/;(?=[A-Za-z-]+=)/)) {
    const at = part.indexOf("=");
    if (at > 0) {
      params[part.slice(0, at).replace(/^;/, "").toUpperCase()] = part.slice(at + 1).replaceAll('"', "");
    }
  }
  return params;
}

/** The first property with this name. */
export function propertyOf(component: Component, name: string): Property | undefined {
  return component.properties.find((property) => property.name === name);
}

/** A text value with its escapes resolved. */
export function textOf(property: Property | undefined): string {
  return (property?.value ?? "").replace(
    /\\([nN\\;,:"])/g,
    (_, char: string) => /n/i.test(char) ? "\n" : char,
  );
}
