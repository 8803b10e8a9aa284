/** The status screen. Pure. */
import { isRecord } from "./canonical.ts";
import type { Snapshot } from "./state.ts";
import { age, styler, truncate } from "./style.ts";
import { sanitizeLine } from "./style.ts";

/** How the screen is drawn. */
export interface StatusStyle {
  width: number;
  colour: boolean;
  warnings: readonly string[];
}

const MAX_ROWS = 10;

/** The whole screen, at most `width` columns wide. */
export function showStatus(snapshot: Snapshot, style: StatusStyle): string {
  const lines = [
    pulseLine(snapshot),
    ...style.warnings.map((warning) => `! ${sanitizeLine(warning)}`),
    ...section("asks waiting for you", askLines(snapshot), "no questions"),
    ...section("workers", workerLines(snapshot), "no workers"),
    ...section("sensors", sensorLines(snapshot), ""),
    ...section("files that cannot be read", badLines(snapshot), ""),
  ];
  const { bold } = styler(style.colour);
  return lines.map((line) => {
    const short = truncate(line, style.width);
    return line.startsWith(" ") ? short : bold(short);
  }).join("\n");
}

function section(title: string, rows: readonly string[], none: string): string[] {
  if (rows.length === 0) return none === "" ? [] : [none];
  const shown = rows.slice(0, MAX_ROWS).map((row) => `  ${row}`);
  const more = rows.length > MAX_ROWS ? [`  … and ${rows.length - MAX_ROWS} more`] : [];
  return [`${title}: ${rows.length}`, ...shown, ...more];
}

function pulseLine({ pulse, profile }: Snapshot): string {
  const beat = `beat ${pulse.beat}, ${pulse.age_s === null ? "never" : `${age(pulse.age_s)} ago`}`;
  if (pulse.stalled) {
    return `pulse: STALLED (${beat}, due every ${
      age(pulse.interval_s)
    }); \`looop down && looop up\` restarts it`;
  }
  if (pulse.alive) return `pulse: alive (${beat}, every ${age(pulse.interval_s)})  ${profile.dir}`;
  if (pulse.wanted) return `pulse: DEAD (${beat}); \`looop up\` starts it, and so does the next \`_ wait\``;
  return `pulse: stopped; \`looop up\` starts it  ${profile.dir}`;
}

function askLines({ asks, workers, nowMs }: Snapshot): string[] {
  return asks.map((ask) => {
    const worker = workers.find((candidate) => candidate.id === ask.worker);
    const dead = worker !== undefined && !worker.alive ? " (its worker has ended)" : "";
    return `${ask.id}  ${age(Math.max(0, nowMs / 1000 - ask.ts))}${dead}  ${sanitizeLine(ask.prompt)}`;
  });
}

function workerLines({ workers, nowMs }: Snapshot): string[] {
  const order = (alive: boolean, state: string) => alive ? 0 : state === "lost" ? 1 : 2;
  return [...workers].sort((a, b) => order(a.alive, a.state) - order(b.alive, b.state)).map((worker) => {
    const code = worker.exit_code === null ? "" : ` ${worker.exit_code}`;
    const since = age(Math.max(0, (nowMs - Date.parse(worker.ended ?? worker.started)) / 1000));
    const quiet = worker.alive
      ? `quiet ${age(worker.idle_s)}${worker.ready ? "" : ", not ready"}`
      : `by ${worker.ended_by ?? "?"}`;
    return `${worker.id}  ${worker.state}${code}  ${since}  ${worker.runner}  ${quiet}`;
  });
}

function sensorLines({ world, nowMs }: Snapshot): string[] {
  const rows: string[] = [];
  for (const [name, reading] of Object.entries(world.readings)) {
    if (!reading.error) continue;
    const detail = isRecord(reading.value) ? reading.value["detail"] : undefined;
    const message = isRecord(detail) ? String(detail["message"] ?? "") : "";
    rows.push(
      `${name.replace(/^sensor-/, "")} fails: ${sanitizeLine(message)} (${
        age(Math.max(0, (nowMs - reading.sensed_at) / 1000))
      } ago)`,
    );
  }
  return [
    ...rows,
    ...world.flapping.map((name) => `${name.replace(/^sensor-/, "")} flaps: its changes do not wake`),
  ];
}

function badLines({ bad }: Snapshot): string[] {
  return bad.map((file) => `${sanitizeLine(file.path)}: ${sanitizeLine(file.reason)}`);
}
