import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";
import { findProgram } from "../../lib/process/programs.ts";
import { shellQuote } from "../../lib/text/quote.ts";
import { writeExecutable } from "../executable.ts";

/** Whether a shell is installed; if not, prints that its tests are skipped. */
function has(shell: string): boolean {
  if (findProgram(shell, Deno.env.get("PATH") ?? "") !== undefined) return true;
  // deno-lint-ignore no-console -- skipped tests must be seen
  console.log(`left out: ${shell} is not installed (Debian: apt-get install ${shell})`);
  return false;
}

/** A folder with `looop`, as an installation puts it on PATH. */
function install(p: TestProfile): string {
  const bin = `${p.base}/bin`;
  Deno.mkdirSync(bin);
  const words = looopCommand().map(shellQuote).join(" ");
  writeExecutable(`${bin}/looop`, `#!/bin/sh\nexec ${words} "$@"\n`);
  return `${bin}:${p.env["PATH"]}`;
}

/** Types keys into a shell on a new terminal; returns the output. */
async function type(p: TestProfile, shell: string, keys: string): Promise<string> {
  const args = Deno.build.os === "darwin"
    ? ["-q", "/dev/null", "/bin/sh", "-c", shell]
    : ["-qec", shell, "/dev/null"];
  const child = new Deno.Command("script", {
    args,
    env: { ...p.env, PATH: install(p), TERM: "xterm", SHELL: "/bin/sh", INPUTRC: "/dev/null" },
    clearEnv: true,
    cwd: p.base,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(keys));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout);
}

// The last line is quoted and harmless to the shell that runs it: only a completion that evaluates typed words would run
// the commands in it.
const KEYS = [
  "looop _ go\tar\tmy-g\t\n",
  "looop _ answer w\tyes\n",
  "looop _ goal archive '$(touch pwned)' '`touch pwned`' \t\n",
].join("");

/** Writes a goal and a question with ids to complete. */
async function furnish(p: TestProfile): Promise<void> {
  await p.ok("_", "goal", "write", "my-goal", "text");
  await p.run("_", "ask", "w", "--prompt", "Really?\x1b[2J", "--timeout", "0.01");
}

async function completesLiveIds(p: TestProfile, shell: string, setUp: string): Promise<void> {
  await furnish(p);
  const screen = await type(p, shell, `${setUp}\n${KEYS}exit\n`);
  ok(Deno.readTextFileSync(p.path("goals/archive/my-goal.md")), screen);
  match(p.read("journal.md"), /answer w-1: yes/, screen);
  deepStrictEqual(
    [...Deno.readDirSync(p.base)].map(({ name }) => name).filter((name) => name === "pwned"),
    [],
  );
}

Deno.test({
  name:
    "given bash without any package, when TAB is typed, then verbs and live ids are completed and nothing is run",
  ignore: !has("bash"),
  async fn() {
    await using p = await testProfile();
    await completesLiveIds(p, "bash --norc -i", 'eval "$(looop config bash)"');
  },
});

Deno.test({
  name:
    "given zsh without compinit, when TAB is typed, then verbs and live ids are completed and nothing is run",
  ignore: !has("zsh"),
  async fn() {
    await using p = await testProfile();
    await completesLiveIds(p, "zsh -f -i", 'eval "$(looop config zsh)"');
  },
});

Deno.test({
  name:
    "given fish, when completions are asked for, then verbs, options, choices and live ids come with their meaning",
  ignore: !has("fish"),
  async fn() {
    await using p = await testProfile();
    await furnish(p);
    const asked = [
      "_ goal archive ",
      "_ answer ",
      "_ worker start x --runner=sh",
      "cost t",
      "_ worker st",
      "config ",
    ];
    const script = `looop config fish | source; ${
      asked.map((line) => `complete -C ${shellQuote(`looop ${line}`)}; echo ---`).join("; ")
    }`;
    const { stdout, stderr } = await new Deno.Command("fish", {
      args: ["--no-config", "-c", script],
      env: { ...p.env, PATH: install(p) },
      clearEnv: true,
      cwd: p.base,
    }).output();
    strictEqual(new TextDecoder().decode(stderr), "");
    const replies = new TextDecoder().decode(stdout).split("---\n").map((part) => part.trim().split("\n"));
    deepStrictEqual(replies.slice(0, -1), [
      ["my-goal", "playbook-daily", "setup"],
      ["w-1\tReally?"],
      ["--runner=shell\truns the prompt as a bash script: for demos, tests and chores"],
      ["today"],
      ["start\tstart an agent in the background, in a terminal of its own"],
      ["bash", "fish", "zsh"],
    ]);
  },
});

Deno.test({
  name:
    "given bash, when a value stands behind = or a path is asked for, then only the missing part is offered",
  ignore: !has("bash"),
  async fn() {
    await using p = await testProfile();
    await Deno.mkdir(`${p.base}/a dir`);
    const script = `eval "$(looop config bash)"
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _looop looop; printf '%s|' "\${COMPREPLY[@]}"; echo; }
try looop _ worker start x --runner = cl
try looop _ worker start x --runner =
try looop _ worker start x --cwd a
try looop _ nonsense ''
try looop _ worker start x 'some prose '`;
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: ["--norc", "-c", script],
      env: { ...p.env, PATH: install(p) },
      clearEnv: true,
      cwd: p.base,
    }).output();
    const [value, all, dirs, ...none] = new TextDecoder().decode(stdout).trimEnd().split("\n");
    strictEqual(value, "claude|");
    match(all ?? "", /^pi\|claude\|/);
    strictEqual(dirs, "a dir|");
    deepStrictEqual(none, ["|", "|"]);
    strictEqual(new TextDecoder().decode(stderr), "");
  },
});

Deno.test("given a profile that is not there, when completions are asked for, then nothing is created or printed", async () => {
  await using p = await testProfile();
  for (
    const words of [["_", "answer", ""], ["_", "goal", "archive", ""], ["--", "-"], ["_", "nonsense", ""]]
  ) {
    const { code, stderr } = await p.run("_", "complete", "--", ...words);
    deepStrictEqual([code, stderr], [0, ""]);
  }
  strictEqual((await Deno.lstat(p.profile.dir).catch(() => undefined)) === undefined, true);
});
