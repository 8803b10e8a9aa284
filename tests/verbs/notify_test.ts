import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";

async function setHook(p: TestProfile, notification: string): Promise<void> {
  await Deno.mkdir(p.profile.dir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, JSON.stringify({ notification }));
}

Deno.test("given no hook, when notified, then it is journaled and says so", async () => {
  await using p = await testProfile();
  match(
    await p.ok("_", "notify", "--id", "w1", "the", "fix  is ready"),
    /^noted in the journal; no hook is set/,
  );
  match(p.read("journal.md"), /notify w1: the fix {2}is ready \[hand\]\n$/);
});

Deno.test("given a hook, when notified with hostile text, then it gets text and id as data, detached, and no intent stays", async () => {
  await using p = await testProfile();
  const args =
    'printf "%s|" "$0" "$LOOOP_MESSAGE" "$LOOOP_ID" {{message}} "{{message}}" \'{{id}}\' >told.tmp';
  await setHook(p, `sleep 0.5; ${args}; mv told.tmp told`);
  const message = 'it\'s "$(touch pwned)" `touch pwned`; touch pwned\n#';
  const started = performance.now();
  const text = await p.okCall(["_", "notify", "--id", "w1"], { stdin: `${message}\n` });
  match(text, /^notified: it's/);
  strictEqual(exists(p.path("told")), false, `it did not wait (${performance.now() - started} ms)`);
  await p.until("the hook has run", () => exists(p.path("told")));
  deepStrictEqual(p.read("told").split("|").slice(1), [message, "w1", message, message, "w1", ""]);
  strictEqual(exists(p.path("pwned")), false);
  deepStrictEqual([...Deno.readDirSync(p.path(".wal"))], []);
  match(p.read("journal.md"), /notify w1: it's "\$\(touch pwned\)" `touch pwned`; touch pwned # \[hand\]\n$/);
});

Deno.test("given a hook that lingers, when the caller reads to the end, then it does not wait for the hook", async () => {
  await using p = await testProfile();
  await setHook(p, "echo $$ >pid; exec sleep 30");
  const started = performance.now();
  await p.ok("_", "notify", "hello");
  strictEqual(performance.now() - started < 15_000, true);
  await p.until("the hook runs", () => exists(p.path("pid")) && p.read("pid") !== "");
  Deno.kill(Number(p.read("pid")), "SIGKILL");
});

Deno.test("given a bad call, when notified, then exit 2 and nothing is touched", async () => {
  await using p = await testProfile();
  for (const args of [[" "], ["--id", "../x", "hello"], ["--bogus", "hello"], ["--id", "pulse", "hello"]]) {
    const { code, stderr } = await p.run("_", "notify", ...args);
    deepStrictEqual([code, stderr.trimEnd().split("\n").length], [2, 1], args.join(" "));
  }
  strictEqual((await p.call(["_", "notify"], { stdin: "x".repeat(70_000) })).code, 2);
  strictEqual(exists(p.profile.dir), false);
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("given a notify that was cut off, when the pulse beats, then it is reported and nothing is sent again", async () => {
  await using p = await testProfile();
  await setHook(p, "echo sent >>sent");
  await p.ok("up");
  await p.wait();
  const intent = {
    v: 1,
    id: "notify-0",
    kind: "notify",
    fingerprint: "f",
    what: "w1: the fix is ready",
    ts: Date.now(),
    owner: { pid: 2 ** 22 + 1, start: "1", boot: "another" },
  };
  await Deno.writeTextFile(p.path(".wal/notify-0.json"), JSON.stringify(intent));
  const woken = await p.wait("--timeout", "20");
  deepStrictEqual(woken.reason, ["interrupted:notify-0"]);
  match(
    woken.changes.alerts[0].screen[0],
    /^interrupted: notify w1: the fix is ready: .*may not have been sent$/,
  );
  strictEqual(exists(p.path("sent")), false);
  strictEqual(exists(p.path(".wal/notify-0.json")), false);
});
