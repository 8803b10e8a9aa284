/** A place to try a host in: a throw-away home of its own, the real far side, and the real link between them. */
import type { CallHost, ParseCall } from "../../calls/carry.ts";
import { type Profile, profileAt } from "../../paths.ts";
import { delay } from "../../process/tree.ts";
import { type Config, defaultConfig, type HostConfig } from "../../records/config.ts";
import { answerAsk, readMailbox } from "../../records/mailbox.ts";
import { openProfile } from "../../records/profile.ts";
import {
  metaText,
  readFleet,
  readSession,
  recordEnd,
  runningStatusText,
  type Session,
  type SessionMeta,
} from "../../sessions/session.ts";
import { sessionDir } from "../../sessions/run_files.ts";
import { createOnce, makeDir, quietText, removeTree, replaceFile } from "../../store.ts";
import { ensureHome } from "../../records/home.ts";
import { machineId } from "../home.ts";
import { Links } from "../links.ts";
import type { Job } from "../driver.ts";
import { keepStart, Place } from "../place.ts";
import { farFolder, type FarRun } from "../program.ts";
import type { RunName } from "../protocol.ts";
import { type Channel, converse, openChannel, type Reach } from "../reach.ts";
import { Wire } from "./wire.ts";

/** The surroundings of a bench: how calls are parsed, and how the host is reached. */
export interface BenchHost {
  env: Readonly<Record<string, string>>;
  parse: ParseCall;
  name: string;
  config: HostConfig;
}

/** Longest wait for something that must happen, ms. */
const PATIENCE_MS = 30_000;

/** Thrown by a case whose means are missing on this machine; the message says which. */
export class Skip extends Error {}

/** A throw-away home. */
export class Bench {
  readonly host: BenchHost;
  readonly profile: Profile;
  config: Config;
  readonly warnings: string[] = [];
  /** Time added to the clock of this home, ms. */
  clockMs = 0;
  #links: Links | undefined;
  #pump: Promise<void> = Promise.resolve();
  #stopping = false;
  #wake: (() => void) | undefined;
  #count = 0;
  #wire: Wire | undefined;
  #keeper: Promise<Job> | undefined;

  private constructor(host: BenchHost, dir: string) {
    this.host = host;
    this.profile = profileAt(dir);
    this.config = { ...defaultConfig(), hosts: { [host.name]: host.config } };
  }

  /** Makes the home. */
  static async open(host: BenchHost): Promise<Bench> {
    const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-host-check-" }));
    const bench = new Bench(host, dir);
    openProfile(bench.profile);
    replaceFile(
      bench.profile.config,
      JSON.stringify({ default: "shell", hosts: { [host.name]: host.config } }),
    );
    return bench;
  }

  /** Ends everything and removes both homes. */
  async close(): Promise<void> {
    await this.#wire?.heal();
    await this.drop();
    const { driver } = this.place;
    for (const { name, handle } of await driver?.list() ?? []) {
      await driver?.call("stop", { name, handle, grace_s: 1 });
    }
    const runs = driver !== undefined ? [] : (await this.fleet()).filter((session) => session.view.alive);
    await this.place.stop(
      runs.map(({ view, gen }) => ({ id: view.id, gen, state: "killed", by: "root" })),
      20_000,
    );
    const shared = await this.place.shared().catch(() => undefined);
    if (shared !== undefined) removeTree(shared);
    if (driver === undefined) {
      await converse(this.place.reach(), `rm -rf ${farFolder(this.home)}\necho gone\n`, { limitMs: 20_000 })
        .catch(() => {});
    }
    removeTree(this.profile.dir);
  }

  readonly now = (): number => Date.now() + this.clockMs;

  get home(): string {
    return ensureHome(this.profile);
  }

  get place(): Place {
    const { env, name, config } = this.host;
    const wired = this.config.hosts[name] ?? config;
    return new Place({ profile: this.profile, env, now: this.now }, name, wired);
  }

