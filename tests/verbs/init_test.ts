import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";

/** A PATH with the machine's shell tools and fake programs, which are only looked up. */
function pathWith(p: TestProfile, ...programs: string[]): Record<string, string> {
  Deno.mkdirSync(`${p.base}/bin`, { recursive: true });
  for (const name of programs) {
    Deno.writeTextFileSync(`${p.base}/bin/${name}`, "#!/bin/sh\n", { mode: 0o755 });
  }
  return { PATH: `${p.base}/bin` };
}

Deno.test("given a fresh profile, when init names a runner twice, then config.json has it once and keeps its comments", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const before = p.read("config.json");
  match(await p.ok("init", "--runner", "shell"), /workers are started with shell, no longer pi/);
  const after = p.read("config.json");
  strictEqual(after, before.replace('"default": "pi"', '"default": "shell"'));
  match(await p.ok("init", "--runner", "shell"), /with shell already/);
  strictEqual(p.read("config.json"), after);
});

Deno.test("given a config of one's own without a default, when init writes it, then nothing else is touched", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const own =
    '// mine\n{\n  "interval": 5, // quick\n  "runners": { "pi": { "interactive": "mypi {{prompt_file}}" } },\n}\n';
  Deno.writeTextFileSync(p.profile.config, own);
  await p.ok("init", "--runner", "shell");
  const after = p.read("config.json");
  strictEqual(after.replace(/\s*"default": "shell",/, ""), own);
});

Deno.test("given a config that is a link, when init writes it, then the file that it leads to has the choice", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const kept = `${p.base}/dotfiles.json`;
  Deno.renameSync(p.profile.config, kept);
  Deno.chmodSync(kept, 0o644);
  Deno.symlinkSync(kept, p.profile.config);
  await p.ok("init", "--runner", "shell");
  match(Deno.readTextFileSync(kept), /"default": "shell"/);
  strictEqual(Deno.lstatSync(p.profile.config).isSymlink, true);
  strictEqual((Deno.statSync(kept).mode ?? 0) & 0o777, 0o644);
});

Deno.test("given installed agents, when init chooses, then it takes the first, and without any it fails with a way out", async () => {
  await using p = await testProfile();
  const env = pathWith(p, "codex");
  match(await p.okCall(["init"], { env }), /started with codex, no longer pi/);
  Deno.removeSync(`${p.base}/bin/codex`);
  const { code, stderr } = await p.call(["init"], { env });
  strictEqual(code, 1);
  match(
    stderr,
    /None of pi, claude, codex, opencode, gemini, qwen, copilot is on PATH; install one, e\.g\. with `npm install/,
  );
});

Deno.test("given a runner that nobody knows, when init names it, then the nearest is offered and nothing is written", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const before = p.read("config.json");
  const { code, stderr } = await p.run("init", "--runner", "cluade");
  strictEqual(code, 2);
  match(stderr, /did you mean "claude"/);
  strictEqual(p.read("config.json"), before);
});

Deno.test("given an agent that looop does not know, when it is chosen, then the message says how to write it down", async () => {
  await using p = await testProfile();
  const { code, stderr } = await p.run("init", "--runner", "crusher");
  strictEqual(code, 2);
  match(
    stderr,
    /Unknown runner "crusher".*"runners": \{"crusher": \{"interactive": "crusher \{\{prompt_file\}\}"\}\}/,
  );
  match(stderr, /`looop help config`/);
  match(await p.ok("help") + await p.ok("help", "config"), /\{\{session_id\}\}[^]*"resume"[^]*"headless"/);
});

Deno.test("given an agent whose CLI reads skills, when one is asked for, then the user's folder has it, from the same source as help", async () => {
  await using p = await testProfile();
  for (const agent of ["pi", "claude", "codex", "opencode", "gemini", "qwen", "copilot"]) {
    const path = /^wrote (.*\/looop\/SKILL\.md)/.exec(await p.ok("init", "--skill", agent))?.[1] ?? "";
    ok(path.startsWith(p.env["HOME"] ?? ""), path);
    const text = Deno.readTextFileSync(path);
    match(text, /^---\nname: looop\ndescription: [^\n]{20,200}\n/);
    ok(text.endsWith(`${await p.ok("help")}\n`), "the same as help");
    ok(text.split("\n").length < 100, `${text.split("\n").length} lines`);
    strictEqual(/^hooks:$/m.test(text), ["claude", "qwen"].includes(agent));
  }
  const { code, stderr } = await p.run("init", "--skill", "aider");
  strictEqual(code, 2);
  match(stderr, /No skills of "aider" are known/);
});

Deno.test("given the reminders of claude's skill and gemini's hook, when a turn ends, then they remind only a root agent, while a question is open, and once", async () => {
  await using p = await testProfile();
  const home = p.env["HOME"] ?? "";
  const record = `${p.base}/record.jsonl`;
  const read = async (cli: string, path: string) => {
    await p.ok("init", "--skill", cli);
    return JSON.parse(/"?command"?: (".*")$/m.exec(Deno.readTextFileSync(`${home}/${path}`))?.[1] ?? '""');
  };
  const claude = await read("claude", ".claude/skills/looop/SKILL.md");
  const gemini = await read("gemini", ".gemini/extensions/looop/hooks/hooks.json");
  const turnEnds = async (command: string, stop_hook_active = false, env: Record<string, string> = {}) => {
    const child = new Deno.Command("sh", { args: ["-c", command], env, stdin: "piped", stderr: "piped" })
      .spawn();
    const writer = child.stdin.getWriter();
    const input = JSON.stringify({ transcript_path: record, prompt: 'a "quote"', stop_hook_active });
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { code, stderr } = await child.output();
    return [code, new TextDecoder().decode(stderr) !== ""];
  };
  Deno.writeTextFileSync(record, '{"command":"looop _ wait --json"}\n');
  for (const command of [claude, gemini]) deepStrictEqual(await turnEnds(command), [0, false]);
  await p.run("_", "ask", "w1", "--prompt", "Now?", "--timeout", "0.05");
  for (const command of [claude, gemini]) {
    deepStrictEqual(await turnEnds(command), [2, true]);
    deepStrictEqual(await turnEnds(command, true), [0, false]);
  }
  deepStrictEqual(await turnEnds(gemini, false, { LOOOP_SESSION_ID: "w1" }), [0, false]);
  Deno.writeTextFileSync(record, '{"command":"ls"}\n');
  deepStrictEqual(await turnEnds(gemini), [0, false]);
});
