/** install.sh without an available release: its fallback, its messages, and the files it leaves. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import {
  ASSET,
  CHECKOUT,
  DENO,
  findTool,
  NEW,
  OLD,
  program,
  Sandbox,
  sumLine,
  USUAL_TOOLS,
} from "./sandbox.ts";

/** The message for a server without a release. */
const cannotDownload = (box: Sandbox) => `Cannot download ${box.releaseUrl}/latest/download/SHA256SUMS\n`;

Deno.test("given a checkout and Deno, when there is no release, then the checkout is built", async () => {
  await using box = await Sandbox.create();
  box.addTool("deno", DENO);
  box.addTool("npx", "exit 1");
  await box.addCheckout();
  const { code, stdout } = await box.run();
  strictEqual(code, 0);
  match(
    stdout,
    /\nFalling back to a build of this checkout: deno task compile\nInstalled looop 0\.1\.0-built: /,
  );
  strictEqual(stdout.includes(cannotDownload(box)), true);
  deepStrictEqual(await box.calls(), ["deno task compile"]);
  deepStrictEqual(await box.installed(), ["looop"]);
});

Deno.test("given a checkout around install.sh, when it is run from elsewhere, then that checkout is built", async () => {
  await using box = await Sandbox.create();
  box.addTool("deno", DENO);
  await box.addCheckout();
  const { stdout } = await box.run({ cwd: `${box.root}/home` });
  match(stdout, /Installed looop 0\.1\.0-built/);
});

Deno.test("given a checkout and a Deno that cannot compile, when there is no release, then npx's Deno builds it", async () => {
  await using box = await Sandbox.create();
  box.addTool("deno", "exit 1");
  box.addTool("npx", DENO);
  await box.addCheckout();
  const { code, stdout } = await box.run();
  strictEqual(code, 0);
  match(
    stdout,
    /deno task compile\nThat build did not give a looop that runs here\.\nFalling back .*: npx -y deno task compile\n/,
  );
  deepStrictEqual(await box.calls(), ["deno task compile", "npx -y deno task compile"]);
});

Deno.test("given a checkout and npx alone, when its build fails, then a launcher is written", async () => {
  await using box = await Sandbox.create();
  box.addTool("npx", `case "$*" in *compile) exit 1 ;; esac\n${DENO}`);
  await box.addCheckout();
  const { code, stdout } = await box.run();
  strictEqual(code, 0);
  match(
    stdout,
    /Falling back to a launcher .*: npx -y deno run -A jsr:@looop\/cli\nInstalled looop 0\.1\.0-jsr: /,
  );
  deepStrictEqual(await box.calls(), [
    "npx -y deno task compile",
    "npx -y deno run -A jsr:@looop/cli version",
  ]);
});

Deno.test("given Deno and no checkout, when there is no release, then the launcher passes arguments on", async () => {
  await using box = await Sandbox.create();
  box.addTool("deno", `${DENO}\n[ "$4" = version ] || for word in "$@"; do echo "<$word>"; done`);
  strictEqual((await box.run()).code, 0);
  // As in agents and services, PATH has no Deno: the launcher finds Deno where it was at install time.
  const { stdout } = await new Deno.Command(box.target, {
    args: ["_", "ask", "two words", "*"],
    clearEnv: true,
    env: { PATH: "/nowhere" },
  }).output();
  strictEqual(
    new TextDecoder().decode(stdout),
    "looop 0.1.0-jsr\n<run>\n<-A>\n<jsr:@looop/cli>\n<_>\n<ask>\n<two words>\n<*>\n",
  );
});

Deno.test("given a launcher that Deno cannot run, when there is no release, then nothing is installed and the cause shown", async () => {
  await using box = await Sandbox.create();
  await box.preinstall(OLD);
  box.addTool("deno", "echo 'error: Import failed' >&2; exit 1");
  const { code, stderr } = await box.run();
  strictEqual(code, 1);
  match(
    stderr,
    /\nerror: Import failed\ninstall\.sh: Deno could not run jsr:@looop\/cli .*nothing was changed/,
  );
  strictEqual(await Deno.readTextFile(box.target), OLD);
  deepStrictEqual(await box.installed(), ["looop"]);
});

