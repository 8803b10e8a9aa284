/** Numbers in environment variables; apart from config.ts, whose parsers the hot path does not load. */

/** A number, or undefined when the variable is unset, empty or no number. */
export function numberFrom(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}
