/** The release: notes and versions as release_check reads them, and the files for install.sh that the workflow makes. */
import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { CHECKOUT, RELEASED } from "./sandbox.ts";
import { releasedScript } from "../tools/release_files.ts";
import { findVersions, newestRelease, taggedVersion } from "../tools/release_check.ts";

const ROOT = new URL("../../", import.meta.url);
const workflow = (name: string) => Deno.readTextFile(new URL(`.github/workflows/${name}.yml`, ROOT));

Deno.test("given a changelog, when its newest release is read, then [Unreleased] and older ones are left out", () => {
  const changelog = "# Changelog\n\n## [Unreleased]\n\n- soon\n\n" +
    "## [0.2.0] - 2026-12-01\n\n### Added\n\n- this\n\n## [0.1.0] - 2026-11-22\n\n- that\n";
  deepStrictEqual(newestRelease(changelog), { version: "0.2.0", notes: "### Added\n\n- this\n" });
});

Deno.test("given a changelog without a dated heading, when its newest release is read, then there is none", () => {
  strictEqual(newestRelease("# Changelog\n\n## [Unreleased]\n\n## 0.1.0\n\n- that\n"), undefined);
});

Deno.test("given places that name the version, when they are compared, then each that differs fails by name", () => {
  deepStrictEqual(
    findVersions("0.2.0", { "CHANGELOG.md": "0.2.0", "the tag": "0.1.0", "looop version": undefined }),
    [
      { ok: true, says: "CHANGELOG.md says 0.2.0" },
      { ok: false, says: "the tag says 0.1.0, deno.json 0.2.0" },
      { ok: false, says: "looop version says undefined, deno.json 0.2.0" },
    ],
  );
});

Deno.test("given the environment of a runner, when it runs for a tag, then the tag's version counts, but never a branch's name", () => {
  strictEqual(taggedVersion({ GITHUB_REF_NAME: "v0.2.0", GITHUB_REF_TYPE: "tag" }), "0.2.0");
  strictEqual(taggedVersion({ GITHUB_REF_NAME: "12/merge", GITHUB_REF_TYPE: "branch" }), undefined);
  strictEqual(taggedVersion({}), undefined);
});

Deno.test("given CHANGELOG.md, when the notes are printed, then they are the section of deno.json's version", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const newest = newestRelease(await Deno.readTextFile(new URL("CHANGELOG.md", ROOT)));
  strictEqual(newest?.version, version);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("tests/tools/release_check.ts", ROOT).pathname, "--notes"],
  }).output();
  deepStrictEqual([code, new TextDecoder().decode(stdout)], [0, newest?.notes]);
});

Deno.test("given the release workflow, when it is read, then it makes every file that install.sh can ask for", async () => {
  const text = await workflow("release");
  for (const system of ["linux", "macos"]) {
    for (const machine of ["x86_64", "aarch64"]) {
      const target = `${machine}-${system === "linux" ? "unknown-linux-gnu" : "apple-darwin"}`;
      match(text, new RegExp(`^ *compile ${target} looop-${system}-${machine}$`, "m"));
    }
  }
});

Deno.test("given install.sh, when a release fills in its publisher, then nothing else changes and no other account is named", async () => {
  strictEqual(/github\.com\/[\w-]+\/[\w-]+|jsr:@/.test(CHECKOUT), false, "the checkout names an account");
  const changed = RELEASED.split("\n").filter((line, n) => line !== CHECKOUT.split("\n")[n]);
  deepStrictEqual(changed, ["publisher='OWNER/NAME'", "package='jsr:@looop/cli'"]);
  throws(() => releasedScript(CHECKOUT, { repository: "a b", package: "@x/y" }), /"a b" is no repository/);
  throws(() => releasedScript(RELEASED, { repository: "a/b", package: "@x/y" }), /no line publisher=''/);
  match(await workflow("release"), /release_files\.ts "\$GITHUB_REPOSITORY"/);
});

Deno.test("given the release workflow, when its jobs are read, then each installs only what is pinned by content", async () => {
  for (const text of [await workflow("release"), await workflow("ci")]) {
    strictEqual(/npm (install|i|exec)\b|\bnpx\b|curl |pip |brew /.test(text), false);
  }
  const lock = JSON.parse(await Deno.readTextFile(new URL(".ci/deno/package-lock.json", ROOT)));
  const { dependencies } = JSON.parse(await Deno.readTextFile(new URL(".ci/deno/package.json", ROOT)));
  const packages = Object.entries<{ version: string; integrity?: string }>(lock.packages).filter(([path]) =>
    path !== ""
  );
  strictEqual(packages.some(([path]) => path === "node_modules/@deno/darwin-arm64"), true);
  for (const [path, { version, integrity }] of packages) {
    match(integrity ?? "", /^sha512-/, path);
    strictEqual(version, dependencies.deno, path);
  }
  match(await Deno.readTextFile(new URL("tests/tools/compile.ts", ROOT)), /"bundle",\s+"--frozen",/);
});

for (const name of ["ci", "release"]) {
  Deno.test(`given the ${name} workflow, when it is read, then actions are pinned by commit and permissions start from none`, async () => {
    const text = await workflow(name);
    const used = [...text.matchAll(/uses: (.*)$/gm)].map(([, action]) => action!);
    strictEqual(used.length > 0, true);
    for (const action of used) match(action, /^actions\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    match(text, /^permissions: \{\}$/m);
  });
}
