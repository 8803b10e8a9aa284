import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { profileAt } from "../../../lib/paths.ts";
import { workerAlerts } from "../../../lib/pulse/alerts.ts";
import { ClockWatch, type Jump, jumpText } from "../../../lib/pulse/clock.ts";
import { LimitWatch } from "../../../lib/pulse/limited.ts";
import type { Session } from "../../../lib/sessions/session.ts";
import type { World } from "../../../lib/world/world.ts";

const S = 1000;
const DAY = 86_400 * S;
const START = 1_800_000_000 * S;

/** Clocks under a test's control: `pass` advances all, `set` only the wall clock, `sleep` all but the awake time. */
function clocks() {
  const at = { wall: START, awake: 5 * S, up: 900 * S };
  const add = (ms: number, ...which: (keyof typeof at)[]) => which.forEach((name) => at[name] += ms);
  return {
    watched: { wall: () => at.wall, awake: () => at.awake, up: () => at.up },
    now: () => at.wall,
    pass: (ms: number) => add(ms, "wall", "awake", "up"),
    set: (ms: number) => add(ms, "wall"),
    sleep: (ms: number) => add(ms, "wall", "up"),
  };
}

for (
  const { by, set = 0, sleep = 0, text } of [
    { by: "nothing", text: "" },
    { by: "a second of the time server", set: S, text: "" },
    { by: "a month", set: 30 * DAY, text: "the clock was set forward by 30 d" },
    { by: "a month back", set: -30 * DAY, text: "the clock was set back by 30 d" },
    { by: "a night's sleep", sleep: 8 * 3600 * S, text: "the machine slept for 8 h" },
    {
      by: "both",
      sleep: 3600 * S,
      set: -2 * DAY,
      text: "the machine slept for 1 h, the clock was set back by 2 d",
    },
  ]
) {
  Deno.test(`given a clock that jumps by ${by}, when it is checked, then the jump is reported once, with its size and in words`, () => {
    const clock = clocks();
    const watch = new ClockWatch(clock.watched);
    clock.pass(3600 * S);
    clock.set(set);
    clock.sleep(sleep);
    const { jump } = watch.look();
    deepStrictEqual(jump, text === "" ? undefined : { ms: set + sleep, sleptMs: sleep });
    if (jump === undefined) return;
    strictEqual(jumpText(jump), text);
    deepStrictEqual(watch.look().jump, jump, "it stays until it is settled");
    watch.settle(jump);
    clock.pass(DAY);
    deepStrictEqual(watch.look().jump, undefined);
  });
}

Deno.test("given a clock, when it was set by days, then it is in doubt for an hour, but not after sleep or a change of hours", () => {
  const clock = clocks();
  const watch = new ClockWatch(clock.watched);
  const settled = () => {
    const { jump } = watch.look();
    if (jump !== undefined) watch.settle(jump);
    return watch.isInDoubt;
  };
  clock.sleep(30 * DAY);
  strictEqual(watch.isInDoubt || settled(), false);
  clock.set(-12 * 3600 * S);
  strictEqual(watch.isInDoubt || settled(), false);
  for (const ms of [30 * DAY, -30 * DAY]) {
    clock.set(ms);
    strictEqual(watch.isInDoubt && settled(), true);
    clock.pass(3599 * S);
    strictEqual(settled(), true);
    clock.pass(S);
    strictEqual(settled(), false);
  }
});

/** A profile with a worker that may run for an hour and has printed something. */
async function watchedWorker(clock: ReturnType<typeof clocks>) {
  const dir = await Deno.makeTempDir();
  const profile = profileAt(`${dir}/p`);
  const folder = `${profile.sessions}/w`;
  Deno.mkdirSync(folder, { recursive: true });
  const host = { profile, bin: "/bin/true", env: {}, now: clock.now };
  const started = (gen: string) => ({
    view: { id: gen, state: "running", alive: true, ready: false },
    gen,
    dir: folder,
    startedAt: clock.now() / S,
    deadline: clock.now() / S + 3600,
    ending: false,
  } as Session);
  const print = () => {
    Deno.writeTextFileSync(`${folder}/output.log`, "x");
    Deno.utimeSync(`${folder}/output.log`, clock.now() / S, clock.now() / S);
  };
  print();
  const limits = new LimitWatch(host);
  let known: Pick<World, "alerts" | "watched"> = { alerts: [], watched: {} };
  const config = { ready_timeout: 120, silent_after: 900 };
  const look = async (sessions: Session[], jump?: Jump) => {
    const time = { nowMs: clock.now(), ...(jump === undefined ? {} : { jump }) };
    const { alerts, watched, overdue } = await workerAlerts(host, sessions, config, known, limits, time);
    known = { alerts, watched };
    return [...alerts.map(({ kind }) => kind), ...overdue];
  };
  return {
    started,
    print,
    look,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

for (const ms of [30 * DAY, -30 * DAY, DAY, -DAY, 60 * S]) {
  Deno.test(`given a worker with limits, when the clock jumps by ${ms / S} s, then it keeps the rest of each`, async () => {
    const clock = clocks();
    await using worker = await watchedWorker(clock);
    const w = worker.started("w");
    deepStrictEqual(await worker.look([w]), []);
    clock.pass(60 * S);
    clock.set(ms);
    deepStrictEqual(await worker.look([w], { ms, sleptMs: 0 }), []);
    // Its time of being unready and silent starts again, since earlier times mean nothing after a jump.
    clock.pass(119 * S);
    deepStrictEqual(await worker.look([w]), []);
    clock.pass(2 * S);
    deepStrictEqual(await worker.look([w]), ["not_ready"]);
    w.view.ready = true;
    clock.pass(778 * S);
    deepStrictEqual(await worker.look([w]), []);
    clock.pass(2 * S);
    deepStrictEqual(await worker.look([w]), ["silent"]);
    clock.pass(3600 * S - 961 * S - S);
    worker.print();
    deepStrictEqual(await worker.look([w]), []);
    clock.pass(S);
    deepStrictEqual(await worker.look([w]), ["w"], "an hour in all");
  });
}

Deno.test("given a clock that has jumped, when workers are first looked at, then only those started before have more time", async () => {
  for (const ms of [DAY, -DAY]) {
    const clock = clocks();
    await using worker = await watchedWorker(clock);
    const before = worker.started("before");
    clock.pass(S);
    clock.set(ms);
    const after = worker.started("after");
    clock.pass(S);
    deepStrictEqual(await worker.look([before, after], { ms, sleptMs: 0 }), []);
    clock.pass(3597 * S);
    worker.print();
    deepStrictEqual((await worker.look([before, after])).filter((name) => name !== "not_ready"), []);
    clock.pass(S);
    match((await worker.look([before, after])).join(" "), /before$/);
    clock.pass(S);
    match((await worker.look([before, after])).join(" "), /before after$/);
  }
});
