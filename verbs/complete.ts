/** `looop _ complete`: answers the completion scripts at each TAB. */
import { complete as completionOf, formatCompletion, type Suggestion } from "../lib/cli/completions.ts";
import type { Profile } from "../lib/paths.ts";
import { listDirs, listFiles } from "../lib/store.ts";
import { sanitizeLine, truncate } from "../lib/text/style.ts";
import { defineVerb, type LiveKind } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ complete",
    summary: "the possible next words of a command line",
    audience: "internal",
    args: [{ name: "words", summary: "after looop, the last one being typed", many: true, optional: true }],
    passthrough: true,
    example: "looop _ complete -- _ goal wr",
  },
  async run(context, input) {
    try {
      const found = await completionOf(context, input.words, (kind) => liveWords(context.profile, kind));
      return { text: formatCompletion(found) };
    } catch {
      // Somebody is typing, and a message would disturb the line.
      return {};
    }
  },
});

/** The words of a kind that exist in the profile now. Creates nothing and ignores bad files. */
async function liveWords(profile: Profile, kind: LiveKind): Promise<Suggestion[]> {
  switch (kind) {
    case "ask": {
      const { readMailbox } = await import("../lib/records/mailbox.ts");
      return readMailbox(profile).pending.map(({ id, prompt }) => ({ word: id, summary: short(prompt) }));
    }
    case "schedule":
      return stems(profile.schedules, ".md");
    case "goal":
      return stems(profile.goals, ".md");
    case "sensor":
      return stems(profile.sensors, ".sh");
    case "claim": {
      const { listLeases } = await import("../lib/sessions/lease.ts");
      return listLeases(profile).leases.map(({ name, session }) => ({
        word: name,
        summary: `held by ${session}`,
      }));
    }
    case "worker":
    case "session":
      return [...sessions(profile), ...(kind === "session" ? [{ word: "pulse", summary: "" }] : [])];
    case "runner":
      return await runners(profile);
    case "example": {
      const { SENSOR_EXAMPLES } = await import("../lib/world/sensor_examples.ts");
      const { examplesOf } = await import("../lib/world/sensor_catalog.ts");
      return examplesOf(SENSOR_EXAMPLES).map(({ name, header }) => ({
        word: name,
        summary: short(header.summary ?? ""),
      }));
    }
    default:
      return [];
  }
}

const SUMMARY_COLUMNS = 60;

function short(text: string): string {
  return truncate(sanitizeLine(text), SUMMARY_COLUMNS);
}

function stems(dir: string, suffix: string): Suggestion[] {
  return listFiles(dir, suffix).map((file) => ({ word: file.slice(0, -suffix.length), summary: "" }));
}

function sessions(profile: Profile): Suggestion[] {
  return listDirs(profile.sessions).filter((name) => name !== "pulse" && !name.includes("~"))
    .map((word) => ({ word, summary: "" }));
}

async function runners(profile: Profile): Promise<Suggestion[]> {
  const { RUNNER_PRESETS } = await import("../lib/records/presets.ts");
  const found = new Map(Object.entries(RUNNER_PRESETS).map(([name, { summary }]) => [name, summary]));
  try {
    const { readConfig } = await import("../lib/records/config.ts");
    for (const name of Object.keys(readConfig(profile.config).config.runners)) {
      if (!found.has(name)) found.set(name, "from config.json");
    }
  } catch {
    // The built-in runners can be offered even when the config is broken.
  }
  return [...found].map(([word, summary]) => ({ word, summary }));
}
