/**
 * looop as on a Mac: in the lab, where `/proc` is out of reach and every tool behaves as on macOS. Tests look for left-over
 * processes from outside, where every process's environment can be read.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { sharedLab, type TestProfile, testProfile } from "../looop.ts";
import { endedWorker, fileText, startWorker, textOf, workerView } from "../workers.ts";
import { gzip, NEW, RELEASED, Sandbox, sumLine } from "../install/sandbox.ts";
import { asBash32 } from "./bash32.ts";
import { missingForLab } from "./lab.ts";

const missing = await missingForLab();

function labTest(name: string, fn: () => Promise<void>): void {
  const ignore = missing !== undefined;
  Deno.test({ name: ignore ? `${name} (no lab here: ${missing})` : name, ignore, fn });
}

const macProfile = () => testProfile({ on: "macos" });

/** Sleeps in its own session and ignores TERM; its environment is hidden, as that of Apple's programs. */
const HIDDEN = `perl -e 'use POSIX; setsid; $SIG{TERM} = $SIG{HUP} = "IGNORE"; sleep 600'`;
/** The same with a visible environment, as programs have that people install. */
const SEEN =
  `${Deno.execPath()} eval --quiet 'Deno.addSignalListener("SIGTERM", () => {}); setTimeout(() => {}, 6e5)'`;

/** Duration of a call, ms. */
async function timed(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}

labTest(
  "given a Mac, when a worker runs, then it has a terminal, asks, reports, and its end is told",
  async () => {
    await using p = await macProfile();
    await p.ok("up");
    await startWorker(
      p,
      "w",
      `[ -t 0 ] && [ -t 1 ] && stty size >"$LOOOP_DATA_DIR/reports/size"
     color=$("$LOOOP_BIN" _ ask w --prompt "Which color?")
     echo "$color" >"$LOOOP_DATA_DIR/reports/color"
     exit 7`,
    );
    await p.until("it asks", async () => (await p.json("_", "state", "--json")).asks.length === 1);
    await p.ok("_", "answer", "w-1", "blue");
    const { exit_code, ended_by } = await endedWorker(p, "w");
    deepStrictEqual([exit_code, ended_by], [7, "self"]);
    deepStrictEqual([p.read("reports/size"), p.read("reports/color")], ["50 160\n", "blue\n"]);
  },
);

labTest(
  "given a Mac, when a worker dies of a signal, then it shows as a crash and not as an end of its own",
  async () => {
    await using p = await macProfile();
    await startWorker(p, "w", "kill -9 $$");
    const { exit_code, ended_by } = await endedWorker(p, "w");
    deepStrictEqual([exit_code, ended_by], [137, "crash"]);
  },
);

labTest(
  "given a Mac, when doctor looks, then the terminal is tried as a worker gets it, and found well",
  async () => {
    await using p = await macProfile();
    await p.run("_", "state");
    const { stdout } = await p.run("doctor");
    match(stdout, /terminal: programs run in a pty of their own/);
  },
);

labTest(
  "given a Mac, when a command is run, a worker killed and the demo shown, then no scan finds itself",
  async () => {
    await using p = await macProfile();
    await using linux = await testProfile({ on: "linux" });
    // Without this width ps cuts its lines; with it a scanner could find its own arguments and wait for its own end.
    const env = { COLUMNS: "100000" };
    await p.ok("up");
    const run = async (p: TestProfile) =>
      strictEqual((await p.call(["_", "run", "true"], { env })).stderr, "");
    const [usual, here] = [await timed(() => run(linux)), await timed(() => run(p))];
    ok(here < 3 * usual + 1_000, `_ run took ${here} ms, elsewhere ${usual} ms`);
    await startWorker(p, "w", "sleep 600");
    strictEqual(await p.okCall(["_", "worker", "kill", "w"], { env }), "killed worker w");
    match(await p.okCall(["demo"], { env }), /nothing is left running/);
  },
);

labTest(
  "given a Mac and a sensor whose children leave its session and hide, when its time is over, then nothing is left",
  async () => {
    await using p = await macProfile();
    p.sensor("hangs", `# looop:timeout=1\n${HIDDEN} &\nset -m; (trap "" TERM; sleep 600) &\nsleep 600`);
    await p.ok("up");
    await p.until("it has timed out", () => fileText(p, "snapshots/sensor-hangs.json").includes("124"));
    await p.until("nothing of it is left", async () => (await p.processes()).length === 1);
  },
);

labTest(
  "given a Mac and a sensor that leaves a hidden child and ends well, when it has run a second, then the child is ended",
  async () => {
    await using p = await macProfile();
    p.sensor("leaves", `${HIDDEN} >/dev/null 2>&1 &\nsleep 1\necho 1`);
    await p.ok("up");
    await p.until("it is read", () => fileText(p, "snapshots/sensor-leaves.json").trim() === "1");
    await p.until("nothing of it is left", async () => (await p.processes()).length === 1);
  },
);

