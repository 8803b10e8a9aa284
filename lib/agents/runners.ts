/**
 * The agents that looop can start as workers, as one table of data, and how a template becomes a shell command.
 *
 * A template is a shell line with placeholders: `{{prompt_file}}` the path of the worker's prompt,
 * `{{session_id}}` the agent's own session. A plain template of 0.16 has only the first; then the words that
 * give or resume a session are put behind the program's name, so that a user's own line keeps its options.
 */
import { baseName } from "../paths.ts";

/** Where and how an agent CLI writes down what it spent; `lib/spend_records.ts` reads it. */
export type RecordsKind = "pi" | "claude" | "codex" | "opencode";

/** How an agent names its own sessions on its command line. Words go right behind the program's name. */
export interface SessionWords {
  /** Gives a new session its id at the start; absent where the CLI cannot. */
  start?: string;
  /** Goes on with a session. */
  resume: string;
  /**
   * Where the interactive form of the CLI takes no prompt when it resumes: the subcommand that does, and then
   * ends by itself, and what it is given instead of the interactive form's words for the prompt.
   */
  resumedBy?: { subcommand: string; prompt: RegExp; instead: string };
  /** A template in which this is found speaks of sessions itself: nothing is added to it at the start. */
  given: RegExp;
}

/** A built-in runner. */
export interface RunnerPreset {
  /** Shell template that works in a pseudo-terminal, where the agent does not end by itself. */
  interactive: string;
  /** Shell template that ends by itself when the task is done. */
  headless?: string;
  /** Whether `interactive` needs a terminal; what is headless needs none. */
  pty: boolean;
  /** `script`: the prompt itself is run by a shell, so the worker contract stands in comments. */
  prompt: "text" | "script";
  /** Word of the template that must be on PATH. */
  program: string;
  /** How to get the program. */
  install: string;
  summary: string;
  session?: SessionWords;
  records?: RecordsKind;
  /** It writes down what a reply cost only once the reply's tool calls have ended; `lib/hold.ts` minds that. */
  recordsAfterTools?: true;
  /** Set for the agent unless the user's environment or the config says otherwise. */
  env?: Readonly<Record<string, string>>;
  /** The limit of its shell tool, said to the worker where the contract speaks of waiting for an answer. */
  shellLimit?: string;
}

/** Lines that were seen to run unattended in a pseudo-terminal. */
export const RUNNER_PRESETS: Readonly<Record<string, RunnerPreset>> = {
  pi: {
    interactive: "pi @{{prompt_file}}",
    headless: "pi -p @{{prompt_file}} </dev/null",
    pty: true,
    prompt: "text",
    program: "pi",
    install: "npm install -g @earendil-works/pi-coding-agent",
    summary: "pi coding agent",
    session: {
      start: "--session-id {{session_id}}",
      resume: "--session {{session_id}}",
      given: /\s(--session(-id|-dir)?|--no-session|--fork|--continue|--resume|-c|-r)\b/,
    },
    records: "pi",
    shellLimit: "Your bash tool has no time limit unless you set one: set none.",
  },
  claude: {
    interactive:
      'claude "$(cat {{prompt_file}})" --permission-mode dontAsk --allowedTools Bash Read Write Edit',
    headless:
      'claude -p "$(cat {{prompt_file}})" --output-format stream-json --verbose --permission-mode dontAsk --allowedTools Bash Read Write Edit </dev/null',
    pty: true,
    prompt: "text",
    program: "claude",
    install: "npm install -g @anthropic-ai/claude-code",
    summary: "Claude Code; the data dir must be a trusted folder",
    session: {
      start: "--session-id {{session_id}}",
      resume: "--resume {{session_id}}",
      given: /\s(--session-id|--resume|--continue|--fork-session|--no-session-persistence|-c|-r)\b/,
    },
    records: "claude",
    // Without it a wait is cut off after 10 minutes at best; with it the Bash tool's timeout may be hours.
    env: { BASH_MAX_TIMEOUT_MS: "86400000" },
    shellLimit:
      "Give the Bash tool timeout: 86400000 for it; if it is moved to the background all the same,\n" +
      "   its end is told to you, with a file that has the answer.",
  },
  codex: {
    interactive:
      'codex --disable daemon_auto_start --dangerously-bypass-approvals-and-sandbox "$(cat {{prompt_file}})"',
    headless: "codex exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox " +
      '"$(cat {{prompt_file}})" </dev/null',
    pty: true,
    prompt: "text",
    program: "codex",
    install: "npm install -g @openai/codex",
    summary: "Codex CLI",
    session: { resume: "resume {{session_id}}", given: /\s(resume|fork)\s/ },
    records: "codex",
    shellLimit: "When the tool says that the command still runs, poll it with the longest wait it takes.",
  },
  opencode: {
    interactive: 'opencode --auto --prompt "$(cat {{prompt_file}})"',
    // On its command line it puts a prompt into quotes and escapes those within.
    headless: "opencode run --auto <{{prompt_file}}",
    pty: true,
    prompt: "text",
    program: "opencode",
    install: "npm install -g opencode-ai",
    summary: "opencode",
    session: {
      resume: "-s {{session_id}}",
      // With -s its terminal interface shows the session and leaves --prompt unsent.
      resumedBy: {
        subcommand: "run",
        prompt: /--prompt[=\s]\s*"\$\(\s*(cat\s|<)\s*["']?\{\{prompt_file\}\}["']?\s*\)"/,
        instead: "<{{prompt_file}}",
      },
      given: /\s(--session|--continue|--fork|-s|-c)\b/,
    },
    records: "opencode",
    recordsAfterTools: true,
    shellLimit: "Give the bash tool timeout: 86400000 for it.",
  },
  shell: {
    interactive: "bash {{prompt_file}}",
    headless: "bash {{prompt_file}} </dev/null",
    pty: false,
    prompt: "script",
    program: "bash",
    install: "install bash",
    summary: "runs the prompt as a bash script: for demos, tests and chores",
  },
};

