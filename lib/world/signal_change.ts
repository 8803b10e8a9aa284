/** The change of a signal, stated as briefly as possible without loss. Pure. */
import { canonical, isRecord } from "../text/json.ts";

/** The values before and after; a new signal has no `from`, a removed one no `to`. */
export interface FromTo {
  from?: unknown;
  to?: unknown;
}

/** The difference between two lists, order aside. */
interface ListChange {
  added: unknown[];
  removed: unknown[];
}

/**
 * The change from one signal to another: for lists the items added and removed, where that is shorter; for objects
 * only the keys that changed.
 */
export function signalChange(from: unknown, to: unknown): unknown {
  if (isRecord(from) && isRecord(to)) return objectChange(from, to);
  return listChange(from, to) ?? { from, to };
}

/** Keys that a change itself uses: a signal that has one of them is shown whole. */
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

/** Undefined when it would not be shorter, or when only the order changed. */
function listChange(from: unknown, to: unknown): ListChange | undefined {
  if (!Array.isArray(from) || !Array.isArray(to)) return undefined;
  const change = { added: without(to, from), removed: without(from, to) };
  if (change.added.length === 0 && change.removed.length === 0) return undefined;
  return JSON.stringify(change).length < JSON.stringify({ from, to }).length ? change : undefined;
}

/** The items of one list that another lacks; equal items are counted. */
function without(items: readonly unknown[], others: readonly unknown[]): unknown[] {
  const left = new Map<string, number>();
  for (const other of others) left.set(canonical(other), (left.get(canonical(other)) ?? 0) + 1);
  return items.filter((item) => {
    const count = left.get(canonical(item)) ?? 0;
    left.set(canonical(item), count - 1);
    return count <= 0;
  });
}
