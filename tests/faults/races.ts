/** Races of many processes for something that only one can have: one must win, the rest must get a clear no. */
import type { Identity } from "../../lib/process/identity.ts";
import { readMarked } from "../../lib/process/table.ts";
import { stranger } from "../workers.ts";
import { FULL, type LabProfile, namesIn, openLab, pause, pulsesOf, Tally } from "./lab.ts";
import { endedSession } from "./moves.ts";

const ROUNDS = FULL ? 25 : 2;
const RACERS = FULL ? 12 : 6;

/** Runs races for leases, answers, the pulse, worker ids and wake-ups. */
export async function races(): Promise<Tally> {
  const tally = new Tally("races", [
    "no or two winners",
    "unclear losers",
    "two pulses",
    "left running",
    "lost wake-ups",
  ]);
  await using lab = await openLab();
  const p = await lab.profile();
  await p.ok("_", "state");
  for (let round = 0; round < ROUNDS; round++) {
    await claimRace(p, round, tally);
    await answerRace(p, round, tally);
    await startRace(p, round, tally);
    await upRace(p, tally);
    await downRace(p, tally);
  }
  await observers(p, tally);
  await p.run("down");
  return tally;
}

const all = (calls: number, call: (n: number) => string[], p: LabProfile) =>
  Promise.all(Array.from({ length: calls }, (_, n) => p.run(...call(n))));

function judge(
  tally: Tally,
  what: string,
  replies: { code: number; stderr: string }[],
  losers: RegExp,
): void {
  tally.add("races");
  tally.add("racers", replies.length);
  const won = replies.filter((reply) => reply.code === 0).length;
  tally.demand(won === 1, "no or two winners", `${what}: ${won} winners`);
  const unclear = replies.filter(({ code, stderr }) => code !== 0 && (code !== 1 || !losers.test(stderr)));
  tally.demand(unclear.length === 0, "unclear losers", `${what}: ${unclear[0]?.code} ${unclear[0]?.stderr}`);
}

/** Many processes claim the lease of an ended session. */
async function claimRace(p: LabProfile, round: number, tally: Tally): Promise<void> {
  endedSession(p, "gone");
  await Deno.writeTextFile(
    p.path(`claims/c${round}.json`),
    `{"session":"gone","name":"c${round}","gen":"00000000"}\n`,
  );
  await using holder = await stranger();
  for (let n = 0; n < RACERS; n++) livingSession(p, `s${n}`, holder.identity);
  const replies = await all(RACERS, (n) => ["_", "claim", `c${round}`, "--session", `s${n}`], p);
  judge(tally, "claim", replies, /is held by "s\d+"/);
  const { session } = JSON.parse(p.read(`claims/c${round}.json`));
  const winner = replies.findIndex((reply) => reply.code === 0);
  tally.demand(
    session === `s${winner}`,
    "no or two winners",
    `claim: s${winner} was told, ${session} is written`,
  );
  // Removes the sessions before `down` can end them: their supervisor is only a stand-in.
  for (let n = 0; n < RACERS; n++) await Deno.remove(p.path(`sessions/s${n}`), { recursive: true });
}

/** Writes a session whose supervisor is a living stand-in. */
function livingSession(p: LabProfile, id: string, { pid, start, boot }: Identity): void {
  endedSession(p, id);
  Deno.writeTextFileSync(p.path(`sessions/${id}/sup`), `${pid} ${start} ${boot}\n`);
  Deno.writeTextFileSync(
    p.path(`sessions/${id}/status.json`),
    '{"state":"running","exit_code":null,"last_change":1}\n',
  );
}

