/**
 * Starts children in sessions of their own, with nothing inherited from the caller that is not theirs, and runs small
 * programs for their output.
 */
import { UserError } from "../errors.ts";
import { hasDescriptors, isOutOfDescriptors, outOfDescriptors } from "../fault.ts";

/** The program to start, its environment, and where its output goes. */
export interface ChildSpec {
  argv: readonly string[];
  cwd: string;
  /** The whole environment. A variable that is not UTF-8 cannot be in it; it is inherited. */
  env: Readonly<Record<string, string>>;
  /** Both outputs are appended to a file, read by the caller (`piped`), or discarded. */
  output: { file: string } | "piped" | "null";
}

/**
 * Called as `sh -c START looop-start LOG NAMES PROGRAM ARGUMENT…`: closes the caller's descriptors, removes the
 * variables NAMES from the environment and becomes the program, as the same process in the same session.
 *
 * A POSIX shell closes descriptors up to 9; where there are higher ones, bash closes those.
 */
const START = `log=$1 names=$2
shift 2
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
[ -z "$names" ] || unset $names
[ -z "$log" ] || { umask 077 && exec >>"$log" 2>&1; } || exit 1
unset log names
for fd in /dev/fd/[1-9][0-9]*; do
  [ -e "$fd" ] || continue
  exec bash -c 'for fd in /dev/fd/[1-9][0-9]*; do eval "exec \${fd##*/}>&-"; done; exec "$@"' looop-start "$@"
done
exec "$@"`;

/**
 * Starts a detached child: its own session and group, no input, none of our descriptors, default signal handling.
 *
 * @throws what `Deno.Command` throws when no process can be started; a missing program exits with 127.
 */
export function spawnChild(spec: ChildSpec): Deno.ChildProcess {
  if (!hasDescriptors()) throw outOfDescriptors(`start "${spec.argv[0]}"`);
  try {
    return spawnDetached(spec);
  } catch (error) {
    throw limitFault(spec.argv[0] ?? "", error);
  }
}

/** The error that names an exhausted limit of this process in one line; other errors as they are. Pure. */
export function limitFault(program: string, error: unknown): unknown {
  if (isOutOfDescriptors(error)) return outOfDescriptors(`start "${program}"`, error);
  if (!isOutOfProcesses(error)) return error;
  return new UserError(`Cannot start "${program}": too many processes`, {
    next: "end some, or raise `ulimit -u`, then try again",
    kind: "limit",
    cause: error,
  });
}

/** Whether an error says that no more processes can be started: EAGAIN, 11 on Linux and 35 on macOS. */
function isOutOfProcesses(error: unknown): boolean {
  return /os error (11|35)\b/.test(String((error as Error)?.message));
}

function spawnDetached({ argv, cwd, env, output }: ChildSpec): Deno.ChildProcess {
  resetSignals();
  const { set, names } = changesTo(env, Deno.env.toObject());
  const stream = output === "piped" ? "piped" : "null";
  return new Deno.Command("/bin/sh", {
    args: [
      "-c",
      START,
      "looop-start",
      typeof output === "string" ? "" : output.file,
      names.join(" "),
      ...argv,
    ],
    cwd,
    env: set,
    detached: true,
    stdin: "null",
    stdout: stream,
    stderr: stream,
  }).spawn();
}

/** The caller's paths that a child must not inherit, not even when they are not UTF-8 and so appear to be unset. */
const NEVER_INHERITED = [
  "GIT_DIR",
  "GIT_WORK_TREE",
  "GIT_INDEX_FILE",
  "GIT_COMMON_DIR",
  "GIT_OBJECT_DIRECTORY",
  "GIT_ALTERNATE_OBJECT_DIRECTORIES",
  "GIT_CONFIG",
  "GIT_PREFIX",
  "GIT_QUARANTINE_PATH",
  "TMPDIR",
];

/**
 * The variables to set and the names to remove, so that `from` becomes `to`. Names that no shell knows stay. Pure.
 */
