import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { readAllProcesses, readNamed } from "../../lib/process/table.ts";
import { looopCommand, type Result, type TestProfile, testProfile } from "../looop.ts";
import { isGone, pulsePid } from "../published.ts";

/** Text of every file below a folder, to check that nothing has changed. */
function contents(dir: string, prefix = ""): Record<string, string> {
  const all: Record<string, string> = {};
  for (const entry of Deno.readDirSync(dir)) {
    const path = `${dir}/${entry.name}`, name = `${prefix}${entry.name}`;
    if (entry.isDirectory) Object.assign(all, { [`${name}/`]: "" }, contents(path, `${name}/`));
    else all[name] = Deno.readTextFileSync(path);
  }
  return all;
}

/** Pids of a profile's living pulses. */
async function pulses(p: TestProfile): Promise<number[]> {
  const named = await readNamed("LOOOP_PULSE");
  const ours = new Set(await p.processes());
  const { processes } = await readAllProcesses();
  return [...named].filter((pid) => ours.has(pid) && processes.get(pid)?.sid === pid);
}

function assertRefused(reply: Result, says: RegExp): void {
  deepStrictEqual([reply.code, reply.stdout], [1, ""]);
  match(reply.stderr, /^looop [^\n]+\n$/);
  match(reply.stderr, says);
  ok(!/\bat (async )?[\w.]+ \(/.test(reply.stderr), "a stack trace");
}

for (const count of [2, 6]) {
  Deno.test(`given no pulse, when up is called ${count} times at once, then all say that it runs and one pulse does`, async () => {
    await using p = await testProfile();
    const replies = await Promise.all(Array.from({ length: count }, () => p.run("up")));
    for (const reply of replies) deepStrictEqual([reply.code, reply.stderr], [0, ""], reply.stderr);
    strictEqual(replies.filter((reply) => reply.stdout.startsWith("looop: pulse started")).length, 1);
    await p.until("one is left", async () => (await pulses(p)).length === 1);
    const pid = JSON.parse(p.read(".pulse.json")).pid;
    deepStrictEqual(await pulses(p), [pid]);
    strictEqual(p.read(".lock/pid").trim(), `${pid}`);
    match(await p.ok("up"), /already running/);
  });
}

Deno.test("given up, when it returns, then the first world is published, and the pulse has neither terminal nor pipes of the caller", async () => {
  await using p = await testProfile();
  // If the pulse held the caller's pipes open, this call would wait for the pulse.
  const started = performance.now();
  const said = await p.ok("up");
  ok(performance.now() - started < 10_000);
  match(said, /^looop: pulse started\ndata dir: .*\nNow start your agent/);
  const world = JSON.parse(p.read(".world.json"));
  ok("sensor-today" in world.readings && world.world_hash.length === 64);
  const { pid, ready } = JSON.parse(p.read(".pulse.json"));
  strictEqual(ready, true);
  const fact = (await readAllProcesses()).processes.get(pid);
  deepStrictEqual([fact?.sid, fact?.pgid], [pid, pid]);
});

Deno.test("given workers and a sensor that do not want to end, when down is called, then no process is left and it says what it stopped", async () => {
  await using p = await testProfile();
  p.sensor("hangs", "(setsid sh -c 'trap \"\" TERM; sleep 600' &) ; sleep 600");
  await p.ok("up");
  await p.okCall(["_", "worker", "start", "w1", "--runner", "shell"], {
    stdin: "sleep 600 & setsid sleep 600 & sleep 600",
  });
  await p.okCall(["_", "worker", "start", "w2", "--runner", "shell"], { stdin: "exec sleep 600" });
  await p.until("all are at work", async () => (await p.processes()).length >= 6);
  strictEqual(await p.ok("down"), "looop: stopped 2 workers (w1, w2)\nlooop: pulse stopped");
  deepStrictEqual(await p.processes(), []);
  match(p.read("journal.md"), /down: stopped w1, w2, pulse/);
  strictEqual(await p.ok("down"), "looop: pulse was not running");
  const { workers, pulse } = await p.json("_", "state", "--json");
  deepStrictEqual(workers.map((worker: { ended_by: string }) => worker.ended_by), ["down", "down"]);
  deepStrictEqual([pulse.wanted, pulse.alive], [false, false]);
});

Deno.test("given no data dir, when down is called, then there is nothing to stop and none is made", async () => {
  await using p = await testProfile();
  strictEqual(await p.ok("down"), "looop: nothing to stop, there is no data dir");
  deepStrictEqual([...Deno.readDirSync(p.base)].map((entry) => entry.name), ["home"]);
});

Deno.test("given a pulse record whose pid another process has now, when up is called, then it starts a pulse and harms no process", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.ok("down");
  const record = JSON.parse(p.read(".pulse.json"));
  const stranger = new Deno.Command("sleep", { args: ["600"] }).spawn();
  try {
    // As after a reboot or days later: another process has the pid.
    await Deno.writeTextFile(p.profile.pulse, JSON.stringify({ ...record, pid: stranger.pid }));
    await Deno.writeTextFile(p.profile.lockPid, `${stranger.pid}\n`);
    strictEqual((await p.json("_", "state", "--json")).pulse.alive, false);
    strictEqual(await p.ok("down"), "looop: pulse was not running");
    match(await p.ok("up"), /^looop: pulse started/);
    ok(JSON.parse(p.read(".pulse.json")).pid !== stranger.pid);
    await p.ok("down");
    Deno.kill(stranger.pid, "SIGURG");
  } finally {
    stranger.kill("SIGKILL");
    await stranger.status;
  }
});

