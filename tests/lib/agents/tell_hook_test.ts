import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { prepareHold } from "../../../lib/agents/hold.ts";
import { tellHookPath, withTellHook, writeTellHook } from "../../../lib/agents/tell_hook.ts";
import { OPENCODE_CONFIG } from "../../../lib/process/child_env.ts";
import { writeExecutable } from "../../executable.ts";

/** Runs `work` in a worker's surroundings with a looop that prints its arguments, then removes them. */
async function setting(work: (dir: string, env: Record<string, string>) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "looop-hook-" });
  Deno.mkdirSync(`${dir}/tells/w1`, { recursive: true });
  writeExecutable(`${dir}/looop`, '#!/bin/sh\necho "said $*"\n');
  const env = { LOOOP_BIN: `${dir}/looop`, LOOOP_DATA_DIR: dir, LOOOP_SESSION_ID: "w1" };
  try {
    await work(dir, env);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** A program's stdout, trimmed. */
async function printed(argv: string[], env: Record<string, string>): Promise<string> {
  const [program = "", ...args] = argv;
  const { stdout, stderr, code } = await new Deno.Command(program, { args, env, stdin: "null" }).output();
  const text = new TextDecoder();
  if (code !== 0) throw new Error(text.decode(stderr));
  return text.decode(stdout).trim();
}

Deno.test("given templates, when the hook's words are added, then they come after the program, and a user's own option stays", () => {
  const cases: [string, string | undefined, string][] = [
    ["A=1 claude 'x' --model y", "claude", "A=1 claude --settings {{tell_hook}} 'x' --model y"],
    ["claude --settings mine.json x", "claude", "claude --settings mine.json x"],
    ["codex x", "codex", "codex x"],
    ["./run pi", "pi", "./run pi"],
    ["mine", undefined, "mine"],
  ];
  for (const [template, preset, wired] of cases) {
    strictEqual(withTellHook(template, preset, ""), wired);
  }
});

Deno.test("given a pi that can load extensions and one that cannot, when the hook's words are added, then only the first gets them", async () => {
  await setting(async (dir) => {
    const cli = `${dir}/lib/node_modules/@x/pi/dist/cli.js`;
    Deno.mkdirSync(`${dir}/lib/node_modules/@x/pi/dist`, { recursive: true });
    Deno.mkdirSync(`${dir}/linked`);
    Deno.writeTextFileSync(cli, "");
    Deno.chmodSync(cli, 0o755);
    await Deno.symlink(cli, `${dir}/linked/pi`);
    Deno.mkdirSync(`${dir}/launched`);
    writeExecutable(`${dir}/launched/pi`, `#!/bin/sh\nexec "/usr/bin/node" "${cli}" "$@"\n`);
    Deno.mkdirSync(`${dir}/twice`);
    writeExecutable(`${dir}/twice/pi`, `#!/bin/sh\nexec '${dir}/launched/pi' "$@"\n`);
    const wired = () =>
      ["linked", "launched", "twice", "nowhere"].map((bin) => withTellHook("pi @x", "pi", `${dir}/${bin}`));
    deepStrictEqual(wired(), Array(4).fill("pi @x"));
    Deno.mkdirSync(`${dir}/lib/node_modules/jiti`);
    const given = "pi --extension {{tell_hook}} @x";
    deepStrictEqual(wired(), [given, given, given, "pi @x"]);
  });
});

Deno.test("given claude's hook, when its line runs after a tool call, then it calls looop only if something was told", async () => {
  await setting(async (dir, env) => {
    writeTellHook("claude {{tell_hook}}", "claude", dir);
    const settings = JSON.parse(Deno.readTextFileSync(tellHookPath("claude", dir)));
    const { command } = settings.hooks.PostToolUse[0].hooks[0];
    strictEqual(await printed(["/bin/sh", "-c", command], env), "");
    for (const name of ["1.json", "1.taken"]) {
      Deno.writeTextFileSync(`${dir}/tells/w1/${name}`, "{}");
      strictEqual(await printed(["/bin/sh", "-c", command], env), "said _ told w1 --hook claude");
      Deno.removeSync(`${dir}/tells/w1/${name}`);
    }
    Deno.writeTextFileSync(`${dir}/tells/w1/1.done`, "{}");
    strictEqual(await printed(["/bin/sh", "-c", command], env), "");
  });
});

/** Programs that load looop's module as each agent does, and print a tool call's result before and after a tell. */
const DRIVERS = {
  pi: `const { default: extension } = await import(Deno.args[0]);
    let handler;
    extension({ on: (name, handle) => name === "tool_result" && (handler = handle) });
    const call = async () => (await handler({ content: [{ type: "text", text: "ok" }] }))?.content.at(-1).text ?? "-";`,
  opencode: `const { Looop } = await import(Deno.args[0]);
    const hooks = await Looop();
    const call = async () => {
      const result = { output: "ok" };
      await hooks["tool.execute.after"]({}, result);
      await hooks["tool.execute.after"]({}, { content: [] });
      return result.output === "ok" ? "-" : result.output.split("\\n").at(-1);
    };`,
};

for (const [cli, driver] of Object.entries(DRIVERS)) {
  Deno.test(`given ${cli}'s hook, when a tool call ends, then its result has the told text, and without one is unchanged`, async () => {
    await setting(async (dir, env) => {
      const config = prepareHold(dir, cli, {})[OPENCODE_CONFIG];
      writeTellHook("{{tell_hook}}", cli, dir);
      const url = config === undefined ? `file://${tellHookPath(cli, dir)}` : JSON.parse(config).plugin[0];
      const script = `${driver}
        console.log(await call());
        Deno.writeTextFileSync(Deno.args[1], "{}");
        console.log(await call());`;
      const argv = [Deno.execPath(), "eval", script, url.replaceAll(" ", "%20"), `${dir}/tells/w1/1.json`];
      const lines = (await printed(argv, env)).split("\n");
      deepStrictEqual(lines, ["-", `said _ told w1 --hook ${cli}`]);
    });
  });
}
