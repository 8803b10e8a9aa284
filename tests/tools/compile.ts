/**
 * `deno task compile [--target TRIPLE] [--output FILE]`: bundles, then compiles, the one self-contained binary.
 *
 * Bundled first, one chunk per verb, so that each verb loads only what it uses: an unbundled program starts in
 * 1.5 times and one whole bundle in 1.2 times the time. Without V8's code cache, since that lives under a fixed
 * name in the shared temporary folder. Least authority: no network, no FFI, no prompts. Nothing
 * is bundled that deno.lock does not name.
 *
 * Where Deno's own download site is out of reach, `DENO_STANDALONE` names the deno to compile with and
 * `DENORT_BIN` the runtime that it embeds.
 */
import { parseArgs } from "node:util";

const root = new URL("../../", import.meta.url).pathname;

/**
 * V8 keeps memory small after garbage-heavy beats; costs nothing at start-up. Without its optimizing compilers a
 * pulse is 10 MB lighter, as their code is never paged in and nothing is kept for them; what a verb computes is
 * over before they would pay, and where much is read the time goes into JSON.parse, which is native. Nor does a
 * process that waits collect garbage where there is none: that freed less than 1 MB for 30 ms of CPU.
 */
const V8_FLAGS = "--optimize-for-size,--max-semi-space-size=1,--no-opt,--no-maglev,--no-memory-reducer";

/** Bundles `entry` into a folder, one chunk per verb. */
export async function bundle(entry: string, folder: string, ...options: string[]): Promise<void> {
  const fixed = [
    "bundle",
    "--frozen",
    "--quiet",
    "--platform=deno",
    "--code-splitting",
    "--external",
    DEBUGGER,
  ];
  await run(Deno.execPath(), [...fixed, ...options, "--outdir", folder, entry]);
  await lighten(folder);
}

/** Bundles `entry` into `folder` and compiles that to `output`, all absolute paths. */
export async function compileProgram(
  entry: string,
  folder: string,
  output: string,
  target?: string,
): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await bundle(entry, folder, "--minify");
  const main = entry.slice(entry.lastIndexOf("/") + 1).replace(/\.ts$/, ".js");
  await run(Deno.env.get("DENO_STANDALONE") ?? Deno.execPath(), [
    "compile",
    "--quiet",
    "--no-check",
    "--no-config",
    "--no-lock",
    "--no-code-cache",
    "--no-prompt",
    "--allow-read",
    "--allow-write",
    "--allow-run",
    "--allow-env",
    "--allow-sys",
    `--v8-flags=${V8_FLAGS}`,
    ...(target === undefined ? [] : ["--target", target]),
    "--output",
    output,
    "--include",
    folder,
    `${folder}/${main}`,
  ]);
}

/** What ink loads where `DEV=true` asks for it; it is no dependency of ink's, and nothing for a program that is shipped. */
const DEBUGGER = "react-devtools-core";
/** The bundler's helper for CommonJS, which loads `node:module`: only what ink is made of needs it. */
const HELPER = /import\{createRequire as \w+\} ?from ?"node:module"/;

/** Empties the chunk that would load the debugger, and spares all chunks that are no CommonJS the load of the helper. */
async function lighten(folder: string): Promise<void> {
  const texts = new Map<string, string>();
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile) texts.set(name, await Deno.readTextFile(`${folder}/${name}`));
  }
  const helpers = [...texts].filter(([name, text]) => /^chunk-/.test(name) && HELPER.test(text));
  for (const [name, text] of texts) {
    const isDebugger = name.startsWith("devtools-") && text.includes(DEBUGGER);
    const light = isDebugger ? "export {};\n" : helpers.reduce(withoutHelper, text);
    if (light !== text) await Deno.writeTextFile(`${folder}/${name}`, light);
  }
}

/** A chunk that does not load the helper where it uses none of it, or only what makes a module's namespace. */
function withoutHelper(text: string, [name, helper]: readonly [string, string]): string {
  const [, makes = ""] = /(\w+)=\(\w+,\w+\)=>\{for\(/.exec(helper) ?? [];
  const [, alias = ""] = new RegExp(`[{,]${makes} as (\\w+)`).exec(helper) ?? [];
  return text.replaceAll(`import"./${name}";`, "").replace(
    new RegExp(`import\\{${alias} as (\\w+)\\}from"./${name}";`),
    "var $1=(a,b)=>{for(let c in b)Object.defineProperty(a,c,{get:b[c],enumerable:!0})};",
  );
}

async function run(exe: string, args: string[]): Promise<void> {
  const { code } = await new Deno.Command(exe, { args, cwd: root }).output().then((result) => {
    if (result.code !== 0) Deno.stderr.writeSync(result.stderr);
    return result;
  });
  if (code !== 0) Deno.exit(code);
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { target: { type: "string" }, output: { type: "string", default: "dist/looop" } },
  });
  const output = values.output ?? "dist/looop";
  await compileProgram(
    `${root}main.ts`,
    `${root}dist/bundle`,
    output.startsWith("/") ? output : `${root}${output}`,
    values.target,
  );
}