/** The preset of a name; names that every object has (`constructor`) are none. */
export function presetNamed(name: string | undefined): RunnerPreset | undefined {
  return name !== undefined && Object.hasOwn(RUNNER_PRESETS, name) ? RUNNER_PRESETS[name] : undefined;
}

/** Largest prompt that goes on a command line: Linux refuses one argument of 128 KiB (E2BIG). */
export const MAX_ARGUMENT_BYTES = 100_000;

/** Whether a template puts the whole prompt on the command line, as `$(cat {{prompt_file}})` does. Pure. */
export function passesPromptAsArgument(template: string): boolean {
  return /\$\(\s*(?:cat\s|<)\s*["']?\{\{prompt_file\}\}/.test(template);
}

/** Whether a template starts its agent without a terminal interface, which asks nothing. Pure. */
export function isHeadless(template: string): boolean {
  const preset = presetOf(template);
  if (preset === "codex" || preset === "opencode") return subcommandLength(template) > 0;
  return /\s(-p|--print)(\s|$)/.test(template);
}

/** The preset whose program a template starts, by the program's name, or undefined. Pure. */
export function presetOf(template: string): string | undefined {
  const name = baseName(programOf(template) ?? "");
  return Object.entries(RUNNER_PRESETS).find(([, preset]) => preset.program === name && preset.records)?.[0];
}

/** A template that gives the agent's session its id, where the CLI can and the template does not. Pure. */
export function withSessionStart(template: string, words: SessionWords | undefined): string {
  if (words?.start === undefined || template.includes("{{session_id}}") || words.given.test(template)) {
    return template;
  }
  return behindProgram(template, words.start);
}

/** A template that goes on with a session: what gave it its id is taken out, what resumes it put in. Pure. */
export function withSessionResume(template: string, words: SessionWords): string {
  const bare = words.start === undefined ? template : template.replace(` ${words.start}`, "");
  const by = words.resumedBy;
  if (by === undefined || subcommandLength(bare) > 0) return behindProgram(bare, words.resume);
  return behindProgram(bare.replace(by.prompt, by.instead), `${by.subcommand} ${words.resume}`);
}

/** `codex exec`, `opencode run`: the headless word is a subcommand, and the session belongs to it. */
const SUBCOMMAND = /^\s+(exec|run)(?=\s)/;

function subcommandLength(template: string): number {
  const end = programSpan(template)?.end ?? 0;
  return SUBCOMMAND.exec(template.slice(end))?.[0].length ?? 0;
}

function behindProgram(template: string, words: string): string {
  const at = (programSpan(template)?.end ?? 0) + subcommandLength(template);
  return `${template.slice(0, at)} ${words}${template.slice(at)}`;
}

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
    const name = placeholder?.[1] ?? "";
    // `{{constructor}}` is no placeholder, though every object has that.
    if (placeholder !== null && Object.hasOwn(values, name)) {
      out += quoteFor(context, values[name] ?? "");
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
  (": [ ! alias builtin case cd command eval exit export for function if printf read set source test time trap " +
    "ulimit umask unset until wait while").split(" "),
);

/**
 * The program a template starts: its first word after variable assignments and `exec`/`env`, unquoted.
 *
 * Undefined when only a shell in the worker's own folder could tell: such a template is started unchecked.
 */
export function programOf(template: string): string | undefined {
  return programSpan(template)?.word;
}

/**
 * Whether a template is one command whose program comes first, so that its shell can make way for it: a shell that
 * stays dies of the signals that are meant for the agent, and takes the terminal with it. Pure.
 */
export function isOneCommand(template: string): boolean {
  const span = programSpan(template);
  const begin = template.slice(0, span?.end).trim();
  const bare = template.replace(/\{\{\w+\}\}/g, "")
    .replace(/"\$\((?:cat\s*|<\s*)\)"|"[^"$`\\]*"|'[^']*'/g, "");
  return span !== undefined && !/\s/.test(begin) && !/[;&|\n(){}`"'\\#]/.test(bare);
}

/** The program's word and where it ends in the template. */
function programSpan(template: string): { word: string; end: number } | undefined {
  for (const match of template.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)) {
    const bare = match[0].replace(/["']/g, "");
    if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(bare) || bare === "exec" || bare === "env") continue;
    const onlyShellKnows = /[$`(){};|&<>*?\\]/.test(bare) || /^[-~.]/.test(bare) || SHELL_WORDS.has(bare);
    return onlyShellKnows ? undefined : { word: bare, end: match.index + match[0].length };
  }
  return undefined;
}
