import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { writeExecutable } from "../executable.ts";
import { testProfile } from "../looop.ts";

Deno.test("given a goal, when it is written in any way, then its file holds the text and one newline at least", async () => {
  await using p = await testProfile();
  await p.ok("_", "goal", "write", "words", "two", "words");
  await p.okCall(["_", "goal", "write", "piped"], { stdin: "# Piped\r\n\n  text" });
  await p.okCall(["_", "goal", "write", "dash", "-"], { stdin: "from dash\n\n" });
  await p.ok("_", "goal", "write", "literal", "--", "-", "--journal");
  await p.ok("_", "goal", "write", "constructor", "a name of its own");
  deepStrictEqual(
    ["words", "piped", "dash", "literal", "constructor"].map((id) => p.read(`goals/${id}.md`)),
    ["two words\n", "# Piped\r\n\n  text\n", "from dash\n\n", "- --journal\n", "a name of its own\n"],
  );
  strictEqual(Deno.statSync(p.path("goals/words.md")).mode! & 0o777, 0o600);
  const { goals } = await p.json("_", "state", "--json");
  deepStrictEqual(goals, ["constructor", "dash", "literal", "piped", "playbook-daily", "setup", "words"]);
});

Deno.test("given a goal that is archived twice, when both are done, then both texts are kept", async () => {
  await using p = await testProfile();
  for (const text of ["first", "second", "third"]) {
    await p.ok("_", "goal", "write", "ship", text);
    strictEqual(await p.ok("_", "goal", "archive", "ship"), "archive-goal ship");
  }
  const texts = [...Deno.readDirSync(p.path("goals/archive"))].map(({ name }) =>
    p.read(`goals/archive/${name}`)
  );
  deepStrictEqual(texts.sort(), ["first\n", "second\n", "third\n"]);
  match(
    (await p.run("_", "goal", "archive", "ship")).stderr,
    /There is no goal "ship"; `looop _ state` lists/,
  );
});

Deno.test("given a goal written and rewritten, when nothing changes, then the journal tells only what changed", async () => {
  await using p = await testProfile();
  strictEqual(await p.ok("_", "goal", "write", "g", "text"), "write-goal g");
  strictEqual(await p.ok("_", "goal", "write", "g", "text"), "write-goal g (unchanged)");
  await p.ok("_", "goal", "write", "g", "other", "--journal", "because");
  await p.run("_", "goal", "archive", "ghost");
  const lines = p.read("journal.md").trim().split("\n").map((line) =>
    line.replace(/^- \d{4}-\d\d-\d\d \d\d:\d\d /, "")
  );
  deepStrictEqual(lines, [
    "write-goal g [hand]",
    "because [hand]",
    'failed: goal archive: There is no goal "ghost" [hand]',
  ]);
  const activity = JSON.parse(p.read(".goal-activity.json"));
  strictEqual(Math.abs(activity.g - Date.now() / 1000) < 60, true);
});

Deno.test("given a goal file that is a link, when it is written, then the link is replaced and its target stays", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.writeTextFileSync(`${p.base}/outside`, "outside");
  Deno.symlinkSync(`${p.base}/outside`, p.path("goals/g.md"));
  await p.ok("_", "goal", "write", "g", "inside");
  deepStrictEqual([p.read("goals/g.md"), Deno.readTextFileSync(`${p.base}/outside`)], [
    "inside\n",
    "outside",
  ]);
});

Deno.test("given a relative data dir, when goals are written from two folders, then each names its own place", async () => {
  await using p = await testProfile();
  Deno.mkdirSync(`${p.base}/a`);
  await p.okCall(["_", "goal", "write", "g", "here"], {
    cwd: `${p.base}/a`,
    env: { LOOOP_DATA_DIR: "../data dir" },
  });
  strictEqual(p.read("goals/g.md"), "here\n");
});

Deno.test("given goals and sensors that no verb wrote, when the state is read, then links count and odd names are told", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const outside = `${p.base}/linked.md`;
  Deno.writeTextFileSync(outside, "# elsewhere\n");
  Deno.symlinkSync(outside, p.path("goals/linked.md"));
  Deno.symlinkSync(`${p.base}/nothing`, p.path("goals/dangling.md"));
  Deno.writeTextFileSync(p.path("goals/ship it.md"), "# ship it\n");
  writeExecutable(p.path("sensors/my prs.sh"), "#!/bin/sh\necho 1\n");
  const told = ["goals/dangling.md", "goals/ship it.md", "sensors/my prs.sh"].map((name) => p.path(name));
  for (const pulse of [false, true]) {
    if (pulse) await p.ok("up");
    const state = await p.json("_", "state", "--json");
    deepStrictEqual(state.goals, ["linked", "playbook-daily", "setup"]);
    deepStrictEqual(state.bad_files.map((file: { path: string }) => file.path).sort(), told);
  }
  const before = (await p.json("_", "state", "--json")).world_hash;
  Deno.writeTextFileSync(outside, "# elsewhere, rewritten\n");
  await p.until(
    "the goal behind the link counts",
    async () => (await p.json("_", "state", "--json")).world_hash !== before,
  );
});
