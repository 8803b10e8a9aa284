/**
 * The system's process table, and the marks in the processes' environments. The only file that knows how each
 * platform shows them.
 *
 * A binary built without network and FFI permission may not read /proc itself (Deno: "Requires all access"), so facts
 * come from small `sh` children.
 */
import { UserError } from "../errors.ts";
import type { ProcessFact } from "./fact.ts";
import { PLATFORM } from "./platform.ts";
import { environmentHolds, parsePsEnvironments, parsePsFacts, PS_ALL, PS_SOME, PS_WHOLE } from "./ps.ts";
import { outputAtOnce, runSmall } from "./spawn.ts";

export type { ProcessFact };

/** The machine's processes at one moment. */
export interface ProcessTable {
  /** Id of the running boot; "" when it cannot be read. */
  boot: string;
  processes: Map<number, ProcessFact>;
  /** Why the table cannot show who is alive; absent when it can. */
  unreadable?: string;
}

const MACOS = PLATFORM === "darwin";

// The first line is "boot pid pid": the scanner's pid as the table shows it, and as it knows it. They differ where
// /proc belongs to another pid namespace.
const FIRST_LINUX = `read -r b </proc/sys/kernel/random/boot_id; read -r s _ </proc/self/stat
echo "\${b:--} \${s:--} $$"`;
// The shell's own `read` takes one system call per byte: right for a few processes; `cat` for many.
const MANY_LINUX = `${FIRST_LINUX}; exec cat "$@"`;
const ONE_LINUX = `${FIRST_LINUX}; for p in "$@"; do read -r s </proc/$p/stat && echo "$s"; done 2>/dev/null`;
const ALL_LINUX = `${FIRST_LINUX}; cat /proc/[0-9]*/stat 2>/dev/null; :`;

// macOS prints start times as text: fixed settings give every caller the same text.
const env: Record<string, string> = { LC_ALL: "C", TZ: "UTC0", LOOOP_BOOT: "" };

