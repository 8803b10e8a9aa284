/** Measures runs, CPU time, memory and moments of events. On macOS only what `ps` prints can be measured. */
import { readAllProcesses, readProcesses } from "../../lib/process/table.ts";
import { seriesOf, type Timings } from "./report.ts";

/** Wall and CPU time of one run, ms. */
export interface Timed {
  wall: number;
  cpu: number;
}

/** A command to time. */
export interface Subject {
  argv(run: number): string[];
  env?: Record<string, string>;
}

/** Runs a command to its end, discards its output, and times it by bash's own `time`: real, user and system. */
export async function timed(argv: readonly string[], env: Record<string, string>): Promise<Timed> {
  const { stderr } = await new Deno.Command("bash", {
    args: ["-c", 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&1', "bash", ...argv],
    env,
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const [real = NaN, user = NaN, system = NaN] = new TextDecoder().decode(stderr).trim().split(/\s+/)
    .map((word) => Number(word.replace(",", ".")) * 1000);
  return { wall: real, cpu: user + system };
}

/** Wall and CPU time of each subject. The runs take turns, so that a busy moment affects all subjects alike. */
export async function interleaved(
  subjects: readonly Subject[],
  runs: number,
  env: Record<string, string>,
): Promise<Timings[]> {
  const all = subjects.map(() => [] as Timed[]);
  for (let run = -1; run < runs; run++) {
    for (const [n, subject] of subjects.entries()) {
      const result = await timed(subject.argv(run), { ...env, ...subject.env });
      // The first round only warms the page cache.
      if (run >= 0) all[n]?.push(result);
    }
  }
  return all.map((results) => ({
    wall: seriesOf(results.map((result) => result.wall)),
    cpu: seriesOf(results.map((result) => result.cpu)),
  }));
}

/** A process, and when it printed. */
export interface Watched {
  pid: number;
  child: Deno.ChildProcess;
  /** Text and moment (`performance.now`) of the last piece of stdout, once stdout is closed. */
  printed: Promise<{ at: number; text: string }>;
}

/** Starts a program and notes when it printed last. */
export function start(argv: readonly string[], env: Record<string, string>): Watched {
  const [exe = "", ...args] = argv;
  const child = new Deno.Command(exe, {
    args,
    env,
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const printed = withDeadline(lastPiece(child.stdout), argv.slice(1).join(" "));
  // A caller that ends the program early does not await its output.
  printed.catch(() => {});
  return { pid: child.pid, child, printed };
}

/** Fails after 100 s, so that a program that is never woken does not hang the benchmark. */
async function withDeadline<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`"${what}" did not print within 100 s`)), 100_000);
    Deno.unrefTimer(timer);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function lastPiece(stream: ReadableStream<Uint8Array>): Promise<{ at: number; text: string }> {
  let at = NaN;
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of stream) {
    at = performance.now();
    text += decoder.decode(piece, { stream: true });
  }
  return { at, text };
}

/** A program on a terminal of its own. */
export interface OnTerminal {
  pid: number;
  /** When it was started, on the clock of `performance.now`. */
  startedAt: number;
  /** When it had printed a text, or had ended without printing it. */
  printed(text: string): Promise<number>;
  end(): Promise<void>;
}

/** Starts a program on a terminal of 80 × 24 made by `script`. Linux only. */
export async function onTerminal(argv: readonly string[], env: Record<string, string>): Promise<OnTerminal> {
  const words = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qfec", `stty rows 24 cols 80; echo "pid $$."; exec ${words}`, "/dev/null"],
    env: { ...env, TERM: "xterm-256color", SHELL: "/bin/sh" },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let shown = "";
  let isOver = false;
  let wake = () => {};
  // Its output is read all the time; otherwise the program would block on its terminal.
  const reading = (async () => {
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      shown += piece;
      wake();
    }
    isOver = true;
    wake();
  })();
  const printed = async (text: string) => {
    while (!isOver && !shown.includes(text)) {
      await withDeadline(new Promise<void>((resolve) => wake = resolve), argv.slice(1).join(" "));
    }
    return performance.now();
  };
  const startedAt = await printed(".");
  const pid = Number(/pid (\d+)/.exec(shown)?.[1]);
  return {
    pid,
    startedAt,
    printed,
    async end() {
      try {
        Deno.kill(pid, "SIGTERM");
      } catch {
        // Ended by itself.
      }
      await reading;
      await child.stdin.close().catch(() => {});
      await child.status;
    },
  };
}

/** Waits until a process has set up a watch and is idle. */
export async function blocked(pid: number): Promise<void> {
  if (Deno.build.os !== "linux") return await delay(500);
  for (let tries = 0; tries < 400 && !hasInotify(pid); tries++) await delay(10);
  await delay(150);
}

function hasInotify(pid: number): boolean {
  try {
    for (const entry of Deno.readDirSync(`/proc/${pid}/fd`)) {
      if (Deno.readLinkSync(`/proc/${pid}/fd/${entry.name}`) === "anon_inode:inotify") return true;
    }
  } catch {
    // The process ended, or a descriptor was closed meanwhile.
  }
  return false;
}

/** Waits for a time in ms. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Memory of one process, MB: its share (PSS) on Linux, its resident size elsewhere. */
export async function memoryOf(pid: number): Promise<number> {
  if (Deno.build.os === "linux") {
    const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? NaN) / 1024;
  }
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", String(pid)] }).output();
  return Number(new TextDecoder().decode(stdout)) / 1024;
}

/** Peak resident size of a living process, MB; NaN if it cannot be read. */
export function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? NaN) /
      1024;
  } catch {
    return NaN;
  }
}

/** CPU time and wake-ups of a process so far. */
export interface Usage {
  /** CPU of all its threads and of its children that have ended, ms. */
  cpu: number;
  /** How often its threads were woken. */
  wakeups: number;
}

/** CPU time and wake-ups of a process so far, from /proc. Linux only. */
export function usageOf(pid: number): Usage {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  const childTicks = (fields[13] ?? 0) + (fields[14] ?? 0);
  let cpu = childTicks * 10;
  let wakeups = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const task = `/proc/${pid}/task/${name}`;
    cpu += Number(Deno.readTextFileSync(`${task}/schedstat`).split(" ")[0]) / 1e6;
    const switches = /^voluntary_ctxt_switches:\s+(\d+)/m.exec(Deno.readTextFileSync(`${task}/status`))?.[1];
    wakeups += Number(switches ?? 0);
  }
  return { cpu, wakeups };
}

/** Pids of a process's direct children in its own session. */
export async function childrenOf(pid: number): Promise<number[]> {
  const { processes } = await readAllProcesses();
  return [...processes.values()].filter((fact) => fact.ppid === pid && fact.sid === pid).map((fact) =>
    fact.pid
  );
}

/** Identity line of a process, as a supervisor writes it: "pid start boot". */
export async function identityLines(pids: readonly number[]): Promise<string[]> {
  const { boot, processes } = await readProcesses(pids);
  return pids.map((pid) => `${pid} ${(processes.get(pid)?.start ?? "0").replaceAll(" ", "_")} ${boot}`);
}

/** Ends processes that this benchmark started, and waits for them. */
export async function endAll(children: readonly Deno.ChildProcess[]): Promise<void> {
  for (const child of children) {
    try {
      child.kill("SIGKILL");
    } catch {
      // Ended by itself.
    }
  }
  await Promise.all(children.map((child) => child.status));
}
