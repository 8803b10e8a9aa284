import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { nextOnGrid } from "../../../lib/pulse/pulse.ts";
import { sensorLimits } from "../../../lib/world/sensors.ts";
import { recentRevivals, REVIVAL_LIMIT } from "../../../lib/pulse/control.ts";
import { parseHeader } from "../../../lib/world/reading.ts";
import { pollMs } from "../../../lib/records/env.ts";
import { RUNS } from "../../properties.ts";

Deno.test("given any beat and time, when the next is planned, then it is on the grid, later than now, and the first such", () => {
  const ms = fc.integer({ min: 0, max: 10_000_000 });
  fc.assert(
    fc.property(ms, ms, fc.integer({ min: 1, max: 3_600_000 }), (planned, now, interval) => {
      const next = nextOnGrid(planned, now, interval);
      strictEqual((next - planned) % interval, 0);
      ok(next > now && next > planned);
      ok(next - interval <= now || next - interval === planned, "a beat was left out");
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given beats that each take a while, when a day has passed, then the cadence has not drifted", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2_500 }), { minLength: 1, maxLength: 50 }),
      (latenesses) => {
        let planned = 0;
        for (const late of latenesses) planned = nextOnGrid(planned, planned + late, 1000);
        strictEqual(planned % 1000, 0);
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("given limits in header, environment and nowhere, when they are resolved, then the nearest one wins", () => {
  const plain = parseHeader("");
  deepStrictEqual(sensorLimits(plain, {}), { timeoutS: 60, maxBytes: 8192 });
  deepStrictEqual(sensorLimits(plain, { LOOOP_SENSOR_TIMEOUT: "5", LOOOP_SENSOR_MAX_BYTES: "100" }), {
    timeoutS: 5,
    maxBytes: 100,
  });
  strictEqual(sensorLimits(parseHeader("# looop:timeout=2"), { LOOOP_SENSOR_TIMEOUT: "5" }).timeoutS, 2);
  const unlimited = sensorLimits(plain, { LOOOP_SENSOR_TIMEOUT: "0", LOOOP_SENSOR_MAX_BYTES: "0" });
  ok(unlimited.timeoutS >= 86_400 && unlimited.maxBytes > 1e6);
  deepStrictEqual(sensorLimits(plain, { LOOOP_SENSOR_TIMEOUT: "soon", LOOOP_SENSOR_MAX_BYTES: "" }), {
    timeoutS: 60,
    maxBytes: 8192,
  });
});

Deno.test("given any time limit, when it is resolved, then a timer can hold it", () => {
  const seconds = fc.oneof(
    fc.double().map(String),
    fc.constantFrom("9999999", "1e300", "Infinity", "2147484"),
  );
  fc.assert(
    fc.property(seconds, fc.boolean(), (text, inHeader) => {
      const header = parseHeader(inHeader ? `# looop:timeout=${text}` : "");
      const { timeoutS } = sensorLimits(header, inHeader ? {} : { LOOOP_SENSOR_TIMEOUT: text });
      // A timer of 2^31 ms or more fires at once.
      ok(timeoutS > 0 && timeoutS * 1000 < 2 ** 31, `${timeoutS}`);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given times of revivals, when they are counted, then only those of the last ten minutes count, on any clock", () => {
  const now = 100 * REVIVAL_LIMIT.windowMs;
  deepStrictEqual(recentRevivals([0, now - REVIVAL_LIMIT.windowMs, now - 1, now], now), [now - 1, now]);
  // After the clock was set back by a day, times in the future must not block revivals.
  deepStrictEqual(recentRevivals([now + 86_400_000], now), []);
});

Deno.test("given poll periods, when they are read, then 50 ms is the minimum and one second the default", () => {
  for (
    const [text, ms] of [[undefined, 1000], ["", 1000], ["x", 1000], ["0", 50], ["-5", 50], [
      "200",
      200,
    ]] as const
  ) {
    strictEqual(pollMs(text), ms);
  }
});
