import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { VerifyView } from "../../lib/sessions/verdict.ts";
import { type TestProfile, testProfile } from "../looop.ts";
import { fileText, HOLD, letGo, startWorker, workerView } from "../workers.ts";

/** A command that adds a line to `reports/NAME` at each run. */
function counting(name: string, then = "true"): string {
  return `echo ran >>"$LOOOP_REPORTS_DIR/${name}"; ${then}`;
}

/** How often a counting command has run. */
function runs(p: TestProfile, name: string): number {
  return fileText(p, `reports/${name}`).split("\n").filter((line) => line === "ran").length;
}

/** Waits for a worker's verdict. */
async function verdictOf(p: TestProfile, id: string): Promise<VerifyView> {
  let verify: VerifyView | undefined;
  await p.until(`the verdict on ${id}`, async () => {
    ({ verify } = await workerView(p, id));
    return verify !== undefined && verify !== "running";
  }, 60);
  return verify!;
}

/** Waits as an agent for a worker's end and ignores earlier news. */
// deno-lint-ignore no-explicit-any -- tests look into it freely
async function wokenBy(p: TestProfile, reason: string): Promise<any> {
  for (let calls = 0; calls < 10; calls++) {
    const woken = await p.json("_", "wait", "--json", "--as", "me", "--timeout", "30");
    if (woken.reason?.includes(reason)) return woken;
  }
  throw new Error(`never woken by ${reason}`);
}

Deno.test("given a worker with a check, when it ends, then it wakes once, after the verdict, and list, state and status show the verdict", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.json("_", "wait", "--json", "--as", "me");
  const check = `until [ -e "$LOOOP_REPORTS_DIR/go" ]; do sleep 0.05; done; ${
    counting("checks", "echo the tests fail; exit 3")
  }`;
  await startWorker(p, "w1", "exit 0", { args: ["--verify", check] });
  await p.until("the check has begun", () => fileText(p, "sessions/w1/verify.json").includes("begun"));
  const meanwhile = await workerView(p, "w1");
  deepStrictEqual([meanwhile.state, meanwhile.verify], ["exited", "running"]);
  strictEqual((await p.json("_", "wait", "--json", "--as", "me", "--timeout", "1")).timed_out, true);
  // A check must not delay beats.
  const { beat } = JSON.parse(p.read(".world.json"));
  await p.until("it beats on", () => JSON.parse(p.read(".world.json")).beat > beat + 1);
  letGo(p);
  const woken = await wokenBy(p, "worker:w1");
  const verdict = { ok: false, code: 3, lines: ["the tests fail"] };
  deepStrictEqual(woken.changes.workers[0].verify, verdict);
  strictEqual((await p.json("_", "wait", "--json", "--as", "me", "--timeout", "2")).timed_out, true);
  deepStrictEqual((await workerView(p, "w1")).verify, verdict);
  match(await p.ok("_", "worker", "list"), /w1 .*verify FAILED \(3\)/);
  match(await p.ok("status"), /w1 .*verify FAILED \(3\)/);
  deepStrictEqual((await p.json("_", "state", "--json")).workers[0].verify, verdict);
  match(p.read("journal.md"), /verify FAILED \(3\): w1: /);
  await p.ok("down");
  await p.ok("up");
  await p.until("it beats", () => JSON.parse(p.read(".world.json")).beat > 0);
  strictEqual(runs(p, "checks"), 1);
});

Deno.test("given checks that succeed, run too long, print what is hostile or find no folder, when workers end, then each verdict names that and is safe to print", async () => {
  await using p = await testProfile();
  const gone = `${p.base}/gone`;
  await Deno.mkdir(gone);
  await p.okCall(["up"], { env: { LOOOP_VERIFY_TIMEOUT: "1" } });
  const leaver = 'setsid sleep 300 & echo "$!" >"$LOOOP_REPORTS_DIR/pid"';
  await startWorker(p, "good", "exit 0", { args: ["--verify", `pwd; ${leaver}`, "--cwd", p.base] });
  await startWorker(p, "slow", "exit 0", { args: ["--verify", "echo begun; trap '' TERM; sleep 300"] });
  const hostile =
    `yes "$(printf '\\033[31m\\033]0;x\\007\\342\\200\\256\\377\\0}"')" | head -c 3000000; exit 1`;
  await startWorker(p, "hostile", "exit 0", { args: ["--verify", hostile] });
  await startWorker(p, "remover", 'rm -rf "$PWD"', { args: ["--cwd", gone, "--verify", "true"] });
  deepStrictEqual(await verdictOf(p, "good"), { ok: true, code: 0, lines: [p.base] });
  deepStrictEqual(await verdictOf(p, "slow"), {
    ok: false,
    code: 124,
    lines: ["begun", "timed out after 1 s"],
  });
  const said = await verdictOf(p, "hostile");
  ok(typeof said === "object" && !said.ok && said.code === 1);
  // deno-lint-ignore no-control-regex -- these must not be there
  for (const line of said.lines) match(line, /^[^\u0000-\u001f\u007f-\u009f\u202e]{1,160}$/u);
  const none = await verdictOf(p, "remover");
  deepStrictEqual(none, { ok: false, code: null, lines: [`there is no folder ${gone} any more`] });
  const left = Number(fileText(p, "reports/pid"));
  await p.until("what the check left is ended", async () => !(await p.processes()).includes(left));
});

