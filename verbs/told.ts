/** `looop _ told`: a worker reads its tells. */
import { UsageError } from "../lib/errors.ts";
import { checkId } from "../lib/ids.ts";
import { poke } from "../lib/records/move.ts";
import { finishTells, showTells, takeTells, tellRows } from "../lib/records/tells.ts";
import { readSession } from "../lib/sessions/session.ts";
import { markReady, unknownWorker } from "../lib/sessions/run_files.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

/** The line above tells that arrive unasked. */
const INTRO = "Your root agent tells you, through looop, while you work:";

/** The form in which an agent CLI's hook expects them on stdout, by the CLI's name. */
const HOOKS: Readonly<Record<string, (text: string) => string>> = {
  pi: (text) => text,
  opencode: (text) => text,
  // https://docs.anthropic.com/en/docs/claude-code/hooks: context that is added after a tool call.
  claude: (additionalContext) =>
    JSON.stringify({ hookSpecificOutput: { hookEventName: "PostToolUse", additionalContext } }),
};

export default defineVerb({
  declare: {
    path: "_ told",
    summary: "read the root agent's messages to you; prints nothing when there are none",
    audience: "worker",
    args: [{
      name: "id",
      summary: "the worker's own id; $LOOOP_SESSION_ID by default",
      kind: "worker",
      optional: true,
    }],
    options: [
      { name: "json", summary: "as JSON" },
      { name: "hook", value: "CLI", summary: "in the form that this agent CLI's hooks read" },
    ],
    example: "looop _ told",
  },
  async run(context, input) {
    const id = input.words[0] ?? context.env["LOOOP_SESSION_ID"];
    if (!id) throw new UsageError("Whose? There is no worker here", { next: "give the worker's id" });
    const session = readSession(context.profile, checkId("worker", id));
    if (session === undefined) throw unknownWorker(id);
    const hook = input.text("hook");
    if (hook !== undefined && !Object.hasOwn(HOOKS, hook)) {
      throw new UsageError(`--hook is "${hook}"`, { next: `known: ${Object.keys(HOOKS).join(", ")}` });
    }
    const tells = takeTells(context.profile, id, runOf(context, id) ?? session.meta.gen);
    if (tells.length > 0) {
      const text = showTells(tells);
      // Printed before they are marked as read: unread ones are given again.
      context.out(
        context.json
          ? `${JSON.stringify(tellRows(tells))}\n`
          : `${hook === undefined ? text : HOOKS[hook]?.(`${INTRO}\n${text}`)}\n`,
      );
      await context.whenRead(() => {
        finishTells(context.profile, id, tells);
        poke(context.profile);
      });
    } else if (context.json) context.out("[]\n");
    markReady(context.profile, id);
    return {};
  },
});

/** The calling run: processes left over from an earlier run must not take the tells of the present one. */
function runOf({ env }: Context, id: string): string | undefined {
  return env["LOOOP_SESSION_ID"] === id ? env["LOOOP_SESSION_GEN"] || undefined : undefined;
}
