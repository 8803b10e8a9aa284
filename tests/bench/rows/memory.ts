/** Memory of waiting verbs, of the supervisor, and of the pulse after many beats. */
import { blocked, childrenOf, delay, endAll, memoryOf, start } from "../measure.ts";
import { type Row, seriesOf } from "../report.ts";
import type { Setting } from "../setting.ts";
import { writeExecutable } from "../../executable.ts";

export async function waitingRows(setting: Setting): Promise<Row[]> {
  const { env } = setting.profile("memory");
  await setting.call(env, "up");
  await setting.call(env, "_", "wait", "--fresh");
  const count = setting.quick ? 4 : 8;
  const sleepers = await memoryOfMany(count, () => start([setting.programs.sleep], env));
  const waiters = await memoryOfMany(count, () => start([setting.looop, "_", "wait", "--only-asks"], env));
  const askers = await memoryOfMany(
    count,
    (n) => start([setting.looop, "_", "ask", `asker${n}`, "--prompt", "?"], env),
  );
  const old = await setting.oldLooop("memory-old");
  const oldOf = async (args: (n: number) => string[]) =>
    old === undefined
      ? undefined
      : (await memoryOfMany(count, (n) => start([old.bin, ...args(n)], old.env))).median;
  const oldWait = await oldOf(() => ["_", "wait"]);
  const oldAsk = await oldOf((n) => ["_", "ask", `asker${n}`, "--prompt", "?"]);
  const row = (
    id: string,
    what: string,
    series: ReturnType<typeof seriesOf>,
    old: number | undefined,
  ): Row => ({
    id,
    what,
    unit: "MB",
    value: series.median,
    ...(old === undefined ? {} : { old }),
    baseline: { name: `empty sleeping program`, value: sleepers.median },
    ratio: series.median / sleepers.median,
    n: count,
    noise: Math.hypot(series.noise, sleepers.noise),
    limits: { of: "value", bar: 25, aim: 19 },
    bar: "25 MB",
    aim: "19 MB",
  });
  return [
    row("memory-wait", `memory of a blocked \`_ wait\` (PSS, ${count} alive)`, waiters, oldWait),
    row("memory-ask", `memory of a blocked \`_ ask\` (PSS, ${count} alive)`, askers, oldAsk),
  ];
}

async function memoryOfMany(count: number, launch: (n: number) => ReturnType<typeof start>) {
  const alive = Array.from({ length: count }, (_, n) => launch(n));
  if (count > 0) await delay(500);
  for (const { pid } of alive) await Promise.race([blocked(pid), delay(1500)]);
  await delay(1500);
  const sizes = await Promise.all(alive.map(({ pid }) => memoryOf(pid)));
  await endAll(alive.map(({ child }) => child));
  return seriesOf(sizes);
}

export async function supervisorRow(setting: Setting): Promise<Row> {
  const { env, profile } = setting.profile("supervisor");
  const count = 6;
  for (let n = 0; n < count; n++) {
    await setting.call(env, "_", "worker", "start", `w${n}`, "--command", "exec sleep 300", "go");
  }
  await delay(300);
  const sizes: number[] = [];
  for (let n = 0; n < count; n++) {
    const pid = Number((await Deno.readTextFile(`${profile.sessions}/w${n}/sup`)).split(" ")[0]);
    let size = await memoryOf(pid);
    for (const child of await childrenOf(pid)) size += await memoryOf(child);
    sizes.push(size);
  }
  const bare = await bareMemory(count, env);
  const series = seriesOf(sizes);
  return {
    id: "memory-supervisor",
    what: `memory of one supervisor (PSS, ${count} alive)`,
    unit: "MB",
    value: series.median,
    baseline: { name: "bare `sh` and `script`", value: bare },
    ratio: series.median / bare,
    n: count,
    noise: series.noise,
    limits: { of: "value", bar: 1.5, aim: 0.6 },
    bar: "1.5 MB",
    aim: "0.6 MB",
  };
}

/** Memory of a shell that waits for `script`, which runs a program: the cheapest way to give it a terminal. */
async function bareMemory(count: number, env: Record<string, string>): Promise<number> {
  const line = Deno.build.os === "darwin"
    ? "script -q /dev/null /bin/sleep 300 </dev/zero >/dev/null 2>&1; :"
    : "script -qec 'exec sleep 300' /dev/null <>\"$0\" >/dev/null 2>&1; :";
  const fifo = `${env["HOME"]}/bare-${Deno.pid}`;
  await new Deno.Command("mkfifo", { args: [fifo] }).output();
  const shells = Array.from({ length: count }, () =>
    new Deno.Command("/bin/sh", {
      args: ["-c", line, fifo],
      env: { ...env, SHELL: "/bin/sh" },
      detached: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn());
  await delay(500);
  const sizes: number[] = [];
  for (const { pid } of shells) {
    let size = await memoryOf(pid);
    for (const child of await childrenOf(pid)) size += await memoryOf(child);
    sizes.push(size);
  }
  for (const { pid } of shells) {
    for (const child of await childrenOf(pid)) Deno.kill(child, "SIGKILL");
  }
  await Promise.all(shells.map((shell) => shell.status));
  await Deno.remove(fifo);
  return seriesOf(sizes).median;
}

/** Number of waiting processes beside the pulse, which share the program's pages with it. */
const OTHERS = 3;

/** Row of the real pulse on a faster clock; see programs/beats.ts. */
export async function pulseRow(setting: Setting): Promise<Row> {
  const { env, profile } = setting.profile("beats");
  await Deno.mkdir(profile.sensors, { recursive: true });
  for (let n = 0; n < 20; n++) {
    const path = `${profile.sensors}/s${n}.sh`;
    writeExecutable(path, `#!/bin/sh\nprintf '{"signal":%s,"detail":"%0512d"}' $$ 0\n`);
  }
  const pulse = new Deno.Command(setting.programs.beats, {
    args: [profile.dir, String(setting.beats)],
    env,
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const others = Array.from({ length: OTHERS }, () => start([setting.programs.beats, "sleep"], env));
  const sizes: { beat: number; size: number }[] = [];
  const stdin = pulse.stdin.getWriter();
  for await (const piece of pulse.stdout) {
    const beat = Number(new TextDecoder().decode(piece).trim().split(" ")[1]);
    sizes.push({ beat, size: await memoryOf(pulse.pid) });
    await stdin.write(new Uint8Array([10])).catch(() => {});
  }
  await stdin.close().catch(() => {});
  await pulse.status;
  await endAll(others.map(({ child }) => child));
  const last = sizes.at(-1)?.size ?? NaN;
  const first = sizes[1]?.size ?? NaN;
  return {
    id: "memory-pulse",
    what:
      `memory of the pulse after ${setting.beats} beats with 20 sensors (PSS, ${OTHERS} waiting beside it)`,
    unit: "MB",
    value: last,
    baseline: { name: `after ${sizes[1]?.beat ?? 0} beats`, value: first },
    ratio: last / first,
    n: 1,
    limits: { of: "value", bar: 45, aim: 30 },
    bar: "45 MB, flat",
    aim: "30 MB",
    note: `after ${sizes.map(({ beat, size }) => `${beat} beats ${size.toFixed(1)} MB`).join(", ")}; ` +
      "the pulse's own code on a clock that runs 20 times faster",
  };
}
