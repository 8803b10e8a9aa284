import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, type Result, type TestProfile, testProfile } from "../looop.ts";
import {
  endedWorker,
  fileText,
  HOLD,
  identityIn,
  isAlive,
  letGo,
  shell,
  startWorker,
  workerView,
} from "../workers.ts";

/** Whether a command succeeds here; if not, prints what is skipped. */
function can(what: string, command: string): boolean {
  if (
    new Deno.Command("/bin/sh", { args: ["-c", command], stdout: "null", stderr: "null" }).outputSync()
      .success
  ) {
    return true;
  }
  Deno.stderr.writeSync(new TextEncoder().encode(`skipped: no ${what} here\n`));
  return false;
}

/** Commands for a new pid namespace, with its own /proc as in a container, and with the outer /proc. */
const SANDBOXES = ["unshare -p -f --mount-proc", "unshare -p -f"].filter((line) => can(line, `${line} true`));

/** Calls looop from within another namespace. */
async function callIn(p: TestProfile, sandbox: string, args: string[]): Promise<Result> {
  return await shell(p, `exec ${sandbox} "$@"`, args);
}

for (const sandbox of SANDBOXES) {
  Deno.test(`given a live worker with a lease, when it is looked at through ${sandbox}, then it is alive, its id and lease are taken, and nobody ends it`, async () => {
    await using p = await testProfile();
    await p.ok("up");
    await startWorker(p, "w", HOLD);
    await p.ok("_", "claim", "task", "--session", "w");
    const program = identityIn(p, "sessions/w/program");

    const state = JSON.parse((await callIn(p, sandbox, ["_", "state", "--json"])).stdout);
    deepStrictEqual([state.workers[0].state, state.workers[0].alive], ["running", true]);
    ok(state.pulse.alive);
    const claim = await callIn(p, sandbox, ["_", "claim", "task", "--session", "x"]);
    deepStrictEqual([claim.code, /held by "w"/.test(claim.stderr)], [1, true]);
    const start = await callIn(p, sandbox, ["_", "worker", "start", "w", "--runner", "shell", "sleep 60"]);
    deepStrictEqual([start.code, /alive/.test(start.stderr)], [1, true]);
    match((await callIn(p, sandbox, ["up"])).stdout, /already running/);

    await p.ok("_", "wait", "--json");
    const began = performance.now();
    const waited = await callIn(p, sandbox, ["_", "wait", "--json", "--timeout", "2"]);
    deepStrictEqual([waited.code, JSON.parse(waited.stdout).pulse?.alive ?? true], [0, true]);
    ok(performance.now() - began < 8_000);

    const down = await callIn(p, sandbox, ["down"]);
    strictEqual(down.code, 1, down.stdout + down.stderr);
    match(down.stderr, /worker "w" may still run: it is of another pid namespace/);
    match(down.stdout, /pulse stopped/);
    ok(!/stopped 1 worker/.test(down.stdout));
    ok(await isAlive(program));
    strictEqual(JSON.parse(p.read("claims/task.json")).session, "w");
  });
}

if (SANDBOXES.length > 0) {
  const [sandbox = ""] = SANDBOXES;

  Deno.test("given a worker and its pulse outside, when it is killed from another pid namespace, then the pulse ends it", async () => {
    await using p = await testProfile();
    await p.ok("up");
    await startWorker(p, "w", "sleep 600");
    const { code, stdout } = await callIn(p, sandbox, ["_", "worker", "kill", "w"]);
    deepStrictEqual([code, stdout], [0, "killed worker w\n"]);
    const { state, ended_by } = await workerView(p, "w");
    deepStrictEqual([state, ended_by], ["killed", "root"]);
  });

  Deno.test("given a worker without a pulse, when it is killed from another pid namespace, then that fails, and it ends when a pulse comes", async () => {
    await using p = await testProfile();
    await startWorker(p, "w", "sleep 600");
    const { code, stderr } = await callIn(p, sandbox, ["_", "worker", "kill", "w"]);
    deepStrictEqual([code, /not known to have ended: it is of another pid namespace/.test(stderr)], [
      1,
      true,
    ]);
    await p.ok("up");
    strictEqual((await endedWorker(p, "w")).state, "killed");
  });

  Deno.test("given a worker in a container that is gone, when it is looked at from outside, then it is lost, and its lease is free", async () => {
    await using p = await testProfile();
    const inside = `"$@" && "$0" _ claim task --session w`;
    const [exe = ""] = looopCommand();
    const start = ["_", "worker", "start", "w", "--runner", "shell", "sleep 600"];
    const { code, stderr } = await shell(p, `exec ${sandbox} sh -c '"$@"' sh "$@"`, start);
    strictEqual(code, 0, stderr + inside + exe);
    await p.until("its processes are gone", async () => (await p.processes()).length === 0);
    match(fileText(p, "sessions/w/sup"), /locked/);
    strictEqual((await workerView(p, "w")).state, "lost");
    await p.ok("_", "claim", "task", "--session", "w");
    await startWorker(p, "w", "true");
  });
}

/** Makes a session look like one of another machine. */
function moveToAnotherMachine(p: TestProfile, id: string): void {
  for (const name of ["sup", "program"]) {
    const path = p.path(`sessions/${id}/${name}`);
    const words = Deno.readTextFileSync(path).split(" ");
    words[3] = "0123456789abcdef0123456789abcdef";
    words[5] = name === "sup" ? "-\n" : "";
    Deno.writeTextFileSync(path, words.join(" ").trimEnd() + "\n");
  }
}

