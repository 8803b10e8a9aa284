import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";
import { readMarked } from "../../lib/process/table.ts";
import { sha256 } from "../../lib/text/bytes.ts";

/** The last journal line without its time. */
function lastMove(p: TestProfile): string {
  const line = p.read("journal.md").trimEnd().split("\n").at(-1) ?? "";
  return line.slice("- 2026-01-01 00:00 ".length).replace(/ \[hand\]$/, "");
}

/** Names in `.wal/`. */
function intents(p: TestProfile): string[] {
  return [...Deno.readDirSync(p.path(".wal"))].map((entry) => entry.name).filter((name) =>
    name !== "interrupted"
  );
}

async function setConfig(p: TestProfile, config: Record<string, unknown>): Promise<void> {
  await Deno.mkdir(p.profile.dir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, JSON.stringify(config));
}

Deno.test("given one word or several, when run, then it is a bash line or an exact argv, in the data dir", async () => {
  await using p = await testProfile();
  deepStrictEqual(await p.run("_", "run", 'echo {1,2} $((1+1)) "$LOOOP_DATA_DIR"; pwd; cat'), {
    code: 0,
    stdout: `1 2 2 ${p.profile.dir}\n${p.profile.dir}\n`,
    stderr: "",
  });
  deepStrictEqual(await p.run("_", "run", "printf", "<%s>", "a  b", "$HOME", "*", "", "'\"\\"), {
    code: 0,
    stdout: "<a  b><$HOME><*><><'\"\\>",
    stderr: "",
  });
  deepStrictEqual(await p.run("_", "run", "--", "echo", "--reason", "x", "--json"), {
    code: 0,
    stdout: "--reason x --json\n",
    stderr: "",
  });
  strictEqual(lastMove(p).replace(/[\d.]+ s$/, "N s"), "run echo --reason x --json: exit 0 in N s");
  deepStrictEqual(intents(p), []);
});

Deno.test("given --reason behind the command, when run, then it is looop's option only after exactly one word", async () => {
  await using p = await testProfile();
  const cases: [string[], string, string][] = [
    [["echo a b", "--reason", "to see"], "a b\n", "run echo a b (to see): exit 0"],
    [["echo", "--reason=x y"], "\n", "run echo (x y): exit 0"],
    [["--timeout", "9", "echo", "--reason", "x"], "\n", "run echo (x): exit 0"],
    [["echo", "a", "--reason", "x"], "a --reason x\n", "run echo a --reason x: exit 0"],
    [["echo", "--reason", "x", "b"], "--reason x b\n", "run echo --reason x b: exit 0"],
    [["--", "echo", "--reason", "x"], "--reason x\n", "run echo --reason x: exit 0"],
    [["echo", "--timeout", "9"], "--timeout 9\n", "run echo --timeout 9: exit 0"],
  ];
  for (const [args, stdout, told] of cases) {
    strictEqual((await p.run("_", "run", ...args)).stdout, stdout, args.join(" "));
    ok(lastMove(p).startsWith(told), lastMove(p));
  }
});

Deno.test("given commands that end in every way, when run, then looop exits as they did and journals it", async () => {
  await using p = await testProfile();
  const cases: [string[], number, RegExp][] = [
    [["exit 7"], 7, /^run exit 7: exit 7 in /],
    [["--reason", "to see\nit", "kill -9 $$"], 137, /^run kill -9 \$\$ \(to see it\): exit 137 in /],
    [["no-such-program-here", "x"], 127, /: exit 127 in /],
    [["./journal.md", "x"], 126, /: exit 126 in /],
    [["--journal", "looked around", "true"], 0, /^looked around$/],
  ];
  await p.run("_", "run", "true");
  for (const [args, code, told] of cases) {
    strictEqual((await p.run("_", "run", ...args)).code, code, args.join(" "));
    match(lastMove(p), told);
  }
});

Deno.test("given output that is large, binary or on stderr, when run, then the tail of each is shown byte for byte", async () => {
  await using p = await testProfile();
  const big = await p.run("_", "run", "seq 1 30000; seq 1 20000 >&2; exit 3");
  strictEqual(big.code, 3);
  ok(big.stdout.length <= 65536 && big.stdout.length > 65500);
  ok(big.stdout.endsWith("29999\n30000\n"));
  const whole = Array.from({ length: 30000 }, (_, i) => `${i + 1}\n`).join("").length;
  ok(
    big.stderr.includes(`stdout: the first ${whole - big.stdout.length} bytes were cut`),
    big.stderr.slice(-300),
  );
  match(big.stderr, /20000\nlooop _ run: stdout: .*\nlooop _ run: stderr: the first \d+ bytes were cut/);
  const exact = await p.run("_", "run", "head -c 65536 /dev/zero | tr '\\0' x");
  deepStrictEqual([exact.stdout.length, exact.stderr], [65536, ""]);
  const line = `${shellLine(["_", "run", "printf '\\001\\377\\000\\n.'"])} | od -An -tx1`;
  const { stdout } = await new Deno.Command("bash", { args: ["-c", line], env: p.env, clearEnv: true })
    .output();
  strictEqual(new TextDecoder().decode(stdout).trim(), "01 ff 00 0a 2e");
});

