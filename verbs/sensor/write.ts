/** `looop _ sensor write`: writes a sensor, which observes something. */
import { checkId } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { noteOwnText } from "../../lib/records/own_moves.ts";
import { changePolicy, undoSlot, withNewline, writePolicy } from "../../lib/records/policy.ts";
import { openProfile } from "../../lib/records/profile.ts";
import { makeDir } from "../../lib/store.ts";
import { bodyOf, defineVerb } from "../../lib/cli/verb.ts";
import { checkSyntax } from "../../lib/world/sensor_trial.ts";

export default defineVerb({
  declare: {
    path: "_ sensor write",
    summary: "write or rewrite one sensor; its syntax is checked first",
    audience: "root",
    args: [
      { name: "name", summary: "sensor", kind: "sensor" },
      {
        name: "script",
        summary: "a script with a #! line; from stdin when absent or -",
        optional: true,
        many: true,
      },
    ],
    mutating: true,
    example: "looop _ sensor write inbox <inbox.sh",
  },
  async run(context, input) {
    const name = checkId("sensor", input.word(0));
    const script = withNewline(await bodyOf(context, input.words.slice(1), "script"));
    await checkSyntax(script);
    openProfile(context.profile);
    const { sensors } = context.profile;
    makeDir(sensors);
    const undoAt = undoSlot(context.profile, "sensor", name, context.now());
    const path = `${sensors}/${name}.sh`;
    await noteOwnText(context, `sensor:${name}`, path, script);
    if (!changePolicy(context.profile, () => writePolicy(path, undoAt, script, 0o700))) {
      return { text: `write-sensor ${name} (unchanged)` };
    }
    recordMove(context, `write-sensor ${name}`);
    return { text: `write-sensor ${name}` };
  },
});
