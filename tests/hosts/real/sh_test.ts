import { ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../../looop.ts";
import { endedWorker, fileText } from "../../workers.ts";
import { isWanted } from "../engines.ts";
import { carriers, sh, ShHost, startThere, wire } from "../host.ts";
import { kitHolds } from "../kit.ts";

/** All cases in parallel lanes, since two of them wait for a minute each. */
const LANES = [[25], [26], Array.from({ length: 45 }, (_, n) => n + 1).filter((n) => n !== 25 && n !== 26)];

Deno.test({
  name: "given a plain host, when it is checked, then each of the 45 cases holds",
  ignore: !isWanted,
  async fn() {
    await using p = await testProfile();
    await using host = await ShHost.open();
    wire(p, { plain: { reach: host.reach } });
    await Promise.all(LANES.map((cases) => kitHolds(p, "plain", cases)));
  },
});

Deno.test({
  name:
    "given a worker on a host that prints 10 MB, when its log is mirrored, then every line is here once and in order",
  ignore: !isWanted,
  async fn() {
    await using p = await testProfile();
    await using host = await ShHost.open();
    wire(p, { gpu: { reach: host.reach } });
    await p.ok("up");
    await startThere(p, "w1", "gpu", "stty -opost; seq 1000000 2310000; echo over");
    const isHere = () => fileText(p, "sessions/w1/mirror.json").includes('"fetched":true');
    await p.until("all is here", isHere, 60);
    const log = fileText(p, "sessions/w1/output.log");
    const lines = log.slice(log.indexOf("1000000")).split("\n");
    strictEqual(lines.findIndex((line, n) => line !== String(1000000 + n)), 1310001);
    strictEqual(lines[1310001], "over");
  },
});

Deno.test({
  name:
    "given orphan_after, when a worker's home has been silent for longer, then its whole tree ends there, and home learns it",
  ignore: !isWanted,
  async fn() {
    await using p = await testProfile();
    await using host = await ShHost.open();
    wire(p, { gpu: { reach: host.reach } }, { orphan_after: 600 });
    await p.ok("up");
    await startThere(p, "w1", "gpu", `(trap "" TERM; setsid sleep 300) &\nsleep 300`);
    await p.until("it is heard", () => fileText(p, "hosts/gpu.json").includes('"state":"up"'));
    Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
    ok(await carriers(p, "w1") > 0);
    await p.until("nothing is left", async () => {
      await sh(`touch -d "20 minutes ago" ${host.home}/.local/state/looop-far/*/posts/seen`);
      return await carriers(p, "w1") === 0;
    }, 60);
    await p.ok("up");
    strictEqual((await endedWorker(p, "w1")).ended_by, "host");
  },
});
