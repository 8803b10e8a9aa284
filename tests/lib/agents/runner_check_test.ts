import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { permissionWarnings, runnerWarnings } from "../../../lib/agents/runner_check.ts";
import { dialogOn, judgeScreen, withoutPrompt } from "../../../lib/workers/runner_trial.ts";
import { presetNamed, RUNNER_PRESETS } from "../../../lib/records/presets.ts";

const ENV = { HOME: "/h" };
const trusted = { hasCompletedOnboarding: true, projects: { "/h/code": { hasTrustDialogAccepted: true } } };

function claude(
  state: unknown,
  more: { template?: string; cwd?: string; env?: Record<string, string>; settings?: unknown; mcp?: string } =
    {},
) {
  const files: Record<string, string> = {
    "/h/.claude.json": JSON.stringify(state),
    "/h/.claude/settings.json": JSON.stringify(more.settings ?? {}),
    ...(more.mcp === undefined ? {} : { "/h/code/x/.mcp.json": more.mcp }),
  };
  const template = more.template ?? presetNamed("claude")!.interactive;
  const runner = { preset: "claude", template };
  return runnerWarnings(runner, more.cwd ?? "/h/code/x", { ...ENV, ...more.env }, (path) => files[path]);
}

Deno.test("given claude's own settings, when a worker would start, then each remaining dialog is reported", () => {
  deepStrictEqual(claude(trusted), []);
  match(claude({})[0] ?? "", /first-run/);
  match(claude(trusted, { cwd: "/h/other" })[0] ?? "", /trust \/h\/other/);
  deepStrictEqual(claude(trusted, { cwd: "/h/other", env: { CLAUDE_CODE_SANDBOXED: "1" } }), []);
  match(claude(trusted, { template: 'claude "$(cat {{prompt_file}})"' })[0] ?? "", /permissions/);
  match(claude(trusted, { template: "claude --dangerously-skip-permissions" })[0] ?? "", /bypass/);
  const settings = {
    skipDangerousModePermissionPrompt: true,
    permissions: { defaultMode: "bypassPermissions" },
  };
  deepStrictEqual(claude(trusted, { template: "claude", settings }), []);
  match(claude(trusted, { env: { ANTHROPIC_API_KEY: "k".repeat(40) } })[0] ?? "", /ANTHROPIC_API_KEY/);
  const approved = { ...trusted, customApiKeyResponses: { approved: ["k".repeat(20)] } };
  deepStrictEqual(claude(approved, { env: { ANTHROPIC_API_KEY: "k".repeat(40) } }), []);
  deepStrictEqual(claude({}, { template: presetNamed("claude")!.headless! }), []);
  match(claude(trusted, { mcp: "{}" })[0] ?? "", /--strict-mcp-config/);
  const answered = { "/h/code/x": { disabledMcpjsonServers: ["files"] } };
  deepStrictEqual(claude({ ...trusted, projects: { ...trusted.projects, ...answered } }, { mcp: "{}" }), []);
  strictEqual(runnerWarnings({ preset: undefined, template: "x" }, "/", {}).length, 0);
});

Deno.test("given a link to claude's settings, as people keep them, when a worker would start, then they are read", async () => {
  const home = await Deno.makeTempDir({ prefix: "looop-linked-" });
  const projects = { [home]: { hasTrustDialogAccepted: true } };
  Deno.writeTextFileSync(`${home}/kept.json`, JSON.stringify({ hasCompletedOnboarding: true, projects }));
  Deno.symlinkSync(`${home}/kept.json`, `${home}/.claude.json`);
  const runner = { preset: "claude", template: presetNamed("claude")!.interactive };
  deepStrictEqual(runnerWarnings(runner, home, { HOME: home }), []);
  await Deno.remove(home, { recursive: true });
});

Deno.test("given codex without a login, when a worker would start, then that is reported", () => {
  const codex = { preset: "codex", template: presetNamed("codex")!.interactive };
  match(runnerWarnings(codex, "/nowhere", ENV, () => undefined)[0] ?? "", /codex login/);
  deepStrictEqual(
    runnerWarnings(codex, "/nowhere", ENV, (path) => path.endsWith("auth.json") ? "{}" : ""),
    [],
  );
});

