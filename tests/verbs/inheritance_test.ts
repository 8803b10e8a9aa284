import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";
import { endedWorker, fileText, shell, startWorker, textOf } from "../workers.ts";
import { readMarked } from "../../lib/process/table.ts";

function can(program: string): boolean {
  if (
    new Deno.Command("/bin/sh", { args: ["-c", `command -v ${program}`], stdout: "null" }).outputSync()
      .success
  ) {
    return true;
  }
  Deno.stderr.writeSync(new TextEncoder().encode(`skipped: no ${program} here\n`));
  return false;
}

/** Command with which each kind of child (sensor, worker, hook, `_ run`) reports what it has inherited. */
const REPORT = `{ env -0 | tr '\\n\\0' ' \\n'; ls -l /proc/$$/fd | sed -n 's/.* \\([0-9]*\\) -> /fd \\1 /p'
grep SigIgn /proc/self/status; } >"$LOOOP_DATA_DIR/reports/`;

/** Adds a hook and a sensor that report. */
async function reporters(p: TestProfile): Promise<void> {
  await p.ok("_", "state");
  p.sensor(
    "report",
    `${REPORT}.sensor" && mv "$LOOOP_DATA_DIR/reports/.sensor" "$LOOOP_DATA_DIR/reports/sensor"; echo 1`,
  );
  Deno.writeTextFileSync(
    p.profile.config,
    JSON.stringify({ notification: `${REPORT}hook"; echo done >>"$LOOOP_DATA_DIR/reports/hook"` }),
  );
}

/** Reports of the children of a caller, by name. The caller is a shell script whose `"$@"` is looop. */
async function childrenOf(
  p: TestProfile,
  script: string,
  env: Record<string, string> = {},
): Promise<Record<string, string>> {
  const worker = [
    "_",
    "worker",
    "start",
    "w",
    "--runner",
    "shell",
    `${REPORT}worker"; echo done >>"$LOOOP_DATA_DIR/reports/worker"`,
  ];
  for (const args of [["up"], worker, ["_", "notify", "hello"], ["_", "run", `${REPORT}run"`]]) {
    const { code, stderr } = await shell(p, script, args, env);
    strictEqual(code, 0, `${args.join(" ")}: ${stderr}`);
  }
  await p.until(
    "all have reported",
    () =>
      fileText(p, "reports/sensor") !== "" && fileText(p, "reports/hook").endsWith("done\n") &&
      fileText(p, "reports/worker").endsWith("done\n"),
  );
  return Object.fromEntries(
    ["sensor", "hook", "worker", "run"].map((name) => [name, p.read(`reports/${name}`)]),
  );
}

if (Deno.build.os === "linux") {
  Deno.test("given a caller that holds descriptors of any number, when it starts things, then none of them holds any", async () => {
    await using p = await testProfile();
    await reporters(p);
    Deno.writeTextFileSync(`${p.base}/held`, "");
    const held =
      `cd "${p.base}"; exec bash -c 'exec 3<held 7<held 9<held 10<held 63<held 200<held; "$@" 3<&3' bash "$@"`;
    const seen = await childrenOf(p, held);
    for (const [name, text] of Object.entries(seen)) ok(!text.includes(`${p.base}/held`), `${name}: ${text}`);
    const { pid } = JSON.parse(p.read(".pulse.json"));
    const links = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
      } catch {
        return "";
      }
    });
    ok(!links.some((link) => link.includes("/held")), "the pulse");
  });

  Deno.test("given a caller that ignores signals, when it starts things, then theirs are at their defaults", async () => {
    if (!can("perl")) return;
    await using p = await testProfile();
    await reporters(p);
    const ignoring =
      `exec perl -e '$SIG{$_} = "IGNORE" for qw(CHLD QUIT INT HUP USR1 USR2 TSTP); exec @ARGV' "$@"`;
    const seen = await childrenOf(p, ignoring);
    // Only the first 31 signals: the program that started this test may ignore some of the others.
    for (const [name, text] of Object.entries(seen)) {
      const ignored = BigInt(`0x${/SigIgn:\s*(\w+)/.exec(text)?.[1]}`) & 0x7fffffffn;
      strictEqual(ignored, 0n, name);
    }
    await p.ok("down");
  });
}

