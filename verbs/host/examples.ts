/** `looop _ host examples`: shows the drivers that come with looop. */
import { UserError } from "../../lib/errors.ts";
import { DRIVER_EXAMPLES } from "../../lib/hosts/driver_examples.ts";
import { nearest } from "../../lib/text/nearest.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ host examples",
    summary: "the engine drivers that come with looop; with a name, that script",
    audience: "root",
    args: [{ name: "name", summary: "one of them", optional: true }],
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop _ host examples podman",
  },
  run(_context, input) {
    const name = input.words[0];
    if (name === undefined) {
      const rows = Object.entries(DRIVER_EXAMPLES).map(([name, text]) => ({
        name,
        summary: summaryOf(text),
      }));
      const lines = rows.map(({ name, summary }) => `${name.padEnd(12)} ${summary}`);
      return Promise.resolve({ text: lines.join("\n"), json: rows });
    }
    const script = Object.hasOwn(DRIVER_EXAMPLES, name) ? DRIVER_EXAMPLES[name] : undefined;
    if (script !== undefined) return Promise.resolve({ text: script.replace(/\n$/, "") });
    const match = nearest(name, Object.keys(DRIVER_EXAMPLES));
    throw new UserError(`There is no driver "${name}"`, {
      next: match === undefined ? "`looop _ host examples` lists them" : `did you mean "${match}"?`,
      kind: "not_found",
    });
  },
});

function summaryOf(script: string): string {
  return /^# looop:summary=(.*)$/m.exec(script)?.[1] ?? "";
}
