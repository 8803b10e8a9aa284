/** The cost of 90 days: each verb in a profile of 90 days against one of a single day, and its size on disk. */
import { writeMonths } from "../../months.ts";
import { delay, interleaved } from "../measure.ts";
import { against, type Row } from "../report.ts";
import type { BenchProfile, Setting } from "../setting.ts";

const DAYS = 90;
/** Placeholder for the id of the worker that was started last. */
const LAST = "LAST";
const VERBS = [
  ["version"],
  ["_", "state", "--json"],
  ["_", "wait", "--json", "--fresh"],
  ["_", "worker", "list"],
  ["_", "worker", "list", "--json"],
  ["_", "ask", "list"],
  ["_", "sensor", "list"],
  ["_", "note", "a line"],
  ["_", "cost", "session", "w1", "pi", "0.01"],
  ["status"],
  ["journal"],
  ["logs"],
  ["logs", LAST],
  ["cost", "today"],
  ["cost"],
  ["cost", "all"],
  ["cost", "today", "--json"],
  ["cost", "--json"],
  ["cost", "all", "--json"],
  ["doctor"],
  ["page", "--days", "1"],
] as const;

/** A row for each verb, one for `page` and one for the bytes. */
export async function monthsRows(setting: Setting): Promise<Row[]> {
  const day = await withDays(setting, 1);
  const old = await withDays(setting, setting.quick ? 30 : DAYS);
  const rows: Row[] = [];
  for (const verb of VERBS) {
    const argv = ({ last }: Aged) => [setting.looop, ...verb.map((word) => word === LAST ? last : word)];
    rows.push(await compared(setting, verb.join(" ").replace(LAST, "WORKER"), [day, old], argv, 15));
  }
  const restart = () => ["sh", "-c", '"$0" down >/dev/null && "$0" up', setting.looop];
  rows.push(await compared(setting, "down; up", [day, old], restart, 5));
  const argv = () => [setting.looop, "page", "--days", String(DAYS)];
  const [page] = await interleaved([{ argv, env: old.env }], 3, {});
  const html = Deno.statSync(`${old.profile.reports}/looop.html`).size;
  rows.push({
    id: "months-page",
    what: `\`page --days ${DAYS}\`, ${(html / 1e6).toFixed(2)} MB of HTML`,
    unit: "ms",
    value: page?.wall.median ?? NaN,
    n: 3,
    limits: { of: "value", bar: 3_000, aim: 2_000 },
    bar: "3 s",
    aim: "2 s",
  });
  const bytes = bytesIn(old.profile.dir);
  rows.push({
    id: "months-size",
    what: `the data dir after ${old.days} days`,
    unit: "MB",
    value: bytes / 1e6,
    baseline: { name: "first day", value: bytesIn(day.profile.dir) / 1e6 },
    n: 1,
    limits: { of: "value", bar: 200, aim: 150 },
    bar: "200 MB",
    aim: "150 MB",
  });
  for (const { env } of [day, old]) await setting.call(env, "down");
  return rows;
}

/** One verb in the young and in the old profile. */
async function compared(
  setting: Setting,
  name: string,
  profiles: readonly Aged[],
  argv: (profile: Aged) => string[],
  runs: number,
): Promise<Row> {
  const subjects = profiles.map((aged) => ({ argv: () => argv(aged), env: aged.env }));
  const [young, aged] = await interleaved(subjects, setting.runs(runs), {});
  if (young === undefined || aged === undefined) throw new Error("nothing was measured");
  return {
    id: `months-${name.replace(/[^a-z]+/gi, "-").replace(/^-/, "")}`,
    what: `\`${name}\` after ${profiles[1]?.days} days of 50 workers a day`,
    unit: "ms",
    ...against(aged, "first day", young),
    limits: { of: "cpuRatio", bar: 1.2, aim: 1.1 },
    bar: "1.2 × the CPU of the first day",
    aim: "1.1 ×",
  };
}

/** Bytes on disk, in blocks of 4 KiB. */
function bytesIn(dir: string): number {
  let sum = 0;
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    const path = `${dir}/${name}`;
    sum += isDirectory ? bytesIn(path) : Math.ceil(Deno.lstatSync(path).size / 4096) * 4096;
  }
  return sum;
}

interface Aged extends BenchProfile {
  days: number;
  /** Id of the worker that was started last. */
  last: string;
}

/** Makes a profile of this many days and waits until its pulse is idle. */
async function withDays(setting: Setting, days: number): Promise<Aged> {
  const bench = setting.profile(`days-${days}`);
  await writeMonths(bench.profile, days, { sessionDays: days });
  await setting.call(bench.env, "up");
  await delay(3_000);
  return { ...bench, days, last: `task-${days - 1}-49` };
}
