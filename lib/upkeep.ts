/** What the pulse keeps in order once a beat: temporary files, logs, ended sessions, unread answers. */
import { numberFrom } from "./config_number.ts";
import { expireUnread } from "./mailbox.ts";
import type { PulseUpkeep } from "./pulse.ts";
import { isTempName, listEntries, removeFile, statOf } from "./store.ts";

/** A temporary file that is older belongs to a writer that was killed. */
const TEMP_MAX_AGE_MS = 86_400_000;

/** The upkeep of one beat. */
export const upkeep: PulseUpkeep = async (host, config, sessions) => {
  const ttlS = numberFrom(host.env["LOOOP_SESSION_TTL"]) ?? config.session_ttl;
  const alive = new Set(sessions.filter((session) => session.view.alive).map((session) => session.view.id));
  await expireUnread(host.profile, ttlS, (worker) => alive.has(worker), host.now());
  const { dir, goals, sensors, asks, answers, claims, prompts, cursors, lockDir, snapshots } = host.profile;
  for (const folder of [dir, goals, sensors, asks, answers, claims, prompts, cursors, lockDir, snapshots]) {
    sweepTemps(folder, host.now());
  }
};

function sweepTemps(dir: string, nowMs: number): void {
  for (const entry of listEntries(dir)) {
    if (!isTempName(entry.name)) continue;
    const at = statOf(`${dir}/${entry.name}`)?.mtime?.getTime() ?? nowMs;
    if (nowMs - at > TEMP_MAX_AGE_MS) removeFile(`${dir}/${entry.name}`);
  }
}
