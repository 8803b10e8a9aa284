/**
 * Tries a runner for real: starts its CLI without a prompt where workers start and looks at its screen, so that a
 * dialog at which every worker would hang is found before the first one does. No model is called. Which dialogs
 * appear depends on the folder: only looop's own records of the trial are kept elsewhere.
 */
import { permissionWarnings, runnerWarnings } from "../agents/runner_check.ts";
import { makeDir, readTailBytes, removeTree } from "../store.ts";
import { type Profile, profileAt } from "../paths.ts";
import { delay } from "../process/tree.ts";
import { findProgram } from "../process/programs.ts";
import { isHeadless } from "../agents/runners.ts";
import type { RecordsKind } from "../records/presets.ts";
import { findSession } from "../sessions/session.ts";
import { sessionDir } from "../sessions/run_files.ts";
import { describeSearch, searchPath } from "./search_path.ts";
import { TERMINAL } from "../sessions/supervisor.ts";
import { renderScreen } from "../text/terminal.ts";
import { endSession } from "./end.ts";
import { launchRun, newGeneration, type WorkerHost } from "./start.ts";
import type { ResolvedRunner } from "../agents/resolve.ts";

/** The result of a trial. */
export interface RunnerTrial {
  /** `warn`: it was not tried, or the result is inconclusive. */
  level: "ok" | "warn" | "bad";
  /** One line about the result. */
  message: string;
  /** The next step, with the exact setting where there is one. */
  next?: string;
  /** The last lines of the screen, for a person to look at when it is not ok. */
  screen: string[];
}

/** A dialog, recognized by the text on its screen. */
interface Dialog {
  cli: RecordsKind;
  shows: RegExp;
  message: string;
  next: string;
}

/** Measured on the real programs, each in a fresh home. The first match counts. */
const DIALOGS: readonly Dialog[] = [
  {
    cli: "claude",
    shows: /Choose the text style|Select login method|Unable to connect to Anthropic/i,
    message: "claude stops at its first-run dialogs",
    next: 'run `claude` once by hand and log in (it sets "hasCompletedOnboarding": true in ~/.claude.json)',
  },
  {
    cli: "claude",
    shows: /Is this a project you (created|trust)|Do you trust the files in this folder|Quick safety check/i,
    message: "claude asks whether it may trust the folder",
    next:
      "run `claude` there once and say yes (hasTrustDialogAccepted in ~/.claude.json), or set CLAUDE_CODE_SANDBOXED=1",
  },
  {
    cli: "claude",
    shows: /Detected a custom API key/i,
    message: "claude asks whether to use ANTHROPIC_API_KEY",
    next: "run `claude` once by hand and say yes (customApiKeyResponses in ~/.claude.json), or unset it",
  },
  {
    cli: "claude",
    shows: /running in Bypass Permissions mode/i,
    message: "claude warns about the bypass mode",
    next:
      'set "skipDangerousModePermissionPrompt": true in ~/.claude/settings.json, or use --permission-mode dontAsk',
  },
  {
    cli: "claude",
    shows: /--dangerously-skip-permissions cannot be used with root/i,
    message: "claude refuses the bypass mode when run as root",
    next: "use --permission-mode dontAsk --allowedTools …, or set IS_SANDBOX=1 where it is one",
  },
  {
    cli: "claude",
    shows: /New MCP server found/i,
    message: "claude asks about MCP servers of the folder",
    next: "add --strict-mcp-config to the runner's template in config.json",
  },
  {
    cli: "codex",
    shows: /Sign in with ChatGPT|Provide your own API key/i,
    message: "codex stops at its login",
    next: "run `codex login` once, or set model_provider in ~/.codex/config.toml",
  },
  {
    cli: "codex",
    shows: /Trust this folder\? Codex can|trust the contents of this directory|allow Codex to work in/i,
    message: "codex asks whether it may trust the folder",
    next: 'run `codex` there once and say yes (trust_level = "trusted" in ~/.codex/config.toml)',
  },
  {
    cli: "codex",
    shows: /Update available.*Update now/i,
    message: "codex asks whether to update",
    next: "add -c check_for_update_on_startup=false to the runner's template in config.json, or update it",
  },
  {
    cli: "pi",
    shows: /Trust (this )?project folder/i,
    message: "pi asks whether it may trust the folder",
    next: "add --approve or --no-approve to the runner's template in config.json",
  },
  {
    cli: "pi",
    shows: /No models available|No API key|use \/login/i,
    message: "pi has no model it may use",
    next: "run `pi` once by hand and log in with /login, or set your provider's API key",
  },
  {
    cli: "gemini",
    shows: /How would you like to authenticate|Invalid auth method selected/i,
    message: "gemini asks how to log in",
    next: "run `gemini` once by hand and choose (security.auth.selectedType in ~/.gemini/settings.json)",
  },
  {
    cli: "gemini",
    shows: /Enter Gemini API Key/i,
    message: "gemini asks for its API key",
    next: "set GEMINI_API_KEY, or run `gemini` once by hand and enter it",
  },
  {
    cli: "gemini",
    shows: /Do you trust the files in this folder/i,
    message: "gemini asks whether it may trust the folder",
    next: "add --skip-trust to the runner's template in config.json, or run `gemini` there once and say yes",
  },
  {
    cli: "gemini",
    shows: /Do you want to connect .{1,40} to Gemini CLI/i,
    message: "gemini asks whether to connect an editor",
    next: "run `gemini` once by hand and say no (ide.hasSeenNudge in ~/.gemini/settings.json)",
  },
  {
    cli: "qwen",
    shows: /Connect a Provider|How would you like to authenticate|Select authentication method/i,
    message: "qwen asks for a provider to log in to",
    next: "run `qwen` once by hand and choose (security.auth.selectedType in ~/.qwen/settings.json)",
  },
  {
    cli: "qwen",
    shows: /Do you trust this folder/i,
    message: "qwen asks whether it may trust the folder",
    next: "run `qwen` there once and say yes (~/.qwen/trustedFolders.json)",
  },
  ...(["gemini", "qwen"] as const).map((cli) => ({
    cli,
    shows: /> Select Theme/i,
    message: `${cli} asks for a theme, since the one in its settings is not known`,
    next: `mend ui.theme in ~/.${cli}/settings.json`,
  })),
  {
    cli: "copilot",
    shows: /Confirm folder trust|Do you trust the files in this folder/i,
    message: "copilot asks whether it may trust the folder",
    next: 'set COPILOT_ALLOW_ALL to exactly "true" in the runner\'s "env" in config.json',
  },
  {
    cli: "copilot",
    shows: /use \/login to sign in/i,
    message: "copilot has no login",
    next: "run `copilot` once by hand and log in with /login",
  },
];

