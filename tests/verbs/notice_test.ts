import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";
import { crashPulse, published } from "../published.ts";
import { fileText } from "../workers.ts";

/** A hook that notes which notice it is run for. */
const NOTE = 'printf "%s\\n" "$LOOOP_NOTICE" >>"$LOOOP_DATA_DIR/reports/told"';

/** A profile with this config, whose pulse does not run yet. */
async function fresh(config: Record<string, unknown>): Promise<TestProfile> {
  const p = await testProfile();
  Deno.mkdirSync(p.profile.reports, { recursive: true, mode: 0o700 });
  Deno.chmodSync(p.profile.dir, 0o700);
  setConfig(p, config);
  await p.ok("_", "state");
  return p;
}

function setConfig(p: TestProfile, config: Record<string, unknown>): void {
  Deno.writeTextFileSync(p.profile.config, JSON.stringify({ away_after: 0, ...config }));
}

/** Writes a question down that was asked so many seconds ago. */
function ask(p: TestProfile, id: string, ageS = 0, prompt = "Go on?"): void {
  const ts = Math.floor(Date.now() / 1000) - ageS;
  const text = JSON.stringify({ v: 1, id, worker: id.replace(/-\d+$/, ""), prompt, ts, gen: "" });
  Deno.writeTextFileSync(p.path(`asks/${id}.json`), text);
  Deno.writeTextFileSync(p.profile.poke, "\n");
}

/** Which notices the hook was run for: id and age, without the time between them. */
function told(p: TestProfile, name = "told"): string[] {
  return fileText(p, `reports/${name}`).split("\n").filter(Boolean)
    .map((line) => line.replace(/\.(\d+)\.([\d]+)\.(\d+)$/, " $2 $3"));
}

async function passBeats(p: TestProfile, count: number): Promise<void> {
  const until = published(p).beat + count;
  await p.until("beats passed", () => published(p).beat >= until);
}

// deno-lint-ignore no-explicit-any -- tests look into it freely
async function problems(p: TestProfile): Promise<any[]> {
  return (await p.json("status", "--json")).problems.filter((one: { kind: string }) =>
    one.kind.startsWith("notice_")
  );
}

Deno.test("given a question that nobody answers, when it reaches each age, then the person is notified once each, over pulses that are killed", async () => {
  await using p = await fresh({ notification: NOTE, escalate: [1] });
  ask(p, "w1-1");
  await p.ok("up");
  await p.until("the first age", () => told(p).length > 0);
  await crashPulse(p);
  setConfig(p, { notification: NOTE, escalate: [1, 2] });
  await p.ok("up");
  await p.until("the second age", () => told(p).length > 1);
  await crashPulse(p);
  await p.ok("up");
  await passBeats(p, 3);
  deepStrictEqual(told(p), ["w1-1 1 1", "w1-1 2 1"]);
});

Deno.test("given pulses that are killed at any moment, when questions reach their ages, then no notice is given twice and the last of each is given", async () => {
  const ages = [1, 2, 3, 4, 5, 6];
  await using p = await fresh({ notification: NOTE, escalate: ages });
  const ids = ["a-1", "b-1", "c-1", "d-1"];
  for (const id of ids) ask(p, id);
  const isDone = () => ids.every((id) => told(p).includes(`${id} 6 1`));
  for (let round = 0; round < 40 && !isDone(); round++) {
    await p.ok("up");
    await new Promise((resolve) => setTimeout(resolve, (round * 37) % 400));
    await crashPulse(p);
  }
  await p.ok("up");
  await p.until("all are given", isDone);
  await passBeats(p, 3);
  deepStrictEqual(told(p).length, new Set(told(p)).size, told(p).join("\n"));
  deepStrictEqual(await problems(p), []);
});

Deno.test("given ages that were missed while no pulse ran, when one starts, then one message is sent, for the highest", async () => {
  await using p = await fresh({ notification: NOTE, escalate: [10, 30, 1000, 100_000] });
  ask(p, "w1-1", 2000);
  ask(p, "w2-1", 40);
  await p.ok("up");
  await p.until("both are told", () => told(p).length >= 2);
  await passBeats(p, 2);
  deepStrictEqual(told(p).sort(), ["w1-1 1000 1", "w2-1 30 1"]);
});

