/**
 * The system's table of processes, and the marks in their environments. The only file that knows how each platform
 * shows them.
 *
 * A binary built without network and FFI permission may not read /proc itself (Deno: "Requires all access"), so facts
 * come from small `sh` children.
 */
import { UserError } from "../errors.ts";
import { PLATFORM } from "./platform.ts";

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
  boot: string;
  processes: Map<number, ProcessFact>;
}

const MACOS = PLATFORM === "darwin";

// The shell's own `read` takes a byte per system call: right for a few processes, `cat` for many.
const MANY_LINUX = `exec cat /proc/sys/kernel/random/boot_id "$@"`;
const ONE_LINUX = `read -r b </proc/sys/kernel/random/boot_id; echo "$b"
for p in "$@"; do read -r s </proc/$p/stat && echo "$s"; done 2>/dev/null`;
const ALL_LINUX = `cat /proc/sys/kernel/random/boot_id; cat /proc/[0-9]*/stat 2>/dev/null; :`;
// macOS has no /proc: `ps` gives the same facts, start times in whole seconds, and `sysctl` the boot.
const ONE_MACOS = `sysctl -n kern.bootsessionuuid; for p in "$@"; do
ps -o pid=,ppid=,pgid=,sess=,stat=,lstart= -p "$p"; done 2>/dev/null`;
const ALL_MACOS = `sysctl -n kern.bootsessionuuid; ps -axo pid=,ppid=,pgid=,sess=,stat=,lstart=`;

/** Runs a small shell script and returns its standard output. */
async function sh(script: string, args: readonly string[]): Promise<string> {
  const command = new Deno.Command("/bin/sh", {
    args: ["-c", script, "sh", ...args],
    stdin: "null",
    stderr: "null",
    // macOS tells start times in words, which must be the same ones whoever asks.
    env: { LC_ALL: "C", TZ: "UTC0" },
  });
  try {
    return new TextDecoder().decode((await outputOf(command)).stdout);
  } catch (error) {
    throw new UserError(`Cannot ask the system about processes: ${(error as Error).message}`, {
      next: "check that /bin/sh can be run",
      kind: "processes",
      cause: error,
    });
  }
}

async function outputOf(command: Deno.Command): Promise<Deno.CommandOutput> {
  try {
    return await command.output();
  } catch (error) {
    if (!leaveGoneFolder()) throw error;
    return await command.output();
  }
}

/** Goes to `/` when our own folder was removed under us: Deno before 2.5 starts nothing from there. */
function leaveGoneFolder(): boolean {
  try {
    Deno.cwd();
    return false;
  } catch {
    Deno.chdir("/");
    return true;
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

/** Parses the boot id line and the process lines of Linux's `stat` files or macOS's `ps`. Pure. */
export function parseProcessTable(text: string, macos: boolean): ProcessTable {
  const firstLine = text.indexOf("\n");
  const boot = text.slice(0, firstLine).trim();
  const rest = text.slice(firstLine + 1);
  const processes = new Map<number, ProcessFact>();
  for (const match of rest.matchAll(macos ? PS : STAT)) {
    const fact = macos ? fromPs(match) : fromStat(match);
    processes.set(fact.pid, fact);
  }
  return { boot, processes };
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

/** Processes that carry every one of these `NAME=VALUE` marks in their environment. */
export async function readMarked(marks: readonly string[]): Promise<Set<number>> {
  if (marks.length === 0) return new Set();
  const text = await sh(MACOS ? MARKED_MACOS : MARKED_LINUX, marks);
  return new Set(text.split("\n").map(Number).filter((pid) => pid > 0));
}

// grep -z takes each NAME=VALUE as a line; -x the whole of it; -F no patterns. Later marks filter the files
// that the first one found, so that the usual case is one pass over /proc.
const MARKED_LINUX = `m=$1; shift
for f in $(grep -lzxF -e "$m" /proc/[0-9]*/environ 2>/dev/null); do
  ok=1; for n in "$@"; do grep -qzxF -e "$n" "$f" 2>/dev/null || ok=; done
  [ -n "$ok" ] && { f=\${f#/proc/}; echo "\${f%%/*}"; }
done; :`;
// \`ps -E\` shows the environment of own processes after the command, words apart by blanks.
const MARKED_MACOS = `ps -axEo pid=,command= | while read -r pid rest; do
  ok=1; for n in "$@"; do case " $rest " in *" $n "*) ;; *) ok=;; esac; done
  [ -n "$ok" ] && echo "$pid"
done; :`;

/** Like {@link readMarked}, for processes that carry any one of the marks: one pass for any number of them. */
export async function readMarkedAny(marks: readonly string[]): Promise<Set<number>> {
  if (marks.length === 0) return new Set();
  const text = await sh(MACOS ? MARKED_ANY_MACOS : MARKED_ANY_LINUX, marks);
  return new Set(text.split("\n").map(Number).filter((pid) => pid > 0));
}

const MARKED_ANY_LINUX = `for m in "$@"; do set -- "$@" -e "$m"; shift; done
grep -lzxF "$@" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ pid _; do echo "$pid"; done; :`;
const MARKED_ANY_MACOS = `ps -axEo pid=,command= | while read -r pid rest; do
  for n in "$@"; do case " $rest " in *" $n "*) echo "$pid"; break;; esac; done
done; :`;

/** Processes that have a variable of this name in their environment, whatever its value. */
export async function readNamed(name: string): Promise<Set<number>> {
  const text = await sh(
    MACOS
      ? `ps -axEo pid=,command= | while read -r pid rest; do case " $rest" in *" $1="*) echo "$pid";; esac; done; :`
      : `grep -lz -e "^$1=" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ pid _; do echo "$pid"; done; :`,
    [name],
  );
  return new Set(text.split("\n").map(Number).filter((pid) => pid > 0));
}
