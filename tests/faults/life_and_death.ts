/**
 * Starts, kills and restarts workers that do everything to outlive their end, beside a look-alike process and reused pids:
 * no process survives, no stranger is touched, nothing runs twice.
 */
import { readAllProcesses, readMarked } from "../../lib/process/table.ts";
import { identityIn, isAlive, stranger } from "../workers.ts";
import {
  FULL,
  inParallel,
  type LabProfile,
  namesIn,
  openLab,
  pause,
  pulsesOf,
  Tally,
  textAt,
} from "./lab.ts";

const CYCLES = FULL ? 500 : 14;
const WIDTH = FULL ? 14 : 7;

/** Scripts of workers whose children leave the group, the session and their parents, and ignore TERM and HUP. */
export const NASTY: readonly string[] = [
  "trap '' TERM HUP\nsetsid sleep 31337 &\n(setsid sh -c \"trap '' TERM HUP; sleep 31337\" &)\nsleep 31337",
  "(sleep 31337 &) ; (nohup setsid sleep 31337 >/dev/null 2>&1 &)\nexec sleep 31337",
  "for i in 1 2 3; do (trap '' HUP; sleep 31337 & ) ; done\nsleep 31337",
  "setsid sh -c 'while :; do sleep 0.2; done' &\ntrap '' HUP\nwhile :; do sleep 0.2; done",
  "sleep 31337 & sleep 0.05; exit 3",
];
/** What is done to a worker between its start and its end. */
const WAYS = ["worker kill", "kill", "supervisor", "double start"] as const;

/** Starts, kills, restarts. */
export async function lifeAndDeath(): Promise<Tally> {
  const tally = new Tally("life and death", [
    "survivors",
    "strangers killed",
    "two pulses",
    "two supervisors",
    "verbs failed",
  ]);
  await using lab = await openLab();
  const p = await lab.profile();
  await p.ok("up");
  await using decoy = await lookAlike();
  await using other = await stranger();
  let going = true;
  const pulses = killPulses(p, tally, () => going);
  await inParallel(Array.from({ length: CYCLES }, (_, i) => i), WIDTH, (i) => cycle(p, i, tally));
  going = false;
  await pulses;
  await recycled(p, other.identity, tally);
  const down = await p.run("down");
  tally.demand(down.code === 0, "verbs failed", `down exits ${down.code}: ${down.stderr}`);
  await pause(100);
  const left = await p.processes();
  const unnamed = left.filter((pid) => !down.stderr.includes(String(pid)));
  tally.demand(unnamed.length === 0, "survivors", `after down: ${await describe(unnamed)}`);
  for (const [name, { identity }] of Object.entries({ decoy, other })) {
    tally.demand(await isAlive(identity), "strangers killed", `the ${name} has gone`);
  }
  tally.add("strangers", 2);
  return tally;
}

async function cycle(p: LabProfile, i: number, tally: Tally): Promise<void> {
  const id = `w${i % (WIDTH * 3)}x${i % 5}`;
  const way = WAYS[i % WAYS.length] ?? "kill";
  const script = NASTY[i % NASTY.length] ?? "";
  const start = ["_", "worker", "start", id, "--runner", "shell"];
  const brief = { stdin: `${script}\n` };
  tally.add("cycles");
  const first = p.call(start, brief);
  if (way === "double start") {
    const codes = (await Promise.all([first, p.call(start, brief), p.call(start, brief)])).map(({ code }) =>
      code
    );
    const won = codes.filter((code) => code === 0).length;
    // If a worker ends by itself, the second start may run it again: the promise is one at a time.
    const once = won === 1 || (i % NASTY.length === 4 && won >= 1);
    tally.demand(
      once && codes.every((code) => code <= 1),
      "two supervisors",
      `${id}: exits ${codes.join(", ")}`,
    );
  } else {
    const { code, stderr } = await first;
    tally.demand(code === 0, "verbs failed", `worker start ${id} exits ${code}: ${stderr}`);
  }
  const supervisors = await supervisorsOf(p, id);
  tally.demand(supervisors.length <= 1, "two supervisors", `${id}: ${supervisors.join(", ")}`);
  const gen = genOf(p, id);
  if (way === "supervisor") await killSupervisor(p, id);
  const end = way === "kill" ? ["_", "kill", id] : ["_", "worker", "kill", id];
  const ended = await p.run(...end);
  tally.demand(ended.code === 0, "verbs failed", `${end.join(" ")} exits ${ended.code}: ${ended.stderr}`);
  const deadline = performance.now() + 20_000;
  let left = await membersOf(p, id, gen);
  // `_ kill` returns before the end; `_ worker kill` returns after it.
  while (way === "kill" && left.length > 0 && performance.now() < deadline) {
    await pause(50);
    left = await membersOf(p, id, gen);
  }
  tally.demand(
    left.length === 0,
    "survivors",
    `${way} of ${id} (script ${i % NASTY.length}): ${await describe(left)}`,
  );
}

