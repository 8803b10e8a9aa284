/**
 * Whether an agent CLI would stop at a dialog: read from its own settings before a worker starts, and tried for real
 * by `looop doctor --runner`. The user's files are read, never changed. The settings that skip each dialog were
 * measured on the real programs.
 */
import { isRecord } from "../text/json.ts";
import { dirName } from "../paths.ts";
import { isHeadless } from "./runners.ts";
import { presetNamed } from "../records/presets.ts";
import { settingsFolder } from "./skill.ts";
import { quietText, readLinkedText, statOf } from "../store.ts";
import type { ResolvedRunner } from "./resolve.ts";

type Env = Readonly<Record<string, string>>;
/** Reads a file's text by path; undefined when it does not exist. */
type Read = (path: string) => string | undefined;

/** One line for each dialog at which the agent is known to stop when it starts in `cwd`. */
export function runnerWarnings(
  runner: Pick<ResolvedRunner, "preset" | "template">,
  cwd: string,
  env: Env,
  read: Read = quietRead,
): string[] {
  switch (runner.preset) {
    case "claude":
      return claudeWarnings(runner.template, cwd, env, read);
    case "codex":
      return codexWarnings(runner.template, cwd, env, read);
    case "pi":
      return piWarnings(runner.template, cwd, env, read);
    case "gemini":
    case "qwen":
      return [
        ...permissionWarnings(runner, env, read),
        ...(isHeadless(runner.template)
          ? []
          : settingsWarnings(runner.preset, runner.template, cwd, env, read)),
      ];
    case "copilot":
      return [
        ...permissionWarnings(runner, env, read),
        ...(isHeadless(runner.template) ? [] : copilotWarnings(cwd, env, read)),
      ];
    default:
      return [];
  }
}

/** A file that cannot be read is the agent's own to complain about. People link such files together. */
function quietRead(path: string): string | undefined {
  return quietText(path, readLinkedText);
}

function readObject(path: string, read: Read): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(read(path) ?? "{}");
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function claudeWarnings(template: string, cwd: string, env: Env, read: Read): string[] {
  const configDir = env["CLAUDE_CONFIG_DIR"];
  const state = readObject(configDir ? `${configDir}/.claude.json` : `${env["HOME"]}/.claude.json`, read);
  const settings = claudeSettings(env, read);
  if (isHeadless(template)) return [];
  const warnings: string[] = [];
  if (state["hasCompletedOnboarding"] !== true) {
    warnings.push("claude will stop at its first-run dialogs; run `claude` once by hand and log in");
  }
  if (env["CLAUDE_CODE_SANDBOXED"] !== "1" && !isTrusted(state, cwd)) {
    warnings.push(
      `claude will ask whether it may trust ${cwd}; run \`claude\` there once and say yes, or give --env CLAUDE_CODE_SANDBOXED=1`,
    );
  }
  warnings.push(...permissionWarnings({ preset: "claude", template }, env, read));
  if (
    claudeMode(template, settings) === "bypassPermissions" &&
    settings["skipDangerousModePermissionPrompt"] !== true
  ) {
    warnings.push(
      'claude will warn of the bypass mode; set "skipDangerousModePermissionPrompt": true in its settings, or use --permission-mode dontAsk',
    );
  }
  if (
    read(`${cwd}/.mcp.json`) !== undefined && !template.includes("--strict-mcp-config") &&
    !usesMcp(state, settings, cwd)
  ) {
    warnings.push(
      `claude will ask about the MCP servers of ${cwd}/.mcp.json; add --strict-mcp-config to its template in config.json`,
    );
  }
  const key = env["ANTHROPIC_API_KEY"];
  if (key && !isApproved(state, key)) {
    warnings.push("claude will ask whether to use ANTHROPIC_API_KEY; run `claude` once by hand and say yes");
  }
  return warnings;
}

function claudeSettings(env: Env, read: Read): Record<string, unknown> {
  return readObject(`${env["CLAUDE_CONFIG_DIR"] || `${env["HOME"]}/.claude`}/settings.json`, read);
}

