/** Throw-away homes in which the real agent CLIs talk to a {@link ModelServer} and to nothing else. */
import type { RecordsKind } from "../../lib/records/presets.ts";
import { looopCommand, type TestProfile } from "../looop.ts";
import { writeExecutable } from "../executable.ts";

const env = Deno.env.toObject();

/**
 * The folder of an installed CLI: where tests/agents/install.sh puts it, else on PATH. Undefined if there is none, or
 * when `LOOOP_AGENTS_DIR` is empty.
 */
export function folderOf(cli: RecordsKind): string | undefined {
  const cache = env["XDG_CACHE_HOME"] ?? `${env["HOME"]}/.cache`;
  const own = env["LOOOP_AGENTS_DIR"] ?? `${cache}/looop-ci/agents`;
  if (own === "") return undefined;
  return [`${own}/bin`, ...(env["PATH"] ?? "").split(":")].find((dir) => isFile(`${dir}/${cli}`));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Dollars per million tokens, for the CLIs that take prices from their config. */
export const PRICES = { input: 3, output: 15, cached: 0.3 } as const;

/** Sets up the profile's home so that `cli` stops at no dialog, and puts it and `looop` on PATH. */
export function furnish(
  p: Pick<TestProfile, "base" | "env">,
  cli: RecordsKind,
  folder: string,
  url: string,
): void {
  const home = p.env["HOME"] ?? "";
  const bin = `${p.base}/bin`;
  const looop = looopCommand().map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  Deno.mkdirSync(bin, { recursive: true });
  writeExecutable(`${bin}/looop`, `#!/bin/sh\nexec ${looop} "$@"\n`);
  // A wrapper: the CLI's folder may hold other programs, which must not shadow the machine's own.
  writeExecutable(`${bin}/${cli}`, `#!/bin/sh\nexec '${folder}/${cli}' "$@"\n`);
  Object.assign(p.env, {
    PATH: p.env["PATH"]?.startsWith(`${bin}:`) ? p.env["PATH"] : `${bin}:${p.env["PATH"]}`,
    SHELL: "/bin/bash",
    TERM: "xterm-256color",
    ...ENVIRONMENTS[cli](url, folder),
  });
  // codex runs a login shell, which resets PATH, so the home's profile sets it, as users' profiles do.
  write(`${home}/.profile`, `PATH='${p.env["PATH"]}'\n`);
  SETTINGS[cli](home, url, p.base);
}

/** Environment variables of each CLI. */
export const ENVIRONMENTS: Readonly<
  Record<RecordsKind, (url: string, folder: string) => Record<string, string>>
> = {
  pi: () => ({ PI_OFFLINE: "1" }),
  claude: (url) => ({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: "none",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
  }),
  codex: () => ({}),
  opencode: () => ({ OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_AUTOUPDATE: "1" }),
  gemini: (url) => ({ GEMINI_API_KEY: "none", GOOGLE_GEMINI_BASE_URL: url }),
  qwen: (url) => ({ OPENAI_API_KEY: "none", OPENAI_BASE_URL: `${url}/v1`, OPENAI_MODEL: "script" }),
  copilot: (url, folder) => ({
    COPILOT_OFFLINE: "true",
    COPILOT_PROVIDER_BASE_URL: `${url}/v1`,
    COPILOT_PROVIDER_API_KEY: "none",
    COPILOT_MODEL: "gpt-4.1",
    // It unpacks itself at its first start, which takes 10 s; all tests share the result.
    COPILOT_CACHE_HOME: `${folder}/../copilot-cache`,
  }),
};

/** Time after which gemini stops a command that prints nothing, its only limit, s. */
export const GEMINI_LIMIT_S = 8;

const SETTINGS: Readonly<Record<RecordsKind, (home: string, url: string, base: string) => void>> = {
  pi(home, url) {
    const cost = { ...PRICES, cacheRead: PRICES.cached, cacheWrite: 0 };
    const models = [{ id: "script", contextWindow: 200_000, cost }];
    const provider = { baseUrl: url, api: "anthropic-messages", apiKey: "none", models };
    write(`${home}/.pi/agent/models.json`, JSON.stringify({ providers: { local: provider } }));
    const settings = { defaultProvider: "local", defaultModel: "script" };
    write(`${home}/.pi/agent/settings.json`, JSON.stringify(settings));
  },
  claude(home, _url, base) {
    const projects = { [base]: { hasTrustDialogAccepted: true } };
    write(`${home}/.claude.json`, JSON.stringify({ hasCompletedOnboarding: true, projects }));
  },
  codex(home, url) {
    write(
      `${home}/.codex/config.toml`,
      `model = "script"
model_provider = "local"
check_for_update_on_startup = false
[model_providers.local]
name = "local"
base_url = "${url}/v1"
wire_api = "responses"
[analytics]
enabled = false
`,
    );
  },
  opencode(home, url) {
    const cost = { input: PRICES.input, output: PRICES.output, cache_read: PRICES.cached, cache_write: 0 };
    const limit = { context: 200_000, output: 8000 };
    const models = { script: { name: "script", tool_call: true, limit, cost } };
    const options = { baseURL: `${url}/v1`, apiKey: "none" };
    const local = { npm: "@ai-sdk/openai-compatible", name: "local", options, models };
    write(
      `${home}/.config/opencode/opencode.json`,
      JSON.stringify({ autoupdate: false, share: "disabled", model: "local/script", provider: { local } }),
    );
  },
  gemini(home) {
    const settings = {
      security: { auth: { selectedType: "gemini-api-key" } },
      general: { enableAutoUpdate: false },
      privacy: { usageStatisticsEnabled: false },
      tools: { shell: { inactivityTimeout: GEMINI_LIMIT_S } },
    };
    write(`${home}/.gemini/settings.json`, JSON.stringify(settings));
  },
  qwen(home) {
    const settings = {
      security: { auth: { selectedType: "openai" } },
      privacy: { usageStatisticsEnabled: false },
    };
    write(`${home}/.qwen/settings.json`, JSON.stringify(settings));
  },
  copilot() {},
};

function write(path: string, text: string): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(path, text, { mode: 0o600 });
}
