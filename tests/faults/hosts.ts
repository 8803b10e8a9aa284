/**
 * Workers on other machines while everything between them and home fails: connections break after each line of the
 * protocol, starts are cut short, supervisors are started twice, pulses are killed, wires are cut or silent for a minute,
 * power fails. The mailbox and the life-and-death parts also run with their workers on hosts.
 */
import { carriers, labMissing, ShHost, SshHost, startThere, wire } from "../hosts/host.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { endedWorker, fileText, isAlive, stranger, workerView } from "../workers.ts";
import { FULL, inParallel, namesIn, pause, Tally, textAt } from "./lab.ts";
import { lookAlike, NASTY } from "./life_and_death.ts";

/** Number of protocol lines, from the far side and from home, after which the connection is broken. */
const OUT = FULL ? 16 : 6;
const IN = FULL ? 8 : 3;
/** Number of starts that are cut short. */
const STARTS = FULL ? 24 : 4;
/** Workers that ask, questions of each, processes that answer, pulses that are killed, and the time limit, ms. */
const ASKERS = FULL ? 20 : 6;
const QUESTIONS = FULL ? 500 : 3;
const ANSWERERS = FULL ? 3 : 1;
const PULSES = FULL ? 24 : 3;
const MAIL_MS = FULL ? 2_400_000 : 240_000;
/** Cycles of life and death, and how many run at once: the same as for local workers. */
const CYCLES = FULL ? 500 : 6;
const WIDTH = FULL ? 14 : 5;
/** Number of workers behind one wire, and how long it is dead, s. */
const BEHIND = 20;
const DEAD_S = 60;

/** Wraps the command that reaches a host, and breaks the next connection if it is armed. */
const RELAY = `h=$1; shift
[ -f "$h/armed" ] || exec "$@"
read -r how n <"$h/armed"; rm -f "$h/armed"
exec 7<&0
case $how in
out) "$@" <&7 | head -n "$n" ;;
in) { head -n "$n" <&7; kill -KILL 0; } | "$@" ;;
ms) (sleep "$n"; kill -KILL 0) & "$@" <&7 ;;
esac
kill -KILL 0
`;

/** Runs all parts. */
export async function hosts(): Promise<Tally> {
  const tally = new Tally("hosts", [
    "lost",
    "doubled",
    "survivors",
    "strangers killed",
    "verbs failed",
    "not in time",
  ]);
  await using decoy = await lookAlike();
  await Promise.all([brokenLines(tally), cutStarts(tally)]);
  await Promise.all([mailThere(tally), lifeThere(tally)]);
  if (FULL && labMissing() === undefined) await behindAWire(tally);
  else if (FULL) tally.skip(`wire and power: ${labMissing()}`);
  tally.demand(await isAlive(decoy.identity), "strangers killed", "the look-alike has gone");
  return tally;
}

/** Opens hosts `h0`, `h1` and so on, each behind a relay. */
async function relayed(p: TestProfile, count: number): Promise<ShHost[] & AsyncDisposable> {
  const list: ShHost[] = [];
  for (let n = 0; n < count; n++) list.push(await ShHost.open());
  const named = list.map((
    { home, reach },
    n,
  ) => [`h${n}`, { reach: ["sh", "-c", RELAY, "relay", home, ...reach] }]);
  wire(p, Object.fromEntries(named));
  return Object.assign(list, {
    async [Symbol.asyncDispose]() {
      await Promise.all(list.map((host) => host[Symbol.asyncDispose]()));
    },
  });
}

/** Folder of a host's only run. */
function farRun({ home }: ShHost): string {
  const root = `${home}/.local/state/looop-far`;
  const own = `${root}/${namesIn(root)[0]}`;
  return `${own}/w/${namesIn(`${own}/w`)[0]}`;
}