Deno.test("given a message and a worker, when the hook runs, then it has both as data, and what an escalation's own line is given", async () => {
  const show = 'printf "%s|" {{id}} {{message}}';
  await using p = await fresh({
    notification: `${show} >>"$LOOOP_DATA_DIR/reports/first"`,
    escalate: [1, { after: 2, run: `${show} >>"$LOOOP_DATA_DIR/reports/second"` }],
  });
  ask(p, "w1-1", 0, "Merge `touch bad`; $(touch bad)\n\u001b[2Jnow?");
  await p.ok("up");
  await p.until("both are told", () => fileText(p, "reports/second").endsWith("|"));
  match(p.read("reports/second"), /^w1\|w1-1 has waited \d s: Merge `touch bad`; \$\(touch bad\) now\?\|$/);
  ok(fileText(p, "reports/first").split("|").length <= 3);
});

Deno.test("given a hook that fails, when time passes, then it is tried again, shown in status meanwhile, and sent once", async () => {
  const hook =
    `${NOTE}; [ -e "$LOOOP_DATA_DIR/reports/mended" ] || exit 3; echo >>"$LOOOP_DATA_DIR/reports/sent"`;
  await using p = await fresh({ notification: hook, escalate: [1] });
  ask(p, "w1-1");
  await p.ok("up");
  await p.until("it has failed twice", () => told(p).length >= 2);
  deepStrictEqual(told(p).slice(0, 2), ["w1-1 1 1", "w1-1 1 2"]);
  const shown =
    /^! the notification about w1-1 failed with exit 3 \(\d+\), the next try is in \d+ s; see `notification`/m;
  await p.until(
    "status shows it",
    async () => shown.test(await p.okCall(["status"], { env: { COLUMNS: "200" } })),
  );
  await crashPulse(p);
  Deno.writeTextFileSync(p.path("reports/mended"), "");
  await p.ok("up");
  await p.until("it is sent", () => fileText(p, "reports/sent") !== "");
  await p.until("status is content", async () => (await problems(p)).length === 0);
  await passBeats(p, 4);
  strictEqual(p.read("reports/sent"), "\n");
});

Deno.test("given a hook that fails, when the question is answered, then it is not tried again", async () => {
  await using p = await fresh({ notification: `${NOTE}; exit 1`, escalate: [1] });
  ask(p, "w1-1");
  await p.ok("up");
  await p.until(
    "it has failed",
    async () => (await problems(p)).some(({ kind }) => kind === "notice_failed"),
  );
  await p.ok("_", "answer", "w1-1", "yes");
  deepStrictEqual(await problems(p), []);
  const tries = told(p).length;
  await passBeats(p, 6);
  ok(told(p).length <= tries + 1, told(p).join("\n"));
});

Deno.test("given a hook that runs, when the pulse is killed, then the next one waits for it and sends nothing twice", async () => {
  const hook =
    `${NOTE}; until [ -e "$LOOOP_DATA_DIR/reports/go" ]; do sleep 0.05; done; echo >>"$LOOOP_DATA_DIR/reports/sent"`;
  await using p = await fresh({ notification: hook, escalate: [1] });
  ask(p, "w1-1");
  await p.ok("up");
  await p.until("it runs", () => told(p).length > 0);
  await crashPulse(p);
  await p.ok("up");
  await passBeats(p, 3);
  Deno.writeTextFileSync(p.path("reports/go"), "");
  await p.until("it is sent", () => fileText(p, "reports/sent") !== "");
  await passBeats(p, 3);
  deepStrictEqual([told(p), p.read("reports/sent"), await problems(p)], [["w1-1 1 1"], "\n", []]);
});

Deno.test("given a hook that is cut off, or of an earlier boot, when the pulse looks, then nobody knows, status says so, and it is not repeated", async () => {
  const hook = `${NOTE}; echo $PPID >"$LOOOP_DATA_DIR/reports/pid"; exec sleep 600`;
  await using p = await fresh({ notification: hook, escalate: [1] });
  ask(p, "w1-1");
  ask(p, "w2-1", 5);
  const { ts } = JSON.parse(p.read("asks/w2-1.json"));
  const old = {
    v: 1,
    id: "w2-1",
    ts,
    age: 1,
    message: "w2-1",
    about: "w2",
    tries: 1,
    boot: "another",
    lost: false,
  };
  Deno.mkdirSync(p.profile.notices, { recursive: true });
  Deno.writeTextFileSync(p.path(`.notices/w2-1.${ts}.1.json`), JSON.stringify(old));
  await p.ok("up");
  await p.until("it runs", () => fileText(p, "reports/pid").endsWith("\n"));
  Deno.kill(Number(p.read("reports/pid")), "SIGKILL");
  const unknown = async () =>
    (await problems(p)).filter(({ kind }) => kind === "notice_unknown").map(({ id }) => id).sort();
  await p.until("both are unknown", async () => (await unknown()).join() === "w1-1,w2-1");
  await crashPulse(p);
  await p.ok("up");
  await passBeats(p, 3);
  deepStrictEqual([told(p), await unknown()], [["w1-1 1 1"], ["w1-1", "w2-1"]]);
  match(
    await p.okCall(["status"], { env: { COLUMNS: "200" } }),
    /^! nobody knows whether the notification about w1-1 was sent/m,
  );
});

