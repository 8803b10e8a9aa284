/** The agents that looop can start as workers, as data, and how a template becomes a shell command. */

/** A built-in runner. */
export interface RunnerPreset {
  /** Shell template; `{{prompt_file}}` is the path of the worker's prompt. */
  interactive: string;
  /** `script`: the prompt itself is run by a shell, so the worker contract stands in comments. */
  prompt: "text" | "script";
  /** Word of the template that must be on PATH. */
  program: string;
  /** How to get the program. */
  install: string;
  summary: string;
}

/** Lines that were seen to run unattended in a pseudo-terminal. */
export const RUNNER_PRESETS: Readonly<Record<string, RunnerPreset>> = {
  pi: {
    interactive: "pi @{{prompt_file}}",
    prompt: "text",
    program: "pi",
    install: "npm install -g @earendil-works/pi-coding-agent",
    summary: "pi coding agent",
  },
  claude: {
    interactive:
      'claude "$(cat {{prompt_file}})" --permission-mode dontAsk --allowedTools Bash Read Write Edit',
    prompt: "text",
    program: "claude",
    install: "npm install -g @anthropic-ai/claude-code",
    summary: "Claude Code; the data dir must be a trusted folder",
  },
  codex: {
    interactive:
      'codex --disable daemon_auto_start --dangerously-bypass-approvals-and-sandbox "$(cat {{prompt_file}})"',
    prompt: "text",
    program: "codex",
    install: "npm install -g @openai/codex",
    summary: "Codex CLI",
  },
  opencode: {
    interactive: 'opencode --auto --prompt "$(cat {{prompt_file}})"',
    prompt: "text",
    program: "opencode",
    install: "npm install -g opencode-ai",
    summary: "opencode",
  },
  shell: {
    interactive: "bash {{prompt_file}}",
    prompt: "script",
    program: "bash",
    install: "install bash",
    summary: "runs the prompt as a bash script: for demos, tests and chores",
  },
};

/**
 * Fills `{{prompt_file}}` into a shell template so that the path is one word whatever it holds: the
 * quotes that the template has around the placeholder are taken into account.
 */
export function fillTemplate(template: string, values: Readonly<Record<string, string>>): string {
  let out = "";
  let context: QuoteContext = "none";
  const stack: QuoteContext[] = [];
  for (let at = 0; at < template.length; at++) {
    const placeholder = /^\{\{(\w+)\}\}/.exec(template.slice(at, at + 40));
    const value = placeholder === null ? undefined : values[placeholder[1] ?? ""];
    if (placeholder !== null && value !== undefined) {
      out += quoteFor(context, value);
      at += placeholder[0].length - 1;
      continue;
    }
    const char = template[at] ?? "";
    out += char;
    if (context === "single") {
      if (char === "'") context = "none";
    } else if (char === "\\") {
      out += template[++at] ?? "";
    } else if (char === "$" && template[at + 1] === "(") {
      out += template[++at];
      stack.push(context);
      context = "none";
    } else if (char === "(" && context === "none") {
      // A subshell: its end must not be taken for the end of the substitution around it.
      stack.push(context);
    } else if (char === ")" && context === "none" && stack.length > 0) {
      context = stack.pop() ?? "none";
    } else if (char === '"') {
      context = context === "double" ? "none" : "double";
    } else if (char === "'" && context === "none") {
      context = "single";
    }
  }
  return out;
}

type QuoteContext = "none" | "single" | "double";

function quoteFor(context: QuoteContext, value: string): string {
  if (context === "single") return value.replaceAll("'", `'\\''`);
  if (context === "double") return value.replace(/[\\"$`]/g, "\\$&");
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

/** Words that a shell itself understands: what stands first after them only a shell can tell. */
const SHELL_WORDS = new Set(
  (": [ ! alias builtin case cd command eval export for function if printf read set source test time trap " +
    "ulimit umask unset until wait while").split(" "),
);

/**
 * The program a template starts: its first word after variable assignments and `exec`/`env`, unquoted.
 *
 * Undefined when only a shell in the worker's own folder could tell: such a template is started unchecked.
 */
export function programOf(template: string): string | undefined {
  const words = template.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  for (const word of words) {
    const bare = word.replace(/["']/g, "");
    if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(bare) || bare === "exec" || bare === "env") continue;
    const onlyShellKnows = /[$`(){};|&<>*?\\]/.test(bare) || /^[-~.]/.test(bare) || SHELL_WORDS.has(bare);
    return onlyShellKnows ? undefined : bare;
  }
  return undefined;
}
