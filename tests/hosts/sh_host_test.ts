import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { readAllProcesses, readMarked } from "../../lib/process/table.ts";
import { testProfile } from "../looop.ts";
import { endedWorker, fileText, workerView } from "../workers.ts";
import { carriers, sh, ShHost, startThere, wire } from "./host.ts";

Deno.test("given a host behind a shell, when a worker runs there, then its calls, log, report and end come home", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach, env: { GREETING: "it's me" } } });
  await p.ok("up");
  await startThere(
    p,
    "w1",
    "gpu",
    [
      '"$LOOOP_BIN" _ ready w1; echo "$GREETING"',
      '"$LOOOP_BIN" _ claim task; echo "claimed $?"',
      'a=$("$LOOOP_BIN" _ ask w1 --prompt "Which of A or B?" --options A,B); echo "got $a"',
      "mkdir -p reports/deep; echo result >reports/w1.md; echo more >reports/deep/w1.txt",
      '"$LOOOP_BIN" _ cost session w1 shell 0.25',
      "exit 5",
    ].join("\n"),
  );
  const alive = await workerView(p, "w1");
  strictEqual(alive.host, "gpu");
  await p.until("the question", () => fileText(p, "asks/w1-1.json").includes("Which of A or B?"));
  strictEqual((await p.json("_", "state", "--json")).hosts[0].state, "up");
  await p.ok("_", "answer", "w1-1", "B");
  const ended = await endedWorker(p, "w1");
  strictEqual(ended.exit_code, 5);
  await p.until("its log", () => fileText(p, "sessions/w1/output.log").includes("got B"));
  const log = fileText(p, "sessions/w1/output.log");
  ok(log.includes("it's me"), log);
  ok(log.includes("claimed 0"), log);
  await p.until("its report", () => fileText(p, "reports/w1.md") === "result\n");
  await p.until("its report in a folder", () => fileText(p, "reports/deep/w1.txt") === "more\n");
  ok(fileText(p, "cost.jsonl").includes('"host":"gpu"'));
  await p.until("its lease is freed", () => fileText(p, "claims/task.json") === "");
  await p.until("the host is idle", () => fileText(p, "hosts/gpu.json").includes('"state":"idle"'));
});

Deno.test("given a worker on a host, when it is killed, then its whole tree is gone and its question withdrawn", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  await startThere(p, "w1", "gpu", `(trap "" TERM; sleep 300) &\n"$LOOOP_BIN" _ ask w1 --prompt q\n`);
  await p.until("the question", () => fileText(p, "asks/w1-1.json") !== "");
  await p.ok("_", "worker", "kill", "w1");
  strictEqual((await workerView(p, "w1")).state, "killed");
  strictEqual(await carriers(p, "w1"), 0);
  strictEqual((await p.json("_", "ask", "list", "--json").catch(() => [])).length ?? 0, 0);
});

Deno.test("given workers on two hosts, when all goes down, then they are ended, and the unreachable ones are named", async () => {
  await using p = await testProfile();
  await using near = await ShHost.open();
  await using far = await ShHost.open();
  wire(p, { near: { reach: near.reach }, far: { reach: far.reach } });
  await p.ok("up");
  await startThere(p, "w1", "near", "sleep 300");
  await startThere(p, "w2", "far", "sleep 300");
  // The second machine can no longer be reached.
  wire(p, { near: { reach: near.reach }, far: { reach: ["false"] } });
  const down = await p.run("down");
  strictEqual(down.code, 1);
  ok(down.stdout.includes("stopped 1 worker (w1)"), down.stdout);
  ok(/worker "w2" may still run: host "far" is not heard/.test(down.stderr), down.stderr);
  strictEqual(await carriers(p, "w1"), 0);
  ok(await carriers(p, "w2") > 0);
  wire(p, { near: { reach: near.reach }, far: { reach: far.reach } });
  await p.ok("up");
  strictEqual((await endedWorker(p, "w2")).ended_by, "down");
  strictEqual(await carriers(p, "w2"), 0);
});

