/** A machine for install.sh: a home, a PATH of chosen tools only, and a release server on loopback. */

import { writeExecutable } from "../executable.ts";
import { releasedScript } from "../tools/release_files.ts";

/** The script of the checkout, which names no publisher, and its text. */
export const SCRIPT = new URL("../../install.sh", import.meta.url).pathname;

export const CHECKOUT = Deno.readTextFileSync(SCRIPT);

/** The text of a release's script. */
export const RELEASED = releasedScript(CHECKOUT, {
  repository: "OWNER/NAME",
  package: "@looop/cli",
});

const SYSTEM = Deno.build.os === "darwin" ? "macos" : "linux";

/** The release file for the machine that runs the tests. */
export const ASSET = `looop-${SYSTEM}-${Deno.build.arch}.gz`;

/** What install.sh needs beside a downloader, a checksum tool and the shell; `getconf` tells the libc. */
const BASE_TOOLS = ["uname", "mkdir", "rm", "mv", "cp", "chmod", "cat", "gzip", "dirname", "grep", "getconf"];

/** Tools of a usual machine. */
export const USUAL_TOOLS = ["curl", "sha256sum", "shasum"];

/** How a run of install.sh ended. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** What a run is given beyond the sandbox. */
export interface RunOptions {
  args?: string[];
  /** Beside the sandbox's own; undefined takes one away. */
  env?: Record<string, string | undefined>;
  /** A program, with its options apart by blanks. */
  shell?: string;
  /** The text of the script, the release's unless given. */
  script?: string;
  /** Text for the shell's stdin, in place of the script's path: `curl … | sh`. */
  piped?: string;
  cwd?: string;
  /** Runs it as this user; needs root. */
  uid?: number;
}

/** The path of a tool on the real PATH, or undefined. */
export function findTool(name: string): string | undefined {
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${dir}/${name}`;
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
    }
  }
  return undefined;
}

/** A stand-in for the released program: a script that answers `version`. */
export function program(version: string, rest = ""): string {
  return `#!/bin/sh\n[ "$1" != version ] || { echo "looop ${version}"; exit; }\n${rest}`;
}

/** The program of an earlier install. */
export const OLD = program("0.0.9");

/** The program that is released. */
export const NEW = program("0.1.0");

/** The shells of this machine that people pipe installers into. */
export const SHELLS = ["sh", "dash", "bash", "bash --posix", "busybox sh", "ksh"]
  .filter((shell) => findTool(shell.split(" ")[0]!) !== undefined);

/** Body of a `deno` that compiles a checkout and runs looop from JSR, to no more than a line of output. */
export const DENO = `case "$*" in
  *"task compile") mkdir dist && cat >dist/looop <<'END' && chmod 755 dist/looop ;;
${program("0.1.0-built")}
END
  *"run -A jsr:@looop/cli"*) echo "looop 0.1.0-jsr" ;;
esac`;

