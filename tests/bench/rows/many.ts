/** The cost of large numbers: a long past, and a large present. */
import { blocked, delay, identityLines, interleaved, peakOf, start, timed } from "../measure.ts";
import { against, type Row, seriesOf } from "../report.ts";
import type { BenchProfile, Setting } from "../setting.ts";

/** `_ state` of a profile with a past of months against a fresh one; both with their pulse. */
export async function historyRow(setting: Setting): Promise<Row> {
  const fresh = setting.profile("fresh");
  const old = setting.profile("old");
  await setting.call(fresh.env, "up");
  await setting.call(old.env, "_", "state");
  await writeHistory(old, setting.quick ? 0.1 : 1);
  await setting.call(old.env, "up");
  await untilPublished(setting, old);
  const argv = () => [setting.looop, "_", "state", "--json"];
  const [young, aged] = await interleaved(
    [{ argv, env: fresh.env }, { argv, env: old.env }],
    setting.runs(21),
    {},
  );
  await setting.call(old.env, "down");
  await setting.call(fresh.env, "down");
  if (young === undefined || aged === undefined) throw new Error("nothing was measured");
  return {
    id: "state-history",
    what:
      `\`_ state\` with 10,000 answered asks, 1,000 ended sessions, a 200,000-line journal, 50,000 cost rows${
        setting.quick ? " (a tenth of each)" : ""
      }`,
    unit: "ms",
    ...against(aged, "fresh profile", young),
    limits: { of: "ratio", bar: 2, aim: 1.2 },
    bar: "2 × the fresh profile",
    aim: "1.2 ×",
  };
}

/** Waits until the pulse has published all sessions. */
async function untilPublished(setting: Setting, bench: BenchProfile): Promise<void> {
  const count = [...Deno.readDirSync(bench.profile.sessions)].filter((entry) => entry.isDirectory).length;
  for (;;) {
    const world = JSON.parse(await setting.call(bench.env, "_", "state", "--json"));
    if (world.workers.length >= Math.min(count, 1) && world.pulse.alive) break;
    await delay(100);
  }
  await delay(3_000);
}

async function writeHistory({ profile }: BenchProfile, scale: number): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  const month = `${profile.asksArchive}/${new Date().toISOString().slice(0, 7)}`;
  await Deno.mkdir(month, { recursive: true });
  for (let n = 1; n <= 10_000 * scale; n++) {
    const id = `w${n % 1000}-${Math.ceil(n / 1000)}`;
    const ask = { v: 1, id, worker: `w${n % 1000}`, prompt: "May I go on?", ts: now - n, gen: "" };
    Deno.writeTextFileSync(`${month}/${id}.json`, `${JSON.stringify(ask)}\n`);
    const answer = { v: 1, answer: "yes", ts: now - n, outcome: "answered" };
    Deno.writeTextFileSync(`${month}/${id}.answer.json`, `${JSON.stringify(answer)}\n`);
  }
  for (let n = 0; n < 1000 * scale; n++) writeSession(profile.sessions, `w${n}`, now - 7200 - n, undefined);
  const entry = "- 2026-01-01 10:00 answer w1-1: yes, go on with it, and mind the tests\n";
  await Deno.mkdir(profile.journalHistory, { recursive: true });
  const lines = 200_000 * scale;
  for (let part = 0; part < 4; part++) {
    const name = part === 3
      ? profile.journal
      : `${profile.journalHistory}/2026-01${part === 0 ? "" : `~${part + 1}`}.md`;
    await Deno.writeTextFile(name, entry.repeat(lines / 4));
  }
  await writeLedger(profile.cost, 50_000 * scale);
}

function writeSession(sessions: string, id: string, at: number, supervisor: string | undefined): void {
  const dir = `${sessions}/${id}`;
  Deno.mkdirSync(dir, { recursive: true });
  const meta = { v: 1, id, gen: "g", cmd: ["true"], babysit_pid: 0, started_at: at, runner: "pi", cwd: "/" };
  Deno.writeTextFileSync(`${dir}/meta.json`, `${JSON.stringify(meta)}\n`);
  Deno.writeTextFileSync(`${dir}/output.log`, "done\n");
  Deno.writeTextFileSync(`${dir}/ready`, "");
  const status = supervisor === undefined
    ? { state: "exited", child_pid: 1, exit_code: 0, last_change: at + 60, ended_by: "self" }
    : { state: "running", child_pid: 1, exit_code: null, last_change: at };
  Deno.writeTextFileSync(`${dir}/status.json`, `${JSON.stringify(status)}\n`);
  if (supervisor !== undefined) Deno.writeTextFileSync(`${dir}/sup`, `${supervisor}\n`);
}

