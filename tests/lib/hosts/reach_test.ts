import { ok, rejects } from "node:assert/strict";
import { openChannel } from "../../../lib/hosts/reach.ts";

Deno.test("given a machine that greets and then reads nothing, when a line to it is opened, then it is given up in time", async () => {
  const reach = {
    argv: ["sh", "-c", "echo looop-ready; exec sleep 30"],
    env: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" },
    cwd: "/",
  };
  const began = performance.now();
  await rejects(openChannel(reach, "x".repeat(1_000_000), 500), /Cannot reach the host/);
  ok(performance.now() - began < 10_000);
});
