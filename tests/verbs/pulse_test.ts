import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";
import { fileText } from "../workers.ts";
import { crashPulse, isGone, type Published, published, pulsePid } from "../published.ts";

// deno-lint-ignore no-explicit-any -- tests look into it freely
type State = any;

/** Waits until the published world is as wanted; returns `_ state`. */
async function stateWhen(p: TestProfile, what: string, holds: (seen: Published) => boolean): Promise<State> {
  await p.until(what, () => holds(published(p)));
  return await p.json("_", "state", "--json");
}

/** The published world as it is in the file. */
function world(p: TestProfile): State {
  return JSON.parse(p.read(".world.json"));
}

/** How often a sensor has started; each run adds a line to a file. */
function runs(p: TestProfile, name: string): number {
  try {
    return p.read(`${name}.runs`).split("\n").length - 1;
  } catch {
    return 0;
  }
}

Deno.test("given own state of which a part changes, when it is published, then only that part's file is written, or one that is gone", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.ok("_", "claim", "first", "--session", "w1");
  const holds = (name: string) => fileText(p, "snapshots/sys-claims.json").includes(`"${name}"`);
  await p.until("published", () => holds("first"));
  const inode = () => Deno.statSync(p.path("snapshots/sys-sessions.json")).ino;
  const before = inode();
  await p.ok("_", "claim", "second", "--session", "w1");
  await p.until("published", () => holds("second"));
  strictEqual(inode(), before);
  await Deno.remove(p.path("snapshots"), { recursive: true });
  await p.ok("_", "claim", "third", "--session", "w1");
  const others = ["sys-sessions", "sys-goals"];
  await p.until(
    "written again",
    () => others.every((name) => fileText(p, `snapshots/${name}.json`) !== "") && holds("third"),
  );
});

Deno.test("given sensors that fail in every way, when a beat has passed, then each reading says which, and keeps its last good value", async () => {
  await using p = await testProfile();
  const broken = '[ -e broken ] ||  { echo \'{"signal":"good"}\'; exit 0; }';
  p.sensor("exits", `${broken}; echo no route >&2; exit 3`);
  p.sensor("hangs", `# looop:timeout=0.3\n${broken}; sleep 30`);
  p.sensor("prose", `${broken}; echo all is well`);
  p.sensor("silent", `${broken}; exit 0`);
  p.sensor("floods", `${broken}; exec yes`);
  p.sensor("killed", `${broken}; kill -9 $$`);
  p.sensor("missing", `${broken}; no-such-command`);
  p.sensor("value", "echo 42");
  p.sensor("locked", "echo '{}'");
  await Deno.chmod(p.path("sensors/locked.sh"), 0o600);
  p.sensor("alien", "");
  await Deno.writeTextFile(p.path("sensors/alien.sh"), "#!/no/such/interpreter\n");
  await p.ok("up");
  const good = await stateWhen(p, "good readings", (state) => state.snapshots["sensor-value"] === 42);
  for (const name of ["exits", "hangs", "prose", "silent", "floods", "killed", "missing"]) {
    strictEqual(good.snapshots[`sensor-${name}`].signal, "good", name);
    strictEqual(good.readings[`sensor-${name}`].ok, true);
  }
  await Deno.writeTextFile(p.path("broken"), "");
  const state = await stateWhen(
    p,
    "bad readings",
    (state) => state.snapshots["sensor-hangs"]?.signal.error === true,
  );
  const signals: Record<string, unknown> = {
    exits: { error: true, exit_code: 3 },
    hangs: { error: true, exit_code: 124 },
    prose: { error: true, reason: "not_json" },
    silent: { error: true, reason: "not_json" },
    floods: { error: true, reason: "too_large" },
    killed: { error: true, exit_code: 137 },
    missing: { error: true, exit_code: 127 },
    locked: { error: true, exit_code: 126 },
    alien: { error: true, exit_code: 127 },
  };
  for (const [name, signal] of Object.entries(signals)) {
    const reading = state.snapshots[`sensor-${name}`];
    // For a missing interpreter dash exits 127 and bash 126.
    if (name === "alien" && reading.signal.exit_code === 126) continue;
    deepStrictEqual(reading.signal, signal, name);
    ok(reading.detail.message.length > 0);
    strictEqual(state.readings[`sensor-${name}`].ok, false);
    if (name !== "locked" && name !== "alien") {
      deepStrictEqual(reading.detail.last_good, { signal: "good" }, name);
    }
  }
  strictEqual(state.snapshots["sensor-exits"].detail.stderr, "no route\n");
  strictEqual(state.snapshots["sensor-prose"].detail.head, "all is well\n");
  strictEqual(state.snapshots["sensor-floods"].detail.bytes, 8192);
  deepStrictEqual(JSON.parse(p.read("snapshots/sensor-exits.json")), state.snapshots["sensor-exits"]);
  match(await p.ok("status"), /exits fails: exit 3: no route/);
});

