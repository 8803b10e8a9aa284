/** Makes a state fit its reader: agents' shell tools cut long output, so looop elides by plan. Pure. */
import { printableJson } from "../text/json.ts";

/** The placeholder for an elided value. */
export interface Elided {
  elided: number;
  file: string;
}

/** A value that may be elided: its place and its rank. */
interface Candidate {
  holder: Record<string, unknown>;
  key: string;
  file: string;
  /** The lowest rank is elided first. */
  rank: number;
}

/** Files in which the elided parts can be read in full. */
export interface FitFiles {
  snapshot(name: string): string;
  journal: string;
  sessions: string;
  world: string;
}

/**
 * Returns `state` as pretty JSON of at most `maxBytes` if that is possible without touching `changes` and `asks`,
 * which are always whole; otherwise as one line. Elided in this order: journal lines, unchanged readings from the
 * oldest on, workers, the bookkeeping of readings, changed readings, goals, bad files, everything left of the
 * readings.
 */
export function fitState(
  state: Record<string, unknown>,
  maxBytes: number,
  changed: ReadonlySet<string>,
  files: FitFiles,
): string {
  let text = pretty(state);
  if (maxBytes <= 0 || bytesOf(text) <= maxBytes) return text;
  const copy = structuredClone(state);
  for (const candidate of candidatesOf(copy, changed, files)) {
    const value = candidate.holder[candidate.key];
    const size = bytesOf(JSON.stringify(value) ?? "");
    const mark: Elided = { elided: size, file: candidate.file };
    if (size <= bytesOf(JSON.stringify(mark))) continue;
    candidate.holder[candidate.key] = mark;
    text = pretty(copy);
    if (bytesOf(text) <= maxBytes) return text;
  }
  return printableJson(copy);
}

function candidatesOf(
  state: Record<string, unknown>,
  changed: ReadonlySet<string>,
  files: FitFiles,
): Candidate[] {
  const snapshots = (state["snapshots"] ?? {}) as Record<string, unknown>;
  const readings = (state["readings"] ?? {}) as Record<string, { age_s?: number }>;
  const age = (name: string) => readings[name]?.age_s ?? 0;
  const list: Candidate[] = [
    { holder: state, key: "journal_tail", file: files.journal, rank: 0 },
    { holder: state, key: "readings", file: files.world, rank: 3e12 },
    { holder: state, key: "workers", file: files.sessions, rank: 2e12 },
    { holder: state, key: "goals", file: files.world, rank: 5e12 },
  ];
  for (const name of Object.keys(snapshots)) {
    const rank = (changed.has(name) ? 4e12 : 1e12) - age(name);
    list.push({ holder: snapshots, key: name, file: files.snapshot(name), rank });
  }
  list.push({ holder: state, key: "bad_files", file: files.world, rank: 6e12 });
  list.push({ holder: state, key: "snapshots", file: files.world, rank: 7e12 });
  return list.sort((a, b) => a.rank - b.rank);
}

function pretty(value: unknown): string {
  return printableJson(value, 1);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
