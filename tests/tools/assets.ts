/** `deno task assets`: puts sensors_examples/ into a module, so that every way of running looop has them. */
const ROOT = new URL("../../", import.meta.url).pathname;
const MODULE = `${ROOT}lib/world/sensor_examples.ts`;

/** The module's text, made from the folder. */
export function examplesModule(): string {
  const names = [...Deno.readDirSync(`${ROOT}sensors_examples`)].map((entry) => entry.name)
    .filter((name) => name.endsWith(".sh")).sort();
  const entries = names.map((name) => {
    const text = Deno.readTextFileSync(`${ROOT}sensors_examples/${name}`);
    return `  ${JSON.stringify(name.slice(0, -3))}: ${JSON.stringify(text)},\n`;
  });
  return `// deno-fmt-ignore-file -- made by \`deno task assets\` from sensors_examples/
/** The ready-made sensors by name; text constants, since these are found compiled and from a URL alike. */
export const SENSOR_EXAMPLES: Readonly<Record<string, string>> = {
${entries.join("")}};
`;
}

if (import.meta.main) await Deno.writeTextFile(MODULE, examplesModule());
