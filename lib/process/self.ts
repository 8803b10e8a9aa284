/** How looop starts itself again, whatever way it is run: compiled, `deno run` of a file, or of a URL. */
import { makeDir, readText, replaceFile } from "../store.ts";
import { shellQuote } from "../text/quote.ts";
import type { Profile } from "../paths.ts";

/** The argv (without further arguments) that starts this same program again. */
export interface SelfCommand {
  exe: string;
  args: readonly string[];
  /** One executable by itself; else a launcher script is needed where one path is asked for. */
  standalone: boolean;
}

/**
 * Reads how this process was started. To be called once, early: after an upgrade by rename
 * `Deno.execPath()` ends in " (deleted)", and the new program at the same path is the one to start.
 */
export function selfCommand(): SelfCommand {
  const exe = Deno.execPath().replace(/ \(deleted\)$/, "");
  if (Deno.build.standalone) return { exe, args: [], standalone: true };
  // No flag can be read back from a running Deno, so the list is fixed; --cached-only keeps it offline.
  const args = ["run", "-A", "--no-prompt", "--quiet", "--cached-only", Deno.mainModule];
  return { exe, args, standalone: false };
}

/** One executable path that is this program: the binary itself, or a launcher script in the data dir. */
export function executablePath(profile: Profile, self: SelfCommand): string {
  return self.standalone ? self.exe : launcherPath(profile, self);
}

/**
 * A launcher script in the data dir. Workers get it as `LOOOP_BIN`, so it must stay valid for as long as they live.
 *
 * A worker may stand in a folder that is gone, as after `git worktree remove`: there the Deno runtime panics
 * before a line of ours runs, and the worker could neither ask nor end itself.
 */
export function launcherPath(profile: Profile, self: SelfCommand): string {
  const path = `${profile.bin}/looop`;
  const words = [self.exe, ...self.args].map(shellQuote).join(" ");
  const text = `#!/bin/sh\ncase $(pwd -P 2>/dev/null) in /*) ;; *) cd / ;; esac\nexec ${words} "$@"\n`;
  if (readText(path) !== text) {
    makeDir(profile.bin);
    replaceFile(path, text, { mode: 0o700, durable: false });
  }
  return path;
}
