/**
 * The lines between home and a host's post, as text and as values. Pure.
 *
 * Host to home: `hello 1 BOOT CLOCK`, `refused WHY`, `w ID GEN STATE CODE BY AGE LENGTH` (the state of a run),
 * `c ID GEN N HEX HEX` (a call), `a ID GEN N ok|dead` (its reply was read, or nobody reads it), `p ID GEN HEX STAMP`
 * (a report), `t ID GEN HEX SIZE` (a part of the agent's own record), `d ID GEN NAME OFFSET BASE64` (a part of a log or report), `.` (everything was reported).
 * Home to host: `r` (a reply), `f` (a call is over), `get`, `stop`, `fetched`, `gone`, `.`.
 *
 * Nothing from the host is trusted: a line that is not exactly one of these is refused with its reason.
 */
import { isId } from "../ids.ts";
import { decodeText, encodeText } from "../text/quote.ts";

/** The state of a run, in the host's words. `none`: laid out and never begun. */
export type FarState = "none" | "starting" | "running" | "exited" | "killed" | "lost";

/** The run that a line is about. */
export interface RunName {
  id: string;
  gen: string;
}

/** A worker's call: its words, and the caller's marks. */
export interface CallLine extends RunName {
  kind: "call";
  n: string;
  words: string[];
  marks: Record<string, string>;
  /** The content of the file that `--ref` names, when it is small. */
  ref?: Uint8Array;
}

/** One line from a host's post. */
export type FarLine =
  | { kind: "hello"; boot: string; clockS: number }
  | { kind: "refused"; why: string }
  | { kind: "heartbeat" }
  | RunName & {
    kind: "worker";
    state: FarState;
    code: number | null;
    by: string;
    /** Seconds since its end. */
    ageS: number;
    /** Number of bytes that its log has ever had. */
    length: number;
  }
  | CallLine
  | RunName & { kind: "ack"; n: string; read: boolean }
  | RunName & { kind: "report"; name: string; stamp: string; size: number }
  | RunName & { kind: "record"; name: string; size: number }
  /** `name` is undefined for the log; that of a record has a {@link RECORD_MARK} in front. */
  | RunName & { kind: "data"; name?: string; offset: number; bytes: Uint8Array };

/** Longest line that is read, bytes. */
export const MAX_LINE = 4 * 1024 * 1024;
/** Largest report that is copied home, bytes. */
export const MAX_REPORT = 50 * 1024 * 1024;

/** Largest record of an agent that is copied home, bytes, and most files of one. */
export const MAX_RECORD = { bytes: 50 * 1024 * 1024, files: 50 } as const;
/** Put in front of a record's name, so that it is no report's. */
export const RECORD_MARK = "@";

const GEN = /^[0-9a-f]{8,32}$/;
/** A call's number: seconds, pid, random number. */
const CALL_NUMBER = /^[0-9]{1,12}\.[0-9]{1,10}\.[0-9]{1,10}$/;
const STATES: readonly string[] = ["none", "starting", "running", "exited", "killed", "lost"];
const ENDERS: readonly string[] = ["-", "self", "root", "human", "down", "timeout", "crash", "host"];

/** Parses one line without its line end; a returned text says why it is not one of ours. */
export function parseLine(line: string): FarLine | string {
  if (line === ".") return { kind: "heartbeat" };
  if (/[^\x20-\x7e]/.test(line)) return "a byte that no line of ours has";
  const words = line.split(" ");
  const [word, id = "", gen = ""] = words;
  if (word === "hello") return hello(words);
  if (word === "refused") return { kind: "refused", why: line.slice("refused ".length) };
  const parse = PARSERS[word ?? ""];
  if (parse === undefined) return "an unknown word";
  if (!isId(id) || !GEN.test(gen)) return "no name of a run";
  return parse({ id, gen }, words.slice(3));
}

const PARSERS: Record<string, (run: RunName, words: string[]) => FarLine | string> = {
  w: worker,
  c: call,
  a: ack,
  p: report,
  t: record,
  d: data,
};

function hello([, version, boot = "", clock = ""]: string[]): FarLine | string {
  if (version !== "1" || !/^[0-9A-Za-z-]{1,64}$/.test(boot) || !/^\d{1,12}$/.test(clock)) {
    return "a bad hello";
  }
  return { kind: "hello", boot, clockS: Number(clock) };
}

function worker(run: RunName, [state = "", code = "", by = "", age = "", length = ""]: string[]) {
  const isCode = code === "-" || /^\d{1,3}$/.test(code);
  if (!STATES.includes(state) || !isCode || !ENDERS.includes(by)) return "a bad state";
  if (!/^(-|-?\d{1,12})$/.test(age) || !/^\d{1,15}$/.test(length)) return "a bad number";
  return {
    kind: "worker" as const,
    ...run,
    state: state as FarState,
    code: code === "-" ? null : Number(code),
    by,
    ageS: age === "-" ? 0 : Math.max(0, Number(age)),
    length: Number(length),
  };
}

