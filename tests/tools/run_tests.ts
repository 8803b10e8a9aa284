/**
 * `deno task test [FILE or option…]`: runs the named test files, or all except the labs.
 *
 * Tests wait more than they compute, so more files than cores run at once (`DENO_JOBS` overrides), the slowest first, so
 * that none of them is left alone at the end. The program is bundled once, so that thousands of calls need not read
 * its hundred modules again. `deno task ok` checks types.
 */
import { filesBelow } from "../faults/lab.ts";
import { bundle } from "./compile.ts";

/** Parallel files per core. */
const JOBS_PER_CORE = 3;
/** Prefixes of the slowest files, from a minute to 10 s, then of files that start processes; all others are quick. */
const SLOW_FIRST = [
  "verbs/worker_alerts",
  "hosts/sh_host",
  "verbs/wait",
  "verbs/pulse",
  "verbs/wake_scenario",
  "verbs/alerts",
  "verbs/odd_files",
  "verbs/notice",
  "verbs/limited",
  "verbs/watch",
  "verbs/verify",
  "verbs/months",
  "verbs/worker_test",
  "verbs/shim",
  "verbs/run",
  "hosts/",
  "verbs/away",
  "verbs/up_down",
  "sensors/",
  "verbs/sensor_edit",
  "verbs/call_back",
  "verbs/output_hygiene",
  "verbs/ends",
  "verbs/status_screen",
  "verbs/kill",
  "install/ways_of_use",
  "verbs/identity",
  "verbs/schedule",
  "verbs/ask",
  "verbs/",
  "faults/",
  "interchange/",
  "install/",
  "readme_test",
];
/** Folders whose files share a module. `lib/world` is excluded: its modules remember which processes were alive. */
const GROUPED = /^(lib\/(?!world\/)[a-z]+(?=\/)|agents(?=\/))/;
/** Labs, which run only if they are named; the gate runs them as separate steps. */
const LABS = ["macos/lab_test.ts", "hosts/real/"];

const named = Deno.args.filter((arg) => !arg.startsWith("-"));
const options = Deno.args.filter((arg) => arg.startsWith("-"));
const program = await Deno.makeTempDir({ prefix: "looop-test-" });
let code = 1;
try {
  if (Deno.env.get("LOOOP_UNDER_TEST") === undefined) {
    await bundle("main.ts", program);
    await hideLazyImports(program);
  }
  ({ code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "-A",
      "--no-check",
      "--parallel",
      ...options,
      ...(named.length > 0 ? named : writeGroups(`${program}/groups`)),
    ],
    cwd: new URL("../../", import.meta.url).pathname,
    env: {
      DENO_JOBS: Deno.env.get("DENO_JOBS") ?? `${navigator.hardwareConcurrency * JOBS_PER_CORE}`,
      LOOOP_TEST_BUNDLE: `${program}/main.js`,
      // Real agents take minutes, so even if they are installed, their tests run only on request.
      ...(named.length > 0 || Deno.env.has("LOOOP_AGENTS_DIR") ? {} : { LOOOP_AGENTS_DIR: "" }),
    },
  }).spawn().status);
} finally {
  await Deno.remove(program, { recursive: true });
}
Deno.exit(code);

/**
 * Writes a module for each group of test files into `folder`; returns their paths, the slowest first. A module costs
 * 100 ms of CPU before its first line runs, so the small files of a folder share one. All modules are in one folder, in
 * which `deno test` keeps their order; otherwise it begins with the folders with the longest paths.
 */
function writeGroups(folder: string): string[] {
  const tests = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
  const begins = (name: string) => (beginning: string) => name.startsWith(beginning);
  const rank = (name: string) => (SLOW_FIRST.findIndex(begins(name)) + 1) || SLOW_FIRST.length + 1;
  const names = filesBelow(tests).map((path) => path.slice(tests.length + 1))
    .filter((name) => name.endsWith("_test.ts") && !LABS.some(begins(name)))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const groups = Map.groupBy(names, groupOf);
  Deno.mkdirSync(folder);
  return [...groups].map(([group, files], index) => {
    const path = `${folder}/${`${index}`.padStart(3, "0")}_${group.replaceAll("/", "_")}_test.ts`;
    Deno.writeTextFileSync(
      path,
      files.map((file) => `import "${new URL(file, `file://${tests}/`)}";\n`).join(""),
    );
    return path;
  });
}

/** Group of a test file: its folder if that holds small files, else the file itself. */
function groupOf(name: string): string {
  return GROUPED.exec(name)?.[0] ?? name.replace(/_test\.ts$/, "");
}

/**
 * Keeps `deno run` from loading chunks that a call may never import: it follows each import whose name it can read, and
 * reading all chunks costs more than the call. The way of the compiled program, which drops the extension, would not
 * help here, since V8's code is cached only for names that end in `.js`.
 */
async function hideLazyImports(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    await Deno.writeTextFile(
      `${folder}/${name}`,
      text.replace(/\bimport\(("\.\/[^"]+")\)/g, "import(String($1))"),
    );
  }
}