Deno.test("given a check that the gate refuses, when a worker is to start, then exit 126 and nothing is started", async () => {
  await using p = await testProfile();
  const refused = await p.call(["_", "worker", "start", "w1", "--runner", "shell", "--verify", "git push"], {
    stdin: "exit 0",
  });
  strictEqual(refused.code, 126);
  match(refused.stderr, /^looop _ worker start: The gate refuses --verify \(rule git-push/);
  strictEqual(refused.stderr.trim().split("\n").length, 1);
  const empty = await p.call(["_", "worker", "start", "w1", "--runner", "shell", "--verify", " "], {
    stdin: "exit 0",
  });
  strictEqual(empty.code, 2);
  deepStrictEqual(await p.json("_", "worker", "list", "--json"), []);
});

Deno.test("given a check under way, when looop down is called, then nothing of it is left and its verdict stays unknown", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const check = counting(
    "checks",
    'trap "" TERM; setsid sleep 300 & echo "$!" >"$LOOOP_REPORTS_DIR/pid"; wait',
  );
  await startWorker(p, "w1", "exit 0", { args: ["--verify", check] });
  await p.until("the check runs", () => fileText(p, "reports/pid") !== "");
  await p.ok("down");
  deepStrictEqual(await p.processes(), []);
  strictEqual((await workerView(p, "w1")).verify, "unknown");
  await p.ok("up");
  const { beat } = JSON.parse(p.read(".world.json"));
  await p.until("it beats", () => JSON.parse(p.read(".world.json")).beat > beat + 1);
  strictEqual(runs(p, "checks"), 1);
});

Deno.test("given a pulse that is killed at random moments, when it is up again, then each check has run once or is unknown, and never runs twice", async () => {
  await using p = await testProfile();
  for (let n = 0; n < 6; n++) {
    const id = `w${n}`;
    await p.ok("up");
    await startWorker(p, id, "exit 0", { args: ["--verify", counting(id, "sleep 0.3; echo done")] });
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 900));
    try {
      Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
    } catch {
      // The record is just being written.
    }
  }
  await p.ok("up");
  for (let n = 0; n < 6; n++) {
    const id = `w${n}`;
    const verdict = await verdictOf(p, id);
    const count = runs(p, id);
    if (verdict === "unknown") ok(count <= 1, `${id} ran ${count} times`);
    else deepStrictEqual([verdict, count], [{ ok: true, code: 0, lines: ["done"] }, 1], id);
  }
  await p.until("nothing of the checks is left", async () => (await p.processes()).length === 1);
});

Deno.test("given a worker that is started anew while its check runs, when both end, then each run has its own verdict", async () => {
  await using p = await testProfile();
  await p.ok("up");
  const check = `until [ -e "$LOOOP_REPORTS_DIR/go" ]; do sleep 0.05; done; exit 4`;
  await startWorker(p, "w1", "exit 0", { args: ["--verify", check] });
  await p.until("the check has begun", () => fileText(p, "sessions/w1/verify.json").includes("begun"));
  await startWorker(p, "w1", HOLD, { args: ["--verify", "exit 0"] });
  letGo(p);
  deepStrictEqual(await verdictOf(p, "w1"), { ok: true, code: 0, lines: [] });
  await p.until("the first run's verdict", () => fileText(p, "sessions/w1~1/verify.json").includes('"done"'));
  strictEqual(JSON.parse(p.read("sessions/w1~1/verify.json")).code, 4);
});
