import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { readMarked } from "../../lib/process/table.ts";
import { startRegistry } from "./registry.ts";
import { ASSET, gzip, SCRIPT, sumLine } from "./sandbox.ts";

/** The module cache of this test run. */
function ownCache(): string {
  const home = Deno.env.get("HOME") ?? "";
  const caches = Deno.build.os === "darwin"
    ? `${home}/Library/Caches`
    : Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`;
  return Deno.env.get("DENO_DIR") ?? `${caches}/deno`;
}

/** The packages of deno.lock as `[name, version, integrity]`. */
async function lockedPackages(): Promise<[string, string, string][]> {
  const lock = JSON.parse(await Deno.readTextFile(new URL("../../deno.lock", import.meta.url)));
  return Object.entries(lock.npm as Record<string, { integrity: string }>).map(([key, { integrity }]) => {
    // A package resolved with a peer has the peer after an underscore.
    const [whole = ""] = key.slice(1).split("_");
    const at = key[0] + whole;
    return [at.slice(0, at.lastIndexOf("@")), at.slice(at.lastIndexOf("@") + 1), integrity];
  });
}

/**
 * Copies the locked npm packages from the cache of this run, so that nothing must be fetched.
 *
 * A run without deno.lock, as from JSR, resolves versions by each package's registry entry. A run with the lock never
 * fetches such entries, so this makes them from the packages.
 */
async function copyNpmCache(denoDir: string): Promise<void> {
  for (const { name: host } of Deno.readDirSync(`${ownCache()}/npm`)) {
    const entries = new Map<string, Record<string, unknown>>();
    for (const [name, version, integrity] of await lockedPackages()) {
      const [from, to] = [ownCache(), denoDir].map((dir) => `${dir}/npm/${host}/${name}`);
      if (!isFile(`${from}/${version}/package.json`)) continue;
      await Deno.mkdir(to ?? "", { recursive: true });
      await new Deno.Command("cp", { args: ["-R", `${from}/${version}`, `${to}/`] }).output();
      const { dependencies, bin, os, cpu } = JSON.parse(
        await Deno.readTextFile(`${to}/${version}/package.json`),
      );
      const dist = { tarball: `https://${host}/${name}-${version}.tgz`, integrity };
      entries.set(name, { ...entries.get(name), [version]: { version, dist, dependencies, bin, os, cpu } });
    }
    for (const [name, versions] of entries) {
      const entry = {
        name,
        versions,
        "dist-tags": { latest: Object.keys(versions).at(-1) },
        // The newer supported runtime accepts only an entry with times.
        time: Object.fromEntries(Object.keys(versions).map((version) => [version, "2020-01-01T00:00:00Z"])),
        "_deno.packumentFormat": "full",
      };
      await Deno.writeTextFile(`${denoDir}/npm/${host}/${name}/registry.json`, JSON.stringify(entry));
    }
  }
}

/** A proxy that refuses every connection, so that any fetch from another machine fails at once. */
const NO_NETWORK = {
  HTTPS_PROXY: "http://127.0.0.1:9",
  HTTP_PROXY: "http://127.0.0.1:9",
  NO_PROXY: "127.0.0.1",
};

