/**
 * Reminders for a root agent that ends its turn while questions of workers are open: a hook or a plugin of its CLI,
 * written beside looop's skill where a user asks for that. Pure.
 *
 * Each reminds once a turn, never a worker, and only a session that has called `looop _ wait` or was given the skill.
 * codex runs hooks only after its user has reviewed them, and shows no skill's hooks: it has none.
 */
import type { RecordsKind } from "../records/presets.ts";
import { shellQuote } from "../text/quote.ts";

/** A file of a reminder, by its path below the CLI's settings folder. */
export interface ReminderFile {
  path: string;
  text: string;
}

/** The mailbox of a profile. */
export interface Mailbox {
  /** Folder of the questions. */
  asks: string;
  /** Folder of the answers that have not been read yet. */
  answers: string;
}

const WORDS =
  "Questions of workers are open: answer them, or bring them to your human, before you end your turn.";

/** A line of sh that prints the reminder and exits 2 if a question is open. */
function openQuestion({ asks, answers }: Mailbox): string {
  return `for ask in ${shellQuote(asks)}/*.json; do ` +
    `[ ! -e "$ask" ] || [ -e ${
      shellQuote(answers)
    }/"\${ask##*/}" ] || { echo "${WORDS}" >&2; exit 2; }; done`;
}

/**
 * Front matter lines of a skill, for claude and qwen, which keep its hooks from the moment in which the skill is used
 * (https://code.claude.com/docs/en/skills, qwen's docs/features/skills.md); "" for the others.
 */
export function reminderLines(cli: RecordsKind, mailbox: Mailbox): string {
  if (cli !== "claude" && cli !== "qwen") return "";
  // When the CLI runs it again because of its own reminder, it prints nothing. Its input is read to the end.
  const command = `grep '"stop_hook_active": *true' >/dev/null && exit 0; ${openQuestion(mailbox)}`;
  return `hooks:
  Stop:
    - hooks:
        - type: command
          command: ${JSON.stringify(command)}
`;
}

/** The files of a CLI that reads its hooks or plugins elsewhere; none for the others. */
export function reminderFiles(cli: RecordsKind, mailbox: Mailbox): ReminderFile[] {
  return FILES[cli]?.(mailbox) ?? [];
}

/** A hook of a CLI that gives it its session's record on stdin: only the root agent's has called `_ wait`. */
function rootHook(mailbox: Mailbox): string {
  const active = `'"stop_\\{0,1\\}[hH]ook_\\{0,1\\}[aA]ctive" *: *true'`;
  const record = `'s/.*"transcript_\\{0,1\\}[pP]ath" *: *"\\([^"]*\\)".*/\\1/p'`;
  return `in=$(cat); [ -z "$LOOOP_SESSION_ID" ] || exit 0; ! printf %s "$in" | grep -q ${active} || exit 0; ` +
    `grep -q ' _ wait' "$(printf %s "$in" | sed -n ${record})" || exit 0; ${openQuestion(mailbox)}`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** JavaScript that says whether a question is open, for a plugin. */
function openModule({ asks, answers }: Mailbox): string {
  return `import { existsSync, readdirSync } from "node:fs";
const words = ${JSON.stringify(WORDS)};
const isOpen = () => {
  try {
    return readdirSync(${JSON.stringify(asks)}).some((name) =>
      name.endsWith(".json") && !name.startsWith(".") && !existsSync(${
    JSON.stringify(`${answers}/`)
  } + name));
  } catch {
    return false;
  }
};
const isWait = (input) => / _ wait/.test(JSON.stringify(input ?? ""));
`;
}

const FILES: Readonly<Partial<Record<RecordsKind, (mailbox: Mailbox) => ReminderFile[]>>> = {
  /** docs/extensions.md of the package, `agent_before_settle`. */
  pi: (mailbox) => [{
    path: "extensions/looop.js",
    text: `// looop: reminds a root agent that ends its turn while questions are open.
${openModule(mailbox)}
export default (pi) => {
  if (process.env.LOOOP_SESSION_ID) return;
  let waits = false, reminded = false;
  pi.on("tool_call", (event) => { waits ||= isWait(event.input); });
  pi.on("input", () => { reminded = false; });
  pi.on("agent_before_settle", (event) => {
    if (!waits || reminded || !isOpen()) return undefined;
    reminded = true;
    const entry = { type: "custom_message", customType: "looop", content: words, display: true };
    return { entries: [...event.entries, entry], continue: true };
  });
};
`,
  }],
  /** https://opencode.ai/docs/plugins, the event `session.idle`. */
  opencode: (mailbox) => [{
    path: "plugin/looop.js",
    text: `// looop: reminds a root agent that ends its turn while questions are open.
${openModule(mailbox)}
export const LooopReminder = async ({ client }) => {
  if (process.env.LOOOP_SESSION_ID) return {};
  const waits = new Set(), reminded = new Set();
  return {
    "tool.execute.before": async ({ sessionID }, { args }) => { if (isWait(args)) waits.add(sessionID); },
    "chat.message": async ({ sessionID }, { parts }) => {
      if (!parts.some((part) => part.text === words)) reminded.delete(sessionID);
    },
    event: async ({ event }) => {
      const id = event.properties?.sessionID;
      if (event.type !== "session.idle" || !waits.has(id) || reminded.has(id) || !isOpen()) return;
      reminded.add(id);
      await client.session.promptAsync({ path: { id }, body: { parts: [{ type: "text", text: words }] } });
    },
  };
};
`,
  }],
  /** docs/hooks/reference.md and docs/extensions/reference.md of the package. */
  gemini: (mailbox) => [
    {
      path: "extensions/looop/gemini-extension.json",
      text: json({ name: "looop", version: "1.0.0" }),
    },
    {
      path: "extensions/looop/hooks/hooks.json",
      text: json({
        hooks: { AfterAgent: [{ hooks: [{ name: "looop", type: "command", command: rootHook(mailbox) }] }] },
      }),
    },
  ],
  /** `copilot help config`, `hooks`; copilot-sdk/types.d.ts of the package, `AgentStopHookInput`. */
  copilot: (mailbox) => [{
    path: "hooks/looop.json",
    text: json({
      version: 1,
      hooks: {
        agentStop: [{
          type: "command",
          bash: `(${rootHook(mailbox)}) 2>/dev/null; [ $? != 2 ] || echo '${
            JSON.stringify({ decision: "block", reason: WORDS })
          }'`,
        }],
      },
    }),
  }],
};
