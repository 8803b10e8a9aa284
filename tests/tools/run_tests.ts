/**
 * `deno task test [FILE or option…]`: runs all tests, or those that are named.
 *
 * Tests wait more than they compute, so more of them than cores run at once (`DENO_JOBS` overrides), and the folders
 * whose tests take longest begin first, so that no long one is left alone at the end. The program is bundled once: its
 * hundred modules need not be read again for each of some thousand calls. Types are checked by `deno task ok`.
 */
import { bundle } from "./compile.ts";

/** Files at once for each core. */
const JOBS_PER_CORE = 3;
/** Folders whose tests start processes; the rest is quick. */
const SLOW_FIRST = ["tests/verbs/", "tests/sensors/", "tests/faults/", "tests/install/"];

const named = Deno.args.filter((arg) => !arg.startsWith("-"));
const options = Deno.args.filter((arg) => arg.startsWith("-"));
const program = await Deno.makeTempDir({ prefix: "looop-test-" });
let code = 1;
try {
  if (Deno.env.get("LOOOP_UNDER_TEST") === undefined) await bundle("main.ts", program);
  ({ code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "-A",
      "--no-check",
      "--parallel",
      ...options,
      ...(named.length > 0 ? named : [...SLOW_FIRST, "tests/"]),
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
