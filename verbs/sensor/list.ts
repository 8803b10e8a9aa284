/** `looop _ sensor list`: lists the sensors, how often each runs, and its state. */
import { listSensors, unreadSensors } from "../../lib/world/sensors.ts";
import { messageOf } from "../../lib/world/reading.ts";
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
    const { world } = readWorld(profile, nowMs);
    const unread = new Set(await unreadSensors(profile, world.readings));
    const sensors = listSensors(profile).map(({ name, header }) => {
      const reading = world.readings[`sensor-${name}`];
      const state = unread.has(`sensor-${name}`)
        ? "unread"
        : reading?.error === true
        ? "failing"
        : world.flapping.includes(`sensor-${name}`)
        ? "flapping"
        : "ok";
      return {
        name,
        interval_s: header.interval ?? world.settings.interval_s,
        age_s: reading === undefined ? null : Math.max(0, Math.floor((nowMs - reading.sensed_at) / 1000)),
        state,
        ...(state === "failing" ? { message: messageOf(reading?.value) } : {}),
      };
    });
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
