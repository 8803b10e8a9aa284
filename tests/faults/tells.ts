/**
 * Texts told to a worker by processes that are killed at random, while the worker's runs, their `_ told` and the pulse are
 * killed, too. Each acknowledged text must be read or reported as unread, and a second reading must be marked as such.
 */
import { FULL, type LabProfile, namesIn, openLab, pause, Tally, textAt } from "./lab.ts";

/** Number of processes that tell at once. */
const TELLERS = 3;
const KILL_EVERY_MS = 700;

/** Script of a worker that takes its texts again and again, each time into a new file. */
const READER = `n=0
while :; do
  n=$((n + 1))
  "$LOOOP_BIN" _ told --json >"$LOOOP_REPORTS_DIR/told-$LOOOP_SESSION_GEN-$n" 2>/dev/null
  sleep 0.1
done`;

/** Tells `count` texts. */
export async function tellsTorture(count = FULL ? 1_000 : 30): Promise<Tally> {
  const tally = new Tally("tells", ["lost", "twice without a mark", "never said"]);
  await using lab = await openLab();
  const p = await lab.profile();
  await p.ok("up");
  await Deno.mkdir(p.profile.reports, { recursive: true });
  await startReader(p);
  const told = await tellAll(p, count, tally);
  // Gives the worker time to read the rest; texts that a killed reader has taken are given again.
  const isRead = () => namesIn(p.path("tells/w1")).every((name) => name.endsWith(".done"));
  for (const until = performance.now() + 20_000; !isRead() && performance.now() < until;) await pause(100);
  await p.run("_", "worker", "kill", "w1");
  await p.run("down");
  audit(p, told, tally);
  return tally;
}

async function startReader(p: LabProfile): Promise<void> {
  const { code, stderr } = await p.call(["_", "worker", "start", "w1", "--runner", "shell"], {
    stdin: READER,
  });
  if (code !== 0) throw new Error(`no reader was started: ${stderr}`);
}

/** Tells all texts while processes are killed now and then; returns the acknowledged ones. */
async function tellAll(p: LabProfile, count: number, tally: Tally): Promise<Set<string>> {
  const acknowledged = new Set<string>();
  const queue = Array.from({ length: count }, (_, n) => `text-${n}.`);
  const tell = async () => {
    for (let text = queue.shift(); text !== undefined; text = queue.shift()) {
      const call = p.start(["_", "tell", "w1", text]);
      const isKilled = Math.random() < 0.2;
      const timer = isKilled ? setTimeout(() => kill(call.pid), Math.random() * 200) : undefined;
      const { code } = await call.result;
      clearTimeout(timer);
      if (code === 0) acknowledged.add(text);
      else tally.add(isKilled ? "tellers killed" : "told to a run that had ended");
    }
  };
  const tellers = Promise.all(Array.from({ length: TELLERS }, tell));
  const chaos = killing(p, () => queue.length === 0, tally);
  await tellers;
  await chaos;
  return acknowledged;
}

/** Kills the worker, its reader or the pulse, and starts it again. */
async function killing(p: LabProfile, isOver: () => boolean, tally: Tally): Promise<void> {
  while (!isOver()) {
    await pause(KILL_EVERY_MS * (0.5 + Math.random()));
    const dice = Math.random();
    if (dice < 0.3) {
      kill(pidIn(p, "sessions/w1/program"));
      tally.add("workers killed");
      const status = () => textAt(p.path("sessions/w1/status.json"));
      await p.until("the run is over", () => /exited|killed/.test(status()), 60).catch((error) => {
        throw new Error(`${error.message}; ${status()} ${textAt(p.path("sessions/w1/program"))}`);
      });
      await startReader(p);
    } else if (dice < 0.7) {
      for (const pid of await readersOf(p)) kill(pid);
      tally.add("readers killed");
    } else {
      kill(JSON.parse(textAt(p.profile.pulse) || "{}").pid ?? 0);
      tally.add("pulses killed");
      await p.run("up");
    }
  }
}

async function readersOf(p: LabProfile): Promise<number[]> {
  return (await p.processes()).filter((pid) => {
    const words = textAt(`/proc/${pid}/cmdline`).split("\0");
    return words.includes("told") && words.includes("_");
  });
}

function pidIn(p: LabProfile, name: string): number {
  return Number(textAt(p.path(name)).split(" ")[0]);
}

function kill(pid: number): void {
  if (!(pid > 1)) return;
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** Compares the acknowledged texts with those that were read or are reported as unread. */
function audit(p: LabProfile, acknowledged: ReadonlySet<string>, tally: Tally): void {
  const read = new Map<string, boolean[]>();
  for (const name of namesIn(p.profile.reports).filter((name) => name.startsWith("told-"))) {
    for (const { text, again } of parsed(textAt(`${p.profile.reports}/${name}`))) {
      read.set(text, [...read.get(text) ?? [], again]);
    }
  }
  const unread = `${p.read("journal.md").split("\n").filter((line) => line.includes("untold: ")).join("\n")}
${
    namesIn(p.path("tells/w1")).filter((name) => !name.endsWith(".done")).map((name) =>
      textAt(p.path(`tells/w1/${name}`))
    ).join("\n")
  }`;
  tally.add("acknowledged", acknowledged.size);
  for (const text of acknowledged) {
    const times = read.get(text);
    if (times === undefined && !unread.includes(text)) tally.fault("lost", text);
    tally.add(times === undefined ? "reported as unread" : "read");
  }
  for (const [text, times] of read) {
    if (!/^text-\d+\.$/.test(text)) tally.fault("never said", text);
    if (times.length > 1) tally.add("read twice, marked");
    if (times.filter((again) => !again).length > 1) tally.fault("twice without a mark", text);
  }
}

/** Texts in a reader's file; a file of a killed reader that does not parse has none. */
function parsed(text: string): { text: string; again: boolean }[] {
  try {
    return JSON.parse(text);
  } catch {
    return [];
  }
}
