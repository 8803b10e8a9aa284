import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import type { UserError } from "../../../lib/errors.ts";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { openProfile } from "../../../lib/records/profile.ts";
import { testProfile } from "../../looop.ts";

async function withDir(work: (profile: Profile) => void): Promise<void> {
  const base = await Deno.makeTempDir({ prefix: "looop profile " });
  try {
    work(profileAt(`${base}/deep/data`));
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

/** Mode and text of everything below a folder, by path. */
function contents(dir: string, prefix = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const entry of [...Deno.readDirSync(dir)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${dir}/${entry.name}`;
    const mode = ((Deno.statSync(path).mode ?? 0) & 0o777).toString(8);
    all.set(`${prefix}${entry.name}`, entry.isDirectory ? mode : `${mode} ${Deno.readTextFileSync(path)}`);
    if (entry.isDirectory) {
      for (const [name, text] of contents(path, `${prefix}${entry.name}/`)) all.set(name, text);
    }
  }
  return all;
}

Deno.test("given no data dir, when it is opened, then all of it is this user's alone, and opening again changes nothing", () =>
  withDir((profile) => {
    openProfile(profile);
    strictEqual((Deno.statSync(profile.dir).mode ?? 0) & 0o777, 0o700);
    const before = contents(profile.dir);
    for (const [name, text] of before) match(text, /^(600|700)\b/, name);
    ok(before.get("sensors/today.sh")?.startsWith("700 "));
    openProfile(profile);
    deepStrictEqual(contents(profile.dir), before);
  }));

Deno.test("given a data dir that was opened before, when its seeds are gone, then they stay gone", () =>
  withDir((profile) => {
    openProfile(profile);
    for (
      const path of [profile.playbook, `${profile.goals}/setup.md`, `${profile.goals}/playbook-daily.md`]
    ) Deno.removeSync(path);
    Deno.removeSync(`${profile.sensors}/today.sh`);
    Deno.removeSync(profile.config);
    openProfile(profile);
    const names = [...contents(profile.dir).keys()];
    ok(names.includes("config.json"));
    deepStrictEqual(names.filter((name) => /PLAYBOOK|goals\/|sensors\//.test(name)), []);
  }));

Deno.test("given a config elsewhere, when the profile is opened, then it is written there and only there", () =>
  withDir((profile) => {
    Deno.mkdirSync(profile.dir, { recursive: true, mode: 0o700 });
    const elsewhere = profileAt(profile.dir, `${profile.dir}/../my.json`);
    openProfile(elsewhere);
    ok(Deno.statSync(elsewhere.config).isFile);
    ok(!contents(profile.dir).has("config.json"));
  }));

Deno.test("given a data dir in each unusable state, when it is opened, then it is refused in one line that says what to do", () =>
  withDir((profile) => {
    const refused = (says: RegExp) =>
      throws(() => openProfile(profile), (error: UserError) => {
        match(error.message, says);
        ok(error.next !== undefined && error.code === 1);
        return true;
      });
    openProfile(profile);
    for (const format of ["2", "1.5", "x", "-1"]) {
      Deno.writeTextFileSync(profile.format, format);
      refused(new RegExp(`has format "${format}"`));
    }
    Deno.writeTextFileSync(profile.format, "1\n");
    for (const mode of [0o777, 0o720, 0o702]) {
      Deno.chmodSync(profile.dir, mode);
      refused(/can be written by others/);
    }
    Deno.removeSync(profile.dir, { recursive: true });
    Deno.writeTextFileSync(profile.dir, "");
    refused(/is not a folder/);
  }));

Deno.test("given an empty profile, when several verbs open it at once, then it is seeded once and whole", async () => {
  await using p = await testProfile();
  const replies = await Promise.all(Array.from({ length: 5 }, () => p.run("_", "state", "--json")));
  for (const { code, stderr } of replies) deepStrictEqual([code, stderr], [0, ""]);
  const seeded = contents(p.profile.dir);
  strictEqual(seeded.get(".format"), "600 1\n");
  match(seeded.get("goals/setup.md") ?? "", /Interview the human/);
  match(seeded.get("config.json") ?? "", /\}\n$/);
  deepStrictEqual([...seeded.keys()].filter((name) => name.includes(".tmp-") || name.includes("~")), []);
});