Deno.test("given the presets' lines, when they are tried without a prompt, then no placeholder is left", () => {
  deepStrictEqual(
    Object.values(RUNNER_PRESETS).map(({ interactive }) => withoutPrompt(interactive)),
    [
      "pi",
      "claude --permission-mode dontAsk --allowedTools Bash Read Write Edit",
      "codex --disable daemon_auto_start -c check_for_update_on_startup=false --dangerously-bypass-approvals-and-sandbox",
      "opencode --auto",
      "gemini --skip-trust --yolo",
      "qwen --yolo",
      "copilot --allow-all --no-auto-update",
      "aider --yes-always --no-check-update --no-show-release-notes",
      "bash",
    ],
  );
});

/** Preset, expected warning, and excerpts of a screen that the real program drew. */
const SCREENS: readonly (readonly [string, RegExp | undefined, string])[] = [
  ["claude", /first-run/, "Let's get started. | Choose the text style that looks best with your terminal"],
  [
    "claude",
    /trust/,
    "Accessing workspace: | Quick safety check: Is this a project you created or one you trust?",
  ],
  [
    "claude",
    /ANTHROPIC_API_KEY/,
    "Detected a custom API key in your environment | Do you want to use this API key?",
  ],
  [
    "claude",
    /bypass mode/,
    "WARNING: Claude Code running in Bypass Permissions mode | ❯ No, exit | Yes, I accept",
  ],
  [
    "claude",
    /refuses/,
    "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons",
  ],
  ["claude", /MCP/, "New MCP server found in this project: files | ❯ Continue without using this MCP server"],
  ["claude", undefined, "❯ | ⏵⏵ don't ask on (shift+tab to cycle) · ← for agents"],
  [
    "codex",
    /login/,
    "Choose how you want to use Codex. | > 1. Sign in with ChatGPT | 2. Sign in with Device Code",
  ],
  [
    "codex",
    /codex asks whether it may trust/,
    "Folder access | /x | Trust this folder? Codex can read, edit, and run",
  ],
  ["codex", undefined, "› Ask Codex to do anything | ? for shortcuts"],
  [
    "pi",
    /pi asks whether it may trust/,
    "Trust project folder? | /x | This allows pi to load .pi settings | → Trust",
  ],
  [
    "pi",
    /no model/,
    "Warning: No models available. Use /login to log into a provider via OAuth or API key. See:",
  ],
  [
    "pi",
    undefined,
    "Warning: ripgrep not found. Offline mode enabled, skipping download. | 0.0%/200k (auto)",
  ],
  [
    "codex",
    /whether to update/,
    "Update available · 0.171.0 → 99.0.0 | › 1. Update now (runs `npm install`) | 2. Skip",
  ],
  [
    "gemini",
    /how to log in/,
    "? Get started | How would you like to authenticate for this project? | ● 1. Sign in with Google",
  ],
  ["gemini", /API key/, "Enter Gemini API Key | Please enter your Gemini API key. | Paste your API key here"],
  ["gemini", /trust/, "Do you trust the files in this folder? | ● 1. Trust folder (work) | 3. Don't trust"],
  ["gemini", /editor/, "> Do you want to connect IDE to Gemini CLI? | ● 1. Yes | 2. No (esc)"],
  ["gemini", /theme/, 'Theme "Nope" not found. | > Select Theme                 Preview | ●  1. ANSI Dark'],
  ["gemini", undefined, "YOLO Ctrl+Y | *   Type your message or @path/to/file"],
  ["qwen", /provider/, "Connect a Provider | › Alibaba ModelStudio | Third-party Providers"],
  ["qwen", /trust/, "Do you trust this folder? | › 1. Trust folder (work) | 3. Don't trust (esc)"],
  ["qwen", /theme/, 'Theme "Nope" not found. | > Select Theme    Preview | ›  1. Auto Auto'],
  [
    "qwen",
    undefined,
    "*   Type your message or @path/to/file | ➜ work · script | YOLO mode (shift + tab to cycle)",
  ],
  ["copilot", /trust/, "Confirm folder trust | /x | Do you trust the files in this folder? | ❯ 1. Yes"],
  [
    "copilot",
    /no login/,
    "Please use /login to sign in to use Copilot | ❯ | / commands · ? help · tab next tab",
  ],
  ["copilot", undefined, "❯ | ← open sidebar · Interactive · Allow All · / commands · ? help · tab next tab"],
  ["opencode", undefined, '┃  Ask anything… "Fix a TODO in the codebase" | ┃  Build auto · script local'],
];

