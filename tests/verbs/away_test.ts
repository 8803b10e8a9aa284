import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { ask, fresh, NOTE, passBeats, setConfig, told } from "../notices.ts";
import { crashPulse } from "../published.ts";
import { fileText } from "../workers.ts";

Deno.test("given no agent that calls, when something new waits for away_after, then the person is notified once per absence", async () => {
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
  await passBeats(p, 3);
  deepStrictEqual(told(p), [], "nothing new, nothing said");
  Deno.writeTextFileSync(p.path("goals/ship.md"), "Ship it\n");
  await p.until("it is told", () => told(p).length > 0);
  await crashPulse(p);
  await p.ok("up");
  await p.ok("_", "wait", "--json", "--timeout", "0.1");
  Deno.writeTextFileSync(p.path("goals/sell.md"), "Sell it\n");
  await passBeats(p, 2);
  strictEqual(told(p).length, 1, "once an absence, and a person's hand is no agent");
  match(p.read("reports/messages"), /^no agent has called for \d+ s; new: goal:ship\n$/);
  await p.okCall(["_", "wait", "--json", "--timeout", "5"], agent);
  Deno.writeTextFileSync(p.path("goals/rest.md"), "Rest\n");
  await p.until("the next absence", () => told(p).length > 1);
  await passBeats(p, 2);
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
  await passBeats(p, 2);
  deepStrictEqual(told(p), []);
  waits.kill("SIGKILL");
  await p.until("it is told", () => told(p).length === 1);
});

Deno.test("given no notification, when questions wait, then status says that nobody can be reached, and a command that is set later gets the highest age", async () => {
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
  await passBeats(p, 2);
  deepStrictEqual(told(p), []);
});

Deno.test("given no call of an agent and no `up`, when a pulse runs, then the absence begins with the pulse", async () => {
  await using p = await fresh({ notification: NOTE, escalate: [], away_after: 600 });
  await p.ok("up");
  Deno.removeSync(p.profile.wanted);
  await crashPulse(p);
  using pulse = p.start(["_", "pulse"]);
  await passBeats(p, 2);
  deepStrictEqual(told(p), []);
  pulse.kill("SIGTERM");
  strictEqual((await pulse.result).code, 0);
});
