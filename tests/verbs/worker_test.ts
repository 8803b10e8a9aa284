import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { readMarked } from "../../lib/process/table.ts";
import { killWorker } from "../../lib/workers/end.ts";
import { looopCommand, TestProfile, testProfile } from "../looop.ts";
import {
  endedWorker,
  fileText,
  HOLD,
  identityIn,
  isAlive,
  letGo,
  shell,
  startWorker,
  stranger,
  textOf,
  workerView,
} from "../workers.ts";

/** Pids in a worker's report, one per line. */
async function pidsIn(p: TestProfile, report: string, count: number): Promise<number[]> {
  await p.until(`${count} pids are in ${report}`, () => fileText(p, report).split("\n").length > count);
  return p.read(report).trim().split("\n").map(Number);
}

/** A line that waits for ever in this shell and ignores TERM, HUP and INT. */
const STUBBORN = `trap "" TERM HUP INT; while :; do sleep 1; done`;

Deno.test("given a worker, when it looks at its terminal, then stdin and stdout are one of 50 rows and 160 columns that sends no end of file", async () => {
  await using p = await testProfile();
  await startWorker(
    p,
    "w",
    `report="$LOOOP_DATA_DIR/reports/w"
     [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminals >>"$report"
     [ "$(tty)" = "$(tty <&2)" ] && echo same >>"$report"
     echo "$TERM $PWD" >>"$report"
     stty size >>"$report"
     # By way of a file: while a shell forks a pipeline, it holds the pipe itself.
     [ ! -d /proc/self/fd ] || { ls -l /proc/$$/fd >"$report.fds"; grep -c 'pipe:' "$report.fds" >>"$report"; }
     read -r -t 1 line; echo "read $?" >>"$report"
     ${HOLD}`,
    { env: { TERM: "dumb", COLUMNS: "20", LINES: "5" } },
  );
  await p.until("the first read is over", () => fileText(p, "reports/w").includes("read"));
  deepStrictEqual(p.read("reports/w").trim().split("\n"), [
    "terminals",
    "same",
    `xterm-256color ${p.profile.dir}`,
    "50 160",
    ...(Deno.build.os === "linux" ? ["0"] : []),
    // Exit codes of bash's read: over 128 for the time limit, 1 for an end of file.
    "read 142",
  ]);
  deepStrictEqual([...Deno.readDirSync(p.path("sessions/w"))].filter((entry) => entry.name === "keys"), []);
  letGo(p);
  strictEqual((await endedWorker(p, "w")).exit_code, 0);
});

Deno.test("given workers that end in every way, when they have ended, then code and cause are recorded", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await Promise.all([
    startWorker(p, "well", "exit 0"),
    startWorker(p, "badly", "exit 7"),
    startWorker(p, "signalled", "kill -9 $$"),
    startWorker(p, "itself", '"$LOOOP_BIN" _ kill itself; sleep 600'),
    startWorker(p, "late", "sleep 600", { args: ["--timeout", "1"] }),
    startWorker(p, "root", "sleep 600"),
    startWorker(p, "down", "sleep 600"),
  ]);
  await p.ok("_", "worker", "kill", "root");
  await Promise.all(["well", "badly", "signalled", "itself", "late"].map((id) => endedWorker(p, id)));
  match(await p.ok("down"), /stopped 1 worker \(down\)\nlooop: pulse stopped/);
  const fleet = await p.json("_", "worker", "list", "--json");
  // deno-lint-ignore no-explicit-any -- the test compares the reply's own shape
  deepStrictEqual(fleet.map((one: any) => [one.id, one.state, one.exit_code, one.ended_by, one.alive]), [
    ["badly", "exited", 7, "self", false],
    ["down", "killed", null, "down", false],
    ["itself", "exited", 0, "self", false],
    ["late", "killed", null, "timeout", false],
    ["root", "killed", null, "root", false],
    ["signalled", "exited", 137, "crash", false],
    ["well", "exited", 0, "self", false],
  ]);
  match(fileText(p, "journal.md"), /timeout: worker late ran past its time/);
  deepStrictEqual(await p.processes(), []);
});

