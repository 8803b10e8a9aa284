/** Start-up: verbs that only start, read or write a file, against an empty program compiled in the same way. */
import { interleaved, onTerminal, type Timed, usageOf } from "../measure.ts";
import { against, type Row, seriesOf } from "../report.ts";
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
  const watch = await watchRow(setting, env);
  await setting.call(env, "down");
  return [
    ...verbs.map(({ id, what, limits, verb }) => {
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
        ...against(result, "empty program", empty),
        ...(oldResult === undefined ? {} : { old: oldResult.wall.median }),
      };
    }),
    watch,
  ];
}

/** Row of the time from the start of `looop watch` to its first whole screen. */
async function watchRow(setting: Setting, env: Record<string, string>): Promise<Row> {
  const row: Row = {
    id: "start-watch",
    what: "`watch`: its first screen, fresh profile, pulse alive",
    unit: "ms",
    limits: { of: "cpuRatio", bar: 10, aim: 6 },
    bar: "10 × the CPU",
    aim: "6 ×",
  };
  if (Deno.build.os !== "linux") return { ...row, note: "the terminal is that of Linux alone" };
  const screens: Timed[] = [];
  const empties: Timed[] = [];
  for (let run = -1; run < setting.runs(15); run++) {
    const [screen, empty] = [
      await firstScreen([setting.looop, "watch"], env, "q quit"),
      await firstScreen([setting.programs.empty], env, "never"),
    ];
    if (run >= 0) screens.push(screen), empties.push(empty);
  }
  const [cpu] = await interleaved([{ argv: () => [setting.programs.empty] }], setting.runs(15), env);
  const timings = (times: readonly Timed[]) => ({
    wall: seriesOf(times.map(({ wall }) => wall)),
    cpu: seriesOf(times.map(({ cpu }) => cpu)),
  });
  const empty = { wall: timings(empties).wall, cpu: cpu!.cpu };
  return { ...row, ...against(timings(screens), "empty program on a terminal", empty) };
}

/** Wall and CPU time until a program on a terminal has shown a text, or has ended. */
async function firstScreen(argv: string[], env: Record<string, string>, text: string): Promise<Timed> {
  const program = await onTerminal(argv, env);
  const wall = await program.printed(text) - program.startedAt;
  const cpu = text === "never" ? NaN : usageOf(program.pid).cpu;
  await program.end();
  return { wall, cpu };
}
