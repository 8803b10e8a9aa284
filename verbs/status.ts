/** `looop status`: one screen that answers "why is nothing happening?". */
import { openProfile } from "../lib/profile.ts";
import { readPulse } from "../lib/pulse_status.ts";
import { look, stateOf } from "../lib/state.ts";
import { showStatus } from "../lib/status.ts";
import { defineVerb } from "../lib/verb.ts";

export default defineVerb({
  declare: {
    path: "status",
    summary: "one screen: pulse, questions, workers, sensors that fail, spend today",
    audience: "people",
    options: [{ name: "json", summary: "for machines" }],
    example: "looop status",
  },
  async run(context) {
    openProfile(context.profile);
    const snapshot = await look(context.profile, context.now());
    const record = readPulse(context.profile);
    const text = showStatus(snapshot, {
      width: context.width,
      colour: context.colour,
      warnings: record?.warnings ?? [],
    });
    return { text, json: stateOf(snapshot) };
  },
});