Deno.test("given a command that hangs, ignores TERM and spreads, when it times out, then exit 124 and nothing is left", async () => {
  await using p = await testProfile();
  const line = 'trap "" TERM; (setsid sleep 300 &); sleep 300 & echo begun; wait; sleep 300';
  const started = performance.now();
  const { code, stdout, stderr } = await p.run("_", "run", "--timeout", "0.3", line);
  deepStrictEqual([code, stdout], [124, "begun\n"]);
  match(stderr, /^looop _ run: timed out after 0.3 s and was ended/);
  ok(performance.now() - started < 15_000);
  match(lastMove(p), /: timed out, ended after /);
  deepStrictEqual(await p.processes(), []);
});

Deno.test("given a command that leaves children behind, when it ends by itself, then they are ended too", async () => {
  await using p = await testProfile();
  const { code, stdout } = await p.run("_", "run", "sleep 300 & (setsid sleep 300 &) ; echo done");
  deepStrictEqual([code, stdout], [0, "done\n"]);
  deepStrictEqual(await p.processes(), []);
});

Deno.test("given a blocked run, when looop gets TERM or its caller dies, then the command's tree ends and it is journaled", async () => {
  await using p = await testProfile();
  using run = p.start(["_", "run", "touch begun; (setsid sleep 300 &); sleep 300"]);
  await p.until("it began", () => exists(p.path("begun")));
  run.kill("SIGTERM");
  strictEqual((await run.result).code, 143);
  match(lastMove(p), /: ended by SIGTERM after /);
  deepStrictEqual(await p.processes(), []);

  const line = `${shellLine(["_", "run", "touch again; sleep 300"])} & wait`;
  const caller = new Deno.Command("bash", {
    args: ["-c", line],
    env: p.env,
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await p.until("it began again", () => exists(p.path("again")));
  caller.kill("SIGKILL");
  await caller.status;
  await p.until("all has ended", async () => (await p.processes()).length === 0);
  match(lastMove(p), /: ended by SIGHUP after /);
  deepStrictEqual(intents(p), []);
});

Deno.test("given a reader that stops reading, when run, then looop ends with the command's own status and is journaled", async () => {
  await using p = await testProfile();
  const line = `set -o pipefail; ${
    shellLine(["_", "run", "seq 1 20000; exit 5"])
  } | head -1; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", line],
    env: p.env,
    clearEnv: true,
  })
    .output();
  deepStrictEqual(new TextDecoder().decode(stdout).split("\n").slice(1), ["5", ""]);
  match(new TextDecoder().decode(stderr), /^looop _ run: stdout: the first/);
  match(lastMove(p), /exit 5/);
});

Deno.test("given an irreversible command, when run, then the gate refuses it, unless the human's words are given", async () => {
  await using p = await testProfile();
  await p.run("_", "run", "git", "init", "-q", ".");
  const refused = await p.run("_", "run", "touch ran; cd . && git -C . push -f");
  deepStrictEqual([refused.code, refused.stdout, exists(p.path("ran"))], [126, "", false]);
  match(
    refused.stderr,
    /^looop _ run: The gate refused "touch ran; cd \. && git -C \. push -f" \(rule git-push, for "git -C \. push -f"\): .*ask.*--approved.*\n$/,
  );
  match(lastMove(p), /^refused: run touch ran; cd \. && git -C \. push -f: rule git-push$/);
  const long = `true ${"word ".repeat(200)}&& git push`;
  ok(
    (await p.run("_", "run", long)).stderr.includes(`"${long}" (rule git-push, for "git push"): others see`),
  );
  const argv = await p.run("_", "run", "bash", "-c", "git push");
  strictEqual(argv.code, 126);
  strictEqual((await p.run("_", "run", "echo 'git push --force'")).stdout, "git push --force\n");

  const yes = await p.run("_", "run", "--approved", 'yes, "push" it', "git push nowhere; exit 4");
  strictEqual(yes.code, 4);
  match(lastMove(p), /^run git push nowhere; exit 4: exit 4 in .*; approved by the human: "yes, "push" it"$/);
  await p.run("_", "run", "--approved", "go", "--journal", "pushed", "git push nowhere");
  strictEqual(lastMove(p), 'pushed; approved by the human: "go"');
});

Deno.test("given gate.deny and gate.allow in the config, when run, then they add to the rules and lift them", async () => {
  await using p = await testProfile();
  await setConfig(p, { gate: { deny: ["make deploy"], allow: ["git push"] } });
  const denied = await p.run("_", "run", "make deploy");
  strictEqual(denied.code, 126);
  match(denied.stderr, /rule config/);
  strictEqual((await p.run("_", "run", "git push nowhere 2>/dev/null; exit 9")).code, 9);
  await setConfig(p, { gate: { deny: "make" } });
  const broken = await p.run("_", "run", "true");
  strictEqual(broken.code, 1);
  match(broken.stderr, /config.json:1:\d+: "gate.deny"/);
});

Deno.test("given bad arguments, when run, then exit 2 and nothing is touched", async () => {
  await using p = await testProfile();
  for (
    const args of [[], [""], ["  "], ["--"], ["--timeout", "x", "true"], ["--timeout", "0", "true"], [
      "--bogus",
      "true",
    ], [
      "--approved",
      " ",
      "true",
    ]]
  ) {
    const { code, stdout, stderr } = await p.run("_", "run", ...args);
    deepStrictEqual([code, stdout, stderr.trimEnd().split("\n").length], [2, "", 1], args.join(" "));
  }
  strictEqual(exists(p.profile.dir), false);
  const usage = await p.run("_", "run", "--bogus", "gh", "--json");
  ok(!usage.stderr.startsWith("{"), "the command's own --json is not looop's");
});

Deno.test("given a run whose looop is killed, when the pulse beats, then it is reported once, never run again, and its tree ends", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.wait();
  const line = "echo x >>count; (setsid sleep 300 &); sleep 300";
  using run = p.start(["_", "run", "--reason", "to try", line]);
  await p.until("it began", () => exists(p.path("count")));
  const [name = ""] = intents(p);
  const id = name.replace(".json", "");
  const intent = JSON.parse(p.read(`.wal/${name}`));
  deepStrictEqual([intent.kind, intent.fingerprint, intent.owner.pid], ["run", await sha256(line), run.pid]);

  // The pulse leaves the run of a living owner alone.
  const beat = () => JSON.parse(p.read(".world.json")).beat as number;
  const then = beat();
  await p.until("two beats", () => beat() >= then + 2);
  deepStrictEqual(intents(p), [name]);

  run.kill("SIGKILL");
  const woken = await p.wait("--timeout", "20");
  deepStrictEqual(woken.reason, [`interrupted:${id}`]);
  match(woken.changes.alerts[0].screen[0], /interrupted: run echo x .*\(to try\).* before running it again/);
  strictEqual((await readMarked([`LOOOP_RUN=${id}`])).size, 0);
  const again = beat();
  await p.until("two more beats", () => beat() >= again + 2);
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
  strictEqual(p.read("count"), "x\n");
  strictEqual(p.read("journal.md").split("interrupted: run").length, 2);
  const events = p.read("events.jsonl").trimEnd().split("\n").map((text) => JSON.parse(text));
  const { ts: _, ...event } = events.find((one) => one.event === "tick_interrupted");
  deepStrictEqual(event, { event: "tick_interrupted", action: "run", fingerprint: await sha256(line), id });
  // The alert stays for other observers, even after a restart of the pulse.
  await p.ok("down");
  await p.ok("up");
  strictEqual(JSON.parse(p.read(".world.json")).alerts[0].id, id);
});

Deno.test("given a run whose looop is killed and no pulse, when all is taken down, then its tree ends and it is journaled", async () => {
  await using p = await testProfile();
  using run = p.start(["_", "run", "touch begun; (setsid sleep 300 &); sleep 300"]);
  await p.until("it began", () => exists(p.path("begun")));
  run.kill("SIGKILL");
  await run.result;
  strictEqual((await p.run("down")).code, 0);
  deepStrictEqual(await p.processes(), []);
  match(lastMove(p), /^interrupted: run touch begun/);
  deepStrictEqual(intents(p), []);
});

Deno.test("given a pulse and a worker that a run starts, when the run has ended, then they live on", async () => {
  await using p = await testProfile();
  await p.ok("_", "run", '"$LOOOP_BIN" up && "$LOOOP_BIN" _ worker start w --command "sleep 600" x');
  const { workers, pulse } = await p.json("_", "state", "--json");
  deepStrictEqual([workers[0].state, workers[0].alive, pulse.alive], ["running", true, true]);
});

Deno.test("given an intent that cannot be read, when the pulse beats, then it is left alone and listed", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await Deno.writeTextFile(p.path(".wal/run-torn.json"), '{"v":1,"id":"run-to');
  await p.until("listed", async () => {
    const { bad_files } = await p.json("_", "state", "--json");
    return bad_files.some((bad: { path: string }) => bad.path === p.path(".wal/run-torn.json"));
  });
  strictEqual(p.read(".wal/run-torn.json"), '{"v":1,"id":"run-to');
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function shellLine(args: string[]): string {
  return [...looopCommand(), ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}
