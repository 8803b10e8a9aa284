/** The cost of idling: the CPU of waiting processes, and a beat of sensors that sleep. */
import { delay, endAll, interleaved, onTerminal, start, type Usage, usageOf } from "../measure.ts";
import type { Row } from "../report.ts";
import type { BenchProfile, Setting } from "../setting.ts";
import { writeExecutable } from "../../executable.ts";

/** Measures one row after another, since on a busy machine even sleeping processes take longer to wake. */
export async function sleepingRows(setting: Setting): Promise<Row[]> {
  return [await beatRow(setting), await pastRow(setting), ...await idleRows(setting)];
}

/** Numbers of ended sessions, few and many. */
const FEW_ENDED = 20;
const MANY_ENDED = 200;

/** The pulse's CPU at a 1 s beat with many ended sessions against few: it should depend only on live ones. */
async function pastRow(setting: Setting): Promise<Row> {
  const seconds = setting.quick ? 8 : 24;
  const row: Row = {
    id: "beat-past",
    what: `CPU of the pulse at a 1 s beat with ${MANY_ENDED} ended sessions kept, over ${seconds} s`,
    unit: "ms",
    limits: { of: "ratio", bar: 1.25, aim: 1.05 },
    bar: "1.25 ×",
    aim: "1.05 ×",
  };
  if (Deno.build.os !== "linux") return { ...row, note: "read from /proc, Linux alone" };
  const benches = await Promise.all([FEW_ENDED, MANY_ENDED].map(async (count) => {
    const bench = setting.profile(`past-${count}`);
    bench.env["LOOOP_INTERVAL"] = "1";
    await setting.call(bench.env, "_", "state");
    await endedSessions(setting, bench, count);
    await setting.call(bench.env, "up");
    return bench;
  }));
  // Leaves out the first look at the ended sessions, the sweep after it, and the search for their agents' records.
  await delay(15_000);
  const pids = benches.map((bench) => setting.pulsePid(bench));
  const before = pids.map(usageOf);
  await delay(seconds * 1000);
  const [few, many] = pids.map((pid, n) => between(before[n], usageOf(pid)).cpu);
  for (const { env } of benches) await setting.call(env, "down");
  if (few === undefined || many === undefined) throw new Error("nothing was measured");
  const baseline = { name: `with ${FEW_ENDED}`, value: few };
  return { ...row, value: many, baseline, ratio: many / few, n: 1, note: "children included" };
}

/** Makes ended sessions: runs one worker and copies its session. */
async function endedSessions(setting: Setting, { env, profile }: BenchProfile, count: number): Promise<void> {
  await setting.call(env, "_", "worker", "start", "w0", "--command", "echo done", "go");
  const first = `${profile.sessions}/w0`;
  const isOver = () => Deno.readTextFile(`${first}/status.json`).then((text) => text.includes("exited"));
  while (!await isOver().catch(() => false)) await delay(50);
  for (let n = 1; n < count; n++) {
    const dir = `${profile.sessions}/w${n}`;
    await Deno.mkdir(dir);
    for (const { name, isFile } of Deno.readDirSync(first)) {
      if (isFile) await Deno.copyFile(`${first}/${name}`, `${dir}/${name}`);
    }
    const meta = JSON.parse(await Deno.readTextFile(`${first}/meta.json`));
    await Deno.writeTextFile(
      `${dir}/meta.json`,
      JSON.stringify({ ...meta, id: `w${n}`, gen: `${meta.gen}${n}` }),
    );
  }
}

/** How long the idle processes run before they are measured, ms. */
const WARM_MS = 75_000;

