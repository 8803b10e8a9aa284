/** install.sh: its target folder, the chosen release, its uninstall, and what it must not touch. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { ASSET, DENO, findTool, NEW, OLD, program, RELEASED, Sandbox, SHELLS } from "./sandbox.ts";

Deno.test("given LOOOP_VERSION, when install.sh runs, then that release is installed, with or without a v", async () => {
  await using box = await Sandbox.create();
  await box.publish(program("0.2.0"));
  await box.publish(NEW, "download/v0.1.0");
  strictEqual((await box.run({ env: { LOOOP_VERSION: "0.1.0" } })).code, 0);
  strictEqual(await Deno.readTextFile(box.target), NEW);
  strictEqual((await box.run({ env: { LOOOP_VERSION: "v0.1.0" } })).code, 0);
  const asked = ["download/v0.1.0/SHA256SUMS", `download/v0.1.0/${ASSET}`];
  deepStrictEqual(box.requests, [...asked, ...asked]);
});

Deno.test("given a release whose program has another version, when LOOOP_VERSION asks for it, then it is refused", async () => {
  await using box = await Sandbox.create();
  await box.publish(program("0.2.0"), "download/v0.1.0");
  const { code, stderr } = await box.run({ env: { LOOOP_VERSION: "0.1.0" } });
  strictEqual(code, 1);
  match(stderr, /^install\.sh: The release says it is "looop 0\.2\.0", not 0\.1\.0; nothing was changed/);
  deepStrictEqual(await box.installed(), []);
});

Deno.test("given LOOOP_VERSION without a release, when the checkout has another version, then the launcher runs LOOOP_VERSION", async () => {
  await using box = await Sandbox.create();
  box.addTool("deno", DENO);
  await box.addCheckout("0.2.0");
  const { code, stdout } = await box.run({ env: { LOOOP_VERSION: "0.1.0" } });
  strictEqual(code, 0);
  match(stdout, /The checkout here is not of version 0\.1\.0: not building it\./);
  deepStrictEqual(await box.calls(), ["deno run -A jsr:@looop/cli@0.1.0 version"]);
});

Deno.test("given LOOOP_VERSION that is no version, when install.sh runs, then it makes no request", async () => {
  await using box = await Sandbox.create();
  const { code, stderr } = await box.run({ env: { LOOOP_VERSION: "../../other" } });
  strictEqual(code, 1);
  match(stderr, /^install\.sh: LOOOP_VERSION is "\.\.\/\.\.\/other", which is no version/);
  deepStrictEqual(box.requests, []);
});

/** Targets that cannot be written, each with a part of the message. */
const UNWRITABLE: Record<string, (box: Sandbox) => Promise<string>> = {
  "a folder below a file": async (box) => {
    await Deno.writeTextFile(`${box.root}/file`, "");
    return `${box.root}/file/bin`;
  },
  "a folder where looop would be": async (box) => {
    await Deno.mkdir(box.target, { recursive: true });
    return box.dir;
  },
};

for (const [name, make] of Object.entries(UNWRITABLE)) {
  Deno.test(`given ${name}, when install.sh runs, then it says so before any download`, async () => {
    await using box = await Sandbox.create();
    await box.publish(NEW);
    const dir = await make(box);
    const { code, stderr } = await box.run({ env: { LOOOP_INSTALL_DIR: dir } });
    strictEqual(code, 1);
    match(stderr, /^install\.sh: Cannot (write|install) to .*; set LOOOP_INSTALL_DIR.*\n$/);
    strictEqual(stderr.includes(dir), true);
    deepStrictEqual(box.requests, []);
  });
}

Deno.test("given a read-only folder with an old looop, when a plain user installs, then one line says so and the old stays", async () => {
  await using box = await Sandbox.create();
  await box.publish(NEW);
  await box.preinstall(OLD);
  await Deno.chmod(box.root, 0o755);
  await Deno.chmod(box.dir, 0o555);
  // Permissions do not stop root, so root runs the script as another user.
  const other = Deno.uid() === 0 ? { uid: 65_534 } : {};
  const ended = await box.run({ piped: RELEASED, ...other });
  const stderr = `install.sh: Cannot write to ${box.dir}; set LOOOP_INSTALL_DIR to a folder of yours\n`;
  deepStrictEqual(ended, { code: 1, stdout: "", stderr });
  strictEqual(await Deno.readTextFile(box.target), OLD);
  deepStrictEqual(await box.installed(), ["looop"]);
  await Deno.chmod(box.dir, 0o755);
});

Deno.test("given a relative LOOOP_INSTALL_DIR with a space, when install.sh runs, then looop is there", async () => {
  await using box = await Sandbox.create();
  await box.publish(NEW);
  const { code, stdout } = await box.run({ env: { LOOOP_INSTALL_DIR: "my bin/" } });
  strictEqual(code, 0);
  match(stdout, /Installed looop 0\.1\.0: \/.*\/elsewhere\/my bin\/looop\n/);
  strictEqual(await Deno.readTextFile(`${box.root}/elsewhere/my bin/looop`), NEW);
});

