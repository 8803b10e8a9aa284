/**
 * The macOS lab: a machine on this one that keeps macOS's rules, as far as files and programs can.
 *
 * PATH has stand-ins and chosen tools; `/bin/sh` is bash; in a separate mount namespace, `/proc` has only the link to a
 * process's own program, which the runtime needs. Tests judge from outside, where `/proc` shows everything.
 */
import { looopCommand } from "../looop.ts";

const BIN = new URL("bin/", import.meta.url).pathname;

/** Names of the stand-ins, by the program that plays them. */
const STAND_INS: Readonly<Record<string, string>> = {
  ps: "ps",
  script: "script",
  system: "uname sysctl ioreg vm_stat uptime sw_vers launchctl",
  bsd:
    "date stat readlink grep head tail xargs sort mktemp ls cp mv ln base64 du df touch find sed env wc uniq tr " +
    "cut sleep",
};

/** Tools that behave the same on both systems, and tools that people install. */
const TOOLS =
  "[ basename bash bzip2 cat chmod chown clear cmp col comm crontab curl dd diff dirname echo ed expr " +
  "false file fold getconf git gunzip gzip hostname iconv id join jot kill kubectl less locale logger man mkdir " +
  "mkfifo more node od nohup npm openssl paste perl printenv printf pwd python3 rev rm rmdir seq shasum split stty sync " +
  "tar tee test tmux true tty uudecode vi wait which who whoami yes zcat zsh jq fish gh systemd-analyze";

/** A running lab. */
export interface Lab {
  /** Folder of its programs, the only one in PATH. */
  bin: string;
  /** Words that, in front of a command line, run it in the lab in a working directory. */
  enter(cwd: string): string[];
}

/** Why this machine can have no lab, undefined if it can. */
export async function missingForLab(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "the lab plays a Mac on Linux";
  for (const tool of ["/usr/bin/perl", "/usr/bin/bash", "/usr/bin/nsenter"]) {
    if (!isFile(tool)) return `no ${tool}`;
  }
  const { success } = await new Deno.Command("unshare", {
    args: ["-m", "true"],
    stdout: "null",
    stderr: "null",
  })
    .output().catch(() => ({ success: false }));
  return success ? undefined : "no mount namespace may be made here: run it as root";
}

/** Makes the folder of the lab's programs below `dir`; returns its path. */
export function makeTools(dir: string): string {
  const bin = `${dir}/bin`;
  Deno.mkdirSync(bin, { recursive: true });
  for (const [program, names] of Object.entries(STAND_INS)) {
    for (const name of names.split(" ")) Deno.symlinkSync(`${BIN}${program}`, `${bin}/${name}`);
  }
  for (const name of TOOLS.split(" ")) {
    const path = pathOf(name);
    if (path !== undefined) Deno.symlinkSync(path, `${bin}/${name}`);
  }
  Deno.symlinkSync("/usr/bin/bash", `${bin}/sh`);
  Deno.symlinkSync(pathOf("original-awk") ?? pathOf("mawk") ?? "/usr/bin/awk", `${bin}/awk`);
  return bin;
}

function pathOf(name: string): string | undefined {
  return (Deno.env.get("PATH") ?? "").split(":").map((dir) => `${dir}/${name}`).find(isFile);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

// The stand-ins read the kernel's /proc at `kernel`. The runtime needs only the link to its own program.
// The namespace and the folder end when stdin does, that is, with the process that holds the other end.
const BUILD = `set -e
mount --make-rprivate /
mkdir -p "$1/kernel" "$1/empty/self"
mount --bind /proc "$1/kernel"
ln -s "$2" "$1/empty/self/exe"
mount --bind "$1/empty" /proc
mount --bind /usr/bin/bash "$(readlink -f /bin/sh)"
echo ready
cat >/dev/null
umount "$1/kernel"
rm "$1"/bin/* "$1/empty/self/exe"
rmdir "$1/bin" "$1/empty/self" "$1/empty" "$1/kernel" "$1"`;

/** Labs of this process, kept referenced so that they do not end. */
const held: Deno.ChildProcess[] = [];

/** Starts a lab, which ends with this process. */
export async function startLab(): Promise<Lab> {
  const dir = await Deno.makeTempDir({ prefix: "looop-lab-" });
  const bin = makeTools(dir);
  const program = await Deno.realPath(looopCommand()[0] ?? "");
  const holder = new Deno.Command("unshare", {
    args: ["-m", "/usr/bin/bash", "-c", BUILD, "lab", dir, program],
    detached: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = holder.stdout.getReader();
  const said = new TextDecoder().decode((await output.read()).value);
  await output.cancel();
  holder.unref();
  held.push(holder);
  if (said !== "ready\n") throw new Error("the lab could not be made");
  const enter = [
    "/usr/bin/nsenter",
    "-m",
    "-t",
    String(holder.pid),
    "--",
    "/bin/sh",
    "-c",
    'cd -- "$0" && exec "$@"',
  ];
  return { bin, enter: (cwd) => [...enter, cwd] };
}
