/** `looop logs`: what the pulse or a worker printed, as text. */
import { unknownWorker } from "../lib/sessions/session.ts";
import { UserError } from "../lib/errors.ts";
import { checkId } from "../lib/ids.ts";
import { followLog, lastLines } from "../lib/workers/logs.ts";
import { readerOfStdout } from "../lib/process/stdout_reader.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

const DEFAULT_LINES = 40;

export default defineVerb({
  declare: {
    path: "logs",
    summary: "what the pulse or a worker printed, terminal codes rendered away",
    audience: "people",
    args: [{ name: "session", summary: "a worker; the pulse unless given", optional: true, kind: "session" }],
    options: [
      { name: "follow", short: "f", summary: "go on as it grows, until the worker has ended" },
      { name: "lines", short: "n", value: "N", summary: `how many; ${DEFAULT_LINES} unless given` },
    ],
    example: "looop logs fix-42 -f",
  },
  async run(context, input) {
    const word = input.word(0) || "pulse";
    const id = word === "pulse" ? word : checkId("worker", word);
    const count = input.count("lines") ?? DEFAULT_LINES;
    if (input.flag("follow")) return await follow(context, id, count);
    const lines = lastLines(context.profile, id, count);
    if (lines === undefined) throw noLog(id);
    return lines.length === 0 ? {} : { text: lines.join("\n") };
  },
});

async function follow(context: Context, id: string, count: number): Promise<Record<string, never>> {
  const reader = readerOfStdout();
  try {
    const found = await followLog({
      profile: context.profile,
      id,
      count,
      now: context.now,
      stop: reader.gone,
      show: (lines) => lines.length > 0 && context.out(`${lines.join("\n")}\n`),
    });
    if (!found) throw noLog(id);
  } finally {
    await reader.close();
  }
  return {};
}

function noLog(id: string): UserError {
  if (id !== "pulse") return unknownWorker(id);
  return new UserError("The pulse has no log yet", { next: "start it with `looop up`", kind: "not_found" });
}