Deno.test("given no Deno and no Node, when there is no release, then it fails and says what to install", async () => {
  await using box = await Sandbox.create();
  const { code, stderr } = await box.run();
  strictEqual(code, 1);
  match(stderr, /\ninstall\.sh: There is no release to be had and no Deno to do without: install Deno/);
  deepStrictEqual(await box.installed(), []);
});

Deno.test("given the script of a checkout, when it runs elsewhere, then it requests no program and says so", async () => {
  await using box = await Sandbox.create();
  box.addTool("deno", DENO);
  const { code, stdout, stderr } = await box.run({ script: CHECKOUT, env: { LOOOP_RELEASE_URL: undefined } });
  strictEqual(code, 1);
  match(stdout, /^This copy of install\.sh names no publisher \(LOOOP_REPO=OWNER\/NAME does\)/);
  match(stderr, /^install\.sh: There is no release to be had and nothing to build: run this in a checkout/);
  deepStrictEqual(await box.calls(), []);
  deepStrictEqual(await box.installed(), []);
});

Deno.test("given the script of a checkout, when it runs there, then that checkout is built", async () => {
  await using box = await Sandbox.create();
  box.addTool("deno", DENO);
  await box.addCheckout();
  const { code, stdout } = await box.run({ script: CHECKOUT, env: { LOOOP_RELEASE_URL: undefined } });
  strictEqual(code, 0);
  match(
    stdout,
    /names no publisher.*\nFalling back to a build of this checkout: deno task compile\nInstalled /,
  );
  deepStrictEqual(box.requests, []);
});

Deno.test("given LOOOP_REPO, when the script of a checkout runs, then it asks that repository's releases", async () => {
  await using box = await Sandbox.create([]);
  box.addTool("curl", 'for last in "$@"; do :; done; echo "$last" >&2; exit 7');
  const { stdout } = await box.run({
    script: CHECKOUT,
    env: { LOOOP_RELEASE_URL: undefined, LOOOP_REPO: "OWNER/FORK" },
  });
  match(
    stdout,
    /^Cannot download https:\/\/github\.com\/OWNER\/FORK\/releases\/latest\/download\/SHA256SUMS$/m,
  );
});

/** Body of a `gh` that is logged in and knows attestations; `verifies` is what its `attestation verify` runs. */
const gh = (verifies: string) =>
  `case "$*" in
  *--help) echo '  --signer-workflow' ;;
  "auth token") echo token ;;
  "attestation verify"*) ${verifies} ;;
esac`;

/** Outcomes of gh, each with the exit code and message of install.sh. */
const ATTESTATIONS: Record<string, { gh: string; env?: Record<string, string>; code: number; says: RegExp }> =
  {
    "an attestation": {
      gh: gh(`echo '[{"attestation":{}}]'`),
      code: 0,
      says: /^Built by the release workflow of OWNER\/NAME, says its attestation\.$/m,
    },
    "no attestation": {
      gh: gh("echo 'no attestations found' >&2; exit 1"),
      code: 1,
      says:
        /^no attestations found\ninstall\.sh: gh found no attestation of OWNER\/NAME for looop-.*nothing was changed/m,
    },
    "no attestation and a gh that exits 0 all the same": {
      gh: gh("echo '[]'"),
      code: 1,
      says: /^install\.sh: gh found no attestation of OWNER\/NAME/m,
    },
    "no attestation that is not to be asked for": {
      gh: gh("exit 1"),
      env: { LOOOP_ATTESTATION: "skip" },
      code: 0,
      says: /^Installed looop 0\.1\.0: /m,
    },
    "a gh that is not logged in": {
      gh: `case "$*" in *--help) echo '  --signer-workflow' ;; *) exit 1 ;; esac`,
      code: 0,
      says: /^Not asked who built it: gh is not logged in\.$/m,
    },
    "a gh that knows no attestations": { gh: "exit 1", code: 0, says: /^Installed looop 0\.1\.0: /m },
  };

