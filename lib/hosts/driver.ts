/**
 * Drivers of engines: scripts that start, list, stop and enter jobs, called as `DRIVER VERB` with JSON on stdin.
 *
 * Anything a driver does not say plainly is unknown, and nothing is concluded from it: only the list of jobs decides.
 */
import { isRecord } from "../text/json.ts";
import { oneLine, UserError } from "../errors.ts";
import type { HostConfig } from "../records/config.ts";
import { PipeReader } from "../process/pipe_reader.ts";
import { delay, signal } from "../process/tree.ts";
import { joined } from "../text/bytes.ts";
import { DRIVER_EXAMPLES } from "./driver_examples.ts";
import type { PlaceHost } from "./home.ts";
import { asLine, type FarRun } from "./program.ts";
import type { RunName } from "./protocol.ts";
import { type Reach, reachEnv } from "./reach.ts";

/** A job as the engine lists it. */
export interface Job {
  name: string;
  handle: string;
  state: "queued" | "running" | "exited" | "killed" | "lost";
  code?: number;
  reason?: string;
}

/** A driver's description of itself. */
export interface Description {
  verbs: string[];
  /** How calls come home: through a shell in the job, or through a folder that both machines see. */
  calls: "exec" | "folder";
  maxName: number;
}

/** The result of one call: its value, a plain refusal, or nothing reliable. */
export type DriverOutcome =
  | { kind: "done"; value: Record<string, unknown> }
  | { kind: "failed"; code: number; why: string }
  | { kind: "unknown"; why: string };

/** Time limits of the verbs, ms. */
const LIMITS: Readonly<Record<string, number>> = {
  describe: 5_000,
  start: 120_000,
  list: 30_000,
  stop: 60_000,
  folder: 5_000,
};
/** Largest output that counts as an answer, bytes. */
const MAX_ANSWER = 4 * 1024 * 1024;
/** Exit codes with a fixed meaning; any other leaves the result unknown. */
const PLAIN_CODES: Readonly<Record<number, string>> = {
  1: "failed",
  2: "wrong input",
  3: "it does not know this verb",
  4: "refused",
  75: "not now",
};
/** Time between TERM and KILL for a job, s. */
const GRACE_S = 5;
/** Interval between two lists that are to show an end, ms. */
const LIST_AGAIN_MS = 300;

/** An engine, used through its driver. */
export class Driver {
  readonly #argv: readonly string[];
  readonly #env: Record<string, string>;
  readonly #cwd: string;
  readonly #host: string;
  readonly #config: HostConfig;
  #isFolder: boolean | undefined;

  constructor(
    argv: readonly string[],
    env: Record<string, string>,
    cwd: string,
    host: string,
    config: HostConfig,
  ) {
    this.#argv = argv;
    this.#env = env;
    this.#cwd = cwd;
    this.#host = host;
    this.#config = config;
  }

