import { strictEqual } from "node:assert/strict";
import { roomRaces } from "./room.ts";
import { tellsTorture } from "./tells.ts";

Deno.test("given texts that are told while the worker, its readers, the tellers and the pulse are killed, when all is over, then none is lost and none comes twice unmarked", async () => {
  const tally = await tellsTorture(12);
  strictEqual(tally.failed, false, `${tally}`);
});

Deno.test("given starts that race for few places, when all have had their answer, then never more live than the limit", async () => {
  const tally = await roomRaces(8, 2);
  strictEqual(tally.failed, false, `${tally}`);
});
