import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { displayWidth } from "../../lib/text/style.ts";
import { type TestProfile, testProfile } from "../looop.ts";

/** Writes a pending ask as `_ ask` does. */
function ask(p: TestProfile, worker: string, n: number, ageS: number, prompt: string): void {
  const id = `${worker}-${n}`;
  const ts = Math.floor(Date.now() / 1000) - ageS;
  Deno.mkdirSync(p.profile.asks, { recursive: true });
  Deno.writeTextFileSync(
    p.path(`asks/${id}.json`),
    JSON.stringify({ v: 1, id, worker, prompt, ts, gen: "" }),
  );
}

/** Writes the records of a worker that ended, or whose supervisor is gone. */
function session(p: TestProfile, id: string, state: "exited" | "running"): void {
  const now = Math.floor(Date.now() / 1000);
  const dir = p.path(`sessions/${id}`);
  Deno.mkdirSync(dir, { recursive: true });
  const meta = {
    v: 1,
    id,
    gen: id,
    cmd: [],
    babysit_pid: 0,
    started_at: now - 3600,
    runner: "shell",
    cwd: "/",
  };
  Deno.writeTextFileSync(`${dir}/meta.json`, JSON.stringify(meta));
  const exit_code = state === "exited" ? 0 : null;
  const status = { state, child_pid: 0, exit_code, last_change: now - 60, ended_by: "self" };
  Deno.writeTextFileSync(`${dir}/status.json`, JSON.stringify(status));
}

async function fresh(config = '{ "default": "shell" }'): Promise<TestProfile> {
  const p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, config);
  return p;
}

// deno-lint-ignore no-explicit-any -- tests look into it freely
async function kinds(p: TestProfile): Promise<any[]> {
  return (await p.json("status", "--json")).problems.map(({ kind, id }: { kind: string; id?: string }) =>
    id === undefined ? kind : `${kind}:${id}`
  );
}

Deno.test("given a beating pulse and nothing wrong, when status is shown, then it reports no problem", async () => {
  await using p = await fresh();
  await p.ok("up");
  const screen = await p.ok("status");
  match(screen, /^pulse: alive \(beat \d+, \d s ago\) · 0 workers · spent today: \$0\.00\n/);
  match(screen, /nothing stands in the way/);
  const state = await p.json("status", "--json");
  deepStrictEqual([state.problems, state.runner], [[], { name: "shell", ok: true }]);
  ok(state.disk_free_bytes > 0 && "world_hash" in state && "workers" in state);
});

Deno.test("given a pulse stopped, killed or paused, when status is shown, then that comes first, with its remedy", async () => {
  await using p = await fresh();
  match(await p.ok("status"), /^! the pulse is stopped: nothing is sensed; `looop up` starts it$/m);
  await p.ok("up");
  const { pid } = JSON.parse(p.read(".pulse.json"));
  Deno.kill(pid, "SIGSTOP");
  await p.until("stalled", async () => (await kinds(p))[0] === "pulse_stalled");
  Deno.kill(pid, "SIGKILL");
  await p.until("dead", async () => (await kinds(p))[0] === "pulse_dead");
  match(await p.ok("status"), /^! the pulse is dead, .*`looop up` starts it/m);
});

Deno.test("given every possible problem, when status is shown, then each cause is named once", async () => {
  await using p = await fresh(
    '{ "default": "nonsuch-agent", "runners": { "nonsuch-agent": { "interactive": "nonsuch {{prompt_file}}" } }, "silent_after": 1, "ready_timeout": 1, "colour": 1 }',
  );
  p.sensor("failing", "echo '\x1b[2Joh no' >&2; exit 3");
  p.sensor("steady", "echo 1");
  await p.ok("up");
  await p.ok("_", "worker", "start", "mute", "--runner", "shell", "sleep 600");
  await p.ok("_", "worker", "start", "quiet", "--runner", "shell", '"$LOOOP_BIN" _ ready quiet; sleep 600');
  session(p, "lost", "running");
  session(p, "done", "exited");
  ask(p, "done", 1, 7200, "first?");
  ask(p, "quiet", 2, 60, "second?");
  Deno.writeTextFileSync(p.path("claims/torn.json"), '{"sess');
  await p.until("not ready", async () => (await kinds(p)).includes("not_ready:mute"));
  await p.until("sensed", async () => (await kinds(p)).includes("sensor_fails:failing"));
  deepStrictEqual((await kinds(p)).sort(), [
    "asks:done-1",
    `bad_file:${p.path("claims/torn.json")}`,
    "config",
    "not_ready:mute",
    "runner_missing:nonsuch-agent",
    "sensor_fails:failing",
    "worker_lost:lost",
  ]);
  Deno.removeSync(p.path("asks/quiet-2.json"));
  await p.until("silent", async () => (await kinds(p)).includes("silent:quiet"));
  const screen = await p.okCall(["status"], { env: { COLUMNS: "200" } });
  match(screen, /^! a question waits for an answer: done-1, 2 h; /m);
  match(screen, /done-1 +2 h +\(worker ended\) first\?/);
  match(screen, /sensor failing fails: exit 3: oh no; try it: `looop _ sensor run failing`/);
  // deno-lint-ignore no-control-regex -- these must not be there
  strictEqual(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(screen), false);
});

