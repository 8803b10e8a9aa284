import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  checkWorld,
  emptyWorld,
  FLAP_STREAK,
  flappingOf,
  hashWorld,
  nextReading,
  type OwnState,
  withOwnState,
  type WorldReading,
} from "../../../lib/world/world.ts";
import { anyId, anyJson, reordered, RUNS } from "../../properties.ts";

const anyOwn: fc.Arbitrary<OwnState> = fc.record({
  playbook: fc.option(fc.string(), { nil: undefined }),
  goals: fc.dictionary(anyId, fc.string(), { maxKeys: 4 }),
  sessions: fc.constant([]),
  claims: fc.array(fc.record({ name: anyId, session: anyId }), { maxLength: 3 }),
  activity: fc.dictionary(anyId, fc.nat(), { maxKeys: 4 }),
  nowMs: fc.nat(),
});

/** A sensor's readings over a series of beats. */
async function sensed(values: readonly unknown[], before?: WorldReading): Promise<WorldReading[]> {
  const readings: WorldReading[] = [];
  for (const [i, value] of values.entries()) {
    before = await nextReading(before, value, i);
    readings.push(before);
  }
  return readings;
}

Deno.test("given any reading, when the same is sensed again with its keys in another order, then nothing wakes", async () => {
  await fc.assert(
    fc.asyncProperty(anyJson, async (value) => {
      const [first, second] = await sensed([value, reordered(value)]);
      strictEqual(second?.wake, first?.wake);
      strictEqual(second?.hash, first?.hash);
      strictEqual(second?.streak, 0);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given a reading with detail, when only the detail changes, then its hash stays; when the signal does, it moves", async () => {
  await fc.assert(
    fc.asyncProperty(anyJson, anyJson, anyJson, async (signal, a, b) => {
      const [one, two, three] = await sensed([
        { signal, detail: a },
        { detail: b, signal, more: a },
        { signal: [signal], detail: b },
      ]);
      strictEqual(one?.hash, two?.hash);
      notStrictEqual(two?.hash, three?.hash);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given a world and looop's own state, when it is put in twice, then it is as if it was put in once", async () => {
  await fc.assert(
    fc.asyncProperty(anyOwn, async (own) => {
      const once = await withOwnState(emptyWorld(), own);
      deepStrictEqual(await withOwnState(once, own), once);
      const later = await withOwnState(once, { ...own, nowMs: own.nowMs + 60_000 });
      strictEqual(later.world_hash, once.world_hash);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given two own states, when their hashes are equal, then playbook, goals and claims are equal", async () => {
  await fc.assert(
    fc.asyncProperty(anyOwn, anyOwn, async (a, b) => {
      const [one, two] = [await withOwnState(emptyWorld(), a), await withOwnState(emptyWorld(), b)];
      const counts = (own: OwnState) =>
        JSON.stringify([own.playbook ?? null, Object.entries(own.goals).sort(), own.claims]);
      strictEqual(one.world_hash === two.world_hash, counts(a) === counts(b));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given texts that look like a border between files, when worlds are hashed, then the hashes differ", async () => {
  const worlds = await Promise.all([
    hashWorld("p", { a: "x", b: "y" }, {}),
    hashWorld("p", { a: 'x","b":"y' }, {}),
    hashWorld("", { a: "x", b: "y", p: "" }, {}),
    hashWorld("p", {}, { a: { wake: "x" }, b: { wake: "y" } }),
  ]);
  strictEqual(new Set(worlds).size, worlds.length);
});

Deno.test("given a world, when its parts come in another order, then its hash is the same", async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(anyId, fc.string()), fc.string(), async (texts, playbook) => {
      const readings = Object.fromEntries(Object.entries(texts).map(([name, wake]) => [name, { wake }]));
      const turned = reordered(readings) as typeof readings;
      strictEqual(
        await hashWorld(playbook, reordered(texts) as typeof texts, turned),
        await hashWorld(playbook, texts, readings),
      );
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given a signal that changes at every sensing, when five have changed, then it flaps and wakes no more", async () => {
  const readings = await sensed(Array.from({ length: 12 }, (_, n) => ({ signal: n })));
  const flapsFrom = readings.findIndex((reading) => flappingOf({ x: reading }).length > 0);
  strictEqual(flapsFrom, FLAP_STREAK);
  const wakes = readings.slice(1).filter((reading, i) => reading.wake !== readings[i]?.wake).length;
  strictEqual(wakes, FLAP_STREAK - 1);
});

Deno.test("given a sensor that flaps, when it settles, then it wakes once with what it settled on", async () => {
  const readings = await sensed([..."abababababab", "b", "b", "b"]);
  const [last, settled, ...still] = readings.slice(11);
  ok(last !== undefined && settled !== undefined);
  deepStrictEqual(flappingOf({ x: last }), ["x"]);
  deepStrictEqual(flappingOf({ x: settled }), []);
  notStrictEqual(settled.wake, last.wake);
  for (const reading of still) strictEqual(reading.wake, settled.wake);
});

Deno.test("given any run of signals, when wakes are counted, then only changed signals wake and no settled change is lost", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(2), { minLength: 2, maxLength: 30 }), async (signals) => {
      const readings = await sensed(signals);
      for (const [i, reading] of readings.entries()) {
        // After two equal sensings the wake hash is that of the signal.
        if (i > 0 && signals[i] === signals[i - 1]) strictEqual(reading.wake, reading.hash);
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given errors after a good value, when they last, then the good value is kept until the next one", async () => {
  const error = (n: number) => ({ signal: { error: true, exit_code: n } });
  const readings = await sensed([
    { signal: "good" },
    error(1),
    error(1),
    error(2),
    { signal: "new" },
    error(1),
  ]);
  deepStrictEqual(readings.map((reading) => reading.last_good), [
    undefined,
    { signal: "good" },
    { signal: "good" },
    { signal: "good" },
    undefined,
    { signal: "new" },
  ]);
  strictEqual(readings[1]?.wake, readings[2]?.wake);
  notStrictEqual(readings[2]?.wake, readings[3]?.wake);
});

Deno.test("given any JSON for a world, when it is checked, then it is refused in words or safe to use", async () => {
  const part = fc.oneof(anyJson, fc.constant({}), fc.constant([]), fc.constant(null));
  const world = fc.record({
    v: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: anyJson }),
    readings: fc.oneof(part, fc.dictionary(anyId, part)),
    goals: part,
    settings: part,
    fleet: fc.oneof(part, fc.record({ dir_mtime: part, workers: fc.oneof(part, fc.array(part)) })),
    flapping: part,
    alerts: fc.oneof(part, fc.array(part)),
    bad_files: fc.oneof(part, fc.array(part)),
  }, { requiredKeys: ["v", "readings", "goals", "settings", "fleet"] });
  const own: OwnState = { playbook: "p", goals: {}, sessions: [], claims: [], activity: {}, nowMs: 1 };
  await fc.assert(
    fc.asyncProperty(fc.oneof(anyJson, world), async (value) => {
      const checked = checkWorld(value);
      if (typeof checked === "string") return ok(checked.length > 0);
      const used = await withOwnState(checked, own);
      ok(used.world_hash.length === 64);
      for (const worker of used.fleet.workers) ok(typeof worker.id === "string");
      for (const reading of Object.values(used.readings)) ok(typeof reading.wake === "string");
      for (const alert of used.alerts) ok(typeof alert.key === "string");
      for (const bad of used.bad_files) ok(typeof bad.path === "string");
      ok(Number.isFinite(used.settings.interval_s) && Number.isFinite(used.settings.ask_redeliver_s));
    }),
    { numRuns: RUNS * 3 },
  );
});

Deno.test("given a world that was published, when it is written and read again, then it is the same", async () => {
  await fc.assert(
    fc.asyncProperty(anyOwn, fc.dictionary(anyId, anyJson, { maxKeys: 3 }), async (own, values) => {
      const readings: Record<string, WorldReading> = {};
      for (const [name, value] of Object.entries(values)) {
        readings[`sensor-${name}`] = await nextReading(undefined, value, 5, { ms: 7 });
      }
      const world = await withOwnState({ ...emptyWorld(), readings }, own);
      deepStrictEqual(checkWorld(JSON.parse(JSON.stringify(world))), world);
    }),
    { numRuns: RUNS },
  );
});