/** Breaks one connection at each place, runs a worker's whole life over each, and starts its supervisor again. */
async function brokenLines(tally: Tally): Promise<void> {
  const cuts = [...steps("out", OUT), ...steps("in", IN)];
  await using p = await testProfile();
  await using list = await relayed(p, cuts.length);
  await inParallel(list.map((_, n) => n), 4, async (n) => {
    const script = `echo began >>"$HOME/began"; until [ -f "$HOME/go" ]; do sleep 0.1; done
"$LOOOP_BIN" _ claim l${n}; echo "claimed $?"
"$LOOOP_BIN" _ cost session w${n} shell 0.25
a=$("$LOOOP_BIN" _ ask w${n} --prompt "q ${n}"); echo "got $a"
echo report >reports/w${n}.md\n`;
    await startThere(p, `w${n}`, `h${n}`, script);
  });
  for (const [n, host] of list.entries()) {
    await twice(host, tally);
    await Deno.writeTextFile(`${host.home}/armed`, `${cuts[n]}\n`);
    await Deno.writeTextFile(`${host.home}/go`, "");
  }
  await p.ok("up");
  await answerAll(p, () => cuts.every((_, n) => isOver(p, `w${n}`)), 120_000, (id) => `yes to ${id}`);
  const costs = fileText(p, "cost.jsonl").split("\n");
  for (const [n, cut] of cuts.entries()) {
    const [id, host] = [`w${n}`, list[n]];
    tally.add("lines broken");
    await p.until(`the log of ${id}`, () => fileText(p, `sessions/${id}/output.log`).includes("got"), 20)
      .catch(() => {});
    await p.until(`the report of ${id}`, () => fileText(p, `reports/${id}.md`) !== "", 20).catch(() => {});
    const log = fileText(p, `sessions/${id}/output.log`);
    const story = `${cut}: ${id}: ${fileText(p, `sessions/${id}/status.json`).trim()} ${log.slice(0, 200)}`;
    tally.demand(!textAt(`${host?.home}/armed`), "lost", `${story}: the line was never broken`);
    tally.demand(log.includes("claimed 0") && log.includes(`got yes to ${id}-1`), "lost", story);
    tally.demand(fileText(p, `reports/${id}.md`) === "report\n", "lost", `${story}: its report`);
    tally.demand(fileText(p, `sessions/${id}/status.json`).includes('"exit_code":0'), "lost", story);
    const rows = costs.filter((line) => line.includes(`"id":"${id}"`)).length;
    tally.demand(rows >= 1, "lost", `${story}: no cost`);
    tally.demand(rows <= 1 && log.split("got ").length === 2, "doubled", `${story}: ${rows} costs`);
    tally.demand(textAt(`${host?.home}/began`) === "began\n", "doubled", `${story}: it began twice`);
    tally.demand(fileText(p, `asks/${id}-2.json`) === "", "doubled", `${story}: asked twice`);
  }
  await endAll(p, tally, cuts.map((_, n) => `w${n}`));
}

function steps(how: string, most: number): string[] {
  return Array.from({ length: most }, (_, n) => `${how} ${n + 1}`);
}

/** Starts a run's supervisor a second time, as an engine might. */
async function twice(host: ShHost, tally: Tally): Promise<void> {
  const W = farRun(host);
  const { code } = await new Deno.Command("sh", { args: [`${W}/../../bin/far`, "sup", W] }).output();
  tally.add("supervisors started twice");
  tally.demand(code === 0, "verbs failed", `the second supervisor exits ${code}`);
}

/** Cuts starts so that their outcome is unknown: each worker must run exactly once, and its end must reach home. */
async function cutStarts(tally: Tally): Promise<void> {
  const cuts = [
    ...steps("in", 2),
    ...steps("out", 3),
    ...Array.from({ length: Math.max(0, STARTS - 5) }, (_, n) => `ms ${(0.02 + n * 0.02).toFixed(2)}`),
  ].slice(0, STARTS);
  await using p = await testProfile();
  await using list = await relayed(p, cuts.length);
  await p.ok("up");
  await inParallel(list.map((_, n) => n), 4, async (n) => {
    await Deno.writeTextFile(`${list[n]?.home}/armed`, `${cuts[n]}\n`);
    const brief = { stdin: `echo began >>"$HOME/began"; sleep 1; exit 3\n` };
    await p.call(["_", "worker", "start", `w${n}`, "--runner", "shell", "--host", `h${n}`], brief);
  });
  const until = performance.now() + 90_000;
  while (!cuts.every((_, n) => isOver(p, `w${n}`)) && performance.now() < until) await pause(200);
  for (const [n, cut] of cuts.entries()) {
    const status = fileText(p, `sessions/w${n}/status.json`).trim();
    tally.add("starts cut");
    const began = textAt(`${list[n]?.home}/began`);
    tally.demand(began !== "" && status.includes('"exit_code":3'), "lost", `start cut at ${cut}: ${status}`);
    tally.demand(began.length <= "began\n".length, "doubled", `start cut at ${cut}: ${began}`);
  }
  await endAll(p, tally, cuts.map((_, n) => `w${n}`));
}

