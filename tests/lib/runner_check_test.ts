import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { runnerWarnings } from "../../lib/runner_check.ts";
import { dialogOn, withoutPrompt } from "../../lib/runner_trial.ts";
import { presetNamed, RUNNER_PRESETS } from "../../lib/runners.ts";

const ENV = { HOME: "/h" };
const trusted = { hasCompletedOnboarding: true, projects: { "/h/work": { hasTrustDialogAccepted: true } } };

function claude(
  state: unknown,
  more: { template?: string; cwd?: string; env?: Record<string, string>; settings?: unknown } = {},
) {
  const files: Record<string, string> = {
    "/h/.claude.json": JSON.stringify(state),
    "/h/.claude/settings.json": JSON.stringify(more.settings ?? {}),
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
  strictEqual(runnerWarnings({ preset: undefined, template: "x" }, "/", {}).length, 0);
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
      "bash",
    ],
  );
});

Deno.test("given the screens that the CLIs show, when they are looked at, then dialogs are told from a ready prompt", () => {
  match(
    dialogOn(["Quick safety check: Is this a project you", "created or one you trust?"])?.message ?? "",
    /trust/,
  );
  match(dialogOn(["  1. Sign in with ChatGPT"])?.next ?? "", /codex login/);
  match(dialogOn(["Warning: No models available. Use /login"])?.message ?? "", /no model/);
  strictEqual(dialogOn(["❯", "don't ask on (shift+tab to cycle)"]), undefined);
});
