/** The names of temporary siblings, by which files are replaced in one step. Pure but for the random part. */
import { baseName, dirName } from "./paths.ts";

/** What every temporary name begins with. */
const TEMP_PREFIX = ".";

/** `.NAME.tmp-PID-RANDOM` beside the file: hidden from listings, swept when older than a day. */
export function tempName(path: string): string {
  const random = crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36) ?? "0";
  return `${dirName(path)}/${TEMP_PREFIX}${baseName(path)}.tmp-${Deno.pid}-${random}`;
}

/** Whether a name is one of our temporary files. */
export function isTempName(name: string): boolean {
  return name.startsWith(TEMP_PREFIX) && /\.tmp-\d+-[a-z0-9]+$/.test(name);
}