/**
 * Thousands of questions, answered by several processes at once, while pulses, connections and waiting askers are killed
 * again and again.
 */
async function mailThere(tally: Tally): Promise<void> {
  await using p = await testProfile();
  await using list = await relayed(p, 2);
  await p.ok("up");
  const ids = Array.from({ length: ASKERS }, (_, n) => `w${n}`);
  for (const [n, id] of ids.entries()) {
    const ask = `a=$("$LOOOP_BIN" _ ask ${id} --prompt "q $i of ${id}")`;
    const script =
      `i=0; while [ $i -lt ${QUESTIONS} ]; do until ${ask}; do :; done; echo "got $i $a"; i=$((i+1)); done\n`;
    await startThere(p, id, `h${n % list.length}`, script);
  }
  const answerers = Array.from({ length: ANSWERERS }, (_, n) => answerer(p, `r${n}`));
  const ended = Promise.all(answerers.map((child) => child.output()));
  let killed = 0;
  const isDone = () => ids.every((id) => isOver(p, id)) && killed >= PULSES;
  for (const until = performance.now() + MAIL_MS; !isDone() && performance.now() < until;) {
    await pause((FULL ? 2_000 : 700) + Math.random() * 900);
    if (killWaiting(list[Math.floor(Math.random() * list.length)])) tally.add("askers killed");
    if (FULL && Math.random() < 0.6) continue;
    if (killPulse(p)) killed++;
    await p.run("up");
  }
  for (const { pid } of answerers) isKilled(pid);
  for (const { signal, stderr } of await ended) {
    tally.demand(signal !== null, "verbs failed", `an answerer broke: ${new TextDecoder().decode(stderr)}`);
  }
  await p.run("up");
  tally.add("pulses killed", killed);
  for (const id of ids) {
    const last = `got ${QUESTIONS - 1} `;
    await p.until(`the log of ${id}`, () => fileText(p, `sessions/${id}/output.log`).includes(last), 30)
      .catch(() => {});
    const got = fileText(p, `sessions/${id}/output.log`).match(/^got .*$/gm)?.map((line) => line.trim()) ??
      [];
    // A worker that the deadline has stopped has not asked all questions.
    const due = isOver(p, id) ? QUESTIONS : got.length;
    tally.demand(due === QUESTIONS, "not in time", `${id}: ${due} of ${QUESTIONS} questions`);
    tally.add("questions", due);
    for (let i = 0; i < due; i++) {
      const times = got.filter((line) => line.startsWith(`got ${i} q ${i} of ${id} / `)).length;
      tally.demand(times >= 1, "lost", `${id}: question ${i}; ${got.at(-1)}`);
      tally.demand(times <= 1, "doubled", `${id}: question ${i}`);
    }
    tally.demand(got.length === due, "doubled", `${id}: ${got.length} answers`);
  }
  await endAll(p, tally, ids);
}

/** Starts a process that answers every question. */
function answerer(p: TestProfile, name: string): Deno.ChildProcess {
  const worker = new URL("./torture_worker.ts", import.meta.url).pathname;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", worker, "answer", p.profile.dir, `${p.base}/${name}`, name],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

/** Kills one process on a host that waits for an answer. */
function killWaiting(host: ShHost | undefined): boolean {
  const root = `${host?.home}/.local/state/looop-far`;
  const runs = `${root}/${namesIn(root)[0]}/w`;
  const waiting = namesIn(runs).flatMap((run) => namesIn(`${runs}/${run}/wait`));
  const [, pid = ""] = waiting[Math.floor(Math.random() * waiting.length)]?.split(".") ?? [];
  // The record of a killed process may name a pid that another process has by now.
  return textAt(`/proc/${pid}/cmdline`).includes(`${runs}/`) && isKilled(Number(pid));
}

function killPulse(p: TestProfile): boolean {
  const { pid } = JSON.parse(fileText(p, ".pulse.json") || "{}");
  return pid > 1 && isKilled(pid);
}

function isKilled(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false; // It has ended by itself.
  }
}

