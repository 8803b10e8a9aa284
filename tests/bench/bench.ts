/**
 * `deno task bench [--quick] [--json] [--compare FILE] [--only ID,ID] [--beats N] [--binary FILE]`: how fast and
 * how light looop is, each figure beside a baseline measured in the same run.
 *
 * Needs `deno task compile` first; it compiles its baselines itself, with the same flags. Progress goes to
 * stderr, the table (or the JSON) to stdout. Exit 1: something got slower than in FILE.
 */
import { parseArgs } from "node:util";
import { VERSION } from "../../lib/cli/version.ts";
import { formatTable, type Report, type Row, slowerThan } from "./report.ts";
import { fleetRows, historyRow, ledgerRow } from "./rows/many.ts";
import { blockedRows, callRows } from "./rows/calls.ts";
import { latencyRows } from "./rows/latency.ts";
import { monthsRows } from "./rows/months.ts";
import { pulseRow, supervisorRow, waitingRows } from "./rows/memory.ts";
import { sizeRow } from "./rows/size.ts";
import { sleepingRows } from "./rows/sleeping.ts";
import { startupRows } from "./rows/startup.ts";
import { wakeRow } from "./rows/wakes.ts";
import { Setting } from "./setting.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    compare: { type: "string" },
    only: { type: "string" },
    beats: { type: "string" },
    binary: { type: "string" },
  },
});

/** Groups of rows in the order of the table; the rows of a group share a profile and are measured in turn. */
const GROUPS: Readonly<Record<string, (setting: Setting) => Promise<Row | Row[]>>> = {
  latency: latencyRows,
  startup: startupRows,
  calls: callRows,
  sleeping: sleepingRows,
  waiting: waitingRows,
  blocked: blockedRows,
  pulse: pulseRow,
  supervisor: supervisorRow,
  history: historyRow,
  ledger: ledgerRow,
  fleet: fleetRows,
  wakes: wakeRow,
  months: monthsRows,
  size: sizeRow,
};

async function main(): Promise<number> {
  const quick = values.quick;
  const binary = values.binary ?? new URL("../../dist/looop", import.meta.url).pathname;
  if (await Deno.stat(binary).catch(() => undefined) === undefined) {
    say(`there is no ${binary}: run \`deno task compile\` first`);
    return 2;
  }
  const before = values.compare === undefined
    ? undefined
    : JSON.parse(await Deno.readTextFile(values.compare)) as Report;
  const wanted = values.only?.split(",") ?? Object.keys(GROUPS);
  const started = performance.now();
  const rows: Row[] = [];
  let load = 0;
  {
    await using setting = await Setting.open(binary, quick, Number(values.beats ?? (quick ? 60 : 1000)));
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(name, () => setting[Symbol.asyncDispose]().finally(() => Deno.exit(130)));
    }
    for (const [name, measure] of Object.entries(GROUPS)) {
      if (!wanted.includes(name)) continue;
      const from = performance.now();
      rows.push(...[await measure(setting)].flat());
      load = Math.max(load, Deno.loadavg()[0] ?? 0);
      say(`${name}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
    }
  }
  const report: Report = {
    v: 1,
    version: VERSION,
    date: new Date().toISOString(),
    machine: { os: Deno.build.os, arch: Deno.build.arch, cpus: navigator.hardwareConcurrency, load },
    rows,
  };
  print(values.json ? JSON.stringify(report, null, 2) : formatTable(report));
  say(`all in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (before === undefined) return 0;
  const slower = slowerThan(before, report);
  for (const { id, what, from, to, change } of slower) {
    say(`slower: ${id} (${what}): ${from.toFixed(2)} → ${to.toFixed(2)}, +${Math.round(change * 100)} %`);
  }
  if (slower.length === 0) say(`nothing got slower than in ${values.compare} beyond noise`);
  return slower.length === 0 ? 0 : 1;
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`bench: ${line}\n`));
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) Deno.exit(await main());
