import { match, strictEqual } from "node:assert/strict";
import { readMarked } from "../../lib/process/tree.ts";
import { startRegistry } from "./registry.ts";
import { ASSET, gzip, SCRIPT, sumLine } from "./sandbox.ts";

/** The npm packages that looop uses, as they are cached for this test run: no network is needed for them. */
async function copyNpmCache(denoDir: string): Promise<void> {
  const home = Deno.env.get("HOME") ?? "";
  const cache = Deno.env.get("DENO_DIR") ??
    (Deno.build.os === "darwin"
      ? `${home}/Library/Caches/deno`
      : `${Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`}/deno`);
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  // What is only named by a package that is used (an optional peer) needs its registry entry, not its files.
  const script = `for host in "$1"/npm/*; do to=$2/npm/\${host##*/}; mkdir -p "$to"
for at in "$host"/*; do name=\${at##*/}; case " $3 " in *" $name "*) cp -R "$at" "$to/";;
*) [ ! -f "$at/registry.json" ] || { mkdir -p "$to/$name"; cp "$at/registry.json" "$to/$name/"; };; esac; done; done`;
  const names = Object.keys(imports).join(" ");
  await new Deno.Command("sh", { args: ["-c", script, "sh", cache, denoDir, names] }).output();
}

/** A home of its own; the npm packages that are cached already may be used, nothing else. */
async function testHome(): Promise<{ dir: string; env: Record<string, string> } & AsyncDisposable> {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-ways-" }));
  const keep = [
    "PATH",
    "DENO_TLS_CA_STORE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NPM_CONFIG_REGISTRY",
    "NO_COLOR",
    "DENO_CERT",
  ];
  const kept = keep.map((name) => [name, Deno.env.get(name)]).filter(([, value]) => value !== undefined);
  await copyNpmCache(`${dir}/deno`);
  return {
    dir,
    env: {
      ...Object.fromEntries(kept),
      HOME: dir,
      DENO_DIR: `${dir}/deno`,
      LOOOP_DATA_DIR: `${dir}/data`,
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
  // A program is looked up on the PATH it is given, not on that of the tests.
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

const BRIEF = `
"$LOOOP_BIN" _ ready w1
answer=$("$LOOOP_BIN" _ ask w1 --prompt "On?")
echo "$answer" >"$LOOOP_DATA_DIR/reports/w1"
"$LOOOP_BIN" _ kill w1
sleep 600`;

/** The scenario of every way of use: a pulse that survives, a worker whose LOOOP_BIN works, an answer, an end. */
async function wholeScenario(home: Home, looop: string[], env: Record<string, string>): Promise<void> {
  const call = (args: string[], stdin?: string) => run(home, [...looop, ...args], env, stdin);
  // deno-lint-ignore no-explicit-any -- a test looks into it freely
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
    strictEqual(await Deno.readTextFile(`${home.dir}/data/reports/w1`), "go\n");
  } finally {
    const log = await Deno.readTextFile(`${home.dir}/data/sessions/pulse/output.log`);
    match(await call(["down"]), /pulse stopped/, log);
  }
  strictEqual((await readMarked([`LOOOP_DATA_DIR=${home.dir}/data`])).size, 0);
}

const deno = Deno.execPath();

Deno.test("given a registry on loopback, when looop is run as jsr:@looop/cli, then the whole scenario holds", async () => {
  await using registry = await startRegistry();
  await using home = await testHome();
  await wholeScenario(home, [deno, "run", "-A", "--quiet", "jsr:@looop/cli"], { JSR_URL: registry.url });
});

Deno.test("given main.ts at an http URL, when looop is run from there, then the whole scenario holds", async () => {
  await using registry = await startRegistry();
  await using home = await testHome();
  await wholeScenario(home, [deno, "run", "-A", "--quiet", registry.mainUrl], { JSR_URL: registry.url });
});

Deno.test("given the package, when it is installed with deno install -g, then looop on PATH does the whole scenario", async () => {
  await using registry = await startRegistry();
  await using home = await testHome();
  const env = {
    JSR_URL: registry.url,
    PATH: `${home.dir}/bin:${deno.replace(/\/[^/]*$/, "")}:${home.env["PATH"]}`,
  };
  await run(home, [
    deno,
    "install",
    "-g",
    "-A",
    "--quiet",
    "--root",
    home.dir,
    "-n",
    "looop",
    "jsr:@looop/cli",
  ], env);
  await wholeScenario(home, [`${home.dir}/bin/looop`], env);
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
