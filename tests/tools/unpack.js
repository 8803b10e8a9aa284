/**
 * Imports a chunk that `compile.ts` has packed; part of the binary. The text of a module that has no folder can
 * import others by whole addresses only.
 */
export default async (name) => {
  const { body } = new Response(await Deno.readFile(new URL(`${name}.gz`, import.meta.url)));
  const text = await new Response(body.pipeThrough(new DecompressionStream("gzip"))).text();
  const here = new URL("./", import.meta.url).href;
  const whole = text.replace(/\b(from|import) ?"\.\//g, (_, word) => `${word} "${here}`)
    .replace(/\bimport\("\.\/"\+/g, () => `import("${here}"+`);
  // The name that stacks show: the address itself is the whole text.
  return await import(`data:text/javascript,${encodeURIComponent(`${whole}\n//# sourceURL=${here}${name}`)}`);
};
