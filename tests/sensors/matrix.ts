/** `deno run -A tests/sensors/matrix.ts`: prints a Markdown table of every example's result in every situation. */
import { counted, type Outcome, type Reading } from "./harness.ts";
import { httpScenarios } from "./http_scenarios.ts";
import { LOCAL_SENSORS } from "./local_scenarios.ts";
import { outcomes } from "./run_all.ts";
import { SERVICES } from "./services.ts";

const COLUMNS = ["good", "empty", "401", "429", "huge", "garbage", "500", "no network"];

/** A cell: the size of the reading, or the exit code of the failure. */
function cell(outcome: Outcome | undefined, error: unknown): string {
  if (error !== undefined) return "BROKEN";
  if (outcome === undefined) return "–";
  if (outcome.code !== 0) return `exit ${outcome.code}`;
  const reading = JSON.parse(outcome.stdout) as Reading;
  const bytes = new TextEncoder().encode(outcome.stdout).length;
  const cut = reading.detail.cut > 0 ? `, ${reading.detail.cut} cut` : "";
  return reading.detail.items === undefined
    ? `read, ${bytes} B`
    : `${counted(reading)} in signal${cut}, ${bytes} B`;
}

const sensors = [
  ...SERVICES.map((service) => ({ sensor: service.sensor, scenarios: httpScenarios(service) })),
  ...LOCAL_SENSORS,
];
const rows = [
  `| sensor | ${COLUMNS.join(" | ")} | others kept |`,
  `|---|${COLUMNS.map(() => "---").join("|")}|---|`,
];
for (const { sensor, scenarios } of sensors) {
  const cells = new Map<string, string>();
  for await (const { scenario, outcome, error } of outcomes(scenarios)) {
    cells.set(scenario.circumstance, cell(outcome, error));
  }
  const others = [...cells].filter(([circumstance]) => !COLUMNS.includes(circumstance));
  const kept = `${others.filter(([, text]) => text !== "BROKEN").length} of ${others.length}`;
  rows.push(`| ${sensor} | ${COLUMNS.map((column) => cells.get(column) ?? "–").join(" | ")} | ${kept} |`);
}
Deno.stdout.writeSync(new TextEncoder().encode(rows.join("\n") + "\n"));
