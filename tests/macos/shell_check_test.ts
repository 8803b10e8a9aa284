/** Checks by reading that every shipped script runs under macOS's bash 3.2 and with its BSD tools. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { shippedScripts } from "./scripts.ts";
import { breachesOf } from "./shell_check.ts";
import { BASH_RULES, TOOL_RULES } from "./shell_rules.ts";

/** Intended breaches: the place, the line, and why it is right there. */
const MEANT: readonly (readonly [name: string, line: RegExp, why: string])[] = [
  ["lib/calls/shim.ts", /\/proc\//, "tried first, with another way, or skipped where it is not"],
  ["lib/process/", /\/proc\/|grep -[lq]*z/, "the Linux half of what differs by platform"],
  ["lib/sessions/supervisor.ts", /\/proc\//, "tried first; `ps` and `sysctl` give the same where it is not"],
  ["lib/sessions/supervisor.ts", /date -u .*%N/, "BSD's prints an N, which is taken out"],
  ["lib/sessions/supervisor.ts", /^flock -n 9 2>/, "only where it is found"],
  ["lib/hosts/far/", /\/proc\/|grep -[lq]*zxF/, "the Linux half of what differs by platform"],
  ["lib/hosts/far/", /flock -s -n|&& exec setsid/, "only where it is found"],
  ["lib/hosts/program.ts", /&& exec setsid/, "only where it is found"],
  ["lib/hosts/check/cases.ts", /&& exec setsid/, "only where it is found"],
  ["lib/hosts/drivers/slurm.sh", /command -v flock .* flock 9/, "only where it is found"],
  ["lib/hosts/check/cases.ts", /\/proc\//, "asks for what is there first, else for nothing or ps"],
  ["lib/process/identity.ts", /flock -n -s/, "only where it is found; else nothing is known of the lock"],
  ["lib/process/stdout_reader.ts", /tail --pid/, "where there is no perl, which macOS has"],
  ["lib/cli/doctor.ts", /\/proc\//, "counts inotify instances, or nothing"],
  ["lib/cli/completions.ts", /"\$\{words\[@\]\}"/, "a command line under completion has a word"],
  ["install.sh", /sha256sum <"\$1"/, "only where it is found; else shasum or openssl"],
  ["tests/agents/install.sh", /linux-x64.*\/proc\/cpuinfo/, "on Linux alone"],
  [".ci/run", /apt-get/, "only where it is found"],
  [".github/workflows/release.yml", /sha256sum looop-\*\.gz/, "the job that builds runs on Linux"],
  ["sensors_examples/queue-folder.sh", /if stat -c %Y \./, "asks which of the two `stat` there is"],
  ["sensors_examples/files.sh", /if stat -c %Y \./, "asks which of the two `stat` there is"],
  ["sensors_examples/host-load.sh", /\/proc\/meminfo/, "only where it is readable; else sysctl and vm_stat"],
  ["sensors_examples/", /^trap 'rm -rf "\$work"' EXIT$/, "no output is an error, too, whatever the status"],
];

const scripts = shippedScripts();

Deno.test("given the scripts that looop ships, when they are collected, then none of the known ones is missing", () => {
  const known = [
    /^install\.sh$/,
    /^\.ci\/run$/,
    /^sensors_examples\/disk\.sh$/,
    /^lib\/calls\/shim\.ts/,
    /^lib\/cli\/completions\.ts/,
    /^lib\/cli\/demo\.ts/,
    /^lib\/hosts\/far\/far\.sh$/,
    /^lib\/process\/self\.ts/,
    /^lib\/records\/seed\.ts/,
    /^lib\/sessions\/supervisor\.ts/,
    /^\.github\/workflows\/ci\.yml/,
    /^\.github\/workflows\/release\.yml/,
  ];
  for (const name of known) ok(scripts.some((script) => name.test(script.name)), `${name} is not there`);
});

Deno.test("given the rules, when each meets its two lines, then it finds the bad one and leaves the good one", () => {
  for (const { says, bad, good } of [...BASH_RULES, ...TOOL_RULES]) {
    ok(breachesOf(bad).some((breach) => breach.says === says), `finds nothing: ${says}`);
    deepStrictEqual(breachesOf(good), [], `finds too much: ${says}`);
  }
});

Deno.test("given the scripts that looop ships, when they are checked, then macOS's bash and tools can run each", () => {
  const used = new Set<unknown>();
  const breaches = scripts.flatMap(({ name, text }) =>
    breachesOf(text).filter(({ line }) => {
      const meant = MEANT.find(([where, which]) => name.startsWith(where) && which.test(line));
      if (meant !== undefined) used.add(meant);
      return meant === undefined;
    }).map(({ says, line }) => `${name}: ${line}\n    ${says}`)
  );
  deepStrictEqual(breaches, []);
  deepStrictEqual(MEANT.filter((meant) => !used.has(meant)), [], "exceptions that nothing needs any more");
});
