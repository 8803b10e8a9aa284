import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { startWorker, workerView } from "../workers.ts";

Deno.test("given workers that have not called back, when they use any worker verb, then they are ready", async () => {
  await using p = await testProfile();
  const ids = ["ready", "ask", "claim", "silent"];
  await Promise.all(ids.map((id) => startWorker(p, id, "sleep 600")));
  for (const id of ids) strictEqual((await workerView(p, id)).ready, false);
  strictEqual(await p.ok("_", "ready", "ready"), "ready ready");
  await p.run("_", "ask", "ask", "--prompt", "p", "--timeout", "0.05");
  await p.ok("_", "claim", "task", "--session", "claim");
  const list = await p.json("_", "worker", "list", "--json");
  deepStrictEqual(
    list.map((worker: { id: string; ready: boolean }) => [worker.id, worker.ready]),
    [["ask", true], ["claim", true], ["ready", true], ["silent", false]],
  );
});

Deno.test("given a worker that says it is ready, when its id is used again, then the second worker starts unready", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", '"$LOOOP_BIN" _ ready w; sleep 600');
  await p.until("it is ready", async () => (await workerView(p, "w")).ready);
  await p.ok("_", "worker", "kill", "w");
  await startWorker(p, "w", "sleep 600");
  strictEqual((await workerView(p, "w")).ready, false);
});

Deno.test("given an id without a worker, when it is reported ready, then that is refused", async () => {
  await using p = await testProfile();
  const { code, stdout, stderr } = await p.run("_", "ready", "nobody");
  deepStrictEqual([code, stdout], [1, ""]);
  strictEqual(stderr, 'looop _ ready: There is no worker "nobody"; list them with `looop _ worker list`\n');
});