/** Starts and ends workers on hosts that do everything to outlive their end, while pulses are killed. */
async function lifeThere(tally: Tally): Promise<void> {
  await using p = await testProfile();
  await using list = await relayed(p, 3);
  await using victim = await stranger();
  await p.ok("up");
  const gens = new Map<string, string>();
  let going = true;
  const pulses = (async () => {
    while (going) {
      await pause(4_000 + Math.random() * 4_000);
      if (going && killPulse(p)) tally.add("pulses killed");
      await Promise.all([p.run("up"), p.run("up")]);
    }
  })();
  await inParallel(Array.from({ length: CYCLES }, (_, i) => i), WIDTH, async (i) => {
    const [id, host] = [`w${i}`, `h${i % list.length}`];
    const start = ["_", "worker", "start", id, "--runner", "shell", "--host", host];
    const brief = { stdin: `${NASTY[i % NASTY.length]}\n` };
    const codes = (await Promise.all([p.call(start, brief), ...(i % 4 === 0 ? [p.call(start, brief)] : [])]))
      .map(({ code }) => code);
    tally.add("cycles");
    tally.demand(codes.filter((code) => code === 0).length === 1, "doubled", `${id}: starts exit ${codes}`);
    const { gen } = JSON.parse(p.read(`sessions/${id}/meta.json`));
    gens.set(id, gen);
    if (i % 4 === 1) killSupervisor(list[i % list.length], `${id}.${gen}`);
    const { code, stderr } = await p.run("_", "worker", "kill", id);
    // While no pulse runs, the end may come later, and the verb says so.
    if (code === 1 && /not heard/.test(stderr)) {
      tally.add("ends that came later");
      const isEnded = () => /"state":"(exited|killed)"/.test(fileText(p, `sessions/${id}/status.json`));
      await p.until(`the end of ${id}`, isEnded, 60).catch(() => {});
    } else tally.demand(code === 0, "verbs failed", `worker kill ${id} exits ${code}: ${stderr}`);
    // The host reports an end only once no process is left.
    tally.demand(await carriers(p, id) === 0, "survivors", `${id} (script ${i % NASTY.length})`);
  });
  going = false;
  await pulses;
  await recycledThere(list[0], victim.identity, tally);
  await endAll(p, tally, [...gens.keys()]);
  tally.demand(await isAlive(victim.identity), "strangers killed", "the one with a pid given out again");
}

/** Records on hosts that name a stranger, by another boot or by a reused pid: nobody may signal it. */
async function recycledThere(
  host: ShHost | undefined,
  { pid, start, boot }: { pid: number; start: string; boot: string },
  tally: Tally,
): Promise<void> {
  const root = `${host?.home}/.local/state/looop-far`;
  const own = `${root}/${namesIn(root)[0]}`;
  const identities = [`${pid} 1 ${boot}`, `${pid} ${start} 00000000-0000-0000-0000-000000000000`];
  for (const [n, identity] of identities.entries()) {
    const W = `${own}/w/reused${n}.0000000${n}`;
    await Deno.mkdir(`${W}/run`, { recursive: true });
    for (const name of ["sup", "program"]) await Deno.writeTextFile(`${W}/${name}`, `${identity}\n`);
    await Deno.writeTextFile(`${W}/status.json`, '{"state":"running","child_pid":1}\n');
    await new Deno.Command("sh", { args: [`${own}/bin/far`, "stop", W, "killed", "root"] }).output();
    tally.add("recycled pids");
  }
}

function killSupervisor(host: ShHost | undefined, run: string): void {
  const root = `${host?.home}/.local/state/looop-far`;
  const [pid = ""] = textAt(`${root}/${namesIn(root)[0]}/w/${run}/sup`).split(" ");
  if (textAt(`/proc/${pid}/cmdline`).includes(run)) isKilled(Number(pid));
}

