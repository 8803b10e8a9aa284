import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";

async function goal(p: TestProfile, text: string, id = "ship"): Promise<void> {
  await p.okCall(["_", "goal", "write", id], { stdin: text });
}

/** Earlier texts of a file that are kept outside its slot. */
function history(p: TestProfile, name: string): string[] {
  try {
    const dir = p.path(`.undo/history/${name}`);
    return [...Deno.readDirSync(dir)].map((entry) => Deno.readTextFileSync(`${dir}/${entry.name}`)).sort();
  } catch {
    return [];
  }
}

Deno.test("given two texts of a goal, when undone twice, then the older comes and then the newer one again", async () => {
  await using p = await testProfile();
  await goal(p, "one\n");
  await goal(p, "two\n");
  strictEqual(await p.ok("_", "undo", "goal", "ship"), "undo goal ship");
  strictEqual(p.read("goals/ship.md"), "one\n");
  await p.ok("_", "undo", "goal", "ship");
  strictEqual(p.read("goals/ship.md"), "two\n");
  match(p.read("journal.md"), /undo goal ship \[hand\]\n- .* undo goal ship \[hand\]\n$/);
  strictEqual(
    (await p.json("_", "state", "--json")).snapshots["sys-goals"].detail.goals.ship.age_s < 60,
    true,
  );
});

Deno.test("given a playbook and a sensor, when they are undone, then text and mode come back and a blocked wait is woken", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.okCall(["_", "playbook", "write"], { stdin: "first\n" });
  await p.okCall(["_", "playbook", "write"], { stdin: "second\n" });
  await p.okCall(["_", "sensor", "write", "x"], { stdin: "#!/bin/sh\necho 1\n" });
  await p.okCall(["_", "sensor", "write", "x"], { stdin: "#!/bin/sh\necho 2\n" });
  await p.until("settled", async () => (await p.json("_", "state", "--json")).snapshots["sensor-x"] === 2);
  await p.wait();
  const wait = p.wait("--timeout", "20");
  await p.ok("_", "undo", "playbook");
  deepStrictEqual((await wait).reason, ["policy"]);
  strictEqual(p.read("PLAYBOOK.md"), "first\n");
  const kept = [...Deno.readDirSync(p.path("playbook.d"))].map(({ name }) => p.read(`playbook.d/${name}`));
  strictEqual(kept.includes("second\n"), true);
  await p.ok("_", "undo", "sensor", "x");
  strictEqual(p.read("sensors/x.sh"), "#!/bin/sh\necho 1\n");
  strictEqual((Deno.statSync(p.path("sensors/x.sh")).mode ?? 0) & 0o777, 0o700);
  await p.until("sensed", async () => (await p.json("_", "state", "--json")).snapshots["sensor-x"] === 1);
});

Deno.test("given a person's edits between the verbs' writes, when written and undone, then every text is still on disk", async () => {
  await using p = await testProfile();
  await goal(p, "one\n");
  await goal(p, "two\n");
  await Deno.writeTextFile(p.path("goals/ship.md"), "by hand\n");
  await goal(p, "three\n");
  await p.ok("_", "undo", "goal", "ship");
  strictEqual(p.read("goals/ship.md"), "by hand\n");
  deepStrictEqual(history(p, "goal-ship"), ["one\n"]);
  // After another edit, undo and write, the text that leaves the slot is kept, too.
  await Deno.writeTextFile(p.path("goals/ship.md"), "by hand again\n");
  await p.ok("_", "undo", "goal", "ship");
  strictEqual(p.read("goals/ship.md"), "three\n");
  await goal(p, "four\n");
  deepStrictEqual(history(p, "goal-ship"), ["by hand again\n", "one\n"]);
  await p.ok("_", "undo", "goal", "ship");
  strictEqual(p.read("goals/ship.md"), "three\n");
});

