/**
 * Leases: who owns a task for a while. A lease is taken by exclusive creation; it is taken over and given back under
 * one short lock with freshly checked liveness, so that one racer wins.
 */
import { isRecord } from "../text/json.ts";
import { oneLine, UserError } from "../errors.ts";
import type { Profile } from "../paths.ts";
import { generationOf } from "./run_files.ts";
import {
  createOnce,
  listFiles,
  makeDir,
  type Parsed,
  readJson,
  removeFile,
  replaceFile,
  withLock,
} from "../store.ts";

/** `claims/<name>.json`; `session` and `name` are 0.16's. */
export interface Lease {
  v: 1;
  session: string;
  name: string;
  /** Unix seconds. */
  ts: number;
  /** Generation of the holder's session; "" when it is not a session of ours. */
  gen: string;
}

function checkLease(value: unknown): Lease | string {
  if (!isRecord(value)) return "not an object";
  const { session, name, ts, gen } = value;
  if (typeof session !== "string" || typeof name !== "string") return 'needs "session" and "name"';
  return { v: 1, session, name, ts: Number(ts) || 0, gen: typeof gen === "string" ? gen : "" };
}

function leasePath(profile: Profile, name: string): string {
  return `${profile.claims}/${name}.json`;
}

/** All leases, and the files among them that cannot be read. */
export function listLeases(profile: Profile): { leases: Lease[]; bad: { path: string; reason: string }[] } {
  const leases: Lease[] = [];
  const bad: { path: string; reason: string }[] = [];
  for (const file of listFiles(profile.claims, ".json")) {
    const path = `${profile.claims}/${file}`;
    const read = readJson(path, checkLease);
    if (read === undefined) continue;
    const name = file.slice(0, -".json".length);
    if ("bad" in read) bad.push({ path, reason: read.bad });
    else if (read.value.name === name) leases.push(read.value);
    else bad.push({ path, reason: `it is the claim "${oneLine(read.value.name, 70)}", copied` });
  }
  return { leases, bad };
}

/**
 * Takes the lease `name` for a session; "held" when the session already has it. @throws {UserError} when another has
 * it.
 */
export async function acquireLease(
  profile: Profile,
  name: string,
  session: string,
  nowMs: number,
): Promise<"acquired" | "held" | "taken_over"> {
  makeDir(profile.claims);
  const path = leasePath(profile, name);
  const gen = generationOf(profile, session);
  const lease: Lease = { v: 1, session, name, ts: Math.floor(nowMs / 1000), gen };
  const text = `${JSON.stringify(lease)}\n`;
  for (;;) {
    // Creation is exclusive by itself; only removal needs the lock, to be sure which lease it removes.
    const before = readJson(path, checkLease);
    if (before === undefined) {
      if (createOnce(path, text)) return "acquired";
      continue;
    }
    const dead = await isStale(profile, before, nowMs);
    const done = await withLock(`${profile.claims}/.lock`, () => {
      const current = readJson(path, checkLease);
      if (current === undefined) return createOnce(path, text) ? "acquired" : undefined;
      if (!("bad" in current) && current.value.session === session && current.value.gen === lease.gen) {
        return "held";
      }
      // Liveness was checked before the lock; it applies only to the very lease that was read then.
      if (!sameLease(before, current)) return undefined;
      if (!dead) throw heldBy(name, current);
      // In one step: if the lease were free for a moment, another process could take it as if it were new.
      replaceFile(path, text);
      return "taken_over";
    });
    if (done !== undefined) return done;
  }
}

function sameLease(a: Parsed<Lease> | undefined, b: Parsed<Lease>): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

function heldBy(name: string, current: Parsed<Lease>): UserError {
  if ("bad" in current) {
    return new UserError(`Claim "${name}" cannot be read: ${current.bad}`, {
      next: `fix or remove claims/${name}.json`,
      kind: "bad_file",
    });
  }
  return new UserError(`Claim "${name}" is held by "${current.value.session}"`, {
    next: "do other work, or wait until it ends",
    kind: "held",
  });
}

/** Whether a lease is stale. Whether somebody lives is asked, and what asks is loaded, only for a lease that is taken. */
async function isStale(profile: Profile, read: Parsed<Lease>, nowMs: number): Promise<boolean> {
  if ("bad" in read) return false;
  const { isGone } = await import("./holder.ts");
  return await isGone(profile, read.value, nowMs);
}

/** Gives a lease back. @throws {UserError} when another live session holds it. */
export async function releaseLease(
  profile: Profile,
  name: string,
  session: string,
  nowMs: number,
): Promise<boolean> {
  const path = leasePath(profile, name);
  const before = readJson(path, checkLease);
  if (before === undefined) return false;
  const mine = !("bad" in before) && before.value.session === session;
  if (!mine && !await isStale(profile, before, nowMs)) throw heldBy(name, before);
  return await withLock(`${profile.claims}/.lock`, () => {
    const current = readJson(path, checkLease);
    return current !== undefined && sameLease(before, current) && removeFile(path);
  });
}

/** Frees all leases of one session's generation; returns their names. */
export async function releaseLeasesOf(profile: Profile, session: string, gen: string): Promise<string[]> {
  const isOurs = (lease: Lease) => lease.session === session && (lease.gen === gen || lease.gen === "");
  const names = listLeases(profile).leases.filter(isOurs).map((lease) => lease.name);
  if (names.length === 0) return [];
  return await withLock(`${profile.claims}/.lock`, () =>
    names.filter((name) => {
      const current = readJson(leasePath(profile, name), checkLease);
      return current !== undefined && !("bad" in current) && isOurs(current.value) &&
        removeFile(leasePath(profile, name));
    }));
}

/** Frees the leases of sessions that have ended; liveness is checked anew, and an unknown one frees nothing. */
export async function reapLeases(profile: Profile, nowMs: number): Promise<Lease[]> {
  const { leases } = listLeases(profile);
  if (leases.length === 0) return [];
  const { withoutHolder } = await import("./holder.ts");
  const stale = await withoutHolder(profile, leases, nowMs);
  if (stale.length === 0) return [];
  return await withLock(`${profile.claims}/.lock`, () =>
    stale.filter((lease) => {
      const current = readJson(leasePath(profile, lease.name), checkLease);
      return current !== undefined && !("bad" in current) && current.value.session === lease.session &&
        current.value.gen === lease.gen && removeFile(leasePath(profile, lease.name));
    }));
}
