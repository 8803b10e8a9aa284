/** Calls that a worker makes by its launcher and the pulse carries out: their time, and the memory of waiting ones. */
import { readMarked } from "../../../lib/process/table.ts";
import { delay, endAll, memoryOf, start } from "../measure.ts";
import { type Row, seriesOf } from "../report.ts";
import type { BenchProfile, Setting } from "../setting.ts";

/** Number of calls made in one shell; their total time is divided by it. */
const LOOP = 20;

/** Starts workers that wait; returns the environment of each one's calls. */
async function workersOf(setting: Setting, { env, profile }: BenchProfile, count: number) {
  await setting.call(env, "up");
  const workers: Record<string, string>[] = [];
  for (let n = 0; n < count; n++) {
    await setting.call(env, "_", "worker", "start", `w${n}`, "--command", "exec sleep 600", "go");
    const { gen } = JSON.parse(Deno.readTextFileSync(`${profile.sessions}/w${n}/meta.json`));
    workers.push({ ...env, LOOOP_SESSION_ID: `w${n}`, LOOOP_SESSION_GEN: gen });
  }
  return workers;
}

/** Time of one call out of a shell's loop, ms. `$i` is a different number in each call. */
async function callTime(line: string, first: number, env: Record<string, string>): Promise<number> {
  const script = `i=${first}; while [ $i -lt ${
    first + LOOP
  } ]; do i=$((i + 1)); ${line} >/dev/null 2>&1 || exit 1; done`;
  const from = performance.now();
  const { success } = await new Deno.Command("/bin/sh", {
    args: ["-c", script],
    env,
    clearEnv: true,
    stdin: "null",
  })
    .output();
  if (!success) throw new Error(`it fails: ${line}`);
  return (performance.now() - from) / LOOP;
}

/** Rows of a worker's calls from start to end. */
export async function callRows(setting: Setting): Promise<Row[]> {
  const made = setting.profile("calls");
  const [worker = {}] = await workersOf(setting, made, 1);
  const looop = '"$LOOOP_DATA_DIR/.bin/looop" _';
  const lines = {
    none: "sh -c :",
    ready: `${looop} ready w0`,
    cost: `${looop} cost session w0 pi 0.01`,
    claim: `${looop} claim t$i`,
  };
  const times: Record<string, number[]> = { none: [], ready: [], cost: [], claim: [], pending: [] };
  for (let run = 0; run < setting.runs(15); run++) {
    for (const [name, line] of Object.entries(lines)) {
      times[name]?.push(await callTime(line, run * LOOP, worker));
    }
    times["pending"]?.push(await askTime(made, worker, run));
  }
  const none = seriesOf(times["none"] ?? []);
  const row = (name: string, what: string, bar: number, aim: number, ratioBar?: number): Row => {
    const series = seriesOf(times[name] ?? []);
    return {
      id: `call-${name}`,
      what,
      unit: "ms",
      value: series.median,
      baseline: { name: "`sh -c :` in the same loop", value: none.median },
      ratio: series.median / none.median,
      n: series.n,
      noise: Math.hypot(series.noise, none.noise),
      limits: ratioBar === undefined ? { of: "value", bar, aim } : { of: "ratio", bar: ratioBar, aim },
      bar: ratioBar === undefined ? `${bar} ms` : `${bar} ms, ${ratioBar} ×`,
      aim: ratioBar === undefined ? `${aim} ms` : `${aim} ×`,
    };
  };
  return [
    row("pending", "a worker's `_ ask` → the question is pending", 25, 10),
    row("ready", "a worker's `_ ready`, whole call", 20, 8),
    row("cost", "a worker's `_ cost`, whole call", 20, 8),
    row("claim", "a worker's `_ claim`, whole call", 20, 4, 10),
  ];
}

/** Time from the start of a worker's ask until its question is on disk, ms. */
async function askTime({ profile }: BenchProfile, env: Record<string, string>, run: number): Promise<number> {
  const watcher = Deno.watchFs(profile.asks, { recursive: false });
  const name = `w0-${run + 1}.json`;
  const from = performance.now();
  const asker = start([`${profile.bin}/looop`, "_", "ask", "--prompt", `May I, ${run}?`], env);
  for await (const { paths } of watcher) if (paths.some((path) => path.endsWith(`/${name}`))) break;
  const time = performance.now() - from;
  // This ask is never answered, so it is killed; the next one asks another question.
  await endAll([asker.child]);
  return time;
}

/** Memory of workers' blocked asks: one alone, and all of looop's processes together. */
export async function blockedRows(setting: Setting): Promise<Row[]> {
  if (Deno.build.os !== "linux") return [];
  const made = setting.profile("blocked");
  const count = setting.quick ? 10 : 50;
  const workers = await workersOf(setting, made, count);
  const asks = workers.map((env) =>
    start([`${made.profile.bin}/looop`, "_", "ask", "--prompt", "May I?"], env)
  );
  for (let tries = 0; tries < 300 && [...Deno.readDirSync(made.profile.asks)].length < count; tries++) {
    await delay(20);
  }
  await delay(2_000);
  const sizes = await Promise.all(asks.map(({ pid }) => memoryOf(pid)));
  const all = await readMarked([`LOOOP_DATA_DIR=${made.profile.dir}`]);
  let together = 0;
  for (const pid of all) {
    // The workers' agents do not belong to looop.
    if (!/^sleep\0/.test(Deno.readTextFileSync(`/proc/${pid}/cmdline`))) together += await memoryOf(pid);
  }
  const empty = start([setting.programs.sleep], made.env);
  await delay(500);
  const sleeping = await memoryOf(empty.pid);
  await endAll([empty, ...asks].map(({ child }) => child));
  const one = seriesOf(sizes);
  const baseline = { name: "empty sleeping program", value: sleeping };
  return [{
    id: "memory-worker-ask",
    what: `memory of a blocked \`_ ask\` of a worker (PSS, ${count} alive)`,
    unit: "MB",
    value: one.median,
    baseline,
    ratio: one.median / sleeping,
    n: one.n,
    noise: one.noise,
    limits: { of: "value", bar: 2, aim: 0.5 },
    bar: "2 MB",
    aim: "0.5 MB",
  }, {
    id: "memory-fleet",
    what: `${count} workers, ${count} blocked asks: all processes of looop together (PSS)`,
    unit: "MB",
    value: together,
    baseline,
    ratio: together / sleeping,
    n: 1,
    limits: { of: "value", bar: 120, aim: 60 },
    bar: "120 MB",
    aim: "60 MB",
    note: `${all.size} processes, ${count} agents (\`sleep\`) among them that are not counted`,
  }];
}
