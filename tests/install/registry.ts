/** A small registry on loopback that serves this package as JSR would: manifest, checksums, modules. */

const ROOT = new URL("../../", import.meta.url).pathname;

/** A running registry. */
export interface Registry extends AsyncDisposable {
  /** Its URL, for `JSR_URL`. */
  url: string;
  /** URL of the package's entry, for `deno run URL`. */
  mainUrl: string;
  version: string;
}

/** Starts the registry on a free port of 127.0.0.1. */
export async function startRegistry(): Promise<Registry> {
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const files = new Map<string, Uint8Array>();
  for (const path of packageFiles()) {
    const text = await Deno.readTextFile(`${ROOT}${path}`);
    files.set(
      `/${path}`,
      new TextEncoder().encode(path.endsWith(".ts") ? unfurl(text, config.imports) : text),
    );
  }
  const base = `/${config.name}/${config.version}`;
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const [path, bytes] of files) manifest[path] = { size: bytes.length, checksum: await checksum(bytes) };
  const json = (value: unknown) =>
    new Response(JSON.stringify(value), { headers: { "content-type": "application/json" } });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === `/${config.name}/meta.json`) {
      return json({
        name: config.name.split("/")[1],
        scope: "looop",
        latest: config.version,
        versions: { [config.version]: {} },
      });
    }
    if (pathname === `${base}_meta.json`) return json({ manifest, exports: { ".": config.exports } });
    const bytes = pathname.startsWith(`${base}/`) ? files.get(pathname.slice(base.length)) : undefined;
    if (bytes === undefined) return new Response("not found", { status: 404 });
    return new Response(bytes.slice(), { headers: { "content-type": contentType(pathname) } });
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return {
    url,
    mainUrl: `${url}${base.slice(1)}/main.ts`,
    version: config.version,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** The published files: those that `publish` in deno.json does not exclude. */
function packageFiles(): string[] {
  const found = ["main.ts", "deno.json", "README.md"];
  const folders = ["lib", "verbs", "sensors_examples"];
  for (let dir = folders.pop(); dir !== undefined; dir = folders.pop()) {
    for (const entry of Deno.readDirSync(`${ROOT}${dir}`)) {
      (entry.isDirectory ? folders : found).push(`${dir}/${entry.name}`);
    }
  }
  return found;
}

/** Replaces bare specifiers by `npm:` ones, as publishing does, since modules of a registry have no import map. */
function unfurl(text: string, imports: Record<string, string>): string {
  return text.replace(/(from |import\()"([^".][^"]*)"/g, (whole, before, specifier) => {
    const name = Object.keys(imports).find((key) => specifier === key || specifier.startsWith(`${key}/`));
    return name === undefined ? whole : `${before}"${imports[name]}${specifier.slice(name.length)}"`;
  });
}

async function checksum(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes.slice());
  return `sha256-${
    Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
  }`;
}

function contentType(path: string): string {
  if (path.endsWith(".ts")) return "application/typescript";
  return path.endsWith(".json") ? "application/json" : "text/plain";
}
