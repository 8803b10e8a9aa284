import { notStrictEqual, strictEqual } from "node:assert/strict";
import { postAsk } from "../../../lib/records/mailbox.ts";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { aliveOf } from "../../../lib/process/identity.ts";
import { readProcesses } from "../../../lib/process/table.ts";
import { setWanted } from "../../../lib/world/pulse_record.ts";
import { glance } from "../../../lib/world/state.ts";
import { makeDir, replaceFile, STAMP_SETTLES_MS } from "../../../lib/store.ts";

/** A data dir for a waiting reader. */
async function settledProfile(): Promise<Profile & AsyncDisposable> {
  const base = await Deno.makeTempDir({ prefix: "looop glance " });
  const profile = profileAt(`${base}/data`);
  for (const dir of [profile.lockDir, profile.asks, profile.answers, profile.sessions]) makeDir(dir);
  setWanted(profile, true, Date.now(), "text");
  replaceFile(profile.world, "{}\n");
  return { ...profile, [Symbol.asyncDispose]: () => Deno.remove(base, { recursive: true }) };
}

/** A moment at which all changes so far have settled. */
const later = () => Date.now() + 2 * STAMP_SETTLES_MS;

Deno.test("given a quiet profile, when it is glanced at twice, then the glances are equal", async () => {
  await using profile = await settledProfile();
  const seen = glance(profile, later());
  notStrictEqual(seen, undefined);
  strictEqual(glance(profile, later()), seen);
});

Deno.test("given a waiting reader, when anything that it watches changes, then another glance differs", async () => {
  await using profile = await settledProfile();
  const changes: Record<string, () => void | Promise<unknown>> = {
    "an ask": () => postAsk(profile, { worker: "w", prompt: "?" }, "", 0),
    "an answer": () => replaceFile(`${profile.answers}/w-1.json`, "{}\n"),
    "a publication": () => replaceFile(profile.world, '{"v":1}\n'),
    "a worker": () => makeDir(`${profile.sessions}/w`),
    "down": () => setWanted(profile, false, 0, "text"),
  };
  for (const [what, change] of Object.entries(changes)) {
    const seen = glance(profile, later());
    await change();
    notStrictEqual(glance(profile, later()), seen, what);
  }
});

Deno.test("given a change just now, when it is glanced at, then the glance is no proof that nothing follows", async () => {
  await using profile = await settledProfile();
  replaceFile(profile.world, "{}\n");
  const writtenMs = Deno.statSync(profile.world).mtime?.getTime() ?? 0;
  strictEqual(glance(profile, writtenMs), undefined);
});

Deno.test("given a process that was found alive, when it ends, then one glance shows it", async () => {
  await using profile = await settledProfile();
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const { processes, boot } = await readProcesses([child.pid]);
  const identity = { pid: child.pid, start: processes.get(child.pid)?.start ?? "", boot };
  strictEqual((await aliveOf([identity])).size, 1);
  const seen = glance(profile, later());
  notStrictEqual(seen, undefined);
  child.kill("SIGKILL");
  await child.status;
  strictEqual(glance(profile, later()), undefined);
  strictEqual(glance(profile, later()), seen);
});