for (const [name, { gh, env = {}, code, says }] of Object.entries(ATTESTATIONS)) {
  Deno.test(`given ${name}, when install.sh has downloaded a release, then it ${code === 0 ? "is installed" : "stays out"}`, async () => {
    await using box = await Sandbox.create();
    await box.publish(NEW);
    box.addTool("gh", gh);
    const ended = await box.run({ env });
    match(ended.stdout + ended.stderr, says);
    deepStrictEqual([ended.code, await box.installed()], [code, code === 0 ? ["looop"] : []]);
    const asked = (await box.calls()).filter((call) => call.startsWith("gh attestation verify /"));
    for (const call of asked) {
      match(
        call,
        /\.gz --repo OWNER\/NAME --signer-workflow OWNER\/NAME\/\.github\/workflows\/release\.yml /,
      );
    }
    strictEqual(
      asked.length,
      gh.includes('"attestation verify"*') && env["LOOOP_ATTESTATION"] === undefined ? 1 : 0,
    );
  });
}

/** Reasons for a missing release, each with its message. */
const NO_RELEASE: Record<
  string,
  { tools?: string[]; make?: (box: Sandbox) => Promise<void>; url?: string; says: RegExp }
> = {
  "no network": {
    url: "http://127.0.0.1:1/releases",
    says: /^Cannot download http:\/\/127\.0\.0\.1:1\/releases\/latest\/download\/SHA256SUMS$/m,
  },
  "no release for this platform": {
    make: async (box) => {
      const other = await sumLine(new Uint8Array(1), "looop-plan9-x86_64.gz");
      box.files.set("latest/download/SHA256SUMS", other);
    },
    says: new RegExp(`^This release has no ${ASSET}\\.$`, "m"),
  },
  "a listed file that is not there": {
    make: async (box) => {
      await box.publish(NEW);
      box.files.delete(`latest/download/${ASSET}`);
    },
    says: new RegExp(`^Cannot download .*/${ASSET}$`, "m"),
  },
  "neither curl nor wget": {
    tools: ["sha256sum"],
    make: (box) => box.publish(NEW),
    says: /^Cannot download a release: there is neither curl nor wget\.$/m,
  },
  "musl": {
    make: async (box) => {
      await box.publish(NEW);
      box.addTool("uname", `[ "$1" = -s ] && echo Linux || echo x86_64`);
      box.addTool("getconf", "exit 1");
      box.addTool("ldd", "echo 'musl libc (x86_64)' >&2; exit 1");
    },
    says: /^This Linux uses musl; releases need glibc/m,
  },
  "an unknown system": {
    make: async (box) => {
      await box.publish(NEW);
      box.addTool("uname", `[ "$1" = -s ] && echo FreeBSD || echo amd64`);
    },
    says: /^There are no releases for FreeBSD on amd64\.$/m,
  },
  "an unknown processor": {
    make: async (box) => {
      await box.publish(NEW);
      box.addTool("uname", `[ "$1" = -s ] && echo Linux || echo riscv64`);
    },
    says: /^There are no releases for Linux on riscv64\.$/m,
  },
};

for (const [name, { tools, make, url, says }] of Object.entries(NO_RELEASE)) {
  Deno.test(`given ${name}, when install.sh runs beside Deno, then it says so and installs the launcher`, async () => {
    await using box = await Sandbox.create(tools);
    box.addTool("deno", DENO);
    await make?.(box);
    const { code, stdout } = await box.run(url === undefined ? {} : { env: { LOOOP_RELEASE_URL: url } });
    strictEqual(code, 0);
    match(stdout, says);
    match(stdout, /^Falling back to a launcher .*: deno run -A jsr:@looop\/cli$/m);
    match(await Deno.readTextFile(box.target), /^exec deno run -A jsr:@looop\/cli "\$@"$/m);
    deepStrictEqual(await box.installed(), ["looop"]);
  });
}

