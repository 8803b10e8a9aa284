/** `looop _ ask list`: shows the questions that wait for an answer. */
import { age, sanitizeLine, table } from "../../lib/text/style.ts";
import { askView, look } from "../../lib/world/state.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ ask list",
    summary: "the questions that wait for an answer, the oldest first",
    audience: "root",
    options: [{ name: "json", summary: "as JSON, as in asks[] of `_ state`" }],
    example: "looop _ ask list",
  },
  async run({ profile, now, width }) {
    const { asks, workers, nowMs } = await look(profile, now());
    const views = asks.map((ask) => askView(ask, workers, nowMs));
    if (views.length === 0) return { text: "nothing is pending", json: [] };
    const rows = views.map(({ id, age_s, worker_alive, options, prompt }) => [
      id,
      age(age_s),
      `${worker_alive === false ? "(worker ended) " : ""}${sanitizeLine(prompt)}${
        options === undefined ? "" : ` [${sanitizeLine(options.join(", "))}]`
      }`,
    ]);
    const columns = [{ min: 8 }, { align: "right" as const }, { min: 8 }];
    return { text: table(rows, { width, columns }).join("\n"), json: views };
  },
});
