/** The pulse's notices: which are due, the hook of each below a shell that writes down how it ended, and further tries. */
import type { Config } from "../records/config.ts";
import { appendEvent } from "../records/journal.ts";
import { ownVariables } from "../records/home.ts";
import { type Ask, readMailbox } from "../records/mailbox.ts";
import {
  type Attempt,
  AWAY,
  isCurrent,
  type Notice,
  NOTICE_MARK,
  noticeKey,
  openNotice,
  planEscalation,
  readAttempt,
  readNotices,
  retryAt,
  tryPath,
  updateNotice,
} from "../records/notices.ts";
import { readOwnMoves } from "../records/own_moves.ts";
import { fillHook, hookEnv } from "../records/template.ts";
import { childEnv } from "../process/child_env.ts";
import { standingsOf } from "../process/identity.ts";
import { PLATFORM } from "../process/platform.ts";
import { spawnChild } from "../process/spawn.ts";
import { killTree, STOP_GRACE_MS } from "../process/tree.ts";
import { IDENTIFY } from "../sessions/supervisor.ts";
import type { Session } from "../sessions/session.ts";
import type { BadFile } from "../store.ts";
import { age } from "../text/style.ts";
import { cursorPath, readCursorFile } from "../world/cursor_file.ts";
import { isBlocked, lastCall } from "../world/listener.ts";
import { newsOf, wholeWorld } from "../world/news.ts";
import type { Sight } from "../world/observer.ts";
import { lastWordAt } from "../world/pulse_record.ts";
import { isWaking, reasonsOf } from "../world/wake.ts";
import type { World } from "../world/world.ts";
import { type PulseHost, say } from "./host.ts";

/**
 * Called as `sh -c TRY looop-notice FILE HOOK "BOOT MACHINE NAMESPACE" PLATFORM`: takes FILE, unless it is taken, then
 * runs HOOK and writes its exit code behind. A link is made whole or not at all, and by one alone.
 */
const TRY = `hook=$2
LOOOP_PLACE=$3 LOOOP_OS=$4
${IDENTIFY}
identify
temp=\${1%/*}/.\${1##*/}.tmp-$$-0
(umask 077; printf "%s\\n" "$me" >"$temp") && [ ! -e "$1" ] && ln "$temp" "$1" 2>/dev/null
taken=$?
rm -f "$temp"
[ "$taken" = 0 ] || exit 0
unset LOOOP_PLACE LOOOP_OS
/bin/sh -c "$hook"
echo "exit $?" >>"$1"`;

/** Longest time that a hook may run, ms. */
const HOOK_MS = 60_000;
/** Interval of looks at a running hook, and of tries to write or begin a notice, ms. */
const LOOK_MS = 1_000;
const AGAIN_MS = 10_000;
/** Interval of checks whether an agent blocks in a wait, ms. */
const PRESENT_MS = 60_000;
/** Most reasons named in the notice of an absence. */
const REASONS_SHOWN = 3;

/** The parts of the pulse's surroundings that notices need. */
export interface NoticeView {
  config: Config;
  world: World;
  sessions: readonly Session[];
}

/** Opens notices that are due and sees each to its end. */
export class Notices {
  readonly #host: PulseHost;
  readonly #changed: () => void;
  /** Since when agents are waited for that have never called, where no `up` is on record, unix ms. */
  readonly #startedAt: number;
  /** When this pulse has started each try, unix ms. */
  readonly #started = new Map<string, number>();
  #ending: Promise<unknown> = Promise.resolve();
  #nextAt = Infinity;
  /** When an agent was last seen blocked in a wait, unix ms. */
  #seenAt = 0;
  /** Files in the folder that are not notices. */
  bad: BadFile[] = [];

  /** `changed` is called when a hook has ended. */
  constructor(host: PulseHost, changed: () => void) {
    this.#host = host;
    this.#changed = changed;
    this.#startedAt = host.now();
  }

  /** Resolves when no hook is being ended any more. */
  get ended(): Promise<unknown> {
    return this.#ending;
  }

