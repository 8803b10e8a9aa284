/**
 * Cuts the power at every system call: each mutating verb and the pulse run once under strace, and the trace is replayed
 * on a model of a disk that keeps only what was synced. What a verb has acknowledged must be on that disk. At every
 * earlier call the disk must hold the old state or the new one, and readers must find no fault in it.
 */
import { Disk, DISK_CALLS, type Keeps, type Tree, writeTree } from "./disk.ts";
import {
  brokenFiles,
  inParallel,
  type Lab,
  type LabProfile,
  openLab,
  run,
  sample,
  straceMissing,
  Tally,
  textAt,
} from "./lab.ts";
import { farMoves } from "./far_moves.ts";
import { looopCommand } from "../looop.ts";
import { type Move, moves } from "./moves.ts";
import { PULSE } from "./pulse_move.ts";
import { type Call, parseTrace, TRACE_OPTIONS } from "./trace.ts";

/** Time limit, under strace on a busy machine, of one verb and then of the processes that it leaves, s. */
const STRACE_LIMIT_S = 45;
/**
 * Since 6.9 Linux reports the end of a traced child on its pidfd before the parent may collect it; the runtime, which
 * tries at once, panics and hangs. Without pidfds it waits for SIGCHLD, which comes when the parent may collect it.
 */
const NO_PIDFDS = ["-e", "inject=pidfd_open:error=ENOSYS"] as const;

/** Counts that must be zero. */
const ZERO = ["acknowledged before synced", "half moves", "readers not content"] as const;

/**
 * Files that an acknowledgement does not cover: derived files, locks, empty marker files, and the output of workers and of
 * looop itself.
 */
const DERIVED = [
  /^\.world\.json$/,
  /^\.pulse\.json$/,
  /^\.bin\//,
  /^\.cache\//,
  /^\.calls\//,
  /(^|\/)\.lock$/,
  /\.tmp-\d+-[a-z0-9]+$/,
  /^\.poke$/,
  /^hosts\//,
  /^sessions\/[^/]+\/noted$/,
  /^sessions\/pulse\/(meta|status)\.json$/,
  /^\.lock\/[a-z-]+$/,
  /^\.cursors\//,
  /^snapshots\//,
  /^events\.jsonl$/,
  /(^|\/)output\.log$/,
];

/** Cuts the power in every verb and in the pulse. */
export async function power(): Promise<Tally> {
  const tally = new Tally("power", ZERO);
  const missing = await straceMissing();
  if (missing !== undefined) {
    tally.skip(missing);
    return tally;
  }
  await using lab = await openLab();
  const all = moves();
  await inParallel([...sample(all, 0.34), PULSE, ...farMoves()], 2, async (move) => {
    // A verb that does not end must not keep the others from being tried.
    await cutMove(lab, move, tally).catch((error) =>
      tally.fault("readers not content", `${move.name}: ${(error as Error).message}`)
    );
  });
  return tally;
}

/** Cuts the power in one verb; with `read` a reader also checks what each cut leaves. */
export async function cutMove(lab: Lab, move: Move, tally: Tally, read = true): Promise<void> {
  const p = await lab.profile();
  await move.prepare?.(p);
  await p.keep();
  if (move.withWorker) {
    await p.ok("_", "worker", "start", "w", "--command", "sleep 300", "a brief");
  }
  const disk = new Disk(p.base, ["home", "kept", "old"]);
  const { calls, code, stderr, ended } = await traceMove(p, move);
  await move.clean?.(p);
  await ended();
  if (!(move.acknowledges ?? [0]).includes(code)) {
    return tally.fault("readers not content", `${move.name} exits ${code} below strace: ${stderr}`);
  }
  const cuts = new Cuts(p, move, tally, read);
  const reply = replyOf(calls, move);
  for (const [at, call] of [...calls, undefined].entries()) {
    if (at === reply) cuts.acknowledge(disk);
    if (call === undefined || !disk.apply(call)) continue;
    tally.add("system calls");
    for (const keeps of ["synced", "names"] as const) await cuts.after(call, keeps, disk.afterCut(keeps));
  }
  await run("rm", ["-rf", p.profile.dir]);
}

/** Checks what one verb leaves at each power cut. */
class Cuts {
  readonly #p: LabProfile;
  readonly #move: Move;
  readonly #tally: Tally;
  readonly #seen = new Set<string>();
  readonly #read: boolean;
  #acknowledged = false;

  constructor(p: LabProfile, move: Move, tally: Tally, read: boolean) {
    this.#p = p;
    this.#read = read;
    this.#move = move;
    this.#tally = tally;
  }