async function writeLedger(path: string, rows: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const encoder = new TextEncoder();
  const start = Math.floor(Date.now() / 1000) - 30 * 86_400;
  for (let from = 0; from < rows; from += 10_000) {
    let text = "";
    for (let n = from; n < Math.min(rows, from + 10_000); n++) {
      text += `{"ts":${start + n},"kind":"worker","id":"w${n % 50}","runner":"pi","cost_usd":0.0${
        n % 90 + 10
      }}\n`;
    }
    file.writeSync(encoder.encode(text));
  }
}

/** `looop cost` over a million rows: time against `awk`, peak memory against that of 50,000 rows. */
export async function ledgerRow(setting: Setting): Promise<Row> {
  const head: Row = {
    id: "cost-million",
    what: `\`looop cost\` over ${setting.quick ? "100,000" : "1,000,000"} rows`,
    unit: "ms",
    limits: { of: "ratio", bar: 4, aim: 2 },
    bar: "4 ×",
    aim: "2 ×",
  };
  if (!await setting.has("cost")) return { ...head, note: "this build has no `looop cost`" };
  const large = setting.profile("ledger");
  const small = setting.profile("small-ledger");
  for (const { env } of [large, small]) await setting.call(env, "_", "state");
  await writeLedger(large.profile.cost, setting.quick ? 100_000 : 1_000_000);
  await writeLedger(small.profile.cost, setting.quick ? 5_000 : 50_000);
  // Its sums are kept only once its file times are old enough to reveal a later change.
  await delay(1_500);
  const old = await setting.oldLooop("ledger-old");
  const awk = `awk -F'"cost_usd":' '{ sum += $2 } END { print sum }' "$LOOOP_DATA_DIR/cost.jsonl"`;
  const first = await timed([setting.looop, "cost", "all"], large.env);
  const [floor, cost, oldCost] = await interleaved(
    [
      { argv: () => ["sh", "-c", awk] },
      { argv: () => [setting.looop, "cost", "all"] },
      ...(old === undefined ? [] : [{
        argv: () => [old.bin, "cost", "all"],
        env: { ...old.env, LOOOP_DATA_DIR: large.profile.dir },
      }]),
    ],
    setting.quick ? 1 : 3,
    large.env,
  );
  if (floor === undefined || cost === undefined) throw new Error("nothing was measured");
  const [peak, least] = [await peakOfRun(setting, large), await peakOfRun(setting, small)];
  await Deno.remove(large.profile.cost);
  return {
    ...head,
    ...against(cost, "`awk` adding them up", floor),
    ...(oldCost === undefined ? {} : { old: oldCost.wall.median }),
    note:
      `the first call, which sums all rows, ${first.wall.toFixed(0)} ms; peak memory ${
        peak.toFixed(0)
      } MB, ` +
      `with a twentieth of the rows ${least.toFixed(0)} MB`,
  };
}

async function peakOfRun(setting: Setting, { env }: BenchProfile): Promise<number> {
  const run = start([setting.looop, "cost", "all"], env);
  let peak = NaN;
  const timer = setInterval(() => peak = peakOf(run.pid) || peak, 5);
  await run.printed;
  clearInterval(timer);
  await run.child.status;
  return peak;
}

/** 200 live workers and 50 pending asks: `_ state`, and the wake-up of a blocked `_ wait` by one more ask. */
export async function fleetRows(setting: Setting): Promise<Row[]> {
  const bench = setting.profile("fleet");
  await setting.call(bench.env, "_", "state");
  try {
    await using crowd = await Crowd.start(200);
    return await measureFleet(setting, bench, crowd);
  } finally {
    // The sleeping processes only stood in for supervisors, so `down` has nothing to end.
    await Deno.remove(bench.profile.sessions, { recursive: true });
    await setting.call(bench.env, "down");
  }
}

