/** `looop _ sensor examples`: lists or prints the ready-made sensors. */
import {
  type Example,
  EXAMPLE_GROUPS,
  examplesText,
  findExample,
  loadExamples,
  missingOf,
  onPath,
} from "../../lib/world/sensor_catalog.ts";
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
    const missing = ({ header }: Example) => missingOf(header, onPath(context.env), context.env);
    const rows = all.map((example) => ({
      name: example.name,
      group: EXAMPLE_GROUPS.find(([, names]) => names.includes(example.name))?.[0],
      summary: example.header.summary ?? "",
      needs: example.header.needs,
      env: example.header.env,
      optional: example.header.optional,
      missing: missing(example),
    }));
    return { text: examplesText(all, missing), json: rows };
  },
});
