import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Ask } from "../../../lib/records/mailbox.ts";
import { cursorAfter, type News, newsOf, wholeWorld } from "../../../lib/world/news.ts";
import {
  askKey,
  checkCursor,
  type Cursor,
  cursorOf,
  cursorSince,
  emptyCursor,
  type Sight,
  tokenOf,
  type WorkerRun,
} from "../../../lib/world/observer.ts";
import type { OwnMoves } from "../../../lib/records/own_moves.ts";
import type { WorkerView } from "../../../lib/sessions/session.ts";
import { isWaking, reasonsOf, wholeChanges } from "../../../lib/world/wake.ts";
import {
  emptyWorld,
  nextReading,
  withOwnState,
  type World,
  type WorldReading,
} from "../../../lib/world/world.ts";
import { anyId, anyJson, RUNS } from "../../properties.ts";

const REDELIVER_MS = 600_000;
const READER = { observer: "root/pi-1" };

/** Reasons and changes of a sight's news. */
function compare(
  cursor: Cursor,
  sight: Sight,
  reader = READER,
): { reasons: string[]; changes: Record<string, unknown> } {
  const news = newsOf(cursor, sight, reader);
  return { reasons: reasonsOf(news), changes: wholeChanges(news) };
}

/** The parts of a world, from few names and values, so that two worlds often share some. */
interface Parts {
  playbook: string;
  goals: Record<string, string>;
  signals: Record<string, unknown>;
  workers: { id: string; state: WorkerView["state"]; code: number | null }[];
  asks: string[];
  alerts: string[];
  alive: boolean;
  flapping?: string[];
  bad?: string[];
  moves?: OwnMoves;
}

const fewNames = fc.constantFrom("a", "b", "c");
const anyParts: fc.Arbitrary<Parts> = fc.record({
  playbook: fc.constantFrom("one", "two"),
  goals: fc.dictionary(fewNames, fc.constantFrom("x", "y")),
  signals: fc.dictionary(fewNames, fc.oneof(fc.constantFrom(0, 1), anyJson)),
  workers: fc.uniqueArray(
    fc.record({
      id: fewNames,
      state: fc.constantFrom("starting" as const, "running" as const, "exited" as const),
      code: fc.constantFrom(null, 0, 1),
    }),
    { selector: (worker) => worker.id },
  ),
  asks: fc.uniqueArray(fc.constantFrom("w-1", "w-2", "w-1-1", "v-1")),
  alerts: fc.uniqueArray(fewNames),
  alive: fc.boolean(),
}, { noNullPrototype: true });

async function sightOf(parts: Parts, nowMs = 1_000_000): Promise<Sight> {
  const readings: Record<string, WorldReading> = {};
  for (const [name, value] of Object.entries(parts.signals)) {
    readings[`sensor-${name}`] = await nextReading(undefined, { signal: value }, 1);
  }
  const workers: WorkerRun[] = parts.workers.map(({ id, state, code }) => ({
    id,
    gen: `${state === "exited" ? `run ${code}` : "run"}`,
    state,
    alive: state !== "exited",
    exit_code: code,
    ready: true,
    runner: "shell",
    started: "2026-01-01T00:00:00Z",
    idle_s: 0,
  }));
  const own = {
    playbook: parts.playbook,
    goals: parts.goals,
    sessions: workers.map((view) => ({ view, gen: "g", dir: "/", startedAt: 0, ending: false })),
    claims: [],
    activity: {},
    nowMs,
  };
  const world: World = await withOwnState({
    ...emptyWorld(),
    readings,
    alerts: parts.alerts.map((id) => ({ kind: "silent", id, key: `silent/${id}` })),
    ended: Object.fromEntries(
      workers.filter(({ alive }) => !alive).map(({ id, gen, state }) => [id, { gen, state, cost: null }]),
    ),
  }, own);
  const asks = parts.asks.map((id): Ask => ({ v: 1, id, worker: "w", prompt: "?", ts: 1, gen: "" }));
  return {
    world: { ...world, flapping: parts.flapping ?? [] },
    asks,
    answered: [],
    workers,
    pulse: { wanted: true, alive: parts.alive, stalled: false },
    bad: (parts.bad ?? []).map((path) => ({ path, reason: "no JSON" })),
    configFile: "/d/config.json",
    moves: parts.moves ?? {},
    nowMs,
  };
}