Deno.test("given a pulse record that is garbled, when up is called, then a pulse starts, and state works", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.ok("down");
  for (const text of ["", "{", "null", '{"pid":"x"}', '{"pid":-1}', '{"pid":0.5}']) {
    await Deno.writeTextFile(p.profile.pulse, text);
    strictEqual((await p.json("_", "state", "--json")).pulse.alive, false, text);
  }
  match(await p.ok("up"), /^looop: pulse started/);
});

Deno.test("given a broken config, when up is called, then it is exit 1 with file, line and column, and no pulse starts", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, '{\n  "interval": 60\n  "default": "pi"\n}\n');
  assertRefused(await p.run("up"), /^looop up: config\.json:3:3: comma expected; /);
  deepStrictEqual(await p.processes(), []);
  strictEqual((await p.json("_", "state", "--json")).pulse.wanted, false);
  const json = await p.run("up", "--json");
  strictEqual(json.code, 1);
  match(JSON.parse(json.stderr).error.message, /^config\.json:3:3/);
  // Once the config is mended, the pulse starts.
  await Deno.writeTextFile(p.profile.config, "{}");
  await p.ok("up");
});

Deno.test("given a pulse that cannot start, when up is called, then it is exit 1 with the last lines of its log", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.mkdir(p.profile.lock);
  assertRefused(await p.run("up"), /^looop up: Cannot start the pulse: .*\.lock\/lock/);
  deepStrictEqual(await p.processes(), []);
});

Deno.test("given earlier pulses, when the next one starts, then their log is still there", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.ok("down");
  const first = p.read("sessions/pulse/output.log");
  match(first, /pulse started[\s\S]*pulse stopped/);
  await p.ok("up", "--json");
  const whole = p.read("sessions/pulse/output.log");
  ok(whole.startsWith(first));
  const line = JSON.parse(whole.slice(first.length).split("\n")[0] ?? "");
  deepStrictEqual([line.event, line.level], ["pulse.start", "ok"]);
  ok(Deno.statSync(p.profile.lock).isFile, "the lock file is never removed");
});

Deno.test("given a data dir that is a file, when any verb is called, then it is exit 1 with one line and the file is as it was", async () => {
  await using p = await testProfile();
  await Deno.writeTextFile(p.profile.dir, "precious");
  for (
    const args of [["up"], ["status"], ["_", "state"], ["_", "wait", "--timeout", "1"], [
      "_",
      "goal",
      "write",
      "g",
      "x",
    ]]
  ) {
    assertRefused(await p.run(...args), /is not a folder/);
  }
  strictEqual(await Deno.readTextFile(p.profile.dir), "precious");
  await Deno.remove(p.profile.dir);
});