Deno.test("given a link where looop would be, when install.sh runs, then the link is removed and its target stays", async () => {
  await using box = await Sandbox.create();
  await box.publish(NEW);
  await box.preinstall(OLD);
  await Deno.rename(box.target, `${box.root}/elsewhere/linked`);
  await Deno.symlink(`${box.root}/elsewhere/linked`, box.target);
  strictEqual((await box.run()).code, 0);
  strictEqual((await Deno.lstat(box.target)).isSymlink, false);
  strictEqual(await Deno.readTextFile(`${box.root}/elsewhere/linked`), OLD);
});

Deno.test("given looop, when it is uninstalled twice, then the program goes, the data stays, and twice is no error", async () => {
  await using box = await Sandbox.create();
  await box.preinstall(OLD);
  const data = `${box.root}/home/.local/state/looop`;
  await Deno.mkdir(data, { recursive: true });
  await Deno.writeTextFile(`${data}/PLAYBOOK.md`, "mine\n");
  const first = await box.run({ args: ["--uninstall"] });
  deepStrictEqual({ code: first.code, stderr: first.stderr }, { code: 0, stderr: "" });
  match(first.stdout, /^Removed .*\/looop\nYour data is kept: .*\/\.local\/state\/looop\n/);
  deepStrictEqual(await box.installed(), []);
  strictEqual(await Deno.readTextFile(`${data}/PLAYBOOK.md`), "mine\n");
  deepStrictEqual(await box.run({ args: ["--uninstall"] }), {
    code: 0,
    stdout: `Nothing to remove: no looop at ${box.target}\n`,
    stderr: "",
  });
});

Deno.test("given --help, when install.sh runs, then it prints its options and installs nothing", async () => {
  await using box = await Sandbox.create();
  const { code, stdout } = await box.run({ args: ["--help"] });
  strictEqual(code, 0);
  for (const word of ["--uninstall", "LOOOP_VERSION", "LOOOP_INSTALL_DIR"]) {
    strictEqual(stdout.includes(word), true);
  }
  deepStrictEqual(await box.installed(), []);
});

Deno.test("given an unknown option, when install.sh runs, then it exits 2 and does nothing", async () => {
  await using box = await Sandbox.create();
  await box.publish(NEW);
  deepStrictEqual(await box.run({ args: ["--unistall"] }), {
    code: 2,
    stdout: "",
    stderr: 'install.sh: Unknown option "--unistall"; see --help\n',
  });
  deepStrictEqual(box.requests, []);
});

for (const shell of SHELLS) {
  Deno.test(`given install.sh cut off on its way, when it is piped into ${shell}, then nothing is done`, async () => {
    await using box = await Sandbox.create();
    await box.publish(NEW);
    const script = RELEASED;
    const whole = script.trimEnd();
    const cuts = [0.1, 0.5, 0.9].map((part) => Math.floor(whole.length * part)).concat(
      whole.lastIndexOf("\n"),
    );
    await Promise.all(cuts.map((cut) => box.run({ shell, piped: whole.slice(0, cut) })));
    deepStrictEqual(box.requests, []);
    deepStrictEqual(await box.installed(), []);
  });
}

/** Advice about PATH for each shell. */
const ADVICE: [shell: string, system: string, says: (dir: string) => string][] = [
  ["/bin/zsh", "Darwin", (dir) => `  echo 'export PATH="${dir}:$PATH"' >> ~/.zshrc`],
  ["/bin/bash", "Linux", (dir) => `  echo 'export PATH="${dir}:$PATH"' >> ~/.bashrc`],
  ["/bin/bash", "Darwin", (dir) => `  echo 'export PATH="${dir}:$PATH"' >> ~/.bash_profile`],
  ["/usr/bin/fish", "Linux", (dir) => `  fish_add_path '${dir}'`],
];

for (const [shell, system, says] of ADVICE) {
  Deno.test(`given ${shell} on ${system}, when looop is installed outside PATH, then the message has the line to run`, async () => {
    await using box = await Sandbox.create();
    box.addTool("uname", `[ "$1" = -s ] && echo ${system} || echo x86_64`);
    box.addTool("getconf", "echo glibc 2.36");
    box.addTool("sysctl", "exit 1");
    box.addTool("deno", DENO);
    const { stdout } = await box.run({ env: { SHELL: shell } });
    strictEqual(stdout.split("\n").includes(says(box.dir)), true, stdout);
  });
}

Deno.test("given no SHELL, when looop is installed, then the next step is still said", async () => {
  await using box = await Sandbox.create();
  await box.publish(NEW);
  const { code, stdout } = await box.run({
    env: { SHELL: undefined },
    shell: findTool("dash") === undefined ? "sh" : "dash",
  });
  strictEqual(code, 0);
  match(stdout, /~\/\.profile\nNext: /);
});

Deno.test("given the folder in PATH, when another looop comes first there, then the message says so, and nothing else about PATH", async () => {
  await using box = await Sandbox.create();
  await box.publish(NEW);
  const inPath = await box.run({ env: { PATH: `${box.root}/tools:${box.dir}` } });
  deepStrictEqual(inPath.stdout.split("\n").length, 4, inPath.stdout);
  box.addTool("looop", "exit 1");
  const shadowed = await box.run({ env: { PATH: `${box.root}/tools:${box.dir}` } });
  match(shadowed.stdout, /\nNote: PATH finds another looop first: .*\/tools\/looop\nNext: /);
});
