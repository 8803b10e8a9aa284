import { ok, rejects } from "node:assert/strict";
import { openChannel } from "../../../lib/hosts/reach.ts";

/** A machine that a shell script plays. */
const machine = (script: string) => ({
  argv: ["sh", "-c", script],
  env: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" },
  cwd: "/",
});

Deno.test("given a machine that greets and then reads nothing, when a line to it is opened, then it is given up in time", async () => {
  const began = performance.now();
  const reach = machine("echo looop-ready; exec sleep 30");
  await rejects(openChannel(reach, "x".repeat(1_000_000), 500), /Cannot reach the host/);
  ok(performance.now() - began < 10_000);
});

Deno.test("given machines that do not answer, when a line to them is opened, then the error says how they fail", async () => {
  const waiting = machine("echo waiting for a lock >&2; exec sleep 30");
  await rejects(openChannel(waiting, "", 1_000), /no answer within 1 s: waiting for a lock/);
  await rejects(openChannel(machine("exec sleep 30"), "", 1_000), /no answer within 1 s$/);
  await rejects(openChannel(machine("exit 3"), "", 10_000), /its command ended without an answer/);
  await rejects(openChannel(machine("echo refused >&2; exit 3"), "", 10_000), /host: refused/);
});
