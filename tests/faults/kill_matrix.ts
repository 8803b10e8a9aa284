/**
 * Kills every mutating verb, the pulse and the supervisor with SIGKILL at each of their file-changing system calls in
 * turn, and checks what is left: every file whole, every move made completely or not at all, the next verbs working.
 */
import { readMarked } from "../../lib/process/table.ts";
import { homeMark } from "../../lib/records/home.ts";
import { SUPERVISOR } from "../../lib/sessions/supervisor.ts";
import { looopCommand } from "../looop.ts";
import {
  brokenFiles,
  FILE_CALLS,
  type FileCall,
  fileCalls,
  filesBelow,
  FULL,
  inParallel,
  type Lab,
  type LabProfile,
  openLab,
  pause,
  put,
  run,
  sample,
  straceMissing,
  Tally,
  textAt,
  underStrace,
} from "./lab.ts";
import { type Move, moves, oldQuestion } from "./moves.ts";

/** Matches the temporary files of looop and of its supervisor. */
const TEMP = /\/(\.[^/]*\.tmp-\d+-[a-z0-9]+|[^/]+\.tmp)$|\/sessions\/\.new-/;

/** Kills every program at every file-changing call. */
export async function killMatrix(): Promise<Tally> {
  const tally = new Tally("kill matrix", [
    "broken files",
    "half-read",
    "half moves",
    "acknowledged but absent",
    "next verb failed",
    "not notified once",
    "old temp files",
    "left running",
  ]);
  const missing = await straceMissing();
  if (missing !== undefined) {
    tally.skip(missing);
    return tally;
  }
  await using lab = await openLab();
  const reader = startReader(lab);
  const all = moves();
  tally.add("verbs", all.length);
  await inParallel(all, 2, (move) => killMove(lab, move, tally));
  await Promise.all([killPulse(lab, tally), killSupervisor(lab, tally)]);
  const { reads, half } = await reader();
  tally.add("reads meanwhile", reads);
  for (const story of half) tally.fault("half-read", story);
  return tally;
}

/** Starts a process that reads every file over and over. Calling the result ends it and returns what it saw. */
function startReader(lab: Lab): () => Promise<{ reads: number; half: string[] }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", new URL("./reader.ts", import.meta.url).pathname, lab.root],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  return async () => {
    await child.stdin.close();
    return JSON.parse(new TextDecoder().decode((await child.output()).stdout));
  };
}

const traceAll = ["-e", `trace=${FILE_CALLS}`];
const killAt = ({ name, nth }: FileCall) => [...traceAll, "-e", `inject=${name}:signal=KILL:when=${nth}`];

async function killMove(lab: Lab, move: Move, tally: Tally): Promise<void> {
  const p = await lab.profile();
  const withWorker = move.withWorker === true;
  await move.prepare?.(p);
  await p.keep();
  const options = { ...(move.stdin === undefined ? {} : { stdin: move.stdin }), env: move.env ?? {} };
  const begin = async () => {
    await p.reset();
    if (withWorker) await p.ok("_", "worker", "start", "w", "--command", "sleep 300", "a brief");
  };
  await begin();
  const dry = await p.traced(move.argv, traceAll, options);
  const acknowledges = move.acknowledges ?? [0];
  if (!acknowledges.includes(dry.code)) {
    tally.fault("next verb failed", `${move.name} exits ${dry.code} below strace: ${dry.stderr}`);
    return;
  }
  if (move.effect(p) !== "after" && !move.later) {
    tally.fault("acknowledged but absent", `${move.name}: ${move.effect(p)}`);
  }
  await move.clean?.(p);
  const calls = fileCalls(dry.trace, p.profile.dir);
  tally.add("system calls", calls.length);
  for (const call of sample(calls, withWorker || move.clean !== undefined ? 0.06 : 0.12)) {
    await begin();
    const reply = await p.traced(move.argv, killAt(call), options);
    const at = `${move.name}, killed at ${call.line}`;
    tally.add("tries");
    if (reply.killed) tally.add("kills");
    checkBroken(p, at, tally);
    const effect = move.effect(p);
    tally.demand(effect === "before" || effect === "after", "half moves", `${at}: ${effect}`);
    if (!reply.killed && acknowledges.includes(reply.code)) {
      tally.demand(effect === "after" || move.later === true, "acknowledged but absent", `${at}: ${effect}`);
    }
    await checkNext(p, move, at, tally);
    await move.clean?.(p);
    await checkTemps(p, at, tally);
  }
  await p.run("down");
}

function checkBroken(p: LabProfile, at: string, tally: Tally): void {
  const broken = brokenFiles(p.profile.dir);
  tally.demand(broken.length === 0, "broken files", `${at}: ${broken.join("; ")}`);
}

