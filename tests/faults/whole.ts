/** Runs the tables and properties in full of which usual runs try a sample. */
import { filesBelow, inParallel, Tally } from "./lab.ts";
import { testsOf } from "./surroundings.ts";

const TESTS = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
/** Names that mark a file whose tests then try more; see `tests/whole.ts`. */
const NAMED = /\b(WHOLE|RUNS|runAll)\b/;

/** Runs every test of those files. */
export async function whole(): Promise<Tally> {
  const tally = new Tally("whole", ["failed"]);
  const files = filesBelow(TESTS).filter((path) =>
    path.endsWith("_test.ts") && NAMED.test(Deno.readTextFileSync(path))
  );
  await inParallel(files, 2, async (path) => {
    const file = path.slice(TESTS.length + 1);
    const results = await testsOf(file, { LOOOP_WHOLE: "1" });
    tally.add("files");
    tally.demand(results.size > 0, "failed", `${file}: no test ran`);
    for (const [name, ok] of results) {
      tally.add("tests");
      tally.demand(ok, "failed", `${file}: ${name}`);
    }
  });
  return tally;
}