/** A text or the bytes of a file, gzip'd. */
export async function gzip(content: string | Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([content]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** A line of SHA256SUMS. */
export async function sumLine(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}  ${name}\n`;
}

/** One throw-away machine; dispose it. */
export class Sandbox {
  readonly #endings: (() => Promise<void>)[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** Paths asked of the release server, in order. */
  readonly requests: string[] = [];
  /** What the release server has: a body by path below the release URL, or a maker of replies. */
  readonly files = new Map<string, string | Uint8Array<ArrayBuffer> | (() => Response)>();
  readonly releaseUrl: string;

  private constructor(readonly root: string) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#reply(new URL(request.url).pathname),
    );
    this.releaseUrl = `http://127.0.0.1:${this.#server.addr.port}/releases`;
  }

  /** Makes a machine whose PATH has the base tools and these. */
  static async create(tools: string[] = USUAL_TOOLS): Promise<Sandbox> {
    const sandbox = new Sandbox(await Deno.makeTempDir({ prefix: "looop-install-" }));
    for (const name of ["home", "tools", "elsewhere"]) await Deno.mkdir(`${sandbox.root}/${name}`);
    for (const name of [...BASE_TOOLS, ...tools]) {
      const path = findTool(name);
      if (path !== undefined) await Deno.symlink(path, `${sandbox.root}/tools/${name}`);
    }
    return sandbox;
  }

  /** Where looop is installed unless said otherwise. */
  get dir(): string {
    return `${this.root}/home/.local/bin`;
  }

  get target(): string {
    return `${this.dir}/looop`;
  }

  /** Puts an executable script on PATH; it appends its name and arguments to `calls`. */
  addTool(name: string, body: string): void {
    const path = `${this.root}/tools/${name}`;
    writeExecutable(path, `#!/bin/sh\necho "${name} $*" >>'${this.root}/calls'\n${body}\n`);
  }

  /** Every call of an added tool: one "name arguments" a line. */
  async calls(): Promise<string[]> {
    const text = await Deno.readTextFile(`${this.root}/calls`).catch(() => "");
    return text.split("\n").filter((line) => line !== "");
  }

  /** Publishes a program as the release at `latest/download` or `download/vX`. */
  async publish(text: string, where = "latest/download"): Promise<void> {
    const packed = await gzip(text);
    this.files.set(`${where}/${ASSET}`, packed);
    this.files.set(`${where}/SHA256SUMS`, await sumLine(packed, ASSET));
  }

  /** Puts a program where looop is installed, as an older install did. */
  async preinstall(text: string): Promise<void> {
    await Deno.mkdir(this.dir, { recursive: true });
    writeExecutable(this.target, text);
  }

  /** Makes the working dir of the runs a checkout of looop. */
  async addCheckout(version = "0.1.0"): Promise<string> {
    const text = JSON.stringify({ name: "@looop/cli", version }, null, 2);
    await Deno.writeTextFile(`${this.root}/elsewhere/deno.json`, `${text}\n`);
    return `${this.root}/elsewhere`;
  }

  /** Starts install.sh; its stdout and stderr are pipes. */
  spawn(
    { args = [], env = {}, shell = "sh", script = RELEASED, piped, cwd, uid }: RunOptions = {},
  ): Deno.ChildProcess {
    const [name = "", ...options] = shell.split(" ");
    const program = findTool(name);
    if (program === undefined) throw new Error(`no ${shell} on this machine`);
    // The script is written there so that the folder around it is no checkout unless a test makes it one.
    const file = `${this.root}/elsewhere/install.sh`;
    if (piped === undefined) Deno.writeTextFileSync(file, script);
    const machine: Record<string, string | undefined> = {
      HOME: `${this.root}/home`,
      PATH: `${this.root}/tools`,
      SHELL: "/bin/sh",
      LOOOP_RELEASE_URL: this.releaseUrl,
      NO_PROXY: "127.0.0.1",
      ...env,
    };
    const given = Object.entries(machine).filter((pair): pair is [string, string] => pair[1] !== undefined);
    const child = new Deno.Command(program, {
      args: [...options, ...(piped === undefined ? [file] : ["-s", "--"]), ...args],
      cwd: cwd ?? `${this.root}/elsewhere`,
      clearEnv: true,
      env: Object.fromEntries(given),
      stdin: piped === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      ...(uid === undefined ? {} : { uid, gid: uid }),
    }).spawn();
    if (piped !== undefined) void new Blob([piped]).stream().pipeTo(child.stdin).catch(() => {});
    return child;
  }

  /** Runs install.sh to its end. */
  async run(options: RunOptions = {}): Promise<Ended> {
    const { code, stdout, stderr } = await this.spawn(options).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
    return { code, stdout: out, stderr: err };
  }

  /** Names in the target folder: anything beside `looop` is half an install. */
  async installed(): Promise<string[]> {
    try {
      return (await Array.fromAsync(Deno.readDir(this.dir), (entry) => entry.name)).sort();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** What else must be ended with this machine. */
  atEnd(ending: () => Promise<void>): void {
    this.#endings.push(ending);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#server.shutdown(), ...this.#endings.map((end) => end())]);
    await Deno.remove(this.root, { recursive: true });
  }

  #reply(path: string): Response {
    const name = path.replace(/^\/releases\//, "");
    this.requests.push(name);
    const file = this.files.get(name);
    if (file === undefined) return new Response("no such file\n", { status: 404 });
    return typeof file === "function" ? file() : new Response(file);
  }
}
