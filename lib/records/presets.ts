/**
 * The agents that looop can start as workers, as one table of data that config.json's runners fall back to.
 * `lib/agents/runners.ts` turns a template into a shell command.
 *
 * A template is a shell line with placeholders: `{{prompt_file}}` is the path of the worker's prompt,
 * `{{session_id}}` the agent's own session. A plain template of 0.16 has only the first; the words that name or
 * resume a session are then inserted after the program's name, so that a user's own line keeps its options.
 */

/** The CLIs whose own records looop reads, for the conversation and its cost. */
export const RECORDS_KINDS = ["pi", "claude", "codex", "opencode", "gemini", "qwen", "copilot"] as const;
export type RecordsKind = typeof RECORDS_KINDS[number];

/** The command-line words by which an agent's sessions are named. They go right after the program's name. */
export interface SessionWords {
  /** Gives a new session its id at the start; absent where the CLI cannot. */
  start?: string;
  /** Resumes a session. */
  resume: string;
  /**
   * For a CLI whose interactive form takes no prompt when it resumes: the form that takes one and ends by itself, as
   * its subcommand, if any, and the replacement for the interactive form's words for the prompt.
   */
  resumedBy?: { subcommand?: string; prompt: RegExp; instead: string };
  /** Matches a template that names sessions itself; nothing is added to such a template at the start. */
  given: RegExp;
}

/** A built-in runner. */
export interface RunnerPreset {
  /** Shell template for a pseudo-terminal, in which the agent does not end by itself. */
  interactive: string;
  /** Shell template that ends by itself when the task is done. */
  headless?: string;
  /** Whether `interactive` needs a terminal; the headless form never does. */
  pty: boolean;
  /**
   * `script`: a shell runs the prompt, so the worker contract is written as comments. `brief`: the agent has no shell
   * and could not keep the contract, so it carries out the brief alone and ends by itself.
   */
  prompt: "text" | "script" | "brief";
  /** Matches the words after the program's name in a template that runs without a terminal interface. */
  headlessWords?: RegExp;
  /** The template's program, which must be on PATH. */
  program: string;
  /** How to get the program. */
  install: string;
  summary: string;
  session?: SessionWords;
  records?: RecordsKind;
  /**
   * Whether the agent records a reply's cost only after the reply's tool calls have ended; `hold.ts` waits for that.
   */
  recordsAfterTools?: true;
  /**
   * Whether the agent, when signalled to end, first ends its running command and asks its model once more. Its
   * replies are recorded before their commands run, so it is killed at once instead.
   */
  asksOnceMore?: true;
  /** Set for the agent unless the user's environment or the config sets it. */
  env?: Readonly<Record<string, string>>;
  /** The contract's sentence about the time limit of the agent's shell tool. */
  shellLimit?: string;
}

/** The option by which pi and claude run without a terminal interface. */
const PRINT_OPTION = /\s(-p|--print)(\s|$)/;
/** The same option of gemini and copilot. */
const PROMPT_OPTION = /\s(-p|--prompt)[\s=]/;

/**
 * The contract's sentence for CLIs that take five equal calls for a loop and end the turn: gemini's
 * `model.disableLoopDetection` would be the user's to set, qwen has no setting.
 */
const COUNT_CALLS =
  "Count its calls in a comment behind it, as in # 2: five equal calls in a row would end your turn.";

