/**
 * Runs the real program against a fresh profile: `LOOOP_UNDER_TEST` names a binary, else it is run by
 * deno: main.ts, or the bundle of it that `deno task test` makes.
 *
 * Every profile has its own data dir and home and a cleared environment. Disposing of it ends everything it runs, and a
 * process that is left over fails the test. With `LOOOP_LAB=macos` it runs in the macOS lab.
 */
import { readAllProcesses, readMarked } from "../lib/process/table.ts";
import { type Profile, profileAt } from "../lib/paths.ts";
import { writeExecutable } from "./executable.ts";
import type { Lab } from "./macos/lab.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** The argv of the program under test. */
export function looopCommand(): string[] {
  const binary = Deno.env.get("LOOOP_UNDER_TEST");
  if (binary) return [binary.startsWith("/") ? binary : `${ROOT}${binary}`];
  return [
    Deno.execPath(),
    "run",
    "-A",
    "--quiet",
    "--no-prompt",
    Deno.env.get("LOOOP_TEST_BUNDLE") ?? `${ROOT}main.ts`,
  ];
}

/** The result of one call. */
export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** Options of one call. */
export interface CallOptions {
  env?: Record<string, string>;
  stdin?: string;
  cwd?: string;
  /** Time limit, ms; a minute by default. */
  limitMs?: number;
}

/** A running call. */
export interface Running extends Disposable {
  pid: number;
  result: Promise<Result>;
  /** Resolves once stderr holds this text. */
  said(text: string): Promise<void>;
  kill(signal: Deno.Signal): void;
}

/** A throw-away profile. */
export class TestProfile implements AsyncDisposable {
  readonly base: string;
  readonly profile: Profile;
  readonly env: Record<string, string>;

  readonly #lab: Lab | undefined;
  /** The unchanged environment as JSON: once a test changes it, calls run in processes of their own, which get it. */
  readonly #plainEnv: string;

  constructor(base: string, lab?: Lab, dir = "data dir") {
    this.base = base;
    this.#lab = lab;
    this.profile = profileAt(`${base}/${dir}`);
    this.env = {
      // Last in PATH: tools that tests use and a Mac lacks.
      PATH: `${Deno.env.get("PATH") ?? "/usr/bin:/bin"}:${ROOT}tests/bin`,
      HOME: `${base}/home`,
      LANG: "C.UTF-8",
      LOOOP_DATA_DIR: this.profile.dir,
      LOOOP_INTERVAL: "1",
      ...(Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR") ?? "" } : {}),
      ...denoDirOf(),
      ...(lab === undefined ? {} : { PATH: `${lab.bin}:${ROOT}tests/bin`, LOOOP_TEST_OS: "darwin" }),
    };
    this.#plainEnv = JSON.stringify(this.env);
  }

  /** Calls looop and waits for its end. */
  run(...args: string[]): Promise<Result> {
    return this.call(args);
  }

  /** Calls looop with options and waits for its end. */
  async call(args: string[], options: CallOptions = {}): Promise<Result> {
    const child = this.#spawn(args, options);
    if (options.stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(options.stdin)).catch(() => {});
      await writer.close().catch(() => {});
    }
    // A call that never ends must fail its own test instead of blocking all others.
    const limit = setTimeout(() => endCall(child), options.limitMs ?? CALL_LIMIT_MS);
    const { code, signal, stdout, stderr } = await child.output();
    clearTimeout(limit);
    const text = new TextDecoder();
    const late = lateNote(signal, true, args);
    return { code, stdout: text.decode(stdout), stderr: `${text.decode(stderr)}${late}` };
  }

