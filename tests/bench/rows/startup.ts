/** Start-up: verbs that only start, read or write a file, against an empty program compiled alike. */
import { interleaved } from "../measure.ts";
import type { Row } from "../report.ts";
import type { Setting } from "../setting.ts";

const BAR = { of: "ratio", bar: 1.25, aim: 1.15 } as const;
const STATE_BAR = { of: "ratio", bar: 1.3, aim: 1.15 } as const;

export async function startupRows(setting: Setting): Promise<Row[]> {
  const { env } = setting.profile("startup");
  await setting.call(env, "up");
  const verbs = [
    {
      id: "start-version",
      what: "start-up of `version`",
      args: () => ["version"],
      old: () => ["--version"],
      limits: BAR,
    },
    {
      id: "start-claim",
      what: "start-up of `_ claim`",
      args: (run: number) => ["_", "claim", `task-${run}-${Deno.pid}`, "--session", "w1"],
      old: (run: number) => ["_", "claim", `task-${run}`],
      limits: BAR,
    },
    {
      id: "start-cost",
      what: "start-up of `_ cost`",
      verb: "_ cost",
      args: () => ["_", "cost", "worker", "w1", "pi", "0.01"],
      old: () => ["_", "cost", "worker", "w1", "pi", "0.01"],
      limits: BAR,
    },
    {
      id: "start-state",
      what: "start-up of `_ state --json`, fresh profile, pulse alive",
      args: () => ["_", "state", "--json"],
      old: () => ["_", "state", "--json"],
      limits: STATE_BAR,
    },
  ];
  const there: (typeof verbs)[number][] = [];
  for (const verb of verbs) if (verb.verb === undefined || await setting.has(verb.verb)) there.push(verb);
  const old = await setting.oldLooop("startup-old");
  const oldRuns = old === undefined ? [] : there.map((verb) => ({
    argv: (run: number) => [old.bin, ...verb.old(run)],
    env: old.env,
  }));
  const [empty, ...measured] = await interleaved(
    [
      { argv: () => [setting.programs.empty] },
      ...there.map((verb) => ({ argv: (run: number) => [setting.looop, ...verb.args(run)] })),
      ...oldRuns,
    ],
    setting.runs(30),
    env,
  );
  await setting.call(env, "down");
  return verbs.map(({ id, what, limits, verb }) => {
    const head: Row = {
      id,
      what,
      unit: "ms",
      limits,
      bar: `${limits.bar} ×`,
      aim: `${limits.aim} ×`,
    };
    const at = there.findIndex((other) => other.id === id);
    const result = measured[at];
    const oldResult = measured[there.length + at];
    if (result === undefined || empty === undefined) {
      return { ...head, note: `this build has no \`${verb}\`` };
    }
    return {
      ...head,
      value: result.wall.median,
      ...(oldResult === undefined ? {} : { old: oldResult.wall.median }),
      baseline: { name: "empty program", value: empty.wall.median },
      ratio: result.wall.median / empty.wall.median,
      cpuRatio: result.cpu.median / empty.cpu.median,
      n: result.wall.n,
      noise: Math.hypot(result.cpu.noise, empty.cpu.noise),
    };
  });
}
