/** Where agent CLIs keep a user's settings and skills. Pure. */
import type { RecordsKind } from "../records/presets.ts";

type Env = Readonly<Record<string, string>>;

/** Name of the skill's folder. */
const NAME = "looop";

/** The folder in which an agent's CLI keeps its user's settings. */
export function settingsFolder(cli: RecordsKind, env: Env): string {
  const home = env["HOME"] ?? "";
  const folders: Readonly<Record<RecordsKind, string>> = {
    pi: env["PI_CODING_AGENT_DIR"] || `${home}/.pi/agent`,
    claude: env["CLAUDE_CONFIG_DIR"] || `${home}/.claude`,
    codex: env["CODEX_HOME"] || `${home}/.codex`,
    opencode: `${env["XDG_CONFIG_HOME"] || `${home}/.config`}/opencode`,
    gemini: `${env["GEMINI_CLI_HOME"] || home}/.gemini`,
    qwen: env["QWEN_HOME"] || `${home}/.qwen`,
    copilot: env["COPILOT_HOME"] || `${home}/.copilot`,
  };
  return folders[cli];
}

/** The folder of looop's skill for an agent, at the user's level. */
export function skillFolder(cli: RecordsKind, env: Env): string {
  return `${settingsFolder(cli, env)}/skills/${NAME}`;
}
