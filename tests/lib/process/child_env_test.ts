import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { childEnv, HOLD_PLUGIN, isAgentMark, OPENCODE_CONFIG } from "../../../lib/process/child_env.ts";

const OWN = { LOOOP_BIN: "/b", LOOOP_DATA_DIR: "/d", LOOOP_CONFIG: "/c", LOOOP_HOME: "1" };
const OURS = OWN;

Deno.test("given the marks that agent CLIs leave, when a child's environment is made, then none is passed on", () => {
  const marks = {
    CLAUDECODE: "1",
    CLAUDE_CODE_ENTRYPOINT: "cli",
    CLAUDE_CODE_SSE_PORT: "1",
    CODEX_THREAD_ID: "t",
    CODEX_SANDBOX: "seatbelt",
    OPENCODE: "1",
    OPENCODE_PID: "1",
    PI_CODING_AGENT: "true",
    PI_SESSION_ID: "s",
    PI_SESSION_FILE: "f",
    AI_AGENT: "x",
    AGENT: "1",
    GIT_EDITOR: "true",
    LOOOP_SESSION_ID: "outer",
    LOOOP_SESSION_GEN: "g",
    LOOOP_SENSOR_RUN: "1.2.3",
    LOOOP_PULSE: "1",
    LOOOP_HOME: "2",
  };
  deepStrictEqual(childEnv(marks, OWN), OURS);
});

Deno.test("given settings that a user made, when a child's environment is made, then they stay as they are", () => {
  const settings = {
    PATH: "/bin",
    HOME: "/h",
    LANG: "C.UTF-8",
    ANTHROPIC_API_KEY: "k",
    OPENAI_API_KEY: "k",
    CODEX_HOME: "/x",
    CLAUDE_CONFIG_DIR: "/y",
    CLAUDE_CODE_USE_BEDROCK: "1",
    CLAUDE_CODE_OAUTH_TOKEN: "t",
    PI_OFFLINE: "1",
    PI_CODING_AGENT_DIR: "/z",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    CLAUDE_CODE_MAX_OUTPUT_TOKENS: "9",
    OPENCODE_CONFIG: "/o",
    OPENCODE_CONFIG_DIR: "/o",
    OPENCODE_DB: "/o.db",
    OPENCODE_DISABLE_MODELS_FETCH: "1",
    OPENCODE_PERMISSION: "{}",
    GIT_EDITOR: "vim",
    LOOOP_INTERVAL: "5",
    MY_AGENT: "x",
  };
  deepStrictEqual(childEnv(settings, OWN), { ...settings, ...OURS });
});

Deno.test("given a worker's plugin of opencode's, when a child's environment is made, then the plugin is not passed on", () => {
  const url = `file:///d/sessions/w1/${HOLD_PLUGIN}`;
  const left = (config: unknown) =>
    childEnv({ [OPENCODE_CONFIG]: JSON.stringify(config) }, OWN)[OPENCODE_CONFIG];
  strictEqual(left({ plugin: [url] }), undefined);
  strictEqual(left({ plugin: ["mine", url], model: "m" }), '{"model":"m","plugin":["mine"]}');
  strictEqual(left({ model: "m", plugin: [url] }), '{"model":"m"}');
  const foreign = `{"model":"${HOLD_PLUGIN}" // mine\n}`;
  strictEqual(childEnv({ [OPENCODE_CONFIG]: foreign }, OWN)[OPENCODE_CONFIG], foreign);
});

Deno.test("given another looop's variables, when a child's environment is made, then ours win and more is added last", () => {
  const parent = { LOOOP_BIN: "/old", LOOOP_DATA_DIR: "/old", LOOOP_CONFIG: "/old", TERM: "dumb" };
  deepStrictEqual(childEnv(parent, OWN, { TERM: "xterm" }), { ...OURS, TERM: "xterm" });
  deepStrictEqual(parent.LOOOP_BIN, "/old");
});

Deno.test("given an editor that does nothing, when it is checked, then it counts as a mark only in the form that agents set", () => {
  strictEqual(isAgentMark("GIT_EDITOR", "true"), true);
  strictEqual(isAgentMark("GIT_EDITOR", "nano"), false);
});

Deno.test("given a TMPDIR of any kind, when a child's environment is made, then it keeps only one that is a folder", async () => {
  const dir = await Deno.makeTempDir();
  for (const none of ["", "tmp", ".", `${dir}/none`, import.meta.filename ?? ""]) {
    deepStrictEqual(childEnv({ TMPDIR: none }, OWN), OURS, none);
  }
  deepStrictEqual(childEnv({ TMPDIR: dir }, OWN), { ...OURS, TMPDIR: dir });
  await Deno.remove(dir);
});