  /** The verb replies now, so its changes must be synced. */
  acknowledge(disk: Disk): void {
    this.#acknowledged = this.#move.promises !== false;
    this.#tally.add("acknowledgements");
    for (const line of disk.unsynced().map(inProfile)) {
      const isPromised = ![...DERIVED, ...this.#move.derived ?? []].some((one) => one.test(pathIn(line)));
      if (isPromised) this.#tally.fault("acknowledged before synced", `${this.#move.name}: ${line}`);
    }
  }

  /** Puts what a machine would find after a cut into the profile's place and checks it. */
  async after(call: Call, keeps: Keeps, tree: Tree): Promise<void> {
    const key = `${this.#acknowledged} ${JSON.stringify([...tree])}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#tally.add("cuts");
    const p = this.#p;
    await run("rm", ["-rf", p.profile.dir]);
    writeTree(tree, p.base);
    const at = `${this.#move.name}, power cut after ${call.name} (${keeps} kept)`;
    const effect = effectOf(p, this.#move);
    const isWhole = effect === "after" || (effect === "before" && !this.#acknowledged);
    this.#tally.demand(isWhole, "half moves", `${at}: ${effect}`);
    const wrong = this.#read ? await discontent(p, this.#move) : undefined;
    if (wrong === undefined) return;
    this.#tally.add("derived files lost");
    if (this.#seen.has(wrong)) return;
    this.#seen.add(wrong);
    const left = await afterUp(p, this.#move);
    this.#tally.demand(left === undefined, "readers not content", `${at}: ${left}`);
  }
}

/** What a reader finds wrong with a data dir, or undefined. */
async function discontent(p: LabProfile, move: Move): Promise<string | undefined> {
  const broken = brokenFiles(p.profile.dir).filter((line) =>
    !move.derived?.some((one) => one.test(line.replace(/ .*/, "")))
  );
  const { code, stdout, stderr } = await p.run("_", "state", "--json");
  if (code !== 0) return `_ state exits ${code}: ${stderr}`;
  const bad = JSON.parse(stdout).bad_files.map((one: { path: string }) => one.path);
  return broken.length + bad.length === 0 ? undefined : [...broken, ...bad].join("; ");
}

/** What is still wrong after `up` and a wait, which make derived files again whose text was not synced. */
async function afterUp(p: LabProfile, move: Move): Promise<string | undefined> {
  const { code, stderr } = await p.run("up");
  await p.run("_", "wait", "--timeout", "0.1");
  const left = code === 0 ? await discontent(p, move) : `up exits ${code}: ${stderr}`;
  await p.run("down");
  return left;
}

function effectOf(p: LabProfile, move: Move): string {
  try {
    return move.effect(p);
  } catch (error) {
    return (error as Error).message;
  }
}

/** A line that begins with a path, with that path relative to the data dir. */
function inProfile(line: string): string {
  return line.replace(/^data dir\//, "");
}

/** The path at the start of a line of {@link Disk.unsynced}. */
function pathIn(line: string): string {
  return line.replace(/ is .*$/, "");
}

interface Traced {
  calls: Call[];
  code: number;
  stderr: string;
  /** Resolves when the processes that the verb has left have ended, too. */
  ended(): Promise<unknown>;
}

/** Runs a verb under strace until it ends, without waiting for the processes that it leaves. */
async function traceMove(p: LabProfile, move: Move): Promise<Traced> {
  const trace = `${p.base}/trace`;
  const script = 'out=$1; shift; exec "$@" >"$out.out" 2>"$out.err"';
  const options = [
    "-I2",
    "--seccomp-bpf",
    ...TRACE_OPTIONS,
    "-e",
    `trace=${DISK_CALLS},pidfd_open`,
    ...NO_PIDFDS,
    "-o",
    trace,
  ];
  const child = new Deno.Command("sh", {
    args: ["-c", script, "sh", trace, "strace", ...options, ...looopCommand(), ...move.argv],
    cwd: p.base,
    env: { ...p.env, ...move.env },
    clearEnv: true,
    stdin: move.stdin === undefined ? "null" : "piped",
  }).spawn();
  if (move.stdin !== undefined) await new Response(move.stdin).body?.pipeTo(child.stdin);
  if (move.until !== undefined) {
    await p.until(`${move.name} has done enough`, () => move.until?.(p) ?? true, 60);
    Deno.kill(Number(/^\d+/.exec(textAt(trace))), "SIGTERM");
  }
  const ended = () => mainEnd(textAt(trace)) !== undefined;
  await p.until(`${move.name} ends below strace`, ended, STRACE_LIMIT_S).catch((error) => {
    endTraced(child, trace);
    throw error;
  });
  const text = textAt(trace);
  const { index, code } = mainEnd(text) ?? { index: 0, code: -1 };
  return {
    calls: parseTrace(text.slice(0, index)),
    code,
    stderr: textAt(`${trace}.err`),
    ended: async () => {
      const timer = setTimeout(() => endTraced(child, trace), STRACE_LIMIT_S * 1000);
      await child.status;
      clearTimeout(timer);
    },
  };
}

/** Ends a tracer and the processes that it still traces. */
function endTraced(strace: Deno.ChildProcess, trace: string): void {
  strace.kill("SIGKILL");
  const pids = new Set([...textAt(trace).matchAll(/^(\d+) /gm)].map(([, pid]) => Number(pid)));
  for (const pid of pids) {
    const isOurs = textAt(`/proc/${pid}/environ`).includes(trace.replace(/trace$/, ""));
    if (isOurs) Deno.kill(pid, "SIGKILL");
  }
}

/** Position in a trace at which the first process ends, and its exit code. */
function mainEnd(trace: string): { index: number; code: number } | undefined {
  const main = /^(\d+) /.exec(trace)?.[1];
  const end = new RegExp(`^${main} +\\+\\+\\+ exited with (\\d+) `, "m").exec(trace);
  return end === null ? undefined : { index: end.index, code: Number(end[1]) };
}

/** Index of the call by which a verb replies: its first write to stdout (for a question: stderr), else its end. */
function replyOf(calls: readonly Call[], move: Move): number {
  const main = calls[0]?.pid;
  const channel = move.name === "ask" ? "2<" : "1<";
  if (move.streams) return calls.length;
  const at = calls.findIndex((call) =>
    call.pid === main && call.name === "write" && call.args[0]?.startsWith(channel)
  );
  return at < 0 ? calls.length : at;
}
