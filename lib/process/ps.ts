/**
 * macOS's `ps`, which replaces Linux's /proc: how it is asked, and how its answers are read.
 *
 * - It cuts lines to the terminal's width, or to 79 characters, without `-ww` (ps(1)).
 * - It fails, or cannot be run at all, in a sandbox. Each answer is followed by its status, so that half an answer is
 *   not taken for a whole one.
 * - `-E` prints the environment after the arguments without marking where it begins: so `ps` is run twice.
 * - System Integrity Protection hides the environment of Apple's own programs.
 * - Outside a UTF-8 locale it writes letters beyond ASCII as vis(3) does.
 * - The session (`sess`) is an address without meaning; `s` in the state marks a session's leader.
 */
import type { ProcessFact } from "./fact.ts";

const FIRST = `b=\${LOOOP_BOOT:-$(sysctl -n kern.bootsessionuuid)}; echo "\${b:--} $$"`;
const COLUMNS = "-ww -o pid=,ppid=,pgid=,tty=,stat=,lstart=";
const STATUS = `echo "= $?"`;

/** Prints the facts of the processes whose pids are its arguments, and of itself, which must be among them. */
export const PS_SOME = `${FIRST}; pids=$$; for pid; do pids=$pids,$pid; done
ps ${COLUMNS} -p "$pids"; ${STATUS}`;
/** Prints the facts of all processes. */
export const PS_ALL = `${FIRST}; ps -ax ${COLUMNS}; ${STATUS}`;
/**
 * Prints facts and commands of all processes, then commands with environments; no mark is among its own arguments.
 */
export const PS_WHOLE = `${FIRST}; unset LC_ALL; export LANG=C LC_TIME=C LC_CTYPE=en_US.UTF-8
ps -ax ${COLUMNS},command=; ${STATUS}
ps -axwwE -o pid=,command=; ${STATUS}`;

/** A script's answer. */
interface Answer {
  boot: string;
  /** Pid of the shell that asked. */
  own: number;
  /** The output of each call of `ps`; undefined for one that failed. */
  parts: (string | undefined)[];
}

function parseAnswer(text: string): Answer {
  const [, boot = "", own] = /^(\S+) (\d+)\n/.exec(text) ?? [];
  const parts: (string | undefined)[] = [];
  let from = text.indexOf("\n") + 1;
  for (const end of text.matchAll(/^= (\d+)$/gm)) {
    parts.push(end[1] === "0" ? text.slice(from, end.index) : undefined);
    from = end.index + end[0].length + 1;
  }
  return { boot: boot === "-" ? "" : boot, own: Number(own ?? 0), parts };
}

/** One line of the facts: the terminal shows which session a process belongs to. */
interface PsFact extends ProcessFact {
  tty: string;
  leads: boolean;
}

const FACT = /^ *(\d+) +(\d+) +(\d+) +(\S+) +(\S+) +(\w+ +\w+ +\w+ +[\d:]+ +\d+)(?: +(.*))?$/gm;

/** The facts in a script's answer; undefined when it holds none. Pure. */
export function parsePsFacts(
  text: string,
): { boot: string; facts: Map<number, ProcessFact> | undefined } {
  const { boot, own, parts: [part = ""] } = parseAnswer(text);
  const lines = new Map<number, PsFact>();
  for (const [, pid, ppid, pgid, tty = "", stat = "", start = ""] of part.matchAll(FACT)) {
    lines.set(Number(pid), {
      pid: Number(pid),
      ppid: Number(ppid),
      pgid: Number(pgid),
      sid: 0,
      state: stat.slice(0, 1),
      // The day of the month is padded with a blank, which a supervisor's shell also removes
      // (`sessions/supervisor.ts`).
      start: start.replace(/ +/g, " "),
      tty,
      leads: stat.includes("s"),
    });
  }
  if (boot === "" || !lines.has(own)) return { boot, facts: undefined };
  // Removes the scanner itself and the `ps` that it ran.
  for (const { pid, ppid } of [...lines.values()]) if (pid === own || ppid === own) lines.delete(pid);
  return { boot, facts: withSessions(lines) };
}

