/** `looop page`: writes the fleet's history as one HTML file. */
import { Watch } from "../lib/file_watch.ts";
import { absolute, baseName, dirName } from "../lib/paths.ts";
import { openProfile } from "../lib/records/profile.ts";
import { pollMs, watchesOff } from "../lib/records/env.ts";
import { runStoppable } from "../lib/process/stop.ts";
import { makeDir, replaceFile } from "../lib/store.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";
import { EXIT } from "../lib/errors.ts";

/** Days that the timeline spans by default. */
const DAYS = 7;

export default defineVerb({
  declare: {
    path: "page",
    summary: "write one HTML page: the last days as a timeline, spend, open questions, goals",
    audience: "people",
    args: [{ name: "file", summary: "reports/looop.html by default", optional: true, kind: "file" }],
    options: [
      { name: "days", value: "N", summary: "how many days the timeline spans; 7 by default" },
      { name: "watch", summary: "write it again whenever the world changes, until stopped" },
    ],
    example: "looop page --days 30",
  },
  async run(context, input) {
    openProfile(context.profile);
    const given = input.words[0];
    const file = given === undefined ? `${context.profile.reports}/looop.html` : absolute(given, Deno.cwd());
    const days = Math.min(3650, Math.max(1, input.count("days") ?? DAYS));
    if (input.flag("watch")) {
      context.note(`looop page: writing ${file} again at every change; stop with Ctrl-C`);
      await runStoppable((stop) => follow(context, file, days, stop));
    } else await writePage(context, file, days);
    return { text: file, json: { file }, code: EXIT.ok };
  },
});

async function writePage(context: Context, file: string, days: number): Promise<void> {
  const { readHistory } = await import("../lib/cli/page/history.ts");
  const { pageHtml } = await import("../lib/cli/page/html.ts");
  const history = await readHistory(context.profile, context.now(), days);
  makeDir(dirName(file));
  replaceFile(file, pageHtml(history, `looop · ${baseName(context.profile.dir)}`), {
    mode: 0o600,
    durable: false,
  });
}

/** Writes the page, and again after each change in the data dir. The watch is open first: no change is missed. */
async function follow(context: Context, file: string, days: number, stop: AbortSignal): Promise<void> {
  const watch = new Watch({
    dirs: [context.profile.dir, context.profile.asks],
    pollMs: pollMs(context.env["LOOOP_WAIT_POLL_MS"]) * 60,
    off: watchesOff(context.env),
  });
  stop.addEventListener("abort", () => watch.poke());
  try {
    for (; !stop.aborted; await watch.next()) await writePage(context, file, days);
  } finally {
    watch.close();
  }
}
