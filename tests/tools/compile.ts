/**
 * `deno task compile [--target TRIPLE] [--output FILE]`: bundles, then compiles, the one self-contained binary.
 *
 * It bundles one chunk per verb, so that each verb loads only what it uses: without bundling the start takes 1.5 times as
 * long, with one bundle 1.2 times. V8's code cache is off, since it has a fixed name in the shared temporary folder. The
 * binary has the least authority: no network, no FFI, no prompts. Only packages of deno.lock are bundled.
 *
 * If Deno's download site is out of reach, `DENO_STANDALONE` names the deno to compile with, and `DENORT_BIN` the runtime
 * to embed.
 */
import { parseArgs } from "node:util";

const root = new URL("../../", import.meta.url).pathname;

/**
 * V8 flags that keep memory small and cost nothing at start-up. Without the optimizing compilers a pulse is 10 MB lighter,
 * since their code is never paged in and they keep no data. They would not pay: a verb ends too soon, and large reads
 * spend their time in JSON.parse, which is native. A waiting process does not collect garbage when idle, which freed less
 * than 1 MB for 30 ms of CPU. One thread collects the young generation: to wait for others takes up to 3 ms in a verb
 * that collects once.
 */
const V8_FLAGS =
  "--optimize-for-size,--max-semi-space-size=1,--no-parallel-scavenge,--no-opt,--no-maglev,--no-memory-reducer";

/** Bundles `entry` into a folder, one chunk per verb, minified, as {@link lighten} expects. */
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

/** The debugger that ink loads with `DEV=true`; it is not among ink's dependencies and has no place in a release. */
const DEBUGGER = "react-devtools-core";
/** The bundler's helper for CommonJS, which loads `node:module`; only ink's packages need it. */
const HELPER = /import\{createRequire as \w+\} ?from ?"node:module"/;

/** Empties the debugger's chunk, and removes the helper from all chunks without CommonJS. */
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

/** A chunk without the helper's import if it uses nothing of it, or only what makes a module's namespace. */
function withoutHelper(text: string, [name, helper]: readonly [string, string]): string {
  const [, makes = ""] = /(\w+)=\(\w+,\w+\)=>\{for\(/.exec(helper) ?? [];
  const [, alias = ""] = new RegExp(`[{,]${makes} as (\\w+)`).exec(helper) ?? [];
  return text.replaceAll(`import"./${name}";`, "").replace(
    new RegExp(`import\\{${alias} as (\\w+)\\}from"./${name}";`),
    "var $1=(a,b)=>{for(let c in b)Object.defineProperty(a,c,{get:b[c],enumerable:!0})};",
  );
}

/** Size from which a lazily loaded chunk is packed, bytes. */
const PACK_BYTES = 64 * 1024;
/** An import in a minified module: a name for the default, one for everything, a list of names, the address. */
const IMPORT =
  /\bimport(?: ?([\w$]+))?,?(?: ?\* ?as ([\w$]+)|\{([^{}]*)\})? ?(?:from ?)?"((?:node:|\.\/)[\w./-]+)";?/g;
/** The exports at the end of a minified module, which only legal comments follow. */
const EXPORT = /\bexport ?\{([^{}]*)\};?(?=\s*(?:\/\*[^]*?\*\/\s*)*$)/;

/**
 * A packed chunk as the body of an async function that returns its exports, and the module that imports what the
 * function takes. A module without a file has its text as its address, which takes the runtime 60 ms for 460 kB; the
 * function takes 15.
 */
function asFunction(text: string): { body: string; imports: string } {
  const taken: string[] = [];
  const imports: string[] = [];
  const inner = text.replaceAll("import.meta", "importMeta").replace(IMPORT, (whole, one, all, list = "") => {
    const specs = list.split(",").filter((spec: string) => spec !== "");
    taken.push(...[one, all].filter(Boolean), ...specs.map((spec: string) => spec.replace(/^.* as /, "")));
    imports.push(whole.replace(/;?$/, ";"));
    return "";
  });
  const exported = (EXPORT.exec(inner)?.[1] ?? "").split(",").filter((spec) => spec !== "").map((spec) => {
    const [own, name = own] = spec.split(" as ");
    return `get ${name}(){return ${own}}`;
  });
  const body = `"use strict";${inner.replace(EXPORT, () => `return{${exported.join(",")}}`)}`;
  // An import or export that was overlooked is a fault of the syntax: better found here than by a user.
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  new AsyncFunction(...taken, body);
  return {
    body,
    imports: `${imports.join("")}export default{importMeta:import.meta,${taken.join(",")}};`,
  };
}

/**
 * Keeps chunks that are not loaded from costing time at each start. The runtime scans the text of every module that the
 * compiler knows, 1.3 ms CPU per megabyte, so chunks lose their extension and the imports by which the compiler would
 * find them. It reads all embedded files into memory, 0.8 ms per megabyte, so large chunks are packed.
 */
async function hideChunks(folder: string, main: string): Promise<void> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".js"));
  const texts = new Map(names.map((name) => [name, Deno.readTextFileSync(`${folder}/${name}`)]));
  const isStatic = (name: string) =>
    [...texts.values()].some((text) =>
      text.includes(`from"./${name}"`) || text.includes(`import"./${name}"`)
    );
  const packed = new Set(
    [...texts].filter(([name, text]) => name !== main && text.length > PACK_BYTES && !isStatic(name)).map((
      [name],
    ) => name),
  );
  const chunks = new Set(names.filter((name) => name !== main));
  for (const [name, text] of texts) {
    const bare = withoutExtension(name);
    const hidden = hideImports(text, chunks, packed);
    await Deno.remove(`${folder}/${name}`);
    if (packed.has(name)) {
      const { body, imports } = asFunction(hidden);
      await Deno.writeFile(`${folder}/${bare}.gz`, await gzip(body));
      await Deno.writeTextFile(`${folder}/${bare}`, imports);
    } else await Deno.writeTextFile(`${folder}/${name === main ? name : bare}`, hidden);
  }
  if (packed.size > 0) await Deno.copyFile(`${root}tests/tools/unpack.js`, `${folder}/${UNPACK}`);
}

/** The chunk that unpacks and runs a packed one. */
const UNPACK = "unpack";

/** A chunk's text with its imports renamed to the stored chunks. */
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
