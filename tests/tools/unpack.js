/**
 * Runs a chunk that `compile.ts` has packed, once, and returns its exports; part of the binary. The module of the same
 * name imports what the chunk takes. A function has no folder, so its own imports need whole addresses.
 */
const known = new Map();

export default (name) => known.get(name) ?? known.set(name, run(name)).get(name);

async function run(name) {
  const { body } = new Response(await Deno.readFile(new URL(`${name}.gz`, import.meta.url)));
  const text = await new Response(body.pipeThrough(new DecompressionStream("gzip"))).text();
  const here = new URL("./", import.meta.url).href;
  const whole = text.replace(/\bimport\("\.\/"\+/g, () => `import("${here}"+`);
  const { default: taken } = await import(`./${name}`);
  const AsyncFunction = run.constructor;
  const chunk = new AsyncFunction(...Object.keys(taken), `${whole}\n//# sourceURL=${here}${name}`);
  return await chunk(...Object.values(taken));
}
