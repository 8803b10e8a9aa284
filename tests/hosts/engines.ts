/** Real engines for tests: a podman whose image is made of this machine's files, and a Slurm of one node. */
import { sh } from "./host.ts";

/** Programs in workers' containers. */
const TOOLS =
  "sh bash env script od mkfifo awk base64 sed grep cksum find tail head dd cat cp mv rm mkdir ls ln chmod sleep date wc tr cut id readlink uname stty setsid flock sort touch mktemp dirname basename kill ps df true false printf test tee";

/** Why an engine cannot run here; undefined if it can. */
export function engineMissing(programs: readonly string[]): string | undefined {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "it needs root on Linux";
  for (const program of [...programs, "jq"]) {
    const { success } = new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" })
      .outputSync();
    if (!success) return `${program} is not installed`;
  }
  return undefined;
}

/** Prints why a file's tests are skipped. */
export function announce(file: string, missing: string | undefined): void {
  if (missing === undefined || !isWanted) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`${file} is skipped: ${missing}\n`));
}

/** Whether the tests with real machines and engines run; `.ci/run` runs them as a separate step. */
export const isWanted = Deno.env.has("LOOOP_REAL_HOSTS");

/** A podman with storage of its own. */
export class Podman implements AsyncDisposable {
  readonly base: string;

  private constructor(base: string) {
    this.base = base;
  }

  /** Environment variables that point podman to its storage. */
  get env(): Record<string, string> {
    return {
      CONTAINERS_CONF: `${this.base}/containers.conf`,
      CONTAINERS_STORAGE_CONF: `${this.base}/storage.conf`,
    };
  }

  /** A host of config.json whose workers are containers of their own. */
  readonly driver = { driver: "podman", options: { image: "localhost/looop-lab:1" } };

  static async open(): Promise<Podman> {
    const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-podman-" }));
    const podman = new Podman(base);
    await Deno.writeTextFile(
      `${base}/containers.conf`,
      `[containers]\ndefault_ulimits = ["nofile=1024:1024","nproc=1024:1024"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n`,
    );
    await Deno.writeTextFile(
      `${base}/storage.conf`,
      `[storage]\ndriver = "vfs"\ngraphroot = "${base}/root"\nrunroot = "${base}/run"\n`,
    );
    await sh(
      `T=${base}/tree
      mkdir -p $T/usr/bin $T/usr/lib $T/usr/lib64 $T/tmp $T/root $T/etc $T/dev $T/proc
      for d in bin lib lib64; do ln -s usr/$d $T/$d; done
      files=$(for t in ${TOOLS}; do command -v $t; done | grep / | sort -u)
      for f in $files; do cp -L $f $T/usr/bin/; done
      for l in $(for f in $files; do ldd $f 2>/dev/null | grep -o '/[^ )]*'; done | sort -u); do
        case $l in /usr/*) to=$l ;; *) to=/usr$l ;; esac
        mkdir -p $T\${to%/*} && cp -L $l $T$to
      done
      tar -C $T -cf - . | podman import -q - looop-lab:1 && rm -rf $T`,
      podman.env,
    );
    return podman;
  }

  /** Starts a container that serves as a host; returns its `reach`. */
  async place(name: string): Promise<string[]> {
    await sh(
      `podman run -d --name ${name} localhost/looop-lab:1 sh -c 'trap "exit 0" TERM; while :; do sleep 1; done'`,
      this.env,
    );
    return ["podman", "exec", "-i", name];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await sh(`podman rm -f -a -t 0; rm -rf ${this.base}`, this.env);
  }
}

/** A Slurm of one node with its own munge. */
export class Slurm implements AsyncDisposable {
  readonly base: string;

  private constructor(base: string) {
    this.base = base;
  }

  /** Environment variables that point Slurm's programs to it, with a separate home for its jobs. */
  get env(): Record<string, string> {
    return { SLURM_CONF: `${this.base}/slurm.conf`, HOME: `${this.base}/home` };
  }

  readonly driver = { driver: "slurm" };

  static async open(): Promise<Slurm> {
    const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-slurm-" }));
    const slurm = new Slurm(base);
    const v2 = await Deno.stat("/sys/fs/cgroup/cgroup.controllers").then(() => true, () => false);
    await Deno.writeTextFile(
      `${base}/cgroup.conf`,
      `CgroupPlugin=cgroup/v${v2 ? 2 : 1}\nCgroupAutomount=no\nCgroupMountpoint=/sys/fs/cgroup\n`,
    );
    await Deno.writeTextFile(`${base}/plugstack.conf`, "");
    await Deno.writeTextFile(`${base}/slurm.conf`, SLURM_CONF(base, Deno.hostname().split(".")[0] ?? ""));
    try {
      await sh(
        `cd ${base} && mkdir -m 755 state spool home munge && chmod 755 . && dd if=/dev/urandom of=munge/key bs=128 count=1 status=none && chmod 400 munge/key
        munged --force --socket=${base}/munge/socket --key-file=${base}/munge/key --pid-file=${base}/munge/pid --log-file=${base}/munge/log --seed-file=${base}/munge/seed 2>/dev/null
        slurmctld -c && slurmd
        i=0; until [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; do i=$((i+1)); [ $i -lt 150 ] || { tail -n 3 slurmd.log >&2; exit 1; }; sleep 0.1; done`,
        slurm.env,
      );
    } catch (error) {
      await slurm[Symbol.asyncDispose]();
      throw error;
    }
    return slurm;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await sh(
      `scancel -u root 2>/dev/null; sleep 1
      for p in ctld.pid slurmd.pid munge/pid; do [ ! -s ${this.base}/$p ] || kill $(cat ${this.base}/$p); done
      i=0; while [ -s ${this.base}/slurmd.pid ] && kill -0 $(cat ${this.base}/slurmd.pid) 2>/dev/null && [ $i -lt 50 ]; do i=$((i+1)); sleep 0.1; done
      rm -rf ${this.base} 2>/dev/null; :`,
      this.env,
    );
  }
}

const SLURM_CONF = (base: string, node: string) =>
  `ClusterName=looop
SlurmctldHost=${node}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=${base}/munge/socket
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=${base}/ctld.pid
SlurmdPidFile=${base}/slurmd.pid
StateSaveLocation=${base}/state
SlurmdSpoolDir=${base}/spool
ProctrackType=proctrack/cgroup
TaskPlugin=task/none
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MailProg=/bin/true
KillWait=5
PlugStackConfig=${base}/plugstack.conf
SlurmctldLogFile=${base}/ctld.log
SlurmdLogFile=${base}/slurmd.log
NodeName=${node} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=${node} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:64
`;
