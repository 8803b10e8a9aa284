import { deepStrictEqual } from "node:assert/strict";
import { profileAt } from "../../../lib/paths.ts";
import { settledStamp } from "../../../lib/store.ts";
import { sha256 } from "../../../lib/text/bytes.ts";
import { unreadSensors } from "../../../lib/world/sensors.ts";
import { emptyWorld, nextReading } from "../../../lib/world/world.ts";

Deno.test("given a script with the stamp that the pulse has read, when it is checked, then its text is not read again", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const profile = profileAt(dir);
    await Deno.mkdir(profile.sensors);
    const path = `${profile.sensors}/a.sh`;
    await Deno.writeTextFile(path, "echo 1\n");
    const later = Date.now() + 1_000;
    const reading = await nextReading(undefined, 1, later, { script: await sha256("another text") });
    const stamp = settledStamp(path, later) ?? "";
    const unread = async (scripts: Record<string, string>) =>
      await unreadSensors(profile, { ...emptyWorld(), readings: { "sensor-a": reading }, scripts }, later);
    deepStrictEqual(await unread({ a: stamp }), []);
    deepStrictEqual(await unread({ a: `${stamp}0` }), ["sensor-a"]);
    deepStrictEqual(await unread({}), ["sensor-a"]);
    await Deno.writeTextFile(`${profile.sensors}/b.sh`, "echo 2\n");
    deepStrictEqual(await unread({ a: stamp }), ["sensor-a", "sensor-b"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
