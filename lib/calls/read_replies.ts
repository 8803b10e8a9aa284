/** The names of local calls, and the replies that their callers have printed. */
import { parseAskId } from "../ids.ts";
import type { Profile } from "../paths.ts";
import { archiveTaken } from "../records/mailbox.ts";
import { listEntries, quietText, removeFile } from "../store.ts";

/** The parts of a call's name. */
export interface CallName {
  id: string;
  gen: string;
  key: string;
  /** The shell that waits. */
  pid: number;
}

/** The parts of the name of any of a call's files: `ID,GENERATION,KEY,PID`; undefined for another name. Pure. */
export function parseName(name: string): CallName | undefined {
  const [, id = "", gen = "", key = "", pid] =
    /^([A-Za-z0-9][\w.-]*),([\w.-]+),([\w.-]+),(\d+)(?:\.(?:out|err))?$/.exec(name) ?? [];
  return pid === undefined ? undefined : { id, gen, key, pid: Number(pid) };
}

/** Archives the question whose answer a shell has printed, though the pulse that replied to it is gone. */
export async function noteRead(profile: Profile, name: string, nowMs: number): Promise<void> {
  const path = `${profile.calls}/read/${name}`;
  const ask = (quietText(path) ?? "").trim();
  if (ask === "") return;
  const worker = parseAskId(ask)?.worker;
  if (worker !== undefined && worker === parseName(name)?.id) await archiveTaken(profile, ask, nowMs);
  removeFile(path, { durable: false });
}

/** Archives all such questions: before the binary asks, since the same question asked again is a new one then. */
export async function noteAllRead(profile: Profile, nowMs: number): Promise<void> {
  for (const { name, isFile } of listEntries(`${profile.calls}/read`)) {
    // The end of a `told` is the pulse's to note.
    if (isFile && quietText(`${profile.calls}/read/${name}`)?.trim() !== ".") {
      await noteRead(profile, name, nowMs);
    }
  }
}
