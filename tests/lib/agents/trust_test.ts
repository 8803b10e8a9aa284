import { strictEqual } from "node:assert/strict";
import { profileAt } from "../../../lib/paths.ts";
import { aliveOf, identityOf } from "../../../lib/process/identity.ts";
import { readWorld } from "../../../lib/world/state.ts";
import { replaceFile } from "../../../lib/store.ts";
import { emptyWorld } from "../../../lib/world/world.ts";

Deno.test("given a process that is trusted to be alive, when it ends, then the next look notices at once", async () => {
  const child = new Deno.Command("sleep", { args: ["100"] }).spawn();
  const identity = await identityOf(child.pid);
  if (identity === undefined) throw new Error("no identity");
  strictEqual((await aliveOf([identity], 60_000)).size, 1);
  strictEqual((await aliveOf([identity], 60_000)).size, 1);
  child.kill("SIGKILL");
  await child.status;
  strictEqual((await aliveOf([identity], 60_000)).size, 0);
});

Deno.test("given a pid that another process has now, when its old identity is looked up with trust, then it is dead", async () => {
  const stranger = { pid: Deno.pid, start: "1", boot: "another" };
  strictEqual((await aliveOf([stranger], 60_000)).size, 0);
  strictEqual((await aliveOf([stranger], 60_000)).size, 0);
});

Deno.test("given a world that was read, when it is replaced by one of the same size, then the new one is read", async () => {
  const dir = await Deno.makeTempDir();
  const profile = profileAt(dir);
  const publish = (beat: number) => replaceFile(profile.world, JSON.stringify({ ...emptyWorld(), beat }));
  for (let beat = 1; beat < 10; beat++) {
    publish(beat);
    // Once now, and once when the file seems unchanged for a minute.
    for (const now of [Date.now(), Date.now() + 60_000]) {
      strictEqual(readWorld(profile, now).world.beat, beat);
    }
    if (beat % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Deno.remove(dir, { recursive: true });
});