Deno.test("given any sight, when it is compared with its own cursor, then there is no reason and no change", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, async (parts) => {
      const sight = await sightOf(parts);
      const cursor = cursorOf(sight, parts.asks);
      deepStrictEqual(compare(cursor, sight), { reasons: [], changes: {} });
      deepStrictEqual(checkCursor(JSON.parse(JSON.stringify(cursor))), JSON.parse(JSON.stringify(cursor)));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given two sights, when one follows the other, then every difference that counts is named, and only such", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, anyParts, async (before, after) => {
      const [one, two] = [await sightOf(before), await sightOf(after)];
      const { reasons } = compare(cursorOf(one, before.asks), two);
      deepStrictEqual([...reasons].sort(), expectedReasons(before, after).sort());
    }),
    { numRuns: RUNS * 2 },
  );
});

/** The reasons that the contract requires, computed from the parts. */
function expectedReasons(before: Parts, after: Parts): string[] {
  const text = (value: unknown) => value === undefined ? "none" : JSON.stringify(sorted(value));
  const names = (record: object) => Object.keys(record);
  const moved = (a: Record<string, unknown>, b: Record<string, unknown>) =>
    [...new Set([...names(a), ...names(b)])].filter((name) => text(a[name]) !== text(b[name]));
  const run = ({ state, code }: Parts["workers"][number]) => state === "exited" ? `run ${code}` : "run";
  const workers = after.workers.filter((worker) => {
    const was = before.workers.find((other) => other.id === worker.id);
    return worker.state === "exited" &&
      (was === undefined || was.state !== "exited" || run(was) !== run(worker));
  });
  return [
    ...(before.playbook === after.playbook ? [] : ["policy"]),
    ...moved(before.goals, after.goals).map((id) => `goal:${id}`),
    ...moved(before.signals, after.signals).map((name) => `signal:sensor-${name}`),
    ...workers.map((worker) => `worker:${worker.id}`),
    ...after.asks.filter((id) => !before.asks.includes(id)).map((id) => `ask:${id}`),
    ...after.alerts.filter((id) => !before.alerts.includes(id)).map((id) => `silent:${id}`),
    ...(before.alive && !after.alive ? ["pulse_down"] : []),
  ];
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => [k, sorted(v)]),
  );
}