  /** Milliseconds until a look is due. */
  msToNext(nowMs: number): number {
    return Math.max(50, this.#nextAt - nowMs);
  }

  /** Opens notices that are due and tends open ones; a failure is reported and tried again. */
  async look(view: NoticeView): Promise<void> {
    const { now } = this.#host;
    try {
      this.#nextAt = await this.#lookAt(view);
    } catch (error) {
      say(this.#host, "error", "notice.failed", (error as Error).message);
      this.#nextAt = now() + AGAIN_MS;
    }
  }

  async #lookAt(view: NoticeView): Promise<number> {
    const { profile, now, identity } = this.#host;
    const { config } = view;
    const steps = config.escalate.filter(({ run }) => commandOf(run ?? config.notification) !== undefined);
    this.bad = [];
    if (steps.length === 0 && commandOf(config.notification) === undefined) return Infinity;
    const { notices, bad } = readNotices(profile);
    this.bad = bad;
    const { pending: asks, answered } = readMailbox(profile);
    const plan = planEscalation(asks, steps, notices, now());
    const away = await this.#lookForAbsence(view, notices, { asks, answered });
    const fresh = [...plan.due, ...away.due].map((due) => ({ ...due, boot: identity.boot }))
      .filter((notice) => this.#open(notice));
    const all = [...notices, ...fresh];
    const called = lastCall(profile)?.at ?? 0;
    const times = [plan.nextAt, away.nextAt];
    for (const notice of all.filter((one) => isCurrent(one, { asks, notices: all, lastCall: called }))) {
      times.push(await this.#tend(notice, config));
    }
    return Math.min(...times);
  }

  #open(notice: Notice): boolean {
    const { profile, now } = this.#host;
    if (!openNotice(profile, notice)) return false;
    say(this.#host, "info", "notice", `notifying: ${notice.message}`, { id: notice.id, age: notice.age });
    appendEvent(profile, "notice", { id: notice.id, age_s: notice.age }, new Date(now()));
    return true;
  }

  // --- absence ------------------------------------------------------------------------------------------------

  /** The notice that no agent has called for long although something new waits; given once per absence. */
  async #lookForAbsence(
    view: NoticeView,
    notices: readonly Notice[],
    mailbox: { asks: readonly Ask[]; answered: readonly string[] },
  ): Promise<{ due: Omit<Notice, "boot">[]; nextAt: number }> {
    const { profile, now } = this.#host;
    const { away_after, notification } = view.config;
    if (away_after === 0 || commandOf(notification) === undefined) return { due: [], nextAt: Infinity };
    const last = lastCall(profile);
    const ts = last?.at ?? 0;
    if (notices.some((notice) => notice.id === AWAY && notice.ts === ts)) {
      return { due: [], nextAt: Infinity };
    }
    const since = Math.max(last?.at ?? (lastWordAt(profile) || this.#startedAt), this.#seenAt);
    const awayAt = since + away_after * 1000;
    if (now() < awayAt) return { due: [], nextAt: awayAt };
    if (last !== undefined && await isBlocked(profile, last.observer)) {
      this.#seenAt = now();
      return { due: [], nextAt: now() + Math.min(PRESENT_MS, away_after * 1000) };
    }
    const reasons = this.#newTo(last?.observer, view, mailbox);
    if (reasons.length === 0) return { due: [], nextAt: Infinity };
    const more = reasons.length > REASONS_SHOWN ? ` and ${reasons.length - REASONS_SHOWN} more` : "";
    const what = reasons.slice(0, REASONS_SHOWN).join(", ") + more;
    const message = `no agent has called for ${age((now() - since) / 1000)}; new: ${what}`;
    return {
      due: [{ v: 1, id: AWAY, ts, age: 0, message, about: "", tries: 1, lost: false }],
      nextAt: Infinity,
    };
  }

  /** The reasons why a wait of this reader would return now. */
  #newTo(
    observer: string | undefined,
    { world, sessions }: NoticeView,
    mailbox: { asks: readonly Ask[]; answered: readonly string[] },
  ): string[] {
    const { profile, now } = this.#host;
    const sight: Sight = {
      ...mailbox,
      world,
      workers: sessions.map(({ view, gen }) => ({ ...view, gen })),
      pulse: { wanted: true, alive: true, stalled: false },
      bad: world.bad_files,
      configFile: profile.config,
      moves: readOwnMoves(profile),
      nowMs: now(),
    };
    const cursor = observer === undefined ? undefined : readCursorFile(cursorPath(profile, observer))?.cursor;
    const reader = { observer: observer ?? "" };
    return reasonsOf(
      (cursor === undefined ? wholeWorld(sight, reader) : newsOf(cursor, sight, reader)).filter(isWaking),
    );
  }

  // --- tries --------------------------------------------------------------------------------------------------

  /** Starts, awaits or repeats the try of a notice; returns when to look again, unix ms. */
  async #tend(notice: Notice, config: Config): Promise<number> {
    const { profile, now, identity } = this.#host;
    const attempt = notice.lost ? undefined : readAttempt(profile, notice);
    if (notice.lost || attempt?.code === 0) return Infinity;
    if (attempt?.code !== undefined) {
      const at = retryAt(notice, attempt.at);
      // A clock that was set back must not put it off for ever.
      if (now() < at && now() >= attempt.at) return at;
      const next = { ...notice, tries: notice.tries + 1, boot: identity.boot };
      return this.#start(updateNotice(profile, next), config);
    }
    if (attempt !== undefined) return await this.#await(notice, attempt);
    return notice.boot === identity.boot ? this.#start(notice, config) : this.#giveUp(notice, "the machine");
  }

  /** Starts a try; if it was started already, only one can take its name. */
  #start(notice: Notice, config: Config): number {
    const { profile, identity, bin, env, now } = this.#host;
    const mark = `${noticeKey(notice)}.${notice.tries}`;
    const startedAt = this.#started.get(mark) ?? -Infinity;
    if (Math.abs(now() - startedAt) < AGAIN_MS) return startedAt + AGAIN_MS;
    const step = config.escalate.find(({ after }) => after === notice.age);
    const hook = commandOf(step?.run ?? config.notification);
    if (hook === undefined) return Infinity;
    const { boot, machine = "-", space = "-" } = identity;
    const more = { ...hookEnv(notice.message, notice.about), [NOTICE_MARK]: mark };
    const place = `${boot} ${machine} ${space}`;
    const child = spawnChild({
      argv: ["/bin/sh", "-c", TRY, "looop-notice", tryPath(profile, notice), fillHook(hook), place, PLATFORM],
      cwd: profile.dir,
      env: childEnv(env, ownVariables(profile, bin), more),
      output: "null",
    });
    child.unref();
    child.status.then(this.#changed, this.#changed);
    this.#started.set(mark, now());
    return now() + LOOK_MS;
  }

  /** Tends a try that has begun and not ended, of this pulse or of an earlier one. */
  async #await(notice: Notice, { identity, at }: Attempt): Promise<number> {
    const { profile, now } = this.#host;
    const standing = identity === undefined
      ? undefined
      : (await standingsOf([identity], LOOK_MS * 5)).get(identity);
    if (standing?.life === "dead") {
      // It may have ended between the two looks.
      return readAttempt(profile, notice)?.code === undefined ? this.#giveUp(notice, "it") : now();
    }
    if (now() - at <= HOOK_MS) return now() + LOOK_MS;
    const marks = [`${NOTICE_MARK}=${noticeKey(notice)}.${notice.tries}`];
    const roots = identity === undefined ? [] : [identity];
    const given = this.#giveUp(notice, "it took over a minute and");
    if (standing?.life === "alive") {
      this.#ending = killTree({ roots, marks, graceMs: STOP_GRACE_MS }).catch(() => {});
    }
    return given;
  }

  /** It is unknown whether it was sent: it is never sent again, and `status` shows it. */
  #giveUp(notice: Notice, who: string): number {
    updateNotice(this.#host.profile, { ...notice, lost: true });
    const what = `the notification about ${notice.id} may not have been sent: ${who} was ended`;
    say(this.#host, "warn", "notice.lost", what, { id: notice.id });
    return Infinity;
  }
}

/** A shell line, if it is not empty; undefined otherwise. */
function commandOf(line: string | undefined): string | undefined {
  return line?.trim() ? line : undefined;
}
