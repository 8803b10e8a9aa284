/** `looop _ worker resume`: resumes the agent session of a worker that was cut off. */
import { checkId } from "../../lib/ids.ts";
import { eventAs, recordMove } from "../../lib/records/move.ts";
import { openProfile } from "../../lib/records/profile.ts";
import { bodyOf, defineVerb } from "../../lib/cli/verb.ts";
import { workerHost } from "../../lib/cli/context.ts";

export default defineVerb({
  declare: {
    path: "_ worker resume",
    summary: "resume the agent session of a worker that was cut off",
    audience: "root",
    args: [
      { name: "id", summary: "a worker that has ended", kind: "worker" },
      {
        name: "text",
        summary: "its next prompt; a text of looop's by default",
        optional: true,
        many: true,
      },
    ],
    mutating: true,
    example: "looop _ worker resume fix-42",
    details:
      "A new run of the same worker: its conversation, its questions and its answers are kept, running commands\n" +
      "are not. For agents that can (pi, claude, codex, opencode, gemini, qwen, copilot) and for runners whose config\n" +
      "has a `resume` line.",
  },
  async run(context, input) {
    const id = checkId("worker", input.word(0));
    const { resumeWorker } = await import("../../lib/workers/resume.ts");
    const host = workerHost(context);
    const text = input.words.length < 2 ? undefined : await bodyOf(context, input.words.slice(1), "text");
    openProfile(context.profile);
    const waiting = (what: string) => context.note(`looop _ worker resume: waiting for ${what}`);
    const runner = await resumeWorker({ ...host, waiting }, id, text);
    eventAs(context, "worker_started", { id, runner: runner.name });
    recordMove(context, `resume-worker ${id} (${runner.name})`, [id]);
    return { text: `resume-worker ${id} (${runner.name})` };
  },
});
