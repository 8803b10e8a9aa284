/** `looop _ sensor examples`: the ready-made sensors. */
import { findExample, loadExamples, missingOf, onPath } from "../../lib/world/sensor_catalog.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ sensor examples",
    summary: "the ready-made sensors and what they need; with a name, that script",
    audience: "root",
    args: [{ name: "name", summary: "one of them", optional: true, kind: "example" }],
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop _ sensor examples github-prs",
  },
  async run(context, input) {
    const all = await loadExamples();
    const name = input.words[0];
    if (name !== undefined) return { text: findExample(all, name).script };
    const rows = all.map(({ name, header }) => {
      const missing = missingOf(header, onPath(context.env), context.env);
      return {
        name,
        summary: header.summary ?? "",
        needs: header.needs,
        env: header.env,
        optional: header.optional,
        missing,
      };
    });
    const lines = rows.map((row) => {
      const lacks = [...row.missing.programs, ...row.missing.variables.map((variable) => `$${variable}`)];
      return `${lacks.length === 0 ? "ok  " : "    "} ${row.name.padEnd(22)} ${row.summary}${
        lacks.length === 0 ? "" : ` (missing: ${lacks.join(", ")})`
      }`;
    });
    return { text: lines.join("\n"), json: rows };
  },
});
