import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { HOLD, startWorker } from "../workers.ts";

/** What can stand in a file's place. */
const KINDS: Readonly<Record<string, (path: string) => void>> = {
  "a folder": (path) => Deno.mkdirSync(path),
  "a link": (path) => Deno.symlinkSync("/etc/hosts", path),
  "a FIFO": (path) => void new Deno.Command("mkfifo", { args: [path] }).outputSync(),
  "a gigabyte": (path) => {
    using file = Deno.openSync(path, { write: true, createNew: true });
    file.truncateSync(2 ** 30);
  },
};

for (const [kind, make] of Object.entries(KINDS)) {
  Deno.test(`given live workers of whose files one is ${kind} each, when the profile is looked at and ended, then each is named and nobody is left`, async () => {
    await using p = await testProfile();
    await p.ok("up");
    const files = { a: "status.json", b: "sup", c: "meta.json", d: "program", e: "end" };
    for (const id of [...Object.keys(files), "well"]) await startWorker(p, id, HOLD);
    for (const [id, name] of Object.entries(files)) {
      Deno.mkdirSync(`${p.base}/${id}`);
      await Deno.rename(p.path(`sessions/${id}/${name}`), `${p.base}/${id}/${name}`).catch(() => {});
      make(p.path(`sessions/${id}/${name}`));
    }
    const again = await p.run("_", "worker", "start", "c", "--runner", "shell", "sleep 600");
    deepStrictEqual([again.code, /alive/.test(again.stderr)], [1, true], "no second one of its id");
    for (const pulse of [true, false]) {
      if (!pulse) Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
      // deno-lint-ignore no-explicit-any -- the reply's own shape is what is compared
      let bad: any[] = [];
      await p.until("all are named", async () => {
        bad = (await p.json("_", "state", "--json")).bad_files;
        return Object.keys(files).every((id) => bad.some(({ path }) => path.includes(`/sessions/${id}`)));
      });
      ok(!bad.some(({ path }) => path.includes("/sessions/well")));
    }
    strictEqual((await p.run("status")).code, 0);
    const { code, stderr } = await p.run("down");
    strictEqual(code, 0, stderr);
    deepStrictEqual(await p.processes(), []);
  });
}

Deno.test("given a session folder that was copied, when the fleet is looked at, then the copy is a bad file and no worker", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", HOLD);
  await new Deno.Command("cp", { args: ["-r", p.path("sessions/w"), p.path("sessions/w-conflict")] })
    .output();
  const state = await p.json("_", "state", "--json");
  deepStrictEqual(state.workers.map(({ id }: { id: string }) => id), ["w"]);
  const [bad] = state.bad_files;
  deepStrictEqual([bad.path, bad.reason], [
    p.path("sessions/w-conflict"),
    'it is the session of "w", copied',
  ]);
  match(await p.ok("down"), /stopped 1 worker \(w\)/);
});
