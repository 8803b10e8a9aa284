import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { SENSOR_EXAMPLES } from "../../lib/world/sensor_examples.ts";
import { EXAMPLE_GROUPS, examplesOf, withSettings } from "../../lib/world/sensor_catalog.ts";
import { examplesModule } from "../tools/assets.ts";
import { testProfile } from "../looop.ts";

const NAMES = Object.keys(SENSOR_EXAMPLES);

Deno.test("given sensors_examples/, when it is compared with the module inside the binary, then they are the same", async () => {
  const module = await Deno.readTextFile(new URL("../../lib/world/sensor_examples.ts", import.meta.url));
  strictEqual(module, examplesModule(), "run `deno task assets`");
});

Deno.test("given the examples, when they are listed, then each is in one group, fits 80 columns and names what is missing", async () => {
  await using p = await testProfile();
  const text = await p.ok("_", "sensor", "examples");
  ok(text.split("\n").every((line) => line.length <= 80), text);
  const listed = [...text.matchAll(/^(?:ok| {2}) ([a-z0-9-]+) +\S/gm)].map(([, name]) => name!);
  deepStrictEqual(listed.toSorted(), NAMES);
  deepStrictEqual(
    text.split("\n\n").map((group) => group.split("\n")[0]),
    EXAMPLE_GROUPS.map(([title]) => title),
  );
  match(text, /\n {3}gitlab-mrs +GitLab.*\n {24}to set: \$GITLAB_TOKEN/);
  const rows = await p.json("_", "sensor", "examples", "--json");
  deepStrictEqual(rows.map((row: { name: string }) => row.name), NAMES);
  strictEqual(`${await p.ok("_", "sensor", "examples", "today")}\n`, SENSOR_EXAMPLES["today"]);
  const wrong = await p.run("_", "sensor", "examples", "todya");
  strictEqual(wrong.code, 2);
  match(wrong.stderr, /did you mean "today"/);
});

