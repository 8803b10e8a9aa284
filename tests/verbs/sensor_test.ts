import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, testProfile } from "../looop.ts";
import { published } from "../published.ts";
import { writeExecutable } from "../executable.ts";

const SCRIPT = '#!/bin/sh\necho \'{"signal":"up"}\'\n';

Deno.test("given a script, when it is written as a sensor, then it is whole, executable, sensed and journaled", async () => {
  await using p = await testProfile();
  await p.ok("up");
  strictEqual(await p.okCall(["_", "sensor", "write", "flag"], { stdin: SCRIPT }), "write-sensor flag");
  strictEqual(p.read("sensors/flag.sh"), SCRIPT);
  strictEqual((Deno.statSync(p.path("sensors/flag.sh")).mode ?? 0) & 0o777, 0o700);
  await p.until(
    "it is sensed",
    () => published(p).snapshots["sensor-flag"]?.signal === "up",
  );
  match(p.read("journal.md"), /- \d{4}-\d\d-\d\d \d\d:\d\d write-sensor flag \[hand\]\n$/);
  const before = [p.read("journal.md"), Deno.statSync(p.path("sensors/flag.sh")).mtime];
  strictEqual(
    await p.okCall(["_", "sensor", "write", "flag"], { stdin: SCRIPT }),
    "write-sensor flag (unchanged)",
  );
  deepStrictEqual([p.read("journal.md"), Deno.statSync(p.path("sensors/flag.sh")).mtime], before);
  strictEqual(
    await p.okCall(["_", "sensor", "write", "flag", "--journal", "why not"], { stdin: `${SCRIPT}# more\n` }),
    "write-sensor flag",
  );
  match(p.read("journal.md"), / why not \[hand\]\n$/);
});

Deno.test("given a sensor that is rewritten while the pulse senses, when it is read, then never a half-written one ran", async () => {
  await using p = await testProfile();
  const script = (n: number) => `#!/bin/sh\n${"# padding\n".repeat(2000)}echo ${n}\n`;
  await p.okCall(["_", "sensor", "write", "often"], { stdin: script(0) });
  await p.ok("up");
  for (let n = 1; n <= 8; n++) await p.okCall(["_", "sensor", "write", "often"], { stdin: script(n) });
  await p.until("the last is sensed", () => {
    const { snapshots } = published(p);
    strictEqual(typeof (snapshots["sensor-often"] ?? 0), "number", JSON.stringify(snapshots["sensor-often"]));
    return snapshots["sensor-often"] === 8;
  });
  deepStrictEqual([...Deno.readDirSync(p.profile.sensors)].map((entry) => entry.name).sort(), [
    "often.sh",
    "today.sh",
  ]);
});

Deno.test("given scripts that cannot be right, when they are written, then it is exit 2, the old one stays, and nothing is journaled", async () => {
  await using p = await testProfile();
  await p.okCall(["_", "sensor", "write", "flag"], { stdin: SCRIPT });
  const journal = p.read("journal.md");
  const cases: [string[], string, RegExp][] = [
    [["flag"], "", /empty/],
    [["flag"], " \n\t", /empty/],
    [["flag"], "#!/bin/bash\nif true; then\n", /syntax error/],
    [["flag"], "echo 'unclosed\n", /syntax error/],
    [["../flag"], SCRIPT, /Bad sensor id/],
    [["-x"], SCRIPT, /Unknown option/],
    [["a/b"], SCRIPT, /Bad sensor id/],
    [[], SCRIPT, /Missing <name>/],
  ];
  for (const [args, stdin, says] of cases) {
    const { code, stdout, stderr } = await p.call(["_", "sensor", "write", ...args], { stdin });
    deepStrictEqual([code, stdout], [2, ""], `${args} ${stdin}`);
    match(stderr, says);
    match(stderr, /^looop _ sensor write: [^\n]+\n$/);
  }
  strictEqual(p.read("sensors/flag.sh"), SCRIPT);
  strictEqual(p.read("journal.md"), journal);
});

Deno.test("given a script in another language, when it is written, then bash does not judge it", async () => {
  await using p = await testProfile();
  const script = "#!/usr/bin/env node\nif (true) { console.log('{}') }\n";
  await p.okCall(["_", "sensor", "write", "js"], { stdin: script });
  strictEqual(p.read("sensors/js.sh"), script);
});

Deno.test("given sensors, when one is run once, then it runs as in the pulse, its reading is printed with its time, and nothing is written", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  p.sensor("good", 'printf \'{"signal":"%s","detail":"%s"}\' "$PWD" "$LOOOP_DATA_DIR"');
  p.sensor("bad", "echo broken >&2; exit 9");
  p.sensor("hangs", "# looop:timeout=0.3\n(setsid sleep 600 &); sleep 600");
  const files = [...Deno.readDirSync(p.profile.snapshots)].length;
  const good = await p.json("_", "sensor", "run", "good", "--json");
  deepStrictEqual([good.name, good.ok, good.reading], ["good", true, {
    signal: p.profile.dir,
    detail: p.profile.dir,
  }]);
  ok(good.ms > 0);
  const shown = await p.run("_", "sensor", "run", "good");
  deepStrictEqual(
    Object.keys(JSON.parse(shown.stdout)),
    ["signal", "detail"],
    "a pipe gets the reading alone",
  );
  match(shown.stderr, /^looop _ sensor run: ok in \d+ ms\n$/);
  const bad = await p.run("_", "sensor", "run", "bad", "--json");
  strictEqual(bad.code, 1);
  deepStrictEqual(JSON.parse(bad.stdout).reading.signal, { error: true, exit_code: 9 });
  const hangs = await p.run("_", "sensor", "run", "hangs", "--json");
  deepStrictEqual(JSON.parse(hangs.stdout).reading.signal, { error: true, exit_code: 124 });
  deepStrictEqual(await p.processes(), [], "a child of the sensor is left");
  strictEqual([...Deno.readDirSync(p.profile.snapshots)].length, files);
  const none = await p.run("_", "sensor", "run", "nope");
  deepStrictEqual([none.code, none.stdout], [1, ""]);
  match(none.stderr, /There is no sensor "nope"/);
});

