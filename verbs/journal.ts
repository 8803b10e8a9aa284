/** `looop journal`: shows what was done, one line per move, over rotated files, too. */
import { Watch } from "../lib/file_watch.ts";
import { readerOfStdout } from "../lib/process/stdout_reader.ts";
import { watchesOff } from "../lib/records/env.ts";
import { JournalFollower, journalTail } from "../lib/records/journal.ts";
import { sanitizeLine } from "../lib/text/style.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

const DEFAULT_LINES = 40;

export default defineVerb({
  declare: {
    path: "journal",
    summary: "what was done, one line per move, across rotated files",
    audience: "people",
    options: [
      { name: "follow", short: "f", summary: "follow it as it grows" },
      { name: "lines", short: "n", value: "N", summary: `how many; ${DEFAULT_LINES} by default` },
      { name: "json", summary: "the lines as a list" },
    ],
    example: "looop journal -f",
  },
  async run(context, input) {
    const count = input.count("lines") ?? DEFAULT_LINES;
    if (input.flag("follow")) return await follow(context, count);
    const lines = count === 0 ? [] : journalTail(context.profile, count).map((line) => sanitizeLine(line));
    return lines.length === 0 ? { json: [] } : { text: lines.join("\n"), json: lines };
  },
});

/** Interval at which the journal is looked at without an event, ms. */
const POLL_MS = 1_000;

async function follow({ profile, env, out }: Context, count: number): Promise<Record<string, never>> {
  const reader = readerOfStdout();
  const watch = new Watch({ dirs: [profile.dir], pollMs: POLL_MS, off: watchesOff(env) });
  reader.gone.addEventListener("abort", () => watch.poke());
  const show = (lines: readonly string[]) => {
    if (lines.length > 0) out(`${lines.map((line) => sanitizeLine(line)).join("\n")}\n`);
  };
  const follower = new JournalFollower(profile);
  try {
    show(count === 0 ? [] : journalTail(profile, count));
    while (!reader.gone.aborted) {
      await watch.next();
      show(follower.more());
    }
  } finally {
    watch.close();
    follower.close();
    await reader.close();
  }
  return {};
}
