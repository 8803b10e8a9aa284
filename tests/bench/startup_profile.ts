/**
 * `deno run -A tests/bench/startup_profile.ts`: how the start-up of a verb spends its CPU time, ms (medians of runs that
 * take turns): on the runtime itself, on loading looop's modules, on child processes, and on the rest (reading,
 * computing, writing and printing). Needs `deno task compile` and, to count children, `strace`.
 */
import { compileProgram } from "../tools/compile.ts";
import { interleaved } from "./measure.ts";
import { Setting } from "./setting.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const RUNS = 9;

/** Verbs to profile, each with the module that its entry in main.ts's table loads. */
const VERBS = [
  { name: "version", module: "version", args: () => ["version"], up: false },
  {
    name: "_ claim",
    module: "claim",
    args: (run: number) => ["_", "claim", `t${run}`, "--session", "w"],
    up: false,
  },
  { name: "_ cost", module: "cost_report", args: () => ["_", "cost", "worker", "w", "pi", "1"], up: false },
  { name: "_ state --json, no pulse", module: "state", args: () => ["_", "state", "--json"], up: false },
  { name: "_ state --json, pulse alive", module: "state", args: () => ["_", "state", "--json"], up: true },
  {
    name: "_ wait --fresh, pulse alive",
    module: "wait",
    args: () => ["_", "wait", "--fresh", "--json"],
    up: true,
  },
] as const;

if (import.meta.main) {
  await using setting = await Setting.open(`${ROOT}dist/looop`, true, 1);
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => setting[Symbol.asyncDispose]().finally(() => Deno.exit(130)));
  }
  const still = setting.profile("still");
  const beating = setting.profile("beating");
  await setting.call(still.env, "_", "state");
  await setting.call(beating.env, "up");
  const lines = [
    "| verb | all | the runtime | modules | children | files, computing, printing |",
    "|---|---|---|---|---|---|",
  ];
  for (const verb of VERBS) {
    const { env } = verb.up ? beating : still;
    const probe = await compileProbe(setting, verb.module);
    const children = await childrenOf([setting.looop, ...verb.args(-2)], env, setting.dir);
    const [all, empty, loaded, child] = await interleaved(
      [
        { argv: (run) => [setting.looop, ...verb.args(run)] },
        { argv: () => [setting.programs.empty] },
        { argv: () => [probe] },
        { argv: () => ["sh", "-c", ":"] },
      ],
      RUNS,
      env,
    );
    const cpu = [all, empty, loaded, child].map((result) => result?.cpu.median ?? NaN);
    const [whole = NaN, runtime = NaN, modules = NaN, one = NaN] = cpu;
    const spawned = one * children;
    const rest = Math.max(0, whole - Math.max(runtime, modules) - spawned);
    lines.push(
      `| \`${verb.name}\` | ${ms(whole)} | ${ms(runtime)} | ${ms(Math.max(0, modules - runtime))} | ${
        children === 0 ? "0" : `${ms(spawned)} (${children})`
      } | ${ms(rest)} |`,
    );
  }
  Deno.stdout.writeSync(new TextEncoder().encode(`${lines.join("\n")}\n`));
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

/** Compiles a program that loads a verb's module and ends. */
async function compileProbe(setting: Setting, module: string): Promise<string> {
  const source = `${setting.dir}/probe_${module}.ts`;
  // The reference keeps the module: the bundler would leave out an unused one.
  const keep = `import * as main from "${ROOT}main.ts";
Object.assign(globalThis, { kept: [main, await import("${ROOT}verbs/${module}.ts")] });`;
  await Deno.writeTextFile(source, `${keep}\nDeno.exit(0);\n`);
  await Deno.copyFile(`${ROOT}deno.json`, `${setting.dir}/deno.json`);
  const output = `${setting.dir}/programs/probe-${module}`;
  await compileProgram(source, `${setting.dir}/bundle-probe-${module}`, output);
  return output;
}

/** Number of programs that a command starts, counted by strace; 0 without strace. */
async function childrenOf(
  argv: readonly string[],
  env: Record<string, string>,
  dir: string,
): Promise<number> {
  const file = `${dir}/strace.txt`;
  try {
    await new Deno.Command("strace", {
      args: ["-f", "-qq", "-e", "trace=execve", "-o", file, ...argv],
      env,
      clearEnv: true,
      stdout: "null",
      stderr: "null",
    }).output();
  } catch {
    return 0;
  }
  const started = (await Deno.readTextFile(file)).split("\n").filter((line) => line.includes(") = 0"));
  return Math.max(0, started.length - 1);
}
