import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { exists } from "../../lib/store.ts";
import { testProfile } from "../looop.ts";
import { endedWorker, fileText, workerView } from "../workers.ts";
import { FolderHost, folderMissing } from "./folder.ts";
import { carriers, sh, startThere, wire } from "./host.ts";
import { kitHolds } from "./kit.ts";

const ignore = folderMissing() !== undefined;

Deno.test({
  name:
    "given an engine whose folder home sees, when a worker runs there, then its calls, log, report and end come home",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await FolderHost.open();
    wire(p, { batch: host.driver });
    await p.ok("up");
    await startThere(
      p,
      "w1",
      "batch",
      [
        '"$LOOOP_BIN" _ ready w1; "$LOOOP_BIN" _ claim task; echo "claimed $?"',
        'a=$("$LOOOP_BIN" _ ask w1 --prompt "Which of A or B?" --options A,B); echo "got $a"',
        '"$LOOOP_BIN" _ ask w1 --prompt late --timeout 2; echo "late $?"',
        "mkdir -p reports/deep; echo result >reports/w1.md; echo more >reports/deep/w1.txt",
        '"$LOOOP_BIN" _ cost session w1 shell 0.25',
        "exit 5",
      ].join("\n"),
    );
    await p.until("the question", () => fileText(p, "asks/w1-1.json").includes("Which of A or B?"));
    strictEqual((await workerView(p, "w1")).state, "running");
    strictEqual((await p.json("_", "state", "--json")).hosts[0].state, "up");
    await p.ok("_", "answer", "w1-1", "B");
    strictEqual((await endedWorker(p, "w1")).exit_code, 5);
    await p.until("its log", () => fileText(p, "sessions/w1/output.log").includes("late 124"));
    const log = fileText(p, "sessions/w1/output.log");
    ok(log.includes("claimed 0") && log.includes("got B"), log);
    await p.until("its report", () => fileText(p, "reports/w1.md") === "result\n");
    await p.until("its report in a folder", () => fileText(p, "reports/deep/w1.txt") === "more\n");
    ok(fileText(p, "cost.jsonl").includes('"host":"batch"'));
    await p.until("its lease is freed", () => fileText(p, "claims/task.json") === "");
    const run = await host.run("w1");
    await p.until("its job need not wait", () => exists(`${run}/fetched`));
  },
});

Deno.test({
  name:
    "given workers of an engine whose folder home sees, when one is killed in mid-ask and all goes down, then nothing of them is left",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await FolderHost.open();
    wire(p, { batch: host.driver });
    await p.ok("up");
    const stubborn = `(trap "" TERM; setsid sleep 300) &\n`;
    await startThere(p, "w1", "batch", `${stubborn}echo before; "$LOOOP_BIN" _ ask w1 --prompt q\n`);
    const gone =
      `"$LOOOP_BIN" _ ask w2 --prompt gone &\nuntil [ -d "$LOOOP_DATA_DIR"/go ]; do sleep 0.1; done; kill -9 $!\n`;
    await startThere(p, "w2", "batch", `${stubborn}${gone}sleep 300`);
    await p.until("the question", () => fileText(p, "asks/w1-1.json") !== "");
    await p.ok("_", "worker", "kill", "w1");
    const { state, ended_by } = await workerView(p, "w1");
    deepStrictEqual([state, ended_by], ["killed", "root"]);
    strictEqual(await carriers(p, "w1"), 0);
    strictEqual(fileText(p, "asks/w1-1.json"), "");
    // Its last words are still in the folder.
    await p.until("its log", () => fileText(p, "sessions/w1/output.log").includes("before"));
    await p.until("it is done with", () => fileText(p, "sessions/w1/mirror.json").includes('"fetched":true'));
    ok(fileText(p, "sessions/w1/output.log").includes("before"));
    const calls = () => [...Deno.readDirSync(p.path("sessions/w2/calls"))].length;
    await p.until("the question of w2", () => fileText(p, "asks/w2-1.json") !== "");
    strictEqual(calls(), 1);
    Deno.mkdirSync(`${await host.run("w2")}/go`);
    await p.until("the call of a killed asker is dropped over there", () => calls() === 0);
    ok(await carriers(p, "w2") > 0);
    const down = await p.run("down");
    strictEqual(down.code, 0, down.stderr);
    ok(down.stdout.includes("(w2)"), down.stdout);
    strictEqual(await carriers(p, "w2"), 0);
    strictEqual((await workerView(p, "w2")).ended_by, "down");
  },
});

Deno.test({
  name:
    "given a question in a shared folder, when home's pulse is killed before and after the answer, then nothing is lost or doubled",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await FolderHost.open();
    wire(p, { batch: host.driver });
    // Machines that were made from one image have the same id.
    Deno.copyFileSync("/etc/machine-id", `${host.base}/machine-id`);
    await p.ok("up");
    const script = `"$LOOOP_BIN" _ cost session w1 shell 0.25
for q in 1 2 3; do a=$("$LOOOP_BIN" _ ask w1 --prompt "q$q"); echo "got $a"; done; exit 7`;
    await startThere(p, "w1", "batch", script);
    const kill = () => Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
    const asked = async (n: number) => {
      await p.until(`question ${n}`, () => fileText(p, `asks/w1-${n}.json`).includes(`"q${n}"`), 40);
    };
    await asked(1);
    await p.until("it runs", () => fileText(p, "sessions/w1/status.json").includes('"running"'));
    kill();
    await p.ok("_", "answer", "w1-1", "one");
    strictEqual((await workerView(p, "w1")).state, "running");
    await p.ok("up");
    await asked(2);
    await p.ok("_", "answer", "w1-2", "two");
    kill();
    await p.ok("up");
    await asked(3);
    kill();
    await p.ok("up");
    await p.ok("_", "answer", "w1-3", "three");
    strictEqual((await endedWorker(p, "w1")).exit_code, 7);
    const isWhole = () => fileText(p, "sessions/w1/output.log").includes("got three");
    await p.until("its log", isWhole);
    const got = fileText(p, "sessions/w1/output.log").match(/got \w+/g);
    deepStrictEqual(got, ["got one", "got two", "got three"]);
    strictEqual(fileText(p, "cost.jsonl").trim().split("\n").length, 1);
    deepStrictEqual((await p.json("_", "state", "--json")).asks, []);
  },
});