Deno.test("given a data dir that others can write, when any verb is called, then it is refused and nothing is changed", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.chmod(p.profile.dir, 0o770);
  const before = contents(p.profile.dir);
  for (const args of [["up"], ["status"], ["_", "state"], ["_", "goal", "write", "g", "x"]]) {
    assertRefused(await p.run(...args), /can be written by others \(mode 770\); .*chmod 700/);
  }
  deepStrictEqual(contents(p.profile.dir), before);
  await Deno.chmod(p.profile.dir, 0o755);
  await p.ok("_", "state");
  strictEqual((Deno.statSync(p.profile.dir).mode ?? 0) & 0o777, 0o700);
});

Deno.test("given a user's own folder, when it is taken for the data dir, then its mode stays and nothing is in it", async () => {
  await using p = await testProfile();
  Deno.mkdirSync(p.profile.dir, { mode: 0o755 });
  Deno.writeTextFileSync(p.path("thesis.tex"), "mine");
  const before = contents(p.profile.dir);
  for (const args of [["up"], ["_", "state"], ["_", "goal", "write", "g", "x"], ["down"]]) {
    const { code, stderr } = await p.run(...args);
    strictEqual(code, 1, args.join(" "));
    match(
      stderr,
      /is open to others and holds more than looop's files; set LOOOP_DATA_DIR to a folder of its own/,
    );
  }
  deepStrictEqual([Deno.statSync(p.profile.dir).mode! & 0o777, contents(p.profile.dir)], [0o755, before]);
  Deno.removeSync(p.path("thesis.tex"));
  Deno.mkdirSync(p.path(".git"));
  Deno.mkdirSync(p.path("goals"));
  await p.ok("_", "state");
  strictEqual(Deno.statSync(p.profile.dir).mode! & 0o777, 0o700);
});

Deno.test("given a data dir of a newer format, when any verb is called, then it is refused and nothing is changed", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  for (const format of ["999\n", "two\n", "-1\n"]) {
    await Deno.writeTextFile(p.profile.format, format);
    const before = contents(p.profile.dir);
    for (
      const args of [
        ["up"],
        ["status"],
        ["_", "state"],
        ["_", "wait", "--timeout", "1"],
        ["_", "goal", "write", "g", "x"],
        ["_", "goal", "archive", "setup"],
        ["_", "sensor", "remove", "today"],
      ]
    ) assertRefused(await p.run(...args), new RegExp(`has format "${format.trim()}"`));
    deepStrictEqual(contents(p.profile.dir), before);
  }
  await Deno.writeTextFile(p.profile.format, "1\n");
});

Deno.test({
  name:
    "given a data dir that is read-only, when verbs want to write, then it is exit 1 with a line that names the path, and all is as before",
  fn: async () => {
    await using p = await testProfile();
    await p.ok("_", "state");
    const before = contents(p.profile.dir);
    const below = Object.keys(before).filter((path) => path.endsWith("/")).map((path) => p.path(path));
    const dirs = [p.profile.dir, ...below];
    for (const dir of dirs) await Deno.chmod(dir, 0o500);
    try {
      for (const args of [["up"], ["_", "goal", "write", "g", "x"], ["_", "goal", "archive", "setup"]]) {
        assertRefused(await asOrdinaryUser(p, args), /Cannot [\w ]+ "[^"]*\/data dir\//);
      }
      strictEqual((await asOrdinaryUser(p, ["_", "state"])).code, 0, "looking needs no writing");
      deepStrictEqual(contents(p.profile.dir), before);
    } finally {
      for (const dir of dirs) await Deno.chmod(dir, 0o700);
    }
  },
});