labTest(
  "given a Mac and an agent whose helpers hide in sessions of their own, when its worker is killed, then all end",
  async () => {
    await using p = await macProfile();
    await p.ok("up");
    // Helpers whose parent ends were seen at a beat; helpers with a living parent are seen at the kill.
    await startWorker(
      p,
      "w",
      `(${HIDDEN} & echo $! >"$LOOOP_DATA_DIR/reports/left"; sleep 2) &
     ${HIDDEN} & ${SEEN} & echo up >"$LOOOP_DATA_DIR/reports/up"; sleep 600`,
    );
    await textOf(p, "reports/up");
    const { beat } = (await p.json("_", "state", "--json")).pulse;
    await p.until(
      "two beats are over",
      async () => (await p.json("_", "state", "--json")).pulse.beat > beat + 3,
    );
    await p.ok("_", "worker", "kill", "w");
    strictEqual((await workerView(p, "w")).state, "killed");
    await p.until("the pulse alone is left", async () => (await p.processes()).length === 1, 2);
    deepStrictEqual(await p.ok("down"), "looop: pulse stopped");
  },
);

labTest(
  "given a Mac and a worker whose meta.json is a folder, when down is called, then it ends all the same",
  async () => {
    await using p = await macProfile();
    // Without its meta.json only the supervisor's arguments show whose it is.
    await startWorker(p, "w", "sleep 600");
    Deno.removeSync(p.path("sessions/w/meta.json"));
    Deno.mkdirSync(p.path("sessions/w/meta.json"));
    await p.ok("down");
    deepStrictEqual(await p.processes(), []);
  },
);

labTest(
  "given a Mac where ps is denied, when a run's time is over, then its group is ended all the same",
  async () => {
    await using p = await macProfile();
    const env = { LOOOP_LAB_PS: "denied" };
    const { code } = await p.call(["_", "run", "--timeout", "1", "sleep 600 & sleep 600"], { env });
    strictEqual(code, 124);
    deepStrictEqual(await p.processes(), []);
  },
);

labTest(
  "given a Mac, when install.sh runs there, then it asks for the program of that machine and installs it",
  async () => {
    await using box = await Sandbox.create();
    const packed = await gzip(NEW);
    box.files.set("latest/download/looop-macos-aarch64.gz", packed);
    box.files.set("latest/download/SHA256SUMS", await sumLine(packed, "looop-macos-aarch64.gz"));
    const lab = await sharedLab();
    const script = `${box.root}/elsewhere/install.sh`;
    await Deno.writeTextFile(script, asBash32(RELEASED));
    const [exe = "", ...args] = [...lab.enter(`${box.root}/elsewhere`), "/bin/sh", script];
    const env = {
      PATH: lab.bin,
      HOME: `${box.root}/home`,
      SHELL: "/bin/zsh",
      LOOOP_RELEASE_URL: box.releaseUrl,
      NO_PROXY: "127.0.0.1",
    };
    const { code, stdout, stderr } = await new Deno.Command(exe, { args, env, clearEnv: true, stdin: "null" })
      .output();
    strictEqual(code, 0, new TextDecoder().decode(stderr));
    match(new TextDecoder().decode(stdout), /Installed looop 0\.1\.0[\s\S]*>> ~\/\.zshrc/);
    strictEqual(await Deno.readTextFile(box.target), NEW);
  },
);

for (const ps of ["denied", "empty", "broken"]) {
  labTest(
    `given a Mac where ps is ${ps}, when leases and workers are looked at, then the living count as alive`,
    async () => {
      await using p = await macProfile();
      const env = { LOOOP_LAB_PS: ps };
      await startWorker(p, "w", `"$LOOOP_BIN" _ claim task; echo >"$LOOOP_DATA_DIR/reports/has"; sleep 600`);
      await textOf(p, "reports/has");
      const taken = await p.call(["_", "claim", "task", "--session", "other"], { env });
      deepStrictEqual([taken.code, JSON.parse(p.read("claims/task.json")).session], [1, "w"]);
      const { workers: [worker] } = JSON.parse(await p.okCall(["_", "state", "--json"], { env }));
      strictEqual(worker.alive, true);
      match(worker.unknown, /\S/);
      const down = await p.call(["down"], { env });
      deepStrictEqual([down.code, down.stderr.includes("w")], [1, true], down.stderr);
      strictEqual((await workerView(p, "w")).alive, true);
    },
  );
}

labTest(
  "given a Mac and a data dir with letters beyond ASCII, when a worker is killed, then what left its tree is found",
  async () => {
    await using p = await testProfile({ on: "macos", dir: "Bücher 書" });
    // Its parent is gone and its session is its own, so only the marks show whose it is.
    const left =
      `perl -e 'use POSIX; fork and exit; setsid; exec @ARGV' -- ${SEEN} </dev/null >/dev/null 2>&1`;
    await startWorker(p, "w", `${left}; echo up >"$LOOOP_DATA_DIR/reports/up"; sleep 600`);
    await textOf(p, "reports/up");
    await p.ok("_", "worker", "kill", "w");
    deepStrictEqual(await p.processes(), []);
  },
);
