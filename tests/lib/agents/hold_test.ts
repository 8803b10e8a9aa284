import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { HOLD_PLUGIN, OPENCODE_CONFIG } from "../../../lib/process/child_env.ts";
import { prepareHold } from "../../../lib/agents/hold.ts";
import { exists } from "../../../lib/store.ts";

/** A session's folder whose name must be escaped in a URL. */
async function sessionFolder(): Promise<string> {
  const dir = `${await Deno.makeTempDir({ prefix: "looop hold " })}/a #1?`;
  Deno.mkdirSync(dir);
  return dir;
}

/** The plugins in opencode's config. */
function pluginsOf(env: Record<string, string>): string[] {
  return JSON.parse(env[OPENCODE_CONFIG] ?? "{}").plugin;
}

type Plugin = () => Promise<{ "chat.params"?: () => Promise<void> }>;

Deno.test("given an agent, when it is held, then only opencode gets the plugin, beside its user's own settings", async () => {
  const dir = await sessionFolder();
  deepStrictEqual(prepareHold(dir, "pi", {}), {});
  deepStrictEqual(prepareHold(dir, undefined, {}), {});
  strictEqual(exists(`${dir}/${HOLD_PLUGIN}`), false);
  const [url, ...more] = pluginsOf(prepareHold(dir, "opencode", {}));
  deepStrictEqual(more, []);
  strictEqual(new URL(url ?? "").pathname.split("/").at(-1), HOLD_PLUGIN);
  const mine = prepareHold(dir, "opencode", { [OPENCODE_CONFIG]: '{"model":"m","plugin":["mine"]}' });
  deepStrictEqual(JSON.parse(mine[OPENCODE_CONFIG] ?? ""), { model: "m", plugin: ["mine", url] });
  deepStrictEqual(
    pluginsOf(prepareHold(`${dir}/../a #1?`, "opencode", mine)).length,
    2,
    "an outer one is gone",
  );
  deepStrictEqual(prepareHold(dir, "opencode", { [OPENCODE_CONFIG]: "{ // not for looop" }), {});
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("given the plugin, when the worker calls its end, then its first process makes no further request, but others may", async () => {
  const dir = await sessionFolder();
  const [url] = pluginsOf(prepareHold(dir, "opencode", {}));
  const { Looop } = await import(url ?? "") as { Looop: Plugin };
  const first = (await Looop())["chat.params"];
  await first?.();
  ok((await Looop())["chat.params"] !== undefined, "loaded anew in the same process");
  Deno.writeTextFileSync(`${dir}/end`, "exited self\n");
  let asked = false;
  first?.().then(() => asked = true);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `const { Looop } = await import(Deno.args[0]); console.log(Object.keys(await Looop()).length)`,
      url ?? "",
    ],
  });
  strictEqual(new TextDecoder().decode((await child.output()).stdout).trim(), "0");
  strictEqual(exists(`${dir}/held`), true);
  strictEqual(asked, false);
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("given a session's folder that is gone, when the plugin is loaded, then the agent works without it", async () => {
  const dir = await sessionFolder();
  const [url] = pluginsOf(prepareHold(dir, "opencode", {}));
  const { Looop } = await import(url ?? "") as { Looop: Plugin };
  Deno.removeSync(dir, { recursive: true });
  deepStrictEqual(await Looop(), {});
});
