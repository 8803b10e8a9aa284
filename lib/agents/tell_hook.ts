/**
 * Delivers tells to an agent while it works: at its next tool call, through the hooks of its CLI.
 *
 * claude gets a settings file and pi an extension, each named only on that worker's command line; opencode's is part
 * of its plugin ({@link prepareHold} in `hold.ts`). Nothing is written into a user's own configuration.
 */
import { findProgram } from "../process/programs.ts";
import { quietStat, readHeadBytes, replaceFile } from "../store.ts";
import { behindProgram, presetOf, programOf } from "./runners.ts";

/**
 * The start of a JavaScript module that runs inside an agent: `told()` resolves to the worker's tells, "" when there
 * are none. It lists one folder at each call; looop itself runs only when a tell is there.
 */
export function toldModule(cli: string): string {
  return `import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
const { LOOOP_BIN = "", LOOOP_DATA_DIR = "", LOOOP_SESSION_ID = "" } = process.env;
const isTold = () => {
  try {
    return readdirSync(\`\${LOOOP_DATA_DIR}/tells/\${LOOOP_SESSION_ID}\`).some((name) => /\\.(json|taken)$/.test(name));
  } catch {
    return false;
  }
};
const told = () =>
  new Promise((resolve) => {
    if (!isTold()) return resolve("");
    execFile(LOOOP_BIN, ["_", "told", LOOOP_SESSION_ID, "--hook", "${cli}"], { timeout: 60000 }, (error, text) =>
      resolve(error ? "" : text.trim()));
  });
`;
}

/** pi: https://github.com/earendil-works/pi, docs/extensions.md, \`tool_result\`. */
const PI_EXTENSION = `// looop: what the worker is told comes with the result of its next tool call.
${toldModule("pi")}
export default (pi) => {
  pi.on("tool_result", async ({ content, structuredContent }) => {
    const text = await told();
    if (text === "") return undefined;
    const more = structuredContent === undefined ? {} : { structuredContent };
    return { content: [...content, { type: "text", text }], ...more };
  });
};
`;

/** A line of sh that costs next to nothing while no tell waits. */
const CLAUDE_COMMAND = `for told in "$LOOOP_DATA_DIR/tells/$LOOOP_SESSION_ID"/*.json ` +
  `"$LOOOP_DATA_DIR/tells/$LOOOP_SESSION_ID"/*.taken; do ` +
  `[ ! -e "$told" ] || exec "$LOOOP_BIN" _ told "$LOOOP_SESSION_ID" --hook claude; done`;

/** claude: https://docs.anthropic.com/en/docs/claude-code/hooks, \`PostToolUse\`. */
const CLAUDE_SETTINGS = JSON.stringify({
  hooks: {
    PostToolUse: [{ matcher: "*", hooks: [{ type: "command", command: CLAUDE_COMMAND, timeout: 60 }] }],
  },
});

interface Hook {
  /** The file for the session's folder. */
  file: string;
  text: string;
  /** The words that name the file on the command line. */
  words: string;
  /** Matches a template that has such words already. */
  given?: RegExp;
  /** A package of the CLI without which it does not start with these words. */
  needs?: string;
}

/** The hooks, by preset. */
const HOOKS: Readonly<Record<string, Hook>> = {
  pi: { file: "told.js", text: PI_EXTENSION, words: "--extension {{tell_hook}}", needs: "jiti" },
  // The CLI accepts only one such option: a user's own stays.
  claude: {
    file: "told.json",
    text: CLAUDE_SETTINGS,
    words: "--settings {{tell_hook}}",
    given: /\s--settings\b/,
  },
};

/**
 * A template with the words that give the CLI its hook; unchanged for a CLI that has none or cannot load it.
 *
 * @param path the folders in which programs are looked for, as in PATH.
 */
export function withTellHook(template: string, preset: string | undefined, path: string): string {
  const hook = hookOf(preset);
  if (hook === undefined || presetOf(template) !== preset || hook.given?.test(template)) return template;
  const program = findProgram(programOf(template) ?? "", path);
  const isLoadable = hook.needs === undefined || (program !== undefined && hasPackage(program, hook.needs));
  return isLoadable ? behindProgram(template, hook.words) : template;
}

/** Length of a launcher script's beginning that is read, bytes. */
const LAUNCHER_BYTES = 4096;

/** Whether a JavaScript program, or the one that a launcher script names, finds a package beside or above itself. */
function hasPackage(program: string, name: string): boolean {
  const script = scriptOf(program);
  const folders = script?.split("/").map((_, n, parts) => parts.slice(0, n).join("/")) ?? [];
  return folders.some((folder) => quietStat(`${folder}/node_modules/${name}`)?.isDirectory === true);
}

/** The JavaScript file that a program is or starts, through a limited number of launchers. */
function scriptOf(program: string, launchers = 3): string | undefined {
  try {
    const real = Deno.realPathSync(program);
    if (/\.[cm]?js$/.test(real)) return real;
    const text = new TextDecoder().decode(readHeadBytes(real, LAUNCHER_BYTES));
    if (!text.startsWith("#!") || launchers === 0) return undefined;
    const [, ...paths] = text.match(/\/[^"'\s]+/g) ?? [];
    const next = paths.find((path) => /\.[cm]?js$/.test(path)) ?? paths[0];
    return next === undefined ? undefined : scriptOf(next, launchers - 1);
  } catch {
    return undefined; // gone, or not ours to read
  }
}

/** The path of the hook's file in a session's folder, for `{{tell_hook}}`. Pure. */
export function tellHookPath(preset: string | undefined, dir: string): string {
  return `${dir}/${hookOf(preset)?.file ?? ""}`;
}

/** Writes the hook's file where a template names it. */
export function writeTellHook(template: string, preset: string | undefined, dir: string): void {
  const hook = hookOf(preset);
  if (hook === undefined || !template.includes("{{tell_hook}}")) return;
  replaceFile(`${dir}/${hook.file}`, hook.text, { durable: false });
}

function hookOf(preset: string | undefined) {
  return preset !== undefined && Object.hasOwn(HOOKS, preset) ? HOOKS[preset] : undefined;
}