/** Reports when the agent would ask at its first command: no screen shows that before. */
export function permissionWarnings(
  runner: Pick<ResolvedRunner, "preset" | "template">,
  env: Env,
  read: Read = quietRead,
): string[] {
  if (runner.preset === "codex") return codexPermissions(runner.template, env, read);
  const allowed = ALLOWED[runner.preset ?? ""];
  if (allowed !== undefined) {
    const isAllowed = allowed.given.test(runner.template) || (runner.preset === "copilot" && allowsAll(env));
    return isAllowed ? [] : [allowed.warning];
  }
  if (runner.preset !== "claude" || isHeadless(runner.template)) return [];
  const mode = claudeMode(runner.template, claudeSettings(env, read));
  if (mode === "dontAsk" || mode === "bypassPermissions") return [];
  return [
    `claude will ask for permissions; add --permission-mode dontAsk --allowedTools Bash Read Write Edit to its template in config.json`,
  ];
}

/** The words without which a CLI asks before it runs a command; headless it refuses the command instead. */
const ALLOWED: Readonly<Record<string, { given: RegExp; warning: string }>> = {
  gemini: {
    given: /\s(--yolo|-y|--approval-mode[= ]yolo)\b/,
    warning: "gemini will ask before each command; add --yolo to its template in config.json",
  },
  qwen: {
    given: /\s(--yolo|-y|--approval-mode[= ](yolo|auto))\b/,
    warning: "qwen will ask before each command; add --yolo to its template in config.json",
  },
  copilot: {
    given: /\s(--allow-all(-tools)?|--yolo|--allow-tool)\b/,
    warning: "copilot will ask before each command; add --allow-all to its template in config.json",
  },
};

function isTrusted(state: Record<string, unknown>, cwd: string): boolean {
  const projects = isRecord(state["projects"]) ? state["projects"] : {};
  for (let dir = cwd;; dir = dirName(dir)) {
    const project = projects[dir];
    if (isRecord(project) && project["hasTrustDialogAccepted"] === true) return true;
    if (dir === "/" || !dir.includes("/")) return false;
  }
}

function claudeMode(template: string, settings: Record<string, unknown>): string {
  if (template.includes("--dangerously-skip-permissions")) return "bypassPermissions";
  const given = /--permission-mode[ =](\w+)/.exec(template)?.[1];
  const permissions = isRecord(settings["permissions"]) ? settings["permissions"] : {};
  return given ?? String(permissions["defaultMode"] ?? "auto");
}

/** Whether the question about the folder's MCP servers has been answered, for this folder or for all. */
function usesMcp(state: Record<string, unknown>, settings: Record<string, unknown>, cwd: string): boolean {
  const projects = isRecord(state["projects"]) ? state["projects"] : {};
  const project = isRecord(projects[cwd]) ? projects[cwd] : {};
  const answered = [project["enabledMcpjsonServers"], project["disabledMcpjsonServers"]];
  return settings["enableAllProjectMcpServers"] === true ||
    answered.some((names) => Array.isArray(names) && names.length > 0);
}

function isApproved(state: Record<string, unknown>, key: string): boolean {
  const responses = isRecord(state["customApiKeyResponses"]) ? state["customApiKeyResponses"] : {};
  const approved = responses["approved"];
  return Array.isArray(approved) && approved.includes(key.slice(-20));
}

/** Reports codex's default sandbox, in which a worker cannot ask: the data dir is read-only there. */
function codexPermissions(template: string, env: Env, read: Read): string[] {
  const chosen =
    /\s(--dangerously-bypass-approvals-and-sandbox|--yolo|--full-auto|--sandbox|--profile|-s|-p|-c)\b/;
  const config = read(`${codexHome(env)}/config.toml`) ?? "";
  if (chosen.test(template) || /^\s*(sandbox_mode|approval_policy|profile)\s*=/m.test(config)) return [];
  return [
    "codex will ask for approvals, in a sandbox out of which its worker cannot ask; add --dangerously-bypass-approvals-and-sandbox to its template in config.json",
  ];
}

function codexHome(env: Env): string {
  return env["CODEX_HOME"] || `${env["HOME"]}/.codex`;
}