/** Fills in the sessions; 0 where nothing shows one. */
function withSessions(lines: ReadonlyMap<number, PsFact>): Map<number, ProcessFact> {
  const leaders = new Map(
    [...lines.values()].filter(({ leads, tty }) => leads && tty !== "??")
      .map(({ tty, pid }) => [tty, pid]),
  );
  const known = new Map<number, number>();
  const sessionOf = (line: PsFact, seen = 0): number => {
    const before = known.get(line.pid);
    if (before !== undefined) return before;
    const parent = lines.get(line.ppid);
    const session = line.leads ? line.pid : lines.get(line.pgid)?.leads ? line.pgid : leaders.get(line.tty) ??
      (parent === undefined || line.ppid === 1 || seen > 100 ? 0 : sessionOf(parent, seen + 1));
    known.set(line.pid, session);
    return session;
  };
  return new Map(
    [...lines.values()].map((line) => {
      const { tty: _tty, leads: _leads, ...fact } = line;
      return [line.pid, { ...fact, sid: sessionOf(line) }];
    }),
  );
}

/**
 * The environment of each process that shows one, in the answer of {@link PS_WHOLE}; blanks separate variables. Pure.
 */
export function parsePsEnvironments(text: string): Map<number, string> {
  const { own, parts: [facts = "", whole = ""] } = parseAnswer(text);
  const commandOf = new Map(
    [...facts.matchAll(FACT)].map(([, pid, , , , , , command]) => [pid, command ?? ""]),
  );
  const environments = new Map<number, string>();
  for (const [, pid, rest = ""] of whole.matchAll(LINE)) {
    const command = commandOf.get(pid);
    // A process that has exec'd another program between the two runs is seen at the next look.
    if (command === undefined || Number(pid) === own) continue;
    if (OWN_SHELL.test(command)) environments.set(Number(pid), ownMarks(command));
    if (!rest.startsWith(`${command} `)) continue;
    environments.set(Number(pid), rest.slice(command.length));
  }
  return environments;
}

const LINE = /^ *(\d+) (.*)$/gm;
/**
 * looop's shells that were started by others and outlive them; their marks are hidden along with their environment.
 */
const OWN_SHELL = / looop-(?:supervisor|start|notify|pulse) /;

/** Marks of such a shell, as far as its arguments show them: a supervisor's name the folder of its session. */
function ownMarks(command: string): string {
  const dataDir = / looop-supervisor (.*)\/sessions\/[^/]+ \.\.\/\.\.\/\.poke /.exec(command)?.[1];
  return ` LOOOP_WORKER_GEN=hidden${dataDir === undefined ? "" : ` LOOOP_DATA_DIR=${dataDir}`}`;
}

/**
 * Whether an environment, as `ps` prints it, holds the variable `mark` (`NAME=VALUE`). A value may hold blanks, so
 * after it the line must end or another variable begin. Pure.
 */
export function environmentHolds(environment: string, mark: string): boolean {
  return [mark, visible(mark)].some((written) => {
    for (
      let at = environment.indexOf(` ${written}`);
      at >= 0;
      at = environment.indexOf(` ${written}`, at + 1)
    ) {
      if (/^(?: *$| +[A-Za-z_]\w*=)/.test(environment.slice(at + 1 + written.length))) return true;
    }
    return false;
  });
}

/** Text as vis(3) writes it outside a UTF-8 locale, or for letters that the locale does not know. */
function visible(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => {
    const low = String.fromCharCode(byte & 0x7f);
    if (byte < 0x80) return low;
    return byte <= 0xa0 ? `M^${String.fromCharCode((byte & 0x7f) ^ 0x40)}` : `M-${low}`;
  }).join("");
}
