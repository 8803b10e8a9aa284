/** How a signal changed, said as briefly as it can be without loss. Pure. */
import { canonical, isRecord } from "../text/json.ts";

/** What stood there before and what stands there now; of a new signal there is no `from`, of one gone no `to`. */
export interface FromTo {
  from?: unknown;
  to?: unknown;
}

/** How one list became another, order aside. */
interface ListChange {
  added: unknown[];
  removed: unknown[];
}

/**
 * The change from one signal to another: of lists what was added and removed, where that is shorter; of objects
 * the keys that changed alone.
 */
export function signalChange(from: unknown, to: unknown): unknown {
  if (isRecord(from) && isRecord(to)) return objectChange(from, to);
  return listChange(from, to) ?? { from, to };
}

/** Words that a change itself uses: a signal that has them as keys is shown whole. */
const WORDS = ["from", "to", "added", "removed"];

function objectChange(from: Record<string, unknown>, to: Record<string, unknown>): unknown {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  if (keys.some((key) => WORDS.includes(key))) return { from, to };
  const changed = keys.filter((key) =>
    Object.hasOwn(from, key) !== Object.hasOwn(to, key) || canonical(from[key]) !== canonical(to[key])
  );
  const lists: Record<string, unknown> = {};
  const [before, after]: Record<string, unknown>[] = [{}, {}];
  for (const key of changed) {
    const list = listChange(from[key], to[key]);
    if (list !== undefined) lists[key] = list;
    if (list === undefined && Object.hasOwn(from, key)) before![key] = from[key];
    if (list === undefined && Object.hasOwn(to, key)) after![key] = to[key];
  }
  return {
    ...(Object.keys(before!).length > 0 ? { from: before } : {}),
    ...(Object.keys(after!).length > 0 ? { to: after } : {}),
    ...lists,
  };
}

/** Undefined where it would not be shorter, or where only the order changed. */
function listChange(from: unknown, to: unknown): ListChange | undefined {
  if (!Array.isArray(from) || !Array.isArray(to)) return undefined;
  const change = { added: without(to, from), removed: without(from, to) };
  if (change.added.length === 0 && change.removed.length === 0) return undefined;
  return JSON.stringify(change).length < JSON.stringify({ from, to }).length ? change : undefined;
}

/** The items of one list beyond those of another; equal ones count as often as they stand there. */
function without(items: readonly unknown[], others: readonly unknown[]): unknown[] {
  const left = new Map<string, number>();
  for (const other of others) left.set(canonical(other), (left.get(canonical(other)) ?? 0) + 1);
  return items.filter((item) => {
    const count = left.get(canonical(item)) ?? 0;
    left.set(canonical(item), count - 1);
    return count <= 0;
  });
}
