/**
 * Other people's machines: runs the binary through the end-to-end tests of each kind of surroundings that has done harm.
 * A kind whose tests cannot run here, for example because the machine has no namespaces, is counted and named.
 */
import { looopCommand } from "../looop.ts";
import { inParallel, sample, Tally } from "./lab.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** Time limit of one test file, ms. */
const FILE_LIMIT_MS = 600_000;

/** A kind, the test file that tries it, and the names of its tests. */
type Kind = readonly [kind: string, file: string, tests: RegExp];

/** The table of kinds. */
export const KINDS: readonly Kind[] = [
  // Who is who.
  ["a copy of a living data dir", "verbs/identity_test.ts", /^given a copy of a live data dir/],
  ["a data dir that is moved", "verbs/identity_test.ts", /data dir (that is|was) moved/],
  ["another pid namespace", "verbs/identity_test.ts", /pid namespace|through unshare/],
  ["a container that is gone", "verbs/identity_test.ts", /container that is gone/],
  ["another machine", "verbs/identity_test.ts", /another machine/],
  ["another session's process", "verbs/worker_test.ts", /below an agent below a worker/],
  ["pids that were given out again", "verbs/worker_test.ts", /pids are a stranger's now/],
  // What children inherit.
  ["descriptors of any number", "verbs/inheritance_test.ts", /descriptors of any number/],
  ["a lock of the caller's", "verbs/inheritance_test.ts", /lock of its own/],
  ["a git hook", "verbs/inheritance_test.ts", /git hook/],
  ["tmux", "verbs/inheritance_test.ts", /real tmux/],
  ["marks of multiplexers and editors", "verbs/inheritance_test.ts", /multiplexers, editors and agents/],
  ["an odd TMPDIR", "verbs/inheritance_test.ts", /TMPDIR/],
  ["ignored signals", "verbs/inheritance_test.ts", /ignores signals/],
  ["a variable that is not UTF-8", "verbs/inheritance_test.ts", /variable that is not UTF-8/],
  // Where the runtime ends before looop's first line.
  ["a worker where the runtime cannot start", "verbs/call_back_test.ts", /^given a worker in /],
  ["words that are not UTF-8", "verbs/call_back_test.ts", /words that are UTF-8 or not/],
  ["a data dir mounted noexec", "verbs/call_back_test.ts", /no program can be run/],
  ["no script(1)", "verbs/call_back_test.ts", /without script/],
  ["a pulse with an old environment", "verbs/call_back_test.ts", /restarts it with another environment/],
  // Files that are not what they should be.
  ["a worker's files of any kind", "verbs/odd_files_test.ts", /whose files one is/],
  ["a copied session folder", "verbs/odd_files_test.ts", /session folder that was copied/],
  ["copies that a sync tool leaves", "verbs/odd_files_test.ts", /sync tool/],
  ["FIFOs in the place of records", "verbs/odd_files_test.ts", /FIFOs in the place/],
  ["huge records", "verbs/odd_files_test.ts", /journal of 10 GB/],
  ["policy that is linked", "verbs/goal_test.ts", /policy files that are links/],
  ["folders that are links", "verbs/goal_test.ts", /folders of the profile that are links/],
  ["control codes in any text", "verbs/output_hygiene_test.ts", /texts with escape codes/],
  // Ends.
  ["a full disk at a worker's end", "verbs/ends_test.ts", /disk is full/],
  ["supervisors that are stopped", "verbs/ends_test.ts", /supervisors that are stopped/],
  ["a daemon that hides", "verbs/ends_test.ts", /ssh-agent/],
  ["resource limits", "verbs/ends_test.ts", /given a limit of/],
  // Text.
  ["half characters, numbers beyond all, CRLF", "verbs/odd_text_test.ts", /cut emoji/],
  ["a NUL in a brief", "verbs/odd_text_test.ts", /NUL byte/],
  // Other versions.
  ["a living fleet of 0.1.0", "interchange/earlier_test.ts", /living fleet of 0\.1\.0/],
  ["0.16 on the same data dir", "interchange/interchange_test.ts", /0\.16/],
];

/** Runs the tests of every kind. */
export async function surroundings(): Promise<Tally> {
  const tally = new Tally("surroundings", ["harmed"]);
  const kinds = sample(KINDS, 0.3);
  const files = [...new Set(kinds.map(([, file]) => file))];
  const results = new Map<string, Map<string, boolean>>();
  await inParallel(files, 2, async (file) => {
    results.set(file, await testsOf(file));
  });
  for (const [kind, file, names] of kinds) {
    const tried = [...results.get(file) ?? []].filter(([name]) => names.test(name));
    tally.add("kinds");
    tally.add("tests", tried.length);
    if (tried.length === 0) tally.add(`not tried here (${kind})`);
    for (const [name, ok] of tried) tally.demand(ok, "harmed", `${kind}: ${name}`);
  }
  return tally;
}

/** Tests of a file below `tests/` that ran on the binary, each with whether it passed. */
export async function testsOf(
  file: string,
  env: Record<string, string> = {},
): Promise<Map<string, boolean>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--reporter=tap", `tests/${file}`],
    cwd: ROOT,
    env: { NO_COLOR: "1", LOOOP_UNDER_TEST: looopCommand()[0] ?? "", ...env },
    signal: AbortSignal.timeout(FILE_LIMIT_MS),
    stdin: "null",
    stderr: "null",
  }).output();
  const lines = new TextDecoder().decode(stdout).matchAll(/^(not )?ok \d+ - (.*?)( # SKIP)?$/gm);
  return new Map(
    [...lines].flatMap(([, not, name = "", skipped]) =>
      skipped === undefined ? [[name, not === undefined] as const] : []
    ),
  );
}
