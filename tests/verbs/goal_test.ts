import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { writeExecutable } from "../executable.ts";
import { testProfile } from "../looop.ts";

Deno.test("given a goal, when it is written in any way, then its file holds the text and ends in a newline", async () => {
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

Deno.test("given a goal written again and again, when some writes change nothing, then the journal has only the changes", async () => {
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

Deno.test("given policy files that are links, when they are written and undone, then what they lead to is, unless others can write it", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const kept = `${p.base}/dotfiles`;
  Deno.mkdirSync(kept);
  const script = (n: number) => `#!/bin/sh\necho ${n}\n`;
  const policies: [string, string[], string, string][] = [
    ["goals/g.md", ["goal", "g"], "old\n", "new\n"],
    ["PLAYBOOK.md", ["playbook"], "old\n", "new\n"],
    ["sensors/s.sh", ["sensor", "s"], script(1), script(2)],
  ];
  for (const [name, [kind = "", ...id], before, after] of policies) {
    const target = `${kept}/${name.replace("/", "-")}`;
    Deno.writeTextFileSync(target, before, { mode: 0o644 });
    if (name === "PLAYBOOK.md") Deno.removeSync(p.path(name));
    Deno.symlinkSync(target, p.path(name));
    await p.okCall(["_", kind, "write", ...id], { stdin: after });
    deepStrictEqual([Deno.readTextFileSync(target), Deno.lstatSync(p.path(name)).isSymlink], [after, true]);
    strictEqual((Deno.statSync(target).mode ?? 0) & 0o777, kind === "sensor" ? 0o744 : 0o644);
    await p.ok("_", "undo", kind, ...id);
    deepStrictEqual([Deno.readTextFileSync(target), Deno.lstatSync(p.path(name)).isSymlink], [before, true]);
    Deno.chmodSync(target, 0o666);
    const { code, stderr } = await p.call(["_", kind, "write", ...id], { stdin: after });
    deepStrictEqual([code, /is a link to ".*", which can be written by others \(mode 666\)/.test(stderr)], [
      1,
      true,
    ], stderr);
    strictEqual(Deno.readTextFileSync(target), before);
  }
});

Deno.test("given folders of the profile that are links, when it is used, then links to people's files are followed and links to looop's files are refused", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const link = (name: string, mode: number) => {
    const target = `${p.base}/kept-${name}`;
    Deno.renameSync(p.path(name), target);
    Deno.chmodSync(target, mode);
    Deno.symlinkSync(target, p.path(name));
    return target;
  };
  const unlink = (name: string, target: string) => {
    Deno.removeSync(p.path(name));
    Deno.renameSync(target, p.path(name));
  };
  link("goals", 0o755);
  await p.ok("_", "goal", "write", "g", "text");
  strictEqual(Deno.readTextFileSync(`${p.base}/kept-goals/g.md`), "text\n");
  for (
    const [name, mode, why] of [
      ["sensors", 0o777, "can be written by others \\(mode 777\\)"],
      ["asks", 0o700, "is not in the data dir"],
      ["sessions", 0o700, "is not in the data dir"],
      [".lock", 0o700, "is not in the data dir"],
    ] as const
  ) {
    const target = link(name, mode);
    for (const call of [["_", "state"], ["_", "goal", "write", "g", "other"], ["up"]]) {
      const { code, stderr } = await p.run(...call);
      deepStrictEqual([code, new RegExp(`${name}" is a link to a folder that ${why}`).test(stderr)], [
        1,
        true,
      ], stderr);
    }
    strictEqual((await p.run("down")).code, 0, "nobody is kept from ending all");
    unlink(name, target);
  }
});

Deno.test("given a relative data dir, when a goal is written from another folder, then it is relative to that folder", async () => {
  await using p = await testProfile();
  Deno.mkdirSync(`${p.base}/a`);
  await p.okCall(["_", "goal", "write", "g", "here"], {
    cwd: `${p.base}/a`,
    env: { LOOOP_DATA_DIR: "../data dir" },
  });
  strictEqual(p.read("goals/g.md"), "here\n");
});

Deno.test("given goals and sensors that no verb wrote, when the state is read, then links and names with blanks count and dangling links are reported", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const outside = `${p.base}/linked.md`;
  Deno.writeTextFileSync(outside, "# elsewhere\n");
  Deno.symlinkSync(outside, p.path("goals/linked.md"));
  Deno.symlinkSync(`${p.base}/nothing`, p.path("goals/dangling.md"));
  Deno.writeTextFileSync(p.path("goals/ship it.md"), "# ship it\n");
  Deno.writeTextFileSync(p.path("goals/two\nlines.md"), "# no name\n");
  writeExecutable(p.path("sensors/my prs.sh"), "#!/bin/sh\necho 1\n");
  const told = ["goals/dangling.md", "goals/two\nlines.md"].map((name) => p.path(name));
  for (const pulse of [false, true]) {
    if (pulse) await p.ok("up");
    const state = await p.json("_", "state", "--json");
    deepStrictEqual(state.goals, ["linked", "playbook-daily", "setup", "ship it"]);
    deepStrictEqual(state.bad_files.map((file: { path: string }) => file.path).sort(), told);
  }
  const before = (await p.json("_", "state", "--json")).world_hash;
  Deno.writeTextFileSync(outside, "# elsewhere, rewritten\n");
  await p.until(
    "the goal behind the link counts",
    async () => (await p.json("_", "state", "--json")).world_hash !== before,
  );
});