/** Runs a small shell script and returns its standard output. */
async function sh(script: string, args: readonly string[]): Promise<string> {
  try {
    return (await runSmall("/bin/sh", ["-c", script, "sh", ...args], { env })).stdout;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot ask the system about processes: ${(error as Error).message}`, {
      next: "check that /bin/sh can be run",
      kind: "processes",
      cause: error,
    });
  }
}

/** The same for a script of macOS. No process outlives its boot, so each asks for the boot's id once. */
async function shOnMac(script: string, args: readonly string[] = []): Promise<string> {
  const text = await sh(script, args);
  const [boot = "-"] = text.split(" ", 1);
  if (boot !== "-") env["LOOOP_BOOT"] = boot;
  return text;
}

/** Facts about the given processes; those that are gone are absent. */
export async function readProcesses(pids: readonly number[]): Promise<ProcessTable> {
  const text = MACOS
    ? await shOnMac(PS_SOME, pids.map(String))
    : pids.length > 8
    ? await sh(MANY_LINUX, pids.map((pid) => `/proc/${pid}/stat`))
    : await shAtOnce(ONE_LINUX, pids.map(String));
  return parseProcessTable(text, MACOS);
}

/** The same for a script that reads a few lines of /proc. */
async function shAtOnce(script: string, args: readonly string[]): Promise<string> {
  try {
    return outputAtOnce("/bin/sh", ["-c", script, "sh", ...args], env);
  } catch {
    return await sh(script, args);
  }
}

/**
 * Makes simultaneous callers share a look: one that has yet to begin serves everybody who asks until then, and shows
 * each of them nothing older than a look of their own would. Looks follow each other, so many trees that are being
 * ended at once cost no more looks than one.
 */
function shared<T>(look: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  const begin = () => {
    next = undefined;
    return look();
  };
  return () => {
    if (next === undefined) last = next = last.then(begin, begin);
    return next;
  };
}

/** Facts about all processes. */
export const readAllProcesses: () => Promise<ProcessTable> = shared(async () =>
  parseProcessTable(MACOS ? await shOnMac(PS_ALL) : await sh(ALL_LINUX, []), MACOS)
);

// A program's name may hold spaces, parentheses and newlines, so the match runs to the last ") X n n n".
const STAT = /^(\d+) \([\s\S]{0,80}?\) ([A-Za-z]) (-?\d+) (-?\d+) (-?\d+)((?: -?\d+){15}) (\d+)[ \n]/gm;

/** Parses the first line and the process lines of Linux's `stat` files, or the output of macOS's `ps`. Pure. */
export function parseProcessTable(text: string, macos: boolean): ProcessTable {
  const { boot, facts } = macos ? parsePsFacts(text) : parseStats(text);
  return facts === undefined
    ? { boot, processes: new Map(), unreadable: "the process table cannot be read" }
    : { boot, processes: facts };
}

/** In another namespace's table the same numbers belong to other processes. */
function parseStats(text: string): { boot: string; facts: Map<number, ProcessFact> | undefined } {
  const firstLine = text.indexOf("\n");
  const [boot = "", shown, own] = text.slice(0, firstLine).trim().split(" ");
  const facts = [...text.slice(firstLine + 1).matchAll(STAT)].map(fromStat);
  const isOurs = boot !== "" && boot !== "-" && shown === own;
  return {
    boot: boot === "-" ? "" : boot,
    facts: isOurs ? new Map(facts.map((fact) => [fact.pid, fact])) : undefined,
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

/** A `NAME=VALUE` that processes carry in their environment, or several, any one of which suffices. */
export type Mark = string | readonly string[];

/**
 * The marks by which looop recognizes processes, as one look at all environments found them. The names are those of
 * {@link MARK_NAMES}.
 */
export class Marks {
  readonly #environments: ReadonlyMap<number, string>;
  readonly #holds: (environment: string, mark: string) => boolean;

  /** `environments` holds each process's variables; `holds` knows how they are written. */
  constructor(
    environments: ReadonlyMap<number, string>,
    holds: (environment: string, mark: string) => boolean,
  ) {
    this.#environments = environments;
    this.#holds = holds;
  }

  /** Processes that carry every one of the marks; none when no marks are given. */
  withAll(marks: readonly Mark[]): Set<number> {
    if (marks.length === 0) return new Set();
    return this.#select((text) => marks.every((mark) => [mark].flat().some((one) => this.#holds(text, one))));
  }

  /** Processes that have a variable of this name, whatever its value. */
  named(name: string): Set<number> {
    return this.#select((text) => text.includes(`\0${name}=`) || text.includes(` ${name}=`));
  }

  #select(fits: (text: string) => boolean): Set<number> {
    return new Set([...this.#environments].filter(([, text]) => fits(text)).map(([pid]) => pid));
  }
}

/** Names of the variables that mark processes, as an extended regular expression. */
const MARK_NAMES =
  "LOOOP_(HOME|DATA_DIR|SESSION_(ID|GEN)|WORKER_(ID|GEN)|SENSOR_RUN|RUN|NOTICE|VERIFY|PULSE|TEST_[A-Z]+)";
const MARKS_LINUX = `grep -zHE -e '^${MARK_NAMES}=' /proc/[0-9]*/environ; :`;

/** The marks of all processes whose environments can be read. */
export const readMarks: () => Promise<Marks> = shared(async () =>
  parseMarks(MACOS ? await shOnMac(PS_WHOLE) : await sh(MARKS_LINUX, []), MACOS)
);

/** All processes and their marks, read by as few children as the platform allows. */
export const readSystem: () => Promise<{ table: ProcessTable; marks: Marks }> = shared(async () => {
  if (MACOS) {
    const text = await shOnMac(PS_WHOLE);
    return { table: parseProcessTable(text, true), marks: parseMarks(text, true) };
  }
  const [table, marks] = await Promise.all([readAllProcesses(), readMarks()]);
  return { table, marks };
});

/** Parses `PATH:NAME=VALUE` entries, each ended by a NUL, or the output of macOS's `ps`. Pure. */
export function parseMarks(text: string, macos: boolean): Marks {
  if (macos) return new Marks(parsePsEnvironments(text), environmentHolds);
  const texts = new Map<number, string>();
  for (const [, pid, mark] of text.matchAll(/\/proc\/(\d+)\/environ:([^\0]*)\0/g)) {
    texts.set(Number(pid), `${texts.get(Number(pid)) ?? "\0"}${mark}\0`);
  }
  return new Marks(texts, (variables, mark) => variables.includes(`\0${mark}\0`));
}

/** One of the user's processes that does not show its environment. */
export interface HiddenProcess {
  pid: number;
  name: string;
}

/**
 * Prints the user's processes whose parent is gone and whose environment cannot be read, as "pid start name". The
 * parent of such a process is then the first process, or a login's `systemd`.
 */
const HIDDEN_LINUX = `uid=$(id -u)
for file in $(grep -lE "^Uid:[[:space:]]+$uid[[:space:]]" /proc/[0-9]*/status); do
  dir=\${file%/status}
  [ -r "$dir/environ" ] || ! read -r stat <"$dir/stat" || {
    name=\${stat#*(} name=\${name%)*}
    set -- \${stat##*) }
    [ "$1" != Z ] || continue
    [ "$2" = 1 ] || read -r parent <"/proc/$2/comm" || parent=-
    [ "$2" != 1 ] && [ "$parent" != systemd ] || echo "\${dir#/proc/} \${20} $name"
  }
done; :`;

/**
 * The user's processes whose parent is gone, that hide their environment, as `ssh-agent` does, and that began no
 * earlier than `start`, a start time in the table's unit. Nothing shows whose they are. None on macOS, which hides
 * the environment of Apple's own programs from everybody.
 */
export async function readHidden(start: string): Promise<HiddenProcess[]> {
  if (MACOS || !/^\d+$/.test(start)) return [];
  const lines = (await sh(HIDDEN_LINUX, [])).split("\n").map((line) => /^(\d+) (\d+) (.*)$/.exec(line));
  return lines.filter((match) => match !== null && Number(match[2]) >= Number(start))
    .map((match) => ({ pid: Number(match?.[1]), name: match?.[3] ?? "" }));
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