if (can("flock")) {
  Deno.test("given a script under a lock of its own, when it starts the pulse and a worker and ends, then the lock is free", async () => {
    await using p = await testProfile();
    const script = `exec bash -c 'exec 200>lock; flock -n 200 || exit 9; "$@"' bash "$@"`;
    strictEqual((await shell(p, script, ["up"])).code, 0);
    strictEqual(
      (await shell(p, script, ["_", "worker", "start", "w", "--runner", "shell", "sleep 600"])).code,
      0,
    );
    strictEqual((await shell(p, script, ["_", "worker", "list"])).code, 0);
    Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
    strictEqual(
      (await shell(p, script, ["_", "wait", "--json", "--fresh"])).code,
      0,
      "which revives the pulse",
    );
    strictEqual((await shell(p, script, ["_", "worker", "list"])).code, 0);
    await p.until("the pulse is back", async () => (await p.json("_", "state", "--json")).pulse.alive);
  });
}

Deno.test("given a git hook, when it starts things, then their git commands work on the repository they name", async () => {
  await using p = await testProfile();
  await reporters(p);
  const git = async (dir: string, ...args: string[]) => {
    const env = {
      ...p.env,
      GIT_AUTHOR_NAME: "a",
      GIT_AUTHOR_EMAIL: "a@b",
      GIT_COMMITTER_NAME: "a",
      GIT_COMMITTER_EMAIL: "a@b",
    };
    const { stdout, stderr, success } = await new Deno.Command("git", {
      args: ["-C", dir, ...args],
      env,
      clearEnv: true,
    }).output();
    ok(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  };
  const [mine, other] = [`${p.base}/mine`, `${p.base}/other`];
  for (const dir of [mine, other]) {
    await new Deno.Command("git", { args: ["init", "--quiet", dir] }).output();
    await git(dir, "commit", "--quiet", "--allow-empty", "-m", dir === mine ? "in mine" : "in other");
  }
  const log = `git -C '${other}' log -1 --format=%s`;
  p.sensor("log", `printf '"%s"' "$(${log})"`);
  const words = looopCommand().map((word) => `'${word}'`).join(" ");
  Deno.writeTextFileSync(
    `${mine}/.git/hooks/post-commit`,
    `#!/bin/sh\n${words} up && ${words} _ worker start w --runner shell "${log} >'${p.base}/seen'; env >'${p.base}/env'" && ${words} _ run "${log}" >'${p.base}/ran'\n`,
    { mode: 0o755 },
  );
  await git(mine, "commit", "--quiet", "--allow-empty", "-m", "again");
  await endedWorker(p, "w");
  strictEqual(Deno.readTextFileSync(`${p.base}/seen`), "in other\n");
  strictEqual(Deno.readTextFileSync(`${p.base}/ran`), "in other\n");
  const vars = Deno.readTextFileSync(`${p.base}/env`).split("\n").filter((line) => /^GIT_/.test(line));
  deepStrictEqual(vars.filter((line) => !/^GIT_(CEILING|SSH|TRACE)/.test(line)), []);
  const state = await p.json("_", "state", "--json");
  strictEqual(state.snapshots["sensor-log"], "in other");
});

Deno.test("given the marks of multiplexers, editors and agents, when things are started, then none sees them", async () => {
  await using p = await testProfile();
  await reporters(p);
  const marks = {
    TMUX: "/tmp/x,1,0",
    TMUX_PANE: "%1",
    STY: "1.pts",
    WINDOW: "0",
    ZELLIJ: "0",
    ZELLIJ_SESSION_NAME: "z",
    VSCODE_IPC_HOOK_CLI: "/x",
    VSCODE_GIT_ASKPASS_NODE: "/x",
    GIT_ASKPASS: "/x/askpass.sh",
    TERM_PROGRAM: "tmux",
    KITTY_LISTEN_ON: "unix:/x",
    GEMINI_CLI: "1",
    GEMINI_CLI_NO_RELAUNCH: "1",
    QWEN_CODE: "1",
    QWEN_CODE_SESSION_ID: "q",
    COPILOT_CLI: "1",
    COPILOT_AGENT_SESSION_ID: "c",
    COPILOT_LOADER_PID: "1",
    COPILOT_CLI_BINARY_VERSION: "1",
    CLAUDECODE: "1",
    CODEX_THREAD_ID: "t",
    OPENCODE: "1",
    PI_SESSION_ID: "s",
    AI_AGENT: "pi",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "a.b",
    GIT_CONFIG_VALUE_0: "c",
    PAGER: "cat",
    GIT_PAGER: "cat",
    GIT_TERMINAL_PROMPT: "0",
    DISPLAY: "",
    GIT_DIR: "/nowhere",
    GIT_WORK_TREE: "/nowhere",
    GIT_INDEX_FILE: "/nowhere",
    GIT_QUARANTINE_PATH: "/nowhere",
  };
  const users = {
    COPILOT_MODEL: "m",
    COPILOT_PROVIDER_API_KEY: "k",
    GEMINI_API_KEY: "k",
    CODEX_HOME: "/x",
    GIT_SSH_COMMAND: "ssh -x",
  };
  const seen = await childrenOf(p, 'exec "$@"', { ...marks, ...users });
  for (const [name, text] of Object.entries(seen)) {
    const names = text.split("\n").map((line) => line.split("=")[0] ?? "");
    deepStrictEqual(names.filter((one) => Object.hasOwn(marks, one)), [], name);
    deepStrictEqual(Object.keys(users).filter((one) => !names.includes(one)), [], name);
    for (
      const own of [
        "LOOOP_BIN",
        "LOOOP_DATA_DIR",
        "LOOOP_CONFIG",
        "LOOOP_HOME",
        "LOOOP_CLAIMS_DIR",
        "LOOOP_REPORTS_DIR",
        "LOOOP_COST_LEDGER",
      ]
    ) {
      ok(names.includes(own), `${name} has ${own}`);
    }
  }
});

Deno.test("given a user's pager and git settings without an agent, when things are started, then they stay", async () => {
  await using p = await testProfile();
  const env = {
    PAGER: "cat",
    GIT_PAGER: "cat",
    GIT_TERMINAL_PROMPT: "0",
    GIT_AUTHOR_NAME: "me",
    GIT_ASKPASS: "/x",
  };
  await startWorker(p, "w", 'env >"$LOOOP_REPORTS_DIR/env"', { env });
  await endedWorker(p, "w");
  const lines = p.read("reports/env").split("\n");
  deepStrictEqual(Object.entries(env).filter(([name, value]) => !lines.includes(`${name}=${value}`)), []);
});

Deno.test("given a variable that is not UTF-8, when things are started, then it reaches them as it is", async () => {
  await using p = await testProfile();
  await reporters(p);
  const seen = await childrenOf(
    p,
    `LATIN=$(printf 'caf\\351') GIT_DIR=$(printf '/\\351') exec env LATIN="$(printf 'caf\\351')" GIT_DIR="$(printf '/\\351')" "$@"`,
  );
  for (const name of Object.keys(seen)) {
    const bytes = Deno.readFileSync(p.path(`reports/${name}`));
    const text = new TextDecoder("latin1").decode(bytes);
    match(text, /^LATIN=caf\u00e9$/m, name);
    ok(!/^GIT_DIR=/m.test(text), name);
  }
});

// Other kinds of it: `tests/lib/process/child_env_test.ts`.
Deno.test("given a TMPDIR that is of no folder, when things are started, then they have none", async () => {
  await using p = await testProfile();
  await reporters(p);
  const seen = await childrenOf(p, 'exec "$@"', { TMPDIR: "/nowhere/at/all" });
  for (const [name, text] of Object.entries(seen)) ok(!/^TMPDIR=/m.test(text), name);
});

if (can("tmux")) {
  Deno.test("given a real tmux, when its shell starts the pulse and a worker, then the worker cannot draw on its screen", async () => {
    await using p = await testProfile();
    const socket = `${p.base}/tmux`;
    const tmux = (...args: string[]) =>
      new Deno.Command("tmux", {
        args: ["-S", socket, "-f", "/dev/null", ...args],
        env: p.env,
        clearEnv: true,
      }).output();
    const words = looopCommand().map((word) => `'${word}'`).join(" ");
    const script =
      `#!/bin/sh\nexport LOOOP_DATA_DIR='${p.profile.dir}' LOOOP_INTERVAL=1 HOME='${p.env["HOME"]}'\n` +
      `${words} up && ${words} _ worker start w --runner shell 'tmux split-window "sleep 100"; echo "$? $TMUX" >"$LOOOP_REPORTS_DIR/tmux"'\necho $? >'${p.base}/done'\nsleep 100\n`;
    Deno.writeTextFileSync(`${p.base}/in_tmux.sh`, script, { mode: 0o755 });
    try {
      await tmux("new-session", "-d", "-x", "80", "-y", "24", `sh '${p.base}/in_tmux.sh'`);
      await p.until("the worker has tried", () => fileText(p, "reports/tmux") !== "");
      match(await textOf(p, "reports/tmux"), /^1 \n$/);
      const panes = new TextDecoder().decode((await tmux("list-panes", "-a")).stdout).trim().split("\n");
      strictEqual(panes.length, 1, panes.join("\n"));
      const pid = JSON.parse(p.read(".pulse.json")).pid;
      ok(!(await readMarked([`TMUX=${socket}`])).has(pid));
    } finally {
      await tmux("kill-server");
    }
  });
}
