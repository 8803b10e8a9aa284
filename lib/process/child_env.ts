/**
 * The environment of the processes that looop starts: looop's own variables set, and none by which a child would take
 * itself for a part of the caller's agent, terminal or git command.
 */
import { quietStat } from "../store.ts";

/** Variables by which an agent CLI marks the shells it starts; a worker started by an agent must not see them. */
const AGENT_MARKS =
  /^(AI_AGENT|AGENT|CLAUDECODE|CLAUDE_(EFFORT|PID)|PI_(CODING_AGENT|SESSION_ID|SESSION_FILE|PROVIDER|MODEL|REASONING_LEVEL)|GEMINI_SESSION_ID)$|^(CLAUDE_CODE_|CODEX_|OPENCODE|GEMINI_CLI|QWEN_CODE|COPILOT_(CLI|AGENT_|LOADER_))/;
/** Variables with the same prefixes that users set on purpose: they stay. */
const USER_SETTINGS =
  /^(CODEX_(HOME|API_KEY)|CLAUDE_CODE_(SANDBOXED|OAUTH_TOKEN|EFFORT_LEVEL))$|^(CLAUDE_CODE_(USE|SKIP|DISABLE|ENABLE|MAX|SUBAGENT)|OPENCODE_(CONFIG|DB|DISABLE|ENABLE|EXPERIMENTAL|PERMISSION|API_KEY|MODELS)|(GEMINI_CLI|QWEN_CODE)_(HOME|SYSTEM|CUSTOM|MAX|API))(_|$)/;
/**
 * Values that agents set in their shells so that no program asks or pages; other values of these variables are a
 * user's.
 */
const AGENT_VALUES: Readonly<Record<string, RegExp>> = {
  PAGER: /^(cat)?$/,
  GIT_PAGER: /^(cat)?$/,
  GH_PAGER: /^(cat)?$/,
  GIT_CONFIG_GLOBAL: /^\/dev\/null$/,
  GIT_CONFIG_SYSTEM: /^\/dev\/null$/,
  GIT_TERMINAL_PROMPT: /^0$/,
  GIT_ASKPASS: /^$/,
  SSH_ASKPASS: /^$/,
  DISPLAY: /^$/,
  DBUS_SESSION_BUS_ADDRESS: /^$/,
};
/**
 * Marks of a terminal multiplexer or emulator: with them, a program in a worker's terminal would draw on the user's
 * screen, or talk to an editor that is not there.
 */
const SCREEN_MARKS =
  /^(TMUX|STY|ZELLIJ|VSCODE_|TERM_PROGRAM|TERM_SESSION_ID$|KITTY_|WEZTERM_|GHOSTTY_|ITERM_|LC_TERMINAL|KONSOLE_|WT_SESSION$|NVIM$|NVIM_LISTEN_ADDRESS$|INSIDE_EMACS$|BYOBU_)/;
/**
 * Variables that bind git to one repository: those of `git rev-parse --local-env-vars`, and those of a push in
 * progress.
 */
export const GIT_MARKS =
  /^GIT_(ALTERNATE_OBJECT_DIRECTORIES|CONFIG|CONFIG_PARAMETERS|CONFIG_COUNT|CONFIG_(KEY|VALUE)_\d+|OBJECT_DIRECTORY|DIR|WORK_TREE|IMPLICIT_WORK_TREE|GRAFT_FILE|INDEX_FILE|NO_REPLACE_OBJECTS|REPLACE_REF_BASE|PREFIX|INTERNAL_SUPER_PREFIX|SHALLOW_FILE|COMMON_DIR|QUARANTINE_PATH|PUSH_(OPTION|CERT).*)$/;
