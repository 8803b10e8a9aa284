import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { writeExecutable } from "../executable.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { published } from "../published.ts";

/** An interval without a beat during a test, so that only writing a sensor causes a reading. */
const NO_BEAT = { LOOOP_INTERVAL: "3600" };

async function upWithoutBeats(p: TestProfile): Promise<void> {
  await p.okCall(["up"], { env: NO_BEAT });
  await p.wait();
}

/** Waits until a sensor has this signal; returns the time, ms. */
async function signalIs(p: TestProfile, name: string, signal: unknown): Promise<number> {
  const started = performance.now();
  await p.until(
    `${name} gives ${JSON.stringify(signal)}`,
    () => JSON.stringify(published(p).snapshots[`sensor-${name}`]?.signal) === JSON.stringify(signal),
    10,
  );
  return performance.now() - started;
}

function script(signal: unknown, more = ""): string {
  return `#!/bin/sh\n# looop:interval=3600\n${more}\necho '{"signal":${JSON.stringify(signal)}}'\n`;
}

Deno.test("given no beat for an hour, when a sensor is written, rewritten, undone and edited by hand, then each is read within two seconds", async () => {
  await using p = await testProfile();
  await upWithoutBeats(p);
  await p.okCall(["_", "sensor", "write", "s"], { stdin: script("one") });
  ok(await signalIs(p, "s", "one") < 2_000);
  await p.okCall(["_", "sensor", "write", "s"], { stdin: script("two") });
  ok(await signalIs(p, "s", "two") < 2_900, "an edit waits for two seconds after the run before it");
  await p.ok("_", "undo", "sensor", "s");
  ok(await signalIs(p, "s", "one") < 2_900);
  await p.until("the run before is two seconds ago", () => sensedAgoMs(p, "s") > 2_000);
  // By a rename, as `sed -i` and most editors write, and in place, as others do.
  writeExecutable(p.path("sensors/.s.sh.new"), script("three"));
  Deno.renameSync(p.path("sensors/.s.sh.new"), p.path("sensors/s.sh"));
  ok(await signalIs(p, "s", "three") < 2_000);
  await p.until("the run before is two seconds ago", () => sensedAgoMs(p, "s") > 2_000);
  Deno.writeTextFileSync(p.path("sensors/s.sh"), script("four"));
  ok(await signalIs(p, "s", "four") < 2_000);
});

function sensedAgoMs(p: TestProfile, name: string): number {
  return Date.now() - JSON.parse(p.read(".world.json")).readings[`sensor-${name}`].sensed_at;
}

Deno.test("given a script that is touched or written again with the same text, when the pulse looks, then it is not run", async () => {
  await using p = await testProfile();
  await upWithoutBeats(p);
  const text = script("same", 'echo x >>"$LOOOP_DATA_DIR/runs"');
  await p.okCall(["_", "sensor", "write", "s"], { stdin: text });
  await signalIs(p, "s", "same");
  await Deno.utime(p.path("sensors/s.sh"), new Date(), new Date());
  writeExecutable(p.path("sensors/.s.sh.new"), text);
  Deno.renameSync(p.path("sensors/.s.sh.new"), p.path("sensors/s.sh"));
  // A reading of another new sensor shows that the pulse has looked.
  await p.okCall(["_", "sensor", "write", "other"], { stdin: script(1) });
  await signalIs(p, "other", 1);
  strictEqual(p.read("runs"), "x\n");
});

Deno.test("given a script without a reading yet, when the state is asked for, then it is unread until the first reading", async () => {
  await using p = await testProfile();
  await upWithoutBeats(p);
  const gate = p.path("go");
  await p.okCall(["_", "sensor", "write", "s"], {
    stdin: script("late", `while [ ! -e '${gate}' ]; do sleep 0.05; done`),
  });
  deepStrictEqual((await p.json("_", "state", "--json")).unread, ["sensor-s"]);
  Deno.writeTextFileSync(gate, "");
  await signalIs(p, "s", "late");
  deepStrictEqual((await p.json("_", "state", "--json")).unread, []);
  await p.okCall(["_", "sensor", "write", "s"], { stdin: script("later") });
  const { unread, snapshots } = await p.json("_", "state", "--json");
  ok(unread.includes("sensor-s") || snapshots["sensor-s"].signal === "later");
});

Deno.test("given a beat that runs an old script, when it is rewritten, then that run is ended and its reading is never shown", async () => {
  await using p = await testProfile();
  p.sensor("s", `echo $$ >"$LOOOP_DATA_DIR/old.pid"; sleep 4; echo '{"signal":"old"}'`);
  const up = p.okCall(["up"], { env: NO_BEAT });
  await p.until("the old one runs", () => /\d\n/.test(textOf(p, "old.pid")));
  await p.okCall(["_", "sensor", "write", "s"], { stdin: script("new") });
  await up;
  const seen = new Set<string>();
  await p.until("the new one is read", () => {
    seen.add(JSON.stringify(published(p).snapshots["sensor-s"]?.signal));
    return seen.has('"new"');
  });
  deepStrictEqual(seen.has('"old"'), false);
  await p.until("the old run has ended", () => !isAlive(Number(textOf(p, "old.pid"))));
});

function textOf(p: TestProfile, name: string): string {
  try {
    return p.read(name);
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGURG");
    return true;
  } catch {
    return false;
  }
}

Deno.test("given an agent that writes a sensor, when it waits, then the first reading is its next news, and removing the sensor is no news", async () => {
  await using p = await testProfile();
  const env = { PI_SESSION_ID: "one" };
  await p.okCall(["up"], { env: NO_BEAT });
  const wait = async (...args: string[]) =>
    JSON.parse(await p.okCall(["_", "wait", "--json", ...args], { env }));
  await wait();
  await p.okCall(["_", "sensor", "write", "s"], { stdin: script("one"), env });
  const woken = await wait("--timeout", "10");
  deepStrictEqual(woken.reason, ["signal:sensor-s"]);
  deepStrictEqual(woken.changes, { signals: { "sensor-s": { to: "one" } } });
  await p.okCall(["_", "sensor", "remove", "s"], { env });
  strictEqual((await wait("--timeout", "2")).timed_out, true);
  match(p.read("journal.md"), /remove-sensor s \[root\]\n$/);
});
