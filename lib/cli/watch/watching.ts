/** `looop watch` while it runs: looks when something happens, draws what has changed, does what keys ask for. */
import { UserError } from "../../errors.ts";
import { Watch } from "../../file_watch.ts";
import { pollMs, watchesOff } from "../../records/env.ts";
import { glance } from "../../world/state.ts";
import { answerAs } from "../answering.ts";
import type { Context } from "../verb.ts";
import { Eyes } from "./eyes.ts";
import { guardTerminal } from "./guard.ts";
import {
  type Choices,
  FIRST,
  type Key,
  namesOf,
  type Order,
  press,
  replied,
  settle,
  type Ui,
} from "./keys.ts";
import { drawScreen } from "./screen.ts";
import { openScreen, type Screen, suspend } from "./terminal.ts";
import type { View } from "./view.ts";

/** Ages on the screen are at most so old, ms. */
const TICK_MS = 30_000;
/** Time without output and keys after which looks are half as frequent, ms: events still come at once. */
const QUIET_MS = 30_000;
/** How long after an event the next look is, ms. */
const SETTLE_MS = 80;
/** How long the choice must rest before what the chosen worker shows is read, ms. */
const REST_MS = 150;

/** Shows the screen until `q`, Ctrl-C or `stop`. The terminal is left as it was, however it ends. */
export async function watchScreen(context: Context, stop: AbortSignal): Promise<void> {
  const guard = guardTerminal();
  const watching = new Watching(context);
  stop.addEventListener("abort", () => watching.end());
  try {
    await watching.run();
    await watching.close();
    guard.release();
  } catch (error) {
    await watching.close();
    throw error;
  } finally {
    guard.restore();
    guard.release();
  }
}

/** One screen. */
class Watching {
  readonly #context: Context;
  readonly #eyes: Eyes;
  readonly #watch: Watch;
  #screen: Screen | undefined;
  #ui: Ui = FIRST;
  #view: Omit<View, "log"> | undefined;
  #page = 1;
  /** What the screen shows, and its size. */
  #shown = "";
  /** When something last happened that is followed closely. */
  #busyAt = performance.now();
  readonly #pollMs: number;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #failure: { error: unknown } | undefined;
  #isOver = false;