Deno.test("given sensors whose children ignore TERM, leave their session or hold their output, when they end or are ended, then nothing is left", async () => {
  await using p = await testProfile();
  const stubborn = (file: string) =>
    `trap "" TERM HUP; echo $$ >>"$LOOOP_DATA_DIR/${file}"; while :; do sleep 0.2; done`;
  const litter = (file: string) => `
(sh -c '${stubborn(file)}' &)
(setsid sh -c '${stubborn(file)}' >/dev/null 2>&1 &)
(setsid sh -c '(setsid sh -c '\\''${stubborn(file)}'\\'' &)' &)
while [ "$(cat ${file} 2>/dev/null | wc -l)" -lt 3 ]; do sleep 0.02; done`;
  p.sensor("ends", `# looop:interval=3600\n${litter("ended")}\necho '{"signal":1}'`);
  p.sensor(
    "hangs",
    `# looop:interval=3600\n# looop:timeout=1.5\ntrap "" TERM\n${
      litter("killed")
    }\nwhile :; do sleep 1; done`,
  );
  await p.ok("up");
  await stateWhen(p, "both have ended", ({ snapshots }) => {
    return snapshots["sensor-ends"]?.signal === 1 && snapshots["sensor-hangs"]?.signal.exit_code === 124;
  });
  for (const file of ["ended", "killed"]) {
    const pids = p.read(file).trim().split("\n").map(Number);
    strictEqual(pids.length, 3);
    await p.until(`children of the sensor that ${file} are gone`, () => pids.every(isGone));
  }
});

Deno.test("given a sensor, when it runs, then its folder is the data dir, stdin is closed, it has no terminal, and it finds looop", async () => {
  await using p = await testProfile();
  p.sensor(
    "env",
    `read -r line && stdin=open || stdin=closed
( : </dev/tty ) 2>/dev/null && tty=yes || tty=no
version=$("$LOOOP_BIN" version)
printf '{"cwd":"%s","stdin":"%s","tty":"%s","dir":"%s","config":"%s","version":"%s","session":"%s"}' \\
  "$PWD" "$stdin" "$tty" "$LOOOP_DATA_DIR" "$LOOOP_CONFIG" "$version" "$LOOOP_SESSION_ID"`,
  );
  await p.okCall(["up"], { cwd: "/usr", env: { LOOOP_SESSION_ID: "someone" } });
  const state = await stateWhen(p, "it is sensed", (state) => "sensor-env" in state.snapshots);
  deepStrictEqual(state.snapshots["sensor-env"], {
    cwd: p.profile.dir,
    stdin: "closed",
    tty: "no",
    dir: p.profile.dir,
    config: p.profile.config,
    version: await p.ok("version"),
    session: "",
  });
});

Deno.test("given a sensor that hangs, when others change, then they are not delayed, and it is never started twice", async () => {
  await using p = await testProfile();
  p.sensor("slow", "echo x >>slow.runs; sleep 60");
  p.sensor("quick", 'echo x >>quick.runs; printf \'{"signal":%s}\' "$(wc -l <quick.runs)"');
  const started = performance.now();
  await p.ok("up");
  ok(performance.now() - started < 10_000, "up waited for the slow sensor");
  const beat = world(p).beat;
  await p.until(
    "three beats have sensed the others",
    () => world(p).beat >= beat + 3 && runs(p, "quick") >= 4,
  );
  const state = await stateWhen(
    p,
    "their readings show",
    (state) => state.snapshots["sensor-quick"]?.signal >= 3,
  );
  strictEqual(state.snapshots["sensor-slow"], undefined, "it has said nothing yet");
  strictEqual(runs(p, "slow"), 1);
});

