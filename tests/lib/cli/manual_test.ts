import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { CONFIG_DOC } from "../../../lib/cli/config_doc.ts";
import { CONFIG_KEYS, parseConfig } from "../../../lib/records/config.ts";
import { EXIT_MEANING } from "../../../lib/errors.ts";
import { seedConfig } from "../../../lib/records/seed.ts";
import type { Declaration } from "../../../lib/cli/verb.ts";
import { okHere } from "../../in_process.ts";
import { testProfile } from "../../looop.ts";

Deno.test("given the config's schema, when it is compared with its documentation, then both have the same keys", () => {
  deepStrictEqual(CONFIG_DOC.map(([key]) => key).sort(), [...CONFIG_KEYS].sort());
});

Deno.test("given the seeded config, when it is read, then it is valid, has no warning and says the defaults", () => {
  const { config, warnings } = parseConfig(seedConfig());
  deepStrictEqual(warnings, []);
  const { runners: _runners, ...seeded } = config;
  const { runners: _none, ...defaults } = parseConfig("{}").config;
  deepStrictEqual(seeded, defaults);
});

Deno.test("given the manual, when it is read, then every verb, exit code and config key is in it, and no line is too wide", async () => {
  await using p = await testProfile();
  const manual = await p.ok("help", "all");
  const declarations: Declaration[] = await p.json("help", "--json");
  ok(declarations.length > 20);
  for (const { path } of declarations) match(manual, new RegExp(`^  looop ${path} `, "m"), path);
  for (const [code] of EXIT_MEANING) match(manual, new RegExp(`^ +${code}  `, "m"));
  for (const [key] of CONFIG_DOC) match(manual, new RegExp(`^  ${key} `, "m"));
  // The command that starts looop here is as long as the path of this machine's deno.
  const wide = manual.split("\n").filter((line) => line.length > 160 && !line.includes(Deno.execPath()));
  deepStrictEqual(wide, []);
});

Deno.test("given each verb, when its help is asked for in both ways, then it has usage, options and an example", async () => {
  await using p = await testProfile();
  const declarations: Declaration[] = await p.json("help", "--json");
  for (const declare of declarations) {
    // `help config` is the page of the keys.
    if (declare.path === "config") continue;
    const words = declare.path.split(" ");
    const page = await okHere(p, "help", ...words);
    strictEqual(await okHere(p, ...words, "--help"), page, declare.path);
    ok(page.startsWith(`looop ${declare.path}`), declare.path);
    match(page, /^Example: /m);
    for (const option of declare.options ?? []) {
      ok(page.includes(`--${option.name}`), `${declare.path} --${option.name}`);
    }
  }
});

Deno.test("given what a root agent reads, when it is measured, then it is under 7000 bytes and names every reason and no removed option", async () => {
  await using p = await testProfile();
  const help = await p.ok("help");
  ok(new TextEncoder().encode(help).length < 7_000);
  const reasons =
    "first fresh session ask: signal: goal: policy worker: not_ready: silent: interrupted: goal_idle: " +
    "schedule: host: limited: flapping: bad_file: config pulse_down pulse_failing pulse_stalled down";
  for (const reason of reasons.split(" ")) ok(help.includes(reason), reason);
  ok(help.indexOf("--fresh") < help.indexOf("--timeout"), "the contract begins with --fresh");
  ok(help.includes(p.profile.dir) && !help.includes("max-bytes"));
});

Deno.test("given a person who types looop alone, when the page comes, then it is under 24 lines; config and files have pages", async () => {
  await using p = await testProfile();
  const page = await p.ok();
  ok(page.split("\n").length < 24);
  match(page, /looop up .*\n/);
  const keys = await p.ok("help", "config");
  for (const [key] of CONFIG_DOC) match(keys, new RegExp(`^  ${key} `, "m"));
  match(await p.ok("help", "files"), /PLAYBOOK\.md/);
});