Deno.test("given a worker, when the pulse is killed with -9, then the worker goes on and its end is recorded", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await startWorker(p, "w", `${HOLD}; exit 5`);
  Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
  await p.until("the pulse is dead", async () => !(await p.json("_", "state", "--json")).pulse.alive);
  strictEqual((await workerView(p, "w")).state, "running");
  letGo(p);
  const { state, exit_code } = await endedWorker(p, "w");
  deepStrictEqual([state, exit_code], ["exited", 5]);
});

Deno.test("given a start captured by $(…) with more descriptors open, when it is up, then the caller goes on at once", async () => {
  await using p = await testProfile();
  const started = performance.now();
  const script = 'out=$("$@" "sleep 30" 2>&1 4>&1 9>&1) && echo "$out" | cat';
  const { stdout } = await shell(p, script, ["_", "worker", "start", "w", "--runner", "shell"]);
  strictEqual(stdout, "start-worker w (shell)\n");
  ok(performance.now() - started < 20_000);
  strictEqual((await workerView(p, "w")).alive, true);
});

Deno.test("given a supervisor killed with -9, when its worker is looked at, then it is lost, and kill and down end its tree", async () => {
  await using p = await testProfile();
  for (const id of ["one", "two"]) {
    await startWorker(
      p,
      id,
      `echo $$ >>"$LOOOP_DATA_DIR/reports/${id}"; (setsid sleep 600 & echo $! >>"$LOOOP_DATA_DIR/reports/${id}"); sleep 600`,
    );
  }
  const programs = ["one", "two"].map((id) => identityIn(p, `sessions/${id}/program`));
  for (const id of ["one", "two"]) Deno.kill(identityIn(p, `sessions/${id}/sup`).pid, "SIGKILL");
  await p.until("both are lost", async () => {
    const fleet = await p.json("_", "worker", "list", "--json");
    return fleet.every((one: { state: string }) => one.state === "lost");
  });
  const { alive, exit_code, ended_by } = await workerView(p, "one");
  deepStrictEqual([alive, exit_code, ended_by], [false, null, "crash"]);
  for (const program of programs) ok(await isAlive(program), "an orphaned agent goes on until it is ended");
  strictEqual(await p.ok("_", "worker", "kill", "one"), "killed worker one");
  deepStrictEqual([await isAlive(programs[0]!), await isAlive(programs[1]!)], [false, true]);
  match(fileText(p, "journal.md"), /kill-worker one/);
  strictEqual((await workerView(p, "one")).state, "killed");
  await p.ok("down");
  deepStrictEqual(await p.processes(), []);
  strictEqual((await workerView(p, "two")).ended_by, "down");
  strictEqual(await p.ok("_", "worker", "kill", "one"), "worker one had ended already");
});

Deno.test("given a lost worker whose agent runs on, when others want its id or its lease, then they are refused until it has ended itself", async () => {
  await using p = await testProfile();
  const script = 'until [ -e "$LOOOP_DATA_DIR/go" ]; do sleep 0.05; done; "$LOOOP_BIN" _ kill w; sleep 600';
  await startWorker(p, "w", script);
  await p.ok("_", "claim", "task", "--session", "w");
  await startWorker(p, "other", "sleep 600");
  Deno.kill(identityIn(p, "sessions/w/sup").pid, "SIGKILL");
  await p.until("it is lost", async () => (await workerView(p, "w")).state === "lost");
  await p.ok("up");
  const start = await p.run("_", "worker", "start", "w", "--command", "true", "x");
  deepStrictEqual([start.code, start.stdout], [1, ""]);
  match(start.stderr, /Worker "w" is lost, but its agent still runs; end it with `looop _ worker kill w`/);
  match((await p.run("_", "claim", "task", "--session", "other")).stderr, /held by "w"/);
  Deno.writeTextFileSync(p.path("go"), "");
  const { state, exit_code, ended_by } = await endedWorker(p, "w");
  deepStrictEqual([state, exit_code, ended_by], ["exited", 0, "self"]);
  await p.until(
    "the lease is free",
    async () => (await p.run("_", "claim", "task", "--session", "other")).code === 0,
  );
  await p.ok("_", "worker", "start", "w", "--command", "true", "x");
});

