/** `looop status`: one screen that answers "why is nothing happening?". */
import { openProfile } from "../lib/records/profile.ts";
import { readListener } from "../lib/world/listener.ts";
import { look, stateOf } from "../lib/world/state.ts";
import { readHost } from "../lib/cli/machine.ts";
import { showStatus, statusJson } from "../lib/cli/status.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "status",
    summary: "one screen: what looop does, and why nothing happens",
    audience: "people",
    options: [{ name: "json", summary: "the state as in `_ state`, and the problems" }],
    example: "looop status",
    details: "Each line that begins with ! gives a reason why less happens than should, and how to fix it.",
  },
  async run(context) {
    const { profile, width, colour } = context;
    openProfile(profile);
    const now = context.now();
    const [snapshot, host] = await Promise.all([look(profile, now), readHost(profile, context.env, now)]);
    const listener = await readListener(profile, now);
    return {
      text: showStatus(snapshot, host, { width, colour }, listener),
      json: { listener, ...statusJson(snapshot, host), ...await stateOf(snapshot) },
    };
  },
});
