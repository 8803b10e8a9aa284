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

/** Bundles `entry` into a folder, one chunk per verb; minified, which is the form that {@link lighten} reads. */
export async function bundle(entry: string, folder: string): Promise<void> {
  const args = [
    "bundle",
    "--frozen",
    "--quiet",
    "--platform=deno",
    "--code-splitting",
    "--minify",
    "--external",
    DEBUGGER,
    "--outdir",
    folder,
    entry,
  ];
  await run(Deno.execPath(), args);
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
  await bundle(entry, folder);
  const main = entry.slice(entry.lastIndexOf("/") + 1).replace(/\.ts$/, ".js");
  await hideChunks(folder, main);
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

/** Size from which a chunk that no other needs at once is packed, bytes. */
const PACK_BYTES = 64 * 1024;
/**
 * Most imports of a packed chunk. Its address is its text, which the runtime goes through at each of its imports: with
 * 100 of them, the first screen of `watch` took five times the CPU.
 */
const PACK_IMPORTS = 4;
const IMPORT = /\b(from|import) ?"/g;

/**
 * Keeps the chunks from costing at each start, loaded or not. The runtime goes through the text of every module that
 * the compiler knows, 1.3 ms CPU for a megabyte: so they lose their extension, and the imports by which the compiler
 * would find them. It reads all embedded files into memory, 0.8 ms for a megabyte: so the large ones are packed.
 */
async function hideChunks(folder: string, main: string): Promise<void> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".js"));
  const texts = new Map(names.map((name) => [name, Deno.readTextFileSync(`${folder}/${name}`)]));
  const isStatic = (name: string) =>
    [...texts.values()].some((text) =>
      text.includes(`from"./${name}"`) || text.includes(`import"./${name}"`)
    );
  const packed = new Set(
    [...texts].filter(([name, text]) =>
      name !== main && text.length > PACK_BYTES && !isStatic(name) &&
      [...text.matchAll(IMPORT)].length <= PACK_IMPORTS
    ).map(([name]) => name),
  );
  const chunks = new Set(names.filter((name) => name !== main));
  for (const [name, text] of texts) {
    const bare = withoutExtension(name);
    const hidden = hideImports(text, chunks, packed);
    await Deno.remove(`${folder}/${name}`);
    if (packed.has(name)) await Deno.writeFile(`${folder}/${bare}.gz`, await gzip(hidden));
    else await Deno.writeTextFile(`${folder}/${name === main ? name : bare}`, hidden);
  }
  if (packed.size > 0) await Deno.copyFile(`${root}tests/tools/unpack.js`, `${folder}/${UNPACK}`);
}

/** The chunk that imports a packed one. */
const UNPACK = "unpack";

/** A chunk's text with its imports of others as those are stored. */
function hideImports(text: string, chunks: ReadonlySet<string>, packed: ReadonlySet<string>): string {
  return text.replace(/\bimport\("\.\/([\w.-]+)"\)/g, (whole, name: string) => {
    if (!chunks.has(name)) return whole;
    const bare = withoutExtension(name);
    return packed.has(name)
      ? `import("./"+"${UNPACK}").then(m=>m.default("${bare}"))`
      : `import("./"+"${bare}")`;
  }).replace(
    /\b(from|import) ?"\.\/([\w.-]+)"/g,
    (whole, word, name) => chunks.has(name) ? `${word}"./${withoutExtension(name)}"` : whole,
  );
}

function withoutExtension(name: string): string {
  return name.slice(0, -".js".length);
}

async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
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
