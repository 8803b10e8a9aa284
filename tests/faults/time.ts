/**
 * Clocks that jump and processes that are held: no wake-up is lost, nothing stampedes, a silent pulse shows as
 * stalled, and no age is negative.
 */
import { FULL, type LabProfile, namesIn, openLab, pause, Tally, textAt } from "./lab.ts";

/** Offsets of the clock, one after another; the last is too small to count as a jump. */
const JUMPS = FULL ? ["+5h", "-7h", "+30d", "+31d", "-30d", "+0", "+1s"] : ["+5h", "-7h"];
/** Number of ended runs of one worker, more than retention keeps. */
const ENDED_RUNS = 5;
const LIBRARIES = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/** Makes the clock jump and stops processes for a while. */
export async function time(): Promise<Tally> {
  const tally = new Tally("time", [
    "lost wake-ups",
    "stampedes",
    "negative ages",
    "not seen as stalled",
    "verbs failed",
    "limits by a wrong clock",
    "lost for their age",
    "jumps unsaid",
  ]);
  await using lab = await openLab();
  await held(await lab.profile(), tally);
  const library = LIBRARIES.find((path) => textSize(path) > 0);
  if (library === undefined) tally.add("jumps not tried (libfaketime is not installed)");
  else await jumps(await lab.profile(), library, tally);
  return tally;
}

