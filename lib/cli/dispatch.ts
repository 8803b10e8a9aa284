/** The dispatch of one call, and the one catch that prints an error and chooses the exit code. */
import { EXIT } from "../errors.ts";
import { checkProfile } from "../records/profile_check.ts";
import { noteAgent, noteTells } from "./caller.ts";
import { ReaderGone } from "./console.ts";
import { report, show } from "./report.ts";
import { type Context, mayWantJson, parseInput } from "./verb.ts";
import { findVerb, loadVerb, type VerbTable } from "./verb_table.ts";
import { checkWorkerMay } from "./worker_rules.ts";

/** Runs one call and returns its exit code; everything it prints goes through the context. */
export async function dispatch(
  verbs: VerbTable,
  argv: readonly string[],
  context: Context,
): Promise<number> {
  let path = "";
  let mutating = false;
  try {
    // Until it is known which words are options and which are text.
    context.json = mayWantJson(argv);
    const found = findVerb(verbs, argv);
    path = found.path;
    const verb = await loadVerb(verbs, path);
    // In `_ run git … --json` the option is git's.
    if (verb.declare.passthrough) context.json = false;
    const input = parseInput(verb.declare, found.rest);
    context.json = input.flag("json");
    if (input.flag("help")) {
      const { helpFor } = await import("./manual.ts");
      context.out(helpFor(verb.declare));
      return EXIT.ok;
    }
    context.journalText = input.text("journal");
    if (verb.declare.audience !== "people") checkProfile(context.profile, context.env);
    mutating = verb.declare.mutating === true;
    checkWorkerMay(path, input, context);
    await noteAgent(context, verb.declare);
    const reply = await verb.run(context, input);
    // It is done: that its reply cannot be printed is no failure of the move.
    mutating = false;
    if (reply !== undefined) show(context, verb.declare, reply);
    await noteTells(context, path);
    return reply?.code ?? EXIT.ok;
  } catch (error) {
    if (error instanceof ReaderGone) return EXIT.ok;
    return await report(context, path, mutating, error);
  }
}