Deno.test("given a disk that takes nothing more, when workers are killed and stopped, then they end, and the output names what was not written", async () => {
  await using p = await testProfile();
  await p.ok("up");
  for (const id of ["one", "two"]) await startWorker(p, id, "sleep 600");
  const full = (...args: string[]) =>
    new Deno.Command("/bin/sh", {
      // Every write to a file fails under this limit.
      args: ["-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "sh", ...looopCommand(), ...args],
      env: p.env,
      clearEnv: true,
      cwd: p.base,
      stdin: "null",
    }).output();
  const said = ({ code, stdout, stderr }: Deno.CommandOutput) => {
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return [code, out!, err!] as const;
  };
  const two = identityIn(p, "sessions/two/program");
  const [killCode, , killErr] = said(await full("_", "worker", "kill", "one"));
  strictEqual(killCode, 1);
  match(killErr, /^looop _ worker kill: Worker "one" was ended, but this could not be recorded: .*\n$/);
  strictEqual(await isAlive(two), true);
  const [downCode, downOut, downErr] = said(await full("down"));
  strictEqual(downCode, 1);
  match(downOut, /stopped 1 worker \(two\)\nlooop: pulse stopped/);
  match(downErr, /^looop down: Cannot write ".*wanted\.json": .*\n$/);
  deepStrictEqual(await p.processes(), []);
  const fleet = await p.json("_", "worker", "list", "--json");
  deepStrictEqual(fleet.map((one: { alive: boolean }) => one.alive), [false, false]);
  await p.ok("down");
});

Deno.test("given a data dir that is reached through a link, too, when a worker is started by one name and killed by the other, then no process is left", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const link = `${p.base}/link`;
  Deno.symlinkSync(p.profile.dir, link);
  const names = [link, p.profile.dir];
  for (const [n, name] of names.entries()) {
    // It has no parent and a session of its own, so only its environment can find it.
    const script = '(setsid sh -c "echo >\\"$LOOOP_DATA_DIR/reports/$$\\"; sleep 600; :" &); sleep 600';
    await startWorker(p, `w${n}`, script, { env: { LOOOP_DATA_DIR: name } });
    await p.until("it runs", () => [...Deno.readDirSync(p.path("reports"))].length === n + 1);
    await p.okCall(["_", "worker", "kill", `w${n}`], { env: { LOOOP_DATA_DIR: names[1 - n]! } });
    deepStrictEqual(await p.processes(), []);
    deepStrictEqual(await readMarked([`LOOOP_DATA_DIR=${link}`]), new Set());
  }
});

Deno.test("given workers that ignore TERM, fork twice and leave their session, when they are killed or stopped, then no process is left", async () => {
  await using p = await testProfile();
  const brief = (id: string) =>
    `report="$LOOOP_DATA_DIR/reports/${id}"
     (setsid sh -c 'echo $$ >>"$0"; ${STUBBORN}' "$report" &)
     (sh -c 'sh -c "echo \\$\\$ >>\\"$0\\"; exec sleep 600" & exit' "$report" &)
     (setsid sh -c 'setsid sleep 600 & echo $! >>"$0"' "$report" &)
     echo $$ >>"$report"
     ${STUBBORN}`;
  await Promise.all(["killed", "stopped"].map((id) => startWorker(p, id, brief(id))));
  const pids = [...await pidsIn(p, "reports/killed", 4), ...await pidsIn(p, "reports/stopped", 4)];
  const running = await p.processes();
  for (const pid of pids) ok(running.includes(pid), `process ${pid} runs`);
  await p.ok("_", "worker", "kill", "killed");
  const left = await p.processes();
  for (const pid of pids.slice(0, 4)) ok(!left.includes(pid), `process ${pid} is left`);
  for (const pid of pids.slice(4)) ok(left.includes(pid), `process ${pid} was not to be ended`);
  await p.ok("down");
  deepStrictEqual(await p.processes(), []);
});

