/** Wake-ups: the time from a complete file, or the end of a process, until the waiting verb has printed. */
import { blocked, delay, endAll, start } from "../measure.ts";
import { type Row, seriesOf } from "../report.ts";
import type { BenchProfile, Setting } from "../setting.ts";

const WAKE = { of: "value", bar: 25 } as const;

export async function latencyRows(setting: Setting): Promise<Row[]> {
  const bench = setting.profile("latency");
  await setting.call(bench.env, "up");
  await setting.call(bench.env, "_", "wait", "--fresh", "--as", "bench");
  const runs = setting.runs(21);
  const raw: number[] = [];
  const asks: number[] = [];
  const answers: number[] = [];
  for (let run = 1; run <= runs; run++) {
    raw.push(await rawWake(setting, bench));
    asks.push(await askWake(setting, bench, run));
    answers.push(await answerWake(setting, bench, run));
  }
  const ends: number[] = [];
  for (let run = 1; run <= setting.runs(12); run++) ends.push(await endWake(setting, bench, run));
  const floor = seriesOf(raw);
  const row = (
    id: string,
    what: string,
    values: readonly number[],
    rest: Pick<Row, "bar" | "aim" | "limits">,
  ) => {
    const series = seriesOf(values);
    return {
      id,
      what,
      unit: "ms" as const,
      value: series.median,
      baseline: { name: "raw watcher", value: floor.median },
      ratio: series.median / floor.median,
      n: series.n,
      noise: Math.hypot(series.noise, floor.noise),
      ...rest,
    };
  };
  const twice = {
    bar: "25 ms",
    aim: "2 × a raw watcher",
    limits: { ...WAKE, aim: Math.min(25, 2 * floor.median) },
  };
  return [
    row("wake-ask", "ask file complete → `_ wait` has printed", asks, twice),
    row("wake-answer", "answer file complete → `_ ask` has printed", answers, twice),
    row("wake-end", "worker's process told to end → `_ wait` has printed", ends, {
      bar: "60 ms",
      aim: "30 ms",
      limits: { of: "value", bar: 60, aim: 30 },
    }),
  ];
}

/** Writes a whole file by a rename and returns the moment of the rename. */
function complete(dir: string, name: string, value: unknown): number {
  const temp = `${dir}/.${name}.tmp-1-bench`;
  Deno.writeTextFileSync(temp, `${JSON.stringify(value)}\n`);
  const at = performance.now();
  Deno.renameSync(temp, `${dir}/${name}`);
  return at;
}

async function rawWake(setting: Setting, { env, profile }: BenchProfile): Promise<number> {
  const watcher = start([setting.programs.watch, profile.reports], env);
  await blocked(watcher.pid);
  const at = complete(profile.reports, "event.json", {});
  const printed = await watcher.printed;
  await watcher.child.status;
  return printed.at - at;
}

async function askWake(setting: Setting, { env, profile }: BenchProfile, run: number): Promise<number> {
  const waiter = start([setting.looop, "_", "wait", "--json", "--as", "bench"], env);
  await blocked(waiter.pid);
  const ask = { v: 1, id: `bench-${run}`, worker: "bench", prompt: "May I?", ts: now(), gen: "" };
  const at = complete(profile.asks, `bench-${run}.json`, ask);
  const printed = await waiter.printed;
  await waiter.child.status;
  await Deno.remove(`${profile.asks}/bench-${run}.json`);
  requireReason(printed.text, `ask:bench-${run}`);
  return printed.at - at;
}

async function answerWake(setting: Setting, { env, profile }: BenchProfile, run: number): Promise<number> {
  const asker = start([setting.looop, "_", "ask", `asker${run}`, "--prompt", "May I?"], env);
  await blocked(asker.pid);
  const at = complete(profile.answers, `asker${run}-1.json`, {
    v: 1,
    answer: "yes",
    ts: now(),
    outcome: "answered",
  });
  const printed = await asker.printed;
  await asker.child.status;
  if (printed.text !== "yes\n") throw new Error(`\`_ ask\` printed ${JSON.stringify(printed.text)}`);
  return printed.at - at;
}

/** A worker ends when a line comes through its FIFO: measures the way by supervisor and pulse to `_ wait`. */
async function endWake(setting: Setting, { env, profile }: BenchProfile, run: number): Promise<number> {
  const id = `ending${run}`;
  const gate = `${profile.reports}/${id}`;
  await new Deno.Command("mkfifo", { args: [gate] }).output();
  await setting.call(env, "_", "worker", "start", id, "--command", `head -n 1 '${gate}'`, "go");
  await delay(100);
  for (;;) {
    await setting.call(env, "_", "wait", "--fresh", "--as", "bench");
    const waiter = start([setting.looop, "_", "wait", "--json", "--as", "bench"], env);
    await blocked(waiter.pid);
    const early = await Promise.race([waiter.printed, delay(50)]);
    if (early !== undefined) {
      await endAll([waiter.child]);
      continue;
    }
    const opened = await Deno.open(gate, { read: true, write: true });
    const at = performance.now();
    opened.writeSync(new Uint8Array([10]));
    const printed = await waiter.printed;
    opened.close();
    await waiter.child.status;
    requireReason(printed.text, `worker:${id}`);
    return printed.at - at;
  }
}

function requireReason(text: string, reason: string): void {
  const reasons: string[] = JSON.parse(text).reason;
  if (!reasons.includes(reason)) {
    throw new Error(`\`_ wait\` woke for ${reasons.join(", ")}, not for ${reason}`);
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
