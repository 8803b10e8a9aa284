/** Runs every example that watches this machine in all circumstances. */
import { LOCAL_SENSORS } from "./local_scenarios.ts";
import { missing, runAll } from "./run_all.ts";

/** The slowest circumstances: each takes half a second to three seconds of CPU, mostly in jq. */
const LONGEST: Readonly<Record<string, string[]>> = {
  command: ["huge"],
  files: ["huge"],
  "git-repo": ["huge"],
  "git-unmerged": ["huge"],
  "http-health": ["many endpoints"],
  "llm-spend": ["huge"],
  "queue-folder": ["huge"],
};

for (const { sensor, programs, scenarios } of LOCAL_SENSORS) {
  const absent = missing("bash", "jq", "curl", ...programs);
  Deno.test({
    name: `given a machine in any state, when ${sensor} runs, then it reads truly or fails clearly` +
      (absent.length > 0 ? ` (skipped: no ${absent.join(", ")} here)` : ""),
    ignore: absent.length > 0,
    fn: () => runAll(scenarios, LONGEST[sensor] ?? []),
  });
}