export function changesTo(
  to: Readonly<Record<string, string>>,
  from: Readonly<Record<string, string>>,
): { set: Record<string, string>; names: string[] } {
  const set = Object.fromEntries(Object.entries(to).filter(([name, value]) => from[name] !== value));
  const names = [...Object.keys(from).filter((name) => /^[A-Za-z_]\w*$/.test(name)), ...NEVER_INHERITED]
    .filter((name) => !Object.hasOwn(to, name));
  return { set, names: [...new Set(names)] };
}

/**
 * All signals that can be caught, except SIGPIPE, which the runtime itself ignores here and resets in children. A
 * signal that our caller ignores is also ignored by our children, until it is caught.
 */
const SIGNALS: readonly Deno.Signal[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGCHLD",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGCONT",
  "SIGURG",
  "SIGWINCH",
  "SIGIO",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
];
let areReset = false;

/** Gives children every signal's default: exec resets caught signals, and leaves ignored ones ignored. */
function resetSignals(): void {
  if (areReset) return;
  areReset = true;
  const nothing = () => {};
  for (const name of SIGNALS) {
    try {
      Deno.addSignalListener(name, nothing);
      Deno.removeSignalListener(name, nothing);
    } catch {
      // This platform does not know the signal.
    }
  }
}

/** How a small program is run. */
export interface SmallOptions {
  /** Added to the environment. */
  env?: Readonly<Record<string, string>>;
  /** Replaces our whole environment. */
  wholeEnv?: Readonly<Record<string, string>>;
  input?: string;
  cwd?: string;
  /** Ends the program early. */
  stop?: AbortSignal;
  /** Time after which the program is killed, ms. */
  timeoutMs?: number;
}

/** A small program's result; code 124 when it timed out. */
export interface SmallResult {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a small program and returns its output. It may be started twice, so it must be safe to repeat.
 *
 * @throws what `Deno.Command` throws when it cannot be started.
 */
export async function runSmall(
  program: string,
  args: readonly string[],
  options: SmallOptions = {},
): Promise<SmallResult> {
  try {
    return await runOnce(program, args, options);
  } catch (error) {
    if (!mendSurroundings(error)) throw limitFault(program, error);
    return await runOnce(program, args, options);
  }
}

/**
 * The standard output of a program that ends at once. Waiting for it without the event loop takes half the time.
 *
 * @throws what `Deno.Command` throws when it cannot be started; {@link runSmall} repairs what can be repaired.
 */
export function outputAtOnce(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): string {
  const { stdout } = new Deno.Command(program, {
    args: [...args],
    env: { ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).outputSync();
  return new TextDecoder().decode(stdout);
}

async function runOnce(
  program: string,
  args: readonly string[],
  { env, wholeEnv, input, cwd, stop, timeoutMs }: SmallOptions,
): Promise<SmallResult> {
  const child = new Deno.Command(program, {
    args: [...args],
    ...(wholeEnv === undefined ? {} : { clearEnv: true }),
    env: { ...wholeEnv, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(stop === undefined ? {} : { signal: stop }),
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let timedOut = false;
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  try {
    if (input !== undefined) await feed(child, input);
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: timedOut ? 124 : code, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    clearTimeout(timer);
  }
}

async function feed(child: Deno.ChildProcess, input: string): Promise<void> {
  const writer = child.stdin.getWriter();
  // A program that stops reading early has seen enough.
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
}

/** Repairs what keeps a child from being started or awaited; false when the cause is something else. */
function mendSurroundings(error: unknown): boolean {
  // The ends of children are not reported to a process whose caller ignores SIGCHLD.
  if (!areReset && /os error 10\b/.test((error as Error).message)) {
    resetSignals();
    return true;
  }
  return leaveGoneFolder();
}

/** Moves to `/` when our own folder was removed: Deno before 2.5 cannot start anything from there. */
function leaveGoneFolder(): boolean {
  try {
    Deno.cwd();
    return false;
  } catch {
    Deno.chdir("/");
    return true;
  }
}
