import { ok } from "node:assert/strict";
import { readNotes } from "../../../lib/records/notes.ts";
import { testProfile } from "../../looop.ts";
import { startWorker, textOf } from "../../workers.ts";

Deno.test("given a helper without marks that a beat has seen, when its parent has ended and then its worker, then it is ended", async () => {
  await using p = await testProfile();
  await p.ok("up");
  // It has a session of its own and no environment, so once its parent is gone nothing shows whose it is.
  await startWorker(
    p,
    "w",
    `(env -i "$(command -v setsid)" sh -c 'echo $$ >"$0"; exec sleep 600' "$LOOOP_DATA_DIR/reports/helper" & sleep 600) &
     echo $! >"$LOOOP_DATA_DIR/reports/parent"; sleep 600`,
  );
  const [helper, parent] = [
    Number(await textOf(p, "reports/helper")),
    Number(await textOf(p, "reports/parent")),
  ];
  const isThere = () => {
    try {
      Deno.kill(helper, "SIGCONT");
      return true;
    } catch {
      return false;
    }
  };
  await p.until(
    "it is noted",
    () => readNotes(p.path("sessions/w/noted"))?.members.some(({ pid }) => pid === helper) === true,
  );
  Deno.kill(parent, "SIGKILL");
  await p.until("a beat is over", async () => {
    const { beat } = (await p.json("_", "state", "--json")).pulse;
    return beat > 3;
  });
  ok(isThere());
  await p.ok("_", "worker", "kill", "w");
  await p.until("it is gone", () => !isThere(), 3);
});
