import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { judgeDiskSpace } from "../../lib/cli/doctor.ts";
import { displayWidth } from "../../lib/text/style.ts";
import { writeExecutable } from "../executable.ts";
import { type TestProfile, testProfile } from "../looop.ts";

/** A profile with an installed default runner, so that nothing is wrong with it. */
async function healthy(): Promise<TestProfile> {
  const p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, '{ "default": "shell" }');
  return p;
}

/** Findings by name, or by name and number if there are several. */
// deno-lint-ignore no-explicit-any -- tests look into it freely
async function examine(p: TestProfile, code: number): Promise<Record<string, any>> {
  const result = await p.run("doctor", "--json");
  strictEqual(result.code, code, result.stdout + result.stderr);
  const { ok: fine, checks } = JSON.parse(result.stdout);
  strictEqual(fine, code === 0);
  return Object.groupBy(checks, ({ name }: { name: string }) => name);
}

Deno.test("given a healthy machine and a beating pulse, when the doctor looks, then every line is ok and it exits 0", async () => {
  await using p = await healthy();
  await p.ok("up");
  const { code, stdout, stderr } = await p.run("doctor");
  deepStrictEqual([code, stderr], [0, ""], stdout);
  for (const line of stdout.trimEnd().split("\n")) match(line, /^(?:ok {2}|warn) [a-z ]+: \S/);
  for (
    const name of ["bash", "terminal", "runner", "data dir", "disk", "writing", "locks", "polling", "pulse"]
  ) {
    match(stdout, new RegExp(`^ok {3}${name}: `, "m"));
  }
  match(stdout, /^(?:ok {2}|warn) watches: /m);
  deepStrictEqual([...Deno.readDirSync(p.profile.dir)].filter(({ name }) => name.startsWith(".doctor")), []);
});

Deno.test("given no profile, when the doctor looks, then it creates none", async () => {
  await using p = await testProfile();
  const found = await examine(p, 1);
  match(found["data dir"][0].message, /not there yet: `looop up` makes it/);
  strictEqual(found.locks[0].level, "ok");
  match(found.runner[0].next, /npm install -g/);
  strictEqual(await Deno.lstat(p.profile.dir).catch(() => "absent"), "absent");
});

Deno.test("given sensors that are links, when the doctor looks, then they are checked through the link", async () => {
  await using p = await healthy();
  p.sensor("own", "echo 1");
  await Deno.mkdir(`${p.base}/repo`);
  await Deno.rename(p.path("sensors/own.sh"), `${p.base}/repo/own.sh`);
  await Deno.symlink(`${p.base}/repo/own.sh`, p.path("sensors/own.sh"));
  await p.ok("up");
  deepStrictEqual((await examine(p, 0)).sensors[0].level, "ok");
  await Deno.writeTextFile(`${p.base}/repo/own.sh`, "#!/usr/bin/env bash\nif then\n");
  match((await examine(p, 1)).sensor[0].message, /^sensor own is no valid script/);
});

Deno.test("given broken things, when the doctor looks, then each has a line that says how to mend it, and it exits 1", async () => {
  await using p = await healthy();
  p.sensor("closed", "echo 1");
  p.sensor("crooked", "if then");
  p.sensor("failing", "echo oh no >&2; exit 3");
  await Deno.chmod(p.path("sensors/closed.sh"), 0o600);
  await p.ok("up");
  await Deno.writeTextFile(p.path("asks/w-1.json"), "{\x1b[31m");
  const found = await examine(p, 1);
  const said = found.sensor.map(({ message, next }: { message: string; next: string }) =>
    `${message}; ${next}`
  ).join("\n");
  match(said, /^sensor closed is not executable; `chmod \+x .*closed\.sh`$/m);
  match(said, /^sensor crooked is no valid script: line 2: .*; edit ".*crooked\.sh"$/m);
  match(said, /^sensor failing fails: exit 3: oh no; try it: `looop _ sensor run failing`$/m);
  match(found.file[0].message, /^asks\/w-1\.json cannot be read: not JSON/);
  const { stdout } = await p.run("doctor");
  match(stdout, /^BAD {2}file: asks\/w-1\.json/m);
  strictEqual(stdout.includes("\x1b"), false);
});

Deno.test("given a pulse that was killed, when the doctor looks, then it is BAD; stopped, then only a warning", async () => {
  await using p = await healthy();
  await p.ok("up");
  Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
  await p.until("dead", async () => !(await p.json("_", "state", "--json")).pulse.alive);
  match((await examine(p, 1)).pulse[0].message, /dead/);
  await p.ok("down");
  strictEqual((await examine(p, 0)).pulse[0].level, "warn");
});