Deno.test("given more sensors than may run at once, when a beat senses them, then they run in parallel up to the limit", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, '{ "sensor_concurrency": 3 }');
  for (let n = 0; n < 8; n++) {
    p.sensor(`s${n}`, `echo + >>trace; sleep 0.3; echo - >>trace; echo '{}'`);
  }
  await p.okCall(["up"], { env: { LOOOP_INTERVAL: "3600" } });
  await p.until("all have run", () => p.read("trace").split("-").length > 8);
  let now = 0, most = 0;
  for (const mark of p.read("trace").trim().split("\n")) {
    now += mark === "+" ? 1 : -1;
    most = Math.max(most, now);
  }
  strictEqual(most, 3);
});

Deno.test("given readers that look all the time, when beats sense, then no world is half sensed and no reading is missing", async () => {
  await using p = await testProfile();
  const names = ["a", "b", "c", "d"];
  for (const [n, name] of names.entries()) {
    p.sensor(
      name,
      `sleep 0.${n}; n=$(cat ${name}.n 2>/dev/null || echo 0); echo $((n+1)) >${name}.n; echo $n`,
    );
  }
  await p.ok("up");
  await p.until(
    "the first beat is whole",
    () => names.every((name) => `sensor-${name}` in world(p).readings),
  );
  const from = world(p).beat;
  let looks = 0;
  while (world(p).beat < from + 2) {
    const { readings } = world(p);
    const values = names.map((name) => readings[`sensor-${name}`]?.value);
    strictEqual(new Set(values).size, 1, `readings of different beats: ${values}`);
    looks++;
    if (looks % 20 === 0) {
      const { snapshots } = await p.json("_", "state", "--json");
      strictEqual(new Set(names.map((name) => snapshots[`sensor-${name}`])).size, 1);
    } else await new Promise((resolve) => setTimeout(resolve, 5));
  }
  ok(looks > 5, `${looks} looks`);
});

Deno.test("given a sensor with a cadence of its own, when beats go by, then it keeps its last reading, with its age, and is not run", async () => {
  await using p = await testProfile();
  p.sensor("rare", "# looop:interval=3600\necho x >>rare.runs; echo '{\"signal\":1}'");
  p.sensor("often", "echo x >>often.runs; echo '{\"signal\":1}'");
  await p.ok("up");
  await p.until("three beats", () => runs(p, "often") >= 3);
  strictEqual(runs(p, "rare"), 1);
  await p.until("its reading is the older one", async () => {
    const { readings } = await p.json("_", "state", "--json");
    const { sensed_at, age_s, ok: fine } = readings["sensor-rare"];
    match(sensed_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    ok(fine);
    return age_s >= 1 && age_s > readings["sensor-often"].age_s;
  });
});

Deno.test("given a data dir whose derived files are removed, when beats go by, then the files come back and nobody is woken", async () => {
  await using p = await testProfile();
  p.sensor("slow", "sleep 0.3; echo '{\"signal\":1}'");
  await p.ok("up");
  while ((await p.wait("--timeout", "0.05")).timed_out !== true);
  const before = world(p);
  await Deno.remove(p.profile.snapshots, { recursive: true });
  await p.until("the snapshots are back", () => {
    try {
      return JSON.parse(p.read("snapshots/sensor-slow.json")).signal === 1;
    } catch {
      return false;
    }
  });
  await Deno.remove(p.profile.world);
  await p.until("the world is back", () => {
    try {
      return world(p).beat > before.beat;
    } catch {
      return false;
    }
  });
  strictEqual(world(p).world_hash, before.world_hash);
  strictEqual((await p.wait("--timeout", "1")).timed_out, true);
});

Deno.test("given a config that breaks while the pulse beats, when beats go on, then they use the last good one, and the file is listed", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const beat = world(p).beat;
  await Deno.writeTextFile(p.profile.config, '{\n  "interval": "fast"\n}\n');
  const state = await stateWhen(p, "it is listed", (state) => state.bad_files.length > 0);
  strictEqual(state.bad_files[0].path, p.profile.config);
  match(state.bad_files[0].reason, /^config\.json:2:15: /);
  match(await p.ok("status"), /config\.json:2:15/);
  await p.until("beats go on", () => world(p).beat >= beat + 2);
  await Deno.writeTextFile(p.profile.config, "{}");
  await stateWhen(p, "it is good again", (state) => state.bad_files.length === 0);
});

