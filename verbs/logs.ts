/** `looop logs`: shows what a worker did, or what it or the pulse printed, as text. */
import { unknownWorker } from "../lib/sessions/run_files.ts";
import { UsageError, UserError } from "../lib/errors.ts";
import { checkRun } from "../lib/ids.ts";
import { cutWords, followLog, lastLines, screenOf } from "../lib/workers/logs.ts";
import type { StoryHost } from "../lib/agents/story_source.ts";
import { readHost, unreachableS } from "../lib/records/hosts.ts";
import { readSession } from "../lib/sessions/session.ts";
import { readerOfStdout } from "../lib/process/stdout_reader.ts";
import { type Context, defineVerb, type Input } from "../lib/cli/verb.ts";

const DEFAULT_LINES = 40;

export default defineVerb({
  declare: {
    path: "logs",
    summary: "what a worker did, from its agent's own record, or what it or the pulse printed",
    audience: "people",
    args: [{ name: "session", summary: "a worker; the pulse by default", optional: true, kind: "session" }],
    options: [
      { name: "follow", short: "f", summary: "follow it as it grows, until the worker has ended" },
      { name: "lines", short: "n", value: "N", summary: `how many; ${DEFAULT_LINES} by default` },
      { name: "screen", summary: "a worker's terminal as it is now, or as it was left" },
    ],
    example: "looop logs fix-42 -f",
    details:
      "An earlier run of the same id: `looop logs fix-42~1`. With -n larger than what is there, the beginning\n" +
      "and the end are shown, and how much was cut in between: of a long output 64 KB and 10 MB are kept.",
  },
  async run(context, input) {
    const word = input.word(0) || "pulse";
    const id = word === "pulse" ? word : checkRun(word);
    const count = input.count("lines") ?? DEFAULT_LINES;
    if (input.flag("screen")) return { text: await screenText(context, id, input) };
    if (input.flag("follow")) return await follow(context, id, count);
    const lines = await lastLines(storyHost(context), id, count);
    if (lines === undefined) throw noLog(id);
    noteAge(context, id);
    const cut = cutWords(context.profile, id);
    if (cut !== "") context.note(`looop logs: ${cut}; -n 100000 shows its beginning, too`);
    return lines.length === 0 ? {} : { text: lines.join("\n") };
  },
});

async function screenText(context: Context, id: string, input: Input): Promise<string> {
  if (input.flag("follow")) throw new UsageError("--screen shows one moment", { next: "leave --follow out" });
  if (id === "pulse") {
    throw new UsageError("The pulse has no screen", { next: "name a worker: `looop logs WORKER --screen`" });
  }
  const rows = await screenOf(context.profile, id);
  if (rows === undefined) throw unknownWorker(id);
  return rows.slice(rows.length - Math.min(rows.length, input.count("lines") ?? rows.length)).join("\n");
}

async function follow(context: Context, id: string, count: number): Promise<Record<string, never>> {
  const reader = readerOfStdout();
  try {
    const found = await followLog({
      ...storyHost(context),
      id,
      count,
      now: context.now,
      note: (line) => context.note(`looop logs: ${line}`),
      stop: reader.gone,
      show: (lines) => lines.length > 0 && context.out(`${lines.join("\n")}\n`),
    });
    if (!found) throw noLog(id);
    noteAge(context, id);
  } finally {
    await reader.close();
  }
  return {};
}

/** Notes how old a log from another machine is: it is only as new as the last report from there. */
function noteAge(context: Context, id: string): void {
  const host = id === "pulse" ? undefined : readSession(context.profile, id)?.meta.host;
  const seconds = host === undefined
    ? undefined
    : unreachableS(readHost(context.profile, host), context.now());
  if (seconds !== undefined) context.note(`— as of ${seconds} s ago: host "${host}" is not heard`);
}

function storyHost({ profile, env, note }: Context): StoryHost {
  return { profile, env, waiting: (what) => note(`looop logs: waiting for ${what}`) };
}

function noLog(id: string): UserError {
  if (id !== "pulse") return unknownWorker(id);
  return new UserError("The pulse has no log yet", { next: "start it with `looop up`", kind: "not_found" });
}