Deno.test("given sessions whose pids are a stranger's now, when they are shown, killed and stopped, then the stranger is left alone", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await using other = await stranger();
  const { pid, start, boot } = other.identity;
  const identities = { time: `${pid} ${Number(start) + 1} ${boot}`, boot: `${pid} ${start} 0000-1111` };
  for (const [id, identity] of Object.entries(identities)) {
    const dir = p.path(`sessions/${id}`);
    Deno.mkdirSync(dir);
    const files: Record<string, string> = {
      "meta.json": JSON.stringify({
        v: 1,
        id,
        gen: "g",
        cmd: [],
        babysit_pid: pid,
        started_at: 1,
        runner: "shell",
      }),
      "status.json": JSON.stringify({ state: "running", child_pid: pid, exit_code: null, last_change: 1 }),
      sup: identity,
      program: identity,
    };
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${dir}/${name}`, `${text}\n`);
    Deno.writeTextFileSync(
      p.path(`claims/of-${id}.json`),
      JSON.stringify({ session: id, name: `of-${id}`, gen: "g" }),
    );
  }
  const fleet = await p.json("_", "worker", "list", "--json");
  deepStrictEqual(fleet.map((one: { state: string }) => one.state), ["lost", "lost"]);
  strictEqual(await p.ok("_", "claim", "of-time", "--session", "w"), "claimed of-time");
  await p.ok("_", "worker", "kill", "time");
  await p.ok("_", "kill", "boot");
  await startWorker(p, "time", "sleep 600");
  strictEqual((await workerView(p, "time")).state, "running", "the id can be used again");
  await p.ok("down");
  ok(await isAlive(other.identity));
});

Deno.test("given an id that is used again, when it runs anew, then the earlier runs are kept beside it", async () => {
  await using p = await testProfile();
  for (const n of [1, 2, 3]) {
    await startWorker(p, "w", `echo run ${n}; exit ${n}`);
    await endedWorker(p, "w");
  }
  const code = (dir: string) => JSON.parse(p.read(`sessions/${dir}/status.json`)).exit_code;
  deepStrictEqual([code("w~1"), code("w~2"), code("w")], [1, 2, 3]);
  match(p.read("sessions/w~1/output.log"), /run 1/);
  strictEqual(await p.ok("_", "worker", "log", "w"), "run 3");
  strictEqual((await p.json("_", "worker", "list", "--json")).length, 1);
});

Deno.test("given many starts of one id at once, when all have ended, then exactly one worker runs", async () => {
  await using p = await testProfile();
  const start = (n: number) =>
    p.run("_", "worker", "start", "w", `echo $$ >>reports/w; sleep 600 # ${n}`, "--runner", "shell");
  for (const round of ["first use", "used again"]) {
    const results = await Promise.all([1, 2, 3, 4, 5].map(start));
    deepStrictEqual(results.map(({ code }) => code).sort(), [0, 1, 1, 1, 1], round);
    for (const { code, stderr } of results) {
      if (code !== 0) match(stderr, /^looop _ worker start: Worker "w" is alive already; /);
    }
    const brief = p.read("prompts/w.md").trim().split("\n").at(-1);
    strictEqual(results[Number(brief?.at(-1)) - 1]?.code, 0, "the prompt is the winner's");
    await p.ok("_", "worker", "kill", "w");
  }
  strictEqual(p.read("reports/w").trim().split("\n").length, 2);
  deepStrictEqual(
    [...Deno.readDirSync(p.path("sessions"))].filter((entry) => entry.isDirectory).map(({ name }) => name)
      .sort(),
    [
      "w",
      "w~1",
    ],
  );
});

