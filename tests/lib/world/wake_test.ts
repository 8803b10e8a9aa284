import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Ask } from "../../../lib/records/mailbox.ts";
import { cursorAfter, newsOf, wholeWorld } from "../../../lib/world/news.ts";
import { cursorOf, emptyCursor, type Sight, type WorkerRun } from "../../../lib/world/observer.ts";
import { isWaking, MAX_BYTES, timeoutText, type Wake, wakeOf } from "../../../lib/world/wake.ts";
import { emptyWorld, nextReading, type WorldReading } from "../../../lib/world/world.ts";
import { anyCharacter, RUNS } from "../../properties.ts";

const READER = { observer: "root/pi-1" };
const FILES = {
  asks: "/home/someone/.local/state/looop/asks",
  snapshots: "/home/someone/.local/state/looop/snapshots",
};
const JOURNAL = Array.from(
  { length: 5 },
  (_, n) => `- 2026-01-0${n + 1} 12:00 ${"a long line of the journal ".repeat(9)}[root]`,
);

interface Size {
  asks: number;
  prompt: string;
  workers: number;
  ended: number;
  signals: number;
  signal: string;
  goals: number;
  bad: number;
}

const NOTHING: Size = {
  asks: 0,
  prompt: "?",
  workers: 0,
  ended: 0,
  signals: 0,
  signal: "",
  goals: 0,
  bad: 0,
};

async function sightOf(size: Size): Promise<Sight> {
  const ids = (count: number, name: string) => Array.from({ length: count }, (_, n) => `${name}-${n}`);
  const readings: Record<string, WorldReading> = {};
  for (const name of ids(size.signals, "sensor-s")) {
    readings[name] = await nextReading(undefined, { signal: `${name} ${size.signal}` }, 1);
  }
  const worker = (id: string, alive: boolean): WorkerRun => ({
    id,
    gen: "g",
    state: alive ? "running" : "exited",
    alive,
    exit_code: alive ? null : 1,
    ready: true,
    runner: "shell",
    started: "2026-01-01T00:00:00Z",
    ...(alive ? {} : { ended: "2026-01-01T01:00:00Z", ended_by: "self" as const }),
    idle_s: 12,
  });
  const ended = ids(size.ended, "ended");
  return {
    world: {
      ...emptyWorld(),
      world_hash: "0123456789abcdef0123456789abcdef",
      readings,
      goals: Object.fromEntries(ids(size.goals, "goal").map((id) => [id, "hash"])),
      ended: Object.fromEntries(
        ended.map((
          id,
        ) => [id, { gen: "g", state: "exited", cost: 0.12, last_lines: [size.prompt.slice(0, 160), "end"] }]),
      ),
    },
    asks: ids(size.asks, "worker").map((id): Ask => ({
      v: 1,
      id: `${id}-1`,
      worker: id,
      prompt: size.prompt,
      options: ["yes", "no"],
      ts: 1,
      gen: "",
    })),
    answered: [],
    workers: [
      ...ids(size.workers, "live").map((id) => worker(id, true)),
      ...ended.map((id) => worker(id, false)),
    ],
    pulse: { wanted: true, alive: true, stalled: false },
    bad: ids(size.bad, "/d/asks/broken").map((path) => ({ path, reason: size.prompt.slice(0, 300) })),
    configFile: "/d/config.json",
    moves: {},
    nowMs: 1_000_000,
  };
}

/** The return for a reader who knows `before`, or without `before` the whole world. */
function wake(before: Sight | undefined, after: Sight): Wake & { value: Record<string, unknown> } {
  const cursor = before === undefined ? emptyCursor() : cursorOf(before, []);
  const news = before === undefined ? wholeWorld(after, READER) : newsOf(cursor, after, READER);
  const found = wakeOf({
    sight: after,
    reason: before === undefined ? "first" : undefined,
    news,
    journal: JOURNAL,
    files: FILES,
    token: cursorAfter(cursor, after, news, []).token,
  });
  return { ...found, value: JSON.parse(found.text) };
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

const KEYS = ["reason", "changes", "asks", "workers", "counts", "failing", "goals", "journal_tail", "cursor"];
const anyText = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: anyCharacter, maxLength: 4000 }));
const anySize: fc.Arbitrary<Size> = fc.record({
  asks: fc.nat(150),
  prompt: anyText,
  workers: fc.nat(60),
  ended: fc.nat(40),
  signals: fc.nat(20),
  signal: anyText,
  goals: fc.nat(60),
  bad: fc.nat(10),
});

Deno.test("given any world, when a reader is given it at once or in part, then no return is too long, and each is JSON with its keys in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.option(anySize), anySize, async (before, after) => {
      const known = before === null ? undefined : await sightOf(before);
      const { text, value } = wake(known, await sightOf(after));
      ok(bytes(text) < MAX_BYTES, `${bytes(text)} bytes`);
      deepStrictEqual(Object.keys(value), KEYS);
      deepStrictEqual(text.split("\n").map((line) => /^\{?"(\w+)":/.exec(line)?.[1]), KEYS);
      strictEqual((value["journal_tail"] as string[]).length, 5, "the journal stays when other things go");
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given any world, when it is given in as many returns as it takes, then every piece of news is named in one, and the returns end", async () => {
  await fc.assert(
    fc.asyncProperty(anySize, async (size) => {
      const [one, two] = [await sightOf(NOTHING), await sightOf(size)];
      let cursor = cursorOf(one, []);
      const expected = newsOf(cursor, two, READER).map(({ reason }) => reason).sort();
      const named: string[] = [];
      for (let news = newsOf(cursor, two, READER); news.some(isWaking); news = newsOf(cursor, two, READER)) {
        const parts = { sight: two, reason: undefined, news, journal: JOURNAL, files: FILES, token: "" };
        const { text, kept } = wakeOf(parts);
        const { reason } = JSON.parse(text);
        ok(reason.length > 0, "a return without news");
        named.push(...reason);
        cursor = cursorAfter(cursor, two, news, kept);
      }
      deepStrictEqual(named.sort(), expected);
    }),
    { numRuns: RUNS / 4 },
  );
});

