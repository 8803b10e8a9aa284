import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  isErrorReading,
  parseHeader,
  readingOf,
  sameSignal,
  type SensorOutcome,
  signalOf,
} from "../../../lib/world/reading.ts";
import { anyJson, reordered, RUNS } from "../../properties.ts";

function outcome(stdout: string | Uint8Array, more: Partial<SensorOutcome> = {}): SensorOutcome {
  const bytes = typeof stdout === "string" ? new TextEncoder().encode(stdout) : stdout;
  return {
    stdout: bytes,
    stderr: new Uint8Array(),
    exitCode: 0,
    timedOut: false,
    tooLarge: false,
    ms: 1,
    ...more,
  };
}

Deno.test("given any JSON value with white space around it, when a sensor prints it, then that value is the reading", () => {
  fc.assert(
    fc.property(anyJson, fc.constantFrom("", "\n", " \n\t"), (value, space) => {
      deepStrictEqual(readingOf(outcome(`${space}${JSON.stringify(value)}${space}`), 8192, 60), value);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given JSON of ever more levels, when a sensor prints it, then 128 are a reading and more are too large", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    const nested = (levels: number) =>
      readingOf(outcome(`${open.repeat(levels)}0${close.repeat(levels)}`), 1e6, 60);
    ok(!isErrorReading(nested(128)));
    for (const levels of [129, 4_000, 100_000]) {
      deepStrictEqual(signalOf(nested(levels)), { error: true, reason: "too_large" });
    }
  }
});

Deno.test("given any bytes, when a sensor prints them, then the reading is their JSON value or an error that shows their head", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.string().map((s) => new TextEncoder().encode(s))), (bytes) => {
      const reading = readingOf(outcome(bytes), 8192, 60) as { signal: unknown; detail: { bytes: number } };
      if (!isErrorReading(reading)) return;
      deepStrictEqual(reading.signal, { error: true, reason: "not_json" });
      strictEqual(reading.detail.bytes, bytes.length);
      ok(JSON.stringify(reading).length > 0);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given two JSON values in one output, when it is read, then it is not taken for the first of them", () => {
  for (
    const text of [
      '{"signal":1}\n{"signal":2}',
      "1 2",
      '{"signal":1} trailing',
      "",
      "NaN",
      "{'a':1}",
      "\ufeff{}x",
    ]
  ) {
    deepStrictEqual(signalOf(readingOf(outcome(text), 8192, 60)), { error: true, reason: "not_json" }, text);
  }
});

Deno.test("given every way a run can fail, when it is read, then the signal tells only which, and the rest is detail", () => {
  const stderr = new TextEncoder().encode("one\nno route to host\n");
  const cases: [Partial<SensorOutcome>, unknown, RegExp][] = [
    [{ exitCode: 3, stderr }, { error: true, exit_code: 3 }, /^exit 3: no route to host$/],
    [{ timedOut: true, exitCode: 143 }, { error: true, exit_code: 124 }, /^timed out after 60 s$/],
    [{ exitCode: 126 }, { error: true, exit_code: 126 }, /cannot be executed/],
    [{ exitCode: 127 }, { error: true, exit_code: 127 }, /not found/],
    [{ tooLarge: true, exitCode: 143 }, { error: true, reason: "too_large" }, /more than 8192 bytes/],
  ];
  for (const [more, signal, says] of cases) {
    const reading = readingOf(outcome("partial", more), 8192, 60, { signal: "before" }) as {
      signal: unknown;
      detail: { message: string; last_good: unknown };
    };
    deepStrictEqual(reading.signal, signal);
    ok(says.test(reading.detail.message), reading.detail.message);
    deepStrictEqual(reading.detail.last_good, { signal: "before" });
    ok(isErrorReading(reading));
  }
});

Deno.test("given output that is too large by more or less, when it is read, then the signal is the same", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64 }), (a, b) => {
      const signals = [a, b].map((bytes) => signalOf(readingOf(outcome(bytes, { tooLarge: true }), 8, 60)));
      ok(sameSignal(signals[0], signals[1]));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given any value, when its signal is told, then key order does not count and detail does not either", () => {
  fc.assert(
    fc.property(anyJson, anyJson, (signal, detail) => {
      ok(sameSignal(signalOf({ signal, detail }), signalOf(reordered({ detail: 1, signal }))));
      deepStrictEqual(signalOf([signal]), [signal]);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given header comments, when they are read, then those above the first command count and wrong numbers do not", () => {
  const header = parseHeader(`#!/bin/sh
# looop:interval=300
#looop:timeout=20
# looop:summary=open pull requests = mine
# looop:needs=gh, jq

echo 1
# looop:interval=5
`);
  deepStrictEqual(header, {
    interval: 300,
    timeout: 20,
    summary: "open pull requests = mine",
    needs: ["gh", "jq"],
    env: [],
    optional: [],
  });
  for (const bad of ["0", "-1", "x", "", "NaN"]) {
    strictEqual(parseHeader(`# looop:interval=${bad}`).interval, undefined, bad);
  }
});

Deno.test("given any header, when it is read, then its times are finite and greater than 0", () => {
  const seconds = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.constantFrom("1e999", "Infinity", "-1", "1e-9"),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom("interval", "timeout"), seconds)), (lines) => {
      const header = parseHeader(lines.map(([key, value]) => `# looop:${key}=${value}`).join("\n"));
      for (const time of [header.interval, header.timeout]) {
        ok(time === undefined || (Number.isFinite(time) && time > 0));
      }
    }),
    { numRuns: RUNS },
  );
});
