/** Who this home is to its hosts: its data dir by a random id, and its machine. */
import type { Profile } from "../paths.ts";
import { createOnce, quietText, readJson, valueOf } from "../store.ts";
import { isRecord } from "../text/json.ts";

/** The surroundings in which hosts are reached. */
export interface PlaceHost {
  profile: Profile;
  env: Readonly<Record<string, string>>;
  now(): number;
}

/** The data dir's id, 16 hex digits; made when there is none. */
export function homeId(profile: Profile): string {
  const path = `${profile.dir}/.home`;
  const check = (value: unknown) =>
    isRecord(value) && /^[0-9a-f]{16,64}$/.test(String(value["id"])) ? String(value["id"]) : undefined;
  const read = () => valueOf(readJson(path, (value) => ({ id: check(value) })))?.id;
  const id = read();
  if (id !== undefined) return id;
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const fresh = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  createOnce(path, `${JSON.stringify({ v: 1, id: fresh })}\n`);
  return read() ?? fresh;
}

/** This machine's id; "-" where it has none. */
export function machineId(): string {
  for (const path of ["/etc/machine-id", "/var/lib/dbus/machine-id"]) {
    const id = quietText(path)?.trim();
    if (id !== undefined && /^[0-9a-f]{32}$/.test(id)) return id;
  }
  try {
    return Deno.hostname().replace(/[^A-Za-z0-9.-]/g, "_") || "-";
  } catch {
    return "-";
  }
}
