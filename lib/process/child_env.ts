/** The environment of what looop starts: its own names set, the marks of a calling agent scrubbed. Pure. */

/** Variables by which an agent CLI marks the shells it starts; a worker below an agent must not see them. */
const AGENT_MARKS = new Set([
  "AI_AGENT",
  "AGENT",
  "CLAUDECODE",
  "CLAUDE_EFFORT",
  "CLAUDE_PID",
  "GIT_EDITOR",
  "OPENCODE",
  "PI_CODING_AGENT",
  "PI_SESSION_ID",
  "PI_SESSION_FILE",
  "PI_PROVIDER",
  "PI_MODEL",
  "PI_REASONING_LEVEL",
]);
/** Settings a user makes on purpose among the marks' prefixes: they stay. */
const USER_SETTINGS = new Set([
  "CODEX_HOME",
  "CODEX_API_KEY",
  "CLAUDE_CODE_SANDBOXED",
  "CLAUDE_CODE_OAUTH_TOKEN",
  "CLAUDE_CODE_EFFORT_LEVEL",
]);
/** Families of such settings: a worker without `OPENCODE_DISABLE_MODELS_FETCH` may hang where its root did not. */
const USER_FAMILIES =
  /^(CLAUDE_CODE_(USE|SKIP|DISABLE|ENABLE|MAX|SUBAGENT)|OPENCODE_(CONFIG|DB|DISABLE|ENABLE|EXPERIMENTAL|PERMISSION|API_KEY|MODELS))(_|$)/;
/** looop's own names of one session, sensor run or `_ run`: never inherited by the next. */
const OWN_MARKS = new Set([
  "LOOOP_HOME",
  "LOOOP_OS",
  "LOOOP_SESSION_ID",
  "LOOOP_SESSION_GEN",
  "LOOOP_SENSOR_RUN",
  "LOOOP_RUN",
  "LOOOP_PULSE",
]);

/** Whether a variable is an agent's mark rather than a user's setting. */
export function isAgentMark(name: string, value: string): boolean {
  if (USER_SETTINGS.has(name) || USER_FAMILIES.test(name)) return false;
  if (name === "GIT_EDITOR") return value === "true";
  return AGENT_MARKS.has(name) || /^(CLAUDE_CODE_|CODEX_|OPENCODE)/.test(name);
}

/** The variable by which opencode takes configuration beside its files; lists of plugins are put together. */
export const OPENCODE_CONFIG = "OPENCODE_CONFIG_CONTENT";
/** Name of the plugin of `lib/hold.ts`, which is one worker's own. */
export const HOLD_PLUGIN = "looop-hold.mjs";

/** A configuration of opencode's without the plugins of workers; "" when nothing else is in it. Pure. */
export function withoutHold(config: string): string {
  if (!config.includes(HOLD_PLUGIN)) return config;
  try {
    const { plugin, ...rest } = JSON.parse(config) as { plugin: unknown[] };
    const own = plugin.filter((one) => !String(one).endsWith(`/${HOLD_PLUGIN}`));
    const left = own.length > 0 ? { ...rest, plugin: own } : rest;
    return Object.keys(left).length === 0 ? "" : JSON.stringify(left);
  } catch {
    return config; // nothing of looop's: that is plain JSON
  }
}

/** What looop itself gives its children (`ownVariables` in `records/home.ts`). */
export interface OwnVariables {
  [name: string]: string;
  LOOOP_BIN: string;
  LOOOP_DATA_DIR: string;
  LOOOP_CONFIG: string;
}

/** A whole environment (to be used with `clearEnv`) for a child of looop. */
export function childEnv(
  parent: Readonly<Record<string, string>>,
  own: OwnVariables,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const kept = Object.entries(parent).filter(([name, value]) =>
    !isAgentMark(name, value) && !OWN_MARKS.has(name)
  );
  const inherited = Object.fromEntries(kept);
  const opencode = withoutHold(inherited[OPENCODE_CONFIG] ?? "");
  if (opencode === "") delete inherited[OPENCODE_CONFIG];
  else inherited[OPENCODE_CONFIG] = opencode;
  return { ...inherited, ...own, ...more };
}
