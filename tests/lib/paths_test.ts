import { ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { UserError } from "../../lib/errors.ts";
import { absolute, baseName, dirName, profileAt, profileFrom } from "../../lib/paths.ts";
import { RUNS } from "../properties.ts";

Deno.test("given variables for the data dir, when its path is chosen, then the first that counts wins", () => {
  const env = { LOOOP_DATA_DIR: "/d", XDG_STATE_HOME: "/x", HOME: "/h" };
  strictEqual(profileFrom(env, "/cwd").dir, "/d");
  strictEqual(profileFrom({ ...env, LOOOP_DATA_DIR: "" }, "/cwd").dir, "/x/looop");
  strictEqual(profileFrom({ XDG_STATE_HOME: "/x/", HOME: "/h" }, "/cwd").dir, "/x/looop");
  strictEqual(profileFrom({ XDG_STATE_HOME: "relative", HOME: "/h" }, "/cwd").dir, "/h/.local/state/looop");
  strictEqual(profileFrom({ HOME: "/h/" }, "/cwd").dir, "/h/.local/state/looop");
  throws(() => profileFrom({}, "/cwd"), UserError);
});

Deno.test("given relative variables, when the profile is chosen, then its paths are absolute", () => {
  const profile = profileFrom({ LOOOP_DATA_DIR: "a/../b", LOOOP_CONFIG: "./c.json" }, "/cwd");
  strictEqual(profile.dir, "/cwd/b");
  strictEqual(profile.config, "/cwd/c.json");
  strictEqual(profileFrom({ LOOOP_DATA_DIR: "/d" }, "/cwd").config, "/d/config.json");
});

Deno.test("given any path, when it is made absolute, then it has no dots, and doing it again changes nothing", () => {
  const part = fc.constantFrom("a", "b c", ".", "..", "", "…");
  fc.assert(
    fc.property(fc.array(part), fc.boolean(), (parts, rooted) => {
      const path = absolute((rooted ? "/" : "") + parts.join("/"), "/home/me");
      ok(path.startsWith("/"));
      ok(!path.split("/").slice(1).some((p) => p === "." || p === ".." || (p === "" && path !== "/")), path);
      strictEqual(absolute(path, "/elsewhere"), path);
      if (path !== "/") strictEqual(absolute(`${dirName(path)}/${baseName(path)}`, "/"), path);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given a data dir, when its paths are listed, then all but the config are below it", () => {
  const profile = profileAt("/d", "/etc/looop.json");
  for (const [name, path] of Object.entries(profile)) {
    if (name === "config" || name === "dir") continue;
    ok(path.startsWith("/d/"), `${name}: ${path}`);
  }
});