function codexWarnings(template: string, cwd: string, env: Env, read: Read): string[] {
  const home = codexHome(env);
  const config = read(`${home}/config.toml`) ?? "";
  const warnings = codexPermissions(template, env, read);
  const hasLogin = read(`${home}/auth.json`) !== undefined || env["CODEX_API_KEY"] || env["OPENAI_API_KEY"];
  if (!hasLogin && !/^\s*model_provider\s*=/m.test(config)) {
    warnings.push("codex will stop at its login; run `codex login` once");
  }
  if (quietIsFolder(`${cwd}/.codex`) && !trustsFolder(config, cwd)) {
    warnings.push(
      `codex will ask whether it may trust ${cwd}; run \`codex\` there once and say yes`,
    );
  }
  return warnings;
}

function trustsFolder(config: string, cwd: string): boolean {
  const at = config.indexOf(`[projects.${JSON.stringify(cwd)}]`);
  return at >= 0 && /^\[.*\][^[]*trust_level\s*=\s*"trusted"/.test(config.slice(at));
}

function piWarnings(template: string, cwd: string, env: Env, read: Read): string[] {
  if (!quietIsFolder(`${cwd}/.pi`) && !quietIsFolder(`${cwd}/.agents/skills`)) return [];
  if (/\s(--approve|--no-approve|-a|-na|-p|--print)\b/.test(template)) return [];
  const agentDir = env["PI_CODING_AGENT_DIR"] || `${env["HOME"]}/.pi/agent`;
  if (read(`${agentDir}/trust.json`)?.includes(JSON.stringify(cwd))) return [];
  return [
    `pi may ask whether it may trust ${cwd}; add --approve or --no-approve to its template in config.json`,
  ];
}

function quietIsFolder(path: string): boolean {
  try {
    return statOf(path)?.isDirectory === true;
  } catch {
    return false;
  }
}

/** Reports the first-run dialogs of gemini and qwen. Their settings may hold comments, so they are not parsed. */
function settingsWarnings(
  cli: "gemini" | "qwen",
  template: string,
  cwd: string,
  env: Env,
  read: Read,
): string[] {
  const home = settingsFolder(cli, env);
  const settings = [home, `${cwd}/.${cli}`].map((dir) => read(`${dir}/settings.json`) ?? "").join("\n");
  const warnings: string[] = [];
  if (!/"selectedType"\s*:/.test(settings) && !/\s--auth-type\b/.test(template)) {
    warnings.push(`${cli} will ask how to log in; run \`${cli}\` once by hand and choose`);
  }
  const trust = /"folderTrust"\s*:\s*\{[^}]*"enabled"\s*:\s*(true|false)/.exec(settings)?.[1];
  const asksTrust = cli === "gemini"
    ? trust !== "false" && !/\s--skip-trust\b/.test(template) &&
      env["GEMINI_CLI_TRUST_WORKSPACE"] !== "true"
    : trust === "true";
  if (asksTrust && !namesFolder(read(`${home}/trustedFolders.json`), cwd)) {
    const more = cli === "gemini" ? ", or add --skip-trust to its template in config.json" : "";
    warnings.push(
      `${cli} will ask whether it may trust ${cwd}; run \`${cli}\` there once and say yes${more}`,
    );
  }
  return warnings;
}

/** Whether a list of trusted folders names a folder or one above it. */
function namesFolder(list: string | undefined, folder: string): boolean {
  const parents = folder.split("/").map((_, n, names) => names.slice(0, n + 1).join("/") || "/");
  return parents.some((parent) => list?.includes(JSON.stringify(parent)));
}

/** Whether copilot may do everything without asking; only the exact value also trusts the folder. */
function allowsAll(env: Env): boolean {
  return (env["COPILOT_ALLOW_ALL"] ?? presetNamed("copilot")?.env?.["COPILOT_ALLOW_ALL"]) === "true";
}

function copilotWarnings(cwd: string, env: Env, read: Read): string[] {
  if (allowsAll(env) || namesFolder(read(`${settingsFolder("copilot", env)}/config.json`), cwd)) return [];
  return [
    `copilot will ask whether it may trust ${cwd}; set COPILOT_ALLOW_ALL to exactly "true" in its "env" in config.json`,
  ];
}
