/** Faults that the fault harness has found, one test each. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { applyRetention } from "../../lib/pulse/retention.ts";
import { SEED_PLAYBOOK } from "../../lib/records/seed.ts";
import { readJson } from "../../lib/store.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { writeExecutable } from "../executable.ts";

const SECRET = "hunter2 is what the other file holds";

async function atOnce(p: TestProfile, calls: string[][]) {
  return await Promise.all(calls.map((argv) => p.run(...argv)));
}

Deno.test("given a first call that was killed while it seeded, when the next one comes, then the seeds are whole", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.playbook, SEED_PLAYBOOK);
  await p.ok("_", "state");
  ok(p.read("goals/setup.md").length > 0);
  ok(p.read("sensors/today.sh").length > 0);
});

Deno.test("given a person's own playbook alone, when a verb opens the profile, then no goal is put beside it", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.playbook, "mine\n");
  await p.ok("_", "state");
  deepStrictEqual((await p.json("_", "state", "--json")).goals, []);
});

Deno.test("given a link planted at .poke, when a verb pokes, then the file it leads to is as it was", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.writeTextFile(`${p.base}/outside`, SECRET);
  await Deno.symlink(`${p.base}/outside`, p.profile.poke);
  await p.ok("_", "goal", "write", "g", "text");
  await p.ok("_", "worker", "start", "w", "--command", "true", "brief");
  strictEqual(await Deno.readTextFile(`${p.base}/outside`), SECRET);
});

Deno.test("given links and FIFOs planted in the mailbox, when it is used, then no text from outside is shown and no call hangs", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.writeTextFile(`${p.base}/outside`, SECRET);
  await Deno.symlink(`${p.base}/outside`, p.path("asks/w-1.json"));
  const answer = await p.run("_", "answer", "w-1", "yes");
  strictEqual(answer.code, 1);
  match(answer.stderr, /symbolic link/);
  ok(!answer.stderr.includes("hunter2"));
  const { bad_files } = await p.json("_", "state", "--json");
  deepStrictEqual(bad_files.map((bad: { path: string }) => bad.path), [p.path("asks/w-1.json")]);
  await new Deno.Command("mkfifo", { args: [p.path("asks/w-2.json")] }).output();
  match((await p.run("_", "answer", "w-2", "yes")).stderr, /no regular file/);
});

Deno.test("given a link in the journal's place, when state is read, then it is named and not followed", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.writeTextFile(`${p.base}/outside`, `${SECRET}\n`);
  await Deno.symlink(`${p.base}/outside`, p.profile.journal);
  const state = await p.ok("_", "state", "--json");
  ok(!state.includes("hunter2"));
  deepStrictEqual(JSON.parse(state).bad_files.map((bad: { path: string }) => bad.path), [p.profile.journal]);
});

Deno.test("given a link in place of the pulse's log, when the pulse starts, then the link is not followed", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.mkdir(p.path("sessions/pulse"), { recursive: true });
  await Deno.writeTextFile(`${p.base}/outside`, SECRET);
  await Deno.symlink(`${p.base}/outside`, p.path("sessions/pulse/output.log"));
  await p.ok("up");
  strictEqual(await Deno.readTextFile(`${p.base}/outside`), SECRET);
  match(p.read("sessions/pulse/output.log"), /pulse started/);
});

Deno.test("given text that is no JSON but drives terminals, when it is reported, then the reason holds no control character", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "\x1b]0;owned\x07\x1b[2J");
  const read = readJson(path, (value) => value);
  await Deno.remove(path);
  // deno-lint-ignore no-control-regex -- control characters are what must not be there
  ok(read !== undefined && "bad" in read && !/[\x00-\x1f\x7f-\x9f]/.test(read.bad));
});

Deno.test("given a journal of last month, when many verbs journal at once, then each succeeds and each line is there once", async () => {
  await using p = await testProfile();
  await p.ok("_", "goal", "write", "first", "text");
  const before = new Date(Date.now() - 40 * 86_400_000);
  await Deno.utime(p.profile.journal, before, before);
  const ids = Array.from({ length: 12 }, (_, i) => `g${i}`);
  const replies = await atOnce(p, ids.map((id) => ["_", "goal", "write", id, "text"]));
  deepStrictEqual(replies.filter((reply) => reply.code !== 0), []);
  const archived = [...Deno.readDirSync(p.profile.journalHistory)].filter((entry) => entry.isFile);
  const text = [p.read("journal.md"), ...archived.map((entry) => p.read(`journal.d/${entry.name}`))].join("");
  const lines = text.trim().split("\n").map((line) => line.slice(19)).sort();
  deepStrictEqual(lines, ["first", ...ids].map((id) => `write-goal ${id} [hand]`).sort());
});

Deno.test("given one goal, when many archive it at once, then one does, the others hear that there is none, and one copy is kept", async () => {
  await using p = await testProfile();
  await p.ok("_", "goal", "write", "g", "text");
  const replies = await atOnce(p, Array.from({ length: 8 }, () => ["_", "goal", "archive", "g"]));
  strictEqual(replies.filter((reply) => reply.code === 0).length, 1);
  for (const { code, stderr } of replies.filter((reply) => reply.code !== 0)) {
    strictEqual(code, 1);
    match(stderr, /There is no goal "g"/);
  }
  deepStrictEqual([...Deno.readDirSync(p.profile.goalsArchive)].map((entry) => entry.name), ["g.md"]);
});

Deno.test("given many moves at once, when all are acknowledged, then the activity of each is remembered", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const ids = Array.from({ length: 12 }, (_, i) => `g${i}`);
  await atOnce(p, ids.map((id) => ["_", "goal", "write", id, "text"]));
  deepStrictEqual(Object.keys(JSON.parse(p.read(".goal-activity.json"))).sort(), ids.sort());
});

Deno.test("given a worker that is only coming up, when it is killed, then nothing of it comes up later", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.mkdir(`${p.base}/bin`);
  const slow = '#!/bin/sh\nsleep 1\nPATH=${PATH#*:}\nexec script "$@"\n';
  writeExecutable(`${p.base}/bin/script`, slow);
  const env = { PATH: `${p.base}/bin:${p.env["PATH"]}` };
  using starting = p.start(
    ["_", "worker", "start", "w", "--command", "trap '' HUP; exec sleep 300", "brief"],
    { env },
  );
  await p.until("the supervisor is there", () => {
    try {
      return Deno.statSync(p.path("sessions/w/sup")).isFile;
    } catch {
      return false;
    }
  });
  strictEqual((await p.run("_", "worker", "kill", "w")).code, 0);
  await starting.result;
  await p.until("everything of the worker has ended", async () => (await p.processes()).length === 0, 5);
  const [worker] = await p.json("_", "worker", "list", "--json");
  deepStrictEqual([worker.state, worker.ended_by], ["killed", "root"]);
});

Deno.test("given a runner's template of 1 MB, when a worker is started, then one line says so and the id is free", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const runners = { long: { interactive: `true '${"x".repeat(1024 * 1024)}'` } };
  await Deno.writeTextFile(p.profile.config, JSON.stringify({ default: "long", runners }));
  const { code, stderr } = await p.run("_", "worker", "start", "w", "brief");
  strictEqual(code, 1);
  match(stderr, /^looop _ worker start: Cannot start worker "w": [^\n]*\n$/);
  await p.ok("_", "worker", "start", "w", "--command", "true", "brief");
});

Deno.test("given many observers that wait, when the pulse is killed, then it is started again once and they go on", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const observers = Array.from({ length: 7 }, (_, i) => `o${i}`);
  await Promise.all(observers.map((observer) => p.ok("_", "wait", "--as", observer)));
  const waits = observers.map((observer) =>
    p.start(["_", "wait", "--json", "--as", observer, "--only-asks", "--timeout", "4"])
  );
  const first = JSON.parse(p.read(".pulse.json")).pid;
  await p.until(
    "all wait",
    () => observers.every((name) => /"waiting":\{/.test(p.read(`.cursors/${name}.json`))),
  );
  Deno.kill(first, "SIGKILL");
  const replies = await Promise.all(waits.map((wait) => wait.result));
  for (const { code, stdout } of replies) {
    strictEqual(code, 0);
    strictEqual(JSON.parse(stdout).timed_out, true);
  }
  strictEqual(JSON.parse(p.read(".lock/revivals.json")).length, 1);
});

Deno.test("given up and down at the same time, when both have returned, then a pulse lives only if it is wanted", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  for (let i = 0; i < 8; i++) {
    const up = p.run("up");
    await new Promise((resolve) => setTimeout(resolve, 30 + 12 * i));
    await Promise.all([up, p.run("down")]);
    const { wanted } = JSON.parse(p.read(".lock/wanted.json"));
    if (wanted) await p.ok("down");
    else await p.until("the unwanted pulse has gone", async () => (await p.processes()).length === 0, 5);
  }
});

Deno.test("given temporary files of writers that were killed, when a day is over, then they are gone wherever they were", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const names = [
    ".undo/history/goal-g/.x.tmp-1-a",
    "sessions/w/.status.json.tmp-1-0",
    "playbook.d/.x.tmp-1-a",
    ".calls/.here.tmp-1-a",
    ".calls/in/.x.tmp-1-a",
    "hosts/.gpu.json.tmp-1-a",
  ];
  const old = new Date(Date.now() - 2 * 86_400_000);
  for (const name of names) {
    await Deno.mkdir(p.path(name.slice(0, name.lastIndexOf("/"))), { recursive: true });
    await Deno.writeTextFile(p.path(name), "half");
    await Deno.utime(p.path(name), old, old);
  }
  await applyRetention(p.profile, 259_200, Date.now());
  deepStrictEqual(
    names.filter((name) => {
      try {
        return Deno.statSync(p.path(name)).isFile;
      } catch {
        return false;
      }
    }),
    [],
  );
});

Deno.test("given a data dir that others can write, when down is called, then it is refused, since its records could name any process", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.chmod(p.profile.dir, 0o770);
  const { code, stderr } = await p.run("down");
  await Deno.chmod(p.profile.dir, 0o700);
  strictEqual(code, 1);
  match(stderr, /can be written by others/);
});

Deno.test("given text that reverses the writing direction, when it is journaled or told, then it has no effect", async () => {
  await using p = await testProfile();
  await p.run("_", "ask", "w", "--prompt", "safe \u202e gnp.exe", "--timeout", "0.01");
  ok(!p.read("journal.md").includes("\u202e"));
  ok(!(await p.run("_", "goal", "archive", "a\u202eb")).stderr.includes("\u202e"));
});
