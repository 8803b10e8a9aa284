/** `deno task assets`: writes folders of texts as modules, so that looop has them however it is run. */
const ROOT = new URL("../../", import.meta.url).pathname;

/** A folder of texts and its module. */
interface Asset {
  folder: string;
  suffix: string;
  module: string;
  constant: string;
  about: string;
}

const EXAMPLES: Asset = {
  folder: "sensors_examples",
  suffix: ".sh",
  module: "lib/world/sensor_examples.ts",
  constant: "SENSOR_EXAMPLES",
  about:
    "The ready-made sensors by name, as text constants, so that they are found both compiled and from a URL.",
};
const FAR: Asset = {
  folder: "lib/hosts/far",
  suffix: ".sh",
  module: "lib/hosts/far_texts.ts",
  constant: "FAR_TEXTS",
  about: "The files that looop lays out on a host, by name.",
};
const DRIVERS: Asset = {
  folder: "lib/hosts/drivers",
  suffix: ".sh",
  module: "lib/hosts/driver_examples.ts",
  constant: "DRIVER_EXAMPLES",
  about: "Drivers of engines by name, as `looop _ host examples` prints them.",
};
export const ASSETS: readonly Asset[] = [EXAMPLES, FAR, DRIVERS];

/** The text of a folder's module. */
export function moduleOf({ folder, suffix, constant, about }: Asset): string {
  const names = [...Deno.readDirSync(`${ROOT}${folder}`)].map((entry) => entry.name)
    .filter((name) => name.endsWith(suffix)).sort();
  const entries = names.map((name) => {
    const text = Deno.readTextFileSync(`${ROOT}${folder}/${name}`);
    // One line for each text line, so that a change is one line here, too.
    const lines = text.split("\n").map((line) => `    ${JSON.stringify(line)},\n`);
    return `  ${JSON.stringify(name.slice(0, -suffix.length))}: [\n${lines.join("")}  ].join("\\n"),\n`;
  });
  return `// deno-fmt-ignore-file -- made by \`deno task assets\` from ${folder}/
/** ${about} */
export const ${constant}: Readonly<Record<string, string>> = {
${entries.join("")}};
`;
}

/** The sensors' module. */
export function examplesModule(): string {
  return moduleOf(EXAMPLES);
}

if (import.meta.main) {
  for (const asset of ASSETS) await Deno.writeTextFile(`${ROOT}${asset.module}`, moduleOf(asset));
}