/** What each CLI's screen shows once it waits for a task. */
const READY: Readonly<Record<RecordsKind, RegExp>> = {
  pi: /\d%\/\d+k?\b/,
  claude: /shift\+tab to cycle|\? for shortcuts|for agents/i,
  codex: /Ask Codex to do anything|\? for shortcuts/i,
  opencode: /Ask anything/i,
  gemini: /Type your message or @path/i,
  qwen: /Type your message or @path/i,
  copilot: /\/ commands/i,
};

/** Time without a change after which a screen that is ready is judged, ms. */
const QUIET_MS = 2_000;
/** Time after which any screen is judged, ms: some draw their first dialog only after 15 s. */
const LONGEST_MS = 30_000;
const LOOK_EVERY_MS = 200;

/** Starts the runner's CLI for some seconds in `cwd`, the folder in which workers are to start. */
export async function tryRunner(
  host: WorkerHost,
  runner: ResolvedRunner,
  cwd: string,
): Promise<RunnerTrial> {
  const env = { ...host.env, ...runner.env, PATH: searchPath(host.profile, { ...host.env, ...runner.env }) };
  if (runner.program !== undefined && findProgram(runner.program, env["PATH"]) === undefined) {
    const next = runner.install === undefined ? "install it" : `install it with \`${runner.install}\``;
    const message = `"${runner.program}" is not there: ${
      describeSearch(host.profile, { ...host.env, ...runner.env })
    }`;
    return { level: "bad", message, next, screen: [] };
  }
  if (isHeadless(runner.template) || runner.prompt !== "text") {
    const message = `${runner.name} runs without a terminal interface and so stops at no dialog: not tried`;
    return { level: "warn", message, screen: [] };
  }
  const trial = await startAndLook(host, runner, cwd);
  if (trial.level === "bad" || runner.preset === undefined) return trial;
  // The screen is the truth; the settings only count for a dialog whose words are new, or that comes later.
  const [later] = permissionWarnings(runner, env);
  if (later !== undefined) return { ...trial, level: "bad", message: later };
  const [first] = runnerWarnings(runner, cwd, env);
  return first !== undefined && /\?\s*$/m.test(trial.screen.join("\n"))
    ? { ...trial, level: "bad", message: first, next: "see its screen" }
    : trial;
}

