/** Runs on hosts: where they are placed, how they begin, how they end. */
import { UsageError, UserError } from "../errors.ts";
import type { Profile } from "../paths.ts";
import { readConfig } from "../records/config.ts";
import type { Config, HostConfig } from "../records/config.ts";
import { sessionDir } from "../sessions/run_files.ts";
import { nearest } from "../text/nearest.ts";
import { quietText, removeFile, replaceFile } from "../store.ts";
import { type Driver, driverOf } from "./driver.ts";
import { machineId, type PlaceHost } from "./home.ts";
import { ensureHome } from "../records/home.ts";
import {
  type EndingRun,
  type FarRun,
  folderPostProgram,
  jobProgram,
  postProgram,
  startProgram,
  stopProgram,
} from "./program.ts";
import type { RunName } from "./protocol.ts";
import { type Channel, converse, openChannel, type Reach, reachArgv } from "./reach.ts";

/** Time limit of a start, ms; it includes 8 s for the agent itself. */
const START_MS = 40_000;
/** Time for which a job stays after its agent's end, so that home can fetch everything, s. */
const LINGER_S = 120;

/** A host from the config. @throws {UsageError} with the nearest name. */
export function requireHost(config: Config, name: string): HostConfig {
  const host = Object.hasOwn(config.hosts, name) ? config.hosts[name] : undefined;
  if (host !== undefined) return host;
  const names = Object.keys(config.hosts);
  const match = nearest(name, names);
  const known = names.length === 0
    ? 'config.json has none; add "hosts": {"NAME": {"reach": ["ssh", "NAME"]}}'
    : `known: ${names.join(", ")}`;
  throw new UsageError(`There is no host "${name}"`, {
    next: match === undefined ? known : `did you mean "${match}"?`,
  });
}

/** One host, ready to be used. */
export class Place {
  readonly name: string;
  readonly config: HostConfig;
  readonly #host: PlaceHost;
  readonly driver: Driver | undefined;

  constructor(host: PlaceHost, name: string, config: HostConfig) {
    this.#host = host;
    this.name = name;
    this.config = config;
    this.driver = config.driver === undefined
      ? undefined
      : driverOf(host, name, config, ensureHome(host.profile));
  }

  /** The place with that name. @throws {UsageError} when the config has none. */
  static named(host: PlaceHost, name: string): Place {
    return new Place(host, name, requireHost(readConfig(host.profile.config).config, name));
  }

  /** The command line that reaches the machine, or one job of the engine. */
  reach(job?: { name: string; handle: string }): Reach {
    const { profile, env } = this.#host;
    if (this.driver !== undefined) return this.driver.reach(job ?? { name: "", handle: "" });
    const argv = reachArgv(this.config.reach ?? [], this.config.ssh_options !== false);
    return { argv, env, cwd: profile.dir };
  }

  /** The name of a run's job. */
  jobName({ id, gen }: RunName): string {
    return `looop-${ensureHome(this.#host.profile).slice(0, 8)}-${id}-${gen}`;
  }

  /** This home's folder on the machine, when home sees it, too. @throws {UserError} when its driver is wrong. */
  async shared(): Promise<string | undefined> {
    if (!await this.driver?.isFolder()) return undefined;
    return `${await this.driver?.folder()}/${ensureHome(this.#host.profile)}`;
  }

  /** Opens the line on which the host's post speaks; that of a shared folder runs here. */
  async open(take: boolean, job?: { name: string; handle: string }): Promise<Channel> {
    const { profile, env } = this.#host;
    const shared = await this.shared();
    if (shared !== undefined) {
      const here = { argv: ["/bin/sh"], env, cwd: profile.dir };
      return await openChannel(here, folderPostProgram(shared, machineId(), take));
    }
    return await openChannel(this.reach(job), postProgram(ensureHome(profile), machineId(), take));
  }

  /** @throws {UserError} when the host could not run it: asked before anything is recorded. */
  async accept(run: RunName): Promise<void> {
    await this.driver?.accept(this.jobName(run), run.id);
    await this.shared();
  }

  /**
   * Begins a run, at most once however often it is called; returns the engine's handle, if there is one.
   *
   * @throws {UserError} of kind `host_refused` when the host will not run it, `host` when the outcome is unknown.
   */
  async start(run: FarRun): Promise<string | undefined> {
    if (this.driver !== undefined) {
      const job = { ...run, lingerS: LINGER_S, shared: await this.shared() };
      return await this.driver.start(this.jobName(run), run, jobProgram(ensureHome(this.#host.profile), job));
    }
    const { lines, complaint } = await converse(
      this.reach(),
      startProgram(ensureHome(this.#host.profile), run),
      { limitMs: START_MS, enough: (line) => /^(started|refused|unknown)\b/.test(line) },
    );
    const last = lines.at(-1) ?? "";
    if (last === "started") return undefined;
    const refused = /^refused \d+ (.*)$/.exec(last)?.[1];
    if (refused !== undefined) {
      throw new UserError(`Host "${this.name}" refuses worker "${run.id}": ${refused}`, {
        next: "fix that over there, or choose another host or runner",
        kind: "host_refused",
      });
    }
    throw new UserError(
      `It is unknown whether worker "${run.id}" runs on "${this.name}": ${complaint || last || "cut off"}`,
      {
        next: "the pulse finds out and starts it if it does not; see `looop _ worker list`",
        kind: "host",
      },
    );
  }

  /** Ends runs, whole trees; returns those whose end is certain. Never throws. */
  async stop(
    runs: readonly EndingRun[],
    limitMs: number,
  ): Promise<RunName[]> {
    if (this.driver !== undefined) {
      return await this.driver.stop(runs.map((run) => ({ run, name: this.jobName(run) })), limitMs);
    }
    const home = ensureHome(this.#host.profile);
    try {
      const { lines } = await converse(this.reach(), stopProgram(home, runs), { limitMs });
      return runs.filter(({ id, gen }) => lines.includes(`stopped ${id}.${gen}`));
    } catch {
      return [];
    }
  }
}

/** The file of a start that the pulse may have to repeat: the whole run, until it is known to be there. */
function startFile(profile: Profile, id: string): string {
  return `${sessionDir(profile, id)}/start.json`;
}

/** Records a start before it is tried. */
export function keepStart(profile: Profile, run: FarRun): void {
  replaceFile(startFile(profile, run.id), `${JSON.stringify(run)}\n`);
}

/** The recorded start of a run. */
export function keptStart(profile: Profile, { id, gen }: RunName): FarRun | undefined {
  const text = quietText(startFile(profile, id));
  if (text === undefined) return undefined;
  try {
    const run = JSON.parse(text) as FarRun;
    return run.gen === gen ? run : undefined;
  } catch {
    return undefined;
  }
}

/** Removes the recorded start of a run that is known to be there. */
export function dropStart(profile: Profile, id: string): void {
  removeFile(startFile(profile, id));
}
