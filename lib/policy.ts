/** Policy files: goals, sensors and the playbook, written so that the text before can be brought back. */
import type { Profile } from "./paths.ts";
import { listFiles, makeDir, readText, removeFile, replaceFile } from "./store.ts";

/** How many earlier playbooks are kept. */
const PLAYBOOKS_KEPT = 20;

/** Text that ends in exactly what it ended in, plus a newline when it had none. */
export function withNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** Where the previous text of a goal or sensor is kept, for `_ undo`. */
export function undoPath(profile: Profile, kind: "goal" | "sensor" | "playbook", id: string): string {
  return `${profile.undo}/${kind}-${id}`;
}

/** Replaces a policy file, keeping the text before; false when nothing would change. */
export function writePolicy(
  path: string,
  undo: { dir: string; path: string },
  text: string,
  mode = 0o600,
): boolean {
  const before = readText(path);
  if (before === text && modeOf(path) === mode) return false;
  if (before !== undefined && before !== text) {
    makeDir(undo.dir);
    replaceFile(undo.path, before, { mode });
  }
  replaceFile(path, text, { mode });
  return true;
}

function modeOf(path: string): number | undefined {
  try {
    return (Deno.statSync(path).mode ?? 0) & 0o777;
  } catch {
    return undefined;
  }
}

/** Keeps a playbook's text under its UTC time; the last 20 stay. */
export function keepPlaybook(profile: Profile, text: string, atMs: number): void {
  makeDir(profile.playbookHistory);
  const stamp = new Date(atMs).toISOString().replace(/:/g, "-");
  replaceFile(`${profile.playbookHistory}/${stamp}.md`, text);
  const names = listFiles(profile.playbookHistory, ".md");
  for (const name of names.slice(0, Math.max(0, names.length - PLAYBOOKS_KEPT))) {
    removeFile(`${profile.playbookHistory}/${name}`);
  }
}
