/** `looop _ schedule write`: writes a reminder in time. */
import { UsageError } from "../../lib/errors.ts";
import { checkId } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { noteOwnText } from "../../lib/records/own_moves.ts";
import { openProfile } from "../../lib/records/profile.ts";
import { chooseWhen, dueTimes, faultOf, formatWhen, machineZone } from "../../lib/records/schedule_times.ts";
import { refuseAlias, replacePolicy } from "../../lib/records/policy.ts";
import { formatSchedule, schedulePath } from "../../lib/records/schedules.ts";
import { makeDir, quietText, readLinkedText } from "../../lib/store.ts";
import { isoSeconds } from "../../lib/text/time.ts";
import { bodyOf, defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ schedule write",
    summary: "write or rewrite one reminder; it wakes you when it is due, late if it was missed",
    audience: "root",
    args: [
      { name: "id", summary: "schedule", kind: "schedule" },
      {
        name: "text",
        summary: "the reminder's text; from stdin when absent or -",
        optional: true,
        many: true,
      },
    ],
    options: [
      { name: "at", value: "TIME", summary: "once: 2026-03-01T09:00, or 09:00 for its next occurrence" },
      { name: "every", value: "DUR", summary: "repeatedly from now on: 90m, 2h, 1d, 1w" },
      { name: "cron", value: "EXPR", summary: "five fields: minute hour day month weekday" },
      { name: "zone", value: "Z", summary: "time zone, e.g. Europe/Berlin; this machine's by default" },
    ],
    mutating: true,
    example: 'looop _ schedule write standup --cron "0 9 * * 1-5" "Write the standup report"',
  },
  async run(context, input) {
    const id = checkId("schedule", input.word(0));
    const zone = input.text("zone") ?? machineZone();
    const when = chooseWhen(
      { at: input.text("at"), every: input.text("every"), cron: input.text("cron") },
      zone,
      context.now(),
    );
    const fault = await faultOf(when);
    if (fault !== undefined) throw new UsageError(fault, { next: "nothing was written" });
    const text = await bodyOf(context, input.words.slice(1), "text");
    const { next } = await dueTimes(when, context.now(), context.now());
    if (next === undefined) {
      throw new UsageError(`${formatWhen(when).slice("when: ".length)} has passed`, {
        next: "give a time in the future; nothing was written",
      });
    }
    openProfile(context.profile);
    makeDir(context.profile.schedules);
    const path = schedulePath(context.profile, id);
    refuseAlias(path);
    const file = formatSchedule(when, text);
    const nextAt = isoSeconds(next);
    if (quietText(path, readLinkedText) === file) {
      return { text: `write-schedule ${id} (unchanged); next ${nextAt}` };
    }
    await noteOwnText(context, `schedule:${id}`, path, file);
    replacePolicy(path, file);
    recordMove(context, `write-schedule ${id}: ${formatWhen(when).slice("when: ".length)}`);
    return { text: `write-schedule ${id}; next ${nextAt}`, json: { id, next: nextAt } };
  },
});
