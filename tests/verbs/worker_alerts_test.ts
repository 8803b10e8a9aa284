import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { passBeats, start, up, wokenBy } from "../alerts.ts";
import { writeExecutable } from "../executable.ts";
import { testProfile } from "../looop.ts";
import { crashPulse } from "../published.ts";

Deno.test("given a worker that goes silent, when silent_after passes, then it is reported once, and again after new output", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 1 });
  await start(
    p,
    "quiet",
    `"$LOOOP_BIN" _ ready quiet
echo 'the last words'
while [ ! -e reports/speak ]; do sleep 0.05; done
echo 'and more'
sleep 600`,
  );
  const { woken } = await wokenBy(p, "silent:quiet");
  const [alert] = woken.changes.alerts;
  deepStrictEqual([alert.kind, alert.id, alert.screen.at(-1)], ["silent", "quiet", "the last words"]);
  await passBeats(p, 3);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true, "one silence is told once");
  await Deno.writeTextFile(p.path("reports/speak"), "");
  const again = await wokenBy(p, "silent:quiet");
  strictEqual(again.woken.changes.alerts[0].screen.at(-1), "and more");
});

Deno.test("given an agent that prints nothing but writes its record, when silent_after passes, then it is reported once the record has ended", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 1 });
  Deno.mkdirSync(`${p.base}/bin`);
  writeExecutable(
    `${p.base}/bin/pi`,
    `#!/bin/sh
"$LOOOP_BIN" _ ready w1 >/dev/null
mkdir -p "$HOME/.pi/agent/sessions/x"
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
  echo '{}' >>"$HOME/.pi/agent/sessions/x/t_$2.jsonl"
  sleep 0.25
done
: >"$LOOOP_DATA_DIR/reports/stopped"
exec sleep 600
`,
  );
  const env = { PATH: `${p.base}/bin:${p.env["PATH"]}` };
  await p.okCall(["_", "worker", "start", "w1", "--runner", "pi", "--headless", "brief"], { env });
  await wokenBy(p, "silent:w1");
  ok([...Deno.readDirSync(p.profile.reports)].some(({ name }) => name === "stopped"));
});

Deno.test("given a worker that asks, when silent_after passes, then it is not silent, not even right after the answer", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 2 });
  await start(
    p,
    "asker",
    `"$LOOOP_BIN" _ ask asker --prompt 'Go on?' >/dev/null 2>&1; : >reports/answered; sleep 600`,
  );
  await wokenBy(p, "ask:asker-1");
  await passBeats(p, 4);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true, "a question is no silence");
  const answered = performance.now();
  await p.ok("_", "answer", "asker-1", "yes");
  const { woken } = await wokenBy(p, "silent:asker");
  ok(performance.now() - answered >= 1_900, "silence begins with the answer");
  deepStrictEqual(woken.changes.alerts.map(({ id }: { id: string }) => id), ["asker"]);
  await passBeats(p, 3);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true, "one silence is told once");
});

Deno.test("given a worker that never begins, when ready_timeout passes, then its last 20 screen lines are reported once", async () => {
  await using p = await testProfile();
  await up(p, { ready_timeout: 4 });
  await start(
    p,
    "stuck",
    `printf '\\033[2J\\033[H\\033[1mWelcome\\033[0m\\n'
for n in $(seq 1 30); do echo "line $n"; done
printf 'Do you trust this folder? \\033[7m No, exit \\033[0m'
sleep 600`,
  );
  const { woken } = await wokenBy(p, "not_ready:stuck");
  const [alert] = woken.changes.alerts;
  deepStrictEqual([alert.kind, alert.id, alert.screen.length], ["not_ready", "stuck", 20]);
  deepStrictEqual(alert.screen.slice(0, 2), ["line 12", "line 13"]);
  match(alert.screen.at(-1), /^Do you trust this folder\? {2}No, exit/);
  strictEqual(woken.workers[0].ready, false);
  await passBeats(p, 3);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
});

Deno.test("given a headless agent that prints events and then a question, when it never begins, then the question is reported, too", async () => {
  await using p = await testProfile();
  await up(p, { ready_timeout: 4 });
  const event = { type: "assistant", message: { content: [{ type: "text", text: "I look." }] } };
  Deno.writeTextFileSync(`${p.base}/out`, `${JSON.stringify(event)}\nPassword: `);
  const command = `cat '${p.base}/out'; sleep 600; : --output-format stream-json`;
  await p.ok("_", "worker", "start", "mute", "--command", command, "Go.");
  const { woken } = await wokenBy(p, "not_ready:mute");
  deepStrictEqual(woken.changes.alerts[0].screen, ["I look.", "Password:"]);
});

Deno.test("given workers that call back in any way, when ready_timeout passes, then they are not reported", async () => {
  await using p = await testProfile();
  await up(p, { ready_timeout: 1 });
  await start(p, "ready", `"$LOOOP_BIN" _ ready ready; sleep 600`);
  await start(p, "claims", `"$LOOOP_BIN" _ claim thing; sleep 600`);
  await p.until("both are ready", async () => {
    const { workers } = await p.json("_", "state", "--json");
    return workers.every((worker: { ready: boolean }) => worker.ready);
  });
  await passBeats(p, 3);
  const reasons = (await p.wait("--timeout", "0.1")).reason;
  ok(!reasons.some((reason: string) => reason.startsWith("not_ready:")), reasons.join(" "));
});

Deno.test("given reported alerts, when the pulse is killed and started again, then none is reported again", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 3, ready_timeout: 1 });
  await start(p, "asked", `"$LOOOP_BIN" _ ask asked --prompt 'Go on?' >/dev/null 2>&1; exec sleep 600`);
  await wokenBy(p, "ask:asked-1");
  await start(p, "quiet", `"$LOOOP_BIN" _ ready quiet; echo 'last words'; exec sleep 600`);
  await wokenBy(p, "silent:quiet");
  await p.ok("_", "answer", "asked-1", "yes");
  await wokenBy(p, "silent:asked");
  await start(p, "mute", "echo 'a login?'; exec sleep 600");
  await wokenBy(p, "not_ready:mute");
  await crashPulse(p);
  await p.wait("--timeout", "5");
  await passBeats(p, 4);
  const after = await p.wait("--timeout", "0.1");
  deepStrictEqual([after.timed_out, after.reason], [true, []]);
});

Deno.test("given a silent worker that draws the same screen again, when it is silent again, then that is the same silence", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 1 });
  await start(
    p,
    "redraws",
    `"$LOOOP_BIN" _ ready redraws
draw() { printf '\\033[2J\\033[Hworking'; }
draw; : >reports/first; while [ ! -e reports/redraw ]; do sleep 0.05; done
draw; : >reports/drawn; exec sleep 600`,
  );
  await wokenBy(p, "silent:redraws");
  // On a busy machine the worker may have been silent before it drew; then its first screen ends that silence.
  await p.until("it is drawn", () => [...Deno.readDirSync(p.path("reports"))].length === 1);
  await passBeats(p, 4);
  while (!(await p.wait("--timeout", "0.1")).timed_out);
  await Deno.writeTextFile(p.path("reports/redraw"), "");
  await p.until("it is drawn again", () => [...Deno.readDirSync(p.path("reports"))].length === 3);
  await passBeats(p, 4);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
});

Deno.test("given a worker that never began, when it is silent, too, then only the first of both is reported", async () => {
  await using p = await testProfile();
  await up(p, { silent_after: 3, ready_timeout: 2 });
  await start(p, "stuck", "echo 'Do you trust this folder?'; exec sleep 600");
  await wokenBy(p, "not_ready:stuck");
  await passBeats(p, 4);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
});
