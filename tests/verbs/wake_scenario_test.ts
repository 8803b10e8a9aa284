import { ok } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { liveThrough } from "../wake_scenario.ts";

Deno.test("given an agent that lives through all that can happen, when all its returns are added up, then each has news or timed out, no news is missing, and all are short", async () => {
  await using p = await testProfile();
  const { agent, later } = await liveThrough(p);
  const returns = [...agent.returns, ...later.returns];
  const list = returns.map(({ bytes, timedOut, reason }) =>
    `${bytes} ${timedOut ? "timed out" : reason.join(" ")}`
  );
  const sum = returns.reduce((bytes, one) => bytes + one.bytes, 0);
  ok(returns.length >= 40, `${returns.length} returns:\n${list.join("\n")}`);
  ok(sum < 30_000, `${sum} bytes:\n${list.join("\n")}`);
  for (const { bytes, timedOut } of returns) ok(bytes <= (timedOut ? 200 : 8_000), list.join("\n"));
});
