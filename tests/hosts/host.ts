/** Hosts for tests: another HOME behind a plain `sh`, and a real sshd in namespaces of its own. */
import type { TestProfile } from "../looop.ts";
import { readMarked } from "../../lib/process/table.ts";

/** A folder that serves as a host. Its path has no blanks, as looop requires on hosts. */
export class ShHost implements AsyncDisposable {
  readonly home: string;

  private constructor(home: string) {
    this.home = home;
  }

  static async open(): Promise<ShHost> {
    return new ShHost(await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-far-" })));
  }

  /** Its `reach` for config.json. */
  get reach(): string[] {
    return ["env", "-i", `HOME=${this.home}`, `PATH=${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeFar(this.home);
  }
}

/** Ends the processes of a host's folder and removes the folder. */
async function removeFar(home: string): Promise<void> {
  const find = new Deno.Command("sh", {
    args: ["-c", `grep -lsF '${home}/' /proc/[0-9]*/cmdline | cut -d/ -f3`],
  });
  for (let tries = 0; tries < 20; tries++) {
    const { stdout } = await find.output();
    const pids = new TextDecoder().decode(stdout).split("\n").map(Number).filter((pid) =>
      pid > 0 && pid !== Deno.pid
    );
    if (pids.length === 0) break;
    for (const pid of pids) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await Deno.remove(home, { recursive: true }).catch(() => {});
}

/** Writes the hosts into a profile's config. */
export function wire(
  p: TestProfile,
  hosts: Record<string, unknown>,
  more: Record<string, unknown> = {},
): void {
  Deno.mkdirSync(p.profile.dir, { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(p.profile.config, JSON.stringify({ default: "shell", hosts, ...more }));
}

/** Starts a worker on a host that runs a bash script. */
export async function startThere(
  p: TestProfile,
  id: string,
  host: string,
  script: string,
  args: string[] = [],
): Promise<void> {
  await p.okCall(["_", "worker", "start", id, "--runner", "shell", "--host", host, ...args], {
    stdin: script,
  });
}

/** Number of living processes of one run on this machine. */
export async function carriers(p: TestProfile, id: string): Promise<number> {
  const { gen } = JSON.parse(p.read(`sessions/${id}/meta.json`));
  return (await readMarked([`LOOOP_SESSION_GEN=${gen}`])).size;
}

const CONF = (base: string) =>
  `Port 2222
ListenAddress 10.77.${octetOf(base)}.2
HostKey ${base}/hostkey
AuthorizedKeysFile ${base}/key.pub
PidFile ${base}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
ForceCommand env HOME=${base}/far PATH=${Deno.env.get("PATH")} sh -c "$SSH_ORIGINAL_COMMAND"
`;

function octetOf(base: string): number {
  return 2 + [...base].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 250, 7);
}

/** Accounts of the lab's machine. Their shell reads none of this machine's start-up files, which may wait for a lock. */
const PASSWD = (base: string) =>
  `root:x:0:0:root:${base}/far:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n`;

/** Why the lab cannot run here; undefined if it can. */
export function labMissing(): string | undefined {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "it needs root on Linux";
  for (const tool of ["/usr/sbin/sshd", "/usr/sbin/ip", "/usr/sbin/iptables", "/usr/bin/unshare"]) {
    try {
      Deno.statSync(tool);
    } catch {
      return `${tool} is not installed`;
    }
  }
  return undefined;
}

/** An sshd for tests, on a machine with its own network, process table and boot id. */
export class SshHost implements AsyncDisposable {
  readonly base: string;
  readonly #name: string;
  readonly #net: string;
  #machine: Deno.ChildProcess | undefined;

  private constructor(base: string) {
    this.base = base;
    this.#name = `lp${octetOf(base)}`;
    this.#net = `10.77.${octetOf(base)}`;
  }

  static async open(): Promise<SshHost> {
    const host = new SshHost(await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-ssh-" })));
    const { base } = host;
    await sh(`mkdir -p ${base}/far /run/sshd
      ssh-keygen -q -t ed25519 -N "" -f ${base}/hostkey && ssh-keygen -q -t ed25519 -N "" -f ${base}/key`);
    await Deno.writeTextFile(`${base}/conf`, CONF(base));
    await Deno.writeTextFile(`${base}/passwd`, PASSWD(base));
    await Deno.writeTextFile(`${base}/nsswitch`, "passwd: files\ngroup: files\nhosts: files\n");
    const n = host.#name;
    await sh(
      `ip netns add ${n} && ip link add ${n}a type veth peer name ${n}b && ip link set ${n}b netns ${n} &&
      ip addr add ${host.#net}.1/24 dev ${n}a && ip link set ${n}a up &&
      ip netns exec ${n} ip addr add ${host.#net}.2/24 dev ${n}b && ip netns exec ${n} ip link set ${n}b up &&
      ip netns exec ${n} ip link set lo up`,
    );
    await host.powerOn();
    return host;
  }

  get reach(): string[] {
    const { base } = this;
    return [
      "ssh",
      "-F",
      "none",
      "-i",
      `${base}/key`,
      "-p",
      "2222",
      "-o",
      `UserKnownHostsFile=${base}/known`,
      `${this.#net}.2`,
    ];
  }

  /** Starts the machine, with a new boot id. */
  async powerOn(): Promise<void> {
    const { base } = this;
    await Deno.writeTextFile(`${base}/boot`, `${crypto.randomUUID()}\n`);
    const inside = `mount --bind ${base}/boot /proc/sys/kernel/random/boot_id
      mount --bind ${base}/passwd /etc/passwd; mount --bind ${base}/nsswitch /etc/nsswitch.conf
      exec /usr/sbin/sshd -D -e -f ${base}/conf`;
    this.#machine = new Deno.Command("ip", {
      args: [
        "netns",
        "exec",
        this.#name,
        "unshare",
        "--fork",
        "--kill-child",
        "--pid",
        "--mount",
        "--mount-proc",
        "sh",
        "-c",
        inside,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await sh(
      `i=0; until ssh-keyscan -p 2222 -t ed25519 ${this.#net}.2 >${base}/known 2>/dev/null && [ -s ${base}/known ]; do
      i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done`,
    );
  }

  /** Cuts its power: every process there ends at once. */
  async powerOff(): Promise<void> {
    try {
      this.#machine?.kill("SIGKILL");
    } catch {
      // It is off already.
    }
    await this.#machine?.status;
    this.#machine = undefined;
  }

  /** Cuts the wire: there is no route. */
  async cut(): Promise<void> {
    await sh(`ip link set ${this.#name}a down`);
  }

  /** Drops packets silently. */
  async drop(): Promise<void> {
    await sh(
      `ip netns exec ${this.#name} iptables -A INPUT -j DROP && ip netns exec ${this.#name} iptables -A OUTPUT -j DROP`,
    );
  }

  /** Restores the wire. */
  async heal(): Promise<void> {
    await sh(`ip netns exec ${this.#name} iptables -F; ip link set ${this.#name}a up;
      ip addr add ${this.#net}.1/24 dev ${this.#name}a 2>/dev/null; :`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
    await sh(`ip netns del ${this.#name}; ip link del ${this.#name}a 2>/dev/null; :`);
    await removeFar(this.base);
  }
}

/** Runs a shell script that must succeed. */
export async function sh(script: string, env: Record<string, string> = {}): Promise<void> {
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    env,
    stdin: "null",
    stdout: "null",
  }).output();
  if (code !== 0) throw new Error(`the lab: ${script.slice(0, 60)}: ${new TextDecoder().decode(stderr)}`);
}