Deno.test("given an example with settings, when it is added, then it is installed, fitted and its first reading shown", async () => {
  await using p = await testProfile();
  const repo = `${p.base}/it's a $(repo)`;
  for (
    const args of [["init", "-q", repo], [
      "-C",
      repo,
      "-c",
      "user.name=t",
      "-c",
      "user.email=t@localhost",
      "commit",
      "-q",
      "--allow-empty",
      "-m",
      "x",
    ]]
  ) {
    strictEqual(
      (await new Deno.Command("git", { args, env: { GIT_CONFIG_GLOBAL: "/dev/null" } }).output()).success,
      true,
    );
  }
  const out = await p.ok("_", "sensor", "add", "git-repo", "--as", "site", "--set", `GIT_DIR_PATH=${repo}`);
  match(out, /^add-sensor site\n\{/);
  match(out, /ok in \d+ ms$/);
  strictEqual((await Deno.stat(p.path("sensors/site.sh"))).mode! & 0o777, 0o700);
  const reading = await p.json("_", "sensor", "run", "site", "--json");
  strictEqual(reading.ok, true);
  match(p.read("journal.md"), /add-sensor site \(git-repo\)/);
  const again = await p.run(
    "_",
    "sensor",
    "add",
    "git-repo",
    "--as",
    "site",
    "--set",
    `GIT_DIR_PATH=${repo}`,
  );
  deepStrictEqual([again.code, again.stderr.split("\n").length], [1, 2]);
});

Deno.test("given a first reading that fails, when an example is added, then it is installed and the exit says so", async () => {
  await using p = await testProfile();
  const { code, stdout, stderr } = await p.run(
    "_",
    "sensor",
    "add",
    "git-repo",
    "--set",
    "GIT_DIR_PATH=/nowhere",
  );
  strictEqual(code, 1);
  match(stdout, /^add-sensor git-repo\n\{[^]*failed in \d+ ms\n$/);
  match(
    stderr,
    /^looop _ sensor add: "git-repo" is installed, but its first reading failed: .*; .*`looop _ sensor remove git-repo`\n$/,
  );
  const { ok, reading } = JSON.parse(
    (await p.run("_", "sensor", "add", "git-repo", "--as", "b", "--set", "GIT_DIR_PATH=/nowhere", "--json"))
      .stdout,
  );
  deepStrictEqual([ok, reading.signal.exit_code], [false, 78]);
  // Variables that looop itself sets need no setting.
  await p.ok("_", "sensor", "add", "llm-spend");
});

Deno.test("given something that is missing, when an example is added, then it is refused and nothing is written", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const noVariable = await p.run("_", "sensor", "add", "gitlab-mrs");
  strictEqual(noVariable.code, 1);
  match(noVariable.stderr, /needs \$GITLAB_\w+.*--set/);
  const bin = `${p.base}/bin`;
  await Deno.mkdir(bin);
  await Deno.symlink("/bin/sh", `${bin}/sh`);
  const noProgram = await p.call(["_", "sensor", "add", "github-prs"], { env: { PATH: bin } });
  strictEqual(noProgram.code, 1);
  match(noProgram.stderr, /needs .*jq.*not found/);
  const badSetting = await p.run("_", "sensor", "add", "git-repo", "--set", "NOPE=1");
  strictEqual(badSetting.code, 2);
  deepStrictEqual([...Deno.readDirSync(p.path("sensors"))].map((entry) => entry.name), ["today.sh"]);
});

Deno.test("given every example, when it is checked, then none breaks a rule", async () => {
  await using p = await testProfile();
  const broken: string[] = [];
  const queue = [...NAMES];
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const { code, stdout } = await p.run("_", "sensor", "check", name);
      if (code !== 0) broken.push(`${name}: ${stdout}`);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  deepStrictEqual(broken, []);
});

Deno.test("given sensors that break a rule, when they are checked, then each fault is named and the exit code is 1", async () => {
  await using p = await testProfile();
  const faults: [string, string, RegExp][] = [
    ["moves", `printf '{"signal":%s}' "$(date +%s%N)"`, /BAD +the signal changes/],
    ["leaves", `sleep 300 >/dev/null 2>&1 & echo '{"signal":1}'`, /BAD +leaves 2 processes behind/],
    ["escapes", `setsid sleep 300 >/dev/null 2>&1 & echo '{"signal":1}'`, /BAD +leaves 2 processes behind/],
    ["large", `printf '{"signal":"%09000d"}' 1`, /BAD +printed more than 8192 bytes/],
    ["text", "echo hello", /BAD +did not print one JSON value/],
    ["secret", `printf '{"signal":"%s"}' "$MY_TOKEN"`, /BAD +prints the value of MY_TOKEN/],
    ["fails", "exit 1", /BAD +exit 1/],
  ];
  for (const [name, script, fault] of faults) {
    const file = `${p.base}/${name}.sh`;
    await Deno.writeTextFile(file, `#!/usr/bin/env bash\n${script}\n`);
    const { code, stdout } = await p.call(["_", "sensor", "check", file], {
      env: { MY_TOKEN: "s3cr3t-value" },
    });
    match(stdout, fault);
    strictEqual(code, 1, name);
  }
  const good = `${p.base}/good.sh`;
  await Deno.writeTextFile(good, `#!/usr/bin/env bash\necho '{"signal":1,"detail":{"at":'$RANDOM'}}'\n`);
  const { code, stdout } = await p.run("_", "sensor", "check", good);
  strictEqual(code, 0, stdout);
});

Deno.test("given settings with every quote, when they are put into a script, then bash reads them back and they win over the environment", async () => {
  const value = `a'b"c $(touch x) \`y\` \\ z`;
  const script = withSettings('#!/usr/bin/env bash\n# looop:optional=X\nX="${X:-none}"\nprintf %s "$X"\n', {
    X: value,
  });
  const runIt = async (env: Record<string, string>) =>
    new TextDecoder().decode((await new Deno.Command("bash", { args: ["-c", script], env }).output()).stdout);
  strictEqual(await runIt({}), value);
  strictEqual(await runIt({ X: "of another copy" }), value);
  for (const { header, name } of examplesOf(SENSOR_EXAMPLES)) ok(header.summary, name);
});