Deno.test("given a host that is not heard, when its workers are looked at, then they are unreachable and not lost", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } }, { host_silent_after: 1 });
  await p.ok("up");
  await startThere(p, "w1", "gpu", `"$LOOOP_BIN" _ ready w1; sleep 300`);
  await p.until("it is heard", () => fileText(p, "hosts/gpu.json").includes('"state":"up"'));
  await p.wait("--timeout", "5");
  wire(p, { gpu: { reach: ["false"] } }, { host_silent_after: 1 });
  // Kills the pulse that holds the line; the next pulse cannot open one.
  Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
  const told = await p.json("_", "wait", "--json", "--timeout", "30");
  ok(told.reason.includes("host:gpu"), JSON.stringify(told.reason));
  const view = await workerView(p, "w1");
  strictEqual(view.state, "running");
  ok((view.unreachable_s ?? -1) >= 1);
  const killed = await p.run("_", "worker", "kill", "w1");
  strictEqual(killed.code, 1);
  ok(killed.stderr.includes("--forget"), killed.stderr);
  wire(p, { gpu: { reach: host.reach } });
  strictEqual((await endedWorker(p, "w1")).state, "killed");
  strictEqual(await carriers(p, "w1"), 0);
});

Deno.test("given bad input, when a worker is to start on a host, then it is refused and nothing is there", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach, max_workers: 1 } }, {
    runners: { odd: { interactive: "no-such-agent {{prompt_file}}" } },
  });
  const start = (...args: string[]) => p.run("_", "worker", "start", ...args, "x");
  const unknown = await start("w1", "--host", "gpus");
  strictEqual(unknown.code, 2);
  ok(unknown.stderr.includes('did you mean "gpu"'), unknown.stderr);
  const folder = await start("w2", "--host", "gpu", "--runner", "shell", "--cwd", "/no/such/folder");
  strictEqual(folder.code, 1);
  ok(folder.stderr.includes("there is no folder"), folder.stderr);
  const runner = await start("w3", "--host", "gpu", "--runner", "odd");
  strictEqual(runner.code, 1);
  ok(runner.stderr.includes("not on the PATH"), runner.stderr);
  strictEqual((await start("w4", "--host", "gpu", "--runner", "shell", "--cwd", "here")).code, 2);
  await startThere(p, "w5", "gpu", "sleep 300");
  const full = await start("w6", "--host", "gpu", "--runner", "shell");
  strictEqual(full.code, 1);
  ok(full.stderr.includes("max_workers 1"), full.stderr);
});

Deno.test("given senseless hosts in config.json, when it is read, then the error names the line", async () => {
  await using p = await testProfile();
  const bad: [unknown, RegExp][] = [
    [{ gpu: {} }, /either "reach" or "driver"/],
    [{ gpu: { reach: ["ssh", "-oProxyCommand=x"] } }, /name of the machine last/],
    [{ gpu: { reach: ["ssh", "a"] }, tpu: { reach: ["ssh", "a"] } }, /same "reach"/],
    [{ "../gpu": { reach: ["ssh", "a"] } }, /expected a name/],
    [{ gpu: { reach: [] } }, /expected a command/],
  ];
  for (const [hosts, message] of bad) {
    wire(p, hosts as Record<string, unknown>);
    const { code, stderr } = await p.run("_", "worker", "start", "w1", "--host", "gpu", "x");
    strictEqual(code, 1);
    ok(message.test(stderr) && /config\.json:\d+:\d+/.test(stderr), stderr);
  }
});

Deno.test("given workers on a host with checks, when they end, then each check runs there once, in the worker's folder, and its verdict comes home", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach, env: { GREETING: "it's me" } } });
  await p.okCall(["up"], { env: { LOOOP_VERIFY_TIMEOUT: "2" } });
  const leaver = "sleep 300 & echo ran >>runs; cat made";
  await startThere(p, "good", "gpu", "echo here >made", ["--verify", leaver]);
  await startThere(p, "bad", "gpu", "exit 0", ["--verify", `printf '\\033[31m%s\\n' "$GREETING"; exit 3`]);
  await startThere(p, "slow", "gpu", "exit 0", ["--verify", "trap '' TERM; echo begun; sleep 300"]);
  const verdicts = {
    good: { ok: true, code: 0, lines: ["here"] },
    bad: { ok: false, code: 3, lines: ["it's me"] },
    slow: { ok: false, code: 124, lines: ["begun", "timed out after 2 s"] },
  };
  for (const [id, expected] of Object.entries(verdicts)) {
    await p.until(`the verdict on ${id}`, async () => {
      const { verify } = await workerView(p, id);
      return verify !== undefined && verify !== "running";
    }, 60);
    deepStrictEqual((await workerView(p, id)).verify, expected);
    const { gen } = JSON.parse(p.read(`sessions/${id}/meta.json`));
    const mark = `LOOOP_VERIFY=${gen}`;
    await p.until(`nothing of ${id}'s check is left`, async () => (await readMarked([mark])).size === 0);
  }
  const find = new Deno.Command("find", { args: [host.home, "-name", "runs", "-exec", "cat", "{}", "+"] });
  strictEqual(new TextDecoder().decode((await find.output()).stdout), "ran\n");
});

