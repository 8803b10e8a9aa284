/**
 * Plants faults: each of `planted.json` is put into a copy of the tree, and the tests named with it must fail within
 * two minutes. A fault that no test sees, or that makes a test hang, is a hole in the tests.
 */
import { inParallel, run, sample, Tally } from "./lab.ts";

/** A fault: a text in lib/ or verbs/ that occurs once, its replacement, and the tests that must fail. */
export interface Planted {
  area: string;
  name: string;
  find: string;
  replace: string;
  tests: string[];
}

const ROOT = new URL("../../", import.meta.url).pathname;
/** Time within which a test must fail, ms. */
const CAUGHT_WITHIN_MS = 120_000;
/** Files and folders that tests need. */
const TREE = ["main.ts", "deno.json", "deno.lock", "lib", "verbs", "tests", "sensors_examples"];

/** The table of faults. */
export function plantedFaults(): Planted[] {
  return JSON.parse(Deno.readTextFileSync(`${ROOT}tests/faults/planted.json`));
}

/** The file in which a fault is planted. @throws {Error} naming the fault if its text is not there exactly once. */
export function placeOf(root: string, { area, name, find }: Planted): string {
  const places = [...filesOf(`${root}lib`), ...filesOf(`${root}verbs`)].filter((path) =>
    path.endsWith(".ts") && Deno.readTextFileSync(path).includes(find)
  );
  const [place] = places;
  const times = place === undefined ? 0 : Deno.readTextFileSync(place).split(find).length - 1;
  if (place === undefined || places.length > 1 || times !== 1) {
    const where = places.map((path) => path.slice(root.length)).join(", ") || "nowhere";
    throw new Error(
      `tests/faults/planted.json, ${area}: "${name}": its text is found ${times} times, in ${where}`,
    );
  }
  return place;
}

function* filesOf(dir: string): Iterable<string> {
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    if (isDirectory) yield* filesOf(`${dir}/${name}`);
    else yield `${dir}/${name}`;
  }
}

/** Plants each fault in turn. */
export async function planted(): Promise<Tally> {
  const tally = new Tally("planted", ["not caught", "caught too late", "red without a fault"]);
  const faults = sample(plantedFaults(), 0.1);
  const lanes = [await copyTree(), await copyTree()];
  try {
    const free = [...lanes];
    await inParallel([...new Set(faults.flatMap(({ tests }) => tests))], lanes.length, async (file) => {
      const tree = free.pop() ?? "";
      const { code, output } = await testIn(tree, [file]);
      tally.demand(code === 0, "red without a fault", `${file}: ${output.slice(-300)}`);
      free.push(tree);
    });
    await inParallel(faults, lanes.length, async (fault) => {
      const tree = free.pop() ?? "";
      await plant(tree, fault, tally);
      free.push(tree);
    });
  } finally {
    for (const tree of lanes) await run("rm", ["-rf", tree]);
  }
  return tally;
}

async function plant(tree: string, fault: Planted, tally: Tally): Promise<void> {
  const place = placeOf(tree, fault);
  const text = Deno.readTextFileSync(place);
  Deno.writeTextFileSync(place, text.replace(fault.find, () => fault.replace));
  const { code, ms, output } = await testIn(tree, fault.tests);
  Deno.writeTextFileSync(place, text);
  const at = `${fault.area}: ${fault.name} (${fault.tests.join(", ")}, ${(ms / 1000).toFixed(0)} s)`;
  report(`${at}: ${failedTest(output) ?? `exit ${code}`}`);
  tally.add("planted");
  tally.demand(code !== 0, "not caught", at);
  tally.demand(ms < CAUGHT_WITHIN_MS, "caught too late", at);
  if (code !== 0 && ms < CAUGHT_WITHIN_MS) tally.add("caught");
  tally.most("longest, s", Math.round(ms / 1000));
}

/** The test that saw a fault, out of the runner's list of failures. */
function failedTest(output: string): string | undefined {
  return /^(given .*?) => /m.exec(output.split("FAILURES")[1] ?? "")?.[1];
}

/** Prints a row of the table at once, since a full run takes many minutes. */
function report(row: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`  ${row}\n`));
}

async function copyTree(): Promise<string> {
  const tree = await Deno.makeTempDir({ prefix: "looop-planted-" });
  await run("cp", ["-a", ...TREE.map((name) => `${ROOT}${name}`), tree]);
  return `${tree}/`;
}

/** Runs a tree's tests from source until the first failure or the time limit. */
async function testIn(
  tree: string,
  tests: readonly string[],
): Promise<{ code: number; ms: number; output: string }> {
  const started = performance.now();
  const env = { ...Deno.env.toObject(), NO_COLOR: "1" };
  delete (env as Record<string, string>)["LOOOP_UNDER_TEST"];
  const seconds = `${CAUGHT_WITHIN_MS / 1000}`;
  const { code, stdout, stderr } = await new Deno.Command("timeout", {
    args: ["-k", "5", seconds, Deno.execPath(), "test", "-A", "--no-check", "--fail-fast", ...tests],
    cwd: tree,
    env,
    clearEnv: true,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return {
    code,
    ms: performance.now() - started,
    output: `${text.decode(stdout)}${text.decode(stderr)}`,
  };
}
