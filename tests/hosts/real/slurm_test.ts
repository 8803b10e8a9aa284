import { testProfile } from "../../looop.ts";
import { announce, engineMissing, isWanted, Slurm } from "../engines.ts";
import { wire } from "../host.ts";
import { kitHolds, livesThere } from "../kit.ts";

const missing = engineMissing(["slurmctld", "slurmd", "munged", "squeue"]);
announce("slurm_test.ts", missing);
const ignore = !isWanted || missing !== undefined;

Deno.test({
  name: "given a real Slurm, when workers are its jobs, then every promise holds there",
  ignore,
  async fn(t) {
    await using slurm = await Slurm.open();
    await t.step("a life", async () => {
      await using p = await testProfile();
      Object.assign(p.env, slurm.env);
      wire(p, { batch: slurm.driver });
      await p.ok("up");
      await livesThere(p, "batch");
    });
    await t.step("the kit", async () => {
      await using p = await testProfile();
      Object.assign(p.env, slurm.env);
      wire(p, { batch: slurm.driver });
      await kitHolds(p, "batch", [1, 2, 9, 11, 13, 18, 20, 23, 36, 41, 42, 43, 44]);
    });
  },
});
