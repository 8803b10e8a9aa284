import { testProfile } from "../../looop.ts";
import { announce, engineMissing, isWanted, Podman } from "../engines.ts";
import { wire } from "../host.ts";
import { kitHolds, livesThere } from "../kit.ts";

const missing = engineMissing(["podman", "runc"]);
announce("podman_test.ts", missing);
const ignore = !isWanted || missing !== undefined;

Deno.test({
  name: "given real containers, when workers live in one and each in its own, then every promise holds there",
  ignore,
  async fn(t) {
    await using podman = await Podman.open();
    for (const host of ["place", "driver"]) {
      await t.step(`${host}: a life`, async () => {
        await using p = await testProfile();
        Object.assign(p.env, podman.env);
        wire(p, { [host]: host === "driver" ? podman.driver : { reach: await podman.place("life") } });
        await p.ok("up");
        await livesThere(p, host);
      });
      await t.step(`${host}: the kit`, async () => {
        await using p = await testProfile();
        Object.assign(p.env, podman.env);
        wire(p, { [host]: host === "driver" ? podman.driver : { reach: await podman.place("kit") } });
        await kitHolds(
          p,
          host,
          host === "driver" ? [11, 13, 18, 20, 36, 41, 42, 43, 44] : [1, 2, 3, 7, 9, 18, 23, 38],
          // The image has no shells other than sh and bash.
          [3, 7],
        );
      });
    }
  },
});
