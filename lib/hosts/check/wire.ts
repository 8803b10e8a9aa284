/** The wire to a host that is checked: between home and the user's own command, where it can be cut and held up. */
import type { HostConfig } from "../../records/config.ts";
import { readProcesses } from "../../process/table.ts";
import { signal } from "../../process/tree.ts";
import { listFiles, makeDir, removeFile, replaceFile } from "../../store.ts";
import { shellQuote } from "../../text/quote.ts";
import { DRIVER_EXAMPLES } from "../driver_examples.ts";
import { reachArgv } from "../reach.ts";

/** Bytes that a login shell might print before anything else: a banner, control codes, half a line. */
const BANNER = `Welcome!\r\n\x1b[1mlooop-ready \x1b[0m\nready\n${"* ".repeat(40_000)}\nlast login: `;

/** A command in front of the one that reaches the host. */
export class Wire {
  /** The host's wiring, through this wire. */
  readonly config: HostConfig;
  readonly #dir: string;

  constructor(dir: string, config: HostConfig) {
    this.#dir = dir;
    makeDir(`${dir}/pids`);
    if (config.driver === undefined) {
      const argv = reachArgv(config.reach ?? [], config.ssh_options !== false).slice(0, -1);
      this.#write("run", 'exec "$@"');
      this.config = { ...config, reach: ["/bin/sh", `${dir}/run`, ...argv] };
      return;
    }
    const builtIn = Object.hasOwn(DRIVER_EXAMPLES, config.driver)
      ? DRIVER_EXAMPLES[config.driver]
      : undefined;
    if (builtIn !== undefined) replaceFile(`${dir}/driver`, builtIn);
    const own = builtIn === undefined ? shellQuote(config.driver) : `bash ${shellQuote(`${dir}/driver`)}`;
    this.#write("run", `exec ${own} "$@"`);
    this.config = { ...config, driver: `${dir}/run` };
  }

  #write(name: string, rest: string): void {
    const script = `#!/bin/sh
d=${shellQuote(this.#dir)}
[ ! -f "$d/cut" ] || { echo "No route to host" >&2 && exit 255; }
while [ -f "$d/drop" ]; do sleep 0.2; done
: >"$d/pids/$$"
case \${1:-} in describe | start | list | stop | folder) ;; *) [ ! -f "$d/banner" ] || { cat "$d/banner" && echo noise >&2; } ;; esac
${rest}
`;
    replaceFile(`${this.#dir}/${name}`, script, { mode: 0o700 });
  }

  /** From now on a banner comes first. */
  banner(): void {
    replaceFile(`${this.#dir}/banner`, `${BANNER}\n`);
  }

  /** Cuts it: what is open breaks, and nothing can be opened. */
  async cut(): Promise<void> {
    replaceFile(`${this.#dir}/cut`, "");
    await this.#signal("SIGKILL");
  }

  /** Nothing passes any more, and nobody is told. */
  async drop(): Promise<void> {
    replaceFile(`${this.#dir}/drop`, "");
    await this.#signal("SIGSTOP");
  }

  /** Everything passes again. */
  async heal(): Promise<void> {
    removeFile(`${this.#dir}/cut`);
    removeFile(`${this.#dir}/drop`);
    await this.#signal("SIGCONT");
  }

  /** Signals the open commands, each with its group. A pid that is no child of ours was given to somebody else. */
  async #signal(name: Deno.Signal): Promise<void> {
    const { processes } = await readProcesses(listFiles(`${this.#dir}/pids`).map(Number));
    for (const { pid, ppid } of processes.values()) if (ppid === Deno.pid) signal(-pid, name);
  }
}