Deno.test("given a large world, when one thing changes in it, then there is less than 1 KB beside the change", async () => {
  const large = { ...NOTHING, asks: 30, workers: 50, signals: 40, goals: 50 };
  const before = await sightOf(large);
  for (
    const [after, part] of [
      [{ ...large, asks: 31 }, "asks"],
      [{ ...large, ended: 1 }, "workers"],
      [{ ...large, goals: 51 }, "goals"],
      [{ ...large, signals: 41 }, "signals"],
      [{ ...large, bad: 1 }, "bad_files"],
    ] as const
  ) {
    const { text, value } = wake(before, await sightOf(after));
    const asked = (value["asks"] as { prompt?: string }[]).find(({ prompt }) => prompt !== undefined);
    const change = {
      reason: value["reason"],
      changes: value["changes"],
      ...(asked === undefined ? {} : { asked }),
    };
    const beside = bytes(text) - bytes(JSON.stringify(change));
    ok(beside < 1_024, `${part}: ${beside} bytes beside`);
    ok(part in (value["changes"] as object));
  }
});

Deno.test("given known questions that find no room, when a return is composed, then the oldest are named and the rest is counted, with its folder", async () => {
  const before = await sightOf({ ...NOTHING, asks: 100 });
  const { value } = wake(before, await sightOf({ ...NOTHING, asks: 100, goals: 1 }));
  const asks = value["asks"] as Record<string, unknown>[];
  deepStrictEqual(Object.keys(asks[0]!), ["id", "worker", "age_s"]);
  strictEqual(asks[0]!["id"], "worker-0-1");
  deepStrictEqual(asks.at(-1), { elided: 100 - (asks.length - 1), file: FILES.asks });
});

Deno.test("given many questions answered by others, when something else wakes, then ten are named and the rest is counted", async () => {
  const before = await sightOf({ ...NOTHING, asks: 101 });
  const { text, value } = wake(before, await sightOf({ ...NOTHING, goals: 1 }));
  const { answered } = value["changes"] as { answered: unknown[] };
  deepStrictEqual([answered.length, answered[0], answered[10]], [11, "worker-0-1", { elided: 91 }]);
  deepStrictEqual(value["reason"], ["goal:goal-0"]);
  ok(bytes(JSON.stringify(value["changes"])) < 300, text);
});

Deno.test("given a question beyond 2 KB, when it is new, then it is cut and its file is named", async () => {
  const { value } = wake(
    await sightOf(NOTHING),
    await sightOf({ ...NOTHING, asks: 1, prompt: "é".repeat(20_000) }),
  );
  const [ask] = value["asks"] as { prompt: string; file: string }[];
  ok(bytes(ask!.prompt) <= 2_048 && ask!.prompt.endsWith("…"));
  strictEqual(ask!.file, `${FILES.asks}/worker-0-1.json`);
});

Deno.test("given a new and a known question, when a return is composed, then the new one is whole and the known one brief", async () => {
  const before = await sightOf({ ...NOTHING, asks: 1 });
  const { value } = wake(before, await sightOf({ ...NOTHING, asks: 2 }));
  const [known, fresh] = value["asks"] as Record<string, unknown>[];
  deepStrictEqual(known, { id: "worker-0-1", worker: "worker-0", age_s: 999 });
  deepStrictEqual(fresh, {
    id: "worker-1-1",
    worker: "worker-1",
    prompt: "?",
    options: ["yes", "no"],
    age_s: 999,
    worker_alive: null,
  });
});

Deno.test("given a signal that is too long, when it is new, then its size and its file stand in its place", async () => {
  const { value } = wake(
    await sightOf(NOTHING),
    await sightOf({ ...NOTHING, signals: 1, signal: "x".repeat(9_000) }),
  );
  const { signals } = value["changes"] as { signals: Record<string, { elided: number; file: string }> };
  ok(signals["sensor-s-0"]!.elided > 9_000);
  strictEqual(signals["sensor-s-0"]!.file, `${FILES.snapshots}/sensor-s-0.json`);
});

Deno.test("given any number of questions, when a call times out, then it names three at most in under 200 bytes", () => {
  deepStrictEqual(JSON.parse(timeoutText([])), { timed_out: true, pending: [], more: 0 });
  const asks = (count: number, id: string) =>
    Array.from({ length: count }, (_, n) => ({ id: `${id}-${n + 1}` }));
  deepStrictEqual(JSON.parse(timeoutText(asks(5, "w"))), {
    timed_out: true,
    pending: ["w-1", "w-2", "w-3"],
    more: 2,
  });
  ok(bytes(timeoutText(asks(1_000_000, "w".repeat(64)))) < 200);
});