Deno.test("given a check on a host, when looop goes down meanwhile, then its verdict is unknown, it ends there, and it never runs again", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  const flag = `${host.home}/runs`;
  await startThere(p, "w1", "gpu", "exit 0", ["--verify", `echo ran >>'${flag}'; sleep 300`]);
  const runs = () => {
    try {
      return Deno.readTextFileSync(flag);
    } catch {
      return "";
    }
  };
  await p.until("the check runs", () => runs() === "ran\n");
  await p.ok("down");
  await p.ok("up");
  await p.until("the verdict", async () => (await workerView(p, "w1")).verify === "unknown");
  const { gen } = JSON.parse(p.read("sessions/w1/meta.json"));
  await p.until("it has ended there", async () => (await readMarked([`LOOOP_VERIFY=${gen}`])).size === 0);
  strictEqual(runs(), "ran\n");
});

Deno.test("given a runner with a host, when its worker prints, costs nothing known and is given up, then each verb says what it can", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  const runners = { there: { interactive: "exec cat {{prompt_file}}", host: "gpu" } };
  wire(p, { gpu: { reach: host.reach } }, { runners });
  await p.ok("up");
  const start = (id: string, brief: string) =>
    p.okCall(["_", "worker", "start", id, "--runner", "there"], { stdin: brief });
  await start("w1", "x\n");
  strictEqual((await endedWorker(p, "w1")).host, "gpu");
  await startThere(p, "w2", "gpu", "echo hello; sleep 300");
  using following = p.start(["logs", "w2", "-f"]);
  await p.until("its log is here", () => fileText(p, "sessions/w2/output.log").includes("hello"));
  strictEqual((await p.run("_", "worker", "kill", "w2", "--forget")).code, 0);
  ok((await following.result).stdout.includes("hello"));
  strictEqual((await workerView(p, "w2")).state, "killed");
  const { coverage } = await p.json("cost", "--json");
  deepStrictEqual(coverage.elsewhere, ["w1", "w2"]);
  ok((await p.ok("cost")).includes("on other machines"));
  // Home has given it up, but its machine is heard, so it is still ended there.
  await p.until("nothing is left", async () => await carriers(p, "w2") === 0, 40);
});

Deno.test("given a machine that belongs to another home, when this home opens a line, then it is refused until it takes the machine over", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  await startThere(p, "w1", "gpu", `"$LOOOP_BIN" _ ready w1; sleep 300`);
  await p.until("it is heard", () => fileText(p, "hosts/gpu.json").includes('"state":"up"'));
  await p.until("it is ready", () => exists(p.path("sessions/w1/ready")));
  Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
  const root = `${host.home}/.local/state/looop-far`;
  const owner = `${root}/${[...Deno.readDirSync(root)].map((entry) => entry.name)[0]}/posts/owner`;
  // As if another machine, from which the data dir was copied, owned the host's post.
  const other = "0123456789abcdef0123456789abcdef 1 1 - 1 1";
  Deno.writeTextFileSync(owner, `${other}\n`);
  await p.ok("up");
  await p.until("it is refused", () => /owned by machine/.test(fileText(p, "hosts/gpu.json")), 40);
  strictEqual((await workerView(p, "w1")).state, "running");
  await p.ok("up", "--take-hosts");
  await p.until("it is heard again", () => fileText(p, "hosts/gpu.json").includes('"state":"up"'), 40);
});

Deno.test("given a host whose post is killed with its listener, when a moment has passed, then its clock has ended and waits for no stranger", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  await startThere(p, "w1", "gpu", "sleep 300");
  await p.until("it is heard", () => fileText(p, "hosts/gpu.json").includes('"state":"up"'));
  const root = `${host.home}/.local/state/looop-far`;
  const owner = `${root}/${[...Deno.readDirSync(root)][0]?.name}/posts/owner`;
  const [, post, , , listener, , clock] = Deno.readTextFileSync(owner).trim().split(" ").map(Number);
  const runs = async (pid = 0) => (await readAllProcesses()).processes.get(pid);
  const began = await runs(clock);
  ok(began?.state !== "Z" && post !== undefined && listener !== undefined);
  for (const pid of [listener, post]) Deno.kill(pid, "SIGKILL");
  await p.until("it has ended", async () => (await runs(clock))?.start !== began?.start);
  await p.until("it is heard again", () => fileText(p, "hosts/gpu.json").includes('"state":"up"'));
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}

