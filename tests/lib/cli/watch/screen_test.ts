import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Host } from "../../../../lib/cli/machine.ts";
import { FIRST, type Ui } from "../../../../lib/cli/watch/keys.ts";
import { reasonsOf } from "../../../../lib/cli/watch/head.ts";
import { drawScreen } from "../../../../lib/cli/watch/screen.ts";
import type { View } from "../../../../lib/cli/watch/view.ts";
import { profileAt } from "../../../../lib/paths.ts";
import { defaultConfig } from "../../../../lib/records/config.ts";
import { displayWidth } from "../../../../lib/text/style.ts";
import type { Listener } from "../../../../lib/world/listener.ts";
import type { WorkerRun } from "../../../../lib/world/observer.ts";
import type { Snapshot } from "../../../../lib/world/state.ts";
import { emptyWorld } from "../../../../lib/world/world.ts";
import { anyCharacter, RUNS } from "../../../properties.ts";

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
  unread: [],
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

/** A view with questions of these texts and this many workers. */
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
    hosts: [],
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
  fc.string({ unit: anyCharacter, maxLength: 200 }),
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
  isHelp: fc.boolean(),
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
// deno-lint-ignore no-control-regex -- these must not be there
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

/** Sizes of terminals, from the smallest to the largest. */
const SIZES = [[40, 12], [80, 24], [200, 50], [300, 80]] as const;
const LISTS = ["questions: ", "workers: ", "sensors: ", "journal "];

Deno.test("given reasons why nothing happens, when they are listed, then the pulse comes first, then that nobody listens", () => {
  const messages = (view: View) => reasonsOf(view).map(({ message }) => message);
  const stopped = messages({ ...viewOf([], 0, { wanted: false, alive: false }), listener: null });
  strictEqual(stopped.length, 2);
  match(stopped[0]!, /^the pulse is stopped/);
  match(stopped[1]!, /^root agent: nobody listens/);
  const asked = viewOf(["a question is no fault"], 0);
  deepStrictEqual(messages(asked), []);
  const { lines } = drawScreen(asked, FIRST, { columns: 100, rows: 24 }, false);
  match(lines[1]!, /^✓ nothing stands in the way; root agent: claude-ab12 listens/);
});

Deno.test("given a stopped or dead pulse and a machine that is not heard, when the screen is drawn, then the first lines name both with the remedy", () => {
  const far = {
    name: "gpu",
    state: "down" as const,
    workers: 2,
    unreachable_s: 400,
    error: "x ".repeat(200),
  };
  for (const [wanted, word] of [[false, "stopped"], [true, "dead"]] as const) {
    const view = viewOf(["Go on?"], 12, { wanted, alive: false });
    view.snapshot.hosts = [far];
    for (const [columns, rows] of SIZES) {
      const screen = drawScreen({ ...view, listener: null }, FIRST, { columns, rows }, false).lines;
      const head = screen.slice(1, screen.findIndex((line) => line.startsWith("questions: "))).join(" ")
        .replace(/ +/g, " ");
      match(head, new RegExp(`^! the pulse is ${word}.*\`looop up\` starts it.* ! host gpu \\(2 workers\\)`));
      match(head, /`looop _ host check gpu`/);
      for (const list of LISTS.slice(0, 3)) ok(screen.join("\n").includes(list), screen.join("\n"));
    }
  }
});

Deno.test("given a stalled pulse or a host without workers, when reasons are listed, then old records of hosts are not among them", () => {
  const kinds = (pulse: object, host: object) => {
    const view = viewOf([], 0, pulse);
    view.snapshot.hosts = [{ name: "gpu", state: "down", workers: 1, unreachable_s: 9, ...host }];
    return reasonsOf(view).map(({ kind }) => kind);
  };
  deepStrictEqual(kinds({}, {}), ["host_unreachable"]);
  deepStrictEqual(kinds({ alive: false }, {}), ["pulse_dead"]);
  deepStrictEqual(kinds({ alive: false }, { error: "refused" }), ["pulse_dead", "host_unreachable"]);
  deepStrictEqual(kinds({}, { workers: 0 }), []);
});

Deno.test("given many problems, when the screen is drawn, then as many are named as fit, and the rest is counted", () => {
  const view = viewOf([], 0);
  view.snapshot.bad = Array.from({ length: 12 }, (_, n) => ({ path: `/odd${n}.json`, reason: "not JSON" }));
  for (const [columns, rows] of SIZES) {
    for (const workers of [0, 12]) {
      const busy = { ...view, workers: viewOf([], workers).workers };
      const { lines } = drawScreen(busy, FIRST, { columns, rows }, false);
      const screen = lines.join("\n");
      for (const list of LISTS) ok(screen.includes(list), screen);
      const named = (screen.match(/^! \/odd\d+\.json/gm) ?? []).length;
      const more = /\(\+(\d+)\)|and (\d+) more/.exec(screen);
      strictEqual(named + Number(more?.[1] ?? more?.[2] ?? 0), 12, screen);
      ok(named >= (rows >= 50 ? 12 : Math.floor(rows / 6) / (columns < 60 ? 2 : 1)), screen);
      // No row may stay empty while a problem is left out.
      const gaps = lines.filter((line, n) => line.replace("│", "").trim() === "" && lines[n + 1] === line);
      if (named < 12) strictEqual(gaps.length, 0, screen);
    }
  }
});

Deno.test("given many silent workers, when the screen is drawn, then two are named above the list that has them all", () => {
  const view = viewOf([], 40);
  for (const worker of view.snapshot.workers) worker.idle_s = 9_999;
  const screen = drawScreen(view, FIRST, { columns: 200, rows: 50 }, false).lines.join("\n");
  strictEqual((screen.match(/^! worker w\d+ has printed nothing/gm) ?? []).length, 2);
  match(screen, /and 38 more: `looop status`/);
});
