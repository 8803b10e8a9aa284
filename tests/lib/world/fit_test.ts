import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { fitState } from "../../../lib/world/fit.ts";
import { anyId, anyJson, RUNS } from "../../properties.ts";

const FILES = {
  snapshot: (name: string) => `/d/snapshots/${name}.json`,
  journal: "/d/journal.md",
  sessions: "/d/sessions",
  world: "/d/.world.json",
};
const long = fc.string({ maxLength: 300 });

const anyState = fc.record({
  changes: fc.record({ signals: fc.dictionary(anyId, fc.record({ to: anyJson }), { maxKeys: 3 }) }),
  asks: fc.array(fc.record({ id: anyId, prompt: long }), { maxLength: 3 }),
  workers: fc.array(fc.record({ id: anyId, state: long }), { maxLength: 5 }),
  goals: fc.array(anyId, { maxLength: 5 }),
  bad_files: fc.array(fc.record({ path: long, reason: long }), { maxLength: 3 }),
  snapshots: fc.dictionary(anyId, fc.oneof(anyJson, long), { maxKeys: 6 }),
  journal_tail: fc.array(long, { maxLength: 20 }),
}, { noNullPrototype: true }).map((state) => ({
  ...state,
  readings: Object.fromEntries(Object.keys(state.snapshots).map((name, i) => [name, { age_s: i * 10 }])),
}));

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

Deno.test("given any state and limit, when it is fitted, then it is JSON with whole changes and asks, and every gap names its file", () => {
  fc.assert(
    fc.property(anyState, fc.nat(6000), (state, limit) => {
      const before = JSON.stringify(state);
      const fitted = JSON.parse(fitState(state, limit, new Set(Object.keys(state.changes.signals)), FILES));
      strictEqual(JSON.stringify(state), before, "the state itself was changed");
      deepStrictEqual(fitted.changes, JSON.parse(JSON.stringify(state.changes)));
      deepStrictEqual(fitted.asks, JSON.parse(JSON.stringify(state.asks)));
      deepStrictEqual(Object.keys(fitted), Object.keys(state));
      for (const [key, value] of Object.entries(fitted)) {
        const same = JSON.stringify(value) === JSON.stringify((state as Record<string, unknown>)[key]);
        if (!same && key !== "snapshots") checkMark(value, (state as Record<string, unknown>)[key]);
      }
    }),
    { numRuns: RUNS },
  );
});

function checkMark(mark: unknown, value: unknown): void {
  const { elided, file } = mark as { elided: number; file: string };
  strictEqual(elided, bytes(JSON.stringify(value)));
  ok(file.startsWith("/d/"));
}

Deno.test("given any state, when the limit has room for all that must not be cut, then it is never exceeded", () => {
  fc.assert(
    fc.property(anyState, fc.nat(4000), (state, more) => {
      const bare = {
        ...state,
        snapshots: mark(state.snapshots, FILES.world),
        journal_tail: mark(state.journal_tail, FILES.journal),
        workers: mark(state.workers, FILES.sessions),
        goals: mark(state.goals, FILES.world),
        readings: mark(state.readings, FILES.world),
        bad_files: mark(state.bad_files, FILES.world),
      };
      const limit = bytes(JSON.stringify(bare)) + more;
      const fitted = fitState(state, limit, new Set(), FILES);
      ok(bytes(fitted) <= limit, `${bytes(fitted)} > ${limit}`);
    }),
    { numRuns: RUNS },
  );
});

/** The shortest form of a value: its mark, or the value itself if that is not longer. */
function mark(value: unknown, file: string): unknown {
  const elided = { elided: bytes(JSON.stringify(value)), file };
  return JSON.stringify(value).length <= JSON.stringify(elided).length ? value : elided;
}

Deno.test("given no limit or a sufficient one, when a state is fitted, then nothing is elided", () => {
  fc.assert(
    fc.property(anyState, (state) => {
      const whole = JSON.parse(JSON.stringify(state));
      const size = bytes(JSON.stringify(state, null, 1));
      for (const limit of [0, size, size + 1]) {
        deepStrictEqual(JSON.parse(fitState(state, limit, new Set(), FILES)), whole);
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given readings of several ages, when room is short, then the oldest unchanged go first and the changed last", () => {
  const snapshots = Object.fromEntries(
    ["new", "old", "changed"].map((name) => [name, { signal: name.repeat(60) }]),
  );
  const readings = { new: { age_s: 1 }, old: { age_s: 500 }, changed: { age_s: 900 } };
  const state = { asks: [], snapshots, readings };
  const elided = (limit: number) =>
    Object.entries(JSON.parse(fitState(state, limit, new Set(["changed"]), FILES)).snapshots)
      .filter(([, value]) => "elided" in (value as object)).map(([name]) => name);
  const size = bytes(JSON.stringify(state, null, 1));
  deepStrictEqual(elided(size - 1), ["old"]);
  deepStrictEqual(elided(size - 300), ["new", "old"]);
});