Deno.test("given a machine without setsid, when a worker is to run there, then perl is used, and without perl the start is refused in one line", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  const bin = `${host.home}/bin`;
  // ln refuses the second link of a name that is in both folders.
  await sh(`mkdir ${bin}; ln -s /usr/bin/* /bin/* ${bin}/ 2>/dev/null || :; rm ${bin}/setsid`);
  wire(p, { mac: { reach: ["env", "-i", `HOME=${host.home}`, `PATH=${bin}`] } });
  await p.ok("up");
  await startThere(p, "w1", "mac", "exit 3");
  strictEqual((await endedWorker(p, "w1")).exit_code, 3);
  Deno.removeSync(`${bin}/perl`);
  const { code, stderr } = await p.run(
    "_",
    "worker",
    "start",
    "w2",
    "--runner",
    "shell",
    "--host",
    "mac",
    "x",
  );
  strictEqual(code, 1);
  ok(stderr.includes('"setsid" (util-linux) is not installed here'), stderr);
});

Deno.test("given a run on a host whose record home has lost, when the line is opened, then it is named as a stray and left alone", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  for (const id of ["w1", "w2"]) await startThere(p, id, "gpu", "sleep 300");
  const { gen } = JSON.parse(p.read("sessions/w1/meta.json"));
  Deno.renameSync(p.path("sessions/w1"), `${p.base}/w1`);
  Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
  await p.ok("up");
  const strays = async () => (await p.json("_", "state", "--json")).hosts[0].strays ?? [];
  await p.until("it is named", async () => (await strays()).length > 0, 30);
  deepStrictEqual(await strays(), [`w1.${gen}`]);
  ok((await readMarked([`LOOOP_SESSION_GEN=${gen}`])).size > 0);
  Deno.renameSync(`${p.base}/w1`, p.path("sessions/w1"));
  await p.ok("down");
  strictEqual(await carriers(p, "w1"), 0);
});

Deno.test("given workers on a host whose folder is deleted, when home notices, then their whole trees are ended there, and no other", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  await startThere(p, "w1", "gpu", `(trap "" TERM; setsid sleep 300) &\nsleep 300`);
  for (const id of ["w2", "w3"]) await startThere(p, id, "gpu", "setsid sleep 300 &\nsleep 300");
  await p.until("it is heard", () => fileText(p, "hosts/gpu.json").includes('"state":"up"'));
  // The line is open, and only one folder is gone.
  await sh(`rm -rf ${host.home}/.local/state/looop-far/*/w/w1.*`);
  strictEqual((await endedWorker(p, "w1")).state, "killed");
  strictEqual((await workerView(p, "w1")).ended_by, "host");
  strictEqual(await carriers(p, "w1"), 0);
  for (const id of ["w2", "w3"]) ok(await carriers(p, id) > 0, id);
  // All folders are gone: one worker is killed by hand, one by `down` without a pulse.
  await sh(`rm -rf ${host.home}/.local/state/looop-far`);
  await p.ok("_", "worker", "kill", "w2");
  strictEqual((await workerView(p, "w2")).state, "killed");
  strictEqual(await carriers(p, "w2"), 0);
  ok(await carriers(p, "w3") > 0);
  Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
  await sh(`rm -rf ${host.home}/.local/state/looop-far`);
  await p.ok("down");
  strictEqual(await carriers(p, "w3"), 0);
});

Deno.test("given workers over there whose folder is deleted and whose processes have no mark, when home learns it, then those of their terminals are ended, too", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  await p.ok("up");
  const nap = `300.${Math.floor(Math.random() * 1e9)}`;
  const naps = async () => {
    const { processes } = await readAllProcesses();
    const command = (pid: number) => Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
    const texts = await Promise.all([...processes.keys()].map(command));
    return texts.filter((text) => text === `sleep\0${nap}\0`).length;
  };
  // Its parent is gone; then one whose agent itself has no mark.
  await startThere(p, "w1", "gpu", `(trap "" HUP; env -i sleep ${nap} &)\nsleep 300`);
  await startThere(p, "w2", "gpu", `exec env -i sh -c '(sleep ${nap} &); sleep ${nap}; :'`);
  await p.until("all are there", async () => await naps() === 3);
  await p.until("it is heard", () => fileText(p, "hosts/gpu.json").includes('"state":"up"'));
  await sh(`rm -rf ${host.home}/.local/state/looop-far/*/w/w?.*`);
  for (const id of ["w1", "w2"]) strictEqual((await endedWorker(p, id)).ended_by, "host");
  strictEqual(await naps(), 0);
});
