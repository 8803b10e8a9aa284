/**
 * The line between home and one host: opened when it is needed, tried again while it is down, never given up.
 *
 * Its silence means only that the host is unreachable. The post at the other end reports everything anew on each
 * line, so a line may break at any point.
 */
import type { Profile } from "../paths.ts";
import { type HostRecord, readHost, writeHost } from "../records/hosts.ts";
import { Desk, type DeskHost } from "./desk.ts";
import type { Line } from "./lines.ts";
import { type FarLine, parseLine, type RunName, say } from "./protocol.ts";
import type { Channel } from "./reach.ts";

/** The link's surroundings: those of the desk, how to open a line, and the runs it serves. */
export interface LinkHost extends DeskHost {
  profile: Profile;
  /** Opens a line and starts the post. @throws {UserError} when the host cannot be reached. */
  open(): Promise<Channel>;
  /** Whether the host's state is recorded elsewhere, because it is one of an engine's jobs. */
  quiet?: boolean;
  /** Called when the host has let us in. */
  heard(): void;
  /** Starts, once more, a run that home has recorded and the host does not know. */
  start(run: RunName): Promise<void>;
  /** Our runs on the host that are not over, with the time of their start, ms. */
  runs(): (RunName & { startedMs: number; state: string })[];
}

/** First and longest pause between two attempts, ms. */
const PAUSE_MS = { first: 500, longest: 10_000 };
/** Time after which a silent line counts as dead, ms; the post speaks every 2 s. */
const SILENCE_MS = 15_000;
/** Interval at which home speaks, ms; the post gives up after 30 s. */
const SPEAK_MS = 5_000;
/** Time that a post has to read what was said last, ms. */
const LAST_WORDS_MS = 500;
/** Number of foreign lines within a minute that close the line. */
const MAX_BAD_LINES = 3;
/** Time for which a host must not name a run before the run is ended, ms: what it says may be older than the start. */
const MISSING_MS = 10_000;
/** Time that a run's starter has before a run that the host does not know is started again, ms. */
const STARTER_MS = 20_000;

/** One host's line. */
export class Link {
  readonly name: string;
  readonly #host: LinkHost;
  readonly #desk: Desk;
  readonly #done: Promise<void>;
  #record: HostRecord;
  #channel: Channel | undefined;
  #closed = false;
  #wake: (() => void) | undefined;
  #heard = 0;
  #badTimes: number[] = [];
  readonly #starting = new Set<string>();
  /** Since when the host does not name a run. */
  readonly #unnamed = new Map<string, number>();

  constructor(name: string, host: LinkHost) {
    this.name = name;
    this.#host = host;
    this.#desk = new Desk(host, name);
    const before = readHost(host.profile, name);
    this.#record = before ?? {
      v: 1,
      name,
      state: "down",
      since: host.now(),
      seen: 0,
      error: "",
      boot: "",
      skew_s: 0,
      bad_lines: 0,
      strays: [],
    };
    if (this.#record.state !== "down") this.#note({ state: "down", since: host.now(), error: "" });
    this.#done = this.#run();
  }

  /** Whether the host's post has reported everything on the present line. */
  get up(): boolean {
    return this.#record.state === "up";
  }

  /** Why the host is not heard; "" while it is, or when that is not known yet. */
  get error(): string {
    return this.up ? "" : this.#record.error;
  }

  /** Tells the post that nothing of a run lives any more; false when it does not know that run. */
  over(run: RunName, end: { state: string; by: string; code: number | null }): boolean {
    if (!this.up || this.#desk.unnamed([run]).length > 0) return false;
    this.#speak(say.over(run, end));
    return true;
  }

  /** Reacts to a change at home: sends answers and stops, and ends a pause between attempts. */
  async look(): Promise<void> {
    this.#wake?.();
    if (this.#channel !== undefined) await this.#desk.look(this.#speak);
  }

  /** Closes the line; workers over there continue. */
  async close(state: "idle" | "down" | undefined): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    // Where nothing runs any more, the post still reads our last words, and ends by itself.
    const channel = this.#channel;
    const timer = setTimeout(() => channel?.close(), state === "idle" ? LAST_WORDS_MS : 0);
    if (state === "idle") channel?.end();
    await this.#done;
    clearTimeout(timer);
    if (state !== undefined) this.#note({ state, since: this.#host.now() });
  }

  readonly #speak = (line: string) => {
    this.#channel?.send(line);
  };

