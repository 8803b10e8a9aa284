/** `looop _ wait`: block until there is something new to this observer, then show it. */
import { parseExact } from "../lib/text/json.ts";
import { EXIT, UsageError } from "../lib/errors.ts";
import { fitState } from "../lib/world/fit.ts";
import { checkId } from "../lib/ids.ts";
import {
  alertsShown,
  type Changes,
  checkCursor,
  compare,
  type Cursor,
  cursorOf,
  cursorSince,
  type Difference,
  isBehind,
} from "../lib/world/observer.ts";
import { openProfile } from "../lib/records/profile.ts";
import { fitFiles, glance, look, type Snapshot, stateOf } from "../lib/world/state.ts";
import { makeDir, readJson, replaceFile } from "../lib/store.ts";
import { Watch } from "../lib/file_watch.ts";
import { summaryOf } from "../lib/cli/summary.ts";
import { pollMs, watchesOff } from "../lib/records/env.ts";
import { type Context, defineVerb, type Input } from "../lib/cli/verb.ts";

/**
 * While it blocks, everything is looked at again this often, and a verified process is verified again. Every
 * poll period in between a glance tells whether a watch has missed something, for a tenth of the work.
 */
const WHOLE_LOOK_MS = 30_000;

/** The output limit, bytes: agents' shell tools cut longer output. */
const DEFAULT_MAX_BYTES = 8_000;

export default defineVerb({
  declare: {
    path: "_ wait",
    summary: "block until there is something new to you, then show what and the state",
    audience: "root",
    options: [
      { name: "json", summary: "as JSON" },
      { name: "timeout", value: "S", summary: 'come back after S seconds with "timed_out": true, exit 0' },
      { name: "since", value: "CURSOR", summary: "compare with this cursor of an earlier state or wait" },
      { name: "as", value: "OBSERVER", summary: "whose cursor; root unless given" },
      { name: "fresh", summary: "return at once with the whole world" },
      { name: "only-asks", summary: "wake for questions alone" },
      { name: "max-bytes", value: "N", summary: "elide what does not fit; 8000 unless given" },
      { name: "full", summary: "elide nothing" },
    ],
    example: "looop _ wait --json --timeout 100",
    details:
      "The first call returns at once with the whole world. What changed between two calls is given by the\n" +
      "second. A question is given once, and again after ask_redeliver seconds while it is unanswered.",
  },
  async run(context, input) {
    const observer = checkId("observer", input.text("as") ?? "root");
    const timeoutS = input.seconds("timeout");
    const since = input.text("since");
    const maxBytes = input.flag("full") ? 0 : input.count("max-bytes") ?? DEFAULT_MAX_BYTES;
    const { profile } = context;
    openProfile(profile);
    const cursorFile = `${profile.cursors}/${observer}.json`;
    const remembered = readCursor(cursorFile);
    const deadline = timeoutS === undefined ? Infinity : performance.now() + timeoutS * 1000;
    const parent = Deno.ppid;
    const watch = new Watch({
      dirs: [profile.dir, profile.asks],
      pollMs: pollMs(context.env["LOOOP_WAIT_POLL_MS"]),
      ignore: [".poke"],
      off: watchesOff(context.env),
    });
    let gaveUp = false;
    for (let cursor = input.flag("fresh") ? undefined : remembered, first = true;; first = false) {
      const seen = glance(profile, context.now());
      let sight = await look(profile, context.now(), WHOLE_LOOK_MS);
      if (first && since !== undefined) cursor = startingCursor(since, remembered, sight);
      if (sight.pulse.wanted && !sight.pulse.alive) {
        const { isRevivalDue, revivePulse } = await import("../lib/pulse/control.ts");
        if (!gaveUp || isRevivalDue(context)) {
          gaveUp = !await revivePulse(context);
          sight = await look(profile, context.now());
        }
      }
      const found = cursor === undefined ? firstSight(input, sight) : differenceOf(cursor, sight, input);
      if (found.reasons.length > 0) {
        show(context, sight, found, maxBytes, false);
        saveCursor(cursorFile, nextCursor(cursor, sight, found, input));
        return;
      }
      if (cursor !== undefined && !input.flag("only-asks") && isBehind(cursor, sight)) {
        cursor = cursorOf(sight, [], cursor);
        saveCursor(cursorFile, cursor);
      }
      if (performance.now() >= deadline) {
        show(context, sight, { reasons: [], changes: {} }, maxBytes, true);
        return;
      }
      if (Deno.ppid !== parent) return { code: EXIT.failed };
      await mayHaveChanged(context, watch, sight.pulse.alive ? seen : undefined, deadline);
    }
  },
});

