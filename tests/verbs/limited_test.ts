import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";
import { writeExecutable } from "../executable.ts";
import { HOLD, letGo, workerView } from "../workers.ts";

/** A profile whose agent `cli` is a script. */
async function scripted(cli: string, script: string): Promise<TestProfile> {
  const p = await testProfile();
  const bin = `${p.base}/bin`;
  await Deno.mkdir(bin);
  writeExecutable(`${bin}/${cli}`, `#!/bin/bash\n${script}\n`);
  p.env["PATH"] = `${bin}:${p.env["PATH"]}`;
  p.env["TZ"] = "UTC";
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(
    p.profile.config,
    JSON.stringify({ default: cli, ready_timeout: 0, silent_after: 2 }),
  );
  await p.ok("up");
  await p.json("_", "wait", "--json", "--as", "me");
  return p;
}

/** Waits as an agent for a reason; returns that wake. No other news about the worker may come first. */
// deno-lint-ignore no-explicit-any -- tests look into it freely
async function wokenBy(p: TestProfile, reason: string): Promise<any> {
  for (let calls = 0; calls < 10; calls++) {
    const woken = await p.json("_", "wait", "--json", "--as", "me", "--timeout", "40");
    if (woken.reason?.includes(reason)) return woken;
    ok(!woken.reason?.some((one: string) => /^(silent|not_ready|limited):/.test(one)), `${woken.reason}`);
  }
  throw new Error(`never woken by ${reason}`);
}

async function notLimited(p: TestProfile, id: string): Promise<void> {
  await p.until(`${id} is not limited`, async () => (await workerView(p, id)).limited === undefined);
}

/** The time this many minutes from now in UTC, as `9:30pm` and as ISO text. */
function clockIn(minutes: number): { clock: string; iso: string } {
  const at = new Date(Math.floor(Date.now() / 60_000 + minutes) * 60_000);
  const hour = at.getUTCHours();
  const clock = `${hour % 12 || 12}:${String(at.getUTCMinutes()).padStart(2, "0")}${hour < 12 ? "am" : "pm"}`;
  return { clock, iso: `${at.toISOString().slice(0, 19)}Z` };
}

Deno.test("given an agent that is out of quota, when it says so, then it wakes once as limited, shows until when, and is not silent", async () => {
  const { clock, iso } = clockIn(90);
  const line = `You've hit your session limit · resets ${clock} (UTC)`;
  await using p = await scripted("claude", `echo "${line}"; ${HOLD}; echo "at work again"; sleep 300`);
  await p.ok("_", "worker", "start", "w1", "Work.");
  const woken = await wokenBy(p, "limited:w1");
  deepStrictEqual(woken.changes.alerts, [{ kind: "limited", id: "w1", until: iso, screen: [line] }]);
  deepStrictEqual((await workerView(p, "w1")).limited, { until: iso, line });
  const state = await p.json("_", "state", "--json");
  strictEqual(state.workers[0].limited.until, iso);
  const words = `limited until ${iso.slice(0, 16)}Z`;
  ok((await p.ok("_", "worker", "list")).includes(words));
  const screen = await p.okCall(["status"], { env: { COLUMNS: "200" } });
  match(screen, new RegExp(`^! worker w1 is ${words}: You've hit`, "m"));
  ok(screen.split("\n").some((row) => /^ +w1 /.test(row) && row.includes(words)), screen);
  // Waits longer than `silent_after`, also with a new pulse: neither may wake again.
  strictEqual((await p.json("_", "wait", "--json", "--as", "me", "--timeout", "4")).timed_out, true);
  await p.ok("up", "--restart");
  strictEqual((await p.json("_", "wait", "--json", "--as", "me", "--timeout", "4")).timed_out, true);
  deepStrictEqual((await workerView(p, "w1")).limited, { until: iso, line });
  letGo(p);
  await notLimited(p, "w1");
  await wokenBy(p, "silent:w1");
});

Deno.test("given an agent that draws its limit on its screen, when the limit ends, then it is no longer limited, and its silence counts", async () => {
  const draw =
    `printf '\\033[2J\\033[4;1H■ You’ve hit your usage limit.\\033[5;1HTry again in 6 seconds.\\033[8;1H> '`;
  await using p = await scripted("codex", `${draw}; sleep 300`);
  await p.ok("_", "worker", "start", "w1", "Work.");
  const woken = await wokenBy(p, "limited:w1");
  const [{ until }] = woken.changes.alerts;
  ok(Math.abs(Date.parse(until) - Date.now()) < 60_000, until);
  await wokenBy(p, "silent:w1");
  strictEqual((await workerView(p, "w1")).limited, undefined);
});

Deno.test("given an agent whose own record has the limit, when that record goes on, then it is no longer limited", async () => {
  const said = (text: string) =>
    JSON.stringify({
      type: "assistant",
      isApiErrorMessage: true,
      message: { id: "m1", role: "assistant", content: [{ type: "text", text }] },
    });
  const script = `while [ "$1" != --session-id ]; do shift; done
mkdir -p "$HOME/.claude/projects/x"
record="$HOME/.claude/projects/x/$2.jsonl"
echo '${said("Claude AI usage limit reached|4102444800")}' >>"$record"
echo "waiting"
${HOLD}
echo '${said("At work again.")}' >>"$record"
echo "going on"
sleep 300`;
  await using p = await scripted("claude", script);
  await p.ok("_", "worker", "start", "w1", "Work.");
  const woken = await wokenBy(p, "limited:w1");
  strictEqual(woken.changes.alerts[0].until, "2100-01-01T00:00:00Z");
  letGo(p);
  await notLimited(p, "w1");
});

Deno.test("given an agent that writes about rate limits, when it is quiet, then it is silent and not limited", async () => {
  await using p = await scripted(
    "claude",
    'echo "I added a rate limit to the login; retry after 60 s is tested."; sleep 300',
  );
  await p.ok("_", "worker", "start", "w1", "Work.");
  await wokenBy(p, "silent:w1");
  strictEqual((await workerView(p, "w1")).limited, undefined);
});