/** Checks the next verbs: `_ state` reads everything, and making the move again completes it. */
async function checkNext(p: LabProfile, move: Move, at: string, tally: Tally): Promise<void> {
  const state = await p.run("_", "state", "--json");
  tally.demand(state.code === 0, "next verb failed", `${at}: _ state exits ${state.code}: ${state.stderr}`);
  if (state.code === 0) {
    const bad = JSON.parse(state.stdout).bad_files;
    tally.demand(bad.length === 0, "broken files", `${at}: bad_files ${JSON.stringify(bad)}`);
  }
  if (move.mend !== undefined) {
    const wrong = await move.mend(p);
    tally.demand(wrong === undefined, "next verb failed", `${at}: ${wrong}`);
  } else {
    const { code, stderr } = await p.call(move.argv, {
      ...(move.stdin === undefined ? {} : { stdin: move.stdin }),
      env: move.env ?? {},
    });
    tally.demand(
      (move.acknowledges ?? [0]).includes(code) && move.effect(p) === "after",
      "next verb failed",
      `${at}: again: exits ${code}, ${move.effect(p)}: ${stderr.trim()}`,
    );
  }
  checkBroken(p, `${at}, and made again`, tally);
}

/** Checks that a beat removes a killed writer's temporary files once they are a day old; their age is faked. */
async function checkTemps(p: LabProfile, at: string, tally: Tally): Promise<void> {
  const temps = tempsBelow(p.profile.dir);
  if (temps.length === 0) return;
  tally.add("temp files left", temps.length);
  // A beat of the binary takes 0.3 s, so each new place is tried once, not each file.
  const places = temps.map((path) => placeOf(p, path)).filter((place) => !sweptPlaces.has(place));
  if (places.length === 0) return;
  for (const place of places) sweptPlaces.add(place);
  const old = new Date(Date.now() - 2 * 86_400_000);
  for (const path of temps) await Deno.utime(path, old, old).catch(() => {});
  await p.ok("up");
  const deadline = Date.now() + 5_000;
  while (temps.some((path) => textAtOrDir(path)) && Date.now() < deadline) await pause(20);
  await p.run("down");
  for (const path of temps.filter(textAtOrDir)) {
    tally.fault("old temp files", `${at}: ${path.slice(p.profile.dir.length)}`);
  }
}

const sweptPlaces = new Set<string>();

function placeOf(p: LabProfile, path: string): string {
  return path.slice(p.profile.dir.length).replace(/\.tmp-\d+-[a-z0-9]+$/, "").replace(/\.new-.*/, ".new");
}

function tempsBelow(dir: string): string[] {
  const files = filesBelow(dir).filter((path) => TEMP.test(path));
  const stages: string[] = [];
  try {
    for (const entry of Deno.readDirSync(`${dir}/sessions`)) {
      if (entry.name.startsWith(".new-")) stages.push(`${dir}/sessions/${entry.name}`);
    }
  } catch {
    // There are no sessions.
  }
  return [...files.filter((path) => !path.includes("/.new-")), ...stages];
}