Deno.test("given an interval that is too short or changes, when the pulse beats, then beats are at least a second apart and follow the change", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, '{ "interval": 0.01 }');
  p.sensor("count", "echo x >>count.runs; echo '{}'");
  // Without the variable the config counts.
  delete p.env["LOOOP_INTERVAL"];
  await p.ok("up");
  const state = await p.json("_", "state", "--json");
  strictEqual(state.pulse.interval_s, 1);
  match(await p.ok("status"), /interval 0\.01 s is too short/);
  const [from, since] = [runs(p, "count"), performance.now()];
  await p.until("two beats", () => runs(p, "count") >= from + 2);
  ok(performance.now() - since > 900, "beats without rest");
  await Deno.writeTextFile(p.profile.config, '{ "interval": 7 }');
  await p.until("the new interval counts", () => JSON.parse(p.read(".pulse.json")).interval_s === 7);
});

Deno.test("given a beat that is planned far ahead, when the interval becomes shorter or longer, then the next beat keeps to the new one", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  const setInterval = (interval: number) =>
    Deno.writeTextFileSync(p.profile.config, JSON.stringify({ interval }));
  setInterval(3600);
  await p.okCall(["up"], { env: { LOOOP_INTERVAL: "" } });
  await p.until("the first beat", () => published(p).beat === 1);
  setInterval(1);
  await p.until("two more beats", () => published(p).beat >= 3);
  setInterval(3600);
  await p.until("it is read", () => world(p).settings.interval_s === 3600);
  const { beat } = published(p);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  ok(published(p).beat <= beat + 1, "a beat under way at most");
});

Deno.test("given a pulse killed amid a sensor's run, when the next one starts, then the old run is ended and not doubled", async () => {
  await using p = await testProfile();
  p.sensor("slow", "[ -e hang ] || { echo 1; exit; }; echo $$ >>slow.runs; exec sleep 60");
  await p.ok("up");
  await Deno.writeTextFile(p.path("hang"), "");
  await p.until("it hangs", () => runs(p, "slow") === 1);
  const first = Number(p.read("slow.runs").trim());
  await crashPulse(p);
  strictEqual(isGone(first), false, "nobody has ended it yet");
  await p.ok("up");
  await p.until("it runs anew", () => runs(p, "slow") === 2);
  ok(isGone(first), "two runs of one sensor at once");
});

Deno.test("given a quiet world, when beats go by, then neither journal nor events grow", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.until("it beats", () => world(p).beat >= 1);
  const size = () =>
    ["journal.md", "events.jsonl"].map((name) => {
      try {
        return Deno.statSync(p.path(name)).size;
      } catch {
        return 0;
      }
    });
  const [beat, before] = [world(p).beat, size()];
  await p.until("three beats", () => world(p).beat >= beat + 3);
  deepStrictEqual(size(), before);
});

Deno.test("given a running pulse, when its lock is taken away or its data dir is replaced, then it stops, so that two never beat", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const first = pulsePid(p);
  await Deno.rename(p.profile.dir, `${p.base}/moved`);
  await p.ok("up");
  const second = pulsePid(p);
  ok(first !== second);
  await p.until("the first has stopped", () => isGone(first));
  await p.until(
    "the second beats",
    () => world(p).beat >= 2 && pulsePid(p) === second,
  );
  await p.ok("down");
  await p.ok("up");
  const third = pulsePid(p);
  await Deno.rename(p.profile.dir, `${p.base}/gone`);
  await p.until("nobody beats for a data dir that is gone", () => isGone(third));
});

Deno.test({
  name: "given a log on a full disk, when the pulse beats, then it goes on",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using p = await testProfile();
    const [exe, ...args] = looopCommand();
    const pulse = new Deno.Command("sh", {
      args: ["-c", 'exec "$@" >/dev/full', "sh", exe ?? "", ...args, "_", "pulse", "--wanted"],
      env: { ...p.env, LOOOP_INTERVAL: "1" },
      clearEnv: true,
      stdin: "null",
    }).spawn();
    await p.until("it has beaten twice", () => published(p).beat >= 2, 10);
    await p.ok("down");
    strictEqual((await pulse.status).code, 0);
  },
});