  /**
   * Calls looop, which must exit 0, and returns its stdout without the last newline. Unless a binary is under test, a call
   * that only reads or writes the profile's files is made in this process, which costs a tenth.
   */
  async ok(...args: string[]): Promise<string> {
    return printedBy(args, await (OF_FILES.test(args.join(" ")) ? this.#callHere(args) : this.call(args)));
  }

  /** Calls looop in this process, or in one of its own if the test has changed the environment or runs in a lab. */
  async #callHere(args: string[]): Promise<Result> {
    const isPlain = this.#lab === undefined && JSON.stringify(this.env) === this.#plainEnv;
    return isPlain ? await (await inProcess()).callHere(this, args) : await this.call(args);
  }

  /** Like {@link ok}, with options and always in a process of its own. */
  async okCall(args: string[], options: CallOptions = {}): Promise<string> {
    return printedBy(args, await this.call(args, options));
  }

  /** Calls looop, which must exit 0 and print JSON. */
  // deno-lint-ignore no-explicit-any -- tests look into it freely
  async json(...args: string[]): Promise<any> {
    return JSON.parse(await this.ok(...args));
  }

  /** Starts looop and returns at once. Dispose of it, or await its result, which ends a call that takes too long. */
  start(args: string[], options: CallOptions = {}): Running {
    const child = this.#spawn(args, options);
    const said = new Said(child.stderr);
    const stdout = new Response(child.stdout).text();
    let limit: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const result = Promise.all([child.status, stdout, said.all]).then(([status, out, err]) => {
      isOver = true;
      clearTimeout(limit);
      return {
        code: status.code,
        stdout: out,
        stderr: `${err}${lateNote(status.signal, limit !== undefined, args)}`,
      };
    });
    return {
      pid: child.pid,
      get result() {
        if (!isOver) limit ??= setTimeout(() => endCall(child), CALL_LIMIT_MS);
        return result;
      },
      said: (text) => said.until(text),
      kill: (signal) => child.kill(signal),
      [Symbol.dispose]() {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended by itself.
        }
      },
    };
  }

  /** Path below the data dir. */
  path(name: string): string {
    return `${this.profile.dir}/${name}`;
  }

  /** Text of a file below the data dir. */
  read(name: string): string {
    return Deno.readTextFileSync(this.path(name));
  }

  /** Writes a sensor straight into the data dir, as a person with an editor would. */
  sensor(name: string, script: string): void {
    Deno.mkdirSync(this.profile.sensors, { recursive: true });
    writeExecutable(this.path(`sensors/${name}.sh`), `#!/usr/bin/env bash\n${script}\n`);
  }

  /** Calls `_ wait` and returns its output. */
  // deno-lint-ignore no-explicit-any -- tests look into it freely
  wait(...args: string[]): Promise<any> {
    return this.json("_", "wait", "--json", "--full", ...args);
  }

