/** The pulse's own log: readable lines, or NDJSON with a constant event name and variable fields. */

import { isoSeconds } from "../text/time.ts";

export type LogLevel = "info" | "step" | "ok" | "warn" | "error";

const GLYPHS: Readonly<Record<LogLevel, string>> = { info: "·", step: "→", ok: "✓", warn: "⚡", error: "✗" };

/** One log line without its newline. */
export function formatLog(
  json: boolean,
  at: Date,
  level: LogLevel,
  event: string,
  msg: string,
  fields: Readonly<Record<string, unknown>> = {},
): string {
  // deno-lint-ignore no-control-regex -- it removes control characters
  const flat = msg.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  if (json) {
    return JSON.stringify({ ts: isoSeconds(at.getTime()), level, event, msg: flat, ...fields });
  }
  const two = (n: number) => String(n).padStart(2, "0");
  return `[${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}] ${GLYPHS[level]} ${flat}`;
}
