import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { fileText } from "../workers.ts";

Deno.test("given a playbook, when it is written, then the old text is kept and the new one ends in a newline", async () => {
  await using p = await testProfile();
  await p.ok("_", "playbook", "write", "first");
  await p.okCall(["_", "playbook", "write"], { stdin: "# second\n\nwith lines\n" });
  strictEqual(p.read("PLAYBOOK.md"), "# second\n\nwith lines\n");
  await p.okCall(["_", "playbook", "write", "-"], { stdin: "third" });
  strictEqual(p.read("PLAYBOOK.md"), "third\n");
  const kept = [...Deno.readDirSync(p.path("playbook.d"))].map((entry) => entry.name).sort();
  deepStrictEqual(kept.slice(1).map((name) => p.read(`playbook.d/${name}`)), [
    "first\n",
    "# second\n\nwith lines\n",
  ]);
  match(p.read(`playbook.d/${kept[0]}`), /^#/, "the seeded one is kept too");
});

Deno.test("given stdin that is empty, blank or closed, when the playbook is written, then it is refused and stays whole", async () => {
  await using p = await testProfile();
  await p.ok("_", "playbook", "write", "precious");
  for (const stdin of ["", "\n", "  \n\t", undefined]) {
    const result = await p.call(["_", "playbook", "write"], stdin === undefined ? {} : { stdin });
    deepStrictEqual([result.code, result.stdout], [2, ""]);
    match(result.stderr, /The playbook is empty; nothing was changed/);
  }
  strictEqual(p.read("PLAYBOOK.md"), "precious\n");
});

Deno.test("given words that look like options, when the playbook is written, then --help helps and -- takes the rest as text", async () => {
  await using p = await testProfile();
  await p.ok("_", "playbook", "write", "precious");
  match(await p.ok("_", "playbook", "write", "--help"), /playbook write/);
  strictEqual((await p.run("_", "playbook", "write", "--force")).code, 2);
  strictEqual(p.read("PLAYBOOK.md"), "precious\n");
  await p.ok("_", "playbook", "write", "--", "--help", "-x");
  strictEqual(p.read("PLAYBOOK.md"), "--help -x\n");
});

Deno.test("given the same text, when it is written again, then no file and no journal line is written", async () => {
  await using p = await testProfile();
  await p.ok("_", "playbook", "write", "same");
  const [journal, inode] = [p.read("journal.md"), Deno.statSync(p.path("PLAYBOOK.md")).ino];
  strictEqual(await p.ok("_", "playbook", "write", "same\n"), "write-playbook (unchanged)");
  deepStrictEqual([p.read("journal.md"), Deno.statSync(p.path("PLAYBOOK.md")).ino], [journal, inode]);
});

Deno.test("given a profile in use, when policy files are moved away, then nothing is seeded over what is there", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  await p.ok("_", "goal", "write", "setup", "my own setup");
  Deno.removeSync(p.path("PLAYBOOK.md"));
  Deno.removeSync(p.path("goals/playbook-daily.md"));
  Deno.removeSync(p.path("config.json"));
  Deno.writeTextFileSync(p.path("sensors/today.sh"), "#!/bin/sh\necho mine\n");
  await p.ok("_", "state");
  strictEqual(p.read("goals/setup.md"), "my own setup\n");
  strictEqual(p.read("sensors/today.sh"), "#!/bin/sh\necho mine\n");
  strictEqual(fileText(p, "PLAYBOOK.md"), "");
  strictEqual(fileText(p, "goals/playbook-daily.md"), "");
  ok(fileText(p, "config.json") !== "", "a missing config is written at any time");
});

Deno.test("given more playbooks than are kept, when another is written, then the oldest go", async () => {
  await using p = await testProfile();
  await p.ok("_", "playbook", "write", "current");
  for (let n = 0; n < 25; n++) {
    const name = `playbook.d/2020-01-${String(n + 1).padStart(2, "0")}T00-00-00.000Z.md`;
    Deno.writeTextFileSync(p.path(name), `old ${n}\n`);
  }
  await p.ok("_", "playbook", "write", "next");
  const kept = [...Deno.readDirSync(p.path("playbook.d"))].map((entry) => entry.name).sort();
  strictEqual(kept.length, 20);
  strictEqual(p.read(`playbook.d/${kept.at(-1)}`), "current\n");
});
