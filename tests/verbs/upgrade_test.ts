import { match, strictEqual } from "node:assert/strict";
import { looopCommand, testProfile } from "../looop.ts";

/** Copies in another process, so that the copy can be run at once; see tests/executable.ts. */
async function copy(from: string, to: string): Promise<void> {
  strictEqual((await new Deno.Command("cp", { args: ["-R", from, to] }).output()).success, true);
}

const compiled = Deno.env.get("LOOOP_UNDER_TEST") !== undefined;

Deno.test({
  name: "given a binary whose path is replaced while its pulse runs, when status is asked, then it says so",
  ignore: !compiled,
  async fn() {
    await using p = await testProfile();
    const exe = `${p.base}/looop`;
    const call = async (...args: string[]) => {
      const { stdout, stderr } = await new Deno.Command(exe, {
        args,
        env: p.env,
        clearEnv: true,
        cwd: p.base,
      }).output();
      return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    };
    await copy(looopCommand()[0] ?? "", exe);
    await call("up");
    // A new file replaces the old one in one step, as installers do it.
    await copy(exe, `${exe}.new`);
    await Deno.rename(`${exe}.new`, exe);
    await p.until("status tells of the upgrade", async () => (await call("status")).includes("was replaced"));
    match(await call("down"), /pulse stopped/);
  },
});

Deno.test("given a pulse of another version, when up is called after an upgrade, then the pulse is restarted and no worker", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.ok("_", "worker", "start", "w1", "--runner", "shell", "sleep 600");
  const before = await p.json("_", "state", "--json");
  // The next version is this source with another version number.
  const next = `${p.base}/next`;
  await Deno.mkdir(next);
  for (const name of ["main.ts", "deno.json", "deno.lock", "lib", "verbs"]) {
    await copy(new URL(`../../${name}`, import.meta.url).pathname, next);
  }
  const version = `${next}/lib/cli/version.ts`;
  await Deno.writeTextFile(
    version,
    (await Deno.readTextFile(version)).replace(/"\d+\.\d+\.\d+"/, '"99.0.0"'),
  );
  const upgraded = async (...args: string[]) => {
    const command = ["run", "-A", "--quiet", `${next}/main.ts`, ...args];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: command, env: p.env, clearEnv: true })
      .output();
    return new TextDecoder().decode(stdout);
  };
  match(await upgraded("up"), /^looop: pulse restarted as 99\.0\.0/);
  match(await upgraded("up"), /^looop: pulse already running/);
  const after = await p.json("_", "state", "--json");
  strictEqual(after.workers[0].alive, true);
  strictEqual(after.workers[0].started, before.workers[0].started);
  match(await upgraded("down"), /stopped 1 worker/);
});

Deno.test("given a data dir of a newer format, when any verb opens it, then it is refused in one line and left alone", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await Deno.writeTextFile(p.path(".format"), "99\n");
  for (
    const args of [["up"], ["_", "state"], ["_", "goal", "write", "g", "text"], [
      "_",
      "ask",
      "w",
      "--prompt",
      "x",
    ]]
  ) {
    const { code, stdout, stderr } = await p.run(...args);
    strictEqual(code, 1, args.join(" "));
    strictEqual(stdout, "");
    match(stderr, /^looop [^\n]*format "99"[^\n]*upgrade looop[^\n]*\n$/);
  }
  strictEqual(p.read(".format"), "99\n");
  await Deno.writeTextFile(p.path(".format"), "1\n");
});

Deno.test({
  name: "given the binary, when it is asked to reach the network by itself, then its permissions forbid it",
  ignore: !compiled,
  async fn() {
    // A program compiled with the same permissions as the binary cannot connect.
    const task = await Deno.readTextFile(new URL("../tools/compile.ts", import.meta.url));
    strictEqual(
      [...task.matchAll(/"--allow-(\w+)"/g)].map((found) => found[1]).join(" "),
      "read write run env sys",
    );
    const dir = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(
        `${dir}/probe.js`,
        `const tries = { fetch: () => fetch("http://127.0.0.1:9"), connect: () => Deno.connect({ port: 9 }), listen: () => Deno.listen({ port: 0 }), ffi: () => Deno.dlopen("libc.so.6", {}) };
for (const [name, go] of Object.entries(tries)) { try { await go(); console.log(name, "allowed"); } catch (error) { console.log(name, error.name); } }`,
      );
      const deno = Deno.env.get("DENO_STANDALONE") ?? Deno.execPath();
      const flags = [...task.matchAll(/"(--(?:allow-\w+|no-prompt|no-check|no-config|no-lock))"/g)].map(
        (found) => found[1] ?? "",
      );
      const args = ["compile", ...flags, "--output", `${dir}/probe`, `${dir}/probe.js`];
      const built = await new Deno.Command(deno, { args }).output();
      strictEqual(built.code, 0, new TextDecoder().decode(built.stderr));
      const { stdout } = await new Deno.Command(`${dir}/probe`).output();
      strictEqual(
        new TextDecoder().decode(stdout),
        "fetch NotCapable\nconnect NotCapable\nlisten NotCapable\nffi NotCapable\n",
      );
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