function call(run: RunName, [n = "", hex = "", ref = ""]: string[]): FarLine | string {
  if (!CALL_NUMBER.test(n)) return "a bad number of a call";
  const bytes = fromHex(hex);
  const file = ref === "-" ? undefined : ref.startsWith("x") ? fromHex(ref.slice(1)) : null;
  if (bytes === undefined || file === null) return "bad hex";
  const texts = textsOf(bytes);
  const count = Number(texts[0]);
  if (!Number.isInteger(count) || count < 1 || count > texts.length - 1) return "a bad count of words";
  const marks = texts.slice(count + 1).map((text) => [text.split("=")[0] ?? "", text.replace(/^[^=]*=/, "")]);
  return {
    kind: "call",
    ...run,
    n,
    words: texts.slice(1, count + 1),
    marks: Object.fromEntries(marks),
    ...(file === undefined ? {} : { ref: file }),
  };
}

function ack(run: RunName, [n = "", how = ""]: string[]): FarLine | string {
  if (!CALL_NUMBER.test(n) || (how !== "ok" && how !== "dead")) return "a bad acknowledgement";
  return { kind: "ack", ...run, n, read: how === "ok" };
}

function report(run: RunName, [hex = "", stamp = ""]: string[]): FarLine | string {
  const bytes = fromHex(hex);
  const match = /^\d{1,10}-(\d{1,12})$/.exec(stamp);
  if (bytes === undefined || match === null) return "a bad report";
  const name = new TextDecoder().decode(bytes);
  if (!isReportName(name)) return "a bad name of a report";
  return { kind: "report", ...run, name, stamp, size: Number(match[1]) };
}

function record(run: RunName, [hex = "", size = ""]: string[]): FarLine | string {
  const bytes = fromHex(hex);
  const name = new TextDecoder().decode(bytes);
  if (bytes === undefined || !isReportName(name) || !name.endsWith(".jsonl")) return "a bad name of a record";
  return /^\d{1,12}$/.test(size) ? { kind: "record", ...run, name, size: Number(size) } : "a bad record";
}

function data(run: RunName, [name = "", offset = "", base64 = ""]: string[]): FarLine | string {
  const bytes = fromBase64(base64);
  if (!/^\d{1,15}$/.test(offset) || bytes === undefined) return "bad data";
  const rest = { kind: "data" as const, ...run, offset: Number(offset), bytes };
  return name === "-" ? rest : { ...rest, name: decodeText(name) };
}

/**
 * Whether a report with this name may be written below `reports/`: it must not lead out of it, and have no hidden or
 * odd part.
 */
export function isReportName(name: string): boolean {
  const parts = name.split("/");
  // deno-lint-ignore no-control-regex -- it looks for control characters
  return name.length <= 200 && parts.length <= 4 && !/[\x00-\x1f\x7f-\x9f\u2028-\u202e\ufffd]/.test(name) &&
    parts.every((part) => part !== "" && !part.startsWith(".") && !part.startsWith("~"));
}

/** Splits bytes into texts, each ended by a NUL; invalid UTF-8 is replaced. */
function textsOf(bytes: Uint8Array): string[] {
  const texts = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes).split("\0");
  texts.pop();
  return texts;
}

function fromHex(hex: string): Uint8Array | undefined {
  if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/.test(hex)) return undefined;
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Bytes of a text in base64; undefined when it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** A reply to a call. */
export interface Reply {
  code: number;
  out: string;
  err: string;
}

/** Lines that home sends; none has a line end of its own. */
export const say = {
  heartbeat: () => ".",
  reply: ({ id, gen }: RunName, n: string, { code, out, err }: Reply) =>
    `r ${id} ${gen} ${n} ${code} ${encodeText(out)} ${encodeText(err)}`,
  forget: ({ id, gen }: RunName, n: string) => `f ${id} ${gen} ${n}`,
  get: ({ id, gen }: RunName, name: string | undefined, offset: number) =>
    `get ${id} ${gen} ${name === undefined ? "-" : encodeText(name)} ${offset}`,
  stop: ({ id, gen }: RunName, state: string, by: string) => `stop ${id} ${gen} ${state} ${by}`,
  over: ({ id, gen }: RunName, { state, by, code }: { state: string; by: string; code: number | null }) =>
    `over ${id} ${gen} ${state} ${by} ${code}`,
  fetched: ({ id, gen }: RunName) => `fetched ${id} ${gen}`,
  gone: ({ id, gen }: RunName) => `gone ${id} ${gen}`,
} as const;
