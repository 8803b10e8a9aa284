/**
 * Keeps opencode from asking its model once more when its worker has ended itself, and delivers tells to it.
 *
 * opencode records a reply only once the reply's tool calls have ended, and a worker ends itself inside of one. So a
 * plugin, given to that one process through its environment, lets the call return, and stops opencode where it would
 * next ask the model, which is after it has recorded everything.
 */
import { isRecord } from "../text/json.ts";
import { HOLD_PLUGIN, OPENCODE_CONFIG, withoutHold } from "../process/child_env.ts";
import { presetNamed } from "../records/presets.ts";
import { replaceFile } from "../store.ts";
import { toldModule } from "./tell_hook.ts";

/** The file in a session's folder to which opencode's plugin writes the id of the agent's session. */
export const AGENT_SESSION_FILE = "agent_session";

/**
 * The plugin. Only the first of several processes in the worker's tree is held, and an error here must not keep
 * opencode from working: then its last reply is not counted.
 */
const PLUGIN =
  `// looop: when the worker ends, opencode writes its last reply down and asks its model nothing more.
// Tells reach it with the result of its next tool call.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
${toldModule("opencode")}
const at = (name) => new URL(name, import.meta.url);
const isFirst = () => {
  try {
    writeFileSync(at("holding"), String(process.pid), { flag: "wx", mode: 0o600 });
    return true;
  } catch {
    return existsSync(at("holding")) && readFileSync(at("holding"), "utf8") === String(process.pid);
  }
};
const name = (session) => {
  try {
    writeFileSync(at("${AGENT_SESSION_FILE}"), String(session), { flag: "wx", mode: 0o600 });
  } catch {
    // The session is named already: later ones are a subagent's.
  }
};
export const Looop = async () => {
  if (!isFirst()) return {};
  return {
    "chat.params": async (input) => {
      if (input?.sessionID) name(input.sessionID);
      if (!existsSync(at("end"))) return;
      writeFileSync(at("held"), "", { mode: 0o600 });
      await new Promise(() => {});
    },
    "tool.execute.after": async (_call, result) => {
      if (typeof result?.output !== "string") return;
      const text = await told();
      if (text !== "") result.output += "\\n\\n" + text;
    },
  };
};
`;

/**
 * Puts the plugin into a session's folder.
 *
 * @param env The environment with which the agent is started.
 * @returns The variables that give it to the agent; none for an agent that needs none.
 */
export function prepareHold(
  dir: string,
  preset: string | undefined,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  if (presetNamed(preset)?.recordsAfterTools !== true) return {};
  const config = parseConfig(withoutHold(env[OPENCODE_CONFIG] ?? ""));
  if (config === undefined) return {};
  const path = `${dir}/${HOLD_PLUGIN}`;
  replaceFile(path, PLUGIN, { durable: false });
  const url = `file://${path.split("/").map(encodeURIComponent).join("/")}`;
  const own = Array.isArray(config["plugin"]) ? config["plugin"] : [];
  return { [OPENCODE_CONFIG]: JSON.stringify({ ...config, plugin: [...own, url] }) };
}

/** A user's own configuration; undefined when it is not plain JSON, which is left as it is. */
function parseConfig(text: string): Record<string, unknown> | undefined {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