Deno.test("given workers that are killed while they start, when both are done, then the list shows what runs", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  for (const id of ["a", "b", "c"]) {
    const start = p.start(["_", "worker", "start", id, "sleep 600", "--runner", "shell"]);
    const watcher = Deno.watchFs(p.path("sessions"), { recursive: false });
    for await (const _ of watcher) if (fileText(p, `sessions/${id}/meta.json`) !== "") break;
    await killWorker(p.profile, id, "root", Date.now, () => Promise.resolve("ended"));
    await start.result;
    const { state, ended_by } = await workerView(p, id);
    deepStrictEqual([state, ended_by, await p.processes()], ["killed", "root", []]);
  }
});

Deno.test("given a data dir with blanks, quotes and a command in its long path, when workers, sensors and prompts use it, then all work", async () => {
  const name = `it's "a" $(touch pwned) \`touch pwned\` \\ * ${"long ".repeat(20)}`;
  const outer = await Deno.makeTempDir();
  const base = `${outer}/${name}`;
  await Deno.mkdir(`${base}/home`, { recursive: true });
  const p = new TestProfile(await Deno.realPath(base));
  ok(p.profile.dir.length > 150);
  p.sensor("here", 'printf \'{"signal":"%s"}\' "$("$LOOOP_BIN" version | cut -d" " -f1)"');
  await p.ok("_", "state");
  await p.ok("up");
  const report = '"$LOOOP_BIN" _ kill "$LOOOP_SESSION_ID"; sleep 600';
  await startWorker(p, "shell", `pwd >reports/shell; ${report}`);
  const templates = {
    bare: "tail -n 1 {{prompt_file}} >reports/bare",
    double: 'tail -n 1 "{{prompt_file}}" >reports/double',
    single: "tail -n 1 '{{prompt_file}}' >reports/single",
    text: 'printf "%s\\n" "$(cat {{prompt_file}})" >reports/text',
  };
  for (const [id, template] of Object.entries(templates)) {
    await p.okCall(["_", "worker", "start", id, "--command", template], { stdin: `brief of ${id}` });
  }
  await Promise.all(["shell", "bare", "double", "single", "text"].map((id) => endedWorker(p, id)));
  strictEqual(p.read("reports/shell"), `${p.profile.dir}\n`);
  for (const id of ["bare", "double", "single"]) strictEqual(p.read(`reports/${id}`), `brief of ${id}\n`);
  match(p.read("reports/text"), /You are worker "text"[\s\S]*\nbrief of text\n$/);
  strictEqual((await p.json("_", "state", "--json")).snapshots["sensor-here"].signal, "looop");
  for (const dir of [p.base, p.profile.dir, `${p.base}/home`]) {
    ok(![...Deno.readDirSync(dir)].some((entry) => entry.name === "pwned"), dir);
  }
  await p[Symbol.asyncDispose]();
  await Deno.remove(outer, { recursive: true });
});

