/** Bytes of a wake, each of which the agent pays for: the returns of `_ wait` over a compressed day. */
import { testProfile } from "../../looop.ts";
import { liveThrough, type Return } from "../../wake_scenario.ts";
import { type Row, seriesOf } from "../report.ts";
import type { Setting } from "../setting.ts";

export async function wakeRow(setting: Setting): Promise<Row> {
  Deno.env.set("LOOOP_UNDER_TEST", setting.looop);
  await using p = await testProfile();
  const { agent, later } = await liveThrough(p);
  const returns = [...agent.returns, ...later.returns];
  const bytesOf = (some: readonly Return[]) => some.map(({ bytes }) => bytes);
  const wakes = bytesOf(returns.filter(({ timedOut }) => !timedOut));
  const timeouts = bytesOf(returns.filter(({ timedOut }) => timedOut));
  const sum = bytesOf(returns).reduce((all, bytes) => all + bytes, 0);
  const { median, n } = seriesOf(wakes);
  return {
    id: "wakes",
    what: "bytes of a wake, `_ wait --json`",
    unit: "B",
    value: median,
    n,
    bar: "1 KB",
    aim: "–",
    limits: { of: "value", bar: 1024 },
    note: `the largest of ${n} wakes ${Math.max(...wakes)} B, a time-out ${seriesOf(timeouts).median} B ` +
      `(at most ${Math.max(...timeouts)} B), ${returns.length} returns together ${sum} B`,
  };
}