Deno.test("given an ask that was delivered, when time passes, then it comes again once redelivery is due and not before", async () => {
  const parts: Parts = {
    playbook: "p",
    goals: {},
    signals: {},
    workers: [],
    asks: ["w-1"],
    alerts: [],
    alive: true,
  };
  await fc.assert(
    fc.asyncProperty(fc.nat(3 * REDELIVER_MS), async (passed) => {
      const cursor = cursorOf(await sightOf(parts, 5_000_000), []);
      const { reasons } = compare(cursor, await sightOf(parts, 5_000_000 + passed));
      deepStrictEqual(reasons, passed >= REDELIVER_MS ? ["ask:w-1"] : []);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given an ask redelivered, when it is compared again at once, then it does not wake twice", async () => {
  const parts: Parts = {
    playbook: "p",
    goals: {},
    signals: {},
    workers: [],
    asks: ["w-1", "w-2"],
    alerts: [],
    alive: true,
  };
  const cursor = cursorOf(await sightOf(parts, 0), []);
  const later = await sightOf(parts, REDELIVER_MS + 1);
  const found = compare(cursor, later);
  deepStrictEqual(found.changes.asks, ["w-1", "w-2"]);
  deepStrictEqual(compare(cursorOf(later, later.asks.map(askKey), cursor), later).reasons, []);
});

Deno.test("given a number that is given out again, when sights are compared, then it is a new question, at once and once", async () => {
  const parts: Parts = {
    playbook: "p",
    goals: {},
    signals: {},
    workers: [],
    asks: ["w-1"],
    alerts: [],
    alive: true,
  };
  const before = await sightOf(parts, 5_000);
  const cursor = cursorOf(before, []);
  for (const other of [{ ts: 6 }, { prompt: "Another question?" }]) {
    const sight = { ...before, asks: before.asks.map((ask) => ({ ...ask, ...other })) };
    const { changes, reasons } = compare(cursor, sight);
    deepStrictEqual([reasons, changes.asks, changes.answered], [["ask:w-1"], ["w-1"], undefined]);
    deepStrictEqual(newsOf(cursor, sight, { observer: "" })[0]?.again, undefined);
    deepStrictEqual(compare(cursorOf(sight, [], cursor), sight).reasons, []);
    ok(compare(cursorSince(cursor.token, undefined, sight)!, sight).reasons.includes("ask:w-1"));
  }
});

Deno.test("given a cursor of an earlier version, when its question still waits, then that is given once more and never called answered", async () => {
  const parts: Parts = {
    playbook: "p",
    goals: {},
    signals: {},
    workers: [],
    asks: ["w-1"],
    alerts: [],
    alive: true,
  };
  const sight = await sightOf(parts, 5_000);
  const { changes, reasons } = compare({ ...cursorOf(sight, []), asks: { "w-1": 5_000 } }, sight);
  deepStrictEqual([reasons, changes.answered], [["ask:w-1"], undefined]);
});

Deno.test("given an ask that is no longer pending, when sights are compared, then it is named as answered and does not wake", async () => {
  const parts: Parts = {
    playbook: "p",
    goals: {},
    signals: {},
    workers: [],
    asks: ["w-1"],
    alerts: [],
    alive: true,
  };
  const cursor = cursorOf(await sightOf(parts), ["w-1"]);
  const found = compare(cursor, await sightOf({ ...parts, asks: [] }));
  deepStrictEqual(found, { reasons: [], changes: { answered: ["w-1"] } });
});

Deno.test("given a clock that was set back, when a delivered ask is compared, then it is not hidden for ever", async () => {
  const parts: Parts = {
    playbook: "p",
    goals: {},
    signals: {},
    workers: [],
    asks: ["w-1"],
    alerts: [],
    alive: true,
  };
  const cursor = cursorOf(await sightOf(parts, 10 * REDELIVER_MS), ["w-1"]);
  deepStrictEqual(compare(cursor, await sightOf(parts, 0)).reasons, ["ask:w-1"]);
});

Deno.test("given a signal that changes, when sights are compared, then the change says from what to what", async () => {
  const parts: Parts = {
    playbook: "p",
    goals: {},
    signals: { a: 1, b: 1 },
    workers: [],
    asks: [],
    alerts: [],
    alive: true,
  };
  const cursor = cursorOf(await sightOf(parts), []);
  const { changes } = compare(cursor, await sightOf({ ...parts, signals: { a: 2, c: 3 } }));
  deepStrictEqual(changes.signals, {
    "sensor-a": { from: 1, to: 2 },
    "sensor-b": { from: 1 },
    "sensor-c": { to: 3 },
  });
});

Deno.test("given any sight, when its token is taken for --since, then the sight itself is nothing new", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, async (parts) => {
      const sight = await sightOf(parts);
      const cursor = cursorSince(tokenOf(sight), undefined, sight);
      ok(cursor !== undefined);
      deepStrictEqual(compare(cursor, sight).reasons, []);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given the token of one sight, when another follows, then --since wakes just when the cursor would", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, anyParts, async (before, after) => {
      const [one, two] = [await sightOf(before), await sightOf(after)];
      const cursor = cursorSince(tokenOf(one), undefined, two);
      ok(cursor !== undefined);
      const byToken = compare(cursor, two).reasons.length > 0;
      const byCursor = compare(cursorOf(one, before.asks), two).reasons.length > 0;
      // A token has only the world's hash, so a world without some worker or goal wakes, too.
      if (byCursor) ok(byToken, "a change was lost");
      if (one.world.world_hash === two.world.world_hash) strictEqual(byToken, byCursor);
    }),
    { numRuns: RUNS * 2 },
  );
});

