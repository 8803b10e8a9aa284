/**
 * Tools shared by the parts of the fault harness: tallies, profiles that can be set back to a prepared state, calls under
 * strace, and the check that every file of a data dir is whole.
 */
import { readAllProcesses, readMarked } from "../../lib/process/table.ts";
import { looopCommand, type Result, TestProfile } from "../looop.ts";

/** Whether to try everything, or only a sample that fits the gate of every change. */
export const FULL = Deno.env.get("LOOOP_FAULTS") !== "ci";

/** The whole list with {@link FULL}, else about `share` of it, evenly spread. */
export function sample<T>(items: readonly T[], share: number): T[] {
  if (FULL) return [...items];
  const step = Math.max(1, Math.round(1 / share));
  return items.filter((_, i) => i % step === 0);
}

/** Counts of one part. The harness fails if a count that must be zero is not. */
export class Tally {
  readonly name: string;
  readonly #counts = new Map<string, number>();
  readonly #zero = new Set<string>();
  readonly #stories: string[] = [];
  #skipped: string | undefined;

  constructor(name: string, zero: readonly string[]) {
    this.name = name;
    for (const what of zero) {
      this.#zero.add(what);
      this.#counts.set(what, 0);
    }
  }

  add(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  /** Keeps the maximum of all values. */
  most(what: string, value: number): void {
    this.#counts.set(what, Math.max(this.#counts.get(what) ?? 0, value));
  }

  /** Counts a fault, with what happened. */
  fault(what: string, story: string): void {
    this.#zero.add(what);
    this.add(what);
    if (this.#stories.length < Number(Deno.env.get("LOOOP_STORIES") ?? 30)) {
      this.#stories.push(`${what}: ${story}`);
    }
  }

  /** Counts a fault unless a condition holds. */
  demand(holds: boolean, what: string, story: string): void {
    if (holds) this.add(what, 0);
    else this.fault(what, story);
  }

  skip(why: string): void {
    this.#skipped = why;
  }

  get failed(): boolean {
    return [...this.#zero].some((what) => (this.#counts.get(what) ?? 0) > 0);
  }

  /** `name: tries 210, killed 190, half-read 0`, with the stories of faults below. */
  toString(): string {
    const counts = [...this.#counts].sort((a, b) =>
      Number(this.#zero.has(a[0])) - Number(this.#zero.has(b[0]))
    );
    const line = counts.map(([what, n]) => `${what} ${n}`).join(", ");
    const skipped = this.#skipped === undefined ? "" : `SKIPPED (${this.#skipped})${line === "" ? "" : "; "}`;
    return [`${this.name}: ${skipped}${line}`, ...this.#stories.map((story) => `  ! ${story}`)].join("\n");
  }
}

/** A profile that can be set back to a kept state. */
export class LabProfile extends TestProfile {
  readonly #kept: string;

  constructor(base: string) {
    super(base);
    this.#kept = `${base}/kept`;
  }

  /** Keeps the data dir as it is now. */
  async keep(): Promise<void> {
    await run("rm", ["-rf", this.#kept]);
    if (await exists(this.profile.dir)) await run("cp", ["-a", this.profile.dir, this.#kept]);
  }

  /** Restores the data dir by renames, so that a reader never sees a half-made copy. */
  async reset(): Promise<void> {
    const next = `${this.base}/next`;
    const old = `${this.base}/old`;
    await run("rm", ["-rf", next, old]);
    if (await exists(this.#kept)) await run("cp", ["-a", this.#kept, next]);
    await Deno.rename(this.profile.dir, old).catch(ignoreAbsent);
    await Deno.rename(next, this.profile.dir).catch(ignoreAbsent);
  }

  /** Runs looop under strace with an injection; returns its reply and the trace. */
  async traced(
    args: readonly string[],
    strace: readonly string[],
    options: { stdin?: string; env?: Record<string, string>; timeoutMs?: number } = {},
  ): Promise<Result & { trace: string; killed: boolean }> {
    const [exe = "", ...first] = looopCommand();
    return await underStrace([exe, ...first, ...args], strace, {
      cwd: this.base,
      trace: `${this.base}/trace`,
      env: { ...this.env, ...options.env },
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    });
  }
}

function ignoreAbsent(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Whether there is anything at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    ignoreAbsent(error);
    return false;
  }
}

/** Text of a file, "" if there is none. */
export function textAt(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    ignoreAbsent(error);
    return "";
  }
}

/** Names in a folder, empty if there is no folder. */
export function namesIn(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map((entry) => entry.name);
  } catch (error) {
    ignoreAbsent(error);
    return [];
  }
}

/** Runs a program that must succeed. */
export async function run(program: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" })
    .output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

interface TraceOptions {
  cwd: string;
  /** File for the trace. */
  trace: string;
  env: Record<string, string>;
  stdin?: string;
  timeoutMs?: number;
  /** Discards its output, so that processes it leaves behind, which hold that open, are not waited for. */
  mute?: true;
}

/** Runs a command under strace (only its main thread is traced); returns its reply and the trace. */
export async function underStrace(
  argv: readonly string[],
  strace: readonly string[],
  options: TraceOptions,
): Promise<Result & { trace: string; killed: boolean }> {
  const child = new Deno.Command("strace", {
    args: ["-I2", "-y", "-s", "0", "-o", options.trace, ...strace, ...argv],
    cwd: options.cwd,
    env: options.env,
    clearEnv: true,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: options.mute ? "null" : "piped",
    stderr: options.mute ? "null" : "piped",
  }).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.stdin)).catch(() => {});
    await writer.close().catch(() => {});
  }
  const end = (signal: Deno.Signal) => () => {
    try {
      child.kill(signal);
    } catch {
      // It has ended meanwhile.
    }
  };
  // strace passes TERM on to its command. Under injected kills a supervisor would retry for ever; without strace it ends.
  const timers = [end("SIGTERM"), end("SIGKILL")].map((call, n) =>
    setTimeout(call, (options.timeoutMs ?? 30_000) + n * 5_000)
  );
  const nothing = { stdout: new Uint8Array(), stderr: new Uint8Array() };
  const { code, stdout, stderr } = options.mute
    ? { ...nothing, ...await child.status }
    : await child.output();
  timers.forEach(clearTimeout);
  const trace = textAt(options.trace);
  const text = new TextDecoder();
  return {
    code,
    stdout: text.decode(stdout),
    stderr: text.decode(stderr),
    trace,
    killed: /\+\+\+ killed by SIGKILL/.test(trace),
  };
}

/** Why strace cannot be used here, undefined if it can. */
export async function straceMissing(): Promise<string | undefined> {
  try {
    const { success, stderr } = await new Deno.Command("strace", {
      args: ["-o", "/dev/null", "-e", "trace=rename", "-e", "inject=rename:error=EIO", "true"],
      stdin: "null",
    }).output();
    if (success) return undefined;
    return `strace cannot trace here: ${new TextDecoder().decode(stderr).trim().split("\n")[0]}`;
  } catch {
    return "strace is not installed; on Debian: apt-get install strace";
  }
}

/** System calls that change or may change files. */
export const FILE_CALLS =
  "openat,creat,write,pwrite64,writev,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,ftruncate,fchmod,chmod,fchmodat";

/** A file-changing system call of a run: the `nth` of its name. */
export interface FileCall {
  name: string;
  nth: number;
  line: string;
}

/** The calls in a trace (made with `-y`) that change something below `dir`. */
export function fileCalls(trace: string, dir: string): FileCall[] {
  const seen = new Map<string, number>();
  const calls: FileCall[] = [];
  for (const line of trace.split("\n")) {
    const name = /^(\w+)\(/.exec(line)?.[1];
    if (name === undefined) continue;
    const nth = (seen.get(name) ?? 0) + 1;
    seen.set(name, nth);
    if (!line.includes(dir)) continue;
    if (name === "openat" && !/O_CREAT|O_WRONLY|O_RDWR|O_TRUNC/.test(line)) continue;
    calls.push({ name, nth, line });
  }
  return calls;
}

/** Files below a data dir that are not whole: JSON that does not parse, malformed journal lines. */
export function brokenFiles(dir: string): string[] {
  const broken: string[] = [];
  for (const path of filesBelow(dir)) {
    const fault = faultIn(path, textAt(path));
    if (fault !== undefined) broken.push(`${path.slice(dir.length + 1)} ${fault}`);
  }
  return broken;
}

/** Files that count only if their text matches the digest in front of it (lib/records/kept.ts). */
const KEPT = /\/(\.cache\/[^/]+|\.cost-sums\.json)$/;

/** What is wrong with a file's text, or undefined. Temporary files and an unfinished last line are no fault. */
export function faultIn(path: string, text: string): string | undefined {
  if (KEPT.test(path)) return undefined;
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (/\.tmp(-|$)/.test(name) || name === "config.json") return undefined;
  try {
    if (name.endsWith(".json") && text !== "") JSON.parse(text);
    else if (name.endsWith(".json") && Deno.lstatSync(path).size === 0) return "is empty";
    if (name.endsWith(".jsonl")) { for (const line of wholeLines(text)) JSON.parse(line); }
    if (
      name === "journal.md" && wholeLines(text).some((line) => !/^- \d{4}-\d\d-\d\d \d\d:\d\d \S/.test(line))
    ) {
      return "has a line that is none";
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    return `does not parse: ${(error as Error).message}`;
  }
  return undefined;
}

function wholeLines(text: string): string[] {
  return text.split("\n").slice(0, -1).filter((line) => line !== "");
}

/** Regular files below a folder, without those that vanish meanwhile. */
export function filesBelow(dir: string): string[] {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(dir)];
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory) return filesBelow(path);
    return entry.isFile ? [path] : [];
  });
}

/** A folder for all profiles of one part, removed with everything in it. */
export class Lab implements AsyncDisposable {
  readonly root: string;
  #count = 0;

  constructor(root: string) {
    this.root = root;
  }

  async profile(): Promise<LabProfile> {
    const base = `${this.root}/p${++this.#count}`;
    await Deno.mkdir(`${base}/home`, { recursive: true });
    return new LabProfile(base);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run("rm", ["-rf", this.root]);
  }
}

/** A fresh lab. */
export async function openLab(): Promise<Lab> {
  return new Lab(await Deno.realPath(await Deno.makeTempDir({ prefix: "looop faults " })));
}

/** Works through a list, `width` items at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** Waits for a time in ms. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Pids of a profile's pulses, after a pulse that finds another at work has had time to end. */
export async function pulsesOf(p: TestProfile): Promise<number[]> {
  for (const deadline = performance.now() + 3_000;; await pause(50)) {
    const marked = await readMarked(["LOOOP_PULSE=1", `LOOOP_DATA_DIR=${p.profile.dir}`]);
    const table = await readAllProcesses();
    const pulses = [...marked].filter((pid) => {
      const fact = table.processes.get(pid);
      const isPulse = fact?.sid === pid && textAt(`/proc/${pid}/cmdline`).includes("\0pulse");
      return isPulse && fact.state !== "Z";
    });
    if (pulses.length <= 1 || performance.now() > deadline) return pulses;
  }
}

/** Writes a file by a rename, as looop does, since the reader of the kill matrix is already at work. */
export function put(path: string, text: string): void {
  Deno.writeTextFileSync(`${path}.put`, text);
  Deno.renameSync(`${path}.put`, path);
}
