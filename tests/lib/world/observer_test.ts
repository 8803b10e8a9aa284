import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Ask } from "../../../lib/records/mailbox.ts";
import {
  checkCursor,
  compare,
  cursorOf,
  cursorSince,
  type Sight,
  tokenOf,
} from "../../../lib/world/observer.ts";
import type { WorkerView } from "../../../lib/sessions/session.ts";
import {
  emptyWorld,
  nextReading,
  withOwnState,
  type World,
  type WorldReading,
} from "../../../lib/world/world.ts";
import { anyId, anyJson, RUNS } from "../../properties.ts";

const REDELIVER_MS = 600_000;

/** What a world is made of here: few names and values, so that two of them often share some. */
interface Parts {
  playbook: string;
  goals: Record<string, string>;
  signals: Record<string, unknown>;
  workers: { id: string; state: WorkerView["state"]; code: number | null }[];
  asks: string[];
  alerts: string[];
  alive: boolean;
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
  const workers: WorkerView[] = parts.workers.map(({ id, state, code }) => ({
    id,
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
  }, own);
  const asks = parts.asks.map((id): Ask => ({ v: 1, id, worker: "w", prompt: "?", ts: 1, gen: "" }));
  return { world, asks, answered: [], workers, pulse: { wanted: true, alive: parts.alive }, nowMs };
}

Deno.test("given any sight, when it is compared with its own cursor, then there is no reason and no change", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, async (parts) => {
      const sight = await sightOf(parts);
      const cursor = cursorOf(sight, parts.asks);
      deepStrictEqual(compare(cursor, sight, REDELIVER_MS), { reasons: [], changes: {} });
      deepStrictEqual(checkCursor(JSON.parse(JSON.stringify(cursor))), JSON.parse(JSON.stringify(cursor)));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given two sights, when one follows the other, then every difference that counts is named, and only such", async () => {
  await fc.assert(
    fc.asyncProperty(anyParts, anyParts, async (before, after) => {
      const [one, two] = [await sightOf(before), await sightOf(after)];
      const { reasons } = compare(cursorOf(one, before.asks), two, REDELIVER_MS);
      deepStrictEqual([...reasons].sort(), expectedReasons(before, after).sort());
    }),
    { numRuns: RUNS * 2 },
  );
});

/** The reasons by the contract, told from the parts alone. */
function expectedReasons(before: Parts, after: Parts): string[] {
  const text = (value: unknown) => value === undefined ? "none" : JSON.stringify(sorted(value));
  const names = (record: object) => Object.keys(record);
  const moved = (a: Record<string, unknown>, b: Record<string, unknown>) =>
    [...new Set([...names(a), ...names(b)])].filter((name) => text(a[name]) !== text(b[name]));
  const settled = (state: string) => state === "starting" ? "running" : state;
  const workers = after.workers.filter((worker) => {
    const was = before.workers.find((other) => other.id === worker.id);
    return was === undefined || settled(was.state) !== settled(worker.state) || was.code !== worker.code;
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
      const cursor = cursorOf(await sightOf(parts, 5_000_000), ["w-1"]);
      const { reasons } = compare(cursor, await sightOf(parts, 5_000_000 + passed), REDELIVER_MS);
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
  const cursor = cursorOf(await sightOf(parts, 0), parts.asks);
  const later = await sightOf(parts, REDELIVER_MS + 1);
  const found = compare(cursor, later, REDELIVER_MS);
  deepStrictEqual(found.changes.asks, ["w-1", "w-2"]);
  deepStrictEqual(
    compare(cursorOf(later, found.changes.asks ?? [], cursor), later, REDELIVER_MS).reasons,
    [],
  );
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
  const found = compare(cursor, await sightOf({ ...parts, asks: [] }), REDELIVER_MS);
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
  deepStrictEqual(compare(cursor, await sightOf(parts, 0), REDELIVER_MS).reasons, ["ask:w-1"]);
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
  const { changes } = compare(cursor, await sightOf({ ...parts, signals: { a: 2, c: 3 } }), REDELIVER_MS);
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
      deepStrictEqual(compare(cursor, sight, REDELIVER_MS).reasons, []);
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
      const byToken = compare(cursor, two, REDELIVER_MS).reasons.length > 0;
      const byCursor = compare(cursorOf(one, before.asks), two, REDELIVER_MS).reasons.length > 0;
      // Tokens know the world's hash alone: one that differs only in a worker's or goal's absence wakes too.
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
      deepStrictEqual(compare(before, two, REDELIVER_MS).reasons, ["silent:b"]);
      deepStrictEqual(compare(after, two, REDELIVER_MS).reasons, []);
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
      if (cursor !== undefined) ok(/^[0-9a-f]*\.[01]\.([0-9a-z]{6})*$/.test(text));
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
      const { reasons, changes } = compare(checked, sight, REDELIVER_MS);
      ok(JSON.stringify({ reasons, changes }).length > 0);
      const at = checked.asks["w-1"];
      ok(at === undefined || Number.isFinite(at), "an ask would never come again");
    }),
    { numRuns: RUNS * 3 },
  );
});
