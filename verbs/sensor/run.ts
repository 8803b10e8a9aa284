/** `looop _ sensor run`: runs one sensor, once, exactly as the pulse would. */
import { trialHost } from "../../lib/cli/context.ts";
import { printableJson } from "../../lib/text/json.ts";
import { checkPolicyName } from "../../lib/ids.ts";
import { isErrorReading } from "../../lib/world/reading.ts";
import { exists, readLinkedText } from "../../lib/store.ts";
import { defineVerb } from "../../lib/cli/verb.ts";
import { noSensor, runOnce } from "../../lib/world/sensor_trial.ts";

export default defineVerb({
  declare: {
    path: "_ sensor run",
    summary: "run one sensor once, exactly as the pulse would, and show its reading; writes nothing",
    audience: "root",
    args: [{ name: "name", summary: "sensor", kind: "sensor" }],
    options: [{ name: "json", summary: "reading, time and exit code as JSON" }],
    example: "looop _ sensor run today",
  },
  async run(context, input) {
    const pathOf = (name: string) => `${context.profile.sensors}/${name}.sh`;
    const name = checkPolicyName("sensor", input.word(0), (name) => exists(pathOf(name)));
    const path = pathOf(name);
    const script = readLinkedText(path);
    if (script === undefined) throw noSensor(name);
    const { reading, ms } = await runOnce(trialHost(context), path, script);
    const ok = !isErrorReading(reading);
    if (!context.json) context.note(`looop _ sensor run: ${ok ? "ok" : "failed"} in ${ms} ms`);
    return {
      text: printableJson(reading, 2),
      json: { name, ok, ms, reading },
      code: ok ? 0 : 1,
    };
  },
});
