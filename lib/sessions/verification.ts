/**
 * The record of checking a worker's work: `sessions/<id>/verify.json`.
 *
 * The file is made before the command runs and replaced by the verdict after it, so that a command with an unseen
 * outcome is recognized and never run again.
 */
import { isRecord } from "../text/json.ts";
import type { Profile } from "../paths.ts";
import { createOnce, exists, readJson, replaceFile, withLock } from "../store.ts";
import { generationOf, sessionDir } from "./run_files.ts";
import type { Verification } from "./verdict.ts";

/** One run of a worker. */
export interface VerifiedRun {
  id: string;
  gen: string;
}

/**
 * Records that the check of a run begins; false when it has begun before or the run is no longer its worker's latest.
 */
export async function beginVerification(
  profile: Profile,
  { id, gen }: VerifiedRun,
  nowMs: number,
): Promise<boolean> {
  // No start may move the run aside in the meantime: the file would belong to its successor.
  return await withLock(lockOf(profile), () => {
    const dir = sessionDir(profile, id);
    if (generationOf(profile, id) !== gen) return false;
    return createOnce(`${dir}/verify.json`, `${JSON.stringify({ v: 1, state: "begun", ts: nowMs })}\n`);
  });
}

/** Records the verdict on a run, wherever later runs of the same id have moved it. */
export async function concludeVerification(
  profile: Profile,
  { id, gen }: VerifiedRun,
  verdict: Verification | "unknown",
): Promise<void> {
  await withLock(lockOf(profile), () => {
    const dir = dirOfRun(profile, id, gen);
    const value = verdict === "unknown" ? { v: 1, state: "unknown" } : { v: 1, state: "done", ...verdict };
    if (dir !== undefined) replaceFile(`${dir}/verify.json`, `${JSON.stringify(value)}\n`);
  });
}

/** Whether the check of a run has begun and has no verdict yet. */
export function isVerificationOpen(dir: string): boolean {
  const read = readJson(`${dir}/verify.json`, (value) => isRecord(value) ? value : "not an object");
  return read !== undefined && "value" in read && read.value["state"] === "begun";
}

function lockOf(profile: Profile): string {
  return `${profile.sessions}/.lock`;
}

function dirOfRun(profile: Profile, id: string, gen: string): string | undefined {
  if (generationOf(profile, id) === gen) return sessionDir(profile, id);
  for (let n = 1; exists(sessionDir(profile, `${id}~${n}`)); n++) {
    if (generationOf(profile, `${id}~${n}`) === gen) return sessionDir(profile, `${id}~${n}`);
  }
  return undefined;
}