Deno.test({
  name:
    "given a job that vanishes with its machine, when the engine does not say how, then the run is lost once and its last words are here",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await FolderHost.open();
    wire(p, { batch: host.driver });
    await p.ok("up");
    await startThere(p, "w1", "batch", 'echo began; "$LOOOP_BIN" _ ask w1 --prompt q');
    await p.until("the question", () => fileText(p, "asks/w1-1.json") !== "");
    await sh(`cd ${host.base}/jobs/*/* && kill -KILL $(cat pid inner)`);
    await p.until(
      "its end",
      async () => (await workerView(p, "w1")).state === "lost",
      40,
    );
    strictEqual((await workerView(p, "w1")).ended_by, "host");
    await p.until("its log", () => fileText(p, "sessions/w1/output.log").includes("began"));
    // Nobody reads the answer any more.
    await p.until(
      "its call is dropped",
      () => [...Deno.readDirSync(p.path("sessions/w1/calls"))].length === 0,
    );
    await p.ok("_", "worker", "kill", "w1");
    strictEqual((await workerView(p, "w1")).state, "killed");
  },
});

Deno.test({
  name:
    "given a driver whose folder or description cannot be used, when a worker is to start, then it is refused in one line",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await FolderHost.open();
    wire(p, { batch: host.driver });
    const { base } = host;
    await sh(
      `cd ${base} && mkdir -m 755 open && mkdir -m 700 theirs "a b" && chown 1 theirs && ln -s shared link && : >file`,
    );
    const cases: [unknown, RegExp][] = [
      [{ path: "shared" }, /"shared" is no plain absolute path/],
      [{ path: `${base}/a b` }, /a b" is no plain absolute path/],
      [{ path: `${base}/none` }, /there is no .*\/none/],
      [{ path: `${base}/link` }, /link is a link/],
      [{ path: `${base}/file` }, /file is no folder/],
      [{ path: `${base}/theirs` }, /theirs belongs to user 1/],
      [{ path: `${base}/open` }, /open has mode 0755/],
      [{ path: 5 }, /its answer is not what was asked for/],
      ["x", /its answer is not one JSON object/],
    ];
    const start = async (message: RegExp) => {
      const { code, stderr } = await p.run(
        "_",
        "worker",
        "start",
        "w1",
        "--host",
        "batch",
        "--runner",
        "shell",
        "x",
      );
      strictEqual(code, 1, stderr);
      match(stderr, message);
      strictEqual(stderr.trimEnd().split("\n").length, 1, stderr);
    };
    for (const [answer, message] of cases) {
      host.answer(answer);
      await start(message);
    }
    host.answer({ path: `${base}/shared` });
    host.describe({ calls: "pigeon" });
    await start(/has calls "pigeon".*"exec" and "folder"/);
    host.describe({ verbs: ["start", "list", "stop", "exec"] });
    await start(/does not describe itself/);
    deepStrictEqual(await p.json("_", "worker", "list", "--json"), []);
    deepStrictEqual([...Deno.readDirSync(`${base}/jobs`)], []);
  },
});

Deno.test({
  name:
    "given a folder that becomes a link while a worker runs, when it is looked at, then the host says so, and the worker can still be ended",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await FolderHost.open();
    wire(p, { batch: host.driver });
    await p.ok("up");
    await startThere(p, "w1", "batch", '"$LOOOP_BIN" _ ready w1; sleep 300');
    await p.until("it runs", () => fileText(p, "sessions/w1/status.json").includes('"running"'));
    await sh(`ln -s shared ${host.base}/link`);
    host.answer({ path: `${host.base}/link` });
    Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
    await p.ok("up");
    await p.until(
      "it is said",
      () => /cannot be used: .*link is a link/.test(fileText(p, "hosts/batch.json")),
    );
    strictEqual((await workerView(p, "w1")).state, "running");
    match((await p.run("doctor")).stdout, /host batch.*cannot be used: .*link is a link/);
    await p.ok("_", "worker", "kill", "w1");
    strictEqual(await carriers(p, "w1"), 0);
    strictEqual((await workerView(p, "w1")).state, "killed");
    // What it left is fetched once the folder is right again.
    host.answer({ path: `${host.base}/shared` });
    await p.until("all is here", () => fileText(p, "sessions/w1/mirror.json").includes('"fetched":true'), 30);
  },
});

Deno.test({
  name:
    "given an engine whose folder home sees, when it is checked, then what needs a shell there is skipped and the rest holds",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await FolderHost.open();
    wire(p, { batch: host.driver });
    await kitHolds(p, "batch", [1, 9, 18, 23, 25, 28, 31, 41], [1, 18, 25]);
    const { stdout } = await p.run("_", "host", "check", "batch", "1");
    match(stdout, /^skip {2}1 .*: its driver has `folder` instead of `exec`/);
  },
});
