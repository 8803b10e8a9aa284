import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { crashPulse, published, pulsePid } from "../published.ts";

Deno.test("given each state of a pulse, when status is asked, then it names the state and what to do", async () => {
  await using p = await testProfile();
  match(await p.ok("status"), /^pulse: stopped[^]*`looop up` starts it/);
  await p.ok("up");
  match(await p.ok("status"), /^pulse: alive \(beat \d+, .* ago\)/);
  const { started_at } = JSON.parse(p.read(".pulse.json"));
  await p.until("it has lived for some beats", () => Date.now() - started_at > 2_500);
  await crashPulse(p);
  // The age counts from the last beat, not from the start.
  ok((await p.json("_", "state", "--json")).pulse.age_s < 2);
  match(await p.ok("status"), /^pulse: DEAD [^]*`looop up`/);
  await p.ok("down");
  match(await p.ok("status"), /^pulse: stopped/);
});

Deno.test("given a pulse that is alive but stands still, when status is asked, then it is stalled", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const pid = pulsePid(p);
  Deno.kill(pid, "SIGSTOP");
  try {
    await p.until("it is stalled", async () => (await p.json("_", "state", "--json")).pulse.stalled);
    match(await p.ok("status"), /^pulse: STALLED [^]*`looop\s+down` and `looop up` restart it/);
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
});

Deno.test("given questions, workers and failing sensors, when status is asked, then one screen shows them, and --json has the whole state", async () => {
  await using p = await testProfile();
  p.sensor("broken", "echo no token >&2; exit 4");
  await p.ok("up");
  await p.okCall(["_", "worker", "start", "w1", "--runner", "shell"], {
    stdin: '"$LOOOP_BIN" _ ask --prompt "Merge it?"',
  });
  await p.until("it asks", async () => (await p.json("_", "state", "--json")).asks.length === 1);
  await p.until("it fails", () => "sensor-broken" in published(p).snapshots);
  const text = await p.ok("status");
  match(text, /questions for you: 1\n {2}w1-1 .* Merge it\?/);
  match(text, /workers: 1 alive.*\n {2}w1 {2}running/);
  match(text, /broken fails: exit 4: no token/);
  ok(text.split("\n").every((line) => line.length <= 80), "a line is wider than the terminal");
  const json = await p.json("status", "--json");
  const missing = Object.keys(await p.json("_", "state", "--json")).filter((key) => !(key in json));
  deepStrictEqual(missing, []);
  strictEqual(json.asks[0].id, "w1-1");
});
