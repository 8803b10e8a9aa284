/** `looop _ sensor check`: checks whether a sensor keeps the rules. */
import { trialHost } from "../../lib/cli/context.ts";
import { EXIT } from "../../lib/errors.ts";
import { sanitizeLine } from "../../lib/text/style.ts";
import { defineVerb } from "../../lib/cli/verb.ts";
import { checkSensor } from "../../lib/world/sensor_trial.ts";

export default defineVerb({
  declare: {
    path: "_ sensor check",
    summary: "try a sensor twice and say whether it keeps the rules",
    audience: "root",
    args: [{ name: "sensor", summary: "a sensor's name, an example's name, or a file", kind: "sensor" }],
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop _ sensor check ./inbox.sh",
    details:
      "An installed sensor runs as the pulse would run it, a file or an example in a scratch folder. Exit 1 when\n" +
      "a rule is broken. A sensor that reports that it cannot work here (no network, no token) gets a warning.",
  },
  async run(context, input) {
    const findings = await checkSensor(trialHost(context), input.word(0), Deno.cwd());
    const bad = findings.some((finding) => finding.level === "BAD");
    return {
      text: findings.map(({ level, text }) => `${level.padEnd(4)} ${sanitizeLine(text)}`).join("\n"),
      json: { ok: !bad, findings },
      code: bad ? EXIT.failed : EXIT.ok,
    };
  },
});