/** Workers on a separate machine whose wire is cut, whose packets are dropped, and whose power fails. */
async function behindAWire(tally: Tally): Promise<void> {
  await using p = await testProfile();
  await using far = await SshHost.open();
  wire(p, { far: { reach: far.reach } });
  await p.ok("up");
  const ids = Array.from({ length: BEHIND }, (_, n) => `w${n}`);
  const script = (id: string) =>
    `for q in 1 2; do a=$("$LOOOP_BIN" _ ask ${id} --prompt "q$q"); echo "got $a"; done\nexit 0\n`;
  await inParallel(ids, 3, (id) => startThere(p, id, "far", script(id)));
  for (const [n, how] of (["cut", "drop"] as const).entries()) {
    await p.until("all ask", () => ids.every((id) => fileText(p, `asks/${id}-${n + 1}.json`) !== ""), 90);
    await far[how]();
    await pause(DEAD_S * 1000 / 3);
    await inParallel(ids, 3, async (id) => void await p.ok("_", "answer", `${id}-${n + 1}`, how));
    await pause(DEAD_S * 1000 * 2 / 3);
    const dark = JSON.parse(await p.ok("_", "worker", "list", "--json")) as { state: string }[];
    tally.demand(
      dark.every(({ state }) => state === "running"),
      "lost",
      `in the dark (${how}) one is not running`,
    );
    await far.heal();
    tally.add(`asks over a wire ${how === "cut" ? "cut" : "silent"} for ${DEAD_S} s`, ids.length);
  }
  for (const id of ids) {
    await p.until(`the log of ${id}`, () => /got drop/.test(fileText(p, `sessions/${id}/output.log`)), 60)
      .catch(() => {});
    const got = fileText(p, `sessions/${id}/output.log`).match(/got \w+/g)?.join();
    tally.demand(got === "got cut,got drop", got === undefined ? "lost" : "doubled", `${id}: ${got}`);
    tally.demand((await endedWorker(p, id)).exit_code === 0, "lost", `${id} has not ended well`);
  }
  const late = ids.map((id) => `${id}b`);
  await inParallel(late, 3, (id) => startThere(p, id, "far", "sleep 31337"));
  await far.powerOff();
  await far.powerOn();
  await p.until("all are lost", async () => {
    const list = JSON.parse(await p.ok("_", "worker", "list", "--json")) as { id: string; state: string }[];
    return list.filter(({ id, state }) => late.includes(id) && state === "lost").length === late.length;
  }, 60).catch((error) => tally.fault("lost", `after a power cut: ${error.message}`));
  for (const id of late) {
    tally.add("workers in a power cut");
    tally.demand(
      (await workerView(p, id)).ended_by === "host",
      "lost",
      `${id} is not known as lost by its host`,
    );
  }
  const told = fileText(p, "events.jsonl").split("\n").filter((line) => /"lost"/.test(line)).length;
  tally.demand(told <= late.length, "doubled", `${told} losses are recorded`);
  await endAll(p, tally, late);
}

/** Answers every question, two at once, until `isDone`. */
async function answerAll(
  p: TestProfile,
  isDone: () => boolean,
  limitMs: number,
  answer: (id: string, prompt: string) => string,
): Promise<void> {
  const until = performance.now() + limitMs;
  const lane = async () => {
    while (!isDone() && performance.now() < until) {
      for (const name of namesIn(p.path("asks"))) {
        const id = name.replace(/\.json$/, "");
        if (!name.endsWith(".json") || fileText(p, `answers/${name}`) !== "") continue;
        const text = fileText(p, `asks/${name}`);
        if (text !== "") await p.run("_", "answer", id, answer(id, JSON.parse(text).prompt));
      }
      await pause(50);
    }
  };
  await Promise.all([lane(), lane()]);
}

function isOver(p: TestProfile, id: string): boolean {
  return /"state":"(exited|killed|lost)"/.test(fileText(p, `sessions/${id}/status.json`));
}

/** Ends everything; no process may be left. */
async function endAll(p: TestProfile, tally: Tally, ids: readonly string[]): Promise<void> {
  const { code, stderr } = await p.run("down");
  tally.demand(code === 0, "verbs failed", `down exits ${code}: ${stderr}`);
  for (const id of ids) tally.demand(await carriers(p, id) === 0, "survivors", `${id} after down`);
}
