/** The real agent CLIs as workers on another machine, which is another HOME behind a plain `sh`. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { RecordsKind } from "../../lib/records/presets.ts";
import { carriers, ShHost, wire } from "../hosts/host.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { endedWorker, fileText, workerView } from "../workers.ts";
import { folderOf, furnish, PRICES } from "./homes.ts";
import { type Conversation, ModelServer, type Reply } from "./model_server.ts";
import { killAgent, requireSpent, rowsOf, untilRecorded } from "./runs.ts";

/** Those whose records come home. */
const CLIS = ["pi", "claude", "copilot", "qwen"] as const satisfies readonly RecordsKind[];

for (const cli of CLIS) {
  const folder = folderOf(cli);
  const why = folder === undefined ? ` (skipped: run tests/agents/install.sh ${cli})` : "";
  Deno.test({
    name:
      `given ${cli} on another machine, when one worker is killed while it asks, and another's agent is killed -9, resumed, answered and ends itself, then nothing is left there, and story, report, verdict and all spend come home${why}`,
    ignore: folder === undefined,
    fn: () => askedFromAfar(cli, folder ?? ""),
  });
}

async function askedFromAfar(cli: RecordsKind, folder: string): Promise<void> {
  await using p = await testProfile();
  await using server = new ModelServer({ w1: literal, w2: literal });
  await using host = await ShHost.open();
  const there = { base: host.home, env: { HOME: host.home, PATH: Deno.env.get("PATH") ?? "" } };
  furnish(there, cli, folder, server.url);
  // Nothing of looop is installed there.
  Deno.removeSync(`${host.home}/bin/looop`);
  const reach = ["env", "-i", ...Object.entries(there.env).map(([name, value]) => `${name}=${value}`)];
  wire(p, { far: { reach } }, { default: cli, prices: { copilot: PRICES, qwen: PRICES } });
  await p.ok("up");
  // In a fresh home the second of two copilots that start at once may end at once.
  for (const id of ["w1", "w2"]) await untilAsking(p, server, id);

  match(await p.ok("_", "worker", "kill", "w2"), /killed worker w2/);
  strictEqual((await endedWorker(p, "w2")).state, "killed");
  strictEqual(await carriers(p, "w2"), 0);

  await killAgent(p, "w1", farFolder(p, host, "w1"));
  strictEqual((await endedWorker(p, "w1")).ended_by, "crash");
  match(await p.ok("_", "worker", "resume", "w1"), /resume-worker w1/);
  await p.until("it takes its question up", () => server.spent("w1").replies === 3, 60);
  await p.ok("_", "answer", "w1-1", "--free", "not yet, wait for CI");
  const { state, ended_by, exit_code } = await endedWorker(p, "w1");
  deepStrictEqual([state, ended_by, exit_code], ["exited", "self", 0]);
  await p.until("the verdict is here", async () => (await workerView(p, "w1")).verify !== "running");
  deepStrictEqual((await workerView(p, "w1")).verify, { ok: true, code: 0, lines: ["checked"] });
  strictEqual(p.read("reports/w1.md"), "told: not yet, wait for CI\n");
  const log = await p.ok("logs", "w1");
  ok(/_ ask w1 --prompt/.test(log) && log.includes("not yet, wait for CI"), log);

  const rows = (id: string) => fileText(p, "cost.jsonl") === "" ? [] : rowsOf(p, id);
  await p.until("all runs are in the ledger", () => rows("w1").length === 2 && rows("w2").length === 1, 30);
  strictEqual(server.spent("w2").replies, 2, "none for a command that ended because its worker did");
  for (const id of ["w1", "w2"]) requireSpent(rows(id), server.spent(id));
  const { coverage } = await p.json("cost", "--json");
  deepStrictEqual([coverage.ratio, coverage.elsewhere], [1, undefined]);
}

/** Starts a worker there and waits until its question is here, and its agent has recorded that. */
async function untilAsking(p: TestProfile, server: ModelServer, id: string): Promise<void> {
  await p.ok(
    "_",
    "worker",
    "start",
    id,
    "--host",
    "far",
    "--verify",
    "echo checked",
    `[script:${id}] Merge it.`,
  );
  await p.until(`${id} asks`, () => fileText(p, `asks/${id}-1.json`) !== "", 150);
  await untilRecorded(p, id, server.spent(id));
}

/** The folder of a worker's present run over there. */
function farFolder(p: TestProfile, host: ShHost, id: string): string {
  const { gen, home } = JSON.parse(p.read(`sessions/${id}/meta.json`));
  return `${host.home}/.local/state/looop-far/${home}/w/${id}.${gen}`;
}

/** Follows the lines of its contract, and of the prompt with which it is resumed, word for word. */
function literal({ results, users }: Conversation): Reply {
  const lines = users.join("\n").split("\n").map((line) => line.trim());
  const line = (verb: string) => lines.findLast((one) => one.startsWith("/") && one.includes(` _ ${verb} `));
  const isTold = results.some((result) => result.includes("not yet, wait for CI"));
  if (results.length === 0) return { shell: line("ready") ?? "false" };
  if (!isTold) return { shell: line("ask") ?? "false", timeoutS: 600 };
  if (results.at(-1)?.includes("written down") === true) return { shell: line("done") ?? "false" };
  const reports = lines.join("\n").match(/Results for people go to (\S+\/reports\/),/)?.[1];
  return { shell: `echo "told: not yet, wait for CI" >'${reports}w1.md' && echo written down` };
}
