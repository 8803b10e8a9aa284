import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, testProfile } from "../looop.ts";
import { fileText, HOLD, identityIn, isAlive, letGo, shell, startWorker, workerView } from "../workers.ts";

function can(what: string, command: string): boolean {
  const { success } = new Deno.Command("/bin/sh", { args: ["-c", command], stdout: "null", stderr: "null" })
    .outputSync();
  if (!success) Deno.stderr.writeSync(new TextEncoder().encode(`skipped: no ${what} here\n`));
  return success;
}

Deno.test("given supervisors that are stopped, one before its worker's end and one after, when down is called, then neither is left", async () => {
  await using p = await testProfile();
  await startWorker(p, "one", "sleep 600");
  await startWorker(p, "two", HOLD);
  const sups = ["one", "two"].map((id) => identityIn(p, `sessions/${id}/sup`));
  for (const { pid } of sups) Deno.kill(pid, "SIGSTOP");
  letGo(p);
  const program = identityIn(p, "sessions/two/program");
  await p.until("two's agent has ended", async () => !await isAlive(program));
  // As if it had been stopped after recording its end.
  Deno.writeTextFileSync(
    p.path("sessions/two/status.json"),
    '{"state":"exited","exit_code":0,"last_change":1,"ended_by":"self"}\n',
  );
  strictEqual((await p.run("down")).code, 0);
  for (const sup of sups) ok(!await isAlive(sup));
  deepStrictEqual(await p.processes(), []);
});

if (can("mount of a tmpfs", "unshare -m mount -t tmpfs none /mnt")) {
  Deno.test("given a worker that ends well while the disk is full, when there is room again, then it has ended well", async () => {
    await using p = await testProfile();
    const inside =
      `mkdir -p "$LOOOP_DATA_DIR" && mount -t tmpfs -o size=1m,mode=700 none "$LOOOP_DATA_DIR" || exit 99
cd "$LOOOP_DATA_DIR"
"$@" _ worker start w --runner shell 'until [ -e reports/go ]; do sleep 0.05; done; exit 3'
: >reports/go.wait; dd if=/dev/zero of=big bs=1k 2>/dev/null
mv reports/go.wait reports/go
pid=$(cut -d' ' -f1 sessions/w/program); while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
sleep 1; cat sessions/w/status.json
rm big
i=0; until grep -q exited sessions/w/status.json || [ $i = 200 ]; do sleep 0.05; i=$((i + 1)); done
"$@" _ worker list --json; "$@" down >&2`;
    const { stdout, stderr } = await shell(
      p,
      `exec unshare -m sh -c '${inside.replaceAll("'", "'\\''")}' sh "$@"`,
    );
    match(stdout, /"state":"running"/, stderr);
    const { state, exit_code, ended_by } = JSON.parse(stdout.slice(stdout.indexOf("[")))[0];
    deepStrictEqual([state, exit_code, ended_by], ["exited", 3, "self"]);
  });
}

// That user must be able to reach the program under test.
const AS_USER = "setpriv --reuid=65534 --regid=65534 --clear-groups";
const isUserHere = can("ordinary user", `${AS_USER} test -x "${looopCommand()[0]}"`);

if (isUserHere) {
  Deno.test("given an ordinary user's worker that hides nothing, when all is ended, then no process is said to hide", async () => {
    await using p = await testProfile();
    for (const path of [p.base, `${p.base}/home`]) Deno.chownSync(path, 65534, 65534);
    const as = `exec ${AS_USER} "$@"`;
    strictEqual((await shell(p, as, ["_", "worker", "start", "w", "--runner", "shell", HOLD])).code, 0);
    const { code, stderr } = await shell(p, as, ["down"]);
    deepStrictEqual([code, stderr], [0, ""]);
  });
}

if (isUserHere && can("ssh-agent", "command -v ssh-agent")) {
  Deno.test("given an ordinary user's worker that leaves an ssh-agent, when it is killed, then the agent is ended or named", async () => {
    await using p = await testProfile();
    for (const path of [p.base, `${p.base}/home`]) Deno.chownSync(path, 65534, 65534);
    const as = `exec ${AS_USER} "$@"`;
    const script =
      'eval $(ssh-agent) >/dev/null; echo "$SSH_AGENT_PID" >"$LOOOP_REPORTS_DIR/.pid"; mv "$LOOOP_REPORTS_DIR/.pid" "$LOOOP_REPORTS_DIR/pid"; sleep 600';
    strictEqual((await shell(p, as, ["_", "worker", "start", "w", "--runner", "shell", script])).code, 0);
    await p.until("the agent runs", () => fileText(p, "reports/pid") !== "");
    const pid = Number(p.read("reports/pid"));
    const { code, stderr } = await shell(p, as, ["_", "worker", "kill", "w"]);
    strictEqual(code, 0, stderr);
    const lives = await Deno.readTextFile(`/proc/${pid}/stat`).then(
      (stat) => !/\) Z /.test(stat),
      () => false,
    );
    if (lives) {
      match(stderr, new RegExp(`process ${pid} \\(ssh-agent\\) hides its environment`));
      Deno.kill(pid, "SIGKILL");
    }
    await shell(p, as, ["down"]);
  });
}

