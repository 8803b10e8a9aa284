/**
 * `deno task test [FILE or option…]`: runs all tests but the labs, or those that are named.
 *
 * Tests wait more than they compute, so more of them than cores run at once (`DENO_JOBS` overrides), and those that
 * take longest begin first, so that no long one is left alone at the end. The program is bundled once: its
 * hundred modules need not be read again for each of some thousand calls. Types are checked by `deno task ok`.
 */
import { filesBelow } from "../faults/lab.ts";
import { bundle } from "./compile.ts";

/** Files at once for each core. */
const JOBS_PER_CORE = 3;
/** Beginnings of the files that take longest, then of those that start processes; the rest is quick. */
const SLOW_FIRST = [
  "verbs/odd_files",
  "verbs/alerts",
  "verbs/wait",
  "hosts/",
  "verbs/pulse",
  "sensors/",
  "verbs/ask",
  "verbs/worker_test",
  "verbs/notice",
  "verbs/watch",
  "verbs/limited",
  "install/ways_of_use",
  "verbs/",
  "faults/",
  "interchange/",
  "install/",
  "readme_test",
];
/** Folders whose files share a module; those of `lib/world` remember which processes they found alive. */
const GROUPED = /^(lib\/(?!world\/)[a-z]+(?=\/)|agents(?=\/))/;
/** Labs, which are steps of the gate by themselves: they run when they are named. */
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
      // Real agents take minutes: where they are installed, they run when they are asked for.
      ...(named.length > 0 || Deno.env.has("LOOOP_AGENTS_DIR") ? {} : { LOOOP_AGENTS_DIR: "" }),
    },
  }).spawn().status);
} finally {
  await Deno.remove(program, { recursive: true });
}
Deno.exit(code);

/**
 * Writes a module for each group of test files into `folder` and returns their paths, the slowest first. A module is
 * given 100 ms of CPU before its first line runs, so the small files of one folder share one. And as all of them lie in
 * one folder, `deno test` keeps their order: else it begins with the folders whose paths are longest.
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

/** The group of a test file: its folder where that holds small ones, else the file alone. */
function groupOf(name: string): string {
  return GROUPED.exec(name)?.[0] ?? name.replace(/_test\.ts$/, "");
}

/**
 * Keeps `deno run` from reading ahead what a call may never import: it follows each import whose name it can read, and
 * to read all chunks costs more than the call itself. (V8's code is cached for names that end in `.js` alone, so the
 * compiled program's way of hiding them would gain nothing here.)
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