/** A fresh home, with only the npm packages that are already cached. */
async function testHome(): Promise<{ dir: string; env: Record<string, string> } & AsyncDisposable> {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-ways-" }));
  const kept = ["PATH", "NPM_CONFIG_REGISTRY", "NO_COLOR"].map((name) => [name, Deno.env.get(name)])
    .filter(([, value]) => value !== undefined);
  await copyNpmCache(`${dir}/deno`);
  return {
    dir,
    env: {
      ...Object.fromEntries(kept),
      ...NO_NETWORK,
      HOME: dir,
      DENO_DIR: `${dir}/deno`,
      LOOOP_INTERVAL: "1",
      DENO_NO_UPDATE_CHECK: "1",
    },
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

type Home = Awaited<ReturnType<typeof testHome>>;

async function run(home: Home, command: string[], env: Record<string, string>, stdin?: string) {
  const [exe = "", ...args] = command;
  const path = (env["PATH"] ?? home.env["PATH"] ?? "").split(":");
  // Looks a program up on its own PATH instead of the tests'.
  const found = exe.includes("/")
    ? exe
    : path.map((dir) => `${dir}/${exe}`).find((file) => isFile(file)) ?? exe;
  const child = new Deno.Command(found, {
    args,
    cwd: home.dir,
    env: { ...home.env, ...env },
    clearEnv: true,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  strictEqual(code, 0, `${args.slice(-4).join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Command line of a process, to name the ones that are left. */
function commandOf(pid: number): string {
  try {
    return `${pid} ${Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").slice(0, 200)}`;
  } catch {
    return `${pid} has ended since`;
  }
}

const BRIEF = `
"$LOOOP_BIN" _ ready w1
answer=$("$LOOOP_BIN" _ ask w1 --prompt "On?")
echo "$answer" >"$LOOOP_DATA_DIR/reports/w1"
"$LOOOP_BIN" _ kill w1
sleep 600`;

/** Scenario of each way of use: a pulse that survives, a worker whose LOOOP_BIN works, an answer, an end. */
async function wholeScenario(home: Home, looop: string[], env: Record<string, string>): Promise<void> {
  const data = await Deno.makeTempDir({ dir: home.dir, prefix: "data-" });
  const call = (args: string[], stdin?: string) =>
    run(home, [...looop, ...args], { ...env, LOOOP_DATA_DIR: data }, stdin);
  // deno-lint-ignore no-explicit-any -- tests look into it freely
  const wait = async (): Promise<any> =>
    JSON.parse(await call(["_", "wait", "--json", "--full", "--timeout", "20"]));
  match(await call(["up"]), /pulse started/);
  try {
    strictEqual((await wait()).pulse.alive, true);
    await call(["_", "worker", "start", "w1", "--runner", "shell"], BRIEF);
    let seen = await wait();
    while (seen.asks.length === 0 && !seen.timed_out) seen = await wait();
    await call(["_", "answer", "w1-1", "go"]);
    while (seen.workers[0]?.alive && !seen.timed_out) seen = await wait();
    strictEqual(seen.workers[0].ended_by, "self");
    strictEqual(await Deno.readTextFile(`${data}/reports/w1`), "go\n");
  } finally {
    const log = await Deno.readTextFile(`${data}/sessions/pulse/output.log`);
    match(await call(["down"]), /pulse stopped/, log);
  }
  deepStrictEqual([...await readMarked([`LOOOP_DATA_DIR=${data}`])].map(commandOf), []);
}

const deno = Deno.execPath();

Deno.test("given a registry on loopback, when looop is run or installed from there, then the whole scenario holds each way", async (t) => {
  await using registry = await startRegistry();
  // All ways share one home, so that each uses what the previous one has fetched.
  await using home = await testHome();
  const env = { JSR_URL: registry.url };
  const ways = { "jsr:@looop/cli": "jsr:@looop/cli", "main.ts at an http URL": registry.mainUrl };
  for (const [way, module] of Object.entries(ways)) {
    await t.step(`as ${way}`, () => wholeScenario(home, [deno, "run", "-A", "--quiet", module], env));
  }
  await t.step("by deno install -g, with looop on PATH", async () => {
    const path = { ...env, PATH: `${home.dir}/bin:${deno.replace(/\/[^/]*$/, "")}:${home.env["PATH"]}` };
    const options = ["-g", "-A", "--quiet", "--root", home.dir, "-n", "looop"];
    await run(home, [deno, "install", ...options, "jsr:@looop/cli"], path);
    await wholeScenario(home, [`${home.dir}/bin/looop`], path);
  });
});

const binary = Deno.env.get("LOOOP_UNDER_TEST");

Deno.test({
  name:
    "given a release server, when install.sh has installed the real binary, then looop on PATH does the whole scenario",
  ignore: binary === undefined,
  async fn() {
    await using home = await testHome();
    const file = await Deno.readFile(
      binary?.startsWith("/") ? binary : new URL(`../../${binary}`, import.meta.url),
    );
    const packed = await gzip(file);
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        const name = new URL(request.url).pathname.split("/").at(-1) ?? "";
        return name === "SHA256SUMS" ? new Response(await sumLine(packed, ASSET)) : new Response(packed);
      },
    );
    const env = {
      LOOOP_RELEASE_URL: `http://127.0.0.1:${server.addr.port}`,
      PATH: `${home.dir}/.local/bin:${home.env["PATH"]}`,
    };
    match(await run(home, ["sh", SCRIPT], env), /looop up|looop demo/);
    await wholeScenario(home, ["looop"], env);
    match(await run(home, ["looop", "demo"], env), /nothing is left running/);
  },
});
