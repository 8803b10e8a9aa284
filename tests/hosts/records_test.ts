import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { writeExecutable } from "../executable.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { endedWorker, fileText } from "../workers.ts";
import { FolderHost, folderMissing } from "./folder.ts";
import { ShHost, wire } from "./host.ts";

/** An agent that records its session below its HOME as claude does, by its folder, and resumes it only from there. */
const CLAUDE = `#!/bin/sh
while [ $# -gt 0 ]; do case $1 in --session-id) id=$2 input=100 ;; --resume) id=$2 input=7 ;; esac; shift; done
dir=$HOME/.claude/projects/$(pwd -P | tr -c 'A-Za-z0-9\\n' -)
[ $input = 100 ] || [ -f "$dir/$id.jsonl" ] || { echo "No conversation found"; exit 9; }
mkdir -p "$dir"
echo '{"type":"assistant","message":{"id":"m'$input'","model":"x","usage":{"input_tokens":'$input',"output_tokens":1}}}' >>"$dir/$id.jsonl"
touch "$HOME/recorded.$input"
until [ -f "$HOME/go.$input" ]; do sleep 0.05; done
exit 3
`;

async function rows(
  p: TestProfile,
  count: number,
): Promise<{ host: string; source: string; tokens: { input: number } }[]> {
  const lines = () =>
    fileText(p, "cost.jsonl").split("\n").filter((line) => line.includes('"source":"runner"'));
  await p.until(`${count} rows`, () => lines().length >= count, 40);
  return lines().map((line) => JSON.parse(line));
}

Deno.test("given an agent on a host that records its session there, when it runs, ends and is resumed, then the record comes home, each run's spend is counted once, and it goes on in its folder", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  Deno.mkdirSync(`${host.home}/bin`);
  writeExecutable(`${host.home}/bin/claude`, CLAUDE);
  const reach = host.reach.map((word) =>
    word.startsWith("PATH=") ? `PATH=${host.home}/bin:${word.slice(5)}` : word
  );
  wire(p, { gpu: { reach } });
  await p.ok("up");
  await p.okCall(["_", "worker", "start", "w1", "--runner", "claude", "--host", "gpu"], { stdin: "x\n" });
  const copied = () => {
    const { sessions } = JSON.parse(p.read("sessions/w1/agent.json"));
    return fileText(p, `sessions/w1/records/_/${sessions[0].id}.jsonl`);
  };
  await p.until("its record is here while it runs", () => copied().includes('"m100"'), 40);
  Deno.writeTextFileSync(`${host.home}/go.100`, "");
  strictEqual((await endedWorker(p, "w1")).exit_code, 3);
  const [first] = await rows(p, 1);
  deepStrictEqual([first?.host, first?.source, first?.tokens.input], ["gpu", "runner", 100]);
  strictEqual((await p.json("cost", "--json")).coverage.elsewhere, undefined);
  await p.ok("_", "worker", "resume", "w1", "go on");
  await p.until("it has found its session", () => exists(`${host.home}/recorded.7`), 30);
  Deno.writeTextFileSync(`${host.home}/go.7`, "");
  strictEqual((await endedWorker(p, "w1")).exit_code, 3);
  const all = await rows(p, 2);
  deepStrictEqual(all.map(({ tokens }) => tokens.input), [100, 7]);
  ok(copied().includes('"m7"'));
});

Deno.test({
  name:
    "given an agent that records its session where home sees one folder alone, when it has ended, then the record is here and its spend is counted once, also of a resumed run",
  ignore: folderMissing() !== undefined,
  async fn() {
    await using p = await testProfile();
    await using host = await FolderHost.open();
    Deno.mkdirSync(`${host.base}/bin`);
    writeExecutable(`${host.base}/bin/claude`, CLAUDE);
    wire(p, { batch: { ...host.driver, env: { PATH: `${host.base}/bin:${Deno.env.get("PATH")}` } } });
    for (const go of [100, 7]) Deno.writeTextFileSync(`${host.base}/home/go.${go}`, "");
    await p.ok("up");
    await p.okCall(["_", "worker", "start", "w1", "--runner", "claude", "--host", "batch"], { stdin: "x\n" });
    strictEqual((await endedWorker(p, "w1")).exit_code, 3);
    await rows(p, 1);
    await p.ok("_", "worker", "resume", "w1", "go on");
    const all = await rows(p, 2);
    deepStrictEqual(all.map(({ host, tokens }) => [host, tokens.input]), [["batch", 100], ["batch", 7]]);
    strictEqual((await endedWorker(p, "w1")).exit_code, 3);
  },
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}
