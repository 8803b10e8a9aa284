/**
 * Holds opencode back from asking its model once more when its worker has ended itself.
 *
 * It writes a reply down only once the reply's tool calls have ended, and a worker ends itself inside of one. So a
 * plugin, given to that one process by its environment, lets the call come back, and stops opencode where it
 * would ask the model the next time, which is after it has written everything down.
 */
import { isRecord } from "../text/json.ts";
import { HOLD_PLUGIN, OPENCODE_CONFIG, withoutHold } from "../process/child_env.ts";
import { presetNamed } from "../records/presets.ts";
import { replaceFile } from "../store.ts";

/** File in a session's folder to which opencode's plugin writes the id of the agent's session. */
export const AGENT_SESSION_FILE = "agent_session";

/**
 * Of several processes in the worker's tree only the first is held, and what goes wrong here must not keep
 * opencode from working: then its last reply is not counted.
 */
const PLUGIN =
  `// looop: when the worker ends, opencode writes its last reply down and asks its model nothing more.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
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
    // Named already: what comes later is a subagent's.
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
  };
};
`;

/**
 * Puts the plugin into a session's folder.
 *
 * @param env What the agent is started with.
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

/** A user's own configuration; undefined when it is not plain JSON: then it is left as it is. */
function parseConfig(text: string): Record<string, unknown> | undefined {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