Deno.test("given a worker below an agent below a worker, when it looks around, then it has its own marks and the user's settings", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await startWorker(
    p,
    "w",
    'env >"$LOOOP_DATA_DIR/reports/env"; cd /; env -i "$LOOOP_BIN" version >"$LOOOP_DATA_DIR/reports/bin"; "$LOOOP_BIN" _ ready w',
    {
      args: ["--env", "MINE=a b=c", "--env", "TERM=vt100"],
      env: {
        CLAUDECODE: "1",
        CLAUDE_CODE_ENTRYPOINT: "cli",
        CODEX_THREAD_ID: "t",
        PI_SESSION_ID: "s",
        OPENCODE: "1",
        AI_AGENT: "x",
        LOOOP_SESSION_ID: "outer",
        LOOOP_SESSION_GEN: "outer",
        ANTHROPIC_API_KEY: "key",
        CODEX_HOME: "/codex",
        SHELL: "/bin/bash",
      },
    },
  );
  await endedWorker(p, "w");
  const env = new Map(
    p.read("reports/env").trim().split("\n").map((
      line,
    ) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  for (
    const mark of [
      "CLAUDECODE",
      "CLAUDE_CODE_ENTRYPOINT",
      "CODEX_THREAD_ID",
      "PI_SESSION_ID",
      "OPENCODE",
      "AI_AGENT",
    ]
  ) {
    ok(!env.has(mark), mark);
  }
  const ours = [...env.keys()].filter((name) => name.startsWith("LOOOP_")).sort();
  deepStrictEqual(ours, [
    "LOOOP_BIN",
    "LOOOP_CLAIMS_DIR",
    "LOOOP_CONFIG",
    "LOOOP_COST_LEDGER",
    "LOOOP_DATA_DIR",
    "LOOOP_HOME",
    "LOOOP_INTERVAL",
    "LOOOP_REPORTS_DIR",
    "LOOOP_SESSION_GEN",
    "LOOOP_SESSION_ID",
  ]);
  deepStrictEqual(
    [
      "LOOOP_DATA_DIR",
      "LOOOP_CONFIG",
      "LOOOP_SESSION_ID",
      "ANTHROPIC_API_KEY",
      "CODEX_HOME",
      "SHELL",
      "MINE",
      "TERM",
    ].map((
      name,
    ) => env.get(name)),
    [p.profile.dir, p.profile.config, "w", "key", "/codex", "/bin/bash", "a b=c", "vt100"],
  );
  ok(env.get("LOOOP_SESSION_GEN") !== "outer");
  match(p.read("reports/bin"), /^looop \d/);
  strictEqual((await workerView(p, "w")).ready, true);
});

Deno.test("given relative paths, when a worker starts in another folder, then data dir and folder are relative to the caller's", async () => {
  await using p = await testProfile();
  Deno.mkdirSync(`${p.base}/repo`);
  const start = [
    "_",
    "worker",
    "start",
    "w",
    'pwd >"$LOOOP_DATA_DIR/reports/w"; echo "$LOOOP_CONFIG" >>"$LOOOP_DATA_DIR/reports/w"',
    "--runner",
    "shell",
    "--cwd",
    "./repo",
  ];
  await p.okCall(start, { env: { LOOOP_DATA_DIR: "data dir", LOOOP_CONFIG: "repo/../other.json" } });
  await endedWorker(p, "w");
  strictEqual(p.read("reports/w"), `${p.base}/repo\n${p.base}/other.json\n`);
});

Deno.test("given a runner that is not installed or cannot run, when a worker is started, then one line says what to do and nothing is left", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.writeTextFileSync(
    p.profile.config,
    '{"default":"mine","runners":{"mine":{"interactive":"X=1 no-such-agent @{{prompt_file}}"},"var":{"interactive":"$AGENT {{prompt_file}}"}}}',
  );
  Deno.mkdirSync(`${p.base}/empty`);
  const cases: [string[], RegExp][] = [
    [
      [],
      /Runner "mine" needs "no-such-agent", which is not on PATH; install it, or choose another with --runner/,
    ],
    [
      ["--runner", "pi"],
      /Runner "pi" needs "pi".*install it with `npm install -g @earendil-works\/pi-coding-agent`/,
    ],
    [["--runner", "codex"], /install it with `npm install -g @openai\/codex`/],
    [["--command", "/no/such/agent x"], /needs "\/no\/such\/agent"/],
  ];
  for (const [args, says] of cases) {
    const result = await p.call(["_", "worker", "start", "w", "brief", ...args], {
      env: { PATH: `${p.base}/empty` },
    });
    deepStrictEqual([result.code, result.stdout], [1, ""]);
    match(result.stderr, /^looop _ worker start: [^\n]+\n$/);
    match(result.stderr, says);
  }
  deepStrictEqual([...Deno.readDirSync(p.path("sessions"))].map((entry) => entry.name), []);
  deepStrictEqual([...Deno.readDirSync(p.path("prompts"))].map((entry) => entry.name), []);
  // Runners that only the shell can resolve are tried: a variable, a builtin, an assignment first.
  await p.okCall(["_", "worker", "start", "v", "exit 3", "--runner", "var", "--env", "AGENT=cat"]);
  await p.okCall([
    "_",
    "worker",
    "start",
    "c",
    "brief",
    "--command",
    'cd / && pwd >"$LOOOP_DATA_DIR/reports/c"',
  ]);
  await Promise.all([endedWorker(p, "v"), endedWorker(p, "c")]);
  strictEqual(await textOf(p, "reports/c"), "/\n");
});

