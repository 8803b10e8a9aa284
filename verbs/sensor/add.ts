/** `looop _ sensor add`: installs a ready-made sensor. */
import { trialHost } from "../../lib/cli/context.ts";
import { printableJson } from "../../lib/text/json.ts";
import { EXIT, formatError, UserError } from "../../lib/errors.ts";
import { checkId } from "../../lib/ids.ts";
import {
  findExample,
  loadExamples,
  missingOf,
  onPath,
  parseSettings,
  withSettings,
} from "../../lib/world/sensor_catalog.ts";
import { recordMove } from "../../lib/records/move.ts";
import { noteOwnText } from "../../lib/records/own_moves.ts";
import { changePolicy, undoSlot, writePolicy } from "../../lib/records/policy.ts";
import { openProfile } from "../../lib/records/profile.ts";
import { isErrorReading, messageOf } from "../../lib/world/reading.ts";
import { exists, makeDir } from "../../lib/store.ts";
import { defineVerb } from "../../lib/cli/verb.ts";
import { runOnce } from "../../lib/world/sensor_trial.ts";

export default defineVerb({
  declare: {
    path: "_ sensor add",
    summary: "install a ready-made sensor with your settings, and show its first reading",
    audience: "root",
    args: [{ name: "example", summary: "as listed by `_ sensor examples`", kind: "example" }],
    options: [
      { name: "as", value: "NAME", summary: "its name here; the example's by default" },
      {
        name: "set",
        value: "K=V",
        summary: "a setting; secrets are better left in the environment of `looop up`",
        many: true,
      },
    ],
    mutating: true,
    example: "looop _ sensor add git-repo --as site --set GIT_DIR_PATH=/home/me/site",
  },
  async run(context, input) {
    const example = findExample(await loadExamples(), input.word(0));
    const name = checkId("sensor", input.text("as") ?? example.name);
    const settings = parseSettings(input.many("set"), example.header);
    const lacks = missingOf(example.header, onPath(context.env), {
      ...context.env,
      ...settings,
    });
    if (lacks.programs.length > 0) {
      throw new UserError(`"${example.name}" needs ${lacks.programs.join(", ")}, not found on PATH`, {
        next: `install ${lacks.programs.join(", ")}, then try again`,
        kind: "missing",
      });
    }
    if (lacks.variables.length > 0) {
      throw new UserError(
        `"${example.name}" needs ${lacks.variables.map((variable) => `$${variable}`).join(", ")}`,
        {
          next: "export it before `looop up`, or give --set NAME=VALUE",
          kind: "missing",
        },
      );
    }
    openProfile(context.profile);
    const { sensors } = context.profile;
    const path = `${sensors}/${name}.sh`;
    if (exists(path)) {
      throw new UserError(`There is a sensor "${name}" already`, {
        next: `choose another name with --as, or remove it with \`looop _ sensor remove ${name}\``,
        kind: "exists",
      });
    }
    makeDir(sensors);
    const script = withSettings(example.script, settings);
    const undoAt = undoSlot(context.profile, "sensor", name, context.now());
    await noteOwnText(context, `sensor:${name}`, path, script);
    changePolicy(context.profile, () => writePolicy(path, undoAt, script, 0o700));
    recordMove(context, `add-sensor ${name} (${example.name})`);
    const { reading, ms } = await runOnce(trialHost(context), path, script).catch((error) => {
      throw error instanceof UserError ? firstReadingFailed(name, error.message) : error;
    });
    const ok = !isErrorReading(reading);
    if (!ok) context.note(formatError("_ sensor add", firstReadingFailed(name, messageOf(reading))));
    return {
      text: `add-sensor ${name}\n${printableJson(reading, 2)}\n${ok ? "ok" : "failed"} in ${ms} ms`,
      json: { name, ok, ms, reading },
      code: ok ? EXIT.ok : EXIT.failed,
    };
  },
});

function firstReadingFailed(name: string, message: string): UserError {
  return new UserError(`"${name}" is installed, but its first reading failed: ${message}`, {
    next: `once that is fixed, the next beat reads it; otherwise \`looop _ sensor remove ${name}\``,
  });
}
