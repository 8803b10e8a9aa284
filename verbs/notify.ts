/** `looop _ notify`: sends a message to the human, through the journal and the config's notification hook. */
import { spawnChild } from "../lib/process/spawn.ts";
import { ownVariables } from "../lib/records/home.ts";
import { childEnv } from "../lib/process/child_env.ts";
import { readConfig } from "../lib/records/config.ts";
import { oneLine, UsageError, UserError } from "../lib/errors.ts";
import { fillHook, hookEnv } from "../lib/records/template.ts";
import { checkId } from "../lib/ids.ts";
import { recordMove } from "../lib/records/move.ts";
import { openProfile } from "../lib/records/profile.ts";
import { bodyOf, type Context, defineVerb } from "../lib/cli/verb.ts";
import { closeIntent, openIntent } from "../lib/records/intents.ts";

/** The largest message, bytes: one variable of an environment holds 128 KiB on Linux. */
const MAX_MESSAGE_BYTES = 64 * 1024;

export default defineVerb({
  declare: {
    path: "_ notify",
    summary: "send the human a message, through the notification hook in config.json",
    audience: "root",
    args: [{ name: "message", summary: "from stdin when absent or -", optional: true, many: true }],
    options: [{ name: "id", value: "WORKER", summary: "the worker it is about", kind: "worker" }],
    mutating: true,
    example: 'looop _ notify --id fix-42 "the fix is ready for your review"',
    details:
      'The hook is `"notification"` in config.json, a shell line such as notify-send looop {{message}}. It is\n' +
      "started and not waited for. {{message}} and {{id}} are filled in quoted, whatever quotes surround\n" +
      "them; they are also in its environment as LOOOP_MESSAGE and LOOOP_ID.",
  },
  async run(context, input) {
    const id = input.text("id");
    if (id !== undefined) checkId("worker", id);
    const message = (await bodyOf(context, input.words, "message")).replace(/\r?\n$/, "");
    if (new TextEncoder().encode(message).length > MAX_MESSAGE_BYTES) {
      throw new UsageError("The message is larger than 64 KiB", {
        next: "put it in reports/ and name the file",
      });
    }
    openProfile(context.profile);
    const template = readConfig(context.profile.config).config.notification?.trim();
    const what = id === undefined ? message : `${id}: ${message}`;
    const told = id === undefined ? `notify: ${message}` : `notify ${what}`;
    if (!template) {
      recordMove(context, told);
      return { text: 'noted in the journal; no hook is set ("notification" in config.json)' };
    }
    const intent = await openIntent(
      context.profile,
      { kind: "notify", text: message, what },
      context.now(),
    );
    try {
      startHook(context, template, message, id ?? "");
      recordMove(context, told);
    } finally {
      closeIntent(context.profile, intent);
    }
    return { text: `notified: ${oneLine(message, 200)}` };
  },
});

function startHook(context: Context, template: string, message: string, id: string): void {
  const { profile } = context;
  const own = ownVariables(profile, context.bin());
  try {
    spawnChild({
      argv: ["/bin/sh", "-c", fillHook(template)],
      cwd: profile.dir,
      env: childEnv(context.env, own, hookEnv(message, id)),
      output: "null",
    }).unref();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot start the notification hook: ${(error as Error).message}`, {
      next: 'check "notification" in config.json',
      kind: "hook",
      cause: error,
    });
  }
}
