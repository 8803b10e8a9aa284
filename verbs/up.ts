/** `looop up`: starts the pulse. */
import { readConfig, replaceConfig } from "../lib/records/config.ts";
import { withoutSeedComments } from "../lib/records/seed.ts";
import { oneLine } from "../lib/errors.ts";
import { openProfile } from "../lib/records/profile.ts";
import type { Profile } from "../lib/paths.ts";
import { poke } from "../lib/records/move.ts";
import { makeDir, quietText, readLinkedText, replaceFile } from "../lib/store.ts";
import { startPulse } from "../lib/pulse/control.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "up",
    summary: "start the pulse and show the line to give to your agent",
    audience: "people",
    options: [
      { name: "json", summary: "the pulse logs NDJSON" },
      { name: "restart", summary: "restart the pulse with this environment (PATH, tokens); workers stay" },
      {
        name: "take-hosts",
        summary: "take over other machines from the machine that this data dir was on before",
      },
    ],
    example: "looop up",
    details: "Returns when the pulse has published its first world. Starting twice is harmless.",
  },
  async run(context, input) {
    const { profile } = context;
    openProfile(profile);
    dropSeedComments(profile.config);
    for (const warning of readConfig(profile.config).warnings) context.note(`looop up: ${oneLine(warning)}`);
    if (input.flag("take-hosts")) await takeHosts(profile);
    const outcome = await startPulse(context, {
      json: input.flag("json"),
      restart: input.flag("restart"),
    });
    const json = input.flag("json") ? " [json]" : "";
    const first = outcome === "running"
      ? "looop: pulse already running"
      : outcome === "started"
      ? `looop: pulse started${json}`
      : `looop: pulse restarted${input.flag("restart") ? "" : ` as ${context.version}`}${json}`;
    return {
      text: `${first}
data dir: ${profile.dir}
Now start your agent (pi, claude, codex, …) in any folder and tell it:
  Run \`looop help\`, then run the loop it describes as my root agent.`,
      code: 0,
    };
  },
});

/** Makes a config.json with the earlier seed's comments strict JSON; one that cannot be written stays, and doctor names it. */
function dropSeedComments(path: string): void {
  const strict = withoutSeedComments(quietText(path, readLinkedText) ?? "");
  try {
    if (strict !== undefined) replaceConfig(path, strict);
  } catch {
    // It is read as well as before.
  }
}

/** Leaves the sign by which the next line to each machine takes it over. */
async function takeHosts(profile: Profile): Promise<void> {
  const { takeFile } = await import("../lib/hosts/links.ts");
  makeDir(`${profile.dir}/hosts`);
  for (const name of Object.keys(readConfig(profile.config).config.hosts)) {
    replaceFile(takeFile(profile, name), "", { durable: false });
  }
  poke(profile);
}
