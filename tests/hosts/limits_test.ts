/** Tests what a host must not do, and what must reach it and return from it whole. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { reachArgv } from "../../lib/hosts/reach.ts";
import { findProgram } from "../../lib/process/programs.ts";
import { writeExecutable } from "../executable.ts";
import { testProfile } from "../looop.ts";
import { fileText } from "../workers.ts";
import { ShHost, startThere, wire } from "./host.ts";

Deno.test("given a driver that does not describe itself, when a worker is to start there, then it is refused and nothing is there", async () => {
  await using p = await testProfile();
  wire(p, { mine: { driver: "mine.sh" } });
  writeExecutable(
    p.path("mine.sh"),
    '#!/bin/sh\necho "$1" >>called\n[ "$1" = start ] && echo "{}" || exit 3\n',
  );
  const { code, stderr } = await p.run(
    "_",
    "worker",
    "start",
    "w1",
    "--runner",
    "shell",
    "--host",
    "mine",
    "x",
  );
  strictEqual(code, 1);
  ok(/does not describe itself: .*looop _ host check mine/s.test(stderr), stderr);
  strictEqual(fileText(p, "sessions/w1/meta.json"), "");
  strictEqual(fileText(p, "called"), "describe\n");
});

Deno.test("given a prompt over 4 MB, when a worker is to start on a host, then it is refused and nothing is there", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  const start = ["_", "worker", "start", "w1", "--runner", "shell", "--host", "gpu"];
  const { code, stderr } = await p.call(start, { stdin: `: ${"é".repeat(2_100_000)}\n` });
  strictEqual(code, 2, stderr);
  ok(/4 MB/.test(stderr), stderr);
  strictEqual(fileText(p, "sessions/w1/meta.json"), "");
});

Deno.test({
  name:
    "given a user's ssh that forwards and shares, when a host is reached by it, then no forwarding is left and the connection is its own",
  ignore: findProgram("ssh", Deno.env.get("PATH") ?? "") === undefined,
  async fn() {
    const config = await Deno.makeTempFile();
    await Deno.writeTextFile(
      config,
      "ForwardAgent yes\nForwardX11 yes\nControlMaster auto\nControlPath /tmp/%C\nBatchMode no\nConnectTimeout 99\n",
    );
    const settings = (argv: string[]) => {
      const [ssh = "", ...rest] = argv;
      const { stdout } = new Deno.Command(ssh, { args: ["-G", ...rest] }).outputSync();
      const all = new TextDecoder().decode(stdout).split("\n").map((line) => line.split(" "));
      const names = [
        "forwardagent",
        "forwardx11",
        "clearallforwardings",
        "controlpath",
        "batchmode",
        "connecttimeout",
      ];
      return Object.fromEntries(all.filter(([name = ""]) => names.includes(name)));
    };
    const reach = ["ssh", "-F", config, "gpu"];
    const own = settings(reachArgv(reach));
    // For `none` some versions print no path.
    strictEqual(own["controlpath"] ?? "none", "none");
    delete own["controlpath"];
    deepStrictEqual(own, {
      batchmode: "yes",
      clearallforwardings: "yes",
      connecttimeout: "10",
      forwardagent: "no",
      forwardx11: "no",
    });
    strictEqual(settings(reachArgv(reach, false))["forwardagent"], "yes");
    await Deno.remove(config);
  },
});

/** A far side that sends only the text of a file, as the file grows. */
const LIAR =
  `read -r greeting; echo looop-ready; read -r program; echo "hello 1 boot $(date +%s)"; exec tail -n +1 -f "$1"`;

Deno.test("given a machine that sends lines unknown to looop, when it does so three times in a minute, then the line is closed and the reason is shown", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  await startThere(p, "w1", "gpu", "sleep 300");
  const said = `${host.home}/said`;
  const { gen } = JSON.parse(p.read("sessions/w1/meta.json"));
  Deno.writeTextFileSync(said, `w w1 ${gen} running - - - 0\nnonsense\nw ../x 00000000 running - - - 0\n.\n`);
  wire(p, { gpu: { reach: ["sh", "-c", LIAR, "liar", said] } });
  await p.until("two are borne", () => /"state":"up".*"bad_lines":2/.test(fileText(p, "hosts/gpu.json")), 30);
  Deno.writeTextFileSync(said, "w w1 0000000000000000 bored - - - 0\n.\n", { append: true });
  await p.until("the third is not", () => /"state":"down"/.test(fileText(p, "hosts/gpu.json")), 30);
  ok(
    /does not understand \(a bad state\)/.test(fileText(p, "hosts/gpu.json")),
    fileText(p, "hosts/gpu.json"),
  );
  wire(p, { gpu: { reach: host.reach } });
  strictEqual((await p.run("down")).code, 0);
});

/** Number of parallel calls of one worker; the limit of open ones is 32. */
const CALLS = 36;

Deno.test("given more calls of one worker at once, when they come home, then 32 are open at a time and all are answered", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  const ask = `"$LOOOP_BIN" _ ask w1 --prompt "q $i" >"$HOME/got.$i"`;
  await startThere(p, "w1", "gpu", `i=0; while [ $i -lt ${CALLS} ]; do i=$((i + 1)); ${ask} & done; wait`);
  const asks = () =>
    [...Deno.readDirSync(p.path("asks"))].filter(({ name }) => /^w1-\d+\.json$/.test(name)).map(({ name }) =>
      name.slice(0, -5)
    );
  const calls = async () => {
    const find = new Deno.Command("find", { args: [host.home, "-path", "*/calls/*.*.*", "-type", "f"] });
    return new TextDecoder().decode((await find.output()).stdout).trim().split("\n").length;
  };
  await p.until("all have asked there", async () => await calls() === CALLS, 30);
  await p.until("32 are here", () => asks().length === 32, 30);
  const [first = ""] = asks();
  await p.ok("_", "answer", first, "yes");
  await p.until("one more is here, and no two", () => asks().length === 32 && !asks().includes(first), 30);
  const answered = new Set([first]);
  while (answered.size < CALLS) {
    const next = () => asks().find((id) => !answered.has(id));
    await p.until("a question", () => next() !== undefined, 30);
    const id = next() ?? "";
    await p.ok("_", "answer", id, "yes");
    answered.add(id);
  }
  await p.until(
    "all have their answers",
    () =>
      [...Deno.readDirSync(host.home)].filter(({ name }) =>
        name.startsWith("got.") && Deno.readTextFileSync(`${host.home}/${name}`) === "yes\n"
      ).length === CALLS,
    30,
  );
});