Deno.test("given screens of the CLIs, when they are judged, then dialogs are distinguished from a ready prompt", () => {
  for (const [cli, message, screen] of SCREENS) {
    const dialog = dialogOn(screen.split(" | "), cli);
    if (message === undefined) {
      strictEqual(dialog, undefined, screen);
      strictEqual(judgeScreen(screen.split(" | "), cli, cli).level, "ok", screen);
    } else match(dialog?.message ?? "", message, screen);
  }
});

Deno.test("given a line that leaves permissions to the CLI, when a worker would start, then that is reported", () => {
  const codex = { preset: "codex", template: 'codex "$(cat {{prompt_file}})"' };
  match(permissionWarnings(codex, ENV, () => undefined)[0] ?? "", /cannot ask/);
  deepStrictEqual(permissionWarnings(codex, ENV, () => 'sandbox_mode = "danger-full-access"'), []);
  for (const [preset, { interactive, headless }] of Object.entries(RUNNER_PRESETS)) {
    for (const template of [interactive, headless ?? ""]) {
      deepStrictEqual(permissionWarnings({ preset, template }, ENV, () => undefined), [], template);
    }
  }
});

Deno.test("given an unknown screen, when it is judged, then the warning shows the end of the screen", () => {
  for (const preset of ["gemini", undefined]) {
    const { level, message, next } = judgeScreen(["Loading…", "Pick a plan:"], "mine", preset);
    deepStrictEqual([level, next], ["warn", "run it by hand and see whether it asks"]);
    match(message, /ends with: Pick a plan:$/);
  }
  strictEqual(judgeScreen([], "mine", "copilot").level, "warn");
  strictEqual(judgeScreen([], "mine", undefined).level, "warn");
  strictEqual(judgeScreen(["mine 1.0", ">"], "mine", undefined).level, "ok");
});

/** Preset, template, settings, and expected warnings. */
const SETTINGS: readonly (readonly [string, string, Record<string, string>, readonly RegExp[]])[] = [
  ["gemini", "", {}, [/how to log in/]],
  ["gemini", "", { "/h/.gemini/settings.json": '// mine\n{"security":{"auth":{"selectedType":"x"}}}' }, []],
  ["gemini", 'gemini --yolo -i "$(cat {{prompt_file}})"', {}, [
    /how to log in/,
    /trust \/h\/code.*--skip-trust/,
  ]],
  [
    "gemini",
    'gemini -y -i "$(cat {{prompt_file}})"',
    {
      "/h/.gemini/settings.json": '{"selectedType": "x"}',
      "/h/.gemini/trustedFolders.json": '{"/h": "TRUST_FOLDER"}',
    },
    [],
  ],
  ["gemini", 'gemini --skip-trust -p "$(cat {{prompt_file}})"', {}, [/before each command.*--yolo/]],
  ["qwen", "", {}, [/how to log in/]],
  ["qwen", 'qwen --auth-type openai -i "$(cat {{prompt_file}})"', {}, [/before each command.*--yolo/]],
  [
    "qwen",
    "",
    { "/h/.qwen/settings.json": '{"security":{"auth":{"selectedType":"x"},"folderTrust":{"enabled":true}}}' },
    [/trust \/h\/code/],
  ],
  ["copilot", "", {}, []],
  ["copilot", 'copilot -i "$(cat {{prompt_file}})"', {}, []],
];

Deno.test("given settings of gemini, qwen and copilot, when a worker would start, then each remaining dialog is reported", () => {
  for (const [preset, template, files, said] of SETTINGS) {
    const runner = { preset, template: template || presetNamed(preset)!.interactive };
    const warnings = runnerWarnings(runner, "/h/code", ENV, (path) => files[path]);
    strictEqual(warnings.length, said.length, `${preset} ${template}: ${warnings.join("; ")}`);
    said.forEach((words, n) => match(warnings[n] ?? "", words));
  }
  const copilot = { preset: "copilot", template: 'copilot -i "$(cat {{prompt_file}})"' };
  const asks = runnerWarnings(copilot, "/h/code", { ...ENV, COPILOT_ALLOW_ALL: "1" }, () => undefined);
  match(asks.join("; "), /before each command.*trust \/h\/code/);
});