Deno.test("given a broken config, when a worker is started, then line and column are named and nothing is started", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.writeTextFileSync(p.profile.config, '{\n  "default": "shell",\n  "interval": "fast"\n}\n');
  const result = await p.run("_", "worker", "start", "w", "x");
  strictEqual(result.code, 1);
  match(result.stderr, /^looop _ worker start: config\.json:3:15: "interval" is "fast", [^\n]+\n$/);
  deepStrictEqual([...Deno.readDirSync(p.path("sessions"))].map((entry) => entry.name), []);
});

Deno.test("given a living worker, when its id is started again, then that is refused and the first goes on", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", "sleep 600");
  const before = [p.read("prompts/w.md"), p.read("sessions/w/meta.json")];
  const again = await p.run("_", "worker", "start", "w", "other", "--runner", "shell");
  strictEqual(again.code, 1);
  match(again.stderr, /Worker "w" is alive already; watch it with .*_ worker log w/);
  deepStrictEqual([p.read("prompts/w.md"), p.read("sessions/w/meta.json")], before);
  strictEqual((await workerView(p, "w")).alive, true);
});

Deno.test("given many workers that end at once, when they are started, then every start returns", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const starts = Array.from({ length: 12 }, (_, n) => `w${n}`).map(async (id) => {
    using start = p.start(["_", "worker", "start", id, "x", "--command", "true"]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<string>((resolve) => timer = setTimeout(() => resolve("hangs"), 60_000));
    const outcome = await Promise.race([start.result.then(({ stdout, stderr }) => stdout + stderr), late]);
    clearTimeout(timer);
    return outcome;
  });
  deepStrictEqual(
    new Set((await Promise.all(starts)).map((line) => line.replace(/ w\d+/, ""))),
    new Set(["start-worker (command)\n"]),
  );
});

Deno.test("given workers in every state, when they are listed, then columns are aligned and askers are marked", async () => {
  await using p = await testProfile();
  await startWorker(p, "asker", `"$LOOOP_BIN" _ ask asker --prompt 'Go on?'; sleep 600`);
  await startWorker(
    p,
    "a-worker-with-a-long-name",
    `"$LOOOP_BIN" _ ready a-worker-with-a-long-name; sleep 600`,
  );
  await startWorker(p, "over", "exit 3");
  await p.until("all have begun", () => fileText(p, "asks/asker-1.json") !== "");
  await endedWorker(p, "over");
  await p.until("it is ready", async () => (await workerView(p, "a-worker-with-a-long-name")).ready);
  const lines = (await p.okCall(["_", "worker", "list"], { env: { COLUMNS: "120" } })).split("\n");
  const row = (id: string) => lines.find((line) => line.startsWith(`${id} `)) ?? "";
  match(row("asker"), /^asker +running +shell +\d+ s ago +asking, quiet \d+ s$/);
  match(
    row("a-worker-with-a-long-name"),
    /^a-worker-with-a-long-name +running +shell +\d+ s ago +quiet \d+ s$/,
  );
  match(row("over"), /^over +exited 3 +shell +\d+ s ago +by self$/);
  deepStrictEqual([...new Set(lines.map((line) => line.indexOf("shell")))].length, 1, lines.join("\n"));
  const narrow = (await p.okCall(["_", "worker", "list"], { env: { COLUMNS: "40" } })).split("\n");
  for (const line of narrow) ok(line.length <= 40, line);
  await p.ok("_", "answer", "asker-1", "yes");
  ok(!(await p.ok("_", "worker", "list")).includes("asking"));
});