/** Sleeps until another look may see more, at most until the deadline or a whole look is due. */
async function mayHaveChanged(
  { profile, now }: Context,
  watch: Watch,
  seen: string | undefined,
  deadline: number,
): Promise<void> {
  const parent = Deno.ppid;
  const until = Math.min(deadline, performance.now() + WHOLE_LOOK_MS);
  do {
    if (await watch.next(until - performance.now())) return;
  } while (
    watch.armed && seen !== undefined && seen === glance(profile, now()) && performance.now() < until &&
    Deno.ppid === parent
  );
}

function readCursor(path: string): Cursor | undefined {
  const read = readJson(path, checkCursor, parseExact);
  return read !== undefined && "value" in read ? read.value : undefined;
}

/** Prints first and saves after, so that a reader that is killed in between gets the same again. */
function saveCursor(path: string, cursor: Cursor): void {
  makeDir(path.slice(0, path.lastIndexOf("/")));
  replaceFile(path, `${JSON.stringify(cursor)}\n`, { durable: false });
}

/** With --only-asks the rest of the world stays undelivered, for a later call without it. */
function nextCursor(cursor: Cursor | undefined, sight: Snapshot, found: Difference, input: Input): Cursor {
  const next = cursorOf(sight, found.changes.asks ?? [], cursor);
  if (!input.flag("only-asks") || cursor === undefined) return next;
  return { ...cursor, asks: { ...cursor.asks, ...next.asks } };
}

function startingCursor(since: string, remembered: Cursor | undefined, sight: Snapshot): Cursor {
  const cursor = cursorSince(since, remembered, sight);
  if (cursor === undefined) {
    throw new UsageError(`--since is "${since}"`, {
      next: 'give the "cursor" that `_ state` or `_ wait` printed',
    });
  }
  return cursor;
}

function firstSight(input: Input, sight: Snapshot): Difference {
  const { alerts } = sight.world;
  // The cursor counts all of it as told, so all of it is told.
  const changes: Changes = {
    ...(sight.asks.length > 0 ? { asks: sight.asks.map((ask) => ask.id) } : {}),
    ...(alerts.length > 0 ? { alerts: alertsShown(alerts) } : {}),
  };
  return { reasons: [input.flag("fresh") ? "fresh" : "first"], changes };
}

function differenceOf(cursor: Cursor, sight: Snapshot, input: Input): Difference {
  const found = compare(cursor, sight, sight.world.settings.ask_redeliver_s * 1000);
  if (!input.flag("only-asks")) return found;
  return { ...found, reasons: found.reasons.filter((reason) => reason.startsWith("ask:")) };
}

function show(
  context: Context,
  sight: Snapshot,
  found: Difference,
  maxBytes: number,
  timedOut: boolean,
): void {
  if (!context.json) {
    const head = timedOut ? "nothing new\n" : "";
    context.out(`${head}${summaryOf(sight, found.reasons, found.changes)}\n`);
    return;
  }
  const state = stateOf(sight);
  const whole = {
    reason: found.reasons,
    ...(timedOut ? { timed_out: true } : {}),
    changes: found.changes,
    ...state,
  };
  const changed = new Set(Object.keys(found.changes.signals ?? {}));
  context.out(`${fitState(whole, maxBytes, changed, fitFiles(context.profile))}\n`);
}
