import { ok, strictEqual } from "node:assert/strict";
import { readHost } from "../../../lib/records/hosts.ts";
import { type TestProfile, testProfile } from "../../looop.ts";
import { endedWorker, fileText, workerView } from "../../workers.ts";
import { announce, isWanted } from "../engines.ts";
import { labMissing, SshHost, startThere, wire } from "../host.ts";
import { kitHolds } from "../kit.ts";

const missing = labMissing();
announce("ssh_test.ts", missing);
const ignore = !isWanted || missing !== undefined;
const ask =
  `"$LOOOP_BIN" _ ready w1\nfor q in 1 2; do a=$("$LOOOP_BIN" _ ask w1 --prompt "q$q"); echo "got $a"; done\nexit 0\n`;

/** Starts a worker on the host and waits for its first question. */
async function startAsker(p: TestProfile, host: SshHost): Promise<void> {
  wire(p, { far: { reach: host.reach } });
  await p.ok("up");
  await startThere(p, "w1", "far", ask);
  await p.until("the first question", () => fileText(p, "asks/w1-1.json") !== "");
}

/** Waits until home has noticed that the host is silent. */
async function untilDown(p: TestProfile): Promise<void> {
  await p.until("the line is known to be down", () => readHost(p.profile, "far")?.state === "down", 60);
}

Deno.test({
  name:
    "given a machine behind ssh, when its wire is cut and its packets dropped in mid-ask, then nothing is lost or doubled",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await SshHost.open();
    await startAsker(p, host);
    await host.cut();
    await untilDown(p);
    await p.ok("_", "answer", "w1-1", "one");
    await host.heal();
    await p.until("the second question", () => fileText(p, "asks/w1-2.json") !== "", 40);
    await host.drop();
    await p.ok("_", "answer", "w1-2", "two");
    await p.until(
      "it is unreachable",
      async () => (await workerView(p, "w1")).unreachable_s !== undefined,
      60,
    );
    strictEqual((await workerView(p, "w1")).state, "running");
    await host.heal();
    strictEqual((await endedWorker(p, "w1")).exit_code, 0);
    await p.until("its log", () => fileText(p, "sessions/w1/output.log").includes("got two"), 30);
    strictEqual(fileText(p, "sessions/w1/output.log").match(/got \w+/g)?.join(), "got one,got two");
    strictEqual(fileText(p, "asks/w1-3.json"), "");
  },
});

Deno.test({
  name:
    "given a machine behind ssh, when its power fails, then its workers are lost once, and a new run can begin",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await SshHost.open();
    await startAsker(p, host);
    await host.powerOff();
    await untilDown(p);
    strictEqual((await workerView(p, "w1")).state, "running");
    await host.powerOn();
    await p.until("it is lost", async () => (await workerView(p, "w1")).state === "lost", 40);
    strictEqual((await workerView(p, "w1")).ended_by, "host");
    await startThere(p, "w1", "far", "echo again; exit 3");
    strictEqual((await endedWorker(p, "w1")).exit_code, 3);
  },
});

Deno.test({
  name:
    "given a machine behind ssh whose key is unknown, when a worker is to start there, then what to do is said",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await SshHost.open();
    await Deno.remove(`${host.base}/known`);
    wire(p, { far: { reach: host.reach } });
    const { code, stderr } = await p.run(
      "_",
      "worker",
      "start",
      "w1",
      "--host",
      "far",
      "--runner",
      "shell",
      "x",
    );
    strictEqual(code, 1);
    ok(/once by hand/.test(stderr), stderr);
  },
});

Deno.test({
  name: "given a machine behind ssh, when it is checked, then every case holds that is worth a wire",
  ignore,
  async fn() {
    await using p = await testProfile();
    await using host = await SshHost.open();
    wire(p, { far: { reach: host.reach } });
    await kitHolds(p, "far", [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 18, 21, 23, 28, 31, 40]);
  },
});