async function answerRace(p: LabProfile, round: number, tally: Tally): Promise<void> {
  const worker = `q${round}`;
  using asking = p.start(["_", "ask", worker, "--prompt", "Which?"]);
  await asking.said(`${worker}-1`);
  const replies = await all(RACERS, (n) => ["_", "answer", `${worker}-1`, `answer ${n}`], p);
  judge(tally, "answer", replies, /already answered/);
  const winner = replies.findIndex((reply) => reply.code === 0);
  const { stdout } = await asking.result;
  tally.demand(
    stdout === `answer ${winner}\n`,
    "no or two winners",
    `answer ${winner} won, the asker read ${stdout}`,
  );
}

async function startRace(p: LabProfile, round: number, tally: Tally): Promise<void> {
  const id = `r${round}`;
  const replies = await all(
    RACERS,
    () => ["_", "worker", "start", id, "--command", "exec sleep 300", "brief"],
    p,
  );
  judge(tally, "worker start", replies, /is alive already/);
  const marks = [`LOOOP_SESSION_ID=${id}`, `LOOOP_DATA_DIR=${p.profile.dir}`];
  const agents = await readMarked(marks);
  tally.demand(agents.size === 1, "no or two winners", `worker start: ${agents.size} agents run`);
  await p.run("_", "worker", "kill", id);
}

async function upRace(p: LabProfile, tally: Tally): Promise<void> {
  const replies = await all(RACERS, () => ["up"], p);
  tally.add("races");
  tally.add("racers", replies.length);
  const failed = replies.find((reply) => reply.code !== 0);
  tally.demand(failed === undefined, "unclear losers", `up exits ${failed?.code}: ${failed?.stderr}`);
  const started = replies.filter((reply) => reply.stdout.startsWith("looop: pulse started")).length;
  tally.demand(started === 1, "no or two winners", `up: ${started} say that they started it`);
  const pulses = await pulsesOf(p);
  tally.demand(pulses.length === 1, "two pulses", pulses.join(", "));
}

/** Calls `down` during a beat whose sensor hangs and has children outside its group. */
async function downRace(p: LabProfile, tally: Tally): Promise<void> {
  p.sensor("slow", "(setsid sleep 300 &)\nsleep 300");
  await p.run("up");
  await pause(Math.random() * 600);
  const { code, stderr } = await p.run("down");
  tally.add("races");
  tally.demand(code === 0, "unclear losers", `down exits ${code}: ${stderr}`);
  const left = await p.processes();
  tally.demand(left.length === 0, "left running", `after down: ${left.join(", ")}`);
  await Deno.remove(p.path("sensors/slow.sh"));
}

/** Several observers, two of them with the same name, wait for one change. */
async function observers(p: LabProfile, tally: Tally): Promise<void> {
  await p.ok("up");
  const names = ["a", "b", "c", "d", "e", "e"];
  for (const name of new Set(names)) await p.ok("_", "wait", "--as", name);
  for (let round = 0; round < (FULL ? 10 : 2); round++) {
    const waits = names.map((name) => p.start(["_", "wait", "--json", "--as", name, "--timeout", "20"]));
    await pause(Math.random() * 400);
    await p.ok("_", "goal", "write", "seen", `round ${round}`);
    const replies = await Promise.all(waits.map((wait) => wait.result));
    tally.add("races");
    tally.add("racers", replies.length);
    for (const [i, { code, stdout }] of replies.entries()) {
      const { reason } = code === 0 ? JSON.parse(stdout) : { reason: [] };
      // The two with the same name share a cursor, so news given to one is not new to the other.
      const woken = reason.includes("goal:seen") || (names[i] === "e" && code === 0);
      tally.demand(woken, "lost wake-ups", `${names[i]}: exits ${code}, woken by ${JSON.stringify(reason)}`);
    }
    const both = replies.slice(4).some(({ stdout }) => stdout.includes("goal:seen"));
    tally.demand(both, "lost wake-ups", "neither of the two under one name was woken");
  }
  const bad = namesIn(p.profile.cursors).filter((name) => name.endsWith(".json"));
  tally.demand(bad.length >= 5, "lost wake-ups", `cursors: ${bad.join(", ")}`);
}
