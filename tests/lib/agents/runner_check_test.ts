import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { permissionWarnings, runnerWarnings } from "../../../lib/agents/runner_check.ts";
import { dialogOn, withoutPrompt } from "../../../lib/workers/runner_trial.ts";
import { presetNamed, RUNNER_PRESETS } from "../../../lib/records/presets.ts";

const ENV = { HOME: "/h" };
const trusted = { hasCompletedOnboarding: true, projects: { "/h/work": { hasTrustDialogAccepted: true } } };

function claude(
  state: unknown,
  more: { template?: string; cwd?: string; env?: Record<string, string>; settings?: unknown; mcp?: string } =
    {},
) {
  const files: Record<string, string> = {
    "/h/.claude.json": JSON.stringify(state),
    "/h/.claude/settings.json": JSON.stringify(more.settings ?? {}),
    ...(more.mcp === undefined ? {} : { "/h/work/x/.mcp.json": more.mcp }),
  };
  const template = more.template ?? presetNamed("claude")!.interactive;
  const runner = { preset: "claude", template };
  return runnerWarnings(runner, more.cwd ?? "/h/work/x", { ...ENV, ...more.env }, (path) => files[path]);
}

Deno.test("given claude's own settings, when a worker would start, then each dialog that is left is told", () => {
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
  const answered = { "/h/work/x": { disabledMcpjsonServers: ["files"] } };
  deepStrictEqual(claude({ ...trusted, projects: { ...trusted.projects, ...answered } }, { mcp: "{}" }), []);
  strictEqual(runnerWarnings({ preset: undefined, template: "x" }, "/", {}).length, 0);
});

Deno.test("given claude's settings that are a link, as people keep theirs, when a worker would start, then they are read", async () => {
  const home = await Deno.makeTempDir({ prefix: "looop-linked-" });
  const projects = { [home]: { hasTrustDialogAccepted: true } };
  Deno.writeTextFileSync(`${home}/kept.json`, JSON.stringify({ hasCompletedOnboarding: true, projects }));
  Deno.symlinkSync(`${home}/kept.json`, `${home}/.claude.json`);
  const runner = { preset: "claude", template: presetNamed("claude")!.interactive };
  deepStrictEqual(runnerWarnings(runner, home, { HOME: home }), []);
  await Deno.remove(home, { recursive: true });
});

Deno.test("given codex without a login, when a worker would start, then that is told", () => {
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
      "codex --disable daemon_auto_start --dangerously-bypass-approvals-and-sandbox",
      "opencode --auto",
      "gemini --skip-trust --yolo",
      "qwen --yolo",
      "copilot --allow-all --no-auto-update",
      "aider --yes-always --no-check-update --no-show-release-notes",
      "bash",
    ],
  );
});

/** Screens as the real programs drew them: what stands between is left out. */
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
  ["opencode", undefined, '┃  Ask anything… "Fix a TODO in the codebase" | ┃  Build auto · script local'],
];

Deno.test("given the screens that the CLIs show, when they are looked at, then dialogs are told from a ready prompt", () => {
  for (const [cli, message, screen] of SCREENS) {
    const dialog = dialogOn(screen.split(" | "), cli);
    if (message === undefined) strictEqual(dialog, undefined, screen);
    else match(dialog?.message ?? "", message, screen);
  }
});

Deno.test("given a line that leaves permissions to the CLI, when a worker would start, then that is told", () => {
  const codex = { preset: "codex", template: 'codex "$(cat {{prompt_file}})"' };
  match(permissionWarnings(codex, ENV, () => undefined)[0] ?? "", /cannot ask/);
  deepStrictEqual(permissionWarnings(codex, ENV, () => 'sandbox_mode = "danger-full-access"'), []);
  for (const [preset, { interactive, headless }] of Object.entries(RUNNER_PRESETS)) {
    for (const template of [interactive, headless ?? ""]) {
      deepStrictEqual(permissionWarnings({ preset, template }, ENV, () => undefined), [], template);
    }
  }
});
