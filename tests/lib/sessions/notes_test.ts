import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { readNotes } from "../../../lib/sessions/notes.ts";
import { testProfile } from "../../looop.ts";
import { startWorker, textOf } from "../../workers.ts";

Deno.test("given notes, when they are read, then members come with the boot they are of; others' lines and no notes are none", async () => {
  const dir = await Deno.makeTempDir({ prefix: "looop notes " });
  strictEqual(readNotes(dir), undefined);
  await Deno.writeTextFile(`${dir}/noted`, "6A1C-77\n12 Mon Nov 3 09:10:00 2025\n13 4711\nhalf a li");
  const members = [{ pid: 12, start: "Mon Nov 3 09:10:00 2025" }, { pid: 13, start: "4711" }];
  deepStrictEqual(readNotes(dir), { boot: "6A1C-77", members });
  await Deno.writeTextFile(`${dir}/noted`, "");
  strictEqual(readNotes(dir), undefined);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("given a helper without marks that a beat has seen, when its parent has ended and then its worker, then it is ended", async () => {
  await using p = await testProfile();
  await p.ok("up");
  // Its own session and no environment: once its parent is gone, nothing tells whose it is.
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
    () => readNotes(p.path("sessions/w"))?.members.some(({ pid }) => pid === helper) === true,
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