function textSize(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

const beatOf = (p: LabProfile): number => JSON.parse(textAt(p.profile.pulse) || '{"beat":0}').beat;

/** Stops a pulse for a while, as a suspended laptop does, and lets it go on. */
async function held(p: LabProfile, tally: Tally): Promise<void> {
  await p.ok("up");
  for (let round = 0; round < (FULL ? 4 : 1); round++) {
    await p.ok("_", "wait", "--fresh");
    const { pid, beat } = JSON.parse(p.read(".pulse.json"));
    Deno.kill(pid, "SIGSTOP");
    tally.add("holds");
    try {
      using waiting = p.start(["_", "wait", "--json", "--full", "--timeout", "30"]);
      const stopped = performance.now();
      await p.ok("_", "goal", "write", `g${round}`, "while it is held");
      let seen = "";
      // Two beats of a second, one more since ages are whole seconds, and the time of the calls.
      while (!seen.includes("STALLED") && performance.now() - stopped < 5_000) seen = await p.ok("status");
      tally.demand(seen.includes("STALLED"), "not seen as stalled", seen.split("\n")[0] ?? "");
      tally.most("seconds until seen", Math.round((performance.now() - stopped) / 100) / 10);
      Deno.kill(pid, "SIGCONT");
      let { code, stdout } = await waiting.result;
      const isWoken = () => code === 0 && JSON.parse(stdout).reason.includes(`goal:g${round}`);
      // If the stall has ended this wait, the next one brings the goal.
      for (let n = 0; n < 3 && !isWoken(); n++) {
        ({ code, stdout } = await p.run("_", "wait", "--json", "--full", "--timeout", "10"));
      }
      tally.demand(isWoken(), "lost wake-ups", `held: exits ${code}: ${stdout.slice(0, 200)}`);
      const before = beatOf(p);
      await pause(1_500);
      tally.demand(
        beatOf(p) - before <= 3,
        "stampedes",
        `${beatOf(p) - before} beats in 1.5 s after ${beat}`,
      );
    } finally {
      Deno.kill(pid, "SIGCONT");
    }
  }
  await p.run("down");
}

/** Makes the wall clock of all processes jump while they run; the length of sleeps does not change. */
async function jumps(p: LabProfile, library: string, tally: Tally): Promise<void> {
  const clock = `${p.base}/clock`;
  await Deno.writeTextFile(clock, "+0\n");
  Object.assign(p.env, {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    DONT_FAKE_MONOTONIC: "1",
  });
  const { code, stderr } = await p.run("up");
  if (code !== 0) {
    tally.add("jumps not tried (the binary does not start below libfaketime)");
    tally.add(`: ${stderr.slice(0, 80)}`);
    return;
  }
  const start = (id: string, command: string, ...more: string[]) =>
    p.okCall(["_", "worker", "start", id, "--command", command, ...more], { stdin: "brief" });
  await start("w", "sleep 300", "--timeout", "3600");
  await p.ok("_", "claim", "task", "--session", "w");
  await p.ok("_", "schedule", "write", "often", "--every", "5m", "--zone", "UTC", "look");
  for (let run = 0; run < ENDED_RUNS; run++) {
    await start("old", "true");
    await p.until("it has ended", async () => (await p.ok("_", "worker", "list")).includes("exited"));
  }
  for (const [i, jump] of JUMPS.entries()) {
    await p.ok("_", "wait", "--fresh");
    using asking = p.start(["_", "ask", "w", "--prompt", `question ${i}`]);
    await asking.said("w-");
    await p.ok("_", "wait", "--fresh");
    using waiting = p.start(["_", "wait", "--json", "--full", "--timeout", "40"]);
    await pause(300);
    const before = beatOf(p);
    await Deno.writeTextFile(clock, `${jump}\n`);
    const jumped = performance.now();
    tally.add("jumps");
    await p.ok("_", "goal", "write", "g", `after ${jump}`);
    let woken = await waiting.result;
    // The jump may make a question due again, which may come first; the goal must still come.
    for (let n = 0; n < 3 && !woken.stdout.includes("goal:g"); n++) {
      woken = await p.run("_", "wait", "--json", "--full", "--timeout", "10");
    }
    tally.demand(
      woken.stdout.includes("goal:g"),
      "lost wake-ups",
      `${jump}: ${woken.code} ${woken.stdout.slice(0, 200)}`,
    );
    await p.ok("_", "answer", `w-${i + 1}`, "yes");
    const { stdout } = await asking.result;
    tally.demand(stdout === "yes\n", "lost wake-ups", `${jump}: the asker read ${stdout}`);
    const state = JSON.parse(await p.ok("_", "state", "--json"));
    const negative = negativeAges(state);
    tally.demand(negative.length === 0, "negative ages", `${jump}: ${negative.join(", ")}`);
    const status = await p.ok("status");
    tally.demand(!/-\d+ (s|min|h|d)\b/.test(status), "negative ages", `${jump}: ${status}`);
    const seconds = (performance.now() - jumped) / 1000;
    tally.demand(
      beatOf(p) - before <= seconds + 2,
      "stampedes",
      `${jump}: ${beatOf(p) - before} beats in ${seconds} s`,
    );
    tally.demand(beatOf(p) > before || seconds < 2, "lost wake-ups", `${jump}: no beat in ${seconds} s`);
    const worker = state.workers.find(({ id }: { id: string }) => id === "w");
    tally.demand(worker?.alive, "limits by a wrong clock", `${jump}: the worker was ended`);
    tally.demand(
      textAt(p.path("claims/task.json")).includes('"w"'),
      "limits by a wrong clock",
      `${jump}: the lease`,
    );
    const kept = namesIn(p.path("sessions")).filter((name) => name.startsWith("old")).length;
    tally.demand(
      kept === ENDED_RUNS,
      "lost for their age",
      `${jump}: ${kept} of ${ENDED_RUNS} runs are left`,
    );
    const due = woken.stdout.split('"id":"often"').length - 1;
    tally.demand(due <= 1, "stampedes", `${jump}: a schedule is due ${due} times`);
  }
  const said = textAt(p.path("sessions/pulse/output.log")).split("the clock was set").length - 1;
  tally.demand(said === JUMPS.length - (FULL ? 1 : 0), "jumps unsaid", `${said} of ${JUMPS.length} jumps`);
  await p.ok("_", "worker", "start", "brief", "--command", "sleep 300", "--timeout", "3", "a brief");
  await Deno.writeTextFile(clock, "-40d\n");
  const { ended_by } = await endOf(p, "brief");
  tally.demand(ended_by === "timeout", "limits by a wrong clock", `3 s after a jump: ended by ${ended_by}`);
  const down = await p.run("down");
  tally.demand(down.code === 0, "verbs failed", `down exits ${down.code}: ${down.stderr}`);
}

/** A worker's view once it has ended, or as it is when the time is up. */
async function endOf(p: LabProfile, id: string): Promise<{ state: string; ended_by?: string }> {
  const now = async () =>
    JSON.parse(await p.ok("_", "state", "--json")).workers.find((worker: { id: string }) => worker.id === id);
  await p.until(`${id} has ended`, async () => !(await now()).alive, 30).catch(() => {});
  return await now();
}

/** Paths of keys whose name says age or idle time and whose value is negative. */
function negativeAges(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => {
    const here = `${path}.${key}`;
    const isAge = /(^|_)(age|idle|waited)_(s|ms)$/.test(key);
    return isAge && typeof part === "number" && part < 0 ? [`${here} ${part}`] : negativeAges(part, here);
  });
}