  /**
   * Waits until a predicate holds; fails after `seconds`. It looks every 20 ms, or a quarter of the time where a look
   * takes longer, as a process does.
   */
  async until(what: string, holds: () => boolean | Promise<boolean>, seconds = 20): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const began = performance.now();
      if (await holds()) return;
      const now = performance.now();
      if (now > deadline) throw new Error(`not within ${seconds} s: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, Math.max(20, Math.min(3 * (now - began), 500))));
    }
  }

  /** Pids of living processes that carry this profile's data dir in their environment. */
  async processes(): Promise<number[]> {
    const mark = `LOOOP_DATA_DIR=${this.profile.dir}`;
    if (Deno.build.os === "linux") return processesWith(mark);
    const marked = await readMarked([mark]);
    const table = await readAllProcesses();
    return [...marked].filter((pid) => (table.processes.get(pid)?.state ?? "Z") !== "Z");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Most profiles run nothing, and checking that costs a tenth of a call.
    let left = await this.processes();
    if (left.length > 0) {
      await this.run("down");
      left = await this.processes();
    }
    for (const pid of left) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // Ended meanwhile.
      }
    }
    await Deno.remove(this.base, { recursive: true });
    if (left.length > 0) throw new Error(`processes were left behind: ${left.join(", ")}`);
  }

  #spawn(args: string[], options: CallOptions): Deno.ChildProcess {
    const cwd = options.cwd ?? this.base;
    const [exe, ...first] = [...this.#lab?.enter(cwd) ?? [], ...looopCommand()];
    return new Deno.Command(exe ?? "", {
      args: [...first, ...args],
      env: { ...this.env, ...options.env },
      clearEnv: true,
      cwd,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }
}

/** Pids of living processes with this entry in their environment: a zombie has none. A look without a child process. */
function processesWith(mark: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return pid > 0 && `\0${Deno.readTextFileSync(`/proc/${pid}/environ`)}`.includes(`\0${mark}\0`);
    } catch {
      return false; // It has ended, or belongs to another user.
    }
  });
}

let loaded: Promise<typeof import("./in_process.ts")> | undefined;

/** Loads in_process.ts, once: Deno 2.9 may panic at loads that begin while a module is evaluated. */
function inProcess(): Promise<typeof import("./in_process.ts")> {
  return loaded ??= import("./in_process.ts");
}

/** Calls that start nothing and wait for nothing; they only read and write the profile's files. */
const OF_FILES =
  /^(cost|help|journal|_ (state|goal|playbook|schedule|undo|note|cost|answer|claim|unclaim|(worker|ask|sensor) list))( |$)/;

/** The stdout of a call that must exit 0, without the last newline. */
export function printedBy(args: readonly string[], { code, stdout, stderr }: Result): string {
  if (code !== 0) throw new Error(`looop ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
  return stdout.replace(/\n$/, "");
}

/** Time limit of a call that a test waits for, and of a text that it waits for on stderr, ms. */
const CALL_LIMIT_MS = 60_000;

/** The note after the stderr of a call that was ended because it took too long. */
function lateNote(signal: string | null, isLimited: boolean, args: readonly string[]): string {
  if (signal !== "SIGKILL" || !isLimited) return "";
  return `\n(ended after ${CALL_LIMIT_MS / 1000} s: ${args.join(" ")})`;
}

function endCall(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // Ended meanwhile.
  }
}

/** A child's stderr as it grows. */
class Said {
  readonly all: Promise<string>;
  #text = "";
  #listeners: (() => void)[] = [];
  #ended = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.all = this.#read(stream);
  }

  async until(text: string): Promise<void> {
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, CALL_LIMIT_MS);
    try {
      while (!this.#text.includes(text)) {
        if (this.#ended || isLate) throw new Error(`it never said "${text}", but: ${this.#text}`);
        await new Promise<void>((resolve) => this.#listeners.push(resolve));
      }
    } finally {
      clearTimeout(limit);
    }
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<string> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#text += decoder.decode(chunk, { stream: true });
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
    return this.#text;
  }
}

/** The cache of this run's deno, for a child with a home of its own. */
export function denoDirOf(): Record<string, string> {
  if (Deno.env.get("DENO_DIR") !== undefined) return {};
  const home = Deno.env.get("HOME") ?? "";
  const cache = Deno.env.get("XDG_CACHE_HOME") ??
    (Deno.build.os === "darwin" ? `${home}/Library/Caches` : `${home}/.cache`);
  return { DENO_DIR: `${cache}/deno` };
}

/** A fresh profile without a data dir. `on: "macos"` runs it in the macOS lab; `dir` names its data dir. */
export async function testProfile(
  { on = Deno.env.get("LOOOP_LAB"), dir }: { on?: string | undefined; dir?: string } = {},
): Promise<TestProfile> {
  const lab = on === "macos" ? await sharedLab() : undefined;
  const base = await Deno.makeTempDir({ prefix: "looop test " });
  await Deno.mkdir(`${base}/home`);
  return new TestProfile(await Deno.realPath(base), lab, dir);
}

let shared: Promise<Lab> | undefined;

/** The macOS lab that all profiles of a test file share. */
export function sharedLab(): Promise<Lab> {
  return shared ??= import("./macos/lab.ts").then(({ startLab }) => startLab());
}
