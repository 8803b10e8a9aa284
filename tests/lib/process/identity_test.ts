import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  aliveOf,
  type Identity,
  identityIn,
  ownIdentity,
  parseIdentity,
  readLocks,
  standingsOf,
  withLock,
} from "../../../lib/process/identity.ts";
import { parseMarks, parseProcessTable } from "../../../lib/process/table.ts";
import { SUPERVISOR } from "../../../lib/sessions/supervisor.ts";

async function lifeOf(identity: Identity): Promise<string> {
  return (await standingsOf([identity])).get(identity)?.life ?? "";
}

Deno.test("given this process, when its identity is from another place, then it is unknown, and dead only for an earlier boot here", async () => {
  const me = await ownIdentity();
  strictEqual(await lifeOf(me), "alive");
  strictEqual(await lifeOf({ ...me, machine: "another" }), "unknown");
  strictEqual(await lifeOf({ ...me, machine: "another", boot: "another" }), "unknown");
  strictEqual(await lifeOf({ ...me, boot: "another" }), "dead");
  strictEqual(await lifeOf({ ...me, space: "4" }), "unknown");
  strictEqual(await lifeOf({ ...me, space: "4", boot: "another" }), "dead");
  strictEqual(await lifeOf({ ...me, start: "1" }), "dead");
  strictEqual(await lifeOf({ ...me, start: "-" }), "unknown");
  strictEqual(await lifeOf({ ...me, pid: 2 ** 30, start: "-" }), "dead");
  strictEqual(await lifeOf({ ...me, pid: 2 ** 30, space: "4" }), "unknown");
});

Deno.test("given a record of 0.1.0, which names neither machine nor namespace, when it is read, then it counts as of this machine", async () => {
  const { pid, start, boot } = await ownIdentity();
  const old = parseIdentity(`${pid} ${start.replaceAll(" ", "_")} ${boot}`);
  deepStrictEqual(old, { pid, start, boot });
  ok((await aliveOf([identityIn({ pid, start, boot, beat: 1 })])).size === 1);
});

Deno.test("given the supervisor's own words, when they are read here, then machine and namespace are those of this process", async () => {
  const dir = await Deno.makeTempDir({ prefix: "looop place " });
  const args = ["-c", SUPERVISOR.replace("mkfifo", "cat sup; exit 0; mkfifo"), "sup", dir, "poke", "/"];
  const { stdout } = await new Deno.Command("/bin/sh", { args }).output();
  await Deno.remove(dir, { recursive: true });
  const { pid: _, start: __, ...place } = parseIdentity(new TextDecoder().decode(stdout)) ??
    await ownIdentity();
  const { pid: _own, start: _start, ...own } = await ownIdentity();
  deepStrictEqual(place, own);
});

Deno.test("given a scanner that does not see itself, when the table is read, then nothing is known about any process", () => {
  const line = "7 (sh) S 1 7 7 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 99 1 2\n";
  strictEqual(parseProcessTable(`boot 7 7\n${line}`, false).processes.size, 1);
  for (const first of ["boot 8 7", "- 7 7", "boot - 7"]) {
    const table = parseProcessTable(`${first}\n${line}`, false);
    deepStrictEqual([table.processes.size, table.unreadable === undefined], [0, false], first);
  }
});

Deno.test("given marks with line breaks and the look of other entries, when they are read, then each is its own process's", () => {
  const text =
    "/proc/1/environ:LOOOP_HOME=a\nb\0/proc/1/environ:LOOOP_RUN=/proc/2/environ:LOOOP_HOME=c\0/proc/3/environ:LOOOP_HOME=\0";
  const marks = parseMarks(text, false);
  deepStrictEqual(marks.withAll(["LOOOP_HOME=a\nb"]), new Set([1]));
  deepStrictEqual(marks.withAll(["LOOOP_HOME=c"]), new Set());
  deepStrictEqual(marks.named("LOOOP_HOME"), new Set([1, 3]));
  deepStrictEqual(marks.withAll([["LOOOP_HOME=", "LOOOP_RUN=x"]]), new Set([3]));
});

Deno.test("given locks, when they are tried, then a held one means alive, and a free one means dead on this machine only", async () => {
  const dir = await Deno.makeTempDir({ prefix: "looop lock " });
  const [held, free] = [`${dir}/held`, `${dir}/free`];
  for (const path of [held, free]) Deno.writeTextFileSync(path, "");
  using file = Deno.openSync(held, { write: true });
  await file.lock(true);
  const states = await readLocks([held, free, `${dir}/none`]);
  await Deno.remove(dir, { recursive: true });
  if (states[0] === "unknown") {
    return void Deno.stderr.writeSync(new TextEncoder().encode("skipped: no flock(1)\n"));
  }
  deepStrictEqual(states, ["held", "free", "unknown"]);
  const here = { life: "unknown", why: "w", lock: true } as const;
  strictEqual(withLock(here, "held").life, "alive");
  strictEqual(withLock(here, "free").life, "dead");
  strictEqual(withLock({ ...here, lock: false }, "free").life, "unknown");
  strictEqual(withLock(here, "unknown").life, "unknown");
  strictEqual(withLock({ life: "dead" }, "held").life, "dead");
});
