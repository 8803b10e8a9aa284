/** Detects workers whose agent's account or model is used up for now, from their screens and records. */
import type { Limit } from "../agents/limits.ts";
import { readAgent } from "../agents/agent_session.ts";
import { recordFiles } from "../agents/record_files.ts";
import { lastPlainLines, type ScreenHost, screenOf } from "./screen.ts";
import { readOutputTail } from "../sessions/output_log.ts";
import type { Session } from "../sessions/session.ts";
import { quietStat } from "../store.ts";
import type { Watched } from "../world/world.ts";

/** The memory of a limit. */
export type Limited = NonNullable<Watched["limited"]>;

/** Least time between two looks at one worker, ms, since a look may require a drawing. */
const LOOK_EVERY_MS = 2_000;
/** Length of a recording's end that is searched for a hint, bytes; number of screen lines that are read. */
const TAIL_BYTES = 16 * 1024;
const SCREEN_LINES = 20;
/** Words without which no CLI says that it is limited; a screen is drawn only where one of them was printed. */
const HINT = /limit|quota|exhausted|retrying|\b429\b/i;
// deno-lint-ignore no-control-regex -- what a program that draws puts in place of blanks
const CURSOR_MOVES = /\x1b\[\d*(;\d+)*[CGHf]/g;
/** Time after a limit was seen from which a change of the record shows that the agent has continued, ms. */
const GONE_ON_MS = 2_000;

/** Interval at which a missing record is looked for, ms: some folders hold thousands. */
const FIND_EVERY_MS = 10_000;

/** A limit as seen now. */
interface Seen extends Limit {
  by: Limited["by"];
  /** Its lines were printed one after the other, so a further one is news. */
  isPlain: boolean;
}

/** One look at one worker. */
interface Look {
  stamp: string;
  at: number;
  seen: Seen | undefined;
}

/** Looks for limits, at each worker when it has printed or recorded something since. */
export class LimitWatch {
  readonly #host: ScreenHost;
  /** Generation → the last look, and the agent's records as last found. */
  readonly #looks = new Map<string, Look>();
  readonly #records = new Map<string, { at: number; files: string[] }>();

  constructor(host: ScreenHost) {
    this.#host = host;
  }

  /** Whether a worker was looked at before. */
  knows(gen: string): boolean {
    return this.#looks.has(gen);
  }

  /** Forgets workers that are no longer alive. */
  keep(gens: ReadonlySet<string>): void {
    for (const known of [this.#looks, this.#records]) {
      for (const gen of known.keys()) if (!gens.has(gen)) known.delete(gen);
    }
  }

  /**
   * The memory of a worker's limit, undefined when it shows none; `nextAt`: when to look again, unix ms.
   *
   * @param known the previous memory of it.
   */
  async look(
    session: Session,
    known: Limited | undefined,
    nowMs: number,
  ): Promise<{ limited: Limited | undefined; nextAt: number }> {
    const before = this.#looks.get(session.gen);
    const records = this.#recordStamp(session, nowMs);
    const stamp = `${quietStat(`${session.dir}/output.log`)?.mtime?.getTime() ?? 0}/${records}`;
    let seen = before?.seen;
    if (before?.stamp !== stamp) {
      const dueAt = before === undefined || before.at > nowMs ? nowMs : before.at + LOOK_EVERY_MS;
      if (dueAt > nowMs) return { limited: known, nextAt: dueAt };
      seen = await this.#see(session, known, nowMs);
      this.#looks.set(session.gen, { stamp, at: nowMs, seen });
    }
    const limited = seen === undefined ? undefined : remembered(seen, known, records, nowMs);
    return { limited, nextAt: limited?.over === true ? Infinity : limited?.until ?? Infinity };
  }

  /** When the agent last wrote to its own record, unix ms; the record is searched for now and then. */
  #recordStamp({ gen, dir }: Session, nowMs: number): number {
    let known = this.#records.get(gen);
    if (known === undefined || known.files.length === 0 && Math.abs(nowMs - known.at) > FIND_EVERY_MS) {
      // opencode's record is one file for all its sessions: it says nothing about this one.
      const own = readAgent(dir)?.sessions.filter(({ cli, id }) => cli !== "opencode" && id !== "") ?? [];
      known = { at: nowMs, files: own.flatMap(recordFiles) };
      this.#records.set(gen, known);
    }
    return Math.max(0, ...known.files.map((file) => quietStat(file)?.mtime?.getTime() ?? 0));
  }

  async #see(session: Session, known: Limited | undefined, nowMs: number): Promise<Seen | undefined> {
    const agent = readAgent(session.dir);
    const preset = agent?.preset ?? "";
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const { limitOf } = await import("../agents/limits.ts");
    const { lastSaid } = await import("../agents/story_source.ts");
    const said = lastSaid(agent?.sessions ?? []);
    const recorded = said === undefined ? undefined : limitOf(preset, said.split("\n"), nowMs, zone);
    if (recorded !== undefined) return { ...recorded, by: "record", isPlain: true };
    // For a while a screen shows a limit that the record has already passed.
    if (known?.by === "record") return undefined;
    const tail = new TextDecoder().decode(readOutputTail(session.dir, TAIL_BYTES));
    if (!HINT.test(tail.replace(CURSOR_MOVES, " "))) return undefined;
    const plain = lastPlainLines(session, SCREEN_LINES);
    const lines = plain ?? await screenOf(this.#host, session.view.id, SCREEN_LINES).catch(() => []);
    const limit = limitOf(preset, lines, nowMs, zone);
    return limit === undefined ? undefined : { ...limit, by: "screen", isPlain: plain !== undefined };
  }
}

/**
 * The memory of a limit that is seen: the same sentence keeps its time, which may count from when it was first
 * printed, and stays over once it was. Pure.
 */
function remembered(seen: Seen, known: Limited | undefined, recordedMs: number, nowMs: number): Limited {
  const { line, after, by } = seen;
  const until = known?.line === line ? known.until : seen.until;
  const isOver = (since: number) =>
    (until !== undefined && nowMs >= until) ||
    (by === "screen" && recordedMs > since + GONE_ON_MS);
  if (known !== undefined && known.line === line) {
    const goneOn = seen.isPlain && after > known.after;
    return known.over === true || goneOn || isOver(known.since) ? { ...known, over: true } : known;
  }
  // A countdown continues: only its numbers differ.
  const goesOn = known !== undefined && known.over !== true && sameWords(known.line, line);
  const since = goesOn ? known.since : nowMs;
  const limited = { since, line, after, by, ...(until === undefined ? {} : { until }) };
  return isOver(since) ? { ...limited, over: true } : limited;
}

function sameWords(a: string, b: string): boolean {
  return a.replace(/\d+/g, "0") === b.replace(/\d+/g, "0");
}