Deno.test("given a sensor that is never read again, when status is shown, then it is stale", async () => {
  await using p = await fresh();
  p.sensor("steady", "echo 1");
  await p.ok("up");
  Deno.writeTextFileSync(p.path("sensors/steady.sh"), "#!/bin/sh\nsleep 600\n");
  const stale = /sensor steady is stale: read \d+ s\s+ago, due every 1 s/;
  await p.until("stale", async () => stale.test(await p.ok("status")));
});

Deno.test("given 1,000 questions and 20 workers, when status is shown on 40 and 80 columns, then it is one screen", async () => {
  await using p = await fresh();
  for (let n = 1; n <= 1000; n++) {
    ask(
      p,
      `worker-with-a-long-name-${n % 20}`,
      n,
      n * 60,
      `\x1b]0;owned\x07漢字 ${"please decide ".repeat(20)}`,
    );
  }
  for (let n = 0; n < 20; n++) session(p, `worker-with-a-long-name-${n}`, "exited");
  for (const [columns, rows] of [[40, 36], [80, 28]] as const) {
    const started = performance.now();
    const screen = await p.okCall(["status"], { env: { COLUMNS: String(columns) } });
    ok(performance.now() - started < 5000, "too slow even for a loaded machine");
    const lines = screen.split("\n");
    ok(lines.length <= rows, `${lines.length} lines:\n${screen}`);
    // A command may be wider, since it stays on one line to be copied.
    for (const line of lines) ok(displayWidth(line) <= columns || /`[^`]+`/.test(line), line);
    match(screen, /`looop _ answer worker-with-a-long-name-0-1000 <text>`/);
    match(screen, /1000 questions wait/);
    match(screen, /questions for you: 1000\n {2}work\S* +16 h/);
    match(screen, /… and 995 more/);
    match(screen, /workers: 0 alive, 20 ended/);
    match(screen, /… and 12 more/);
    strictEqual(screen.includes("\x1b") || screen.includes("owned"), false);
  }
});

Deno.test("given a runner that is missing, when status is shown, then `init --runner` and the PATH that was searched are named", async () => {
  await using p = await fresh('{ "default": "pi" }');
  const env = { PATH: "/usr/bin:/bin:/nowhere/special", COLUMNS: "300" };
  const screen = await p.okCall(["status"], { env });
  match(screen, /"pi" is not on PATH; .*`looop init --runner NAME`; looked along PATH=\S*\/nowhere\/special/);
});

Deno.test("given a narrow terminal, when status and the doctor are shown, then every command is whole on one line", async () => {
  await using p = await fresh('{ "default": "pi" }');
  session(p, "a-worker-with-quite-a-long-name", "running");
  ask(p, "a-worker-with-quite-a-long-name", 1, 7200, "first?");
  p.sensor("a-sensor-that-fails", "exit 3");
  const env = { PATH: `${p.env["PATH"]}` };
  for (const verb of ["status", "doctor"]) {
    const wide = await p.call([verb], { env: { ...env, COLUMNS: "1000" } });
    const commands = [...wide.stdout.matchAll(/`[^`\n]+`/g)].map(([command]) => command);
    ok(commands.length >= 3, wide.stdout);
    for (const columns of ["24", "40", "60"]) {
      const { stdout } = await p.call([verb], { env: { ...env, COLUMNS: columns } });
      for (const command of commands) {
        ok(
          stdout.split("\n").some((line) => line.includes(command)),
          `${verb} on ${columns}: ${command}\n${stdout}`,
        );
      }
    }
  }
});
