import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { readProcesses } from "../../lib/process/table.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { crashPulse, published, pulsePid } from "../published.ts";

/** An interval without a beat during a test, so that all news comes from pokes and events. */
const NO_BEAT = { LOOOP_INTERVAL: "3600" };
/** Periods without a poll during a test, so that all news comes from watches. */
const NO_POLL = { LOOOP_WAIT_POLL_MS: "60000", LOOOP_ASK_POLL_MS: "60000" };

/** Adds a sensor that prints the text of a file. */
function fileSensor(p: TestProfile, name: string, value: unknown): void {
  p.sensor(name, `printf '{"signal":%s}' "$(cat '${name}.value')"`);
  setValue(p, name, value);
}

function setValue(p: TestProfile, name: string, value: unknown): void {
  Deno.writeTextFileSync(p.path(`.${name}.new`), JSON.stringify(value));
  Deno.renameSync(p.path(`.${name}.new`), p.path(`${name}.value`));
}

/** Calls `_ wait` until it has no news. */
async function drain(p: TestProfile, ...args: string[]): Promise<void> {
  const silent = async () => (await p.wait("--timeout", "0.05", ...args)).timed_out === true;
  await p.until("_ wait has nothing to say", silent, 60);
}

/** A blocked `_ wait`; its result is parsed JSON. */
async function blocked(
  p: TestProfile,
  args: string[],
  env: Record<string, string> = {},
  // deno-lint-ignore no-explicit-any -- tests look into it freely
): Promise<{ pid: number; reply: Promise<any> }> {
  const call = p.start(["_", "wait", "--json", "--full", ...args], { env });
  const reply = call.result.then(({ code, stdout, stderr }) => {
    if (code !== 0) throw new Error(`_ wait ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  });
  // If a test fails before it awaits the reply, the rejection must not end the whole file.
  reply.catch(() => {});
  await settled(p, call.pid);
  return { pid: call.pid, reply };
}

/** Resolves when a process has used no CPU for a while, so it is waiting. */
async function settled(p: TestProfile, pid: number): Promise<void> {
  let before = -1, still = 0;
  await p.until("the process waits", async () => {
    const now = await cpuMs(pid);
    still = now === before ? still + 1 : 0;
    before = now;
    return still >= 8;
  });
}

/** CPU time of a process, ms, in steps of 10 on Linux and of 1000 elsewhere. */
async function cpuMs(pid: number): Promise<number> {
  if (Deno.build.os === "linux") {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "cputimes=", "-p", `${pid}`] }).output();
  return Number(new TextDecoder().decode(stdout).trim()) * 1000;
}

Deno.test("given changes made while nobody waits, when the next wait comes, then it delivers each at once, with the old and the new value", async () => {
  await using p = await testProfile();
  fileSensor(p, "pr", "open");
  await p.ok("up");
  strictEqual((await p.wait()).reason[0], "first");
  setValue(p, "pr", "merged");
  await p.ok("_", "goal", "write", "ship", "Ship it");
  await p.until(
    "the beat has seen it",
    () => published(p).snapshots["sensor-pr"].signal === "merged",
  );
  const woken = await p.wait("--timeout", "5");
  deepStrictEqual(woken.changes.signals, { "sensor-pr": { from: "open", to: "merged" } });
  deepStrictEqual(woken.changes.goals, { added: ["ship"] });
  deepStrictEqual([...woken.reason].sort(), ["goal:ship", "signal:sensor-pr"]);
  strictEqual(woken.timed_out, undefined);
  // Delivered news does not come again, and unchanged things do not wake.
  strictEqual((await p.wait("--timeout", "1.5")).timed_out, true);
});

Deno.test("given a pulse that has settled, when an observer calls for the first time, then it has the whole world at once", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  const other = await p.wait("--as", "second", "--timeout", "20");
  deepStrictEqual(other.reason, ["first"]);
  deepStrictEqual(other.goals, ["playbook-daily", "setup"]);
  deepStrictEqual((await p.wait("--as", "second", "--fresh", "--timeout", "20")).reason, ["fresh"]);
});

Deno.test("given an ask that nobody answers, when wait is called again and again, then it is given once", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  using ask = p.start(["_", "ask", "w1", "--prompt", "Ship it?"]);
  await ask.said("asked w1-1");
  deepStrictEqual((await p.wait("--timeout", "10")).reason, ["ask:w1-1"]);
  const again = await p.wait("--timeout", "1");
  strictEqual(again.timed_out, true);
  deepStrictEqual(again.reason, []);
  strictEqual(again.asks.length, 1, "the ask stays in the state");
  await p.ok("_", "answer", "w1-1", "yes");
  deepStrictEqual(await ask.result.then(({ code, stdout }) => ({ code, stdout })), {
    code: 0,
    stdout: "yes\n",
  });
});

Deno.test("given an answered question whose number is given out again, when wait is called, then the new one wakes", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  const ask = (prompt: string, ageS: number) => {
    const ts = Math.floor(Date.now() / 1000) - ageS;
    const text = JSON.stringify({ v: 1, id: "w1-1", worker: "w1", prompt, ts, gen: "" });
    Deno.writeTextFileSync(p.path("asks/.w1-1.new"), text);
    Deno.renameSync(p.path("asks/.w1-1.new"), p.path("asks/w1-1.json"));
  };
  ask("Ship it?", 5);
  deepStrictEqual((await p.wait("--timeout", "20")).reason, ["ask:w1-1"]);
  ask("Sell it?", 4);
  const { reason, asks } = await p.wait("--timeout", "20");
  deepStrictEqual([reason, asks[0].prompt, asks[0].again], [["ask:w1-1"], "Sell it?", undefined]);
  strictEqual((await p.wait("--timeout", "0.5")).timed_out, true);
});

Deno.test("given a pending ask and a slow sensor, when beats go by, then a blocked wait neither returns nor burns CPU", async () => {
  await using p = await testProfile();
  p.sensor("slow", "sleep 0.4; echo '{\"signal\":1}'");
  await p.ok("up");
  using ask = p.start(["_", "ask", "w1", "--prompt", "Ship it?"]);
  await ask.said("asked");
  await drain(p);
  const { pid, reply } = await blocked(p, ["--timeout", "3"]);
  const [from, since] = [await cpuMs(pid), performance.now()];
  const { beat } = JSON.parse(p.read(".pulse.json"));
  await p.until("two more beats", () => JSON.parse(p.read(".pulse.json")).beat >= beat + 2);
  const percent = (await cpuMs(pid) - from) / (performance.now() - since) * 100;
  strictEqual((await reply).timed_out, true);
  // Two looks per beat take a few ms each; a busy loop would take 100 %.
  ok(percent < 15, `a wait that had nothing to do used ${percent.toFixed(1)} % of a core`);
});

Deno.test("given an ask that stays unanswered, when ask_redeliver is over, then it is given again, and not before", async () => {
  await using p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, '{ "ask_redeliver": 2 }');
  await p.ok("up");
  await drain(p);
  using ask = p.start(["_", "ask", "w1", "--prompt", "Ship it?"]);
  await ask.said("asked");
  deepStrictEqual((await p.wait("--timeout", "10")).changes.asks, ["w1-1"]);
  const given = performance.now();
  const again = await p.wait("--timeout", "20");
  deepStrictEqual(again.reason, ["ask:w1-1"]);
  ok(performance.now() - given > 1_000, "it came again too early");
  strictEqual(again.asks[0].prompt, "Ship it?");
});

Deno.test("given a wait for questions alone, when other things change first, then it sleeps on, and a plain wait still delivers them", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  const { reply } = await blocked(p, ["--only-asks", "--timeout", "20"]);
  await p.ok("_", "goal", "write", "ship", "Ship it");
  await p.until("it is published", () => published(p).goals.includes("ship"));
  using ask = p.start(["_", "ask", "w1", "--prompt", "Now?"]);
  await ask.said("asked");
  deepStrictEqual((await reply).reason, ["ask:w1-1"]);
  const plain = await p.wait("--timeout", "10");
  deepStrictEqual(plain.changes.goals, { added: ["ship"] });
  ok(!plain.reason.includes("ask:w1-1"), "the ask was given already");
});

Deno.test("given a question answered while only questions are waited for, when a plain wait comes, then it reports the question as answered", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  using one = p.start(["_", "ask", "w1", "--prompt", "One?"]);
  await one.said("asked");
  deepStrictEqual((await p.wait("--only-asks", "--timeout", "10")).reason, ["ask:w1-1"]);
  await p.ok("_", "answer", "w1-1", "yes");
  await one.result;
  using two = p.start(["_", "ask", "w2", "--prompt", "Two?"]);
  await two.said("asked");
  deepStrictEqual((await p.wait("--only-asks", "--timeout", "10")).reason, ["ask:w2-1"]);
  await p.ok("_", "goal", "write", "g", "x");
  deepStrictEqual((await p.wait("--timeout", "10")).changes.answered, ["w1-1"]);
});

Deno.test("given two observers, when the world changes, then both get the change, and one's cursor does not move the other's", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  await drain(p, "--as", "second");
  await p.ok("_", "goal", "write", "ship", "x");
  for (const args of [["--timeout", "10"], ["--as", "second", "--timeout", "10"]]) {
    deepStrictEqual((await p.wait(...args)).reason, ["goal:ship"]);
  }
});

Deno.test("given a cursor of an earlier state, when wait gets it by --since, then it compares with that state", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const first = await p.wait();
  const { cursor } = await p.json("_", "state", "--json");
  strictEqual(cursor, first.cursor);
  await p.ok("_", "goal", "write", "ship", "x");
  const second = await p.wait("--timeout", "10");
  // The stored cursor has moved on; the older token still brings the change, the newer one nothing.
  strictEqual((await p.wait("--since", second.cursor, "--timeout", "0.2")).timed_out, true);
  ok((await p.wait("--since", cursor, "--timeout", "10")).reason.includes("goal:ship"));
  const refused = await p.run("_", "wait", "--since", "nonsense");
  deepStrictEqual([refused.code, refused.stdout], [2, ""]);
  match(refused.stderr, /^looop _ wait: --since is "nonsense"; .*\n$/);
});

Deno.test("given a wait that times out, when it returns, then one line says so, and the cursor has not moved", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  const before = p.read(".cursors/hand.json");
  const started = performance.now();
  const { code, stdout, stderr } = await p.run("_", "wait", "--json", "--timeout", "1");
  ok(performance.now() - started >= 1000);
  deepStrictEqual([code, stdout, stderr], [0, '{"timed_out":true,"pending":[],"more":0}\n', ""]);
  const full = await p.wait("--timeout", "0.1");
  deepStrictEqual([full.timed_out, full.reason, full.changes, full.pulse.alive], [true, [], {}, true]);
  strictEqual(p.read(".cursors/hand.json"), before);
});

Deno.test("given bad options, when wait is called, then it is exit 2 with one line and nothing is touched", async () => {
  await using p = await testProfile();
  for (
    const args of [
      ["--timeout", "soon"],
      ["--timeout", "0"],
      ["--timeout=-1"],
      ["--as", "../root"],
      ["--as", ""],
      ["--max-bytes", "100"],
      ["--unknown"],
      ["word"],
    ]
  ) {
    const { code, stdout, stderr } = await p.run("_", "wait", ...args);
    deepStrictEqual([code, stdout], [2, ""], args.join(" "));
    match(stderr, /^looop _ wait: [^\n]+\n$/);
  }
  deepStrictEqual([...Deno.readDirSync(p.base)].map((entry) => entry.name), ["home"]);
});

Deno.test("given a blocked wait and no beat for an hour, when a goal is written by verb or by hand, then it returns well before the beat", async () => {
  await using p = await testProfile();
  await p.okCall(["up"], { env: NO_BEAT });
  await drain(p);
  const byVerb = await blocked(p, ["--timeout", "30"], NO_POLL);
  const started = performance.now();
  await p.ok("_", "goal", "write", "ship", "x");
  deepStrictEqual((await byVerb.reply).reason, ["goal:ship"]);
  const byHand = await blocked(p, ["--timeout", "30"], NO_POLL);
  // By a rename, as most editors write: written in place it would be empty for a moment, a change of its own.
  await Deno.writeTextFile(`${p.base}/edited`, "edited\n");
  await Deno.rename(`${p.base}/edited`, p.path("goals/ship.md"));
  deepStrictEqual((await byHand.reply).changes.goals, { changed: ["ship"] });
  const playbook = await blocked(p, ["--timeout", "30"], NO_POLL);
  await Deno.writeTextFile(p.path("PLAYBOOK.md"), "be kind\n");
  deepStrictEqual((await playbook.reply).reason, ["policy"]);
  ok(performance.now() - started < 25_000);
});

Deno.test("given a blocked wait and no beat for an hour, when a worker asks and ends, then events alone deliver both", async () => {
  await using p = await testProfile();
  await p.okCall(["up"], { env: NO_BEAT });
  await drain(p);
  const script = '"$LOOOP_BIN" _ ask --prompt Well?; exit 7';
  const question = await blocked(p, ["--only-asks", "--timeout", "30"], NO_POLL);
  await p.okCall(["_", "worker", "start", "w1", "--runner", "shell", script], { env: NO_POLL });
  deepStrictEqual((await question.reply).reason, ["ask:w1-1"]);
  await drain(p);
  const { reply } = await blocked(p, ["--timeout", "30"], NO_POLL);
  const started = performance.now();
  await p.ok("_", "answer", "w1-1", "yes");
  let ended = await reply;
  while (!(ended.changes.workers ?? []).some((change: { to: string }) => change.to === "exited")) {
    ended = await p.wait("--timeout", "20");
  }
  const [change] = ended.changes.workers;
  deepStrictEqual([change.id, change.to, change.exit_code], ["w1", "exited", 7]);
  ok(performance.now() - started < 15_000, "it came with a poll");
});

Deno.test("given no watches, when the world changes, then everything works by polling", async () => {
  await using p = await testProfile();
  const env = { LOOOP_NO_WATCH: "1", LOOOP_WAIT_POLL_MS: "100", LOOOP_ASK_POLL_MS: "100" };
  await p.okCall(["up"], { env: { ...NO_BEAT, ...env } });
  await drain(p);
  const goal = await blocked(p, ["--timeout", "30"], env);
  await p.okCall(["_", "goal", "write", "ship", "x"], { env });
  deepStrictEqual((await goal.reply).reason, ["goal:ship"]);
  const question = await blocked(p, ["--timeout", "30"], env);
  using ask = p.start(["_", "ask", "w1", "--prompt", "Well?"], { env });
  deepStrictEqual((await question.reply).reason, ["ask:w1-1"]);
  await p.okCall(["_", "answer", "w1-1", "yes"], { env });
  strictEqual((await ask.result).stdout, "yes\n");
});

Deno.test("given a pulse killed with -9, when wait comes, then it revives it, nothing is lost, and the journal says so", async () => {
  await using p = await testProfile();
  fileSensor(p, "pr", "open");
  await p.ok("up");
  await drain(p);
  const pid = await crashPulse(p);
  const dead = await p.json("_", "state", "--json");
  deepStrictEqual([dead.pulse.wanted, dead.pulse.alive], [true, false]);
  match(await p.ok("status"), /DEAD/);
  // Changes without a pulse: policy is seen at once, the signal once a pulse is revived.
  setValue(p, "pr", "merged");
  await p.ok("_", "goal", "write", "ship", "x");
  const seen = new Set<string>();
  while (!seen.has("signal:sensor-pr") || !seen.has("goal:ship")) {
    const woken = await p.wait("--timeout", "20");
    ok(!woken.timed_out, `lost: only ${[...seen]}`);
    for (const reason of woken.reason) seen.add(reason);
  }
  ok(!seen.has("pulse_down"), "it was revived, so there is nothing to report");
  const after = JSON.parse(p.read(".pulse.json"));
  ok(
    after.pid !== pid && after.beat >= dead.pulse.beat,
    "beats go on counting; one that was cut off is done again",
  );
  match(p.read("journal.md"), /pulse: was dead, started again/);
});

Deno.test("given a blocked wait, when the pulse is killed, then that wait revives it and sleeps on", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  const { reply } = await blocked(p, ["--timeout", "30"], { LOOOP_WAIT_POLL_MS: "100" });
  const pid = pulsePid(p);
  Deno.kill(pid, "SIGKILL");
  await p.until("a new pulse beats", () => {
    const now = JSON.parse(p.read(".pulse.json"));
    return now.pid !== pid && now.ready;
  });
  await p.ok("_", "goal", "write", "ship", "x");
  deepStrictEqual((await reply).reason, ["goal:ship"]);
});

Deno.test("given a pulse that died five times in ten minutes, when wait comes, then it gives up and says pulse_down, once", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  const revivals = () => JSON.parse(p.read(".lock/revivals.json")).length;
  await crashPulse(p);
  await p.wait("--timeout", "5");
  strictEqual(revivals(), 1);
  // As if there had been four revivals.
  await Deno.writeTextFile(
    p.path(".lock/revivals.json"),
    JSON.stringify(Array.from({ length: 4 }, () => Date.now())),
  );
  await crashPulse(p);
  await p.wait("--timeout", "5");
  strictEqual(revivals(), 5);
  await crashPulse(p);
  const down = await p.wait("--timeout", "20");
  deepStrictEqual(down.reason, ["pulse_down"]);
  deepStrictEqual(down.changes.pulse, { from: "alive", to: "down" });
  strictEqual((await p.wait("--timeout", "1")).timed_out, true, "it is told once");
  strictEqual(revivals(), 5);
  // Without a pulse only sensing stops.
  await p.ok("_", "goal", "write", "ship", "x");
  deepStrictEqual((await p.wait("--timeout", "10")).reason, ["goal:ship"]);
  // A person's `up` is always allowed.
  match(await p.ok("up"), /started/);
});

Deno.test("given a wait that has given up on the pulse, when ten minutes are over, then it starts the pulse again", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.ok("_", "goal", "write", "g", "text");
  await p.wait();
  const config = p.read("config.json");
  Deno.writeTextFileSync(p.profile.config, "{");
  await crashPulse(p);
  using _blocked = p.start(["_", "wait", "--only-asks"]);
  await p.until("it has given up", () => p.read("journal.md").includes("could not be started"));
  Deno.writeTextFileSync(p.profile.config, config);
  Deno.writeTextFileSync(p.profile.revivals, JSON.stringify([Date.now() - 600_000]));
  await p.until("it is started again", () => p.read("journal.md").includes("pulse: was dead, started again"));
});

Deno.test("given a pulse that can no longer read goals or sensors, when wait blocks, then it says why, once, until it can again", async () => {
  await using p = await testProfile();
  await p.ok("up");
  for (const name of ["goals", "sensors"]) {
    await drain(p);
    const { reply } = await blocked(p, ["--timeout", "45"]);
    // The pulse is stopped, so that it never sees the moment in which there is neither folder nor file.
    const { pid } = JSON.parse(p.read(".pulse.json"));
    Deno.kill(pid, "SIGSTOP");
    await Deno.rename(p.path(name), p.path(`${name}.away`));
    await Deno.writeTextFile(p.path(name), "no folder");
    Deno.kill(pid, "SIGCONT");
    const failing = await reply;
    deepStrictEqual([failing.reason, failing.changes.pulse], [["pulse_failing"], {
      from: "alive",
      to: "failing",
    }]);
    match(failing.pulse.failing, new RegExp(`Cannot list ".*/${name}"`));
    strictEqual(failing.pulse.stalled, true);
    strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
    strictEqual((await p.wait("--timeout", "0.1", "--since", failing.cursor)).timed_out, true);
    await Deno.remove(p.path(name));
    await Deno.rename(p.path(`${name}.away`), p.path(name));
    await p.until("it publishes again", async () => !(await p.json("_", "state", "--json")).pulse.stalled);
    match(await p.ok("status"), /pulse: alive/);
  }
});

Deno.test("given a pulse that was stopped by down, when wait comes, then it reports that once each time and starts nothing", async () => {
  await using p = await testProfile();
  for (let round = 0; round < 2; round++) {
    await p.ok("up");
    await drain(p);
    await p.ok("down");
    deepStrictEqual((await p.wait("--timeout", "10")).reason, ["down"]);
    strictEqual((await p.wait("--timeout", "0.3")).timed_out, true);
    deepStrictEqual(await p.processes(), []);
  }
});

Deno.test("given a sensor whose signal is a clock, when it has changed five times, then it no longer wakes until it settles, and then once", async () => {
  await using p = await testProfile();
  p.sensor(
    "clock",
    `[ -e stop ] && { echo '{"signal":"settled"}'; exit; }; printf '{"signal":"%s"}' "$(date +%s%N)"`,
  );
  await p.ok("up");
  await p.until(
    "it flaps",
    () => published(p).flapping.includes("sensor-clock"),
  );
  match(await p.ok("status"), /clock flaps/);
  await drain(p);
  strictEqual((await p.wait("--timeout", "1.5")).timed_out, true, "a flapping sensor woke");
  await Deno.writeTextFile(p.path("stop"), "");
  const woken = await p.wait("--timeout", "10");
  deepStrictEqual(woken.reason, ["signal:sensor-clock"]);
  strictEqual(woken.changes.signals["sensor-clock"].to, "settled");
  deepStrictEqual(woken.flapping, []);
  strictEqual((await p.wait("--timeout", "1.5")).timed_out, true, "it woke twice");
});

Deno.test("given a world beyond the limit, when wait prints it, then the output fits, is JSON, and names the files of the rest", async () => {
  await using p = await testProfile();
  for (let n = 0; n < 12; n++) p.sensor(`big${n}`, `printf '{"signal":"%01500d","detail":%s}' 0 ${n}`);
  await p.ok("up");
  await p.until("all are sensed", () => Object.keys(published(p).snapshots).length >= 12);
  const text = await p.ok("_", "wait", "--json");
  ok(new TextEncoder().encode(text).length < 8000, `${text.length} bytes`);
  const { reason, changes } = JSON.parse(text);
  deepStrictEqual(reason, ["first"]);
  const marks = Object.values(changes.signals).filter((value) =>
    typeof (value as { elided?: number }).elided === "number"
  ) as { elided: number; file: string }[];
  ok(marks.length > 0);
  for (const { file } of marks) ok(JSON.parse(await Deno.readTextFile(file)).signal.length === 1500);
  const full = await p.wait("--fresh");
  strictEqual(full.snapshots["sensor-big3"].signal.length, 1500);
  const tight = await p.json("_", "state", "--json", "--max-bytes", "3000");
  ok(JSON.stringify(tight).length < 3000);
});

Deno.test("given a broken cursor, when wait comes, then it starts again with the whole world", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  for (
    const text of [
      "",
      "{",
      "[]",
      '{"v":2,"token":"","goals":{},"signals":{"a":null},"workers":{"w":null},"asks":{},"alerts":[]}',
    ]
  ) {
    await Deno.writeTextFile(p.path(".cursors/hand.json"), text);
    deepStrictEqual((await p.wait("--timeout", "10")).reason, ["first"], text);
  }
});

Deno.test("given a wait whose caller is killed, when nothing changes, then the wait ends, too, without delivering anything", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await drain(p);
  const before = p.read(".cursors/hand.json");
  const shell = await orphanWait(p);
  Deno.kill(shell.pid, "SIGKILL");
  await shell.status;
  await p.until(
    "the wait has ended",
    async () => !(await readProcesses([shell.child])).processes.has(shell.child),
  );
  strictEqual(p.read(".cursors/hand.json"), before);
});

/** A shell with a `_ wait` as its child, as in an agent's tool. */
async function orphanWait(p: TestProfile): Promise<{ pid: number; child: number; status: Promise<unknown> }> {
  const { looopCommand } = await import("../looop.ts");
  const child = new Deno.Command("sh", {
    args: ["-c", '"$@" >/dev/null 2>&1 & echo $!; wait', "sh", ...looopCommand(), "_", "wait", "--json"],
    env: { ...p.env, LOOOP_WAIT_POLL_MS: "100" },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value).trim());
  await reader.cancel();
  await settled(p, pid);
  return { pid: child.pid, child: pid, status: child.status };
}

Deno.test("given goals named like members of every object, when they come, age and go, then each is reported correctly", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.writeTextFileSync(p.path("goals/toString.md"), "by hand\n");
  const { snapshots } = await p.wait();
  deepStrictEqual(snapshots["sys-goals"].detail.goals.toString, { last_acted_unix: null, age_s: null });
  await p.ok("_", "goal", "write", "constructor", "text");
  deepStrictEqual((await p.wait("--timeout", "20")).changes.goals, { added: ["constructor"] });
  await p.ok("_", "goal", "archive", "constructor");
  deepStrictEqual((await p.wait("--timeout", "20")).changes.goals, { removed: ["constructor"] });
});

Deno.test("given a run that was interrupted, when an observer asks for the whole world, then it has the interruption, once", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  using run = p.start(["_", "run", "touch begun; sleep 60"]);
  await p.until(
    "it has begun",
    () => [...Deno.readDirSync(p.profile.dir)].some(({ name }) => name === "begun"),
  );
  run.kill("SIGKILL");
  await run.result;
  await p.ok("up");
  await p.until("it is known", () => JSON.parse(p.read(".world.json")).alerts.length > 0);
  const { changes } = await p.wait("--fresh");
  deepStrictEqual(changes.alerts.map(({ kind }: { kind: string }) => kind), ["interrupted"]);
  match(changes.alerts[0].screen[0], /touch begun/);
  ok(!("alerts" in (await p.wait("--timeout", "1")).changes));
});