  #note(change: Partial<HostRecord>): void {
    this.#record = { ...this.#record, ...change };
    if (this.#host.quiet === true) return;
    try {
      writeHost(this.#host.profile, this.#record);
    } catch (error) {
      this.#host.warn(`${this.name}: ${(error as Error).message}`);
    }
  }

  async #run(): Promise<void> {
    let pause = PAUSE_MS.first;
    while (!this.#closed) {
      const opened = performance.now();
      const error = await this.#converse();
      if (this.#closed) break;
      if (this.up || this.#record.error !== error) {
        const since = this.up ? this.#host.now() : this.#record.since;
        this.#note({ state: "down", since, error });
        this.#host.changed();
      }
      if (performance.now() - opened > SILENCE_MS) pause = PAUSE_MS.first;
      await this.#sleep(pause * (1 + Math.random() / 5));
      pause = Math.min(pause * 2, PAUSE_MS.longest);
    }
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Runs one line from its opening to its end; returns why it ended. */
  async #converse(): Promise<string> {
    let channel: Channel;
    try {
      channel = await this.#host.open();
    } catch (error) {
      return (error as Error).message;
    }
    if (this.#closed) {
      channel.close();
      return "";
    }
    this.#channel = channel;
    this.#heard = performance.now();
    this.#desk.opened();
    const timer = setInterval(() => this.#beat(channel), SPEAK_MS);
    let refused = "";
    try {
      await channel.listen(async (line) => {
        this.#heard = performance.now();
        const why = this.#take(line, channel);
        if (why !== undefined) refused = why;
        // Other tasks get their turn, however much a host says.
        if (++this.#lines % TURN_LINES === 0) await new Promise((resolve) => setTimeout(resolve));
      });
    } finally {
      clearInterval(timer);
      channel.close();
      this.#channel = undefined;
    }
    return refused !== "" ? refused : channel.complaint() || "the line broke";
  }

  #lines = 0;

  #beat(channel: Channel): void {
    if (performance.now() - this.#heard > SILENCE_MS) return channel.close();
    channel.send(say.heartbeat());
    if (this.up) this.#note({ seen: this.#host.now(), strays: [...this.#desk.strays].slice(0, 20) });
  }

  /** Takes one line; a returned text closes the line and says why. */
  #take(raw: Line, channel: Channel): string | undefined {
    const line = typeof raw === "number" ? "it is too long" : parseLine(raw);
    if (typeof line === "string") return this.#bad(line, channel);
    if (line.kind === "refused") {
      channel.close();
      return `${line.why}; \`looop up --take-hosts\` takes it over`;
    }
    if (line.kind === "hello") this.#greet(line);
    else if (!this.#desk.take(line, this.#speak)) this.#bad("about no worker of ours there", channel);
    if (line.kind === "heartbeat") this.#allSaid();
    return undefined;
  }

  #bad(why: string, channel: Channel): string | undefined {
    const now = this.#host.now();
    this.#badTimes = [...this.#badTimes.filter((at) => now - at < 60_000), now];
    this.#note({ bad_lines: this.#record.bad_lines + 1 });
    if (this.#badTimes.length < MAX_BAD_LINES) return undefined;
    channel.close();
    return `it says what looop does not understand (${why})`;
  }

  #greet({ boot, clockS }: Extract<FarLine, { kind: "hello" }>): void {
    this.#record = { ...this.#record, boot, skew_s: clockS - Math.floor(this.#host.now() / 1000) };
  }

  #allSaid(): void {
    if (!this.up) {
      this.#host.heard();
      this.#note({ state: "up", since: this.#host.now(), seen: this.#host.now(), error: "" });
      this.#host.changed();
    }
    for (const run of this.#host.runs()) {
      if (this.#desk.unnamed([run]).length === 0) {
        this.#unnamed.delete(run.gen);
        continue;
      }
      const since = this.#unnamed.get(run.gen) ?? performance.now();
      this.#unnamed.set(run.gen, since);
      if (run.state !== "starting") {
        this.#desk.sweep(run, performance.now() - since > MISSING_MS, this.#speak);
      } else if (this.#host.now() - run.startedMs > STARTER_MS) this.#startAgain(run);
    }
  }

  /** Repeats a start whose outcome is unknown; a run starts at most once however often this is done. */
  #startAgain(run: RunName): void {
    const key = `${run.id}/${run.gen}`;
    if (this.#starting.has(key)) return;
    this.#starting.add(key);
    this.#host.start(run).catch((error) => this.#host.warn(`${this.name}: ${(error as Error).message}`))
      .finally(() => this.#starting.delete(key));
  }
}

/** Number of lines after which the pulse gets a turn for something else. */
const TURN_LINES = 50;