Deno.test("given no agent that calls, when something new waits for away_after, then the person is notified once an absence", async () => {
  const note = `${NOTE}; printf "%s\\n" "$LOOOP_MESSAGE" >>"$LOOOP_DATA_DIR/reports/messages"`;
  await using p = await fresh({ notification: note, escalate: [] });
  await p.ok("up");
  const agent = { env: { LOOOP_AGENT: "robin" } };
  await p.okCall(["_", "wait", "--json"], agent);
  await p.until("nothing else is new", async () => {
    const { stdout } = await p.call(["_", "wait", "--json", "--timeout", "0.1"], agent);
    return JSON.parse(stdout).timed_out === true;
  });
  setConfig(p, { notification: note, escalate: [], away_after: 1 });
  await passBeats(p, 4);
  deepStrictEqual(told(p), [], "nothing new, nothing said");
  Deno.writeTextFileSync(p.path("goals/ship.md"), "Ship it\n");
  await p.until("it is told", () => told(p).length > 0);
  await crashPulse(p);
  await p.ok("up");
  await p.ok("_", "wait", "--json", "--timeout", "0.1");
  Deno.writeTextFileSync(p.path("goals/sell.md"), "Sell it\n");
  await passBeats(p, 4);
  strictEqual(told(p).length, 1, "once an absence, and a person's hand is no agent");
  match(p.read("reports/messages"), /^no agent has called for \d+ s; new: goal:ship\n$/);
  await p.okCall(["_", "wait", "--json", "--timeout", "5"], agent);
  Deno.writeTextFileSync(p.path("goals/rest.md"), "Rest\n");
  await p.until("the next absence", () => told(p).length > 1);
  await passBeats(p, 3);
  strictEqual(told(p).length, 2);
});

Deno.test("given an agent that waits, when away_after passes, then it is present, and after its death it is not", async () => {
  await using p = await fresh({ notification: NOTE, escalate: [] });
  await p.ok("up");
  const env = { LOOOP_AGENT: "robin" };
  await p.okCall(["_", "wait", "--json"], { env });
  using waits = p.start(["_", "wait", "--json", "--only-asks"], { env });
  await p.until("it waits", () => fileText(p, ".cursors/robin.json").includes('"waiting"'));
  setConfig(p, { notification: NOTE, escalate: [], away_after: 1 });
  Deno.writeTextFileSync(p.path("goals/ship.md"), "Ship it\n");
  await passBeats(p, 4);
  deepStrictEqual(told(p), []);
  waits.kill("SIGKILL");
  await p.until("it is told", () => told(p).length === 1);
});

Deno.test("given no notification, when questions wait, then status says that nobody can be reached, and a command that is set later is told the highest age", async () => {
  await using p = await fresh({ escalate: [1, 2] });
  ask(p, "w1-1", 60);
  await p.ok("up");
  await passBeats(p, 2);
  match(await p.ok("status"), /^no `notification`: nobody can be reached; see `looop help config`$/m);
  strictEqual((await p.json("status", "--json")).reachable, false);
  setConfig(p, { escalate: [1, 2], notification: NOTE });
  await p.until("it is told", () => told(p).length > 0);
  await passBeats(p, 2);
  deepStrictEqual(told(p), ["w1-1 2 1"]);
  ok(!/nobody can be reached/.test(await p.ok("status")));
});

Deno.test("given limits that are off, when questions wait and nobody calls, then nothing is sent", async () => {
  await using p = await fresh({ notification: NOTE, escalate: [0], away_after: 0 });
  ask(p, "w1-1", 100_000);
  await p.ok("up");
  await passBeats(p, 3);
  deepStrictEqual(told(p), []);
});

Deno.test("given no agent that has ever called and no word of `up`, when a pulse runs, then the absence begins with it", async () => {
  await using p = await fresh({ notification: NOTE, escalate: [], away_after: 600 });
  await p.ok("up");
  Deno.removeSync(p.profile.wanted);
  await crashPulse(p);
  using pulse = p.start(["_", "pulse"]);
  await passBeats(p, 3);
  deepStrictEqual(told(p), []);
  pulse.kill("SIGTERM");
  strictEqual((await pulse.result).code, 0);
});
