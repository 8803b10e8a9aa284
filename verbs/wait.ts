/** `looop _ wait`: blocks until there is something new to this reader, then shows it. */
import { EXIT, UsageError } from "../lib/errors.ts";
import { Watch } from "../lib/file_watch.ts";
import { checkId } from "../lib/ids.ts";
import { printableJson } from "../lib/text/json.ts";
import { ownIdentity } from "../lib/process/identity.ts";
import { pollMs, watchesOff } from "../lib/records/env.ts";
import { journalTail } from "../lib/records/journal.ts";
import { requireDir } from "../lib/records/profile_check.ts";
import { noteGiven } from "../lib/records/schedules.ts";
import { openQuickly } from "../lib/cli/open_profile.ts";
import { summaryOf } from "../lib/cli/summary.ts";
import {
  type CursorFile,
  cursorPath,
  listObservers,
  readCursorFile,
  readSilence,
  writeCursorFile,
  writeSilence,
} from "../lib/world/cursor_file.ts";
import { cursorAfter, type News, newsOf, wholeWorld } from "../lib/world/news.ts";
import { type Cursor, cursorSince, emptyCursor, pulseWord } from "../lib/world/observer.ts";
import { pulseOf016Error } from "../lib/world/pulse_record.ts";
import { glance, look, type Snapshot, stateOf } from "../lib/world/state.ts";
import { isShown, isWaking, reasonsOf, timeoutText, wakeOf, wholeChanges } from "../lib/world/wake.ts";
import { quietStat } from "../lib/store.ts";
import { type Context, defineVerb, type Input } from "../lib/cli/verb.ts";

/**
 * Interval at which a blocked wait looks at everything again, and verifies a verified process again, ms. In between,
 * a glance at every poll period shows whether a watch has missed something, for a tenth of the work.
 */
const WHOLE_LOOK_MS = 30_000;
/** Time for which a file may be half written before it counts as bad, ms. */
const SETTLE_MS = 1_000;
/** Number of journal lines in a wake. */
const JOURNAL_LINES = 5;

export default defineVerb({
  declare: {
    path: "_ wait",
    summary: "block until there is something new to you, then show what",
    audience: "root",
    options: [
      { name: "json", summary: "as JSON: what is new, and what must be known to act on it" },
      { name: "timeout", value: "S", summary: 'return after S seconds with "timed_out": true, exit 0' },
      { name: "fresh", summary: "return at once with the whole world" },
      { name: "as", value: "NAME", summary: "whose cursor; your agent session's by default" },
      { name: "since", value: "CURSOR", summary: "compare with this cursor from an earlier state or wait" },
      { name: "only-asks", summary: "wake for questions only" },
      { name: "full", summary: "with the whole state, as `_ state` prints it, of any length" },
    ],
    example: "looop _ wait --json --timeout 100",
    details:
      "The first call of an agent session returns at once with the whole world. A change between two calls\n" +
      "is given by the second; your own moves are not news to you. A question is given once, and again after\n" +
      "ask_redeliver seconds while it is unanswered. No return but --full is longer than 8000 bytes.",
  },
  async run(context, input) {
    const wait = await Wait.open(context, input);
    try {
      return await wait.untilNews();
    } finally {
      wait.close();
    }
  },
});

/** One call. */
class Wait {
  readonly #context: Context;
  readonly #input: Input;
  readonly #observer: string;
  readonly #path: string;
  readonly #deadline: number;
  readonly #parent = Deno.ppid;
  readonly #watch: Watch;
  #file: CursorFile | undefined;
  /** The cursor that the reader was last given; undefined before the first. */
  #cursor: Cursor | undefined;
  /** Whether the reader's file says that it waits. */
  #isOnRecord = false;
  #gaveUp = false;
  /** Whether the pulse was still starting when the time was up: then its absence is not news. */
  #isStarting = false;
  #heard: { beat: number; at: number; awakeS: number } | undefined;

  /** A call whose input is good, on a profile that is open. */
  static async open(context: Context, input: Input): Promise<Wait> {
    const name = input.text("as");
    const observer = name === undefined ? context.caller.observer : checkId("observer", name);
    const timeoutS = input.seconds("timeout");
    const deadline = timeoutS === undefined ? Infinity : performance.now() + timeoutS * 1000;
    await openQuickly(context.profile);
    return new Wait(context, input, observer, deadline);
  }