/** Runs looop without root's permission to write everywhere. */
async function asOrdinaryUser(p: TestProfile, args: string[]): Promise<Result> {
  if (Deno.uid() !== 0) return await p.run(...args);
  const command = new Deno.Command("/usr/bin/setpriv", {
    args: ["--bounding-set=-dac_override,-dac_read_search", ...looopCommand(), ...args],
    env: p.env,
    clearEnv: true,
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("given a profile with its own policy, when verbs are called, then nothing is seeded or overwritten", async () => {
  for (
    const [name, text] of [["PLAYBOOK.md", "mine"], ["goals/mine.md", "mine"], [
      "sensors/mine.sh",
      "#!/bin/sh\necho 1\n",
    ]] as const
  ) {
    await using p = await testProfile();
    await Deno.mkdir(p.path("goals"), { recursive: true, mode: 0o700 });
    await Deno.mkdir(p.path("sensors"), { mode: 0o700 });
    await Deno.writeTextFile(p.path(name), text);
    await p.ok("_", "state");
    strictEqual(p.read(name), text);
    const policy = Object.keys(contents(p.profile.dir)).filter((path) =>
      /^(PLAYBOOK\.md|(goals|sensors)\/.+)$/.test(path)
    );
    deepStrictEqual(policy, [name]);
    ok(p.read("config.json").includes('"default": "pi"'));
  }
});

Deno.test("given a profile whose playbook was moved away, when verbs are called, then the user's goals and sensors are as they were", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await p.ok("_", "goal", "archive", "setup");
  await Deno.writeTextFile(p.path("sensors/today.sh"), "#!/bin/sh\necho mine\n");
  await Deno.rename(p.profile.playbook, `${p.base}/PLAYBOOK.md`);
  await Deno.remove(p.profile.config);
  await p.ok("_", "state");
  deepStrictEqual((await p.json("_", "state", "--json")).goals, ["playbook-daily"]);
  strictEqual(p.read("sensors/today.sh"), "#!/bin/sh\necho mine\n");
  ok(!("PLAYBOOK.md" in contents(p.profile.dir)));
  ok("config.json" in contents(p.profile.dir), "a missing config is written at any time");
});

Deno.test("given a running pulse whose record is broken or gone, when down is called, then it is stopped and down says so", async () => {
  await using p = await testProfile();
  for (
    const spoil of [
      () => Deno.writeTextFileSync(p.profile.pulse, "{"),
      () => Deno.removeSync(p.profile.pulse),
    ]
  ) {
    await p.okCall(["up"], { env: { LOOOP_INTERVAL: "3600" } });
    const pid = pulsePid(p);
    spoil();
    match(await p.ok("down"), /^looop: pulse stopped$/m);
    ok(isGone(pid));
  }
});

Deno.test("given a running pulse whose record is broken, when it is poked, then the record is whole again", async () => {
  await using p = await testProfile();
  await p.okCall(["up"], { env: { LOOOP_INTERVAL: "3600" } });
  const pid = pulsePid(p);
  Deno.writeTextFileSync(p.profile.pulse, "{");
  await p.ok("_", "goal", "write", "g", "text");
  await p.until("it is mended", () => p.read(".pulse.json").startsWith('{"v":1'));
  deepStrictEqual([pulsePid(p), (await p.json("_", "state", "--json")).pulse.alive], [pid, true]);
});

Deno.test("given a config.json as it was once seeded, when up is called, then it becomes strict JSON with the same values; one with other comments stays", async () => {
  await using p = await testProfile();
  const commented = `// Wiring of this looop profile: JSON with comments. Every key may be left out.
{
  // The runner of \`looop _ worker start\` without --runner.
  "default": "claude",
  "runners": {
    // pi coding agent
    "pi": { "interactive": "mine // {{prompt_file}}" }
  },
  // Seconds from beat to beat (LOOOP_INTERVAL overrides).
  "interval": 7
  // , "notification": "notify-send looop {{message}}"
}
`;
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(`${p.base}/mine.json`, commented);
  await Deno.symlink(`${p.base}/mine.json`, p.profile.config);
  await p.ok("up");
  deepStrictEqual(JSON.parse(p.read("config.json")), {
    default: "claude",
    runners: { pi: { interactive: "mine // {{prompt_file}}" } },
    interval: 7,
  });
  ok((await Deno.lstat(p.profile.config)).isSymlink);
  await p.ok("down");
  const own = commented.replace("// Seconds", "// My seconds");
  await Deno.writeTextFile(`${p.base}/mine.json`, own);
  await p.ok("up");
  strictEqual(p.read("config.json"), own);
});