function textAtOrDir(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Checks that the person is notified once, or, if the hook itself was killed, that the notice is recorded as lost. */
async function checkNotice(p: LabProfile, at: string, tally: Tally): Promise<void> {
  const told = () => textAt(p.path("reports/told")).split("\n").filter(Boolean);
  const isLost = () => textAt(p.path(".notices/w-1.1700000000.10.json")).includes('"lost":true');
  for (let looks = 0; looks < 150 && told().length === 0 && !isLost(); looks++) await pause(100);
  await pause(50);
  const count = told().length;
  tally.demand(count === 1 || (count === 0 && isLost()), "not notified once", `${at}: ${told().join(" ")}`);
}

/** Kills the pulse at each call up to its second publication; `up` then starts another. */
async function killPulse(lab: Lab, tally: Tally): Promise<void> {
  const p = await lab.profile();
  await p.ok("_", "state");
  p.sensor("count", "echo '{\"signal\":1}'");
  oldQuestion(p);
  await p.keep();
  const env = { LOOOP_PULSE: "1" };
  const dry = await p.traced(["_", "pulse"], traceAll, { env, timeoutMs: 3_000 });
  const calls = fileCalls(dry.trace, p.profile.dir);
  tally.add("system calls", calls.length);
  await run("rm", ["-rf", `${p.base}/trace`]);
  for (const call of sample(calls.slice(0, 150), 0.04)) {
    await p.reset();
    const reply = await p.traced(["_", "pulse"], killAt(call), { env, timeoutMs: 4_000 });
    const at = `pulse, killed at ${call.line}`;
    tally.add("tries");
    if (reply.killed) tally.add("kills");
    checkBroken(p, at, tally);
    const up = await p.run("up");
    tally.demand(up.code === 0, "next verb failed", `${at}: up exits ${up.code}: ${up.stderr}`);
    const world = textAt(p.path(".world.json"));
    tally.demand(world.includes("sensor-count"), "next verb failed", `${at}: nothing was sensed`);
    await checkNotice(p, at, tally);
    await p.run("down");
    await checkTemps(p, at, tally);
  }
}

/** System calls of the supervisor's processes that change files, or start, await or replace a process. */
const SUPERVISOR_CALLS = [
  "-e",
  "trace=openat,write,clone,clone3,vfork,fork,wait4,dup2,execve,unlink,rename,renameat2",
];

/**
 * Kills the supervisor at each of its calls: first only its own shell, then any of its processes (`script`, the shell in
 * the terminal, their helpers) that makes the call. In every case the worker can be ended.
 */
async function killSupervisor(lab: Lab, tally: Tally): Promise<void> {
  const p = await lab.profile();
  await p.ok("_", "state");
  await p.keep();
  for (const follow of [[], ["-f"]]) {
    const dry = await supervise(p, [...follow, ...SUPERVISOR_CALLS]);
    const calls = supervisorCalls(dry.trace, p.profile.dir);
    tally.add("system calls", calls.length);
    for (const call of sample(calls, 0.1)) {
      await p.reset();
      const inject = ["-e", `inject=${call.name}:signal=KILL:when=${call.nth}`];
      const reply = await supervise(p, [...follow, ...SUPERVISOR_CALLS, ...inject]);
      const at = `supervisor, killed at ${call.line}`;
      tally.add("tries");
      if (reply.killed) tally.add("kills");
      checkBroken(p, at, tally);
      await checkEnded(p, at, tally);
      await checkTemps(p, at, tally);
    }
  }
  const left = await p.processes();
  tally.demand(left.length === 0, "left running", `supervisor matrix left ${left.join(", ")}`);
  if (FULL) await p.run("down");
}

const GEN = "12345678";

/** Runs a supervisor under strace, as the start of a worker runs it, until its agent has ended. */
async function supervise(p: LabProfile, strace: readonly string[]) {
  const dir = p.path("sessions/w");
  await Deno.mkdir(dir, { recursive: true });
  const meta = {
    v: 1,
    id: "w",
    gen: GEN,
    cmd: [],
    babysit_pid: 0,
    started_at: Math.floor(Date.now() / 1000),
    runner: "shell",
    cwd: p.profile.dir,
  };
  put(`${dir}/meta.json`, JSON.stringify(meta));
  put(`${dir}/output.log`, "");
  return await underStrace(["/bin/sh", "-c", SUPERVISOR, "looop-supervisor", dir, p.path(".poke")], strace, {
    cwd: p.base,
    trace: `${p.base}/trace`,
    timeoutMs: 8_000,
    mute: true,
    env: {
      ...p.env,
      LOOOP_BIN: looopCommand()[0] ?? "",
      LOOOP_WORKER_CMD: "sleep 0.05",
      LOOOP_WORKER_ID: "w",
      LOOOP_WORKER_GEN: GEN,
    },
  });
}

/** The calls of a trace without repetition, each by its name and its number within its process. */
function supervisorCalls(trace: string, dir: string): FileCall[] {
  const seen = new Map<string, number>();
  const calls = new Map<string, FileCall>();
  for (const line of trace.split("\n")) {
    const [, pid = "", name] = /^(?:(\d+) +)?(\w+)\(/.exec(line) ?? [];
    if (name === undefined) continue;
    const nth = (seen.get(`${pid} ${name}`) ?? 0) + 1;
    seen.set(`${pid} ${name}`, nth);
    const matters = line.includes(dir) || /^(clone|vfork|fork|wait4|execve)/.test(name);
    if (matters && !calls.has(`${name} ${nth}`)) calls.set(`${name} ${nth}`, { name, nth, line });
  }
  return [...calls.values()];
}

async function checkEnded(p: LabProfile, at: string, tally: Tally): Promise<void> {
  const kill = await p.run("_", "worker", "kill", "w");
  tally.demand(
    kill.code === 0,
    "next verb failed",
    `${at}: worker kill exits ${kill.code}: ${kill.stderr}`,
  );
  const state = JSON.parse((await p.run("_", "worker", "list", "--json")).stdout)[0]?.state;
  tally.demand(
    state === "killed" || state === "exited",
    "next verb failed",
    `${at}: the worker shows as ${state} after worker kill`,
  );
  const left = await readMarked([homeMark(p.profile), `LOOOP_WORKER_GEN=${GEN}`]);
  tally.demand(left.size === 0, "left running", `${at}: ${[...left].join(" ")}`);
}
