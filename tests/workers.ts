/** Helpers for tests of workers: starting them, reading their state, running shells in a profile's environment. */
import type { WorkerView } from "../lib/sessions/session.ts";
import { type Identity, identityOf, isAliveIn } from "../lib/process/identity.ts";
import { readProcesses } from "../lib/process/table.ts";
import { looopCommand, type Result, type TestProfile } from "./looop.ts";

/** Starts a worker that runs a bash script; further words are options of `_ worker start`. */
export async function startWorker(
  p: TestProfile,
  id: string,
  script: string,
  options: { args?: string[]; env?: Record<string, string> } = {},
): Promise<void> {
  await p.okCall(["_", "worker", "start", id, "--runner", "shell", ...(options.args ?? [])], {
    stdin: script,
    ...(options.env === undefined ? {} : { env: options.env }),
  });
}

/** Line of a worker's script that waits until {@link letGo} is called. */
export const HOLD = 'until [ -e "$LOOOP_DATA_DIR/reports/go" ]; do sleep 0.2; done';

/** Lets workers pass their {@link HOLD} line. */
export function letGo(p: TestProfile): void {
  Deno.mkdirSync(p.profile.reports, { recursive: true });
  Deno.writeTextFileSync(p.path("reports/go"), "");
}

/** One worker as `_ worker list --json` shows it. */
export async function workerView(p: TestProfile, id: string): Promise<WorkerView> {
  const view = (await p.json("_", "worker", "list", "--json")).find((one: WorkerView) => one.id === id);
  if (view === undefined) throw new Error(`there is no worker ${id}`);
  return view;
}

/** Waits until a worker's end is recorded, then returns its view. */
export async function endedWorker(p: TestProfile, id: string): Promise<WorkerView> {
  await p.until(
    `worker ${id} has ended`,
    () => /"state":"(exited|killed)"/.test(fileText(p, `sessions/${id}/status.json`)),
  );
  return await workerView(p, id);
}

/** A running call. */
export interface Call {
  pid: number;
  result: Promise<Result>;
  kill(signal: Deno.Signal): void;
}

/** A setting that only the binary obeys, so that a worker's launcher passes its calls to the binary. */
export const BY_BINARY = { LOOOP_ASK_POLL_MS: "1000" };

/** Calls looop as a worker, by that worker's launcher but from outside its tree. */
export class Caller {
  readonly #p: TestProfile;
  readonly #env: Record<string, string>;

  constructor(p: TestProfile, id: string) {
    this.#p = p;
    const gen = JSON.parse(p.read(`sessions/${id}/meta.json`)).gen;
    this.#env = { LOOOP_SESSION_ID: id, LOOOP_SESSION_GEN: gen };
  }

  /** Starts a call; with {@link BY_BINARY} it does not go through the pulse. */
  start(args: readonly string[], env: Record<string, string> = {}): Call {
    const child = new Deno.Command(this.#p.path(".bin/looop"), {
      args: [...args],
      env: { ...this.#p.env, ...this.#env, ...env },
      clearEnv: true,
      cwd: this.#p.base,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const text = new TextDecoder();
    const limit = setTimeout(() => child.kill("SIGKILL"), 30_000);
    const result = child.output().finally(() => clearTimeout(limit)).then(({ code, stdout, stderr }) => ({
      code,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr),
    }));
    return { pid: child.pid, result, kill: (signal) => child.kill(signal) };
  }
}

/** Text of a file below the data dir, "" if there is none. */
export function fileText(p: TestProfile, name: string): string {
  try {
    return p.read(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Waits until a file below the data dir holds whole lines, and returns its text. */
export async function textOf(p: TestProfile, name: string): Promise<string> {
  await p.until(`${name} is written`, () => fileText(p, name).endsWith("\n"));
  return p.read(name);
}

/** Runs a POSIX shell script in the profile's environment; `"$@"` is the program under test, then `args`. */
export async function shell(
  p: TestProfile,
  script: string,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", script, "sh", ...looopCommand(), ...args],
    env: { ...p.env, ...env },
    clearEnv: true,
    cwd: p.base,
    stdin: "null",
  }).output();
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** The identity that a session's `sup` or `program` file names. */
export function identityIn(p: TestProfile, name: string): Identity {
  const [pid, start, boot] = p.read(name).trim().split(" ");
  return { pid: Number(pid), start: (start ?? "").replaceAll("_", " "), boot: boot ?? "" };
}

/** Whether exactly the process of this identity still runs. */
export async function isAlive(identity: Identity): Promise<boolean> {
  return isAliveIn(await readProcesses([identity.pid]), identity);
}

/** A process without the mark of any profile. It is ended when it is disposed of. */
export async function stranger(
  [program = "", ...args]: readonly string[] = ["/bin/sh", "-c", "while :; do sleep 1; done"],
): Promise<{ identity: Identity } & AsyncDisposable> {
  const child = new Deno.Command(program, {
    args,
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const identity = await identityOf(child.pid);
  if (identity === undefined) throw new Error("the stranger did not start");
  return {
    identity,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already, which the test has reported.
      }
      await child.status;
    },
  };
}

/** The program under test with these words, as one executable and its arguments. */
export function looopIn(words: string[]): { exe: string; args: string[] } {
  const [exe = "", ...first] = looopCommand();
  return { exe, args: [...first, ...words] };
}
