/** The cost of 90 days: each verb in a profile of 90 days against one of a single day, and the size on disk. */
import { writeMonths } from "../../months.ts";
import { delay, interleaved } from "../measure.ts";
import type { Row } from "../report.ts";
import type { BenchProfile, Setting } from "../setting.ts";

const DAYS = 90;
const VERBS = [
  ["_", "state", "--json"],
  ["_", "wait", "--json", "--fresh"],
  ["_", "worker", "list"],
  ["_", "ask", "list"],
  ["_", "note", "a line"],
  ["_", "cost", "session", "w1", "pi", "0.01"],
  ["status"],
  ["journal"],
  ["logs"],
  ["cost", "today"],
  ["cost"],
] as const;

/** A row for each verb, one for `page` and one for the bytes. */
export async function monthsRows(setting: Setting): Promise<Row[]> {
  const day = await withDays(setting, 1);
  const old = await withDays(setting, setting.quick ? 30 : DAYS);
  const rows: Row[] = [];
  for (const verb of VERBS) {
    const argv = () => [setting.looop, ...verb];
    const [young, aged] = await interleaved(
      [{ argv, env: day.env }, { argv, env: old.env }],
      setting.runs(15),
      {},
    );
    if (young === undefined || aged === undefined) throw new Error("nothing was measured");
    rows.push({
      id: `months-${verb.join("-").replace(/[^a-z]+/g, "-").replace(/^-/, "")}`,
      what: `\`${verb.join(" ")}\` after ${DAYS} days of 50 workers a day`,
      unit: "ms",
      value: aged.wall.median,
      baseline: { name: "first day", value: young.wall.median },
      ratio: aged.wall.median / young.wall.median,
      cpuRatio: aged.cpu.median / young.cpu.median,
      n: aged.wall.n,
      noise: Math.hypot(aged.cpu.noise, young.cpu.noise),
      limits: { of: "ratio", bar: 1.2, aim: 1.1 },
      bar: "1.2 × the first day",
      aim: "1.1 ×",
    });
  }
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
  for (const { env } of [day, old]) await setting.call(env, "down");
  return rows;
}

/** A profile of so many days with its pulse at rest. */
async function withDays(setting: Setting, days: number): Promise<BenchProfile> {
  const bench = setting.profile(`days-${days}`);
  writeMonths(bench.profile, days);
  await setting.call(bench.env, "up");
  await delay(3_000);
  return bench;
}