/** Variables that git sets for the hooks of a commit in progress; a worker's later commit is not that commit. */
const HOOK_MARKS = /^GIT_((AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)|REFLOG_ACTION|EXEC_PATH)$/;
/** looop's own variables of one session, sensor run or `_ run`: never inherited by the next. */
const OWN_MARKS =
  /^LOOOP_(HOME|OS|SESSION_ID|SESSION_GEN|CALL|ASKED|WORKER_ID|WORKER_GEN|WORKER_CMD|SENSOR_RUN|RUN|NOTICE|VERIFY|PULSE)$/;

type Env = Readonly<Record<string, string>>;

/** Whether a variable is an agent's mark rather than a user's setting. */
export function isAgentMark(name: string, value: string): boolean {
  if (name === "GIT_EDITOR") return value === "true";
  return AGENT_MARKS.test(name) && !USER_SETTINGS.test(name);
}

/** The part of the caller's environment that a child may see. Pure but for a look at TMPDIR. */
function inheritable(parent: Env): Record<string, string> {
  const names = Object.keys(parent);
  const isAgents = names.some((name) => isAgentMark(name, parent[name] ?? ""));
  const isHooks = names.some((name) => /^GIT_(DIR|INDEX_FILE|PREFIX|QUARANTINE_PATH)$/.test(name));
  const isEditors = names.some((name) => name.startsWith("VSCODE_GIT_ASKPASS"));
  const stays = ([name, value]: [string, string]) => {
    if (isAgentMark(name, value) || SCREEN_MARKS.test(name) || GIT_MARKS.test(name) || OWN_MARKS.test(name)) {
      return false;
    }
    if (isAgents && AGENT_VALUES[name]?.test(value)) return false;
    if (isHooks && (HOOK_MARKS.test(name) || (name === "GIT_EDITOR" && value === ":"))) return false;
    // The editor's helper finds its server by the marks that were removed.
    if (isEditors && (name === "GIT_ASKPASS" || /\/extensions\/git/.test(value))) return false;
    if (name === "WINDOW" && "STY" in parent) return false;
    return name !== "TMPDIR" || isUsableDir(value);
  };
  return Object.fromEntries(Object.entries(parent).filter(stays));
}

/** Whether a folder has an absolute path and exists: with any other TMPDIR programs end at once. */
function isUsableDir(path: string): boolean {
  return path.startsWith("/") && quietStat(path)?.isDirectory === true;
}

/** The variable by which opencode takes configuration in addition to its files; lists of plugins are merged. */
export const OPENCODE_CONFIG = "OPENCODE_CONFIG_CONTENT";
/** Name of the plugin of `lib/agents/hold.ts`, which belongs to one worker. */
export const HOLD_PLUGIN = "looop-hold.mjs";

/** An opencode configuration without the plugins of workers; "" when nothing else is in it. Pure. */
export function withoutHold(config: string): string {
  if (!config.includes(HOLD_PLUGIN)) return config;
  try {
    const { plugin, ...rest } = JSON.parse(config) as { plugin: unknown[] };
    const own = plugin.filter((one) => !String(one).endsWith(`/${HOLD_PLUGIN}`));
    const left = own.length > 0 ? { ...rest, plugin: own } : rest;
    return Object.keys(left).length === 0 ? "" : JSON.stringify(left);
  } catch {
    return config; // nothing of looop's: its own configuration is plain JSON
  }
}

/** The variables that looop gives its children (`ownVariables` in `records/home.ts`). */
export interface OwnVariables {
  [name: string]: string;
  LOOOP_BIN: string;
  LOOOP_DATA_DIR: string;
  LOOOP_CONFIG: string;
}

/** The whole environment of a child of looop. */
export function childEnv(parent: Env, own: OwnVariables, more: Env = {}): Record<string, string> {
  const inherited = inheritable(parent);
  const opencode = withoutHold(inherited[OPENCODE_CONFIG] ?? "");
  if (opencode === "") delete inherited[OPENCODE_CONFIG];
  else inherited[OPENCODE_CONFIG] = opencode;
  return { ...inherited, ...own, ...more };
}