/** Output of `uname`, and the file that install.sh then asks for. */
const PLATFORMS: [system: string, machine: string, asset: string][] = [
  ["Linux", "x86_64", "looop-linux-x86_64.gz"],
  ["Linux", "aarch64", "looop-linux-aarch64.gz"],
  ["Darwin", "x86_64", "looop-macos-x86_64.gz"],
  ["Darwin", "arm64", "looop-macos-aarch64.gz"],
  ["Darwin", "x86_64 under Rosetta", "looop-macos-aarch64.gz"],
];

for (const [system, machine, asset] of PLATFORMS) {
  Deno.test(`given ${system} on ${machine}, when install.sh runs, then it asks for ${asset}`, async () => {
    await using box = await Sandbox.create();
    box.addTool("uname", `[ "$1" = -s ] && echo ${system} || echo ${machine.split(" ")[0]}`);
    box.addTool("getconf", "echo glibc 2.36");
    box.addTool("sysctl", machine.endsWith("Rosetta") ? "echo 1" : "exit 1");
    box.files.set("latest/download/SHA256SUMS", await sumLine(new Uint8Array(1), asset));
    await box.run();
    deepStrictEqual(box.requests, ["latest/download/SHA256SUMS", `latest/download/${asset}`]);
  });
}

for (const tool of ["sha256sum", "shasum", "openssl"]) {
  Deno.test({
    name:
      `given only ${tool} to verify with, when install.sh runs, then a good release is installed and a bad one refused`,
    ignore: findTool(tool) === undefined,
    fn: async () => {
      // shasum is a Perl script, which finds its interpreter on PATH.
      await using box = await Sandbox.create(["curl", tool, ...(tool === "shasum" ? ["perl"] : [])]);
      await box.publish(NEW);
      strictEqual((await box.run()).code, 0);
      await box.publish(program("0.2.0"));
      box.files.set("latest/download/SHA256SUMS", await sumLine(new Uint8Array(1), ASSET));
      match((await box.run()).stderr, /Wrong checksum/);
      strictEqual(await Deno.readTextFile(box.target), NEW);
    },
  });
}

Deno.test("given nothing to verify with, when install.sh runs, then nothing unverified is installed", async () => {
  await using box = await Sandbox.create(["curl"]);
  await box.publish(NEW);
  const { code, stderr } = await box.run();
  strictEqual(code, 1);
  match(stderr, /^install\.sh: Cannot verify the download with sha256sum, shasum or openssl: install one/);
  deepStrictEqual(await box.installed(), []);
});

Deno.test({
  name: "given wget and no curl, when install.sh runs, then the release is installed",
  ignore: findTool("wget") === undefined,
  fn: async () => {
    await using box = await Sandbox.create(["wget", ...USUAL_TOOLS.filter((tool) => tool !== "curl")]);
    await box.publish(NEW);
    const { code, stderr } = await box.run();
    deepStrictEqual({ code, stderr }, { code: 0, stderr: "" });
    strictEqual(await Deno.readTextFile(box.target), NEW);
  },
});

Deno.test({
  name:
    "given only BusyBox's wget and checksum, when install.sh runs, then a good release is installed and a bad one refused",
  ignore: findTool("busybox") === undefined,
  fn: async () => {
    await using box = await Sandbox.create([]);
    for (const name of ["wget", "sha256sum"]) {
      await Deno.symlink(findTool("busybox")!, `${box.root}/tools/${name}`);
    }
    await box.publish(NEW);
    strictEqual((await box.run()).code, 0);
    strictEqual(await Deno.readTextFile(box.target), NEW);
    box.files.set("latest/download/SHA256SUMS", await sumLine(new Uint8Array(1), ASSET));
    match((await box.run()).stderr, /Wrong checksum/);
  },
});
