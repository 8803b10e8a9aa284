import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { serviceUnit } from "../../lib/pulse/service.ts";
import { testProfile } from "../looop.ts";
import { writeExecutable } from "../executable.ts";

const FACTS = {
  bin: "/opt/my tools/looop",
  dataDir: '/home/u/a "b" 100%',
  config: "/home/u/$c.json",
  path: "/usr/bin:/home/u/bin",
  home: "/home/u",
  tag: "",
  uid: 501,
};

Deno.test("given odd paths, when the systemd unit is written, then every word is quoted by systemd's rules", () => {
  const { file, text } = serviceUnit("linux", FACTS, "/home/u/.config");
  strictEqual(file, "/home/u/.config/systemd/user/looop.service");
  match(text, /^ExecStart="\/opt\/my tools\/looop" _ pulse --wanted$/m);
  ok(text.includes('Environment="LOOOP_DATA_DIR=/home/u/a \\"b\\" 100%%"'));
  ok(text.includes('Environment="LOOOP_CONFIG=/home/u/$c.json"'));
  ok(text.includes('\nStandardOutput=append:/home/u/a "b" 100%%/sessions/pulse/output.log\n'));
});

Deno.test("given macOS, when the launch agent is written, then it is well-formed and markup is escaped", () => {
  const { file, text } = serviceUnit("darwin", { ...FACTS, path: "/a&b:<c>" }, "");
  strictEqual(file, "/home/u/Library/LaunchAgents/looop.pulse.plist");
  ok(text.includes("<string>/a&amp;b:&lt;c&gt;</string>"));
  // Removes the innermost tags again and again: if all are closed in order, only the head is left.
  let left = text.replace(/<(?:true|false)\/>/g, "");
  for (let before = ""; before !== left;) {
    before = left;
    left = left.replace(/<(\w+)(?: [^<>]*)?>[^<>]*<\/\1>/g, "");
  }
  match(left, /^<\?xml [^<>]*>\s*<!DOCTYPE [^<>]*>\s*$/);
});

Deno.test("given macOS, when the launch agent is enabled, then the commands are launchd's present ones, without a restart loop", () => {
  const unit = serviceUnit("darwin", { ...FACTS, tag: "0a1b2c3d" }, "");
  strictEqual(unit.file, "/home/u/Library/LaunchAgents/looop.pulse.0a1b2c3d.plist");
  match(unit.text, /<key>Label<\/key><string>looop\.pulse\.0a1b2c3d<\/string>/);
  match(unit.text, /<key>KeepAlive<\/key><dict><key>SuccessfulExit<\/key><false\/><\/dict>/);
  deepStrictEqual(unit.enable.map(({ argv, mayFail = false }) => [argv.join(" "), mayFail]), [
    ["launchctl bootout gui/501/looop.pulse.0a1b2c3d", true],
    ["launchctl enable gui/501/looop.pulse.0a1b2c3d", false],
    [`launchctl bootstrap gui/501 ${unit.file}`, false],
  ]);
  deepStrictEqual(unit.disable.map(({ argv }) => argv.join(" ")), [
    "launchctl bootout gui/501/looop.pulse.0a1b2c3d",
  ]);
});

Deno.test("given no HOME, when the service is to be installed, then it is refused and nothing is written", async () => {
  await using p = await testProfile();
  const { code, stderr } = await p.call(["service", "install", "--dry-run"], { env: { HOME: "" } });
  strictEqual(code, 1);
  match(stderr, /^looop service: Cannot determine where the unit goes: HOME is not set; run it/);
});

Deno.test("given --dry-run, when the service is to be installed, then unit and commands are shown and nothing is written", async () => {
  await using p = await testProfile();
  const text = await p.ok("service", "install", "--dry-run");
  match(text, /_ pulse --wanted/);
  match(text, /\$ (systemctl --user enable|launchctl bootstrap)/);
  strictEqual([...Deno.readDirSync(`${p.base}/home`)].length, 0);
});

Deno.test({
  name:
    "given a systemd manager, when the service is installed and removed, then the unit verifies, is enabled, and goes",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using p = await testProfile();
    // The manager's client is a stand-in that records its calls. The real systemd checks the unit.
    const bin = `${p.base}/bin`;
    await Deno.mkdir(bin);
    writeExecutable(`${bin}/systemctl`, `#!/bin/sh\necho "$@" >>'${p.base}/calls'\n`);
    const env = { PATH: `${bin}:${p.env["PATH"]}` };
    await p.okCall(["service", "install"], { env });
    const units = `${p.base}/home/.config/systemd/user`;
    const [{ name } = { name: "" }] = [...Deno.readDirSync(units)];
    match(name, /^looop-[0-9a-f]{8}\.service$/, "this is not the usual data dir");
    const unit = `${units}/${name}`;
    const text = await Deno.readTextFile(unit);
    ok(text.includes(bin), "PATH is recorded at install time");
    const verified = await verify(unit);
    strictEqual(verified, "");
    ok((await Deno.readTextFile(`${p.base}/calls`)).includes(`daemon-reload\n--user enable --now ${name}\n`));
    match(await p.okCall(["service", "uninstall"], { env }), /removed/);
    match(await p.okCall(["service", "uninstall"], { env }), /there was no service/);
  },
});

/** Complaints of `systemd-analyze verify`; "" also if it is not installed. */
async function verify(unit: string): Promise<string> {
  try {
    const { code, stderr } = await new Deno.Command("systemd-analyze", { args: ["verify", "--man=no", unit] })
      .output();
    return code === 0 ? "" : new TextDecoder().decode(stderr);
  } catch {
    return "";
  }
}

Deno.test("given two data dirs, when both have a service, then neither has the other's name; the usual one has the plain name", async () => {
  await using p = await testProfile();
  const fileOf = async (LOOOP_DATA_DIR: string) =>
    (await p.okCall(["service", "install", "--dry-run"], { env: { LOOOP_DATA_DIR } })).split("\n", 1)[0] ??
      "";
  const usual = `${p.base}/home/.local/state/looop`;
  const files = await Promise.all([`${p.base}/a`, `${p.base}/b`, usual, ""].map(fileOf));
  strictEqual(new Set(files).size, 3);
  strictEqual(files[2], files[3]);
  match(files[2] ?? "", /\/looop(\.pulse)?\.(service|plist)$/);
});

Deno.test("given a unit that starts the pulse itself, when it runs, then the pulse is wanted and publishes", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  using pulse = p.start(["_", "pulse", "--wanted"]);
  const state = await p.wait();
  strictEqual(state.reason[0], "first");
  await p.until("the pulse is ready", async () => (await p.json("_", "state", "--json")).pulse.alive);
  strictEqual((await p.json("_", "state", "--json")).pulse.wanted, true);
  strictEqual((await p.run("_", "pulse")).code, 75);
  strictEqual((await p.run("_", "pulse", "--wanted")).code, 0, "a manager would start it again for ever");
  await p.ok("down");
  strictEqual((await pulse.result).code, 0);
});