// Each limit stops a call at a different step, which also depends on the runtime, the kernel and the caller.
const LIMITS: readonly (readonly [string, readonly string[], RegExp])[] = [
  [
    "few open files",
    [13, 15, 17, 19, 21, 23].map((n) => `-n ${n}`),
    /too many open files.*raise `ulimit -n`/i,
  ],
  ["no byte in a file", ["-f 0"], /File too large.*raise `ulimit -f`/],
];

// From source the runtime itself needs more than these limits.
if (looopCommand().length === 1) {
  for (const [what, limits, says] of LIMITS) {
    Deno.test(`given a limit of ${what}, when verbs are called, then each that fails exits 1 with one line`, async () => {
      await using p = await testProfile();
      await p.ok("up");
      await p.ok("down");
      for (const i of limits.keys()) await Deno.writeTextFile(p.path(`goals/g${i}.md`), "text\n");
      const calls = limits.flatMap((limit, i) =>
        [
          ["up"],
          ["_", "worker", "start", `w${i}`, "--runner", "shell", "true"],
          ["_", "goal", "write", "g", "text"],
          ["_", "goal", "archive", `g${i}`],
          ["cost"],
          ["_", "run", "true"],
          ["_", "state"],
        ].map((args) => ({ limit, args }))
      );
      let failed = 0;
      for (const { limit, args } of calls) {
        const { code, stderr } = await shell(p, `ulimit ${limit}; exec "$@"`, args);
        const told = `${limit} ${args.join(" ")}: ${code} ${stderr}`;
        ok(code === 0 || code === 1, told);
        if (code === 0) continue;
        failed++;
        match(stderr, says, told);
        strictEqual(stderr.trimEnd().split("\n").length, 1, told);
        const goal = /archive (g\d+)/.exec(told)?.[1];
        // A failed call has either done nothing or says what it has done.
        if (goal !== undefined) {
          strictEqual(fileText(p, `goals/${goal}.md`) === "", /was done/.test(stderr), told);
        }
        if (args[0] === "up") {
          strictEqual(JSON.parse(await p.ok("_", "state", "--json")).pulse.alive, false, told);
        }
      }
      ok(failed > 0);
    });
  }

  Deno.test("given a limit of open files that a sensor's run exceeds, when a sensor is added, then one line says that it is installed", async () => {
    await using p = await testProfile();
    await p.ok("_", "state");
    const { code, stderr } = await shell(p, 'ulimit -n 17; exec "$@"', [
      "_",
      "sensor",
      "add",
      "today",
      "--as",
      "s",
    ]);
    if (code === 1) {
      match(
        stderr,
        /^looop _ sensor add: ("s" is installed, but [^\n]*too many open files|Cannot )[^\n]*\n$/,
      );
    }
    strictEqual(code === 0 || fileText(p, "sensors/s.sh") === "" || /installed/.test(stderr), true, stderr);
  });

  Deno.test("given a brief larger than a file may be, when a worker is started, then it is recorded as ended, not left starting", async () => {
    await using p = await testProfile();
    const start = ["_", "worker", "start", "w", "--command", "true", "a brief ".repeat(1000)];
    const { code, stderr } = await shell(p, 'ulimit -f 6; exec "$@"', start);
    deepStrictEqual([code, stderr.trimEnd().split("\n").length], [1, 1], stderr);
    const { state, exit_code } = await workerView(p, "w");
    deepStrictEqual([state, exit_code], ["exited", 126]);
  });

  Deno.test("given a file as stdout and a size limit of 0, when a verb prints, then it exits 1 with one line", async () => {
    await using p = await testProfile();
    const { code, stderr } = await shell(p, `ulimit -f 0; exec "$@" >"${p.base}/out"`, ["version"]);
    deepStrictEqual([code, stderr.trimEnd().split("\n").length], [1, 1], stderr);
    match(stderr, /File too large.*raise `ulimit -f`/);
  });
}
