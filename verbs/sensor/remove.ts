/** `looop _ sensor remove`: stops a sensor and keeps its script. */
import { checkPolicyName } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { noteOwnText } from "../../lib/records/own_moves.ts";
import { exists, listedName, makeDir, moveKeepingBoth } from "../../lib/store.ts";
import { defineVerb } from "../../lib/cli/verb.ts";
import { noSensor } from "../../lib/world/sensor_trial.ts";

export default defineVerb({
  declare: {
    path: "_ sensor remove",
    summary: "stop a sensor; its script moves to sensors/archive/",
    audience: "root",
    args: [{ name: "name", summary: "sensor", kind: "sensor" }],
    mutating: true,
    example: "looop _ sensor remove inbox",
  },
  async run(context, input) {
    const { sensors, sensorsArchive } = context.profile;
    const word = checkPolicyName("sensor", input.word(0), (name) => exists(`${sensors}/${name}.sh`));
    const listed = listedName(`${sensors}/${word}.sh`);
    if (listed === undefined) throw noSensor(word);
    const name = listed.slice(0, -".sh".length);
    makeDir(sensorsArchive);
    const lock = `${context.profile.lockDir}/move`;
    await noteOwnText(context, `sensor:${name}`, `${sensors}/${name}.sh`, undefined);
    const moved = moveKeepingBoth(`${sensors}/${name}.sh`, `${sensorsArchive}/${name}`, {
      suffix: ".sh",
      lock,
    });
    if (moved === undefined) throw noSensor(name);
    recordMove(context, `remove-sensor ${name}`);
    return { text: `remove-sensor ${name}` };
  },
});
