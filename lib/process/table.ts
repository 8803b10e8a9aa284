/**
 * The system's table of processes, and the marks in their environments. The only file that knows how each platform
 * shows them.
 *
 * A binary built without network and FFI permission may not read /proc itself (Deno: "Requires all access"), so facts
 * come from small `sh` children.
 */
import { UserError } from "../errors.ts";
import { PLATFORM } from "./platform.ts";
import { runSmall } from "./spawn.ts";

/** What is known of one process. */
export interface ProcessFact {
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  /** State letter; Z is a zombie, which is dead and only not yet reaped. */
  state: string;
  start: string;
}

/** A moment's view of the machine's processes. */
export interface ProcessTable {
  /** Id of the running boot; "" when it cannot be read. */
  boot: string;
  processes: Map<number, ProcessFact>;
  /** Why the table says nothing about who lives; absent when it does. */
  unreadable?: string;
}

const MACOS = PLATFORM === "darwin";

// The first line is "boot pid pid": the scanner as the table shows it, and as it knows itself. They differ where
// /proc belongs to another pid namespace.
const FIRST_LINUX = `read -r b </proc/sys/kernel/random/boot_id; read -r s _ </proc/self/stat
echo "\${b:--} \${s:--} $$"`;
// The shell's own `read` takes a byte per system call: right for a few processes, `cat` for many.
const MANY_LINUX = `${FIRST_LINUX}; exec cat "$@"`;
const ONE_LINUX = `${FIRST_LINUX}; for p in "$@"; do read -r s </proc/$p/stat && echo "$s"; done 2>/dev/null`;
const ALL_LINUX = `${FIRST_LINUX}; cat /proc/[0-9]*/stat 2>/dev/null; :`;
// macOS has no /proc: `ps` gives the same facts, start times in whole seconds, and `sysctl` the boot. A `ps` that is
// denied does not even show the scanner.
const FIRST_MACOS = `b=$(sysctl -n kern.bootsessionuuid); echo "\${b:--} * $$"`;
const ONE_MACOS = `${FIRST_MACOS}; for p in $$ "$@"; do
ps -o pid=,ppid=,pgid=,sess=,stat=,lstart= -p "$p"; done 2>/dev/null`;
const ALL_MACOS = `${FIRST_MACOS}; ps -axo pid=,ppid=,pgid=,sess=,stat=,lstart=`;

/** Runs a small shell script and returns its standard output. */
async function sh(script: string, args: readonly string[]): Promise<string> {
  try {
    // macOS shows start times in words, which must be the same whoever asks.
    const env = { LC_ALL: "C", TZ: "UTC0" };
    return (await runSmall("/bin/sh", ["-c", script, "sh", ...args], { env })).stdout;
  } catch (error) {
    throw new UserError(`Cannot ask the system about processes: ${(error as Error).message}`, {
      next: "check that /bin/sh can be run",
      kind: "processes",
      cause: error,
    });
  }
}

/** Facts of the given processes; those that are gone are absent. */
export async function readProcesses(pids: readonly number[]): Promise<ProcessTable> {
  const many = !MACOS && pids.length > 8;
  const text = many
    ? await sh(MANY_LINUX, pids.map((pid) => `/proc/${pid}/stat`))
    : await sh(MACOS ? ONE_MACOS : ONE_LINUX, pids.map(String));
  return parseProcessTable(text, MACOS);
}

/** Facts of all processes. */
export async function readAllProcesses(): Promise<ProcessTable> {
  return parseProcessTable(await sh(MACOS ? ALL_MACOS : ALL_LINUX, []), MACOS);
}

// A program's name may hold spaces, parentheses and newlines, so the match runs to the last ") X n n n".
const STAT = /^(\d+) \([\s\S]{0,80}?\) ([A-Za-z]) (-?\d+) (-?\d+) (-?\d+)((?: -?\d+){15}) (\d+)[ \n]/gm;
const PS = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(.+?)\s*$/gm;

/** Parses the first line and the process lines of Linux's `stat` files or macOS's `ps`. Pure. */
export function parseProcessTable(text: string, macos: boolean): ProcessTable {
  const firstLine = text.indexOf("\n");
  const [boot = "", shown, own] = text.slice(0, firstLine).trim().split(" ");
  const rest = text.slice(firstLine + 1);
  const processes = new Map<number, ProcessFact>();
  for (const match of rest.matchAll(macos ? PS : STAT)) {
    const fact = macos ? fromPs(match) : fromStat(match);
    processes.set(fact.pid, fact);
  }
  const seesItself = shown === "*" ? processes.has(Number(own)) : shown === own;
  if (boot !== "" && boot !== "-" && seesItself) return { boot, processes };
  // What stands in another namespace's table are other processes with the same numbers.
  return {
    boot: boot === "-" ? "" : boot,
    processes: new Map(),
    unreadable: "the process table cannot be read",
  };
}

