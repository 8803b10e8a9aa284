import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { executablePath } from "../lib/process/self.ts";
import { exists } from "../lib/store.ts";
import { looopCommand, testProfile } from "./looop.ts";
import { readmeReference } from "./tools/readme.ts";

const README = Deno.readTextFileSync(new URL("../README.md", import.meta.url));

const VERBS_PAGE = Deno.readTextFileSync(new URL("../verbs/README.md", import.meta.url));

/** The shell blocks of README, in order. */
const BLOCKS = [...README.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((found) => found[1] ?? "");

Deno.test("given README's two commands, when a newcomer runs them, then they are tasks that exist and the demo works", async () => {
  const tasks = JSON.parse(Deno.readTextFileSync(new URL("../deno.json", import.meta.url))).tasks;
  const commands = (BLOCKS[0] ?? "").split("\n").map((line) => line.split("#")[0]?.trim() ?? "").filter((
    line,
  ) => line !== "");
  strictEqual(commands.join(" + "), "npx -y deno task demo + npx -y deno task test");
  // The second command runs this very test. The first is run as shown, with the deno that runs this test.
  strictEqual(tasks.test, "deno run -A tests/tools/run_tests.ts");
  const demo = await new Deno.Command(Deno.execPath(), {
    args: ["task", "demo"],
    cwd: new URL("../", import.meta.url).pathname,
  }).output();
  strictEqual(demo.code, 0, new TextDecoder().decode(demo.stderr));
  match(new TextDecoder().decode(demo.stdout), /nothing is left running/);
});

Deno.test("given README's tour, when its commands are run in order, then each exits 0 and the worker reports", async () => {
  await using p = await testProfile();
  const bin = `${p.base}/bin`;
  const [exe = "", ...args] = looopCommand();
  const launcher = executablePath({ ...p.profile, bin }, { exe, args, standalone: false });
  match(launcher, /bin\/looop$/);
  const script = `set -e\n${BLOCKS.slice(1).join("\n")}`;
  const child = await new Deno.Command("bash", {
    args: ["-c", script],
    env: { ...p.env, PATH: `${bin}:${p.env["PATH"]}` },
    clearEnv: true,
    cwd: p.base,
  }).output();
  strictEqual(child.code, 0, new TextDecoder().decode(child.stderr));
  strictEqual(p.read("reports/hello.md"), "You like blue.\n");
});

Deno.test("given the page of the verbs, when it is compared with the verbs' declarations, then they agree", async () => {
  const shown = /<!-- verbs:begin -->\n\n([\s\S]*?)\n<!-- verbs:end -->/.exec(VERBS_PAGE)?.[1];
  strictEqual(shown, await readmeReference(), "run `deno task readme`");
});

Deno.test("given README and the pages that it names, when they are read, then it is short and each page is there", () => {
  ok(README.split("\n").length < 200);
  const pages = [...README.matchAll(/\]\(([^)#:]+)\)/g)].map((found) => found[1] as string);
  ok(pages.length > 0);
  for (const page of pages) ok(Deno.statSync(new URL(`../${page}`, import.meta.url)).isFile, page);
});

Deno.test("given the contributor's page, when it names a file or a folder, then that is there", () => {
  const text = Deno.readTextFileSync(new URL("../.github/CONTRIBUTING.md", import.meta.url));
  const named = new Set(text.match(/\b(lib|tests|verbs)\/[\w./]*/g));
  ok(named.size > 15, `only ${named.size} are named`);
  const missing = [...named].filter((path) =>
    !exists(new URL(`../${path.replace(/\.$/, "")}`, import.meta.url).pathname)
  );
  deepStrictEqual(missing, []);
});