  /** The command line that enters a job. */
  reach({ name, handle }: { name: string; handle: string }): Reach {
    return { argv: [...this.#argv, "exec", name, handle], env: this.#env, cwd: this.#cwd };
  }

  /** Calls one verb. */
  async call(
    verb: string,
    input: Record<string, unknown>,
    limitMs = LIMITS[verb] ?? 60_000,
  ): Promise<DriverOutcome> {
    const [program = "", ...args] = this.#argv;
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(program, {
        args: [...args, verb],
        cwd: this.#cwd,
        env: this.#env,
        clearEnv: true,
        detached: true,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    } catch (error) {
      return { kind: "failed", code: 1, why: (error as Error).message };
    }
    return await finish(child, JSON.stringify({ v: 1, ...input }), limitMs);
  }

  /** The driver's description of itself. @throws {UserError} when its output is not one. */
  async describe(): Promise<Description> {
    const outcome = await this.call("describe", {});
    const value = outcome.kind === "done" ? outcome.value : {};
    const verbs = Array.isArray(value["verbs"]) ? value["verbs"].map(String) : [];
    const { calls = "exec" } = value;
    if (value["v"] === 1 && calls !== "exec" && calls !== "folder") {
      throw new UserError(`The driver of host "${this.#host}" has calls "${oneLine(String(calls), 40)}"`, {
        next: 'looop knows "exec" and "folder"',
        kind: "host",
      });
    }
    if (value["v"] !== 1 || !["start", "list", "stop", calls].every((verb) => verbs.includes(String(verb)))) {
      throw new UserError(`The driver of host "${this.#host}" does not describe itself: ${whyOf(outcome)}`, {
        next: `check it with \`looop _ host check ${this.#host}\``,
        kind: "host",
      });
    }
    this.#isFolder = calls === "folder";
    return { verbs, calls: calls as Description["calls"], maxName: Number(value["max_name"]) || 63 };
  }

  /** Whether calls come home through a folder; asked once. @throws {UserError} as {@link describe} does. */
  async isFolder(): Promise<boolean> {
    if (this.#isFolder === undefined) await this.describe();
    return this.#isFolder === true;
  }

  /** The folder that home sees, too. @throws {UserError} of kind `host` when it is none of ours alone. */
  async folder(): Promise<string> {
    const outcome = await this.call("folder", {});
    const path = outcome.kind === "done" ? outcome.value["path"] : undefined;
    const why = typeof path === "string" ? await whyNoFolder(path) : whyOf(outcome);
    if (why === undefined) return String(path);
    throw new UserError(`The folder of host "${this.#host}" cannot be used: ${why}`, {
      next: "its driver must name a folder of yours with mode 0700, by its whole path",
      kind: "host",
    });
  }

  /** @throws {UserError} when the driver does not describe itself, or its engine has no room for the job's name. */
  async accept(name: string, id: string): Promise<void> {
    const { maxName } = await this.describe();
    if (name.length <= maxName) return;
    throw new UserError(`The name of worker "${id}" is too long for host "${this.#host}"`, {
      next: `use an id of at most ${id.length - (name.length - maxName)} characters`,
      kind: "host_refused",
    });
  }

  /**
   * Starts a job; the same name gives the same job. Returns its handle.
   *
   * @throws {UserError} of kind `host_refused`, `host_busy` or, when the outcome is unknown, `host`.
   */
  async start(name: string, run: FarRun, program: string): Promise<string> {
    const outcome = await this.call("start", {
      id: run.id,
      gen: run.gen,
      name,
      boot: asLine(program).trimEnd(),
      env: run.env,
      options: this.#config.options ?? {},
      timeout_s: 0,
    });
    if (outcome.kind === "done") return String(outcome.value["handle"] ?? name);
    const code = outcome.kind === "failed" ? outcome.code : undefined;
    const kind = code === 4 || code === 2 ? "host_refused" : code === 75 ? "host_busy" : "host";
    throw new UserError(`Host "${this.#host}" does not start worker "${run.id}": ${whyOf(outcome)}`, {
      next: kind === "host_refused"
        ? "fix that over there"
        : "the pulse tries again; see `looop _ worker list`",
      kind,
    });
  }

  /** All jobs of this home; undefined when they cannot be determined. */
  async list(): Promise<Job[] | undefined> {
    const outcome = await this.call("list", {});
    if (outcome.kind !== "done" || !Array.isArray(outcome.value["jobs"])) return undefined;
    const jobs = outcome.value["jobs"].map(checkJob);
    return jobs.every((job) => job !== undefined) ? jobs : undefined;
  }

  /** Asks for the end of jobs; returns those that a list shows as gone or over before `limitMs` have passed. */
  async stop(jobs: readonly { run: RunName; name: string }[], limitMs: number): Promise<RunName[]> {
    const deadline = performance.now() + limitMs;
    const handles = new Map((await this.list())?.map((job) => [job.name, job.handle]) ?? []);
    await Promise.all(
      jobs.map(({ name }) =>
        this.call("stop", { name, handle: handles.get(name) ?? name, grace_s: GRACE_S }, limitMs)
      ),
    );
    // An engine may only have noted the wish: the end comes later.
    for (;; await delay(LIST_AGAIN_MS)) {
      const left = await this.list();
      const alive = left?.filter(({ state }) => state === "running" || state === "queued");
      const running = new Set(alive?.map(({ name }) => name));
      const over = left === undefined ? [] : jobs.filter(({ name }) => !running.has(name));
      if (over.length === jobs.length || performance.now() > deadline) return over.map(({ run }) => run);
    }
  }
}

function checkJob(value: unknown): Job | undefined {
  if (!isRecord(value) || typeof value["name"] !== "string") return undefined;
  const state = String(value["state"]);
  if (!["queued", "running", "exited", "killed", "lost"].includes(state)) return undefined;
  return {
    name: value["name"],
    handle: String(value["handle"] ?? value["name"]),
    state: state as Job["state"],
    ...(typeof value["code"] === "number" ? { code: value["code"] } : {}),
    ...(typeof value["reason"] === "string" ? { reason: oneLine(value["reason"], 80) } : {}),
  };
}

function whyOf(outcome: DriverOutcome): string {
  return outcome.kind === "done" ? "its answer is not what was asked for" : outcome.why;
}

/** Why a path is no folder that only we can read and write; undefined when it is one. */
async function whyNoFolder(path: string): Promise<string | undefined> {
  const shown = oneLine(path, 100);
  if (!/^\/[A-Za-z0-9_./:=@%+,-]*$/.test(path)) return `"${shown}" is no plain absolute path`;
  // Not the store's look, which would hold the pulse up while the folder's server is silent.
  const stat = await Deno.lstat(path).catch(() => undefined);
  if (stat === undefined) return `there is no ${shown}`;
  if (!stat.isDirectory) return `${shown} is ${stat.isSymlink ? "a link" : "no folder"}`;
  if (stat.uid !== Deno.uid()) return `${shown} belongs to user ${stat.uid}`;
  const mode = (stat.mode ?? 0) & 0o777;
  return mode === 0o700 ? undefined : `${shown} has mode ${mode.toString(8).padStart(4, "0")}`;
}

async function finish(child: Deno.ChildProcess, input: string, limitMs: number): Promise<DriverOutcome> {
  const parts: Uint8Array[] = [];
  let size = 0;
  let complaint = "";
  let cut = "";
  const stop = (why: string) => {
    cut ||= why;
    signal(-child.pid, "SIGKILL");
  };
  const timer = setTimeout(() => stop(`no answer within ${Math.round(limitMs / 1000)} s`), limitMs);
  const out = new PipeReader(child.stdout, (part) => {
    parts.push(part);
    size += part.length;
    if (size > MAX_ANSWER) stop("its answer is larger than 4 MB");
    return size <= MAX_ANSWER;
  });
  const err = new PipeReader(child.stderr, (part) => {
    complaint = (complaint + new TextDecoder().decode(part)).slice(-2_000);
    return true;
  });
  const writer = child.stdin.getWriter();
  writer.write(new TextEncoder().encode(`${input}\n`)).then(() => writer.close()).catch(() => {});
  const { code } = await child.status;
  clearTimeout(timer);
  await Promise.race([Promise.all([out.done, err.done]), new Promise((resolve) => setTimeout(resolve, 100))]);
  await Promise.all([out.giveUp(), err.giveUp()]);
  const said = oneLine(complaint.trim().split("\n").at(-1) ?? "", 200);
  if (cut !== "") return { kind: "unknown", why: cut };
  if (code !== 0) {
    const meaning = PLAIN_CODES[code];
    if (meaning === undefined) return { kind: "unknown", why: said || `exit ${code}` };
    return { kind: "failed", code, why: said || meaning };
  }
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(joined(parts)));
    if (isRecord(value)) return { kind: "done", value };
  } catch {
    // Output that is not JSON is not an answer.
  }
  return { kind: "unknown", why: "its answer is not one JSON object" };
}

/** The driver of a host: a user's script, by its path relative to the data dir, or a built-in one, by its name. */
export function driverOf(
  { profile, env }: PlaceHost,
  name: string,
  config: HostConfig,
  home: string,
): Driver {
  const driver = config.driver ?? "";
  const builtIn = Object.hasOwn(DRIVER_EXAMPLES, driver) ? DRIVER_EXAMPLES[driver] : undefined;
  const path = driver.startsWith("/") ? driver : `${profile.dir}/${driver}`;
  const argv = builtIn === undefined ? [path] : ["bash", "-c", builtIn, "looop-driver"];
  const own = {
    ...reachEnv(env),
    LOOOP_DATA_DIR: profile.dir,
    LOOOP_HOST: name,
    LOOOP_HOME: home,
    LOOOP_OPTIONS: JSON.stringify(config.options ?? {}),
  };
  return new Driver(argv, own, profile.dir, name, config);
}