/** Living processes of one run of a worker. */
async function membersOf(p: LabProfile, id: string, gen: string): Promise<number[]> {
  const marks = [`LOOOP_SESSION_GEN=${gen}`, `LOOOP_SESSION_ID=${id}`, `LOOOP_DATA_DIR=${p.profile.dir}`];
  return await living(await readMarked(marks));
}

/** Shells that currently supervise a worker. */
async function supervisorsOf(p: LabProfile, id: string): Promise<number[]> {
  const marked = await living(await readMarked([`LOOOP_WORKER_ID=${id}`, `LOOOP_DATA_DIR=${p.profile.dir}`]));
  const table = await readAllProcesses();
  return marked.filter((pid) =>
    table.processes.get(pid)?.sid === pid && textAt(`/proc/${pid}/cmdline`).includes("looop-supervisor")
  );
}

async function living(pids: ReadonlySet<number>): Promise<number[]> {
  const table = await readAllProcesses();
  return [...pids].filter((pid) => (table.processes.get(pid)?.state ?? "Z") !== "Z");
}

function genOf(p: LabProfile, id: string): string {
  return JSON.parse(p.read(`sessions/${id}/meta.json`)).gen;
}

async function killSupervisor(p: LabProfile, id: string): Promise<void> {
  try {
    Deno.kill(identityIn(p, `sessions/${id}/sup`).pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
  await pause(20);
}

async function describe(pids: readonly number[]): Promise<string> {
  const lines = pids.map((pid) =>
    `${pid} ${textAt(`/proc/${pid}/cmdline`).replaceAll("\0", " ").slice(0, 60)}`
  );
  return await Promise.resolve(lines.join("; "));
}

/** Kills the pulse now and then and starts it several times at once: two must never run. */
async function killPulses(p: LabProfile, tally: Tally, going: () => boolean): Promise<void> {
  while (going()) {
    await pause(1_500 + Math.random() * 1_000);
    const { pid } = JSON.parse(textAt(p.path(".pulse.json")) || "{}");
    if (!(pid > 0)) continue;
    try {
      Deno.kill(pid, "SIGKILL");
      tally.add("pulses killed");
    } catch {
      // It is dead already.
    }
    await Promise.all([p.run("up"), p.run("up"), p.run("up")]);
    const own = await pulsesOf(p);
    tally.demand(own.length <= 1, "two pulses", own.join(", "));
  }
}

/** A process outside looop with the same arguments as workers' children. */
export async function lookAlike(): Promise<Awaited<ReturnType<typeof stranger>>> {
  return await stranger(["sleep", "31337"]);
}

/** Records that name a stranger, by another boot or by a reused pid: nobody may signal it. */
async function recycled(
  p: LabProfile,
  victim: { pid: number; start: string; boot: string },
  tally: Tally,
): Promise<void> {
  const identities = [
    `${victim.pid} 1 ${victim.boot}`,
    `${victim.pid} ${victim.start} 00000000-0000-0000-0000-000000000000`,
  ];
  for (const [i, identity] of identities.entries()) {
    const dir = p.path(`sessions/reused${i}`);
    await Deno.mkdir(dir, { recursive: true });
    const meta = {
      v: 1,
      id: `reused${i}`,
      gen: `reused0${i}`,
      cmd: [],
      babysit_pid: victim.pid,
      started_at: 1,
      runner: "",
      cwd: "/",
    };
    await Deno.writeTextFile(`${dir}/meta.json`, JSON.stringify(meta));
    await Deno.writeTextFile(
      `${dir}/status.json`,
      `{"state":"running","child_pid":${victim.pid},"exit_code":null,"last_change":1}\n`,
    );
    for (const name of ["sup", "program"]) await Deno.writeTextFile(`${dir}/${name}`, `${identity}\n`);
    await p.run("_", "worker", "kill", `reused${i}`);
    tally.add("recycled pids");
  }
  await p.run("down");
  const record = JSON.parse(p.read(".pulse.json"));
  await Deno.writeTextFile(p.profile.pulse, JSON.stringify({ ...record, pid: victim.pid }));
  await p.run("down");
  const up = await p.run("up");
  tally.add("recycled pids");
  tally.demand(
    up.code === 0 && namesIn(p.profile.dir).length > 0,
    "verbs failed",
    `up over a recycled pid: ${up.stderr}`,
  );
}