async function measureFleet(setting: Setting, bench: BenchProfile, crowd: Crowd): Promise<Row[]> {
  const { env, profile } = bench;
  const now = Math.floor(Date.now() / 1000);
  const identities = await identityLines(crowd.pids);
  for (const [n, identity] of identities.entries()) writeSession(profile.sessions, `w${n}`, now, identity);
  for (let n = 0; n < 50; n++) writeAsk(profile.asks, `w${n}`, 1);
  await setting.call(env, "up");
  await untilPublished(setting, bench);
  const [empty, state] = await interleaved(
    [{ argv: () => [setting.programs.empty] }, { argv: () => [setting.looop, "_", "state", "--json"] }],
    setting.runs(15),
    env,
  );
  const calm = setting.profile("fleet-of-one");
  await setting.call(calm.env, "up");
  const [identity] = await identityLines(crowd.pids.slice(0, 1));
  writeSession(calm.profile.sessions, "w0", now, identity);
  await untilPublished(setting, calm);
  const wakes: number[] = [];
  const calmWakes: number[] = [];
  for (const one of [bench, calm]) await setting.call(one.env, "_", "wait", "--fresh");
  for (let run = 0; run < setting.runs(9); run++) {
    wakes.push(await wakeByAsk(setting, bench, `w${run}`));
    calmWakes.push(await wakeByAsk(setting, calm, `w${run}`));
  }
  await Deno.remove(calm.profile.sessions, { recursive: true });
  await setting.call(calm.env, "down");
  const [wake, calmWake] = [seriesOf(wakes), seriesOf(calmWakes)];
  if (empty === undefined || state === undefined) throw new Error("nothing was measured");
  return [
    {
      id: "fleet-state",
      what: "200 workers alive, 50 pending asks: `_ state`",
      unit: "ms",
      ...against(state, "empty program", empty),
      limits: { of: "ratio", bar: 2, aim: 1.5 },
      bar: "2 ×",
      aim: "1.5 ×",
    },
    {
      id: "fleet-wake",
      what: "the same: ask file complete → `_ wait` has printed",
      unit: "ms",
      value: wake.median,
      baseline: { name: "one worker, no other ask", value: calmWake.median },
      ratio: wake.median / calmWake.median,
      n: wake.n,
      noise: Math.hypot(wake.noise, calmWake.noise),
      limits: { of: "ratio", bar: 5, aim: 3 },
      bar: "5 ×",
      aim: "3 ×",
    },
  ];
}

/** Time from one more ask until a blocked wait has printed it, ms. */
async function wakeByAsk(setting: Setting, { env, profile }: BenchProfile, worker: string): Promise<number> {
  const waiter = start([setting.looop, "_", "wait", "--json"], env);
  await blocked(waiter.pid);
  await delay(200);
  const at = writeAsk(profile.asks, worker, 2);
  const wake = (await waiter.printed).at - at;
  await waiter.child.status;
  await Deno.remove(`${profile.asks}/${worker}-2.json`);
  return wake;
}

function writeAsk(asks: string, worker: string, number: number): number {
  const id = `${worker}-${number}`;
  const ask = { v: 1, id, worker, prompt: "May I go on?", ts: Math.floor(Date.now() / 1000), gen: "g" };
  const temp = `${asks}/.${id}.json.tmp-1-bench`;
  Deno.writeTextFileSync(temp, `${JSON.stringify(ask)}\n`);
  const at = performance.now();
  Deno.renameSync(temp, `${asks}/${id}.json`);
  return at;
}

/** Many sleeping processes that stand in for live supervisors, with real pids and start times. */
class Crowd implements AsyncDisposable {
  readonly pids: readonly number[];
  readonly #shell: Deno.ChildProcess;

  private constructor(shell: Deno.ChildProcess, pids: readonly number[]) {
    this.#shell = shell;
    this.pids = pids;
  }

  static async start(count: number): Promise<Crowd> {
    const line =
      `i=0; while [ $i -lt ${count} ]; do sleep 600 >/dev/null & echo $!; i=$((i+1)); done; echo end; wait`;
    const shell = new Deno.Command("sh", { args: ["-c", line], stdin: "null", stdout: "piped" }).spawn();
    let text = "";
    for await (const piece of shell.stdout.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (text.includes("end")) break;
    }
    return new Crowd(shell, text.split("\n").map(Number).filter((pid) => pid > 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of this.pids) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // Ended by itself.
      }
    }
    await this.#shell.status;
  }
}
