/** A machine for install.sh: a home, a PATH of chosen tools, and a release server on loopback. */

import { findProgram } from "../../lib/process/programs.ts";
import { writeExecutable } from "../executable.ts";
import { releasedScript } from "../tools/release_files.ts";

/** Path of the checkout's script, which names no publisher. */
export const SCRIPT = new URL("../../install.sh", import.meta.url).pathname;

export const CHECKOUT = Deno.readTextFileSync(SCRIPT);

/** Text of a release's script. */
export const RELEASED = releasedScript(CHECKOUT, {
  repository: "OWNER/NAME",
  package: "@looop/cli",
});

const SYSTEM = Deno.build.os === "darwin" ? "macos" : "linux";

/** Name of the release file for this machine. */
export const ASSET = `looop-${SYSTEM}-${Deno.build.arch}.gz`;

/** Tools that install.sh needs besides a downloader, a checksum tool and the shell; `getconf` identifies the libc. */
const BASE_TOOLS = ["uname", "mkdir", "rm", "mv", "cp", "chmod", "cat", "gzip", "dirname", "grep", "getconf"];

/** Tools of a usual machine. */
export const USUAL_TOOLS = ["curl", "sha256sum", "shasum"];

/** Result of a run of install.sh. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Options of a run. */
export interface RunOptions {
  args?: string[];
  /** Variables added to the sandbox's own; undefined removes one. */
  env?: Record<string, string | undefined>;
  /** A program with its options, separated by blanks. */
  shell?: string;
  /** Text of the script, by default the release's. */
  script?: string;
  /** Text for the shell's stdin instead of the script's path, as in `curl … | sh`. */
  piped?: string;
  cwd?: string;
  /** User id to run as; needs root. */
  uid?: number;
}

/** The path of a tool on the real PATH, or undefined. */
export function findTool(name: string): string | undefined {
  return findProgram(name, Deno.env.get("PATH") ?? "");
}

/** A stand-in for the released program: a script that answers `version`. */
export function program(version: string, rest = ""): string {
  return `#!/bin/sh\n[ "$1" != version ] || { echo "looop ${version}"; exit; }\n${rest}`;
}

/** The program of an earlier install. */
export const OLD = program("0.0.9");

/** The program that is released. */
export const NEW = program("0.1.0");

/** Shells of this machine into which people pipe installers. */
export const SHELLS = ["sh", "dash", "bash", "bash --posix", "busybox sh", "ksh"]
  .filter((shell) => findTool(shell.split(" ")[0]!) !== undefined);

/** Body of a `deno` that plays compiling a checkout and running looop from JSR; looop only prints its version. */
export const DENO = `case "$*" in
  *"task compile") mkdir dist && cat >dist/looop <<'END' && chmod 755 dist/looop ;;
${program("0.1.0-built")}
END
  *"run -A jsr:@looop/cli"*) echo "looop 0.1.0-jsr" ;;
esac`;

/** A text, or the bytes of a file, compressed by gzip. */
export async function gzip(content: string | Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([content]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** A line of SHA256SUMS. */
export async function sumLine(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}  ${name}\n`;
}

/** A throw-away machine; dispose of it. */
export class Sandbox {
  readonly #endings: (() => Promise<void>)[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** Paths requested from the release server, in order. */
  readonly requests: string[] = [];
  /** The release server's files by path below the release URL: a body, or a function that makes the reply. */
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

  /** Default folder of the installed looop. */
  get dir(): string {
    return `${this.root}/home/.local/bin`;
  }

  get target(): string {
    return `${this.dir}/looop`;
  }

  /** Puts an executable script on PATH that also logs its name and arguments for `calls`. */
  addTool(name: string, body: string): void {
    const path = `${this.root}/tools/${name}`;
    writeExecutable(path, `#!/bin/sh\necho "${name} $*" >>'${this.root}/calls'\n${body}\n`);
  }

  /** Calls of the added tools, as "name arguments". */
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

  /** Puts a program where an older install has put looop. */
  async preinstall(text: string): Promise<void> {
    await Deno.mkdir(this.dir, { recursive: true });
    writeExecutable(this.target, text);
  }

  /** Makes the working directory of runs a checkout of looop. */
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
    // In this folder the script is outside any checkout, unless a test makes the folder one.
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

  /** Names in the target folder; any name but `looop` is left from an unfinished install. */
  async installed(): Promise<string[]> {
    try {
      return (await Array.fromAsync(Deno.readDir(this.dir), (entry) => entry.name)).sort();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** Further resources to dispose of with this machine. */
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
