/** `looop watch`: the fleet as a live full screen, on which questions are answered. */
import { UserError } from "../lib/errors.ts";
import { runStoppable, STOP_SIGNALS } from "../lib/process/stop.ts";
import { openProfile } from "../lib/records/profile.ts";
import { defineVerb } from "../lib/cli/verb.ts";

/** Interval at which it checks whether its caller is still there, ms: a terminal that closes sends a signal. */
const CALLER_POLL_MS = 5_000;

export default defineVerb({
  declare: {
    path: "watch",
    summary:
      "a live full screen: questions to answer right there, workers with what they show, sensors, journal",
    audience: "people",
    example: "looop watch",
    details:
      "↑ and ↓ choose a question or a worker. A question: a digit takes that option, a types an answer, d\n" +
      "declines with a reason. A worker: its agent's transcript, or with s its terminal. ⏎ opens, q quits,\n" +
      "? shows all keys.",
  },
  async run(context) {
    if (!context.stdinIsTerminal() || !Deno.stdout.isTerminal() || context.env["TERM"] === "dumb") {
      throw new UserError("It needs a terminal to draw on", {
        next: "`looop status` prints the same once",
        kind: "no_terminal",
      });
    }
    openProfile(context.profile);
    // The library asks for it when it is loaded: else it would measure and remember each frame.
    Deno.env.set("NODE_ENV", "production");
    const { watchScreen } = await import("../lib/cli/watch/watching.ts");
    const { stoppedBy } = await runStoppable(
      (stop) => watchScreen(context, stop),
      CALLER_POLL_MS,
    );
    return stoppedBy === undefined ? {} : { code: STOP_SIGNALS[stoppedBy] };
  },
});