async function startAndLook(
  host: WorkerHost,
  runner: ResolvedRunner,
  cwd: string,
): Promise<RunnerTrial> {
  const scratch = profileAt(
    `${host.profile.dir}/.trial-${crypto.randomUUID().slice(0, 8)}`,
    host.profile.config,
  );
  for (const dir of [scratch.dir, scratch.sessions, scratch.prompts]) makeDir(dir);
  try {
    await launchRun({ ...host, profile: scratch }, {
      gen: newGeneration(),
      spec: { id: TRIAL_ID, brief: "", cwd, env: {} },
      runner,
      template: withoutPrompt(runner.template),
      sessionId: runner.template.includes("{{session_id}}") ? crypto.randomUUID() : undefined,
      prompt: { text: "", inSession: true },
      sessions: [],
      counted: {},
    });
    return await look(scratch, host.now, runner);
  } finally {
    const session = await findSession(scratch, TRIAL_ID, host.now());
    if (session !== undefined) await endSession(scratch, session, "killed", "human", host.now);
    removeTree(scratch.dir);
  }
}

const TRIAL_ID = "trial";

/** A prompt in a template, with the option that takes it in an agent's interactive form. */
const PROMPT = new RegExp(
  String.raw`(?:\s(?:--prompt(?:-interactive)?|--interactive|-i|--message-file)(?=[\s=]))?[\s=]*` +
    String
      .raw`(?:"\$\((?:cat |<\s*)["']?\{\{prompt_file\}\}["']?\)"|\$\((?:cat |<\s*)\{\{prompt_file\}\}\)|` +
    String.raw`[@<]?["']?\{\{prompt_file\}\}["']?)`,
  "g",
);

/** A template that starts the agent with nothing to do. Pure. */
export function withoutPrompt(template: string): string {
  return template.replace(PROMPT, "");
}

async function look(scratch: Profile, now: () => number, runner: ResolvedRunner): Promise<RunnerTrial> {
  const { name, preset } = runner;
  const output = `${sessionDir(scratch, TRIAL_ID)}/output.log`;
  const deadline = performance.now() + LONGEST_MS;
  let screen: string[] = [];
  let quietSince = performance.now();
  while (performance.now() < deadline) {
    await delay(LOOK_EVERY_MS);
    const seen = await renderScreen(readTailBytes(output, 256 * 1024), {
      ...TERMINAL,
      lastLines: TERMINAL.rows,
    });
    if (seen.join("\n") !== screen.join("\n")) quietSince = performance.now();
    screen = seen;
    const dialog = dialogOn(screen, preset);
    if (dialog !== undefined) return { level: "bad", message: dialog.message, next: dialog.next, screen };
    const session = await findSession(scratch, TRIAL_ID, now());
    if (session?.view.alive !== true) {
      const last = screen.at(-1) ?? "it said nothing";
      // An agent that looop does not know may be one that does nothing without a prompt.
      const level = preset === undefined ? "warn" : "bad";
      return { level, message: `${name} ended by itself at once: ${last}`, next: "run it by hand", screen };
    }
    const mayBeDone = preset === undefined ? screen.length > 0 : isReady(screen, preset);
    if (mayBeDone && performance.now() - quietSince >= QUIET_MS) break;
  }
  return judgeScreen(screen, name, preset);
}

/** The judgment on a screen with no dialog that looop knows. Pure. */
export function judgeScreen(
  screen: readonly string[],
  name: string,
  preset: string | undefined,
): RunnerTrial {
  const shown = [...screen];
  const last = screen.at(-1) ?? "nothing";
  if (preset !== undefined && isReady(screen, preset)) {
    return { level: "ok", message: `${name} starts and stops at no dialog`, screen: shown };
  }
  const message = preset === undefined
    ? `${name} starts; its dialogs are not known, its screen ends with: ${last}`
    : `${name} starts; not seen to be ready for a task within ${
      LONGEST_MS / 1000
    } s, its screen ends with: ${last}`;
  if (preset === undefined && screen.length > 0 && !/[?:]\s*$/.test(last)) {
    return { level: "ok", message, screen: shown };
  }
  return { level: "warn", message, next: "run it by hand and see whether it asks", screen: shown };
}

/** Whether a screen shows that a preset's CLI waits for a task. Pure. */
function isReady(screen: readonly string[], preset: string): boolean {
  return (READY as Readonly<Record<string, RegExp>>)[preset]?.test(screen.join("\n")) === true;
}

/** The dialog of a preset's CLI that a screen shows. Pure. */
export function dialogOn(
  screen: readonly string[],
  preset: string | undefined,
): Pick<Dialog, "message" | "next"> | undefined {
  const text = screen.join("\n").replace(/\s+/g, " ");
  return DIALOGS.find(({ cli, shows }) => cli === preset && shows.test(text));
}
