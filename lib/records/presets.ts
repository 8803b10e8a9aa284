/**
 * The agents that looop can start as workers, as one table of data that config.json's runners fall back to.
 * `lib/agents/runners.ts` turns a template into a shell command.
 *
 * A template is a shell line with placeholders: `{{prompt_file}}` is the path of the worker's prompt, `{{session_id}}`
 * the agent's own session. A plain template of 0.16 has only the first; the words that give or resume a session are then
 * inserted after the program's name, so that a user's own line keeps its options.
 */

/** The CLI whose records of its spend `lib/agents/records.ts` reads. */
export type RecordsKind = "pi" | "claude" | "codex" | "opencode";

/** How an agent names its own sessions on its command line. The words go right after the program's name. */
export interface SessionWords {
  /** Gives a new session its id at the start; absent where the CLI cannot. */
  start?: string;
  /** Goes on with a session. */
  resume: string;
  /**
   * For a CLI whose interactive form takes no prompt when it resumes: the subcommand that takes one (and ends by
   * itself), and what replaces the interactive form's words for the prompt.
   */
  resumedBy?: { subcommand: string; prompt: RegExp; instead: string };
  /** Matches a template that names sessions itself; nothing is added to such a template at the start. */
  given: RegExp;
}

/** A built-in runner. */
export interface RunnerPreset {
  /** Shell template that works in a pseudo-terminal, where the agent does not end by itself. */
  interactive: string;
  /** Shell template that ends by itself when the task is done. */
  headless?: string;
  /** Whether `interactive` needs a terminal; the headless form never does. */
  pty: boolean;
  /** `script` means that a shell runs the prompt, so the worker contract is written as comments. */
  prompt: "text" | "script";
  /** Word of the template that must be on PATH. */
  program: string;
  /** How to get the program. */
  install: string;
  summary: string;
  session?: SessionWords;
  records?: RecordsKind;
  /** The agent records a reply's cost only after the reply's tool calls have ended; `hold.ts` waits for that. */
  recordsAfterTools?: true;
  /** Set for the agent unless the user's environment or the config says otherwise. */
  env?: Readonly<Record<string, string>>;
  /** What the contract tells the worker about the time limit of its shell tool. */
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
    // Without it the Bash tool cuts every wait off after 10 minutes at most; with it a timeout of hours is allowed.
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
    // A prompt on its command line is put into quotes, and the quotes within are escaped.
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

/** The preset of a name, or undefined; safe for names that every object has, like `constructor`. */
export function presetNamed(name: string | undefined): RunnerPreset | undefined {
  return name !== undefined && Object.hasOwn(RUNNER_PRESETS, name) ? RUNNER_PRESETS[name] : undefined;
}
