import { deepStrictEqual, ok } from "node:assert/strict";

/** The folders of lib/; each may import only from itself and from those before it. */
const ORDER = [
  "",
  "text",
  "process",
  "gate",
  "parse",
  "records",
  "sessions",
  "world",
  "agents",
  "calls",
  "hosts",
  "workers",
  "pulse",
  "cli",
];

const LIB = new URL("../../lib/", import.meta.url).pathname;

/** The imports of every module below a folder, by path; type imports count. */
function importsBelow(root: string, texts: ReadonlyMap<string, string>): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [path, text] of texts) {
    const imports = [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)]
      .map((match) => new URL(match[1] as string, `file://${root}${path}`).pathname.slice(root.length));
    found.set(path, imports);
  }
  return found;
}

function textsBelow(root: string, folder = ""): Map<string, string> {
  const texts = new Map<string, string>();
  for (const entry of Deno.readDirSync(`${root}${folder}`)) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) textsBelow(root, `${path}/`).forEach((text, at) => texts.set(at, text));
    else if (entry.name.endsWith(".ts")) texts.set(path, Deno.readTextFileSync(`${root}${path}`));
  }
  return texts;
}

/** First folder of a path: that of `cli/watch/screen.ts` is `cli`. */
function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/** Imports from later folders, and folders missing in the order. Pure. */
function againstTheOrder(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const rank = (path: string) => ORDER.indexOf(folderOf(path));
  return [...imports].flatMap(([from, targets]) => [
    ...(rank(from) < 0 ? [`${from}: its folder is not in the order`] : []),
    ...targets.filter((to) => rank(to) < 0 || rank(to) > rank(from)).map((to) => `${from} -> ${to}`),
  ]);
}

/** Circles: modules that import each other, directly or through others. Pure. */
function circles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, above: readonly string[]) => {
    if (above.includes(path)) {
      found.push([...above.slice(above.indexOf(path)), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const to of imports.get(path) ?? []) walk(to, [...above, path]);
    done.add(path);
  };
  for (const path of imports.keys()) walk(path, []);
  return found;
}

Deno.test("given the modules of lib/, when their imports are read, then none runs against the order and none is a circle", () => {
  const imports = importsBelow(LIB, textsBelow(LIB));
  ok(imports.size > 80);
  deepStrictEqual(againstTheOrder(imports), []);
  deepStrictEqual(circles(imports), []);
});

Deno.test("given one reversed import, when the imports are read, then it is found, and so is its circle", () => {
  const texts = textsBelow(LIB);
  const ids = texts.get("ids.ts") as string;
  const imports = importsBelow(
    LIB,
    texts.set("ids.ts", `import type { World } from "./world/world.ts";\n${ids}`),
  );
  deepStrictEqual(againstTheOrder(imports), ["ids.ts -> world/world.ts"]);
  ok(circles(imports).length > 0);
});

Deno.test("given the verbs, when their imports are read, then no verb imports another", () => {
  const root = new URL("../../", import.meta.url).pathname;
  const verbs = importsBelow(`${root}verbs/`, textsBelow(`${root}verbs/`));
  const others = [...verbs].flatMap(([from, targets]) =>
    targets.filter((to) => !to.includes("/lib/") && verbs.has(to)).map((to) => `${from} -> ${to}`)
  );
  deepStrictEqual(others, []);
});
