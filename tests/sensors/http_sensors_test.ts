/** Every HTTP example against its service on loopback, in all circumstances it may meet. */
import { httpScenarios } from "./http_scenarios.ts";
import { missing, runAll } from "./run_all.ts";
import { SERVICES } from "./services.ts";

const absent = missing("bash", "jq", "curl");
for (const service of SERVICES) {
  Deno.test({
    name: `given its service in any mood, when ${service.sensor} runs, then it reads truly or fails clearly` +
      (absent.length > 0 ? ` (skipped: no ${absent.join(", ")} here)` : ""),
    ignore: absent.length > 0,
    fn: () => runAll(httpScenarios(service)),
  });
}
