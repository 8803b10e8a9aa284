/** Finds the place in a log from which its lines are young, so that reading them takes no longer as the years pass. */
import { openToRead, statOf } from "../store.ts";

/** Parts up to this size are read whole, and the longest line that is looked for, bytes. */
const CHUNK = 64 * 1024;

/** Time before the wanted lines from which they are searched for, ms: lines are in order except where clocks were set. */
const CLOCK_SLACK_MS = 3_600_000;

/**
 * The start of a line before which all lines are older than `sinceMs`, found by bisection; 0 when in doubt. `timeOf`
 * returns a line's time in unix ms, NaN where it has none.
 */
export function offsetOfTime(path: string, sinceMs: number, timeOf: (line: string) => number): number {
  const fromMs = sinceMs - CLOCK_SLACK_MS;
  let low = 0;
  let high = statOf(path)?.size ?? 0;
  if (high <= CHUNK || fromMs === -Infinity) return 0;
  const file = openToRead(path);
  if (file === undefined) return 0;
  try {
    while (high - low > CHUNK) {
      const middle = Math.floor((low + high) / 2);
      const line = firstLineFrom(file, middle, timeOf);
      if (line === undefined || line.ms >= fromMs) high = middle;
      else low = line.at;
    }
    return low;
  } finally {
    file.close();
  }
}

/** The first whole line after `offset` that has a time: where it begins, and its time in unix ms. */
function firstLineFrom(
  file: Deno.FsFile,
  offset: number,
  timeOf: (line: string) => number,
): { at: number; ms: number } | undefined {
  file.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(CHUNK);
  const n = file.readSync(bytes) ?? 0;
  for (let end = bytes.indexOf(10); end >= 0 && end < n;) {
    const next = bytes.indexOf(10, end + 1);
    const line = new TextDecoder().decode(bytes.subarray(end + 1, next < 0 ? n : Math.min(next, n)));
    const ms = timeOf(line);
    if (!Number.isNaN(ms)) return { at: offset + end + 1, ms };
    end = next;
  }
  return undefined;
}

const JSON_TIME = /"ts":(?:"([^"]+)"|(\d+))/;

/** The time of a row of the ledger or the events. */
export function rowTime(line: string): number {
  const [match, text, seconds] = JSON_TIME.exec(line) ?? [];
  return match === undefined ? NaN : seconds === undefined ? Date.parse(text ?? "") : Number(seconds) * 1000;
}

const ENTRY_TIME = /^- (\d{4}-\d\d-\d\d) (\d\d:\d\d) /;

/** The time of a journal entry, which is in the machine's time zone. */
export function entryTime(line: string): number {
  const [match, day, time] = ENTRY_TIME.exec(line) ?? [];
  return match === undefined ? NaN : Date.parse(`${day}T${time}`);
}
