/** `looop _ answer`: the root agent answers one pending ask. */
import { UsageError } from "../lib/errors.ts";
import { checkAskId } from "../lib/ids.ts";
import { answerAs } from "../lib/cli/answering.ts";
import { bodyOf, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ answer",
    summary: "answer one pending question; the first answer wins",
    audience: "root",
    args: [
      { name: "ask_id", summary: "as shown in asks[]", kind: "ask" },
      { name: "text", summary: "the answer; from stdin when absent or -", optional: true, many: true },
    ],
    options: [
      { name: "replace", summary: "change an answer that the worker has not read yet" },
      { name: "free", summary: "give an answer that is not one of the offered options" },
      { name: "decline", value: "WHY", summary: "say no, with the reason" },
    ],
    mutating: true,
    example: "looop _ answer w1-1 yes, ship it",
  },
  async run(context, input) {
    const id = checkAskId(input.word(0));
    const why = input.text("decline");
    if (why !== undefined && input.words.length > 1) {
      throw new UsageError("Both an answer and --decline", { next: "give one of them" });
    }
    if (why?.trim() === "") {
      throw new UsageError("--decline is empty", { next: "say why; nothing was answered" });
    }
    const body = why ?? await bodyOf(context, input.words.slice(1), "answer");
    // The last newline of a pipe comes from the shell and is not part of the answer.
    const text = input.words.length > 1 || why !== undefined ? body : body.replace(/\r?\n$/, "");
    const answer = await answerAs(context, {
      id,
      text,
      outcome: why === undefined ? "answered" : "declined",
      free: input.flag("free"),
      replace: input.flag("replace"),
    });
    return { text: answer };
  },
});