Deno.test("given the token of a sight, when only an alert has come since, then it wakes, and its own token no more", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, async (parts) => {
      const [one, two] = [
        await sightOf({ ...parts, alerts: ["a"] }),
        await sightOf({ ...parts, alerts: ["a", "b"] }),
      ];
      const [before, after] = [one, two].map((sight) => cursorSince(tokenOf(sight), undefined, two));
      ok(before !== undefined && after !== undefined);
      deepStrictEqual(compare(before, two).reasons, ["silent:b"]);
      deepStrictEqual(compare(after, two).reasons, []);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given text that is no token, when it is taken for --since, then it is refused", async () => {
  const sight = await sightOf({
    playbook: "",
    goals: {},
    signals: {},
    workers: [],
    asks: [],
    alerts: [],
    alive: true,
  });
  for (const bad of ["", "x", "abc.3.", "abc.1.12345", "ABC.1.", "abc.1", "../x.1.aaaaaa"]) {
    strictEqual(cursorSince(bad, undefined, sight), undefined, bad);
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      const cursor = cursorSince(text, undefined, sight);
      if (cursor !== undefined) ok(/^[0-9a-f]*\.[012sx]\.([0-9a-z]{6})*$/.test(text));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given two worlds, when their tokens are equal, then so are hash, pulse and asks", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, anyParts, async (a, b) => {
      const [one, two] = [await sightOf(a), await sightOf(b)];
      const key = (sight: Sight) =>
        JSON.stringify([sight.world.world_hash, sight.pulse.alive, sight.asks.map((ask) => ask.id).sort()]);
      if (key(one) === key(two)) strictEqual(tokenOf(one), tokenOf(two));
      else notStrictEqual(tokenOf(one), tokenOf(two));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given any JSON for a cursor, when it is checked, then it is refused in words or safe to compare with", async () => {
  const part = fc.oneof(anyJson, fc.constant({}), fc.constant(null));
  const shaped = fc.record({
    v: fc.constant(1),
    token: fc.oneof(fc.string(), part),
    world_hash: part,
    playbook: part,
    goals: fc.oneof(part, fc.dictionary(fewNames, part)),
    signals: fc.oneof(part, fc.dictionary(anyId, part), fc.record({ "sensor-a": part })),
    workers: fc.oneof(part, fc.dictionary(fewNames, part)),
    asks: fc.oneof(part, fc.record({ "w-1": part })),
    alerts: fc.oneof(part, fc.array(part)),
    pulse: part,
  });
  const sight = await sightOf({
    playbook: "one",
    goals: { a: "x" },
    signals: { a: 1 },
    workers: [{ id: "a", state: "exited", code: 0 }],
    asks: ["w-1"],
    alerts: ["a"],
    alive: true,
  });
  fc.assert(
    fc.property(fc.oneof(anyJson, shaped), (value) => {
      const checked = checkCursor(value);
      if (typeof checked === "string") return ok(checked.length > 0);
      const { reasons, changes } = compare(checked, sight);
      ok(JSON.stringify({ reasons, changes }).length > 0);
      const at = checked.asks["w-1"];
      ok(at === undefined || Number.isFinite(at), "an ask would never come again");
    }),
    { numRuns: RUNS * 3 },
  );
});

const QUIET: Parts = {
  playbook: "p",
  goals: {},
  signals: {},
  workers: [],
  asks: [],
  alerts: [],
  alive: true,
};

/** News in `after` for a reader who was given `before`. */
async function newsBetween(before: Partial<Parts>, after: Partial<Parts>, reader = READER): Promise<News[]> {
  const cursor = cursorOf(await sightOf({ ...QUIET, ...before }), before.asks ?? []);
  return newsOf(cursor, await sightOf({ ...QUIET, ...after }), reader);
}

Deno.test("given news of which only a part was given, when sights are compared again, then just the rest is news, and then nothing", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, anyParts, fc.array(fc.nat(30)), async (before, after, keep) => {
      const [one, two] = [await sightOf(before), await sightOf(after)];
      const cursor = cursorOf(one, before.asks);
      const news = newsOf(cursor, two, READER);
      const kept = news.filter((_, at) => keep.includes(at));
      const next = cursorAfter(cursor, two, news, kept);
      deepStrictEqual(checkCursor(next), next);
      const left = newsOf(next, two, READER);
      deepStrictEqual(left.map(({ reason }) => reason).sort(), kept.map(({ reason }) => reason).sort());
      deepStrictEqual(newsOf(cursorAfter(next, two, left, []), two, READER), []);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given texts that the reader itself wrote, when they are compared, then they are hidden from it and news to all others", async () => {
  const before = { playbook: "old", goals: { a: "x", gone: "y" } };
  const after = { playbook: "new", goals: { a: "z", more: "m" } };
  const { playbook, goals } = (await sightOf({ ...QUIET, ...after })).world;
  const move = (hash: string) => ({ hash, by: "root:pi-1", ts: 1, observer: READER.observer });
  const moves = {
    policy: move(playbook),
    "goal:a": move(goals["a"]!),
    "goal:gone": move(""),
    "goal:more": move("the hash of an earlier text"),
  };
  const mine = await newsBetween(before, { ...after, moves });
  deepStrictEqual(reasonsOf(mine), ["goal:more"], "an edit after the own one is news");
  const others = await newsBetween(before, { ...after, moves }, { observer: "root/pi-2" });
  deepStrictEqual(reasonsOf(others).sort(), ["goal:a", "goal:gone", "goal:more", "policy"]);
  deepStrictEqual(wholeChanges(others)["by"], {
    policy: "root:pi-1",
    "goal:a": "root:pi-1",
    "goal:gone": "root:pi-1",
  });
});

Deno.test("given a person's own hand, when it looks at what it wrote, then that is news all the same", async () => {
  const after = { playbook: "new" };
  const { playbook } = (await sightOf({ ...QUIET, ...after })).world;
  const moves = { policy: { hash: playbook, by: "hand", ts: 1, observer: "hand" } };
  deepStrictEqual(reasonsOf(await newsBetween({}, { ...after, moves }, { observer: "hand" })), ["policy"]);
});

Deno.test("given workers that start, end, and are killed by the reader, when they are compared, then ends alone wake, and the own kill rides along", async () => {
  const worker = (id: string, state: "running" | "exited") => ({
    id,
    state,
    code: state === "exited" ? 0 : null,
  });
  deepStrictEqual(await newsBetween({}, { workers: [worker("a", "running")] }), []);
  const ended = { workers: [worker("a", "exited"), worker("b", "exited")] };
  deepStrictEqual(reasonsOf(await newsBetween({}, ended)), ["worker:a", "worker:b"]);
  const moves = { "worker:a": { hash: "run 0", by: "root:pi-1", ts: 1, observer: READER.observer } };
  const news = await newsBetween({}, { ...ended, moves });
  deepStrictEqual(reasonsOf(news), ["worker:b"]);
  deepStrictEqual((wholeChanges(news)["workers"] as { id: string }[]).map(({ id }) => id), ["a", "b"]);
});

Deno.test("given a worker whose facts the pulse has not published, when it has just ended, then it is held back, and no longer once the pulse is gone", async () => {
  const sight = await sightOf({ ...QUIET, workers: [{ id: "a", state: "exited", code: 0 }] }, Date.now());
  const fresh = {
    ...sight,
    world: { ...sight.world, ended: {} },
    workers: sight.workers.map((worker) => ({ ...worker, ended: new Date(sight.nowMs).toISOString() })),
  };
  const cursor = cursorOf(await sightOf(QUIET), []);
  const weights = (one: Sight) => newsOf(cursor, one, READER).map(({ weight }) => weight);
  deepStrictEqual(weights(fresh), ["held"]);
  deepStrictEqual(weights({ ...fresh, nowMs: fresh.nowMs + 4_000 }), ["wakes"]);
  deepStrictEqual(weights({ ...fresh, pulse: { ...fresh.pulse, alive: false, wanted: false } }), [
    "wakes",
    "wakes",
  ]);
});

Deno.test("given a pulse in each condition, when it changes, then each but coming back wakes with a word of its own", async () => {
  const sight = await sightOf(QUIET);
  const conditions: [Sight["pulse"], string[]][] = [
    [{ wanted: true, alive: true, stalled: false }, []],
    [{ wanted: true, alive: true, stalled: true }, ["pulse_stalled"]],
    [{ wanted: true, alive: true, stalled: true, failing: "disk" }, ["pulse_failing"]],
    [{ wanted: true, alive: false, stalled: false }, ["pulse_down"]],
    [{ wanted: false, alive: false, stalled: false }, ["down"]],
  ];
  for (const [before] of conditions) {
    for (const [pulse, reasons] of conditions) {
      const cursor = cursorOf({ ...sight, pulse: before }, []);
      const found = newsOf(cursor, { ...sight, pulse }, READER);
      deepStrictEqual(reasonsOf(found), before === pulse ? [] : reasons);
    }
  }
});

Deno.test("given a sensor that flaps and files that are bad, when they are new, then each wakes once and again after it was well", async () => {
  const bad = { flapping: ["sensor-a"], bad: ["/d/config.json", "/d/asks/x.json"] };
  deepStrictEqual(reasonsOf(await newsBetween({}, bad)), [
    "config",
    "bad_file:/d/asks/x.json",
    "flapping:sensor-a",
  ]);
  deepStrictEqual(await newsBetween(bad, bad), []);
  deepStrictEqual(await newsBetween(bad, {}), []);
});

Deno.test("given a reader without a cursor, when it is given the whole world, then policy, goals and the pulse are left to the standing parts", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, async (parts) => {
      const sight = await sightOf(parts);
      const news = wholeWorld(sight, READER);
      const after = cursorAfter(emptyCursor(), sight, news, []);
      deepStrictEqual(newsOf(after, sight, READER), []);
      const ended = parts.workers.filter(({ state }) => state === "exited").map(({ id }) => `worker:${id}`);
      const expected = [
        ...parts.asks.map((id) => `ask:${id}`),
        ...parts.alerts.map((id) => `silent:${id}`),
        ...Object.keys(parts.signals).map((name) => `signal:sensor-${name}`),
        ...ended,
      ];
      deepStrictEqual(news.filter(isWaking).map(({ reason }) => reason).sort(), expected.sort());
    }),
    { numRuns: RUNS },
  );
});
