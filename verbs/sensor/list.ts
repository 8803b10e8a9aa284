/** `looop _ sensor list`: lists the sensors, how often each runs, and its state. */
import { viewSensors } from "../../lib/world/sensors.ts";
import { readWorld } from "../../lib/world/state.ts";
import { age, sanitizeLine, table } from "../../lib/text/style.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ sensor list",
    summary: "the sensors with their intervals, the age of their readings, and their state",
    audience: "root",
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop _ sensor list",
  },
  async run({ profile, now, width }) {
    const nowMs = now();
    const sensors = await viewSensors(profile, readWorld(profile, nowMs).world, nowMs);
    if (sensors.length === 0) return { text: "no sensors", json: [] };
    const rows = sensors.map(({ name, interval_s, age_s, state, message }) => [
      name,
      `every ${age(interval_s)}`,
      age_s === null ? "never read" : `read ${age(age_s)} ago`,
      sanitizeLine(message === undefined ? state : `${state}: ${message}`),
    ]);
    const columns = [{ min: 8 }, {}, {}, { min: 6 }];
    return { text: table(rows, { width, columns }).join("\n"), json: sensors };
  },
});
