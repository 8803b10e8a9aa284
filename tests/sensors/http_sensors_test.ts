/** Runs every HTTP example against its service on loopback in all circumstances. */
import { httpScenarios } from "./http_scenarios.ts";
import { missing, runAll } from "./run_all.ts";
import { SERVICES } from "./services.ts";

/** Circumstances that only concern functions with the same text in all examples, which `format_test.ts` checks. */
const SHARED = [
  "403",
  "404",
  "500",
  "huge",
  "garbage",
  "no content",
  "cut off",
  "moved",
  "no network",
  "a token with a line break",
];
/** Examples that try these at every run: one with pages, one with a token of another form, two that looop parses. */
const SAMPLE = ["github-prs", "jira-issues", "calendar", "feed"];

const absent = missing("bash", "jq", "curl");
for (const service of SERVICES) {
  Deno.test({
    name: `given its service in any mood, when ${service.sensor} runs, then it reads truly or fails clearly` +
      (absent.length > 0 ? ` (skipped: no ${absent.join(", ")} here)` : ""),
    ignore: absent.length > 0,
    fn: () => runAll(httpScenarios(service), SAMPLE.includes(service.sensor) ? [] : SHARED),
  });
}
