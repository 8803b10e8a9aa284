import { match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Host } from "../../../../lib/cli/machine.ts";
import type { Ui } from "../../../../lib/cli/watch/keys.ts";
import { drawScreen, reasonOf, type View } from "../../../../lib/cli/watch/screen.ts";
import { profileAt } from "../../../../lib/paths.ts";
import { defaultConfig } from "../../../../lib/records/config.ts";
import { displayWidth } from "../../../../lib/text/style.ts";
import type { Listener } from "../../../../lib/world/listener.ts";
import type { WorkerRun } from "../../../../lib/world/observer.ts";
import type { Snapshot } from "../../../../lib/world/state.ts";
import { emptyWorld } from "../../../../lib/world/world.ts";
import { RUNS } from "../../../properties.ts";

const NOW = 1_800_000_000_000;

const HOST: Host = {
  config: defaultConfig(),
  configFaults: [],
  runner: { name: "shell" },
  diskFree: undefined,
  spentToday: 1.5,
  sensors: [],
  pulseStartedAt: undefined,
  pulseVersion: undefined,
  reachable: true,
  notices: [],
};

const LISTENER: Listener = {
  observer: "root/claude-ab12",
  agent: "claude",
  session: "ab12cd",
  since: new Date(NOW - 60_000).toISOString(),
  blocked: true,
  last_call_s: 0,
};

function worker(id: string, more: Partial<WorkerRun> = {}): WorkerRun {
  const base = { id, gen: "g", state: "running" as const, alive: true, exit_code: null, ready: true };
  return { ...base, runner: "pi", started: new Date(NOW - 300_000).toISOString(), idle_s: 3, ...more };
}

/** A view of so many questions and workers with these texts. */
function viewOf(texts: readonly string[], workers: number, pulse: object = {}): View {
  const runs = Array.from({ length: workers }, (_, n) => worker(`w${n}`));
  const asks = texts.map((prompt, n) => ({
    v: 1 as const,
    id: `w${n}-1`,
    worker: `w${n}`,
    prompt,
    options: [prompt.slice(0, 20), "no"],
    ts: NOW / 1000 - 60,
    gen: "",
  }));
  const snapshot = {
    profile: profileAt("/tmp/none"),
    world: emptyWorld(),
    asks,
    answered: [],
    workers: runs,
    pulse: { wanted: true, alive: true, beat: 3, age_s: 1, interval_s: 60, stalled: false, ...pulse },
    nowMs: NOW,
    bad: [],
    configFile: "",
    moves: {},
  } as unknown as Snapshot;
  return {
    snapshot,
    host: HOST,
    listener: LISTENER,
    workers: runs.map((run) => ({ worker: run, condition: "" })),
    spent: new Map([["w0", 0.25]]),
    sensors: texts.map((message, n) => ({
      name: `s${n}`,
      interval_s: 60,
      age_s: 5,
      state: "failing",
      message,
    })),
    machines: [],
    journal: texts.map((text) => `- 2027-01-15 08:00 ${text}`),
    log: { id: "w0", kind: "transcript", lines: texts },
    locked: undefined,
  };
}

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.constantFrom(
    "Merge PR 12?\nAll tests pass.",
    "長い".repeat(200),
    "👩‍👩‍👧 e\u0301 \u202eevil",
    "x".repeat(20_000),
    "",
  ),
);

const ui: fc.Arbitrary<Ui> = fc.record({
  chosen: fc.constantFrom("", "ask:w0-1", "ask:w1-1", "worker:w0", "worker:w9"),
  isWhole: fc.boolean(),
  scroll: fc.nat({ max: 500 }),
  isScreen: fc.boolean(),
  typing: fc.option(
    fc.record({
      kind: fc.constantFrom("answer" as const, "choose" as const, "decline" as const),
      id: fc.constant("w0-1"),
      text,
      free: fc.boolean(),
    }),
    { nil: undefined },
  ),
  notice: fc.oneof(fc.constant(""), text),
});

// deno-lint-ignore no-control-regex -- colours
const SGR = /\x1b\[[0-9;]*m/g;
// deno-lint-ignore no-control-regex -- what must not be there
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/;

Deno.test("given any texts, state and size, when the screen is drawn, then it has the terminal's rows and none is wider or unsafe", () => {
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 6 }),
      fc.nat({ max: 30 }),
      ui,
      fc.record({ columns: fc.integer({ min: 20, max: 300 }), rows: fc.integer({ min: 3, max: 80 }) }),
      fc.boolean(),
      (texts, workers, state, size, colour) => {
        const { lines } = drawScreen(viewOf(texts, workers), state, size, colour);
        strictEqual(lines.length, size.rows);
        for (const line of lines) {
          ok(displayWidth(line) <= size.columns, `${displayWidth(line)} > ${size.columns}: ${line}`);
          const plain = colour ? line.replace(SGR, "") : line;
          ok(!UNSAFE.test(plain), JSON.stringify(plain));
        }
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("given what keeps things from happening, when the reason is told, then the pulse comes first, then that nobody listens", () => {
  const dead = { alive: false };
  match(reasonOf({ ...viewOf([], 0, dead), listener: null }).text, /^! the pulse is dead.*and 1 more/);
  match(reasonOf({ ...viewOf([], 0), listener: null }).text, /^! root agent: nobody listens/);
  match(reasonOf({ ...viewOf([], 0, { wanted: false, alive: false }) }).text, /^! the pulse is stopped/);
  const well = reasonOf(viewOf(["a question is no fault"], 0));
  ok(well.isWell);
  match(well.text, /^✓ nothing stands in the way; root agent: claude-ab12 listens/);
});
