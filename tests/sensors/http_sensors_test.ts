/** Every HTTP example against its service on loopback, in all circumstances it may meet. */
import { httpScenarios } from "./http_scenarios.ts";
import { SERVICES } from "./services.ts";
import { runAll } from "./run_all.ts";

for (const service of SERVICES) {
  Deno.test(`given its service in any mood, when ${service.sensor} runs, then it reads truly or fails clearly`, () =>
    runAll(httpScenarios(service)));
}
