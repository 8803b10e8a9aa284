import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { type EndedRun, planExpired, RETENTION } from "../../../lib/pulse/retention.ts";
import { newestArchived } from "../../../lib/records/undo.ts";
import { isPassDue } from "../../../lib/pulse/upkeep.ts";
import { RUNS } from "../../properties.ts";

const NOW = 2_000_000_000_000;
const TTL = 1000;

const runs = fc.array(
  fc.record({ id: fc.constantFrom("a", "b", "c"), agoS: fc.integer({ min: 0, max: 3000 }) }),
  { maxLength: 40 },
).map((list) =>
  list.map(({ id, agoS }, n): EndedRun => {
    const endedAt = NOW / 1000 - agoS;
    return { name: `${id}~${n}`, id, gen: String(n), startedAt: endedAt - 10, endedAt };
  })
);

Deno.test("given any ended runs, when removals are planned, then the young and the last three of each id stay", () => {
  fc.assert(
    fc.property(runs, (all) => {
      const gone = planExpired(all, TTL, NOW);
      const kept = all.filter((run) => !gone.includes(run));
      ok(gone.every((run) => NOW / 1000 - run.endedAt > TTL));
      for (const id of ["a", "b", "c"]) {
        const only = (list: EndedRun[]) => list.filter((run) => run.id === id);
        ok(only(kept).length >= Math.min(only(all).length, RETENTION.runsKept));
        const newestGone = Math.max(...only(gone).map((run) => run.endedAt));
        ok(only(kept).every((run) => run.endedAt >= newestGone), "the older goes first");
      }
      deepStrictEqual(planExpired(kept, TTL, NOW), [], "a second pass finds nothing");
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given many runs of one id, when removals are planned, then young ones stay, and of old ones the last three", () => {
  const all = (agoS: number) =>
    Array.from({ length: 10 }, (_, n): EndedRun => {
      const endedAt = NOW / 1000 - agoS + n;
      return { name: `w~${n}`, id: "w", gen: "", startedAt: endedAt - 1, endedAt };
    });
  strictEqual(planExpired(all(TTL), TTL, NOW).length, 0);
  const kept = all(TTL + 10).slice(-RETENTION.runsKept);
  deepStrictEqual(
    all(TTL + 10).filter((run) =>
      !planExpired(all(TTL + 10), TTL, NOW).some(({ name }) => name === run.name)
    ),
    kept,
  );
});

Deno.test("given many ids that are used once, when removals are planned, then as many of the newest stay as the table allows", () => {
  const all = Array.from({ length: 500 }, (_, n): EndedRun => {
    const endedAt = NOW / 1000 - TTL - 500 + n;
    return { name: `w${n}`, id: `w${n}`, gen: "", startedAt: endedAt, endedAt };
  });
  const gone = new Set(planExpired(all, TTL, NOW).map((run) => run.name));
  strictEqual(gone.size, 500 - RETENTION.runsKeptInAll);
  ok(!gone.has("w499") && gone.has("w0"));
});

Deno.test("given archived names, when the newest of an id is sought, then it is the highest of exactly that id", () => {
  const names = ["a.md", "a~2.md", "a~10.md", "a~x.md", "ab.md", "ab~99.md", "a~1.5.md"];
  strictEqual(newestArchived(names, "a", ".md"), "a~10.md");
  strictEqual(newestArchived(["a.md"], "a", ".md"), "a.md");
  strictEqual(newestArchived(["ab.md"], "a", ".md"), undefined);
});

Deno.test("given the time of the last pass, when the next is planned, then it is after an hour, or a minute after something ended", () => {
  const at = (s: number, ended: boolean) => isPassDue(NOW, NOW + s * 1000, ended);
  deepStrictEqual([at(59, true), at(60, true), at(60, false), at(3600, false)], [false, true, false, true]);
  strictEqual(isPassDue(NOW, NOW - 7_200_000, false), true, "a clock that was set back");
  strictEqual(isPassDue(-Infinity, NOW, false), true);
});
