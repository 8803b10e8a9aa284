import { match, ok, strictEqual } from "node:assert/strict";
import { serviceUnit } from "../../lib/pulse/service.ts";
import { testProfile } from "../looop.ts";
import { writeExecutable } from "../executable.ts";

const FACTS = {
  bin: "/opt/my tools/looop",
  dataDir: '/home/u/a "b" 100%',
  config: "/home/u/$c.json",
  path: "/usr/bin:/home/u/bin",
  home: "/home/u",
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
  strictEqual(file, "/home/u/Library/LaunchAgents/dev.looop.pulse.plist");
  ok(text.includes("<string>/a&amp;b:&lt;c&gt;</string>"));
  strictEqual(
    [...text.matchAll(/<(\w+)[ >]/g)].filter((m) => !["plist", "?xml"].includes(m[1] ?? "")).length > 10,
    true,
  );
});

Deno.test("given no HOME, when the service is to be installed, then it is refused and nothing is written", async () => {
  await using p = await testProfile();
  const { code, stderr } = await p.call(["service", "install", "--dry-run"], { env: { HOME: "" } });
  strictEqual(code, 1);
  match(stderr, /^looop service: Cannot tell where the unit goes: HOME is not set; run it/);
});

Deno.test("given --dry-run, when the service is to be installed, then unit and commands are shown and nothing is written", async () => {
  await using p = await testProfile();
  const text = await p.ok("service", "install", "--dry-run");
  match(text, /_ pulse --wanted/);
  match(text, /\$ (systemctl --user enable|launchctl load)/);
  strictEqual([...Deno.readDirSync(`${p.base}/home`)].length, 0);
});

Deno.test({
  name:
    "given a systemd manager, when the service is installed and removed, then the unit verifies, is enabled, and goes",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using p = await testProfile();
    // Only the manager's client is played: it records its calls. The unit is checked by the real systemd.
    const bin = `${p.base}/bin`;
    await Deno.mkdir(bin);
    writeExecutable(`${bin}/systemctl`, `#!/bin/sh\necho "$@" >>'${p.base}/calls'\n`);
    const env = { PATH: `${bin}:${p.env["PATH"]}` };
    await p.okCall(["service", "install"], { env });
    const unit = `${p.base}/home/.config/systemd/user/looop.service`;
    const text = await Deno.readTextFile(unit);
    ok(text.includes(bin), "PATH is recorded at install time");
    const verified = await verify(unit);
    strictEqual(verified, "");
    match(await Deno.readTextFile(`${p.base}/calls`), /daemon-reload\n.*enable --now looop\.service/);
    match(await p.okCall(["service", "uninstall"], { env }), /removed/);
    match(await p.okCall(["service", "uninstall"], { env }), /there was no service/);
  },
});

/** What `systemd-analyze verify` complains of; "" also where there is none. */
async function verify(unit: string): Promise<string> {
  try {
    const { code, stderr } = await new Deno.Command("systemd-analyze", { args: ["verify", "--man=no", unit] })
      .output();
    return code === 0 ? "" : new TextDecoder().decode(stderr);
  } catch {
    return "";
  }
}

Deno.test("given a unit that starts the pulse itself, when it runs, then the pulse is wanted and publishes", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  using pulse = p.start(["_", "pulse", "--wanted"]);
  const state = await p.wait();
  strictEqual(state.reason[0], "first");
  await p.until("the pulse is ready", async () => (await p.json("_", "state", "--json")).pulse.alive);
  strictEqual((await p.json("_", "state", "--json")).pulse.wanted, true);
  strictEqual((await p.run("_", "pulse")).code, 75);
  await p.ok("down");
  strictEqual((await pulse.result).code, 0);
});
