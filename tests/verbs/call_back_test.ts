import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, testProfile } from "../looop.ts";
import { endedWorker, fileText, shell, startWorker } from "../workers.ts";

function can(what: string, command: string): boolean {
  const { success } = new Deno.Command("/bin/sh", { args: ["-c", command], stdout: "null", stderr: "null" })
    .outputSync();
  if (!success) Deno.stderr.writeSync(new TextEncoder().encode(`skipped: no ${what} here\n`));
  return success;
}

/** Surroundings of a worker's call: name, shell lines before the call, its exit code, and its stderr. */
const SURROUNDINGS: readonly (readonly [string, string, number, RegExp])[] = [
  [
    "a folder that is gone",
    'mkdir "$HOME/gone"; cd "$HOME/gone"; rmdir "$HOME/gone"',
    0,
    /^(sh: 0: getcwd\(\) failed: [^\n]*\n)?$/,
  ],
  ["a folder whose name is not UTF-8", `d=$HOME/$(printf 'caf\\351'); mkdir "$d"; cd "$d"`, 0, /^$/],
  ["a folder whose name is UTF-8", 'mkdir "$HOME/Käse"; cd "$HOME/Käse"', 0, /^$/],
  ["an empty TMPDIR", "export TMPDIR=", 0, /^$/],
  ["a relative TMPDIR", "export TMPDIR=tmp", 0, /^$/],
  [
    "a data dir that is not UTF-8",
    `export LOOOP_DATA_DIR=$(printf '/tmp/caf\\351')`,
    1,
    /^looop: .*is not UTF-8.*\n$/,
  ],
  ["a limit of 12 open files", "ulimit -n 12", 1, /^looop: 12 open files are too few to start; [^\n]*\n$/],
  [
    "a limit of addresses",
    "ulimit -v 4000000",
    1,
    /^looop: 4000000 KiB of memory are too few to start; [^\n]*\n$/,
  ],
  ["a variable that is not UTF-8", `export LATIN=$(printf 'caf\\351')`, 0, /^$/],
];

for (const [what, before, code, says] of SURROUNDINGS) {
  Deno.test(`given a worker in ${what}, when it calls back, then the call works or prints one line`, async () => {
    await using p = await testProfile();
    const reports = p.profile.reports;
    await startWorker(
      p,
      "w",
      `${before}\n"$LOOOP_BIN" _ ready w 2>"${reports}/err"; echo $? >"${reports}/code"`,
    );
    await endedWorker(p, "w");
    deepStrictEqual(
      [p.read("reports/code"), says.test(p.read("reports/err"))],
      [`${code}\n`, true],
      p.read("reports/err"),
    );
    strictEqual(fileText(p, "sessions/w/ready") === "" && code !== 0, code !== 0);
  });
}

Deno.test("given a worker's words that are UTF-8 or not, when it asks with them, then the first are kept and the second are refused by name", async () => {
  await using p = await testProfile();
  await startWorker(
    p,
    "w",
    `"$LOOOP_BIN" _ ask w --prompt "$(printf 'caf\\351?')" 2>"$LOOOP_REPORTS_DIR/err"; echo $? >"$LOOOP_REPORTS_DIR/code"
     "$LOOOP_BIN" _ ask w --prompt "Käse 🧀?" >"$LOOOP_REPORTS_DIR/answer"`,
  );
  await p.until("it asks", () => fileText(p, "asks/w-1.json") !== "");
  strictEqual(JSON.parse(p.read("asks/w-1.json")).prompt, "Käse 🧀?");
  await p.ok("_", "answer", "w-1", "ja");
  await endedWorker(p, "w");
  strictEqual(p.read("reports/code"), "2\n");
  match(p.read("reports/err"), /^looop: an argument is not UTF-8.*\n$/);
  strictEqual(p.read("reports/answer"), "ja\n");
});

if (can("mount of a tmpfs", "unshare -m mount -t tmpfs -o noexec none /mnt")) {
  Deno.test("given a data dir where no program can be run, when a worker is started, then it calls back all the same, or is refused from source", async () => {
    await using p = await testProfile();
    const standalone = looopCommand().length === 1;
    const inside =
      `mkdir -p "$LOOOP_DATA_DIR" && mount -t tmpfs -o noexec,mode=700 none "$LOOOP_DATA_DIR" || exit 99
"$@" _ worker start w --runner shell '"$LOOOP_BIN" _ ready w && echo ok >"$LOOOP_REPORTS_DIR/ok"'; echo "start $?"
"$@" doctor 2>&1 | grep -a programs
i=0; until [ -e "$LOOOP_DATA_DIR/reports/ok" ] || [ $i = 100 ]; do sleep 0.1; i=$((i + 1)); done
cat "$LOOOP_DATA_DIR/reports/ok"
"$@" down`;
    const { stdout, stderr } = await shell(
      p,
      `exec unshare -m sh -c "$0" sh "$@"`.replace('"$0"', `'${inside.replaceAll("'", "'\\''")}'`),
    );
    match(stdout, /programs: no program can be run in/, stderr);
    if (standalone) match(stdout, /start 0\n[^]*\nok\n/);
    else {
      match(stdout, /start 1\n/);
      match(stderr, /could not call back: no program can be run in ".*" \(noexec\?\); put the data dir/);
    }
  });
}

Deno.test("given a machine without script(1), when a worker is started, then that fails at once and leaves no session", async () => {
  await using p = await testProfile();
  await Deno.mkdir(`${p.base}/bin`);
  for (const name of ["sh", "bash", "git"]) {
    const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", `command -v ${name}`] }).output();
    await Deno.symlink(new TextDecoder().decode(stdout).trim(), `${p.base}/bin/${name}`);
  }
  const env = { PATH: `${p.base}/bin` };
  const { code, stderr } = await p.call(["_", "worker", "start", "w", "--runner", "shell", "true"], { env });
  deepStrictEqual(
    [code, /needs? `script`, which is not on PATH; install it/.test(stderr)],
    [1, true],
    stderr,
  );
  deepStrictEqual(await p.json("_", "worker", "list", "--json"), []);
});

Deno.test("given a running pulse and worker, when up restarts it with another environment, then sensors have that and the worker lives", async () => {
  await using p = await testProfile();
  await p.ok("up");
  p.sensor("word", `printf '"%s"' "$WORD"`);
  await startWorker(p, "w", "sleep 600");
  const before = JSON.parse(p.read(".pulse.json")).pid;
  match(await p.okCall(["up"], { env: { WORD: "one" } }), /already running/);
  match(await p.okCall(["up", "--restart"], { env: { WORD: "two" } }), /^looop: pulse restarted\n/);
  ok(JSON.parse(p.read(".pulse.json")).pid !== before);
  await p.until(
    "the sensor has the word",
    async () => (await p.json("_", "state", "--json")).snapshots["sensor-word"] === "two",
  );
  strictEqual((await p.json("_", "worker", "list", "--json"))[0].alive, true);
  await p.ok("down");
  match(await p.ok("up", "--restart"), /^looop: pulse started\n/);
});