async function idleRows(setting: Setting): Promise<Row[]> {
  // As long as the interval, so that exactly one beat falls into it.
  const seconds = setting.quick ? 10 : 60;
  const idle = setting.profile("idle");
  const head = (id: string, what: string): Row => ({
    id,
    what: `CPU of ${what} over ${seconds} s`,
    unit: "ms",
    limits: { of: "value", bar: seconds, aim: seconds / 10 },
    bar: "not measurable (0.1 %)",
    aim: "0.01 %",
  });
  const heads = [
    head("idle-pulse", "an idle pulse (60 s interval)"),
    head("idle-wait", "a blocked `_ wait`"),
    head("idle-watch", "an idle `watch`"),
  ];
  if (Deno.build.os !== "linux") {
    return heads.map((row) => ({ ...row, note: "read from /proc, Linux alone" }));
  }
  await setting.call(idle.env, "up");
  await setting.call(idle.env, "_", "wait", "--fresh");
  const wait = start([setting.looop, "_", "wait"], idle.env);
  const watch = await onTerminal([setting.looop, "watch"], idle.env);
  const sleep = start([setting.programs.sleep], idle.env);
  // A process that has just started frees memory for some seconds and runs its first beat cold, which it does only once.
  await delay(setting.quick ? 15_000 : WARM_MS);
  const pids = [setting.pulsePid(idle), wait.pid, watch.pid, sleep.pid];
  const before = pids.map(usageOf);
  await delay(seconds * 1000);
  const used = pids.map((pid, n) => between(before[n], usageOf(pid)));
  await Promise.all([endAll([wait.child, sleep.child]), watch.end()]);
  const floor = used[3]?.cpu ?? 0;
  return heads.map((row, n) => {
    const { cpu, wakeups } = used[n] ?? { cpu: NaN, wakeups: NaN };
    return {
      ...row,
      value: cpu,
      baseline: { name: "sleeping program", value: floor },
      n: 1,
      note: `${(cpu / seconds / 10).toFixed(3)} % of one CPU, ${wakeups} wake-ups, children included`,
    };
  });
}

function between(before: Usage | undefined, after: Usage): Usage {
  return { cpu: after.cpu - (before?.cpu ?? 0), wakeups: after.wakeups - (before?.wakeups ?? 0) };
}

const SENSORS = 50;
const AT_ONCE = 8;

async function beatRow(setting: Setting): Promise<Row> {
  const bench = setting.profile("fifty");
  await setting.call(bench.env, "_", "state");
  await Deno.remove(`${bench.profile.sensors}/today.sh`);
  for (let n = 0; n < SENSORS; n++) {
    const path = `${bench.profile.sensors}/slow${n}.sh`;
    writeExecutable(path, "#!/bin/sh\nsleep 1\necho '{}'\n");
  }
  const line = `i=0; while [ $i -lt ${SENSORS} ]; do echo $i; i=$((i+1)); done |
    xargs -n 1 -P ${AT_ONCE} sh -c 'sleep 1; echo "{}"'`;
  const [baseline] = await interleaved([{ argv: () => ["sh", "-c", line] }], 1, bench.env);
  const beat = await oneBeat(setting, bench);
  const ideal = Math.ceil(SENSORS / AT_ONCE) * 1000;
  const floor = baseline?.wall.median ?? NaN;
  return {
    id: "beat-fifty",
    what: `beat of ${SENSORS} sensors that take 1 s each, ${AT_ONCE} at once`,
    unit: "ms",
    value: beat,
    baseline: { name: "`sh` and `xargs -P`", value: floor },
    ratio: beat / floor,
    n: 1,
    limits: { of: "value", bar: ideal * 1.1, aim: ideal * 1.03 },
    bar: "7 s + 10 %",
    aim: "+ 3 %",
  };
}

/** Row of the time from the first sensor's start to the publication of all readings. */
async function oneBeat(setting: Setting, { env, profile }: BenchProfile): Promise<number> {
  await setting.call(env, "up");
  for (;;) {
    const world = JSON.parse(await Deno.readTextFile(profile.world));
    const readings = Object.entries<{ sensed_at: number; ms: number }>(world.readings)
      .filter(([name]) => name.startsWith("sensor-")).map(([, reading]) => reading);
    if (readings.length >= SENSORS) {
      const first = Math.min(...readings.map((reading) => reading.sensed_at - reading.ms));
      return world.published_at - first;
    }
    await delay(50);
  }
}
