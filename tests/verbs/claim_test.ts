import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { endedWorker, fileText, startWorker } from "../workers.ts";

const claims = (p: { path(name: string): string }) =>
  [...Deno.readDirSync(p.path("claims"))].map(({ name }) => name).filter((name) => name.endsWith(".json"))
    .sort();

Deno.test("given living workers that race for one lease, when all have tried, then one holds it and the others learn who", async () => {
  await using p = await testProfile();
  const ids = ["w1", "w2", "w3"];
  await Promise.all(ids.map((id) => startWorker(p, id, "sleep 600")));
  const results = await Promise.all(
    [...ids, ...ids].map((id) => p.run("_", "claim", "task", "--session", id)),
  );
  const holder = JSON.parse(p.read("claims/task.json")).session;
  for (const [n, { code, stdout, stderr }] of results.entries()) {
    if ([...ids, ...ids][n] === holder) match(stdout, /^claimed task/);
    else {
      deepStrictEqual([code, stdout], [1, ""]);
      match(stderr, new RegExp(`^looop _ claim: Claim "task" is held by "${holder}"; `));
    }
  }
  const { code, stderr } = await p.run(
    "_",
    "unclaim",
    "task",
    "--session",
    ids.find((id) => id !== holder) ?? "",
  );
  strictEqual(code, 1);
  match(stderr, new RegExp(`held by "${holder}"`));
  strictEqual(await p.ok("_", "unclaim", "task", "--session", holder), "unclaimed task");
  strictEqual(await p.ok("_", "unclaim", "task", "--session", holder), "task was not claimed");
});

Deno.test("given workers with leases, when they end in different ways, then their leases are free at once", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const claim = '"$LOOOP_BIN" _ claim "task-$LOOOP_SESSION_ID"';
  await Promise.all([
    startWorker(p, "exits", `${claim}; exit 0`),
    startWorker(p, "kills", `${claim}; "$LOOOP_BIN" _ kill kills; sleep 600`),
    startWorker(p, "killed", `${claim}; sleep 600`),
    startWorker(p, "stays", `${claim}; sleep 600`),
  ]);
  await p.until(
    "all have claimed",
    () =>
      /killed/.test(fileText(p, "journal.md")) && fileText(p, "claims/task-stays.json") !== "" &&
      fileText(p, "claims/task-killed.json") !== "",
  );
  await p.ok("_", "worker", "kill", "killed");
  strictEqual(fileText(p, "claims/task-killed.json"), "");
  await Promise.all([endedWorker(p, "exits"), endedWorker(p, "kills")]);
  await p.until("only the living one's is left", () => claims(p).join() === "task-stays.json", 5);
});

Deno.test("given no pulse and a holder that has ended, when others race for its lease, then one takes it over", async () => {
  await using p = await testProfile();
  await startWorker(p, "gone", '"$LOOOP_BIN" _ claim task; exit 0');
  await endedWorker(p, "gone");
  strictEqual(JSON.parse(p.read("claims/task.json")).session, "gone");
  const ids = ["w1", "w2"];
  await Promise.all(ids.map((id) => startWorker(p, id, "sleep 600")));
  const results = await Promise.all([...ids].map((id) => p.run("_", "claim", "task", "--session", id)));
  deepStrictEqual(results.map(({ code }) => code).sort(), [0, 1]);
  match(fileText(p, "journal.md"), /claim task: w[12], taken over from an ended session/);
});

Deno.test("given a broken claim and a claim of 0.16, when claims are read, then one is listed as bad and the other counts", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.writeTextFileSync(p.path("claims/bad.json"), '{"session":');
  Deno.writeTextFileSync(p.path("claims/old.json"), '{"session":"gone","name":"old"}\n');
  const { bad_files } = await p.json("_", "state", "--json");
  deepStrictEqual(bad_files.map((file: { path: string }) => file.path), [p.path("claims/bad.json")]);
  match(
    (await p.run("_", "claim", "bad", "--session", "w")).stderr,
    /cannot be read.*fix or remove claims\/bad\.json/,
  );
  strictEqual(await p.ok("_", "claim", "old", "--session", "w"), "claimed old");
  strictEqual(fileText(p, "claims/bad.json"), '{"session":');
});