function fromStat(match: RegExpExecArray): ProcessFact {
  return {
    pid: Number(match[1]),
    state: match[2] ?? "?",
    ppid: Number(match[3]),
    pgid: Number(match[4]),
    sid: Number(match[5]),
    start: match[7] ?? "",
  };
}

function fromPs(match: RegExpExecArray): ProcessFact {
  return {
    pid: Number(match[1]),
    ppid: Number(match[2]),
    pgid: Number(match[3]),
    // macOS prints the session as an address; 0 never equals a pid, so sessions are found by their marks.
    sid: 0,
    state: (match[5] ?? "?").slice(0, 1),
    // Its day of the month is padded with a blank, which a supervisor's shell takes out (`supervisor.ts`).
    start: (match[6] ?? "").replace(/ +/g, " "),
  };
}

/** A `NAME=VALUE` that processes carry in their environment, or several of which any one will do. */
export type Mark = string | readonly string[];

/**
 * The marks by which looop knows processes, as one look at all environments found them. The names are those of
 * {@link MARK_NAMES}.
 */
export class Marks {
  readonly #texts: ReadonlyMap<number, string>;
  readonly #separator: string;

  /** `texts` has each process's variables, the separator between and around them. */
  constructor(texts: ReadonlyMap<number, string>, separator: string) {
    this.#texts = texts;
    this.#separator = separator;
  }

  /** Processes that carry every one of the marks; none for no marks. */
  withAll(marks: readonly Mark[]): Set<number> {
    if (marks.length === 0) return new Set();
    return this.#select((text) => marks.every((mark) => [mark].flat().some((one) => this.#holds(text, one))));
  }

  /** Processes that have a variable of this name, whatever its value. */
  named(name: string): Set<number> {
    return this.#select((text) => text.includes(`${this.#separator}${name}=`));
  }

  #select(fits: (text: string) => boolean): Set<number> {
    return new Set([...this.#texts].filter(([, text]) => fits(text)).map(([pid]) => pid));
  }

  #holds(text: string, mark: string): boolean {
    return text.includes(`${this.#separator}${mark}${this.#separator}`);
  }
}

/** Names of the variables that mark processes, as an extended regular expression. */
const MARK_NAMES = "LOOOP_(HOME|DATA_DIR|SESSION_(ID|GEN)|WORKER_(ID|GEN)|SENSOR_RUN|RUN|PULSE|TEST_[A-Z]+)";
const MARKS_LINUX = `grep -zHE -e '^${MARK_NAMES}=' /proc/[0-9]*/environ; :`;
// `ps -E` shows the environment of own processes after the command, words separated by blanks.
const MARKS_MACOS = `ps -axEwwo pid=,command=; :`;

/** The marks of all processes whose environment can be read. */
export async function readMarks(): Promise<Marks> {
  return parseMarks(await sh(MACOS ? MARKS_MACOS : MARKS_LINUX, []), MACOS);
}

/** Parses `PATH:NAME=VALUE` entries, each ended by a NUL, or macOS's lines of pid, command and environment. Pure. */
export function parseMarks(text: string, macos: boolean): Marks {
  const texts = new Map<number, string>();
  if (macos) {
    for (const [, pid, rest] of text.matchAll(/^ *(\d+) (.*)$/gm)) texts.set(Number(pid), ` ${rest} `);
    return new Marks(texts, " ");
  }
  for (const [, pid, mark] of text.matchAll(/\/proc\/(\d+)\/environ:([^\0]*)\0/g)) {
    texts.set(Number(pid), `${texts.get(Number(pid)) ?? "\0"}${mark}\0`);
  }
  return new Marks(texts, "\0");
}

/** Processes that carry every one of these marks. */
export async function readMarked(marks: readonly Mark[]): Promise<Set<number>> {
  return marks.length === 0 ? new Set() : (await readMarks()).withAll(marks);
}

/** Processes that carry any one of these marks. */
export async function readMarkedAny(marks: readonly string[]): Promise<Set<number>> {
  return marks.length === 0 ? new Set() : (await readMarks()).withAll([marks]);
}

/** Processes that have a variable of this name in their environment, whatever its value. */
export async function readNamed(name: string): Promise<Set<number>> {
  return (await readMarks()).named(name);
}
