/** `looop up`: start the pulse. */
import { readConfig } from "../lib/records/config.ts";
import { oneLine } from "../lib/errors.ts";
import { openProfile } from "../lib/records/profile.ts";
import { startPulse } from "../lib/pulse/control.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "up",
    summary: "start the pulse and say what to tell your agent",
    audience: "people",
    options: [{ name: "json", summary: "the pulse logs NDJSON" }],
    example: "looop up",
    details: "Returns when the pulse has published its first world. Starting twice is harmless.",
  },
  async run(context, input) {
    const { profile } = context;
    openProfile(profile);
    for (const warning of readConfig(profile.config).warnings) context.note(`looop up: ${oneLine(warning)}`);
    const outcome = await startPulse(context, input.flag("json"));
    const json = input.flag("json") ? " [json]" : "";
    const first = outcome === "running"
      ? "looop: pulse already running"
      : outcome === "started"
      ? `looop: pulse started${json}`
      : `looop: pulse restarted as ${context.version}${json}`;
    return {
      text: `${first}
data dir: ${profile.dir}
Now start your agent (pi, claude, codex, …) in any folder and tell it:
  Run \`looop help\`, then run the loop it describes as my root agent.`,
      code: 0,
    };
  },
});
