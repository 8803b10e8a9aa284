/**
 * `deno run -A tests/hosts/measure.ts`: measures a call's way home and back, the time until home sees an end, the stop of
 * a whole tree and the cost of an idle host, for local workers and for each kind of host.
 */
import { testProfile } from "../looop.ts";
import { fileText, workerView } from "../workers.ts";
import { engineMissing, Podman, Slurm } from "./engines.ts";
import { labMissing, ShHost, SshHost, wire } from "./host.ts";

const ROUNDS = 7;

function median(list: number[]): number {
  return Math.round(list.sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN);
}

/** CPU time of a process, optionally with that of its ended children, ms. */
function cpuOf(pid: number, withChildren = false): number {
  const words = textOf(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ").map(Number);
  const [user = 0, system = 0, ...children] = words.slice(11, 15);
  return (user + system + (withChildren ? (children[0] ?? 0) + (children[1] ?? 0) : 0)) * 10;
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // It has ended meanwhile.
  }
}

/** Pids of the processes whose command line fits. */
function pidsOf(fits: (argv: string, pid: number) => boolean): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) =>
    pid > 0 && fits(textOf(`/proc/${pid}/cmdline`).replaceAll("\0", " "), pid)
  );
}

/** CPU time of a home's posts on a host, ms: shells and the small programs that they run. */
function postCpu(home: string): number {
  const isPost = (argv: string) => argv.includes(`/looop-far/${home}/bin/far post `);
  return sum(pidsOf(isPost).map((pid) => cpuOf(pid, true)));
}

function rssOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0);
}

/** Pids of the pulse's processes for its line at home. The shells of a plain host are excluded: they are the far side. */
function linePids(pulse: number): number[] {
  const parentOf = (pid: number) => Number(/PPid:\s+(\d+)/.exec(textOf(`/proc/${pid}/status`))?.[1]);
  return pidsOf((argv, pid) => parentOf(pid) === pulse && !/bin\/far post/.test(argv));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** Time of a file's first appearance, ms; later the file's own time may change. */
async function writtenAt(path: string, signal: AbortSignal): Promise<number> {
  while (!signal.aborted) {
    try {
      return Deno.statSync(path).mtime?.getTime() ?? NaN;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  return NaN;
}

async function measure(kind: string, host: Record<string, unknown> | undefined, env: Record<string, string>) {
  await using p = await testProfile();
  Object.assign(p.env, env);
  p.env["LOOOP_INTERVAL"] = "60";
  wire(p, host === undefined ? {} : { h: host });
  await p.ok("up");
  const script = `"$LOOOP_BIN" _ ready w1
for i in ${Array.from({ length: ROUNDS }, (_, n) => n).join(" ")}; do
a=$(date +%s%N); "$LOOOP_BIN" _ ask w1 --prompt "q $i" >/dev/null; b=$(date +%s%N); echo "round $i $a $b"; sleep 1; done
echo "end $(date +%s%N)"; exit 0\n`;
  const start = (id: string, brief: string) =>
    p.okCall(
      ["_", "worker", "start", id, "--runner", "shell", ...host === undefined ? [] : ["--host", "h"]],
      {
        stdin: brief,
      },
    );
  await start("w1", script);
  const asked: number[] = [];
  const answered: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    await p.until("a question", () => fileText(p, `asks/w1-${n + 1}.json`) !== "", 60);
    asked.push(Deno.statSync(p.path(`asks/w1-${n + 1}.json`)).mtime?.getTime() ?? 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const done = new AbortController();
    const written = writtenAt(p.path(`answers/w1-${n + 1}.json`), done.signal);
    await p.ok("_", "answer", `w1-${n + 1}`, "yes");
    done.abort();
    answered.push(await written);
  }
  await p.until("the end", () => /"exited"/.test(fileText(p, "sessions/w1/status.json")), 60);
  const seen = Deno.statSync(p.path("sessions/w1/status.json")).mtime?.getTime() ?? 0;
  await p.until("the log", () => /end \d+/.test(fileText(p, "sessions/w1/output.log")), 60);
  const log = fileText(p, "sessions/w1/output.log");
  const rounds = [...log.matchAll(/round \d+ (\d+) (\d+)/g)].map((
    m,
  ) => [Number(m[1]) / 1e6, Number(m[2]) / 1e6]);
  await start(
    "w2",
    `(trap "" TERM; setsid sleep 300) &\n(setsid sh -c "trap '' TERM HUP; sleep 300" &)\necho on; sleep 300`,
  );
  await p.until("it runs", () => fileText(p, "sessions/w2/output.log").includes("on"), 60);
  const { pid } = JSON.parse(p.read(".pulse.json"));
  const farCpu = () => host === undefined ? 0 : postCpu(JSON.parse(p.read(".home")).id);
  const lineCpu = () => sum(linePids(pid).map((one) => cpuOf(one)));
  const [before, lineBefore, postBefore] = [cpuOf(pid), lineCpu(), farCpu()];
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  const [idle, lineIdle, postIdle] = [cpuOf(pid) - before, lineCpu() - lineBefore, farCpu() - postBefore];
  const [rss, line] = [rssOf(pid), sum(linePids(pid).map(rssOf))];
  const began = performance.now();
  await p.ok("_", "worker", "kill", "w2");
  const stop = Math.round(performance.now() - began);
  await workerView(p, "w2");
  const row = {
    kind,
    ask_home_ms: median(rounds.map(([a = 0], n) => (asked[n] ?? 0) - a)),
    answer_far_ms: median(rounds.map(([, b = 0], n) => b - (answered[n] ?? 0))),
    exit_seen_ms: Math.round(seen - Number(/end (\d+)/.exec(log)?.[1]) / 1e6),
    stop_ms: stop,
    pulse_cpu_ms_in_20_s: idle,
    line_cpu_ms_in_20_s: lineIdle,
    far_cpu_ms_in_20_s: host === undefined ? null : postIdle,
    pulse_rss_mb: Math.round(rss / 1024),
    line_rss_mb: Math.round(line / 102.4) / 10,
    load: Deno.loadavg()[0],
  };
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(row)}\n`));
}

await measure("local", undefined, {});
{
  await using plain = await ShHost.open();
  await measure("plain sh", { reach: plain.reach }, {});
}
if (labMissing() === undefined) {
  await using ssh = await SshHost.open();
  await measure("ssh", { reach: ssh.reach }, {});
}
if (engineMissing(["podman", "runc"]) === undefined) {
  await using podman = await Podman.open();
  await measure("podman exec", { reach: await podman.place("measured") }, podman.env);
  await measure("podman driver", podman.driver, podman.env);
}
if (engineMissing(["slurmctld", "slurmd", "munged"]) === undefined) {
  await using slurm = await Slurm.open();
  await measure("Slurm", slurm.driver, slurm.env);
}