Deno.test("given a sensor tried by hand, when the pulse starts meanwhile, then the trial is left alone", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  p.sensor(
    "slow",
    "# looop:interval=3600\necho x >>begun; while [ ! -e go ]; do sleep 0.05; done; echo '{}'",
  );
  using trial = p.start(["_", "sensor", "run", "slow"]);
  await p.until("it has begun", () => {
    try {
      return p.read("begun").length > 0;
    } catch {
      return false;
    }
  });
  await p.ok("up");
  await Deno.writeTextFile(p.path("go"), "");
  const { code, stdout } = await trial.result;
  deepStrictEqual([code, stdout], [0, "{}\n"]);
});

Deno.test("given a sensor, when it is removed, then the loss of its reading is reported, and the script is kept, also the second time", async () => {
  await using p = await testProfile();
  await p.ok("up");
  for (const round of ["one", "two"]) {
    await p.okCall(["_", "sensor", "write", "flag"], { stdin: `#!/bin/sh\necho '"${round}"'\n` });
    await p.until(
      "it is sensed",
      () => published(p).snapshots["sensor-flag"] === round,
    );
    while ((await p.wait("--timeout", "0.05")).timed_out !== true);
    strictEqual(await p.ok("_", "sensor", "remove", "flag"), "remove-sensor flag");
    const woken = await p.wait("--timeout", "10");
    deepStrictEqual(woken.changes.signals, { "sensor-flag": { from: round } });
    ok(!("sensor-flag" in woken.snapshots));
  }
  match(p.read("sensors/archive/flag.sh"), /one/);
  match(p.read("sensors/archive/flag~2.sh"), /two/);
  const gone = await p.run("_", "sensor", "remove", "flag");
  deepStrictEqual([gone.code, gone.stdout], [1, ""]);
  match(gone.stderr, /There is no sensor "flag"/);
});

Deno.test("given other files among the sensors, when the pulse senses, then only sensors run", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.path("sensors/archive"), { recursive: true });
  for (const name of ["notes.txt", ".hidden.sh", "bad\u200bname.sh", "archive/old.sh"]) {
    await Deno.writeTextFile(p.path(`sensors/${name}`), "#!/bin/sh\ntouch ran\necho 1\n", { mode: 0o755 });
  }
  writeExecutable(`${p.base}/linked`, "#!/bin/sh\necho '\"linked\"'\n");
  await Deno.symlink(`${p.base}/linked`, p.path("sensors/link.sh"));
  await p.ok("up");
  await p.until(
    "the link is sensed",
    () => published(p).snapshots["sensor-link"] === "linked",
  );
  const { snapshots } = await p.json("_", "state", "--json");
  deepStrictEqual(Object.keys(snapshots).filter((name) => name.startsWith("sensor-")), ["sensor-link"]);
  ok(![...Deno.readDirSync(p.profile.dir)].some((entry) => entry.name === "ran"));
});

Deno.test("given a sensor that prints deeply nested JSON, when the pulse senses, then the pulse goes on and the others are sensed", async () => {
  await using p = await testProfile();
  p.sensor("deep", "head -c 4000 /dev/zero | tr '\\0' '['; head -c 4000 /dev/zero | tr '\\0' ']'");
  p.sensor("plain", "echo 7");
  await p.ok("up");
  const { snapshots } = await p.json("_", "state", "--json");
  deepStrictEqual(snapshots["sensor-deep"].signal, { error: true, reason: "too_large" });
  strictEqual(snapshots["sensor-plain"], 7);
});

Deno.test("given a sensor that is tried, when the call is stopped or its caller is gone, then nothing of the sensor is left", async () => {
  await using p = await testProfile();
  p.sensor("slow", "setsid sleep 60 & echo $$ >>begun; sleep 60");
  const begun = (count: number) =>
    p.until("it has begun", () => (quietly(() => p.read("begun")) ?? "").split("\n").length > count);
  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
    const trial = p.start(["_", "sensor", "run", "slow"]);
    await begun(signal === "SIGTERM" ? 1 : 2);
    trial.kill(signal);
    const { code: ended, stderr } = await trial.result;
    deepStrictEqual([ended, await p.processes()], [code, []]);
    match(stderr, new RegExp(`Ended by ${signal}`));
  }
  const caller = new Deno.Command("sh", {
    args: ["-c", '"$@" & wait', "sh", ...looopCommand(), "_", "sensor", "check", "slow"],
    env: p.env,
    clearEnv: true,
    stdout: "null",
    stderr: "null",
  }).spawn();
  await begun(3);
  caller.kill("SIGKILL");
  await caller.status;
  await p.until("nothing is left", async () => (await p.processes()).length === 0);
});

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
