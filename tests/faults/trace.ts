/** Parses system calls as strace reports them (`-f -y -xx`), and joins those that are split over two lines. */

/** One finished call. */
export interface Call {
  pid: number;
  name: string;
  /** Arguments as strace prints them. */
  args: string[];
  /** -1 on an error; undefined for a call that does not return. */
  result: number | undefined;
}

/** Options of strace that {@link parseTrace} needs. */
export const TRACE_OPTIONS = ["-f", "-y", "-xx", "-s", "4000000"] as const;

const LINE = /^(\d+) +(.*)$/;
const UNFINISHED = / <unfinished \.\.\.>$/;
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)$/;
const CALL = /^(\w+)\((.*)\)\s+= (-?\d+|\?)/;

/** The finished calls of a trace, in the order in which they finished. */
export function parseTrace(text: string): Call[] {
  const begun = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of text.split("\n")) {
    const [, pid = "", event = ""] = LINE.exec(line) ?? [];
    if (UNFINISHED.test(event)) {
      begun.set(pid, event.replace(UNFINISHED, ""));
      continue;
    }
    const resumed = RESUMED.exec(event);
    const [, name, args = "", result] = CALL.exec(
      resumed === null ? event : `${begun.get(pid) ?? `${resumed[1]}(`}${resumed[2]}`,
    ) ?? [];
    if (name === undefined) continue;
    calls.push({
      pid: Number(pid),
      name,
      args: splitArguments(args),
      result: result === "?" ? undefined : Number(result),
    });
  }
  return calls;
}

/** Splits at commas outside of strings and brackets. Pure. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let depth = 0, quoted = false, from = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === "[" || char === "{") depth++;
    else if (char === "]" || char === "}") depth--;
    else if (char === "," && depth === 0) {
      parts.push(text.slice(from, i).trim());
      from = i + 1;
    }
  }
  return [...parts, text.slice(from).trim()];
}

/** The bytes of `"\x61\x62"`, one character each; the strings of an array of buffers are joined. */
export function bytesOf(argument: string): string {
  const strings = argument.match(/"[^"]*"/g) ?? [];
  return strings.map((string) =>
    string.slice(1, -1).replace(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
  ).join("");
}

/** The absolute path of an argument; a relative one is below the folder that `at` (`AT_FDCWD<…>`, `5<…>`) names. */
export function pathOf(argument: string, at = ""): string {
  const path = utf8(bytesOf(argument));
  return path.startsWith("/") ? path : `${openPath(at) ?? ""}/${path}`;
}

/** The path of a descriptor (`5</tmp/x>`), undefined if it has none. */
export function openPath(descriptor: string): string | undefined {
  const inner = /<(.*)>$/.exec(descriptor)?.[1];
  if (inner === undefined) return undefined;
  const path = utf8(bytesOf(`"${inner}"`));
  return path.startsWith("/") ? path.replace(/\(deleted\)$/, "") : undefined;
}

function utf8(bytes: string): string {
  return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}