  private constructor(context: Context, input: Input, observer: string, deadline: number) {
    this.#context = context;
    this.#input = input;
    this.#observer = observer;
    this.#deadline = deadline;
    const { profile, env } = context;
    this.#path = cursorPath(profile, this.#observer);
    this.#file = readCursorFile(this.#path);
    this.#cursor = input.flag("fresh") ? undefined : this.#file?.cursor;
    this.#watch = new Watch({
      dirs: [profile.dir, profile.asks],
      pollMs: pollMs(env["LOOOP_WAIT_POLL_MS"]),
      ignore: [".poke"],
      off: watchesOff(env),
    });
  }

  /** Looks again and again; ends with news, at the deadline, or when its caller ends. */
  async untilNews(): Promise<{ code: number } | undefined> {
    const { profile, now } = this.#context;
    for (let isFirst = true;; isFirst = false) {
      const seen = glance(profile, now());
      const sight = await this.#look();
      if (isFirst) this.#startFrom(sight);
      const news = this.#newsIn(sight);
      if (this.#cursor === undefined || news.some(isWaking)) {
        await this.#give(sight, news);
        return undefined;
      }
      this.#takeIn(sight, news);
      if (performance.now() >= this.#deadline) {
        await this.#showTimeout(sight);
        return undefined;
      }
      if (Deno.ppid !== this.#parent) return { code: EXIT.failed };
      await this.#goOnRecord();
      await this.#mayHaveChanged(sight, news, seen);
    }
  }

  close(): void {
    this.#watch.close();
    if (this.#isOnRecord) this.#save();
  }

  /** Looks at the profile; a wanted pulse that has died is started again first. */
  async #look(): Promise<Snapshot> {
    const { profile, now } = this.#context;
    requireDir(profile);
    const sight = await look(profile, now(), WHOLE_LOOK_MS);
    if (sight.pulse.of016 !== undefined) throw pulseOf016Error(sight.pulse.of016);
    if (pulseWord(sight) !== "down") return this.#awake(sight);
    const { isRevivalDue, revivePulse } = await import("../lib/pulse/control.ts");
    if (this.#gaveUp && !isRevivalDue(this.#context)) return this.#awake(sight);
    const revival = await revivePulse(this.#context, this.#deadline);
    this.#gaveUp = revival === "failed";
    this.#isStarting = revival === "late";
    return this.#awake(await look(profile, now()));
  }

  /**
   * A sight in which the pulse is stalled only if this reader has been awake for two intervals without a sign of life
   * of it: on a laptop that wakes, the pulse has been asleep, too.
   */
  #awake(sight: Snapshot): Snapshot {
    const { beat, age_s, interval_s, stalled, failing } = sight.pulse;
    if (this.#heard?.beat !== beat || !stalled) {
      const known = this.#heard === undefined && stalled ? readSilence(this.#path) : undefined;
      this.#heard = { beat, at: performance.now(), awakeS: known?.beat === beat ? known.awake_s : 0 };
    }
    if (!stalled || failing !== undefined) return sight;
    const isAwake = this.#awakeS() >= 2 * interval_s && (age_s ?? 0) > 2 * interval_s;
    return isAwake ? sight : { ...sight, pulse: { ...sight.pulse, stalled: false } };
  }

  #awakeS(): number {
    const { at, awakeS } = this.#heard ?? { at: performance.now(), awakeS: 0 };
    return awakeS + (performance.now() - at) / 1000;
  }

  #startFrom(sight: Snapshot): void {
    const since = this.#input.text("since");
    if (since === undefined) return;
    this.#cursor = cursorSince(since, this.#file?.cursor, sight);
    if (this.#cursor !== undefined) return;
    throw new UsageError(`--since is "${since}"`, {
      next: 'give the "cursor" that `_ state` or `_ wait` printed',
    });
  }

  /** News for this reader, and items that may become news in a moment. */
  #newsIn(sight: Snapshot): News[] {
    const reader = { observer: this.#observer };
    if (this.#cursor === undefined) return wholeWorld(sight, reader).map((one) => this.#settled(one));
    const news = newsOf(this.#cursor, sight, reader).map((one) => this.#settled(one));
    return this.#input.flag("only-asks")
      ? news.filter((one) => one.item.part === "asks" && isWaking(one))
      : news;
  }

  #settled(news: News): News {
    const { part, key = "" } = news.item;
    const isHeld = part === "bad" ? this.#isHalfWritten(key) : part === "pulse" && this.#isStarting;
    return isHeld ? { ...news, weight: "held" } : news;
  }

  #isHalfWritten(path: string): boolean {
    const mtime = quietStat(path)?.mtime?.getTime() ?? 0;
    return Math.abs(this.#context.now() - mtime) < SETTLE_MS;
  }

  async #give(sight: Snapshot, news: News[]): Promise<void> {
    const before = this.#cursor ?? emptyCursor();
    const isLimited = this.#input.flag("only-asks") && this.#cursor !== undefined;
    const after = (kept: News[]) => {
      const next = cursorAfter(before, sight, news, kept);
      // The rest of the world stays undelivered, for a later call without the limit.
      return isLimited ? { ...before, asks: { ...before.asks, ...next.asks } } : next;
    };
    const kept = await this.#show(sight, news, after([]).token);
    this.#cursor = after(kept);
    this.#noteSchedules(sight, news, kept);
    // Printed first, saved after: a reader that is killed in between is given the same again.
    this.#save();
  }

  /** Records the reminders that an agent was given, so that one that begins later does not get them. */
  #noteSchedules({ world }: Snapshot, news: readonly News[], kept: readonly News[]): void {
    if (this.#observer === "hand") return;
    const given = news.filter((one) => one.item.part === "schedules" && !kept.includes(one));
    const dues = given.map(({ item: { key = "" } }) =>
      [key, world.schedules.firings[key]?.due ?? 0] as const
    );
    noteGiven(this.#context.profile, Object.fromEntries(dues));
  }

  /** Prints the news; returns those for which there was no space. */
  async #show(sight: Snapshot, news: News[], token: string): Promise<News[]> {
    const { json, out, profile } = this.#context;
    const reason = this.#cursor === undefined ? this.#firstReason() : undefined;
    const reasons = reason === undefined ? reasonsOf(news) : [reason];
    if (!json) out(`${summaryOf(sight, reasons, news.filter(isShown))}\n`);
    else if (this.#input.flag("full")) {
      out(`${printableJson({ reason: reasons, changes: wholeChanges(news), ...await stateOf(sight) }, 1)}\n`);
    } else {
      const files = { asks: profile.asks, snapshots: profile.snapshots };
      const wake = wakeOf({
        sight,
        reason,
        news,
        journal: journalTail(profile, JOURNAL_LINES),
        files,
        token,
      });
      out(`${wake.text}\n`);
      return wake.kept;
    }
    return [];
  }

  #firstReason(): string {
    if (this.#input.flag("fresh")) return "fresh";
    const isRoot = (observer: string) => observer.startsWith("root/") && observer !== this.#observer;
    const isLater = this.#observer.startsWith("root/") && listObservers(this.#context.profile).some(isRoot);
    return isLater ? "session" : "first";
  }

  async #showTimeout(sight: Snapshot): Promise<void> {
    const { json, out } = this.#context;
    if (!json) out(`nothing new\n${summaryOf(sight)}\n`);
    else if (!this.#input.flag("full")) out(`${timeoutText(sight.asks)}\n`);
    else out(`${printableJson({ reason: [], timed_out: true, changes: {}, ...await stateOf(sight) }, 1)}\n`);
    this.#noteSilence(sight);
  }

  /** A stall for which this call was too short is reported by a later one. */
  #noteSilence({ pulse }: Snapshot): void {
    const isQuiet = pulse.alive && (pulse.age_s ?? 0) > 2 * pulse.interval_s;
    if (this.#file === undefined || (!isQuiet && readSilence(this.#path) === undefined)) return;
    const awake_s = Math.round(this.#awakeS() * 10) / 10;
    writeSilence(this.#path, isQuiet ? { beat: pulse.beat, awake_s } : undefined);
  }

  /** Differences that are not to be shown: the cursor takes them in, or their next change would not be news. */
  #takeIn(sight: Snapshot, news: readonly News[]): void {
    const cursor = this.#cursor;
    if (cursor === undefined || this.#input.flag("only-asks")) return;
    const hasHidden = news.some(({ weight }) => weight === "hidden") ||
      cursor.world_hash !== sight.world.world_hash;
    if (!hasHidden) return;
    this.#cursor = cursorAfter(cursor, sight, news, news.filter(isShown));
    this.#save();
  }

  async #goOnRecord(): Promise<void> {
    if (this.#isOnRecord || this.#cursor === undefined) return;
    this.#isOnRecord = true;
    this.#save({ ...await ownIdentity(), at: this.#context.now() });
  }

  #save(waiting?: CursorFile["waiting"]): void {
    if (this.#cursor === undefined) return;
    const { caller, now } = this.#context;
    const { agent, session } = caller;
    const reader = this.#file?.reader ?? { agent: this.#input.text("as") ?? agent, session, since: now() };
    const { waiting: _, ...file } = { ...this.#file, cursor: this.#cursor, reader };
    this.#file = file;
    this.#isOnRecord = waiting !== undefined;
    writeCursorFile(this.#path, waiting === undefined ? file : { ...file, waiting });
  }

  /** Sleeps until another look may see more, at most until the deadline or until a whole look is due. */
  async #mayHaveChanged(sight: Snapshot, news: readonly News[], seen: string | undefined): Promise<void> {
    const { profile, now } = this.#context;
    const parent = Deno.ppid;
    const until = Math.min(this.#deadline, performance.now() + this.#lookAfterMs(sight, news));
    do {
      if (await this.#watch.next(until - performance.now())) return;
    } while (
      sight.pulse.alive && this.#watch.armed && seen !== undefined && seen === glance(profile, now()) &&
      performance.now() < until && Deno.ppid === parent
    );
  }

  /**
   * Time until the next look although nothing seems to happen: the usual one, or until the pulse's silence is a
   * stall, ms.
   */
  #lookAfterMs({ pulse }: Snapshot, news: readonly News[]): number {
    if (news.some(({ weight }) => weight === "held")) return SETTLE_MS;
    if (!pulse.alive || pulse.age_s === null) return WHOLE_LOOK_MS;
    const stallMs = (2 * pulse.interval_s - Math.min(pulse.age_s, this.#awakeS()) + 1) * 1000;
    return stallMs > 0 ? Math.min(WHOLE_LOOK_MS, stallMs) : WHOLE_LOOK_MS;
  }
}
