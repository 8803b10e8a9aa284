import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Ask } from "../../../lib/records/mailbox.ts";
import {
  AWAY,
  isCurrent,
  type Notice,
  noticeKey,
  planEscalation,
  retryAt,
} from "../../../lib/records/notices.ts";
import { RUNS } from "../../properties.ts";

const ask = (id: string, ts: number): Ask => ({ v: 1, id, worker: "w", prompt: "Go on?", ts, gen: "" });

function notice(more: Partial<Notice>): Notice {
  const rest = { message: "", about: "", tries: 1, boot: "b", lost: false };
  return { v: 1, id: "w-1", ts: 0, age: 1, ...rest, ...more };
}

Deno.test("given any steps and any moments at which a pulse looks, when all notices are counted, then no age comes twice, ages only grow, and the highest comes", () => {
  const ages = fc.array(fc.integer({ min: 0, max: 50 }).map((after) => ({ after })), { maxLength: 6 });
  const asks = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 4 })
    .map((times) => times.map((ts, n) => ask(`w-${n + 1}`, ts)));
  const looks = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(ages, asks, looks, (steps, asks, looks) => {
      const told: Pick<Notice, "id" | "ts" | "age">[] = [];
      const times = [...looks].sort((a, b) => a - b);
      for (const now of times) {
        const { due, nextAt } = planEscalation(asks, steps, told, now);
        ok(nextAt > now);
        told.push(...due);
        deepStrictEqual(
          planEscalation(asks, steps, told, nextAt - 1).due,
          [],
          "nothing is due before its time",
        );
      }
      strictEqual(new Set(told.map(noticeKey)).size, told.length);
      const last = times.at(-1) ?? 0;
      for (const { id, ts } of asks) {
        const own = told.filter((one) => one.id === id).map(({ age }) => age);
        deepStrictEqual(own, [...own].sort((a, b) => a - b));
        const reached = steps.map(({ after }) => after).filter((after) =>
          after > 0 && (ts + after) * 1000 <= last
        );
        strictEqual(own.at(-1) ?? 0, Math.max(0, ...reached));
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given notices, when the relevant ones are chosen, then they are the highest of each pending question, and the last absence", () => {
  const at = {
    asks: [ask("w-1", 5)],
    notices: [notice({ ts: 5, age: 1 }), notice({ ts: 5, age: 9 })],
    lastCall: 70,
  };
  const current = (more: Partial<Notice>) => isCurrent(notice(more), at);
  deepStrictEqual([current({ ts: 5, age: 9 }), current({ ts: 5, age: 1 })], [true, false]);
  deepStrictEqual(
    [current({ ts: 4, age: 9 }), current({ id: "w-2", ts: 5 })],
    [false, false],
    "another question",
  );
  deepStrictEqual([current({ id: AWAY, ts: 70 }), current({ id: AWAY, ts: 69 })], [true, false]);
});

Deno.test("given a hook that fails again and again, when the next try is planned, then the delay grows up to an hour", () => {
  const delays = Array.from({ length: 20 }, (_, n) => retryAt(notice({ tries: n + 1 }), 0) / 1000);
  deepStrictEqual(delays.slice(0, 4), [2, 4, 8, 16]);
  deepStrictEqual(delays, [...delays].sort((a, b) => a - b));
  strictEqual(Math.max(...delays), 3600);
});
