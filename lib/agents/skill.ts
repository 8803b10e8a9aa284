/** Where agent CLIs look for a user's skills, and the hook that one of them reads there. Pure. */
import type { RecordsKind } from "../records/presets.ts";
import { shellQuote } from "../text/quote.ts";

type Env = Readonly<Record<string, string>>;

/** Name of the skill's folder. */
const NAME = "looop";

/** The folder of looop's skill for an agent, at the user's level. */
export function skillFolder(cli: RecordsKind, env: Env): string {
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
  return `${folders[cli]}/skills/${NAME}`;
}

/**
 * Front matter lines of a skill by which claude reminds a root agent that ends its turn while questions are open,
 * once per turn; "" for CLIs whose skills have no hooks.
 *
 * @param asks Folder of the questions.
 * @param answers Folder of the answers that have not been read yet.
 */
export function reminderLines(cli: RecordsKind, asks: string, answers: string): string {
  if (cli !== "claude") return "";
  const words =
    "Questions of workers are open: answer them, or bring them to your human, before you end your turn.";
  // When claude runs it again because of its own reminder, it prints nothing.
  const command =
    `grep -q '"stop_hook_active": *true' && exit 0; for ask in ${shellQuote(asks)}/*.json; do ` +
    `[ ! -e "$ask" ] || [ -e ${
      shellQuote(answers)
    }/"\${ask##*/}" ] || { echo "${words}" >&2; exit 2; }; done`;
  return `hooks:
  Stop:
    - hooks:
        - type: command
          command: ${JSON.stringify(command)}
`;
}