  get calls(): CallHost {
    return { profile: this.profile, now: this.now, parse: this.host.parse };
  }

  /** The wire to the host, by which it can be cut; call it before anything is opened. */
  wire(): Wire {
    if (this.#wire === undefined) {
      const { host, profile } = this;
      this.#wire = new Wire(`${profile.dir}/wire`, host.config);
      this.config = { ...this.config, hosts: { [host.name]: this.#wire.config } };
    }
    return this.#wire;
  }

  /** The command line that runs `sh` over there: on an engine, inside a job that is kept for this. */
  async entry(): Promise<Reach> {
    if (this.place.driver === undefined) return this.place.reach();
    await this.#needExec();
    this.#keeper ??= this.start("cat >/dev/null\n").then((run) => this.job(run));
    return this.place.reach(await this.#keeper);
  }

  /** Opens a line to a program over there. */
  async channel(program: string): Promise<Channel> {
    return await openChannel(await this.entry(), program);
  }

  /** A run's job, once it runs. */
  async job(run: RunName): Promise<Job> {
    const name = this.place.jobName(run);
    return await this.until(
      `the job of ${run.id}`,
      async () =>
        (await this.place.driver?.list())?.find((job) => job.name === name && job.state === "running"),
      60_000,
    );
  }

  /** Waits until the engine no longer has a run's job running. */
  async jobOver(run: RunName): Promise<void> {
    const name = this.place.jobName(run);
    const isOver = async () => {
      const jobs = await this.place.driver?.list();
      return jobs !== undefined && !jobs.some((job) => job.name === name && job.state === "running");
    };
    await this.until(`the end of the job of ${run.id}`, isOver, 60_000);
  }

  /** The command line that runs `sh` where a run lives. */
  async beside(run: RunName): Promise<Reach> {
    await this.#needExec();
    return this.place.driver === undefined ? this.place.reach() : this.place.reach(await this.job(run));
  }

  /** @throws {Skip} when nothing but its jobs can be run over there. */
  async #needExec(): Promise<void> {
    if (await this.place.driver?.isFolder()) throw new Skip("its driver has `folder` instead of `exec`");
  }

  /** The output of a program over there, as one text; on an engine, inside the job of `run`. */
  async said(program: string, run?: RunName): Promise<string> {
    const reach = run === undefined ? await this.entry() : await this.beside(run);
    return (await converse(reach, program, { limitMs: PATIENCE_MS })).lines.join("\n");
  }

  /** The program's text with FAR set to this home's folder over there. */
  there(program: string): string {
    return `FAR=${farFolder(this.home)}\n${program}\n`;
  }

  /** Opens the link, as a pulse does. */
  link(): void {
    if (this.#links !== undefined) return;
    this.#stopping = false;
    const links = new Links({
      profile: this.profile,
      env: this.host.env,
      now: this.now,
      parse: this.host.parse,
      changed: () => this.#wake?.(),
      warn: (message) => this.warnings.push(message),
    });
    this.#links = links;
    this.#pump = this.#beat(links);
  }

  /** Drops the link, as a pulse that is killed does: its memory is lost. */
  async drop(): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    await this.#pump;
    await this.#links?.close();
    this.#links = undefined;
  }

  async #beat(links: Links): Promise<void> {
    while (!this.#stopping) {
      links.tend(this.config, await this.fleet(), () => this.config);
      await links.look();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The sessions of this home. */
  fleet(): Promise<Session[]> {
    return readFleet(this.profile, this.now());
  }

  /** A name for a new worker. */
  nextId(): string {
    return `k${++this.#count}`;
  }

  /** Records a run with a bash script as its agent, and returns the parts to start it with. */
  prepare(
    script: string,
    options: { id?: string; gen?: string; env?: Record<string, string>; cwd?: string } = {},
  ): FarRun {
    const id = options.id ?? this.nextId();
    const gen = options.gen ?? crypto.randomUUID().slice(0, 8);
    const run: FarRun = {
      id,
      gen,
      command: `exec sh @looop-${gen}@/prompt.md`,
      files: { "prompt.md": script },
      env: options.env ?? {},
      cwd: options.cwd,
      program: "sh",
      orphanMinutes: 0,
    };
    const dir = sessionDir(this.profile, id);
    removeTree(dir);
    makeDir(dir);
    const meta: SessionMeta = {
      v: 1,
      id,
      gen,
      cmd: ["sh", "-c", run.command],
      babysit_pid: 0,
      started_at: Math.floor(this.now() / 1000),
      runner: "check",
      cwd: "",
      host: this.host.name,
    };
    replaceFile(`${dir}/meta.json`, metaText(meta));
    replaceFile(`${dir}/output.log`, "");
    keepStart(this.profile, run);
    return run;
  }

  /** Starts a prepared run. */
  async begin(run: FarRun): Promise<void> {
    const handle = await this.place.start(run);
    if (handle === undefined) {
      createOnce(`${sessionDir(this.profile, run.id)}/status.json`, runningStatusText(this.now()));
    }
    this.#wake?.();
  }

  /** Prepares a run and starts it. */
  async start(script: string, options: Parameters<Bench["prepare"]>[1] = {}): Promise<FarRun> {
    const run = this.prepare(script, options);
    await this.begin(run);
    return run;
  }

  /** Records that a run is to end, as `_ worker kill` does. */
  async end({ id }: RunName): Promise<void> {
    const session = (await this.fleet()).find(({ view }) => view.id === id);
    if (session !== undefined) recordEnd(session, "killed", "root");
    this.#wake?.();
  }

  /** Waits until `look` finds something. @throws when it does not in time. */
  async until<T>(
    what: string,
    look: () => T | undefined | false | Promise<T | undefined | false>,
    ms = PATIENCE_MS,
  ): Promise<T> {
    const deadline = performance.now() + ms;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (performance.now() > deadline) throw new Error(`${what}: not within ${Math.round(ms / 1000)} s`);
      await delay(20);
    }
  }

  /** Waits for a run's end at home, and returns its state and exit code. */
  async ended(
    { id }: RunName,
    ms = PATIENCE_MS,
  ): Promise<{ state: string; code: number | null; by: string }> {
    const { status } = await this.until(`the end of ${id}`, () => {
      const record = readSession(this.profile, id);
      return record?.status !== undefined && /exited|killed|lost/.test(record.status.state)
        ? record
        : undefined;
    }, ms);
    return { state: status?.state ?? "", code: status?.exit_code ?? null, by: status?.ended_by ?? "" };
  }

  /** A run's log at home. */
  log({ id }: RunName): string {
    return quietText(`${sessionDir(this.profile, id)}/output.log`) ?? "";
  }

  /** Waits until a run has printed a text. */
  async printed(run: RunName, text: string, ms = PATIENCE_MS): Promise<string> {
    return await this.until(`"${text}" in the log of ${run.id}`, () => {
      const log = this.log(run);
      return log.includes(text) ? log : undefined;
    }, ms);
  }

  /** Waits for a run's question, and returns its id. */
  async asked({ id }: RunName, ms = PATIENCE_MS): Promise<string> {
    return await this.until(
      `a question of ${id}`,
      () => readMailbox(this.profile).pending.find((ask) => ask.worker === id)?.id,
      ms,
    );
  }

  /** Answers a question. */
  async answer(id: string, text: string, outcome: "answered" | "declined" = "answered"): Promise<void> {
    await answerAsk(this.profile, { id, text, outcome, free: true, replace: false, by: "hand" }, this.now());
    this.#wake?.();
  }

  /** This machine's id, as hosts know it. */
  readonly machine = machineId();
}

/** @throws when the claim does not hold. */
export function claim(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** @throws when they differ. */
export function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a?.slice(0, 200)} instead of ${b?.slice(0, 200)}`);
}