/** Templates that were seen to run unattended in a pseudo-terminal. */
export const RUNNER_PRESETS: Readonly<Record<string, RunnerPreset>> = {
  pi: {
    interactive: "pi @{{prompt_file}}",
    headless: "pi -p @{{prompt_file}} </dev/null",
    pty: true,
    prompt: "text",
    program: "pi",
    install: "npm install -g @earendil-works/pi-coding-agent",
    summary: "pi coding agent",
    headlessWords: PRINT_OPTION,
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
    headlessWords: PRINT_OPTION,
    session: {
      start: "--session-id {{session_id}}",
      resume: "--resume {{session_id}}",
      given: /\s(--session-id|--resume|--continue|--fork-session|--no-session-persistence|-c|-r)\b/,
    },
    records: "claude",
    // Without it the Bash tool ends every wait after 10 minutes at most; with it a timeout of hours is allowed.
    env: { BASH_MAX_TIMEOUT_MS: "86400000" },
    shellLimit:
      "Give the Bash tool timeout: 86400000 for it; if it is moved to the background all the same,\n" +
      "   its end is told to you, with a file that has the answer.",
  },
  codex: {
    // With a newer version its terminal interface asks at the start whether to update.
    interactive: "codex --disable daemon_auto_start -c check_for_update_on_startup=false " +
      '--dangerously-bypass-approvals-and-sandbox "$(cat {{prompt_file}})"',
    headless: "codex exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox " +
      '"$(cat {{prompt_file}})" </dev/null',
    pty: true,
    prompt: "text",
    program: "codex",
    install: "npm install -g @openai/codex",
    summary: "Codex CLI",
    headlessWords: /^\s+exec\s/,
    session: { resume: "resume {{session_id}}", given: /\s(resume|fork)\s/ },
    records: "codex",
    shellLimit: "When the tool says that the command still runs, poll it with the longest wait it takes.",
  },
  opencode: {
    interactive: 'opencode --auto --prompt "$(cat {{prompt_file}})"',
    // opencode quotes a prompt given on its command line and escapes the quotes inside.
    headless: "opencode run --auto <{{prompt_file}}",
    pty: true,
    prompt: "text",
    program: "opencode",
    install: "npm install -g opencode-ai",
    summary: "opencode",
    headlessWords: /^\s+run\s/,
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
  gemini: {
    interactive: 'gemini --skip-trust --yolo -i "$(cat {{prompt_file}})"',
    headless: 'gemini --skip-trust --yolo -p "$(cat {{prompt_file}})" </dev/null',
    pty: true,
    prompt: "text",
    program: "gemini",
    install: "npm install -g @google/gemini-cli",
    summary: "Gemini CLI",
    headlessWords: PROMPT_OPTION,
    session: {
      start: "--session-id {{session_id}}",
      resume: "--resume {{session_id}}",
      // Its interactive form may lose the prompt while it loads a session: measured two of three times on a busy machine.
      resumedBy: { prompt: /\s-i\s/, instead: " -p " },
      given: /\s(--session-id|--session-file|--resume|-r)\b/,
    },
    records: "gemini",
    shellLimit: `Your shell tool cuts off a command that prints nothing for 5 minutes.\n   ${COUNT_CALLS}`,
  },
  qwen: {
    interactive: 'qwen --yolo -i "$(cat {{prompt_file}})"',
    headless: 'qwen --yolo "$(cat {{prompt_file}})" </dev/null',
    pty: true,
    prompt: "text",
    program: "qwen",
    install: "npm install -g @qwen-code/qwen-code",
    summary: "Qwen Code",
    // Without an option it carries out a prompt without a terminal interface.
    headlessWords: /^(?!.*\s(-i|--prompt-interactive)\b).*\{\{prompt_file\}\}/s,
    session: {
      start: "--session-id {{session_id}}",
      resume: "--resume {{session_id}}",
      given: /\s(--session-id|--resume|--continue|--fork-session|-c|-r)\b/,
    },
    records: "qwen",
    asksOnceMore: true,
    shellLimit: `Give the command timeout: 600000, the longest your shell tool takes.\n   ${COUNT_CALLS}`,
  },
  copilot: {
    interactive: 'copilot --allow-all --no-auto-update -i "$(cat {{prompt_file}})"',
    headless: 'copilot --allow-all --no-auto-update -p "$(cat {{prompt_file}})" </dev/null',
    pty: true,
    prompt: "text",
    program: "copilot",
    install: "npm install -g @github/copilot",
    summary: "GitHub Copilot CLI",
    headlessWords: PROMPT_OPTION,
    session: {
      start: "--session-id {{session_id}}",
      resume: "--resume={{session_id}}",
      given: /\s(--session-id|--resume|--continue|--connect|-r)\b/,
    },
    records: "copilot",
    asksOnceMore: true,
    // Only this exact value also trusts the folder.
    env: { COPILOT_ALLOW_ALL: "true" },
    shellLimit:
      "Give the bash tool initial_wait: 600 for it; when it says that the command still runs, read it with\n" +
      "   read_bash and a delay of 600.",
  },
  aider: {
    interactive:
      "aider --yes-always --no-check-update --no-show-release-notes --message-file {{prompt_file}}",
    headless:
      "aider --yes-always --no-check-update --no-show-release-notes --message-file {{prompt_file}} </dev/null",
    pty: false,
    prompt: "brief",
    program: "aider",
    install: "python3 -m pip install aider-chat",
    summary: "aider: carries out one brief and ends; it has no shell, so it cannot ask",
    headlessWords: /\s(-m|--message|--message-file|-f)\b/,
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

/** The preset with a name, or undefined; safe for names that every object has, like `constructor`. */
export function presetNamed(name: string | undefined): RunnerPreset | undefined {
  return name !== undefined && Object.hasOwn(RUNNER_PRESETS, name) ? RUNNER_PRESETS[name] : undefined;
}