  constructor(context: Context) {
    const { profile, env } = context;
    this.#context = context;
    this.#eyes = new Eyes(context);
    this.#pollMs = pollMs(env["LOOOP_WAIT_POLL_MS"]);
    this.#watch = new Watch({
      dirs: [profile.dir, profile.asks],
      pollMs: 2 * this.#pollMs,
      off: watchesOff(env),
    });
    this.#open();
  }

  #open(): void {
    this.#shown = "";
    this.#screen = openScreen({
      onKey: (key) => this.#press(key),
      onResize: () => this.#draw(),
      onEnd: (error) => this.end(error),
    });
  }

  /** Gives the terminal to the shell until this program goes on. */
  async #suspend(): Promise<void> {
    const screen = this.#screen;
    if (screen === undefined) return;
    this.#screen = undefined;
    await screen.close();
    await suspend();
    if (this.#isOver) return;
    this.#open();
    this.#draw();
    this.#watch.poke();
  }

  end(error?: unknown): void {
    if (error !== undefined) this.#failure ??= { error };
    this.#isOver = true;
    this.#watch.poke();
  }

  /** @throws what made drawing impossible. */
  async run(): Promise<void> {
    const { profile, now } = this.#context;
    while (!this.#isOver) {
      const seen = glance(profile, now());
      const view = await this.#eyes.look();
      this.#take(view);
      await this.#eyes.read(this.#chosenWorker());
      this.#draw();
      await this.#untilMore(seen);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async close(): Promise<void> {
    clearTimeout(this.#rest);
    this.#watch.close();
    this.#eyes.close();
    await this.#screen?.close();
  }

  #take(view: Omit<View, "log">): void {
    const before = this.#view === undefined ? [] : namesOf(this.#choices(this.#view));
    this.#view = view;
    this.#ui = settle(this.#ui, this.#choices(view), before);
  }

  #choices({ snapshot, workers, locked }: Omit<View, "log">): Choices {
    return {
      asks: snapshot.asks,
      workers: workers.map(({ worker }) => worker.id),
      locked,
      page: this.#page,
    };
  }

  /** The chosen worker, or the one whose question is chosen. */
  #chosenWorker(): string {
    const { chosen } = this.#ui;
    const ask = this.#view?.snapshot.asks.find(({ id }) => chosen === `ask:${id}`);
    return ask?.worker ?? (chosen.startsWith("worker:") ? chosen.slice("worker:".length) : "");
  }

  /** Waits for what may change the screen; meanwhile draws what the chosen worker prints. */
  async #untilMore(seen: string | undefined): Promise<void> {
    const { profile, now } = this.#context;
    const until = performance.now() + TICK_MS;
    do {
      const isQuiet = performance.now() - this.#busyAt > QUIET_MS;
      const pollMs = isQuiet ? 2 * this.#pollMs : this.#pollMs;
      const isTold = await this.#watch.next(Math.min(pollMs, until - performance.now()));
      if (this.#isOver) return;
      if (isTold) return await this.#settle();
      if (await this.#eyes.read(this.#chosenWorker())) {
        this.#busyAt = performance.now();
        this.#draw();
      }
    } while (
      this.#watch.armed && seen !== undefined && seen === glance(profile, now()) && performance.now() < until
    );
  }

  /** Lets the events that come with one be over: a beat writes several files, and one look sees them all. */
  async #settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    if (!this.#isOver) await this.#watch.next(1);
  }

  #draw(): void {
    if (this.#view === undefined || this.#screen === undefined || this.#isOver) return;
    const snapshot = { ...this.#view.snapshot, nowMs: this.#context.now() };
    const log = this.#eyes.logOf(this.#chosenWorker(), this.#ui.isScreen);
    const view = { ...this.#view, snapshot, log };
    const size = this.#screen.size();
    const drawn = drawScreen(view, this.#ui, size, this.#context.colour);
    this.#page = drawn.page;
    this.#ui = { ...this.#ui, scroll: Math.min(this.#ui.scroll, drawn.maxScroll) };
    const shown = `${size.columns} ${drawn.lines.join("\n")}`;
    // Most looks find nothing that shows, and drawing costs more than looking.
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#screen.show(drawn.lines);
  }

  #press(key: Key): void {
    if (this.#view === undefined) {
      if (key === "ctrl-c" || key === "text:q") this.end();
      return;
    }
    this.#busyAt = performance.now();
    const before = this.#ui.chosen;
    const { ui, order } = press(this.#ui, key, this.#choices(this.#view));
    this.#ui = ui;
    if (order !== undefined) this.#obey(order);
    if (ui.chosen !== before) this.#readSoon();
    this.#draw();
  }

  #obey(order: Order): void {
    if (order.kind === "quit") this.end();
    else if (order.kind === "suspend") this.#suspend().catch((error) => this.end(error));
    else this.#reply(order);
  }

  async #reply({ kind: _, ...reply }: Order & { kind: "reply" }): Promise<void> {
    const result = await answerAs(this.#context, { ...reply, replace: false })
      .then((done) => ({ done }), (error: unknown) => {
        if (!(error instanceof UserError)) throw error;
        const { message, kind } = error;
        return { failed: message, mayForce: kind === "not_an_option" };
      });
    this.#ui = replied(this.#ui, result);
    this.#draw();
    this.#watch.poke();
  }

  /** Reads what the chosen worker shows once the choice rests. */
  #readSoon(): void {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(async () => {
      if (await this.#eyes.read(this.#chosenWorker())) this.#draw();
    }, REST_MS);
  }
}
