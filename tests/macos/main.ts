/**
 * `deno task macos [FILE…]`: runs end-to-end tests, by default those of the common verbs, and the sensors' tests in the
 * macOS lab with `LOOOP_TEST_OS=darwin`. `LOOOP_UNDER_TEST` names a binary.
 */
import { makeTools, missingForLab } from "./lab.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

async function test(files: readonly string[], env: Record<string, string>): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--parallel", ...files],
    cwd: ROOT,
    env,
    stdin: "null",
  }).spawn().status;
  return success;
}

/** Runs the sensors' tests with a PATH of only BSD's tools and tools that people install. */
async function testSensors(files: readonly string[]): Promise<boolean> {
  const dir = await Deno.makeTempDir({ prefix: "looop-tools-" });
  try {
    return await test(files, { PATH: makeTools(dir), LOOOP_TEST_OS: "darwin" });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const missing = await missingForLab();
if (missing !== undefined) {
  Deno.stdout.writeSync(new TextEncoder().encode(`skipped: ${missing}\n`));
  Deno.exit(0);
}
const files = Deno.args.length > 0 ? Deno.args : ["tests/sensors/"];
const isSensors = (file: string) => file.startsWith("tests/sensors");
const sensors = files.filter(isSensors);
const others = files.filter((file) => !isSensors(file));
const results = [
  sensors.length === 0 || await testSensors(sensors),
  others.length === 0 || await test(others, { LOOOP_LAB: "macos" }),
];
Deno.exitCode = results.includes(false) ? 1 : 0;