Deno.test("given a config that is broken or odd, when the doctor looks, then it names line and column", async () => {
  await using p = await healthy();
  await Deno.writeTextFile(p.profile.config, '{ "default": "shell",\n  "intervall": 3 }');
  match((await examine(p, 0)).config[0].message, /^config\.json:2:\d+: unknown key "intervall"/);
  await Deno.writeTextFile(p.profile.config, '{ "interval": "fast" }');
  const { level, message } = (await examine(p, 1)).config[0];
  deepStrictEqual([level, message.split(":").slice(0, 2)], ["bad", ["config.json", "1"]]);
});

Deno.test("given the seeded config and one with comments, when the doctor looks, then it says that looop 0.16 cannot read the second", async () => {
  await using p = await testProfile();
  const said = async () => (await p.run("doctor")).stdout.replace(/\s+/g, " ");
  await p.ok("_", "state");
  ok(JSON.parse(p.read("config.json")));
  ok(!/0\.16/.test(await said()));
  await Deno.writeTextFile(p.profile.config, '{ "interval": 60 } // a minute\n');
  match(await said(), /ok config: .*config\.json; looop 0\.16 cannot read it/);
});

Deno.test("given a data dir that others can write, when the doctor looks, then it says so and touches nothing", async () => {
  await using p = await healthy();
  await Deno.chmod(p.profile.dir, 0o777);
  const found = await examine(p, 1);
  match(found["data dir"][0].next, /chmod 700/);
  strictEqual(found.locks, undefined);
  await Deno.chmod(p.profile.dir, 0o700);
});

Deno.test("given a machine without git and script, when the doctor looks, then git is a warning and the terminal is BAD", async () => {
  await using p = await healthy();
  const bin = `${p.base}/bin`;
  await Deno.mkdir(bin);
  for (const name of ["bash", "sh", "uname", "stty", "df", "tail", "cat", "ls", "grep"]) {
    const path = (await new Deno.Command("/bin/sh", { args: ["-c", `command -v ${name}`] }).output()).stdout;
    await Deno.symlink(new TextDecoder().decode(path).trim(), `${bin}/${name}`);
  }
  const { code, stdout } = await p.call(["doctor"], { env: { PATH: bin } });
  strictEqual(code, 1, stdout);
  match(stdout, /^BAD {2}terminal: .*; install `script`/m);
  match(stdout, /^warn git: not on PATH; /m);
});

Deno.test("given a script that takes no pipe as its stdin, when the doctor looks, then the terminal is BAD: a worker gets a pipe", async () => {
  await using p = await healthy();
  const bin = `${p.base}/bin`;
  await Deno.mkdir(bin);
  writeExecutable(
    `${bin}/script`,
    `#!/bin/sh\n[ ! -p /dev/stdin ] || exit 1\nPATH=\${PATH#*:} exec script "$@"\n`,
  );
  const { code, stdout } = await p.call(["doctor"], { env: { PATH: `${bin}:${p.env["PATH"]}` } });
  strictEqual(code, 1, stdout);
  match(stdout, /^BAD {2}terminal: /m);
});

Deno.test("given terminals of 40 and 80 columns, when the doctor prints, then no line is wider", async () => {
  await using p = await healthy();
  for (const columns of [40, 80]) {
    const { stdout } = await p.call(["doctor"], { env: { COLUMNS: String(columns), LOOOP_COLOR: "1" } });
    for (const line of stdout.split("\n")) ok(displayWidth(line) <= columns, line);
    ok(stdout.includes("\x1b[32mok"));
  }
});

Deno.test("given numbers of free bytes, when they are judged, then a full disk is BAD and an almost full one a warning", () => {
  const levels = [0, 1e6, 5e8, 5e9, undefined].map((free) => judgeDiskSpace(free).level);
  deepStrictEqual(levels, ["bad", "bad", "warn", "ok", "warn"]);
});

Deno.test("given runners of one's own, when they are tried, then each is started like a worker, and one that was not tried is a warning", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.mkdir(`${p.base}/bin`);
  writeExecutable(
    `${p.base}/bin/mine`,
    '#!/bin/sh\ncase $2 in ????????-*-*) echo ready; sleep 60;; esac\necho "bad id: $2"\n',
  );
  p.env["PATH"] = `${p.base}/bin:${p.env["PATH"]}`;
  const runners = {
    mine: { interactive: "mine --session {{session_id}} {{prompt_file}}" },
    far: { preset: "pi", host: "box" },
  };
  const hosts = { box: { reach: ["false"] } };
  await Deno.writeTextFile(p.profile.config, JSON.stringify({ default: "shell", runners, hosts }));
  match(await p.ok("doctor", "--runner", "mine"), /^ok +mine: mine starts; .*ends with: ready/);
  match(await p.ok("doctor", "--runner", "far"), /^warn far: far runs on the host box: not tried/);
});
