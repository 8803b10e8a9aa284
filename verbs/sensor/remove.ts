/** `looop _ sensor remove`: stops sensing it and keeps its script. */
import { checkId } from "../../lib/ids.ts";
import { recordMove } from "../../lib/records/move.ts";
import { exists, makeDir, moveKeepingBoth } from "../../lib/store.ts";
import { defineVerb } from "../../lib/cli/verb.ts";
import { noSensor } from "../../lib/world/sensor_trial.ts";

export default defineVerb({
  declare: {
    path: "_ sensor remove",
    summary: "stop sensing it; the script moves to sensors/archive/",
    audience: "root",
    args: [{ name: "name", summary: "sensor", kind: "sensor" }],
    mutating: true,
    example: "looop _ sensor remove inbox",
  },
  run(context, input) {
    const name = checkId("sensor", input.word(0));
    const { sensors, sensorsArchive } = context.profile;
    if (!exists(`${sensors}/${name}.sh`)) throw noSensor(name);
    makeDir(sensorsArchive);
    const lock = `${context.profile.lockDir}/move`;
    const moved = moveKeepingBoth(`${sensors}/${name}.sh`, `${sensorsArchive}/${name}`, {
      suffix: ".sh",
      lock,
    });
    if (moved === undefined) throw noSensor(name);
    recordMove(context, `remove-sensor ${name}`);
    return Promise.resolve({ text: `remove-sensor ${name}` });
  },
});