Deno.test("given a goal that was archived, when undone, then it comes back, but never over one in its place", async () => {
  await using p = await testProfile();
  await goal(p, "old\n");
  await p.ok("_", "goal", "archive", "ship");
  await goal(p, "reached\n");
  await p.ok("_", "goal", "archive", "ship");
  strictEqual(await p.ok("_", "undo", "goal", "ship"), "undo goal ship: back from the archive");
  strictEqual(p.read("goals/ship.md"), "reached\n");
  deepStrictEqual([...Deno.readDirSync(p.path("goals/archive"))].map(({ name }) => name), ["ship.md"]);
  const again = await p.run("_", "undo", "goal", "ship");
  strictEqual(again.code, 1);
  match(
    again.stderr,
    /^looop _ undo: No earlier text of goal "ship" is kept; nothing was changed; `looop _ goal archive/,
  );
  strictEqual(p.read("goals/ship.md"), "reached\n");
  strictEqual(p.read("goals/archive/ship.md"), "old\n");

  await p.okCall(["_", "sensor", "write", "x"], { stdin: "#!/bin/sh\necho 1\n" });
  await p.ok("_", "sensor", "remove", "x");
  await p.ok("_", "undo", "sensor", "x");
  strictEqual((Deno.statSync(p.path("sensors/x.sh")).mode ?? 0) & 0o777, 0o700);
});

Deno.test("given an exchange that a crash cut in two, when the next verb comes, then both texts are there", async () => {
  await using p = await testProfile();
  await goal(p, "one\n");
  await goal(p, "two\n");
  // The file was replaced, but not the slot, so the newer text is only in the stage.
  await Deno.writeTextFile(p.path("goals/ship.md"), "one\n");
  await Deno.writeTextFile(p.path(".undo/swap-goal-ship"), "two\n");
  await p.ok("_", "undo", "goal", "ship");
  deepStrictEqual([p.read("goals/ship.md"), p.read(".undo/goal-ship")], ["two\n", "one\n"]);
  // Neither was replaced.
  await Deno.writeTextFile(p.path(".undo/swap-goal-ship"), "two\n");
  await goal(p, "three\n");
  deepStrictEqual([p.read("goals/ship.md"), p.read(".undo/goal-ship")], ["three\n", "two\n"]);
  deepStrictEqual(history(p, "goal-ship"), ["one\n"]);
});

Deno.test("given a bad call or nothing to undo, when undone, then one line and nothing is changed", async () => {
  await using p = await testProfile();
  const bad = [[], ["goal"], ["sensor"], ["playbook", "x"], ["worker", "x"], ["goal", "../x"], [
    "goal",
    "a",
    "b",
  ]];
  for (const args of bad) {
    const { code, stderr } = await p.run("_", "undo", ...args);
    deepStrictEqual([code, stderr.trimEnd().split("\n").length], [2, 1], args.join(" "));
  }
  const none = await p.run("_", "undo", "sensor", "nope");
  deepStrictEqual([none.code, none.stdout], [1, ""]);
  match(none.stderr, /^looop _ undo: There is no sensor "nope", now or earlier; .*\n$/);
});

Deno.test("given texts that are not UTF-8, when they are replaced, archived and undone, then every byte is kept", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const latin = Uint8Array.from([..."caf\xe9\n"].map((char) => char.charCodeAt(0)));
  for (const name of ["PLAYBOOK.md", "goals/ship.md", "goals/gone.md"]) {
    Deno.writeFileSync(p.path(name), latin);
  }
  await p.ok("_", "playbook", "write", "new");
  const [kept] = [...Deno.readDirSync(p.path("playbook.d"))];
  deepStrictEqual(Deno.readFileSync(p.path(`playbook.d/${kept?.name}`)), latin);
  await p.ok("_", "undo", "playbook");
  await goal(p, "new\n");
  await p.ok("_", "undo", "goal", "ship");
  await p.ok("_", "goal", "archive", "gone");
  await p.ok("_", "undo", "goal", "gone");
  for (const name of ["PLAYBOOK.md", "goals/ship.md", "goals/gone.md"]) {
    deepStrictEqual(Deno.readFileSync(p.path(name)), latin, name);
  }
});

Deno.test("given a goal and a sensor that are links, when they are archived and undone, then the links come back", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.mkdirSync(p.path("policy"));
  Deno.writeTextFileSync(p.path("policy/goal"), "linked\n");
  Deno.writeTextFileSync(p.path("policy/sensor"), "#!/bin/sh\necho 1\n", { mode: 0o755 });
  Deno.symlinkSync("../policy/goal", p.path("goals/far.md"));
  Deno.symlinkSync("../policy/sensor", p.path("sensors/far.sh"));
  Deno.symlinkSync("../policy/nothing", p.path("goals/dangling.md"));
  const { goals, bad_files } = await p.json("_", "state", "--json");
  deepStrictEqual(goals, ["far", "playbook-daily", "setup"]);
  deepStrictEqual(bad_files, [{ path: p.path("goals/dangling.md"), reason: "it is a link to nothing" }]);
  await p.ok("_", "goal", "archive", "far");
  await p.ok("_", "sensor", "remove", "far");
  strictEqual(await p.ok("_", "undo", "goal", "far"), "undo goal far: back from the archive");
  strictEqual(await p.ok("_", "undo", "sensor", "far"), "undo sensor far: back from the archive");
  deepStrictEqual(
    [Deno.readLinkSync(p.path("goals/far.md")), Deno.readLinkSync(p.path("sensors/far.sh"))],
    ["../policy/goal", "../policy/sensor"],
  );
});

Deno.test("given a goal that a person has made readable, when the same text is written again, then nothing is written", async () => {
  await using p = await testProfile();
  await goal(p, "text\n");
  Deno.chmodSync(p.path("goals/ship.md"), 0o644);
  strictEqual(await p.ok("_", "goal", "write", "ship", "text"), "write-goal ship (unchanged)");
  Deno.writeTextFileSync(p.path("sensors/x.sh"), "#!/bin/sh\n", { mode: 0o644 });
  strictEqual(await p.ok("_", "sensor", "write", "x", "#!/bin/sh"), "write-sensor x");
  strictEqual((Deno.statSync(p.path("sensors/x.sh")).mode ?? 0) & 0o777, 0o700);
});

Deno.test("given texts that are written at the same moment, when all are acknowledged, then each is on disk", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const texts = Array.from({ length: 10 }, (_, n) => `text ${n}\n`);
  await Promise.all(texts.map((text) => goal(p, text)));
  const kept = [p.read("goals/ship.md"), p.read(".undo/goal-ship"), ...history(p, "goal-ship")];
  deepStrictEqual(kept.sort(), texts);
});