Deno.test("given a worker of another machine, when it is looked at, then it is unknown, counts as alive and is named by down until it is forgotten", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", "sleep 600");
  await p.ok("_", "claim", "task", "--session", "w");
  const program = identityIn(p, "sessions/w/program");
  moveToAnotherMachine(p, "w");
  const view = await workerView(p, "w");
  deepStrictEqual([view.state, view.alive, view.unknown], ["running", true, "it is of another machine"]);
  const start = await p.run("_", "worker", "start", "w", "--runner", "shell", "true");
  deepStrictEqual([start.code, /may be alive: it is of another machine.*--forget/.test(start.stderr)], [
    1,
    true,
  ]);
  strictEqual((await p.run("_", "claim", "task", "--session", "x")).code, 1);
  const down = await p.run("down");
  deepStrictEqual([down.code, /worker "w" may still run: it is of another machine/.test(down.stderr)], [
    1,
    true,
  ]);
  ok(await isAlive(program), "it was not signalled");
  strictEqual((await p.run("_", "worker", "kill", "w")).code, 1);
  match(await p.ok("_", "worker", "kill", "w", "--forget"), /its processes may live on/);
  ok(await isAlive(program), "nor for being forgotten");
  await p.ok("_", "claim", "task", "--session", "x");
  strictEqual((await p.run("down")).code, 0);
});

Deno.test("given a worker that can be ended, when it is to be forgotten, then that is refused", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", "sleep 600");
  const { code, stderr } = await p.run("_", "worker", "kill", "w", "--forget");
  deepStrictEqual([code, /can be ended/.test(stderr)], [1, true]);
  strictEqual((await workerView(p, "w")).alive, true);
});

Deno.test("given a copy of a live data dir, when it is used, then it is a profile of its own and leaves the original alone", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await startWorker(p, "w", HOLD);
  await p.ok("_", "claim", "task", "--session", "w");
  const copy = `${p.base}/copy`;
  await new Deno.Command("cp", { args: ["-a", p.profile.dir, copy] }).output();
  const there = { env: { LOOOP_DATA_DIR: copy } };
  const original = {
    program: identityIn(p, "sessions/w/program"),
    pulse: JSON.parse(p.read(".pulse.json")).pid,
  };

  const state = JSON.parse((await p.call(["_", "state", "--json"], there)).stdout);
  deepStrictEqual([state.workers[0].state, state.workers[0].alive, state.pulse.alive], [
    "lost",
    false,
    false,
  ]);
  await p.okCall(["_", "claim", "task", "--session", "other"], there);
  match(await p.okCall(["up"], there), /pulse started/);
  const [own, copied] = [p.read(".home"), Deno.readTextFileSync(`${copy}/.home`)].map((text) =>
    JSON.parse(text).id
  );
  ok(own !== copied);
  const pulse = JSON.parse(Deno.readTextFileSync(`${copy}/.pulse.json`));
  ok(pulse.pid !== original.pulse);
  await p.okCall(["_", "worker", "start", "w", "--runner", "shell", "sleep 600"], there);
  match(await p.okCall(["down"], there), /stopped 1 worker \(w\)\nlooop: pulse stopped/);

  ok(await isAlive(original.program));
  strictEqual(JSON.parse(p.read(".pulse.json")).pid, original.pulse);
  const view = await p.json("_", "state", "--json");
  deepStrictEqual([view.workers[0].alive, view.pulse.alive], [true, true]);
  letGo(p);
  strictEqual((await endedWorker(p, "w")).state, "exited");
});

Deno.test("given a live data dir that is moved, when it is used there, then it is itself: its worker lives on and can be ended", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await startWorker(p, "w", "sleep 600 & setsid sleep 600 & wait");
  const id = JSON.parse(p.read(".home")).id;
  const program = identityIn(p, "sessions/w/program");
  using asking = p.start(["_", "ask", "w", "--prompt", "Well?"]);
  await asking.said("asked w-1");
  const moved = `${p.base}/moved`;
  await Deno.rename(p.profile.dir, moved);
  const there = { env: { LOOOP_DATA_DIR: moved } };

  const asked = await asking.result;
  deepStrictEqual([asked.code, asked.stdout], [1, ""]);
  match(asked.stderr, /data dir ".*" is gone/);
  const state = JSON.parse((await p.call(["_", "state", "--json"], there)).stdout);
  deepStrictEqual([state.workers[0].id, state.workers[0].alive], ["w", true]);
  match(await p.okCall(["up"], there), /pulse (re)?started/);
  const home = JSON.parse(Deno.readTextFileSync(`${moved}/.home`));
  deepStrictEqual([home.id, home.path], [id, moved]);
  match(await p.okCall(["_", "worker", "kill", "w"], there), /killed worker w/);
  ok(!await isAlive(program));
  match(await p.okCall(["down"], there), /pulse stopped/);
  deepStrictEqual(await p.processes(), []);
  deepStrictEqual(await leftAt(p.profile.dir), [], "nothing was made where it lay");
});

/** Paths of everything at and below a folder. */
async function leftAt(dir: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("find", { args: [dir], stderr: "null" }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

Deno.test("given a worker whose data dir was moved away, when it calls back, then it is told so and no new data dir is made", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", "sleep 600");
  const env = { LOOOP_SESSION_ID: "w", LOOOP_HOME: JSON.parse(p.read(".home")).id };
  await Deno.rename(p.profile.dir, `${p.base}/moved`);
  for (
    const args of [["_", "ask", "w", "--prompt", "p"], ["_", "ready", "w"], ["_", "kill", "w"], [
      "_",
      "state",
    ]]
  ) {
    const { code, stderr } = await p.call(args, { env });
    deepStrictEqual([code, /data dir ".*" is gone/.test(stderr)], [1, true], args.join(" "));
  }
  deepStrictEqual(await leftAt(p.profile.dir), []);
  await p.okCall(["down"], { env: { LOOOP_DATA_DIR: `${p.base}/moved` } });
});
